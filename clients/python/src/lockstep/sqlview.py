"""One partition folded into tables of a database, each record exactly once, and decisions on them: a View for a state
that outlives its process and is shared by several. On SQLAlchemy core: pip install lockstep-client[sql].

One row of the table lockstep_basis holds the basis: the offset up to which the partition is in the application's
tables. It moves in the transaction that changes them.

    BEGIN
    UPDATE lockstep_basis SET basis = 41 WHERE topic = … AND part = … AND topic_id = … AND basis = 17
    … the application's changes for the records 18 to 41 …
    COMMIT

That row is the only truth. A process that dies leaves the row and the tables as they were, and goes on from the row.
Of several processes on one database each tries to move the row; the database lets one of them, and the others read it
again and skip what it has applied. Package client/sqlview (Go) and the Java library keep the same row.

The tables are changed by apply alone, with the connection that it is given, and apply depends on nothing but the
tables and the record."""

from __future__ import annotations

import logging
import time
from typing import Callable, List, Optional, TypeVar

import sqlalchemy as sa

from ._errors import LockstepError, LogCut
from ._fold import Counts, Deadline, Fold, Tx
from ._lock import NONE, Record, raw
from ._producer import ConditionalProducer, Result

T = TypeVar("T")

Apply = Callable[[sa.Connection, Record], None]
"""Puts one record into the application's tables. It is called again when the transaction did not come about."""

Poison = Callable[[sa.Connection, Record, Exception], None]
"""Decides about a record that cannot be applied, in a transaction that has none of its changes. Returning skips it:
what was done in the transaction and the basis behind the record are committed together. Raising ends the view."""

TRIES_MAX = 3
BATCH_RECORDS = 500
_BACK_OFF_MIN, _BACK_OFF_MAX = 0.01, 2.0
_PASSING_STATES = ("08", "40", "53", "55", "57", "58")

_log = logging.getLogger("lockstep.sqlview")


class OtherTopic(LockstepError):
    """The tables were folded from a topic of the same name that is no more. They have to be made anew."""


class PoisonError(LockstepError):
    """A record cannot be applied, and the policy does not skip it."""

    def __init__(self, r: Record, cause: Exception) -> None:
        super().__init__(f"the record at offset {r.offset} of {r.topic}-{r.partition} cannot be applied: {cause!r}")
        self.topic, self.partition, self.offset, self.cause = r.topic, r.partition, r.offset, cause


class SqlTx(Tx):
    """What one run of a decision sees and wants appended."""

    def __init__(self, basis: int, db: sa.Connection) -> None:
        super().__init__(basis)
        self.db = db
        """A snapshot of the tables, to read from."""


def stop(_db: sa.Connection, _record: Record, cause: Exception) -> None:
    """Ends the view: its basis stays before the record, until a program that can apply it is started."""
    raise cause


def quarantine(prefix: str = "lockstep_") -> Poison:
    """Skips a record that cannot be applied and keeps it, with the reason, in the table lockstep_poison."""
    table = _tables(prefix)[1]

    def keep(db: sa.Connection, r: Record, cause: Exception) -> None:
        db.execute(table.insert().values(topic=r.topic, part=r.partition, log_offset=r.offset, record_key=raw(r.key),
                                         record_value=raw(r.value), reason=repr(cause)))

    return keep


def passing(error: BaseException) -> bool:
    """Whether an error is one of the moment, not of the statement: a connection that broke, a transaction that lost
    against another, a database that is starting, stopping, full or busy."""
    if not isinstance(error, sa.exc.DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    if state:
        return str(state)[:2] in _PASSING_STATES or state == "25006"
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in (5, 6, 9, 10, 13, 14)  # BUSY, LOCKED, INTERRUPT, IOERR, FULL, CANTOPEN
    return isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError)) and "locked" in str(error.orig)


def _tables(prefix: str) -> List[sa.Table]:
    meta = sa.MetaData()
    basis = sa.Table(
        prefix + "basis", meta,
        sa.Column("topic", sa.String(249), primary_key=True),
        sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("topic_id", sa.CHAR(32), nullable=False),
        sa.Column("basis", sa.BigInteger, nullable=False),
    )
    poison = sa.Table(
        prefix + "poison", meta,
        sa.Column("topic", sa.String(249), primary_key=True),
        sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("log_offset", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("record_key", sa.LargeBinary),
        sa.Column("record_value", sa.LargeBinary),
        sa.Column("reason", sa.Text, nullable=False),
    )
    return [basis, poison]


class _RecordError(Exception):
    """apply's error for one record of a step."""

    def __init__(self, index: int, cause: Exception) -> None:
        self.index, self.cause = index, cause


class _Basis:
    """One partition's row of lockstep_basis."""

    def __init__(self, prefix: str, topic: str, partition: int, topic_id: str) -> None:
        self.tables = _tables(prefix)
        self._t = self.tables[0]
        self._topic, self._partition, self._id = topic, partition, topic_id
        self._where = sa.and_(self._t.c.topic == topic, self._t.c.part == partition)

    def find(self, db: sa.Connection) -> Optional[int]:
        row = db.execute(sa.select(self._t.c.topic_id, self._t.c.basis).where(self._where)).first()
        if row is None:
            return None
        if row.topic_id != self._id:
            raise OtherTopic(f"{self._topic} has the id {self._id}, and the row {row.topic_id}")
        return int(row.basis)

    def load(self, db: sa.Connection) -> int:
        basis = self.find(db)
        if basis is None:
            raise LockstepError(f"the row of {self._topic}-{self._partition} in {self._t.name} is gone")
        return basis

    def advance(self, db: sa.Connection, old: int, new: int) -> bool:
        """Moves the basis, and reports whether it was where it was thought to be. It is the transaction's first
        statement: whoever loses waits here for the winner, and has done nothing yet."""
        move = sa.update(self._t).where(self._where, self._t.c.topic_id == self._id, self._t.c.basis == old)
        return db.execute(move.values(basis=new)).rowcount == 1

    def prepare(self, engine: sa.Engine) -> int:
        """Makes the tables and the row where they are missing, and reads it."""
        for last in (False, True):  # of two processes that make one at once, a database refuses one
            try:
                for table in self.tables:
                    table.create(engine, checkfirst=True)
                with engine.begin() as db:
                    if self.find(db) is None:
                        db.execute(self._t.insert().values(topic=self._topic, part=self._partition, topic_id=self._id,
                                                           basis=NONE))
                break
            except (sa.exc.IntegrityError, sa.exc.OperationalError, sa.exc.ProgrammingError):
                if last:
                    raise
        with engine.begin() as db:
            return self.load(db)


class View:
    """Folds one partition into a database and runs the loop of optimistic writers on it. Any number of threads may use
    it, and any number of views, in one process or many, may share the database, if they apply alike."""

    def __init__(self, producer: ConditionalProducer, engine: sa.Engine, topic: str, partition: int, apply: Apply, *,
                 prefix: str = "lockstep_", batch_records: int = BATCH_RECORDS, poison: Poison = stop,
                 passing: Callable[[BaseException], bool] = passing, allow_cut: bool = False) -> None:
        self._engine, self._apply, self._poison, self._passing = engine, apply, poison, passing
        self._batch = batch_records
        self._row = _Basis(prefix, topic, partition, producer.topic_id(topic))
        self._basis = self._row.prepare(engine)  # as it was when it was last moved or read; of the fold's thread
        self._troubled = 0
        self._closing = False
        self._fold = Fold(producer, topic, partition, self._basis, self._take, allow_cut=allow_cut)

    def __enter__(self) -> View:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._closing = True
        self._fold.close()

    def counts(self) -> Counts:
        return self._fold.counts()

    # The fold's thread.

    def _take(self, records: List[Record], to: int) -> int:
        began = self._basis
        while self._basis < to and self._basis >= began:  # set back: what it lacks has to be read again
            left = [r for r in records if r.offset > self._basis]
            self._bring(left[: self._batch], left[self._batch - 1].offset if len(left) > self._batch else to)
        return self._basis

    def _bring(self, records: List[Record], to: int) -> None:
        """Takes a step, or as much of it as it can be taken in one."""
        old = self._basis
        for tries in range(1, 1 << 62):
            try:
                moved = self._try(old, to, records, self._apply_all)
            except Exception as e:  # noqa: BLE001
                cause = e.cause if isinstance(e, _RecordError) else e
                if not self._passing(cause):
                    index = e.index if isinstance(e, _RecordError) else 0
                    if len(records) > 1:  # those before the one to blame are brought by themselves
                        part = records[: max(index, 1)]
                        return self._bring(part, part[-1].offset)
                    if not records:
                        raise
                    if tries >= TRIES_MAX:
                        return self._poisoned(records, to, cause)
                self._back_off(cause)
            else:
                if moved:
                    self._basis, self._troubled = to, 0
                    return
            self._reload()
            if self._basis != old:
                return

    def _try(self, old: int, new: int, records: List[Record], do: Callable[[sa.Connection, List[Record]], None]) -> bool:
        """One transaction: the row moves and do changes the tables, or nothing has happened. After an error of the
        commit nobody knows which."""
        with self._engine.begin() as db:
            if not self._row.advance(db, old, new):
                return False
            do(db, records)
        return True

    def _apply_all(self, db: sa.Connection, records: List[Record]) -> None:
        for index, r in enumerate(records):
            try:
                self._apply(db, r)
            except Exception as e:  # noqa: BLE001
                raise _RecordError(index, e) from e

    def _poisoned(self, records: List[Record], to: int, cause: Exception) -> None:
        [r] = records
        old = self._basis
        while True:
            refusal: List[Exception] = []

            def decide(db: sa.Connection, _records: List[Record]) -> None:
                try:
                    self._poison(db, r, cause)
                except Exception as e:  # noqa: BLE001
                    refusal.append(e)
                    raise

            try:
                if self._try(old, to, records, decide):
                    self._basis = to
                    _log.warning("a record that cannot be applied was skipped: offset %d: %r", r.offset, cause)
                    return
            except Exception as e:  # noqa: BLE001
                if refusal and (refusal[0] is cause or not self._passing(refusal[0])):
                    raise PoisonError(r, refusal[0]) from cause
                self._back_off(e)
            self._reload()
            if self._basis != old:
                return

    def _reload(self) -> None:
        """Reads the row, for as long as it takes."""
        while True:
            try:
                with self._engine.begin() as db:
                    self._basis = self._row.load(db)
                return
            except LockstepError:
                raise
            except Exception as e:  # noqa: BLE001
                self._back_off(e)

    def _back_off(self, error: BaseException) -> None:
        self._troubled += 1
        if self._troubled == 1:
            _log.warning("the database refuses; trying again: %r", error)
        until = time.monotonic() + min(_BACK_OFF_MAX, _BACK_OFF_MIN * 2 ** min(self._troubled - 1, 10))
        while time.monotonic() < until:
            if self._closing:
                raise LockstepError("the view was closed")
            time.sleep(0.01)

    # Calls.

    def read(self, fn: Callable[[sa.Connection, int], T], timeout: Optional[float] = None) -> T:
        """Calls fn with a snapshot of the tables and its basis. What this view has appended is in it. fn only reads."""
        deadline = Deadline(timeout)
        self._fold.wait(deadline)
        with self._engine.connect() as db:
            basis = self._snapshot(db, deadline)
            return fn(db, basis)

    def _snapshot(self, db: sa.Connection, deadline: Deadline) -> int:
        """Reads the basis first: even where a snapshot is none, the tables are then no older than it, and the worst is
        a refusal too many."""
        if db.dialect.name == "postgresql":
            db.execution_options(isolation_level="REPEATABLE READ")
        wait = _BACK_OFF_MIN
        while True:
            try:
                return self._row.load(db)
            except Exception as e:  # noqa: BLE001
                if not self._passing(e):
                    raise
                db.rollback()
                deadline.check()
                time.sleep(deadline.bound(wait))
                wait = min(2 * wait, _BACK_OFF_MAX)

    def update(self, fn: Callable[[SqlTx], None], timeout: Optional[float] = None) -> Optional[Result]:
        """Runs fn on a snapshot of the tables and appends what it decided, again and again as lockstep.View.update.

        fn must not write to the database. Name an append that must not be made twice by tx.id: a process that was
        killed may have made it."""
        deadline = Deadline(timeout)

        def decide() -> Tx:
            with self._engine.connect() as db:
                tx = SqlTx(self._snapshot(db, deadline), db)
                fn(tx)
                return tx

        return self._fold.update(decide, deadline)


__all__ = ["Apply", "LogCut", "OtherTopic", "Poison", "PoisonError", "SqlTx", "View", "passing", "quarantine", "stop"]
