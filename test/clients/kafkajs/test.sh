exec node "$CACHE/client.cjs"
