#!/usr/bin/env bash
# kafka-python's producer is idempotent by default since 3.0. One record that the broker refuses, on any topic, ends it: every
# later send on every topic raises that first error. The same producer without idempotence goes on.
. "$(dirname "$0")/lib.sh"
expect "kafka-python 3.0.12, KafkaProducer(bootstrap_servers=...) with no other setting" \
  "a refused record fails alone, as in Kafka's own producer, and other topics take records as before"
python_packages kafka-python kafka-python==3.0.12
start_kafka
topic compacted cleanup.policy=compact
topic other
cat >"$work/finding.py" <<'PY'
import sys
from kafka import KafkaProducer

for name, settings in [("default", {}), ("enable_idempotence=False", {"enable_idempotence": False})]:
    producer = KafkaProducer(bootstrap_servers=sys.argv[1], **settings)

    def send(topic, key):
        try:
            producer.send(topic, key=key, value=b"v").get(20)
            return "ok"
        except Exception as e:
            return type(e).__name__

    results = [send("other", None), send("compacted", None), send("other", None), send("compacted", b"k")]
    print(f"{name}: other topic {results[0]}, refused record {results[1]}, other topic {results[2]}, good record {results[3]}")
    producer.close(5)
PY
verdict "$(timeout 120 "$python" "$work/finding.py" "$kafka" 2>/dev/null)" \
  '^default: other topic ok, refused record InvalidRecordError, other topic InvalidRecordError, good record InvalidRecordError$' \
  '^enable_idempotence=False: other topic ok, refused record InvalidRecordError, other topic ok, good record ok$'
