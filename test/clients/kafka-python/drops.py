"""An idempotent producer: prints what is acknowledged. Arguments: TOPIC."""

import os
import sys
import time

from kafka import KafkaProducer

p = KafkaProducer(bootstrap_servers=os.environ["BROKER"], enable_idempotence=True, max_in_flight_requests_per_connection=5,
                  reconnect_backoff_ms=10, reconnect_backoff_max_ms=50, retry_backoff_ms=10, delivery_timeout_ms=80000)
for i in range(2000):
    value = f"value-{i}"
    done = p.send(sys.argv[1], value.encode(), partition=i % 3)
    done.add_callback(lambda _, value=value: print(value, flush=True))
    done.add_errback(lambda err, value=value: print(value, repr(err), file=sys.stderr))
    time.sleep(0.001)
p.flush(80)
