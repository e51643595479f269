set -e
. ./drops.sh
. ./groups.sh
node "$CACHE/client.cjs"
drops -note "one send after the other" kafkajs-drops node "$CACHE/drops.cjs"
made_again -note "one send after the other" kafkajs-again node "$CACHE/drops.cjs"
group group kafkajs-group node "$CACHE/member.cjs"
printf 'group-848\tskip\tit has no members of the consumer protocol\n'
