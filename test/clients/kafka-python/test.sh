set -e
. ./groups.sh
"$CACHE/venv/bin/python" kafka-python/client.py
group group kafka-python-group "$CACHE/venv/bin/python" kafka-python/member.py
printf 'group-848\tskip\tit has no members of the consumer protocol\n'
