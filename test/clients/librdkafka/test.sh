"$CACHE/venv/bin/python" librdkafka/client.py
