# Says when it is ready, in a line of its own.
echo 'looking for old jobs'
sleep 0.5
echo 'taking jobs'
exec sleep 100000
