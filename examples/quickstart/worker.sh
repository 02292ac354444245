# Visits the page at $1 every $2 seconds and appends what it got to $DATA_FILE.
while sleep "$2"; do
  node visit.mjs "$1" >> "$DATA_FILE"
  tail -n 1 "$DATA_FILE"
done
