"""Which features of the broker a stock aiokafka client uses."""

import asyncio
import time
from contextlib import asynccontextmanager

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from feature import BROKER, Skip, check, equal, samples

NAME = "aiokafka"
LOCKS = f"{NAME}-locks"
POSITIONS = ["zero", "one", "two", "three"]


@asynccontextmanager
async def producer(**settings):
    p = AIOKafkaProducer(bootstrap_servers=BROKER, **({"acks": "all"} | settings))
    await p.start()
    try:
        yield p
    finally:
        await p.stop()


async def send(p, topic, value, headers=(), timestamp=None):
    """Sends one record, waits, and returns its offset or raises the client's error."""
    done = await p.send_and_wait(topic, value, partition=0, headers=headers, timestamp_ms=timestamp)
    return done and done.offset


async def first(c, part):
    await c.seek_to_beginning(part)


async def read(topic, n, seek=first):
    """Reads n records of partition 0."""
    c = AIOKafkaConsumer(bootstrap_servers=BROKER, group_id=None)
    await c.start()
    try:
        part = TopicPartition(topic, 0)
        c.assign([part])
        await seek(c, part)
        return [await asyncio.wait_for(c.getone(), 30) for _ in range(n)]
    finally:
        await c.stop()


async def values(topic, n, seek=first):
    return [m.value.decode() for m in await read(topic, n, seek)]


async def codec(name):
    return await round_trip(f"{NAME}-codec-{name}", None if name == "none" else name)


async def round_trip(topic, codec):
    want = [s for s in samples() if s[0] is not None or s[1] is not None]
    async with producer(compression_type=codec) as p:
        sent = [await p.send(topic, value, key, partition=0, headers=headers) for key, value, headers in want]
        await asyncio.gather(*sent)
    equal([(m.key, m.value, list(m.headers)) for m in await read(topic, len(want))], want)
    return "it refuses to send a null key with a null value"


async def acks(level):
    async with producer(acks=level) as p:
        await send(p, f"{NAME}-acks-{level}", b"one")
    equal(await values(f"{NAME}-acks-{level}", 1), ["one"])


async def idempotent():
    topic, want = f"{NAME}-idempotent", [f"value-{i}" for i in range(500)]
    async with producer(enable_idempotence=True, max_batch_size=100) as p:
        await asyncio.gather(*[await p.send(topic, value.encode(), partition=0) for value in want])
    equal(await values(topic, len(want)), want)


async def positioned(skipped, seek):
    equal(await values(f"{NAME}-positions", len(POSITIONS) - skipped, seek), POSITIONS[skipped:])


async def second(c, part):
    c.seek(part, 2)


async def refused(p, code, *headers):
    try:
        await send(p, LOCKS, b"refused", list(headers))
    except KafkaError as err:
        equal(err.errno, code)
        return f"{type(err).__name__} ({code})" + (": it does not know 87" if code == -1 else "")
    raise AssertionError("not refused")


async def after_conflict(p):
    await send(p, LOCKS, b"second", [("lock-write", b"acct:7"), ("lock-basis", b"0")])
    equal(await values(LOCKS, 2), ["first", "second"])
    return "not idempotent: with it, the client leaves a gap in its sequence"


async def in_flight():
    raise Skip("not idempotent")


async def append_once(p):
    equal([await send(p, LOCKS, b"third", [("lock-id", b"req-1")]) for _ in range(2)], [2, 2])


async def administer(admin):
    async def create():
        await admin.create_topics([NewTopic(f"{NAME}-made", 3, 1, topic_configs={"retention.ms": "3600000"})])

    async def listed():
        [found] = await admin.describe_topics([f"{NAME}-made"])
        equal(len(found["partitions"]), 3)

    async def delete():
        await admin.delete_topics([f"{NAME}-made"])
        deadline = time.monotonic() + 30
        while f"{NAME}-made" in await admin.list_topics():
            assert time.monotonic() < deadline, "the topic is still listed"
            await asyncio.sleep(0.1)

    async def recompressed():
        """What the broker has compressed, since the topics ask for it."""
        for name in "uncompressed", "gzip", "snappy", "lz4", "zstd":
            topic = f"{NAME}-to-{name}"
            await admin.create_topics([NewTopic(topic, 1, 1, topic_configs={"compression.type": name})])
            await round_trip(topic, "zstd" if name == "uncompressed" else None)

    await feature("recompressed", recompressed())
    await feature("create", create())
    await feature("list", listed())
    await feature("delete", delete())


async def feature(name, coroutine):
    """Awaits one feature and prints its line."""
    [outcome] = await asyncio.gather(coroutine, return_exceptions=True)

    def tell():
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    check(name, tell)


async def main():
    for name in "none", "gzip", "snappy", "lz4", "zstd":
        await feature(f"codec-{name}", codec(name))
    for level in 0, 1, "all":
        await feature(f"acks-{level}", acks(level))
    await feature("idempotent", idempotent())
    start = int(time.time() * 1000) - 60000
    async with producer() as p:
        for i, value in enumerate(POSITIONS):
            await send(p, f"{NAME}-positions", value.encode(), timestamp=start + 1000 * i)

    async def at_time(c, part):
        c.seek(part, (await c.offsets_for_times({part: start + 500}))[part].offset)

    await feature("from-beginning", positioned(0, first))
    await feature("from-offset", positioned(2, second))
    await feature("from-timestamp", positioned(1, at_time))
    admin = AIOKafkaAdminClient(bootstrap_servers=BROKER)
    await admin.start()
    await administer(admin)
    await admin.close()
    locked, stale = ("lock-write", b"acct:7"), ("lock-basis", b"none")
    async with producer() as p, producer(acks=1) as one:
        await send(p, LOCKS, b"first", [locked, stale])
        await feature("conflict", refused(p, 44, locked, stale))
        await feature("after-conflict", after_conflict(p))
        await feature("conflict-in-flight", in_flight())
        await feature("malformed", refused(p, -1, ("lock-wirte", b"acct:7")))
        await feature("lock-acks-1", refused(one, 21, locked, ("lock-basis", b"1")))
        await feature("append-once", append_once(p))


print("version", "ok", aiokafka.__version__, sep="\t")
asyncio.run(main())
