"""Which features of the broker a stock kafka-python client uses."""

import time

import kafka
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from feature import BROKER, Skip, check, equal, samples

NAME = "kafka-python"


def producer(**settings):
    return KafkaProducer(bootstrap_servers=BROKER, **({"acks": "all", "enable_idempotence": False} | settings))


def send(p, topic, value, key=None, headers=(), timestamp=None):
    """Sends one record, waits, and returns its offset or raises the client's error."""
    done = p.send(topic, value, key, [(n, v) for n, v in headers], partition=0, timestamp_ms=timestamp)
    return done.get(60).offset


def read(topic, n, seek=lambda c, part: c.seek_to_beginning(part)):
    """Reads n records of partition 0."""
    c = KafkaConsumer(bootstrap_servers=BROKER, group_id=None, consumer_timeout_ms=30000)
    part = TopicPartition(topic, 0)
    c.assign([part])
    seek(c, part)
    found = []
    while len(found) < n:
        found.append(next(c))
    c.close()
    return found


def values(topic, n, *seek):
    return [m.value.decode() for m in read(topic, n, *seek)]


def writable(key, value, headers):
    return (key, value) != (None, None) and all(v is not None for _, v in headers)


def codec(name):
    topic, want = f"{NAME}-codec-{name}", [s for s in samples() if writable(*s)]
    p = producer(compression_type=None if name == "none" else name)
    sent = [p.send(topic, value, key, headers, partition=0) for key, value, headers in want]
    for done in sent:
        done.get(60)
    equal([(m.key, m.value, list(m.headers)) for m in read(topic, len(want))], want)
    return "it refuses to send a null key with a null value, and null headers"


def acks(level):
    topic = f"{NAME}-acks-{level}"
    p = producer(acks=level if level == "all" else int(level))
    send(p, topic, b"one")
    p.close()
    equal(values(topic, 1), ["one"])


def idempotent():
    topic, want = f"{NAME}-idempotent", [f"value-{i}" for i in range(500)]
    p = producer(enable_idempotence=True, batch_size=1, max_in_flight_requests_per_connection=5)
    for done in [p.send(topic, value.encode(), partition=0) for value in want]:
        done.get(60)
    equal(values(topic, len(want)), want)


POSITIONS = ["zero", "one", "two", "three"]


def positioned(skipped, seek):
    equal(values(f"{NAME}-positions", len(POSITIONS) - skipped, seek), POSITIONS[skipped:])


def seek_time(c, part, millis):
    c.seek(part, c.offsets_for_times({part: millis})[part].offset)


admin = KafkaAdminClient(bootstrap_servers=BROKER)


def create():
    admin.create_topics([NewTopic(name=f"{NAME}-made", num_partitions=3, replication_factor=1, topic_configs={"retention.ms": "3600000"})])


def listed():
    [found] = admin.describe_topics([f"{NAME}-made"])
    equal(len(found["partitions"]), 3)
    assert f"{NAME}-made" in admin.list_topics(), "not listed"


def delete():
    admin.delete_topics([f"{NAME}-made"])
    deadline = time.monotonic() + 30
    while f"{NAME}-made" in admin.list_topics():
        assert time.monotonic() < deadline, "the topic is still listed"
        time.sleep(0.1)


LOCKS = f"{NAME}-locks"
locks = producer()


def refused(p, code, text, *headers):
    try:
        send(p, LOCKS, b"refused", headers=headers)
    except kafka.errors.KafkaError as err:
        equal(err.errno, code)
        assert text in str(err), err
        return f"{type(err).__name__} ({code})" + (", with the text" if text else "")
    raise AssertionError("not refused")


def after_conflict():
    send(locks, LOCKS, b"second", headers=[("lock-write", b"acct:7"), ("lock-basis", b"0")])
    equal(values(LOCKS, 2), ["first", "second"])
    return "enable_idempotence=False: with it, the client takes any refusal for fatal"


def in_flight():
    raise Skip("enable_idempotence=False")


def append_once():
    equal([send(locks, LOCKS, b"third", headers=[("lock-id", b"req-1")]) for _ in range(2)], [2, 2])


CONFLICT = "CONFLICT lock=acct:7 last=0 basis=none by=- record=0:"

print("version", "ok", kafka.__version__, sep="\t")
for name in "none", "gzip", "snappy", "lz4", "zstd":
    check(f"codec-{name}", lambda: codec(name))
for level in "0", "1", "all":
    check(f"acks-{level}", lambda: acks(level))
check("idempotent", idempotent)
start = int(time.time() * 1000) - 60000
for i, value in enumerate(POSITIONS):
    send(locks, f"{NAME}-positions", value.encode(), timestamp=start + 1000 * i)
check("from-beginning", lambda: positioned(0, lambda c, part: c.seek_to_beginning(part)))
check("from-offset", lambda: positioned(2, lambda c, part: c.seek(part, 2)))
check("from-timestamp", lambda: positioned(1, lambda c, part: seek_time(c, part, start + 500)))
check("create", create)
check("list", listed)
check("delete", delete)
send(locks, LOCKS, b"first", headers=[("lock-write", b"acct:7"), ("lock-basis", b"none")])
check("conflict", lambda: refused(locks, 44, CONFLICT, ("lock-write", b"acct:7"), ("lock-basis", b"none")))
check("after-conflict", after_conflict)
check("conflict-in-flight", in_flight)
check("malformed", lambda: refused(locks, 87, "MALFORMED record=0:", ("lock-wirte", b"acct:7")))
check("lock-acks-1", lambda: refused(producer(acks=1), 21, "", ("lock-write", b"acct:7"), ("lock-basis", b"1")))
check("append-once", append_once)
