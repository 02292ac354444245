# Says how many notes there are in $DATA/load, and ends with 3 where there are none.
[ -s "$DATA/load" ] || exit 3
echo "$(wc -l < "$DATA/load" | tr -d ' ') notes, the last one: $(tail -n 1 "$DATA/load")"
