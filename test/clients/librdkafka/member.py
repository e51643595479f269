"""A member of a group: prints what it reads, then commits. Arguments: PROTOCOL TOPIC GROUP."""

import os
import signal
import sys

import confluent_kafka as ck

protocol, topic, group = sys.argv[1:]
settings = {"bootstrap.servers": os.environ["BROKER"], "group.id": group, "group.protocol": protocol,
            "auto.offset.reset": "earliest", "enable.auto.commit": False}
if protocol == "classic":
    settings |= {"session.timeout.ms": 6000, "heartbeat.interval.ms": 1000, "partition.assignment.strategy": "cooperative-sticky"}
stopped = []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
c = ck.Consumer(settings)
c.subscribe([topic])
while not stopped:
    found = [m for m in c.consume(100, 0.2) if m.error() is None]
    for m in found:
        print(m.value().decode())
    sys.stdout.flush()
    if found:
        try:
            c.commit(asynchronous=False)
        except ck.KafkaException as err:  # a rebalance: the next owner reads it again
            print(err, file=sys.stderr)
c.close()
