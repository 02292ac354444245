#!/bin/sh
# A CGI program: `?name` answers what is kept under the name, `?name=value` keeps it.
name=${QUERY_STRING%%=*}
file=/data/$(printf %s "$name" | tr -cd 'a-z0-9')
printf 'Content-Type: text/plain\r\n\r\n'
case "$QUERY_STRING" in
  '') echo "$(ls /data | wc -l) kept" ;;
  *=*) printf '%s\n' "${QUERY_STRING#*=}" >"$file" && echo kept ;;
  *) test -f "$file" && cat "$file" || echo nothing ;;
esac
