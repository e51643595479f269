set -e
. ./drops.sh
. ./groups.sh
"$CACHE/venv/bin/python" aiokafka/client.py
drops aiokafka-drops "$CACHE/venv/bin/python" aiokafka/drops.py
made_again aiokafka-again "$CACHE/venv/bin/python" aiokafka/drops.py
group group aiokafka-group "$CACHE/venv/bin/python" aiokafka/member.py
printf 'group-848\tskip\tit has no members of the consumer protocol\n'
