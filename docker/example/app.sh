#!/bin/sh
# Stands for an application: it reads its environment, serves a page, and ends when it is told to.
: "${SHOP_SECRET:?is not set}"
mkdir -p /tmp/site
signature=$(printf %s "$SHOP_SECRET" | sha256sum | cut -d' ' -f1)
echo "the shop is open, ${#SHOP_SECRET} letters of secret, $signature" >/tmp/site/index.html
trap 'kill "$server"; echo closed; exit 0' TERM INT
httpd -f -p 8000 -h /tmp/site &
server=$!
cat /tmp/site/index.html
wait "$server"
