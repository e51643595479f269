set -e
. ./drops.sh
. ./groups.sh
"$CACHE/venv/bin/python" librdkafka/client.py
drops librdkafka-drops "$CACHE/venv/bin/python" librdkafka/drops.py
made_again librdkafka-again "$CACHE/venv/bin/python" librdkafka/drops.py
group group librdkafka-group "$CACHE/venv/bin/python" librdkafka/member.py classic
group group-848 librdkafka-group-848 "$CACHE/venv/bin/python" librdkafka/member.py consumer
