"""Who goes next, of the views that contend for a lock.

Nobody sends anything for it: all read the same log, and the log says who wrote the lock when. Whoever wrote it longest
ago goes next; the others wait for that write, and only if it does not come, for a time that grows with their place in
line. A turn is a few writes in a row, if the view comes back for more at once; the writer says so in the lock-id that
it makes up. Views of package client (Go) and of the Java library keep to the same rules, on the same names.

Plain values: their owner, a fold, gives them the time and guards them."""

from __future__ import annotations

import random
import secrets
from typing import Dict, Iterable, List, Optional, Tuple

from ._lock import Lock, Record, id_of, marks_of, unescape

LINES_MAX = 64
REFUSALS_MAX = 6
PACE_FIRST = 0.002
PACE_MAX = 0.05
PACE_FACTOR = 4
TURN_WAIT_MAX = 0.5
TURN_WRITES = 3
TURN_TIME = 0.008
VIEWS_MAX = 256
HABIT_MAX = 4
HABIT_ENOUGH = 2
HABIT_LOST = 2

_PREFIX = "view-"
_NAME_SIZE = len(_PREFIX) + 13
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def new_view_name() -> str:
    """What the lock-ids of a view's appends begin with."""
    return _PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(13))


def new_id(view: str, n: int, more: int) -> str:
    return f"{view}.{n}" + (f"+{more}" if more > 0 else "")


def view_of(id: str) -> Tuple[str, int]:
    """The view that made a lock-id, "" if none did, and how many writes more its turn will have."""
    if not id.startswith(_PREFIX) or len(id) <= _NAME_SIZE or id[_NAME_SIZE] != ".":
        return "", 0
    more = id[_NAME_SIZE:].partition("+")[2]
    return id[:_NAME_SIZE], int(more) if more.isascii() and more.isdigit() and len(more) < 4 else 0


class _Member:
    """A view in a line: the writes that its turn has had (0: it waits), will have, and had before."""

    def __init__(self, view: str, usual: int = 0) -> None:
        self.view, self.run, self.more, self.usual = view, 0, 0, usual


class _Line:
    """The views that contend for one lock; who wrote longest ago comes first, but for who goes on."""

    def __init__(self, now: float) -> None:
        self.members: List[_Member] = []
        self.turns = 0
        self.last = now
        self.written = False
        self.landed: Optional[float] = None
        self.habit = HABIT_ENOUGH

    def wrote(self, by: str, more: int) -> None:
        self.written = True
        if not by:
            self.turns += 1
            return
        at = self._index(by)
        m = self.members[at] if at >= 0 else _Member(by)
        if at >= 0:
            del self.members[: at + 1]  # those before it were passed over
        m.run += 1
        room = len(self.members) < VIEWS_MAX
        m.more = max(0, min(more, TURN_WRITES - m.run))
        if m.more > 0 and room:
            self.members.insert(0, m)
            return
        self.turns += 1
        m.usual, m.run = m.run, 0
        if room:
            self.members.append(m)

    def ahead(self, views: int) -> int:
        """How many writes the first in line will make."""
        return sum(m.more if m.run > 0 else m.usual for m in self.members[:views])

    def wants(self, pace: float, now: float) -> None:
        if self.landed is None:
            return
        if now - self.landed <= pace:
            self.habit = min(self.habit + 1, HABIT_MAX)
        else:
            self.habit = max(self.habit - HABIT_LOST, 0)
        self.landed = None

    def place(self, view: str, until: int) -> int:
        at = self._index(view)
        return at if at >= 0 else max(0, until - self.turns)

    def run_of(self, view: str) -> int:
        at = self._index(view)
        return self.members[at].run if at >= 0 else 0

    def _index(self, view: str) -> int:
        return next((i for i, m in enumerate(self.members) if m.view == view), -1)


def key(header_name: str) -> bytes:
    """One name for all spellings of a lock."""
    return b"*" if header_name == "*" else b"=" + unescape(header_name.encode())


class Turns:
    def __init__(self) -> None:
        self.self = new_view_name()
        self.pace = 0.0
        self.lag = 0.0  # about what it takes until the feed shows an append
        self._lines: Dict[bytes, _Line] = {}

    def refused(self, lock: str, by: str, now: float) -> None:
        """Begins to watch a lock, if it is not watched."""
        if key(lock) in self._lines:
            return
        if len(self._lines) >= LINES_MAX:
            del self._lines[min(self._lines, key=lambda k: self._lines[k].last)]
        line = self._lines[key(lock)] = _Line(now)
        view, _ = view_of(by)
        if view:
            line.members.append(_Member(view, 1))

    def see(self, records: Iterable[Record], now: float) -> None:
        """Notes records of the partition that came at once."""
        if not self._lines:
            return
        for r in records:
            by, more = view_of(id_of(r.headers))
            for name in ("*", *marks_of(r.headers)):
                line = self._lines.get(key(name))
                if line is not None:
                    line.wrote(by, more)
        for line in self._lines.values():
            if line.written:
                line.last, line.written = now, False

    def wait(self, lock: str, until: int, now: float) -> float:
        """How long this view is to wait for others; 0: it goes."""
        line = self._lines.get(key(lock))
        if line is None:
            return 0.0
        place = line.place(self.self, until)
        if place <= 0:
            return 0.0
        due = line.last + min(TURN_WAIT_MAX, max(self.pace, self.lag) * place + self.pace * line.ahead(place))
        return max(0.0, due - now)

    def took(self, seconds: float) -> None:
        """Notes how long an append took: those of the others will take as long."""
        self.pace = self.pace or PACE_FIRST
        self.pace = min(PACE_MAX, self.pace + (min(seconds, PACE_FACTOR * self.pace) - self.pace) / 8)

    def heard(self, seconds: float) -> None:
        """Notes how long after it was in this view has read an append of its own: so long the others do not know of it."""
        self.lag = min(PACE_MAX, self.lag + (max(0.0, seconds) - self.lag) / 8)

    def enter(self, lock: str) -> int:
        """When a view goes that has no place in the line: behind those who have."""
        line = self._lines.get(key(lock))
        return line.turns + len(line.members) if line else 0

    def again(self, lock: str, refusals: int) -> int:
        """When it goes after it was refused once more: views that are refused together would all go at once."""
        line = self._lines.get(key(lock))
        return line.turns + random.randrange(1 << (min(refusals, REFUSALS_MAX) - 1)) if line else 0

    def wants(self, locks: Iterable[str], now: float) -> None:
        for lock in locks:
            line = self._lines.get(key(lock))
            if line is not None:
                line.wants(self.pace, now)

    def done(self, locks: Iterable[str], now: float) -> None:
        for lock in locks:
            line = self._lines.get(key(lock))
            if line is not None:
                line.landed = now

    def more(self, locks: Iterable[str], queued: str) -> int:
        """How many writes more this view's turn will have after its next one."""
        more, lines = TURN_WRITES, 0
        for lock in locks:
            line = self._lines.get(key(lock))
            if line is None:
                continue
            lines += 1
            if lock != queued and line.habit < HABIT_ENOUGH:
                return 0
            more = min(more, self._turn() - 1 - line.run_of(self.self))
        return max(0, more) if lines else 0

    def _turn(self) -> int:
        if not self.pace:
            return 1
        return int(max(1, min(TURN_WRITES, TURN_TIME / self.pace)))

    def contended(self, locks: Iterable[Lock], now: float) -> str:
        """The first of the locks that this view should wait for; "" if there is none."""
        if self._lines:
            for lock in locks:
                name = lock.header_name
                if lock.judged and self.wait(name, self.enter(name), now) > 0:
                    return name
        return ""
