"""Which features of the broker a stock librdkafka client uses, through confluent-kafka."""

import time

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, NewTopic

from feature import BROKER, check, equal, samples

NAME = "librdkafka"


def producer(**settings):
    return ck.Producer({"bootstrap.servers": BROKER, "linger.ms": 0, "message.timeout.ms": 30000}
                       | {k.replace("_", "."): v for k, v in settings.items()})


def send(p, topic, value, key=None, headers=None, timestamp=0):
    """Sends one record, waits, and returns its offset or raises the client's error."""
    answers = []
    p.produce(topic, value, key, 0, timestamp=timestamp, headers=headers, on_delivery=lambda err, msg: answers.append((err, msg)))
    p.flush(60)
    err, msg = answers[0]
    if err is not None:
        raise ck.KafkaException(err)
    return msg.offset()


def read(topic, n, offset=ck.OFFSET_BEGINNING):
    """Reads n records of partition 0."""
    c = ck.Consumer({"bootstrap.servers": BROKER, "group.id": NAME, "enable.auto.commit": False})
    c.assign([ck.TopicPartition(topic, 0, offset)])
    found, deadline = [], time.monotonic() + 60
    while len(found) < n and time.monotonic() < deadline:
        msg = c.poll(1)
        if msg is not None and msg.error() is None:
            found.append(msg)
    c.close()
    return found


def values(topic, n, offset=ck.OFFSET_BEGINNING):
    return [m.value().decode() for m in read(topic, n, offset)]


def codec(name):
    topic, want = f"{NAME}-codec-{name}", samples()
    p = producer(compression_type=name)
    for key, value, headers in want:
        p.produce(topic, value, key, 0, headers=headers)
    p.flush(60)
    equal([(m.key(), m.value(), m.headers() or []) for m in read(topic, len(want))], want)


def acks(level):
    topic = f"{NAME}-acks-{level}"
    send(producer(acks=level), topic, "one")
    equal(values(topic, 1), ["one"])


def idempotent():
    topic, want, failed = f"{NAME}-idempotent", [f"value-{i}" for i in range(500)], []
    p = producer(enable_idempotence=True, batch_num_messages=1)
    for value in want:
        p.produce(topic, value, partition=0, on_delivery=lambda err, _: err and failed.append(err))
    p.flush(60)
    equal(failed, [])
    equal(values(topic, len(want)), want)


POSITIONS = ["zero", "one", "two", "three"]


def from_offset(offset, skipped):
    equal(values(f"{NAME}-positions", len(POSITIONS) - skipped, offset), POSITIONS[skipped:])


def from_timestamp(millis):
    c = ck.Consumer({"bootstrap.servers": BROKER, "group.id": NAME})
    [found] = c.offsets_for_times([ck.TopicPartition(f"{NAME}-positions", 0, millis)], timeout=30)
    c.close()
    from_offset(found.offset, 1)


admin = AdminClient({"bootstrap.servers": BROKER})


def create():
    for done in admin.create_topics([NewTopic(f"{NAME}-made", 3, 1, config={"retention.ms": "3600000"})]).values():
        done.result(30)


def listed():
    equal(len(admin.list_topics(timeout=30).topics[f"{NAME}-made"].partitions), 3)


def delete():
    for done in admin.delete_topics([f"{NAME}-made"]).values():
        done.result(30)
    deadline = time.monotonic() + 30
    while f"{NAME}-made" in admin.list_topics(timeout=30).topics:
        assert time.monotonic() < deadline, "the topic is still listed"
        time.sleep(0.1)


def offenders():
    """Ten of a batch of a hundred have no key, for a compacted topic: those are blamed, and the others may be sent again."""
    topic, codes = f"{NAME}-compacted", {}
    for done in admin.create_topics([NewTopic(topic, 1, 1, config={"cleanup.policy": "compact"})]).values():
        done.result(30)
    p = producer(enable_idempotence=True, linger_ms=1000)
    for i in range(100):
        p.produce(topic, "v", None if i % 10 == 3 else "k", 0, on_delivery=lambda err, msg, i=i: codes.update({i: err and err.code()}))
    p.flush(60)
    equal(codes, {i: 87 if i % 10 == 3 else ck.KafkaError._INVALID_DIFFERENT_RECORD for i in range(100)})


def recompressed():
    """What the broker has compressed, since the topics ask for it."""
    for name in "uncompressed", "gzip", "snappy", "lz4", "zstd":
        topic, want = f"{NAME}-to-{name}", samples()
        for done in admin.create_topics([NewTopic(topic, 1, 1, config={"compression.type": name})]).values():
            done.result(30)
        p = producer(compression_type="zstd" if name == "uncompressed" else "none")
        for key, value, headers in want:
            p.produce(topic, value, key, 0, headers=headers)
        p.flush(60)
        equal([(m.key(), m.value(), m.headers() or []) for m in read(topic, len(want))], want)


LOCKS = f"{NAME}-locks"
locks = producer(enable_idempotence=True)


def refused(p, code, headers):
    try:
        send(p, LOCKS, "refused", headers=headers)
    except ck.KafkaException as err:
        equal(err.args[0].code(), code)
        return f"KafkaError {err.args[0].name()} ({code})"
    raise AssertionError("not refused")


def after_conflict():
    send(locks, LOCKS, "second", headers={"lock-write": "acct:7", "lock-basis": "0"})
    equal(values(LOCKS, 2), ["first", "second"])
    return "idempotent"


def in_flight():
    """One of many small batches is refused: what was acknowledged is in the log, once and in order."""
    topic, acked, refusals = f"{NAME}-in-flight", [], []
    p = producer(enable_idempotence=True, batch_num_messages=1)

    def answered(err, msg):
        refusals.append(err.code()) if err else acked.append(msg.value().decode())

    for i in range(50):
        stale = {"lock-write": "*", "lock-basis": "none"} if i == 20 else None
        p.produce(topic, f"value-{i}", partition=0, headers=stale, on_delivery=answered)
    p.flush(60)
    equal(refusals, [44])
    equal(values(topic, 49), acked)


def append_once():
    equal([send(locks, LOCKS, "third", headers={"lock-id": "req-1"}) for _ in range(2)], [2, 2])


print("version", "ok", f"{ck.libversion()[0]} (confluent-kafka {ck.version()})", sep="\t")
for name in "none", "gzip", "snappy", "lz4", "zstd":
    check(f"codec-{name}", lambda: codec(name))
for level in "0", "1", "all":
    check(f"acks-{level}", lambda: acks(level))
check("idempotent", idempotent)
start = int(time.time() * 1000) - 60000
for i, value in enumerate(POSITIONS):
    send(producer(), f"{NAME}-positions", value, timestamp=start + 1000 * i)
check("from-beginning", lambda: from_offset(ck.OFFSET_BEGINNING, 0))
check("from-offset", lambda: from_offset(2, 2))
check("from-timestamp", lambda: from_timestamp(start + 500))
check("create", create)
check("list", listed)
check("delete", delete)
check("offenders", offenders)
check("recompressed", recompressed)
send(locks, LOCKS, "first", headers={"lock-write": "acct:7", "lock-basis": "none"})
check("conflict", lambda: refused(locks, 44, {"lock-write": "acct:7", "lock-basis": "none"}))
check("after-conflict", after_conflict)
check("conflict-in-flight", in_flight)
check("malformed", lambda: refused(locks, 87, {"lock-wirte": "acct:7"}))
check("lock-acks-1", lambda: refused(producer(acks=1), 21, {"lock-write": "acct:7", "lock-basis": "1"}))
check("append-once", append_once)
