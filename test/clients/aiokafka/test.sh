"$CACHE/venv/bin/python" aiokafka/client.py
