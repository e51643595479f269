. ./need.sh
. ./node.sh
node22
exec "$NODE" "$CACHE/client.mjs"
