set -e
. ./drops.sh
. ./groups.sh
"$CACHE/venv/bin/python" kafka-python/client.py
drops kafka-python-drops "$CACHE/venv/bin/python" kafka-python/drops.py
made_again kafka-python-again "$CACHE/venv/bin/python" kafka-python/drops.py
group group kafka-python-group "$CACHE/venv/bin/python" kafka-python/member.py
printf 'group-848\tskip\tit has no members of the consumer protocol\n'
