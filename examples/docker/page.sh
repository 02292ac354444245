#!/bin/sh
# A CGI program: the page. The secret is a file; what it says is not shown, only that it is there.
printf 'Content-Type: text/plain\r\n\r\n'
echo "counted: $(wget -q -O - "$STORE?count")"
echo "the secret has $(wc -c <"$SETPOINT_SECRETS_DIR/token") bytes"
