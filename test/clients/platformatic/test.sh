set -e
. ./need.sh
. ./node.sh
. ./groups.sh
node22
"$NODE" "$CACHE/client.mjs"
group group platformatic-group "$NODE" "$CACHE/member.mjs" classic
group group-848 platformatic-group-848 "$NODE" "$CACHE/member.mjs" consumer
