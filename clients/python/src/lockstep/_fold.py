"""The loop of optimistic writers: read a partition, apply, decide, append; and if somebody was faster, again."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import Callable, Deque, Dict, List, Optional, Sequence, Tuple, Union

from ._errors import Closed, Conflict, Held, Interrupted, LockstepError, LogCut, Refusal
from ._lock import NONE, Cond, Lock, Record, raw
from ._log import Marks, Reader
from ._producer import ConditionalProducer, Pending, Refused, Result, now_ms
from ._reason import INVALID_RECORD, of_marks
from ._turns import Turns, new_id

Apply = Callable[[List[Record], int], int]
"""Brings a state to an offset: the records of the partition behind the offset that it returned before, of which there
are no others up to the second argument. It returns the offset up to which the state is now: mostly that; a state that
others move as well may be ahead of it, and one that was set back behind. An exception ends the fold."""

_BACK_OFF = 0.05
_UNEXPLAINED_MAX = 5


@dataclass(frozen=True)
class Counts:
    """What update has come to: how often it had a decision made, how many appends went in, how many were refused."""

    decisions: int = 0
    commits: int = 0
    refusals: int = 0


class Tx:
    """What one run of a decision wants appended, and on which condition."""

    def __init__(self, basis: int) -> None:
        self.basis = basis
        """The offset up to which the partition is in the state that the decision sees."""
        self.name = ""
        self.locks: List[Lock] = []
        self.records: List[Record] = []

    def lock(self, *locks: Lock) -> None:
        """Adds locks to the condition; their basis is that of the state."""
        self.locks += locks

    def append(self, *records: Union[Record, str, bytes]) -> None:
        """Adds records: they are appended together, if the condition holds."""
        self.records += [r if isinstance(r, Record) else Record(r) for r in records]

    def id(self, name: str) -> None:
        """Names the append, in place of a name that the view makes up."""
        self.name = name

    def marks(self) -> List[str]:
        return [lock.header_name for lock in self.locks if lock.marks]


class Deadline:
    """When a call is to give up; None: never."""

    def __init__(self, timeout: Optional[float]) -> None:
        self._at = None if timeout is None else time.monotonic() + timeout

    def left(self) -> Optional[float]:
        return None if self._at is None else self._at - time.monotonic()

    def check(self) -> None:
        left = self.left()
        if left is not None and left <= 0:
            raise Interrupted("time was up; nothing of the decision is in the log")

    def bound(self, seconds: float) -> float:
        left = self.left()
        return seconds if left is None else max(0.0, min(seconds, left))


class Fold:
    """Drives a state that is kept elsewhere: View keeps one in memory, lockstep.sqlview in a database.

        feed ─► apply ─► applied ─► wait, update ─► append
                            ▲                          │ refused: wait for what refused it
                            └──────────────────────────┘

    Writers of one fold that are refused over one lock take turns; writers of several find their turn in the log."""

    def __init__(self, producer: ConditionalProducer, topic: str, partition: int, basis: int, apply: Apply, *,
                 allow_cut: bool = False, applies_own: bool = False) -> None:
        self._producer, self._topic, self._partition = producer, topic, partition
        self._apply, self._allow_cut, self._applies_own = apply, allow_cut, applies_own
        self._reader = Reader(producer.config, topic, partition)
        self._moved = threading.Condition()  # guards all below
        self._applied = basis
        self._begin: Optional[int] = None  # the last offset that was committed when the fold began
        self._written = NONE  # the last that this fold has appended
        self._committed = 0.0  # when _written was; 0: the feed has shown it
        self._error: Optional[LockstepError] = None
        self._stop = False
        self._turns, self._marks, self._counts, self._ids = Turns(), Marks(), Counts(), 0
        self._queues: Dict[str, Deque[object]] = {}
        self._applying = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"lockstep-fold-{topic}-{partition}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the fold. Calls under way and later ones raise Closed. The producer stays open."""
        with self._moved:
            self._stop = True
            self._end(Closed("the view was closed"))
        self._thread.join()

    def counts(self) -> Counts:
        with self._moved:
            return self._counts

    # The feed's thread.

    def _run(self) -> None:
        try:
            self._start()
            while not self._stop:
                self._take(self._reader.read(0.2))
        except LockstepError as e:
            self._fail(e)
        except Exception as e:  # noqa: BLE001 of apply, or of the client library: the calls tell it
            error = LockstepError(f"the view of {self._topic}-{self._partition} has ended: {e!r}")
            error.__cause__ = e
            self._fail(error)
        finally:
            self._reader.close()

    def _fail(self, error: LockstepError) -> None:
        with self._moved:
            self._end(error)

    def _end(self, error: LockstepError) -> None:
        self._error = self._error or error
        self._moved.notify_all()

    def _start(self) -> None:
        low, high = self._ask_bounds()
        at = f"{self._topic}-{self._partition} starts at offset {low}"
        if self._applied != NONE and low > self._applied + 1:
            raise LogCut(f"{at}, and the state reaches to {self._applied}; it has to be made anew")
        if self._applied == NONE and low > 0:
            if not self._allow_cut:
                raise LogCut(f"{at}; begin from a snapshot, or allow_cut=True if what is left is all that matters "
                             "(a topic with retention.ms=-1 keeps its records)")
            self._bring([], low - 1)
        with self._moved:
            self._begin = high - 1
            self._moved.notify_all()
        self._reader.begin(self._applied + 1)

    def _ask_bounds(self) -> Tuple[int, int]:
        while not self._stop:
            try:
                return self._reader.bounds(5)
            except Exception:  # noqa: BLE001 no broker can be reached, or the topic is not there yet
                time.sleep(_BACK_OFF)
        raise Closed("the view was closed")

    def _take(self, records: List[Record]) -> None:
        to = self._reader.next - 1
        with self._moved:
            if self._committed and to >= self._written:
                self._turns.heard(time.monotonic() - self._committed)
                self._committed = 0.0
        with self._applying:
            if to <= self._applied:
                return  # the fold's own, which came sooner
            self._bring([r for r in records if r.offset > self._applied], to)
            if self._applied != to:
                self._reader.begin(self._applied + 1)  # others move the state as well

    def _bring(self, records: List[Record], to: int) -> None:
        applied = self._apply(records, to)
        with self._moved:
            self._turns.see(records, time.monotonic())
            for r in records:
                self._marks.see(r)
            self._applied = applied
            self._moved.notify_all()

    # Calls.

    def wait(self, deadline: Deadline) -> None:
        """Waits until all is applied that was committed when the fold began, and all that it has appended."""
        with self._moved:
            self._caught_up(self._written, deadline)

    def _caught_up(self, offset: int, deadline: Deadline) -> None:
        while True:
            if self._error is not None:
                raise self._error
            if self._begin is not None and self._applied >= max(offset, self._begin):
                return
            deadline.check()
            self._moved.wait(deadline.bound(1.0))

    def update(self, decide: Callable[[], Tx], deadline: Deadline) -> Optional[Result]:
        """Has decide look at the state, tell its basis and decide, and appends what it decided: again and again, until
        the append is in, decide raises, or time is up. A run that appends nothing ends it with None."""
        u = _Update(self, decide, deadline)
        try:
            return u.run()
        finally:
            u.leave()

    def _append(self, tx: Tx, queued: str, deadline: Deadline) -> Result:
        with self._moved:
            self._ids += 1
            id = tx.name or new_id(self._turns.self, self._ids, self._turns.more(tx.marks(), queued))
        records = tx.records
        if self._applies_own:
            now = now_ms()
            records = [r if r.timestamp else replace(r, timestamp=now) for r in records]
        cond = Cond(tuple(tx.locks), tx.basis, id)
        began = time.monotonic()
        p = self._producer.submit(self._topic, self._partition, cond, records, own_id=not tx.name)
        try:
            result = self._producer.wait(p, deadline.left())
        except BaseException as e:
            with self._moved:
                self._turns.took(time.monotonic() - began)
            if isinstance(e, Refused):
                e.cond = p.cond
            raise
        with self._moved:
            self._turns.took(time.monotonic() - began)
            self._written = max(self._written, result.last)
            self._committed = time.monotonic()
            self._counts = replace(self._counts, commits=self._counts.commits + 1)
        if self._applies_own and not result.stamped and not tx.name:
            self._apply_own(p, result)
        with self._moved:
            self._turns.done(tx.marks(), time.monotonic())
        return result

    def _apply_own(self, p: Pending, result: Result) -> None:
        """An append that lies right behind what is applied is applied as it was sent: it need not be read."""
        if not self._applying.acquire(blocking=False):
            return  # the feed is at work: it has more to tell than this
        try:
            if self._applied + 1 != result.offset or self._error is not None:
                return
            read = [Record(raw(r.value), raw(r.key), p.headers_as_read(at), r.timestamp, self._topic, self._partition,
                           result.offset + at) for at, r in enumerate(p.records)]
            self._bring(read, result.last)
        except Exception as e:  # noqa: BLE001 of apply
            self._fail(e if isinstance(e, LockstepError) else LockstepError(f"apply: {e!r}"))
        finally:
            self._applying.release()

    def _explain(self, cond: Cond, code: int, deadline: Deadline) -> Refusal:
        """Why an append was refused. What refused it is below the high watermark; mostly it has been read already."""
        if code == INVALID_RECORD:
            return self._producer.reasons.find(self._topic, self._partition, cond, code)
        for patience in (0.02, None):
            with self._moved:
                found = of_marks(self._marks, cond)
                if found is None and patience is not None:
                    self._moved.wait(patience)
                    found = of_marks(self._marks, cond)
            if found is not None:
                return found
            if patience is not None:
                _, end = self._ask_bounds()
                with self._moved:
                    self._caught_up(end - 1, deadline)
        return self._producer.reasons.find(self._topic, self._partition, cond, code)


class _Update:
    """One call of update."""

    def __init__(self, fold: Fold, decide: Callable[[], Tx], deadline: Deadline) -> None:
        self.fold, self.fn, self.deadline = fold, decide, deadline
        self.wanted = self.waited = False
        self.lock, self.token = "", object()
        self.until = self.refusals = self.unexplained = 0

    def run(self) -> Optional[Result]:
        while True:
            tx = self._decide()
            if not tx.records:
                return None
            if not self.waited and self._await_contended(tx.locks):
                self.waited = True
                continue  # the state has moved
            try:
                return self.fold._append(tx, self._queued(), self.deadline)
            except Refused as e:
                self._refused(self.fold._explain(e.cond, e.code, self.deadline), tx)
            except Refusal as e:
                self._refused(e, tx)

    def _decide(self) -> Tx:
        f = self.fold
        f.wait(self.deadline)
        with f._moved:
            f._counts = replace(f._counts, decisions=f._counts.decisions + 1)
        tx = self.fn()
        if not self.wanted:
            self.wanted = True
            with f._moved:
                f._turns.wants(tx.marks(), time.monotonic())
        return tx

    def _queued(self) -> str:
        with self.fold._moved:
            return self.lock if len(self.fold._queues.get(self.lock, ())) > 1 else ""

    def _await_contended(self, locks: Sequence[Lock]) -> bool:
        f = self.fold
        with f._moved:
            lock = next((x.header_name for x in locks if x.judged and x.header_name in f._queues), "")
            lock = lock or f._turns.contended(locks, time.monotonic())
        if not lock:
            return False
        self._join(lock)
        self._await_turn()
        return True

    def _join(self, lock: str) -> None:
        """Takes the fold's own queue of a lock."""
        f = self.fold
        if self.lock == lock:
            return
        self.leave()
        with f._moved:
            queue = f._queues.setdefault(lock, deque())
            queue.append(self.token)
            self.lock = lock
            while queue[0] is not self.token:
                self._waitable()
                f._moved.wait(self.deadline.bound(1.0))
            self.until = f._turns.enter(lock)

    def _waitable(self) -> None:
        if self.fold._error is not None:
            raise self.fold._error
        self.deadline.check()

    def leave(self) -> None:
        f = self.fold
        if not self.lock:
            return
        with f._moved:
            queue = f._queues[self.lock]
            queue.remove(self.token)
            if not queue:
                del f._queues[self.lock]
            self.lock = ""
            f._moved.notify_all()

    def _refused(self, e: Refusal, tx: Tx) -> None:
        """Waits until deciding again may succeed, or raises the refusal if it cannot."""
        f = self.fold
        with f._moved:
            f._counts = replace(f._counts, refusals=f._counts.refusals + 1)
        e.topic, e.partition = f._topic, f._partition
        if isinstance(e, Held) or e.kind in ("UNKNOWN", "REFUSED"):
            self._later(e, tx)
            return
        if not isinstance(e, Conflict) or e.last <= tx.basis:
            raise e  # a basis of its own that the decision gave a lock: the same again would be refused again
        with f._moved:
            f._turns.refused(e.lock, e.by, time.monotonic())
            f._caught_up(e.last, self.deadline)
        self._join(e.lock)
        self.waited = True
        self.refusals += 1
        if self.refusals > 1:
            with f._moved:
                self.until = f._turns.again(self.lock, self.refusals)
        self._await_turn()

    def _later(self, e: Refusal, tx: Tx) -> None:
        """What only time, or the end of the log, cures; or what nobody says: then a few tries are made."""
        if e.kind == "REFUSED":
            self.unexplained += 1
            if tx.name or self.unexplained > _UNEXPLAINED_MAX:
                raise e
        _, end = self.fold._ask_bounds()
        if e.kind == "UNKNOWN" and end - 1 <= tx.basis:
            raise e
        with self.fold._moved:
            self.fold._caught_up(end - 1, self.deadline)
        self.deadline.check()
        time.sleep(self.deadline.bound(_BACK_OFF))

    def _await_turn(self) -> None:
        """Waits until nobody else is before this fold in the lock's line."""
        f = self.fold
        with f._moved:
            while True:
                self._waitable()
                wait = f._turns.wait(self.lock, self.until, time.monotonic())
                if wait <= 0:
                    return
                f._moved.wait(self.deadline.bound(wait))
