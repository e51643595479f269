"""An idempotent producer: prints what is acknowledged. Arguments: TOPIC."""

import asyncio
import os
import sys

from aiokafka import AIOKafkaProducer


async def acknowledged(value, done):
    try:
        await done
        print(value, flush=True)
    except Exception as err:
        print(value, repr(err), file=sys.stderr)


async def main():
    p = AIOKafkaProducer(bootstrap_servers=os.environ["BROKER"], enable_idempotence=True, retry_backoff_ms=10)
    await p.start()
    sent = []
    for i in range(2000):
        value = f"value-{i}"
        done = await p.send(sys.argv[1], value.encode(), partition=i % 3)
        sent.append(asyncio.create_task(acknowledged(value, done)))
        await asyncio.sleep(0.001)
    await asyncio.gather(*sent)
    await p.stop()


asyncio.run(main())
