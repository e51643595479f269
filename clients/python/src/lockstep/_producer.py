"""The conditional producer: appends, each with one definite outcome and a verdict of its own."""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import Any, Callable, Deque, Dict, List, Mapping, Optional, Sequence, Set, Tuple, Union

import confluent_kafka as ck

from ._errors import AppendFailed, Closed, Interrupted, LockstepError, Malformed, Refusal, UnknownResult
from ._lock import NONE, Cond, Header, Record, lock_headers, raw
from ._log import Topics
from ._reason import INVALID_RECORD, POLICY_VIOLATION, Reasons

BATCH_BYTES = 900_000
BATCH_RECORDS = 10_000
BUFFERED = 10_000


@dataclass(frozen=True)
class Result:
    """Where an append is in its partition's log. Its records lie side by side."""

    offset: int
    records: int
    stamped: bool = False
    """The broker gave the records their time (message.timestamp.type=LogAppendTime)."""

    @property
    def last(self) -> int:
        return self.offset + self.records - 1

    @property
    def offsets(self) -> range:
        return range(self.offset, self.offset + self.records)


class Refused(LockstepError):
    """An append was refused, alone in its batch; why is still to be found out."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code
        self.cond = Cond()


class Pending:
    """An append on its way."""

    def __init__(self, cond: Cond, records: Sequence[Record], repeatable: bool) -> None:
        self.cond = cond
        self.records = records
        self.repeatable = repeatable
        self.headers = lock_headers(cond)
        self.size = len(records) * sum(len(k) + len(v or b"") + 4 for k, v in self.headers)
        for r in records:
            self.size += _size(r)
        self.future: Future[Result] = Future()
        self.reports: List[Tuple[Any, Any]] = []
        self.marks = {lock.key for lock in cond.locks if lock.marks}
        self.judged = {lock.key for lock in cond.locks if lock.judged}
        self.explain: Optional[Callable[[int], None]] = None
        """Tells the future why it was refused, in place of the code alone."""

    def headers_of(self, index: int) -> List[Tuple[str, Union[str, bytes, None]]]:
        """The locks stand at the append's last record, its id at each."""
        return list(self.headers_as_read(index))

    def headers_as_read(self, index: int) -> List[Header]:
        last = index == len(self.records) - 1
        return [*self.records[index].headers, *(self.headers if last else self.headers[-1:])]


    def reported(self, err: Any, msg: Any) -> None:
        self.reports.append((err, msg))

    def settle(self) -> Any:
        """Tells the outcome if all records were admitted, and else returns the error of the first that was not."""
        failed = [err for err, _ in self.reports if err is not None]
        if failed and len(failed) == len(self.reports):
            return failed[0]
        first = self.reports[0][1]
        offsets = [msg.offset() for _, msg in self.reports]
        if failed or offsets != list(range(offsets[0], offsets[0] + len(self.records))):
            self.fail(LockstepError(f"the append {self.cond.id} was torn: {failed}, {offsets}"))
            return None
        stamped = first.timestamp()[0] == ck.TIMESTAMP_LOG_APPEND_TIME
        self.future.set_result(Result(offsets[0], len(self.records), stamped))
        return None

    def fail(self, error: LockstepError) -> None:
        if isinstance(error, Refused) and self.explain is not None:
            self.explain(error.code)
        else:
            self.future.set_exception(error)


def _size(r: Record) -> int:
    size = 32 + 4 * len(r.value or "") + 4 * len(r.key or "")  # a character may be four bytes
    for key, value in r.headers:
        size += len(key) + len(value or b"") + 8
    return size


class ConditionalProducer:
    """Appends to partitions on condition. Any number of threads may use it.

        append ─► waits for company ─► a batch ─► admitted: offsets
                        ▲                  └────► refused: halves of it again, until the offender is alone

    librdkafka cannot ask the broker for a verdict per append, and a refused batch leaves no trace. So appends go in
    optimistic batches, and those of a refused one are sent again at once: each ends with its own verdict, as if it
    had been alone. Each has a lock-id, so that an answer that was lost does no harm.

    config is librdkafka's: bootstrap.servers and what security asks for. http names the brokers' HTTP addresses
    (host:9644), where the broker's own words for a refusal are to be had; without it the log is read for them."""

    def __init__(self, config: Mapping[str, Any], *, http: Union[str, Sequence[str]] = ()) -> None:
        self.config = dict(config)
        self._topics = Topics(config)
        self.reasons = Reasons(config, [http] if isinstance(http, str) else http)
        self._name, self._numbers = uuid.uuid4().hex, itertools.count()  # of ids that are made up
        self._lock = threading.Lock()
        self._writers: Dict[Tuple[str, int], _Writer] = {}
        self._closed = False
        self._explainers: Optional[ThreadPoolExecutor] = None

    def __enter__(self) -> ConditionalProducer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(
        self, topic: str, partition: int, cond: Cond, *records: Union[Record, str, bytes], timeout: Optional[float] = None
    ) -> Result:
        """Appends records to a partition as one: all of them, side by side, if the condition holds, or none.

        It returns when the outcome is known: a Result, or one of these exceptions.

        - Refusal (Conflict, Held, Duplicate, Malformed), AppendFailed, Interrupted: nothing of it is in the log;
        - UnknownResult: time was up, or the producer closed, after it was sent. Appending again with the same
          Cond.id tells the truth.
        """
        p = self.submit(topic, partition, cond, records)
        try:
            return self.wait(p, timeout)
        except Refused as e:
            raise self.reasons.find(topic, partition, p.cond, e.code) from None

    def append_async(
        self, topic: str, partition: int, cond: Cond, *records: Union[Record, str, bytes]
    ) -> Future[Result]:
        """append for who has many under way at once: a future of what append returns or raises.

        Cancelling it stops an append that was not sent yet."""
        p = self._prepare(topic, cond, records, False)

        def explain(code: int) -> None:
            self._explaining().submit(lambda: p.future.set_exception(self.reasons.find(topic, partition, p.cond, code)))

        p.explain = explain
        self._writer(topic, partition).submit(p)
        return p.future

    def _explaining(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._explainers is None:
                self._explainers = ThreadPoolExecutor(2, "lockstep-reasons")
            return self._explainers

    def topic_id(self, topic: str) -> str:
        """The id that a topic was given when it was created, in hex. Made again under its name it has another."""
        return self._topics.id(topic)

    def submit(
        self,
        topic: str,
        partition: int,
        cond: Cond,
        records: Sequence[Union[Record, str, bytes]],
        own_id: bool = False,
    ) -> Pending:
        """Hands an append to its partition's writer. own_id: Cond.id was made up, and was not used before."""
        p = self._prepare(topic, cond, records, own_id)
        self._writer(topic, partition).submit(p)
        return p

    def _prepare(self, topic: str, cond: Cond, records: Sequence[Union[Record, str, bytes]], own_id: bool) -> Pending:
        if not records:
            raise ValueError("an append has at least one record")
        self._check(topic, cond, len(records))
        repeatable = bool(cond.id) and not own_id
        if not cond.id:
            cond = Cond(cond.locks, cond.basis, f"{self._name}-{next(self._numbers)}")
        return Pending(cond, [r if isinstance(r, Record) else Record(r) for r in records], repeatable)

    def _check(self, topic: str, cond: Cond, records: int) -> None:
        """What the broker would find if it were asked for a verdict, and if the library did not add a lock-id."""
        policy = self._topics.policy(topic)
        if policy == "required" and not cond.locks and not cond.id and records == 1:
            text = "MALFORMED record=0: the record has no lock headers, and this topic has conflict.policy=required"
            raise Malformed("MALFORMED", text, topic=topic)
        if policy == "carry" and cond.locks:
            text = "MALFORMED record=0: conflict.policy=carry: locks are not judged here"
            raise Malformed("MALFORMED", text, topic=topic)

    @staticmethod
    def wait(p: Pending, timeout: Optional[float]) -> Result:
        try:
            return p.future.result(timeout)
        except FutureTimeout:
            if p.future.cancel():
                raise Interrupted("time was up before the append was sent") from None
            raise UnknownResult("time was up; the append may or may not be in the log") from None

    def _writer(self, topic: str, partition: int) -> _Writer:
        with self._lock:
            if self._closed:
                raise Closed("the producer was closed")
            w = self._writers.get((topic, partition))
            if w is None:
                w = self._writers[topic, partition] = _Writer(self.config, topic, partition)
            return w

    def close(self) -> None:
        """Ends the producer. Appends that have not got their outcome end with Closed, or UnknownResult if sent."""
        with self._lock:
            self._closed = True
            writers, explainers = list(self._writers.values()), self._explainers
        for w in writers:
            w.close()
        for w in writers:
            w.thread.join()
        with self._lock:
            self._writers.clear()
        if explainers is not None:
            explainers.shutdown()


_OURS = {
    "acks": "all",
    "enable.idempotence": False,  # a lock-id does more: it holds over processes, and a refusal costs it no new epoch
    "linger.ms": 900_000,  # a batch is what flush() finds: nothing is sent before, and it is never cut in two
    "batch.num.messages": 1_000_000,
    "batch.size": 2_147_483_647,
    "message.max.bytes": 100_000_000,  # the broker knows what is too much
    "message.timeout.ms": 0,
    "metadata.max.age.ms": 900_000,
    "queue.buffering.max.messages": 1_000_000,
    "retry.backoff.ms": 50,
    "retry.backoff.max.ms": 500,
}


class _Writer:
    """One partition's appends: a thread, a librdkafka producer, and one batch in flight."""

    def __init__(self, config: Mapping[str, Any], topic: str, partition: int) -> None:
        self._topic, self._partition = topic, partition
        self._producer = ck.Producer({**config, **_OURS})
        self._changed = threading.Condition()
        self._queue: Deque[Pending] = deque()
        self._closed = False
        self._known_until = 0.0  # the partition is known to librdkafka
        self._most = BATCH_RECORDS  # appends of a batch: fewer where they are refused
        self.thread = threading.Thread(target=self._run, name=f"lockstep-{topic}-{partition}", daemon=True)
        self.thread.start()

    def submit(self, p: Pending) -> None:
        with self._changed:
            while len(self._queue) >= BUFFERED and not self._closed:
                self._changed.wait()
            if self._closed:
                raise Closed("the producer was closed")
            self._queue.append(p)
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            batch = self._gather()
            if batch is None:
                break
            if batch:
                self._settle(batch)
        self._producer.purge()
        self._producer.flush(1)
        del self._producer  # librdkafka's threads and connections end with it

    def _gather(self) -> Optional[List[Pending]]:
        """The appends that go next; None: closed."""
        with self._changed:
            while not self._queue and not self._closed:
                self._changed.wait()
            if self._closed:
                for p in self._queue:
                    if p.future.set_running_or_notify_cancel():
                        p.future.set_exception(Closed("the producer was closed"))
                self._queue.clear()
                return None
            batch: List[Pending] = []
            size, count, marks = 0, 0, set()  # type: Tuple[int, int, Set[str]]
            while self._queue and len(batch) < self._most and _goes_with(batch, self._queue[0], size, count, marks):
                p = self._queue.popleft()
                if p.future.set_running_or_notify_cancel():
                    batch.append(p)
                    size, count = size + p.size, count + len(p.records)
                    marks |= p.marks
            self._changed.notify_all()
            return batch

    def _settle(self, batch: List[Pending]) -> None:
        """Sends a batch, and the halves of what was refused of it."""
        work = [batch]
        while work:
            part = work.pop()
            refused = self._send(part)
            self._most = min(self._most * 2, BATCH_RECORDS) if not refused else max(1, len(part) // 2)
            if len(refused) == 1 and len(part) == 1:
                part[0].fail(self._failure(refused[0][1]))
            elif refused:
                again = [p for p, _ in refused]
                half = (len(again) + 1) // 2
                work += [w for w in (again[half:], again[:half]) if w]

    def _failure(self, error: Any) -> LockstepError:
        code = int(error.code())
        if code in (POLICY_VIOLATION, INVALID_RECORD):
            return Refused(code)
        if code > 0 or code in _NEVER_SENT:
            return AppendFailed(code, error.str())
        if self._closed:
            return UnknownResult("the producer was closed; the append may or may not be in the log")
        return UnknownResult(f"{error.str()}; the append may or may not be in the log")

    def _send(self, part: List[Pending]) -> List[Tuple[Pending, Any]]:
        """Sends appends in one batch and waits for the outcome. It returns those that the broker did not take."""
        self._know_partition()
        try:
            for p in part:
                p.reports.clear()
                for at, r in enumerate(p.records):
                    self._producer.produce(self._topic, raw(r.value), raw(r.key), self._partition, p.reported,
                                           timestamp=r.timestamp, headers=p.headers_of(at))
        except (ck.KafkaException, BufferError, TypeError, ValueError) as e:
            self._producer.purge()
            self._producer.flush(1)
            known = e.args and isinstance(e.args[0], ck.KafkaError)
            error = e.args[0] if known else ck.KafkaError(ck.KafkaError._INVALID_ARG, str(e))
            return [(p, error) for p in part]
        while self._producer.flush(0.5) > 0:
            if self._closed:
                self._producer.purge()
        refused: List[Tuple[Pending, Any]] = []
        for p in part:
            error = p.settle()
            if error is None:
                continue
            if error.code() > 0 or error.code() == ck.KafkaError._INVALID_ARG:
                refused.append((p, error))
            else:
                p.fail(self._failure(error))
        return refused

    def _know_partition(self) -> None:
        """Has the partition known to librdkafka before anything is queued for it. What is queued for one that is not
        known goes to its leader record by record, in as many batches as it likes: an append would be torn."""
        if time.monotonic() < self._known_until:
            return
        while not self._closed:
            try:
                found = self._producer.list_topics(self._topic, timeout=5).topics.get(self._topic)
            except ck.KafkaException:
                continue  # no broker can be reached
            if found is not None and found.error is None and self._partition in found.partitions:
                self._known_until = time.monotonic() + _KNOWN_SECONDS
                return
            if found is not None and found.error is None:
                return  # produce says that there is no such partition
            time.sleep(0.1)


_KNOWN_SECONDS = 60.0  # librdkafka forgets a topic that is not used after metadata.max.age.ms
_NEVER_SENT = {ck.KafkaError._INVALID_ARG, ck.KafkaError._UNKNOWN_PARTITION, ck.KafkaError._PURGE_QUEUE,
               ck.KafkaError._QUEUE_FULL}


def _goes_with(batch: List[Pending], p: Pending, size: int, count: int, marks: Set[str]) -> bool:
    """Whether an append may share the batch: one that could be a repeat, whose place only a batch of its own tells,
    does not, and one that is certain to be refused beside it, neither."""
    if not batch:
        return True
    if p.repeatable or batch[0].repeatable:
        return False
    if size + p.size > BATCH_BYTES or count + len(p.records) > BATCH_RECORDS:
        return False
    return "*" not in p.judged and not (p.judged & marks)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


__all__ = ["ConditionalProducer", "Result", "Refusal"]
