#!/bin/sh
# Counts in the store; runs in /workspace, which is the example's folder.
while :; do
  count=$(wget -q -O - "$STORE?count")
  case "$count" in *[!0-9]* | '') count=0 ;; esac
  wget -q -O /dev/null "$STORE?count=$((count + 1))" && echo "counted to $((count + 1))"
  sleep 1
done
