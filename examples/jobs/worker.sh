# Takes jobs from $QUEUE/waiting, the oldest first, until it is told to stop. $1 is the worker's number.
stop=
trap 'stop=1' TERM
while [ -z "$stop" ]; do
  job=$(ls "$QUEUE/waiting" | head -n 1)
  # Only one worker's rename succeeds.
  if [ -n "$job" ] && mv "$QUEUE/waiting/$job" "$QUEUE/$1-$job" 2>/dev/null; then
    sleep 1
    mv "$QUEUE/$1-$job" "$QUEUE/done/$job"
    echo "worker $1 did $job"
  else
    sleep 0.2
  fi
done
