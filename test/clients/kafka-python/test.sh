"$CACHE/venv/bin/python" kafka-python/client.py
