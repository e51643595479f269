"""An idempotent producer: prints what is acknowledged. Arguments: TOPIC."""

import os
import sys
import time

import confluent_kafka as ck


def answered(err, msg):
    print(err or msg.value().decode(), file=sys.stderr if err else sys.stdout, flush=True)


p = ck.Producer({"bootstrap.servers": os.environ["BROKER"], "enable.idempotence": True, "linger.ms": 0, "metadata.recovery.strategy": "none",
                 "reconnect.backoff.ms": 10, "reconnect.backoff.max.ms": 50, "retry.backoff.ms": 10, "retry.backoff.max.ms": 50})
for i in range(2000):
    p.produce(sys.argv[1], f"value-{i}", partition=i % 3, on_delivery=answered)
    p.poll(0)
    time.sleep(0.001)
p.flush(80)
