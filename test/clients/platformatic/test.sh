set -e
. ./need.sh
. ./node.sh
. ./drops.sh
. ./groups.sh
node22
"$NODE" "$CACHE/client.mjs"
drops -note "one send after the other" platformatic-drops "$NODE" "$CACHE/drops.mjs"
printf 'topic-made-again\tskip\ta topic that is not there is an error of the application, which it does not try again\n'
group group platformatic-group "$NODE" "$CACHE/member.mjs" classic
group group-848 platformatic-group-848 "$NODE" "$CACHE/member.mjs" consumer
