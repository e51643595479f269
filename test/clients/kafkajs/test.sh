set -e
. ./groups.sh
node "$CACHE/client.cjs"
group group kafkajs-group node "$CACHE/member.cjs"
printf 'group-848\tskip\tit has no members of the consumer protocol\n'
