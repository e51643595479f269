"""One partition folded into a state in memory."""

from __future__ import annotations

import threading
from typing import Callable, Generic, List, Optional, TypeVar

from ._errors import LockstepError
from ._fold import Counts, Deadline, Fold, Tx
from ._lock import NONE, Record
from ._producer import ConditionalProducer, Result

S = TypeVar("S")
T = TypeVar("T")
OnPoison = Callable[[Record, Exception], None]


class View(Generic[S]):
    """Folds one partition into a state and runs the loop that everybody would otherwise write, wrongly.

    apply is called for each record, in order, never by two threads at once and never while a function given to update
    or read runs; it returns the state behind the record, which may be the one that it was given, changed. Functions
    share the state with the view: they may read it until they return, and must not change or keep it.

    basis makes init the state after the record at basis, as read has told them together. A view that begins without
    one, on a log that has lost its first records, ends with LogCut unless allow_cut is given: for states to which only
    the newest records matter, and never for a ledger.

    on_poison is called when apply raises: returning goes on behind the record with the state as it was before,
    raising ends the view, and every later call raises it. Without it the view ends."""

    def __init__(self, producer: ConditionalProducer, topic: str, partition: int, init: S,
                 apply: Callable[[S, Record], S], *, basis: int = NONE, allow_cut: bool = False,
                 on_poison: Optional[OnPoison] = None) -> None:
        self._state, self._basis = init, basis
        self._apply, self._on_poison = apply, on_poison
        self._lock = threading.RLock()  # guards _state and _basis
        self._fold = Fold(producer, topic, partition, basis, self._take, allow_cut=allow_cut, applies_own=True)

    def __enter__(self) -> View[S]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the view. Calls under way and later ones raise Closed. The producer stays open."""
        self._fold.close()

    def counts(self) -> Counts:
        return self._fold.counts()

    def _take(self, records: List[Record], to: int) -> int:
        with self._lock:
            for r in records:
                self._take_one(r)
                self._basis = r.offset
            self._basis = to
        return to

    def _take_one(self, r: Record) -> None:
        try:
            self._state = self._apply(self._state, r)
        except Exception as e:  # noqa: BLE001 it is the application's
            if self._on_poison is None:
                raise LockstepError(f"apply of the record at offset {r.offset} raised {e!r}") from e
            self._on_poison(r, e)

    def read(self, fn: Callable[[S, int], T], timeout: Optional[float] = None) -> T:
        """Calls fn with the state and its basis, and returns what it returns. What this view has appended is in it.

        State and basis together are a snapshot: View(..., basis=basis) resumes it."""
        self._fold.wait(Deadline(timeout))
        with self._lock:
            return fn(self._state, self._basis)

    def update(self, fn: Callable[[Tx, S], None], timeout: Optional[float] = None) -> Optional[Result]:
        """Runs fn on the state and appends what it decided; if somebody was faster, waits for that and has fn decide
        again, until the append is in, fn raises, or time is up.

        fn may be called many times, must not call update or read of its own view, and must not keep the state. A run
        that appends no record ends update with None. On UnknownResult the append may be in: if fn named it by tx.id,
        ConditionalProducer.append with that id tells."""

        def decide() -> Tx:
            with self._lock:
                tx = Tx(self._basis)
                fn(tx, self._state)
                return tx

        return self._fold.update(decide, Deadline(timeout))
