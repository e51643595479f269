"""A member of a group: prints what it reads, then commits. Arguments: TOPIC GROUP."""

import os
import signal
import sys

from kafka import KafkaConsumer
from kafka.errors import KafkaError

topic, group = sys.argv[1:]
stopped = []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
c = KafkaConsumer(topic, bootstrap_servers=os.environ["BROKER"], group_id=group, auto_offset_reset="earliest",
                  enable_auto_commit=False, session_timeout_ms=6000, heartbeat_interval_ms=1000)
while not stopped:
    found = [m for records in c.poll(200).values() for m in records]
    for m in found:
        print(m.value.decode())
    sys.stdout.flush()
    if found:
        try:
            c.commit()
        except KafkaError as err:  # a rebalance: the next owner reads it again
            print(err, file=sys.stderr)
c.close(autocommit=False)
