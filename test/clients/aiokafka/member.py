"""A member of a group: prints what it reads, then commits. Arguments: TOPIC GROUP."""

import asyncio
import os
import signal
import sys

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError


async def main(topic, group):
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    c = AIOKafkaConsumer(topic, bootstrap_servers=os.environ["BROKER"], group_id=group, auto_offset_reset="earliest",
                         enable_auto_commit=False, session_timeout_ms=6000, heartbeat_interval_ms=1000)
    await c.start()
    try:
        while not stopped.is_set():
            found = [m for records in (await c.getmany(timeout_ms=200)).values() for m in records]
            for m in found:
                print(m.value.decode())
            sys.stdout.flush()
            if found:
                try:
                    await c.commit()
                except KafkaError as err:  # a rebalance: the next owner reads it again
                    print(err, file=sys.stderr)
    finally:
        await c.stop()


asyncio.run(main(*sys.argv[1:]))
