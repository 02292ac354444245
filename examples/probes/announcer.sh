# The protocol of sd_notify(3), as many programs speak it that can run under systemd.
sleep 1
systemd-notify --ready --status='announcing'
exec sleep 100000
