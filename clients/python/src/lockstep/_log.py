"""Reading one partition, and what its records say of locks."""

from __future__ import annotations

import time
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]

from ._errors import AppendFailed, LogCut, Unsupported
from ._lock import NONE, Header, Lock, Record, marks_of, id_of, unescape

_PRODUCER_ONLY = ("acks", "linger.ms", "compression.", "batch.", "queue.buffering.", "enable.idempotence", "message.send.",
                  "retries", "delivery.timeout.ms", "message.timeout.ms", "transactional.", "partitioner", "retry.")
READ_MAX = 1000
"""Records that are handed on at once."""


def consumer_settings(config: Mapping[str, Any]) -> Dict[str, Any]:
    """Those of a producer's settings that a consumer has as well: addresses and security."""
    return {k: v for k, v in config.items() if not k.startswith(_PRODUCER_ONLY)}


class Reader:
    """Reads a partition from an offset on, without a group. One thread uses it.

    It has an application's own consumer's guards: a position that the log does not hold is an error, and never
    begun anew somewhere else."""

    def __init__(self, config: Mapping[str, Any], topic: str, partition: int) -> None:
        self._at = ck.TopicPartition(topic, partition)
        settings = consumer_settings(config)
        settings.update({
            "group.id": "lockstep-view",  # it has to have one, and commits nothing
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
        })
        settings.setdefault("fetch.queue.backoff.ms", 10)
        self._consumer = ck.Consumer(settings)
        self.next = 0

    def bounds(self, timeout: float = 10) -> Tuple[int, int]:
        """Where the log begins, and where what is committed ends."""
        low, high = self._consumer.get_watermark_offsets(self._at, timeout=timeout, cached=False)
        return int(low), int(high)

    def begin(self, offset: int) -> None:
        self.next = offset
        self._consumer.assign([ck.TopicPartition(self._at.topic, self._at.partition, offset)])

    def read(self, timeout: float) -> List[Record]:
        """What has come, at most READ_MAX records. next moves behind them, and behind offsets without a record."""
        records: List[Record] = []
        msg = self._consumer.poll(timeout)
        if msg is None:
            return records
        for m in [msg, *self._consumer.consume(READ_MAX - 1, 0)]:
            self._take(m, records)
        return records

    def _take(self, m: Any, records: List[Record]) -> None:
        err = m.error()
        if err is None:
            records.append(_record(m))
            self.next = m.offset() + 1
        elif err.code() == ck.KafkaError._PARTITION_EOF:
            self.next = max(self.next, m.offset())
        elif err.code() in (ck.KafkaError._AUTO_OFFSET_RESET, ck.KafkaError.OFFSET_OUT_OF_RANGE):
            raise LogCut(f"{self._at.topic}-{self._at.partition} does not hold offset {self.next} any more: {err.str()}")
        elif not _may_pass(err):
            raise AppendFailed(err.code(), err.str())

    def close(self) -> None:
        self._consumer.close()


_PASSING = {ck.KafkaError._TRANSPORT, ck.KafkaError._ALL_BROKERS_DOWN, ck.KafkaError._TIMED_OUT, ck.KafkaError._RESOLVE,
            ck.KafkaError.LEADER_NOT_AVAILABLE, ck.KafkaError.NOT_LEADER_FOR_PARTITION,
            ck.KafkaError.UNKNOWN_TOPIC_OR_PART, ck.KafkaError._MAX_POLL_EXCEEDED}


def _may_pass(err: Any) -> bool:
    return bool(err.retriable()) or err.code() in _PASSING


def _record(m: Any) -> Record:
    headers: Sequence[Header] = m.headers() or ()
    return Record(m.value(), m.key(), headers, m.timestamp()[1], m.topic(), m.partition(), m.offset())


class Marks:
    """Who wrote which lock last, of the records that were shown to it: at most so many locks, the latest."""

    def __init__(self, most: int = 1 << 16) -> None:
        self._most = most
        self._last: Dict[bytes, Tuple[int, str]] = {}
        self._whole: Tuple[int, str] = (NONE, "")
        self._ids: Dict[str, int] = {}

    def see(self, r: Record) -> None:
        by = id_of(r.headers)
        self._whole = (r.offset, by)
        for name in marks_of(r.headers):
            key = unescape(name.encode())
            self._last.pop(key, None)
            self._last[key] = (r.offset, by)
        if by:
            self._ids.setdefault(by, r.offset)
        for kept in (self._last, self._ids):
            while len(kept) > self._most:
                kept.pop(next(iter(kept)))  # type: ignore[call-overload]

    def last(self, lock: Lock) -> Tuple[int, str]:
        """The newest record that wrote a lock, and its lock-id; NONE if none was seen."""
        return self._whole if lock.whole else self._last.get(lock.name.encode(), (NONE, ""))

    def offset_of(self, id: str) -> Optional[int]:
        return self._ids.get(id)


class Topics:
    """What has to be known of a topic before locks are sent to it."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._admin = AdminClient(consumer_settings(config))
        self._policies: Dict[str, Tuple[float, str]] = {}

    POLICY_SECONDS = 30.0
    ASK_SECONDS = 10.0

    def policy(self, topic: str) -> str:
        """conflict.policy of a topic, as of half a minute ago at the most. Brokers of another kind have none."""
        known = self._policies.get(topic)
        if known and time.monotonic() - known[0] < self.POLICY_SECONDS:
            return known[1]
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
        until = time.monotonic() + self.ASK_SECONDS
        while True:
            try:
                settings = self._admin.describe_configs([resource], request_timeout=5)[resource].result()
                break
            except ck.KafkaException as e:
                if known:
                    return known[1]  # no broker can be reached: the one that is will judge
                if time.monotonic() > until or not _may_pass(e.args[0]):
                    raise AppendFailed(e.args[0].code(), f"ask for the settings of {topic}: {e.args[0].str()}") from e
                time.sleep(0.1)
        if "conflict.policy" not in settings:
            raise Unsupported("the broker does not judge lock requests: its topics have no conflict.policy")
        policy = str(settings["conflict.policy"].value)
        self._policies[topic] = (time.monotonic(), policy)
        return policy

    def id(self, topic: str) -> str:
        """The id that a topic was given when it was created, in hex."""
        found = self._admin.describe_topics(ck.TopicCollection([topic]), request_timeout=10)[topic].result()
        high, low = found.topic_id.get_most_significant_bits(), found.topic_id.get_least_significant_bits()
        return f"{high & (1 << 64) - 1:016x}{low & (1 << 64) - 1:016x}"
