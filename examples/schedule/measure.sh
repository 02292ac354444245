# Notes the time and the load of the machine in $DATA/load.
mkdir -p "$DATA"
echo "$(date +%H:%M:%S) $(uptime | sed 's/.*load average[s]*: //')" | tee -a "$DATA/load"
