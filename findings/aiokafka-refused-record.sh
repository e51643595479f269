#!/usr/bin/env bash
# aiokafka does not know INVALID_RECORD (87), which Kafka has had since 2.4: a refused record raises UnknownError. An
# idempotent producer of it counts the refused record's sequence number as used, and can then write nothing more to that partition.
. "$(dirname "$0")/lib.sh"
expect "aiokafka 0.14.0" "an error that says invalid record, and good records after it are written, with enable_idempotence as without"
python_packages aiokafka aiokafka==0.14.0
start_kafka
topic compacted cleanup.policy=compact
cat >"$work/finding.py" <<'PY'
import asyncio
import logging
import sys
from aiokafka import AIOKafkaProducer

logging.disable(logging.CRITICAL)


async def main():
    for idempotent in (False, True):
        producer = AIOKafkaProducer(bootstrap_servers=sys.argv[1], enable_idempotence=idempotent)
        await producer.start()

        async def send(key):
            try:
                await asyncio.wait_for(producer.send_and_wait("compacted", key=key, value=b"v"), 15)
                return "ok"
            except asyncio.TimeoutError:
                return "no answer in 15 s"
            except Exception as e:
                return f"{type(e).__name__}[{getattr(e, 'errno', '')}]"

        print(f"idempotent={idempotent}: good {await send(b'k')}, refused {await send(None)}, good {await send(b'k')}, good {await send(b'k')}")
        try:
            await asyncio.wait_for(producer.stop(), 5)
        except Exception:
            pass


asyncio.run(main())
PY
verdict "$(timeout 120 "$python" "$work/finding.py" "$kafka" 2>&1 | grep idempotent=)" \
  '^idempotent=False: good ok, refused UnknownError\[-1\], good ok, good ok$' \
  '^idempotent=True: good ok, refused UnknownError\[-1\], good (OutOfOrder\S+|no answer in 15 s), good (OutOfOrder\S+|no answer in 15 s)$'
