"""What an append depends on: locks, the condition, and the record headers that carry them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Iterable, Iterator, List, Optional, Sequence, Tuple, Union

NONE = -1
"""The basis of a writer that has read nothing."""

Text = Union[str, bytes, None]
Header = Tuple[str, Optional[bytes]]

_KINDS = ("lock-write", "lock-read", "lock-append")
BASIS = "lock-basis"
ID = "lock-id"


@dataclass(frozen=True)
class Lock:
    """One lock of an append. It is a value: at() gives another one."""

    kind: str
    name: str
    whole: bool = False
    basis: Optional[int] = None
    """The lock's own basis; None: it has that of the condition."""

    @staticmethod
    def write(name: str) -> Lock:
        """Refuses the append if the lock was written after the basis, and marks it with the append's offset."""
        return Lock("lock-write", name)

    @staticmethod
    def read(name: str) -> Lock:
        """Refuses the append if the lock was written after the basis, and marks nothing."""
        return Lock("lock-read", name)

    @staticmethod
    def append(name: str) -> Lock:
        """Only marks the lock: a blind write that others must see."""
        return Lock("lock-append", name)

    @staticmethod
    def partition() -> Lock:
        """Refuses the append if anything at all was appended to the partition after the basis."""
        return Lock("lock-write", "*", whole=True)

    def at(self, offset: int) -> Lock:
        """The lock with a basis of its own, in place of the condition's. It may be NONE."""
        return replace(self, basis=offset)

    @property
    def judged(self) -> bool:
        return self.kind != "lock-append"

    @property
    def marks(self) -> bool:
        return self.kind != "lock-read"

    @property
    def header_name(self) -> str:
        """The name as a header, and so a refusal, has it."""
        return "*" if self.whole else escape(self.name)

    @property
    def key(self) -> str:
        """The same for all spellings of a lock; no name is a lone "*" there but the partition's."""
        return "*" if self.whole else "=" + self.name

    def __str__(self) -> str:
        own = "" if self.basis is None else "@" + _basis(self.basis)
        return self.header_name + own


@dataclass(frozen=True)
class Cond:
    """The condition of an append."""

    locks: Sequence[Lock] = ()
    basis: int = NONE
    """The offset of the last record of the partition that the writer had read and applied; NONE: it had read nothing.

    It counts for every lock without a basis of its own."""
    id: str = ""
    """The writer's own name for the append, of 1 to 64 bytes without spaces: it makes the append append-once, and
    names it to writers that it beats. Without one the library makes one up."""


@dataclass(frozen=True)
class Record:
    """A record, to be appended or as it was read."""

    value: Text = None
    key: Text = None
    headers: Sequence[Header] = ()
    timestamp: int = 0
    """In ms since 1970; 0 is the time of sending."""
    topic: str = field(default="", compare=False)
    partition: int = field(default=0, compare=False)
    offset: int = field(default=NONE, compare=False)

    def header(self, name: str) -> Optional[bytes]:
        """The value of the last header of this name."""
        found = None
        for key, value in self.headers:
            if key == name:
                found = value
        return found


def raw(text: Text) -> Optional[bytes]:
    """A key or value as it goes over the wire."""
    return text.encode() if isinstance(text, str) else text


def attach(headers: Iterable[Header], basis: int, *locks: Lock) -> List[Header]:
    """The headers and those of the locks, for any producer that can set headers.

    A lock without a basis of its own gets basis. With a plain Kafka producer one refused record refuses its whole
    batch: let such a producer have one conditional record in flight at a time, and use acks=all."""
    return list(headers) + lock_headers(Cond(locks, basis))


def lock_headers(cond: Cond) -> List[Header]:
    """The headers of a condition: one for each kind of lock that there is, lock-basis and lock-id."""
    headers: List[Header] = []
    for kind in _KINDS:
        items = [str(lock) for lock in cond.locks if lock.kind == kind]
        if items:
            headers.append((kind, " ".join(items).encode()))
    if any(lock.judged and lock.basis is None for lock in cond.locks):
        headers.append((BASIS, _basis(cond.basis).encode()))
    if cond.id:
        headers.append((ID, cond.id.encode()))
    return headers


_PLAIN = re.compile(r"[!-$&-)+-?A-~][!-$&-?A-~]*")  # what nothing has to be escaped in


def _basis(offset: int) -> str:
    return "none" if offset == NONE else str(offset)


def escape(name: str) -> str:
    """A lock's name as a header holds it: %XX for spaces, controls and "@", and for a "%" that would be read as one."""
    if _PLAIN.fullmatch(name):
        return name
    if name == "*":
        return "%2A"
    out: List[str] = []
    for at, c in enumerate(name):
        control = c <= " " or "\x7f" <= c <= "\x9f"
        percent = c == "%" and _is_hex(name[at + 1 : at + 3])
        out.append("".join(f"%{b:02X}" for b in c.encode()) if control or percent or c == "@" else c)
    return "".join(out)


def _is_hex(digits: str) -> bool:
    return len(digits) == 2 and all(d in "0123456789abcdefABCDEF" for d in digits)


def unescape(raw_name: bytes) -> bytes:
    """The name that a header's spelling stands for. Two spellings of one name are one lock."""
    if b"%" not in raw_name:
        return raw_name
    out, at = bytearray(), 0
    while at < len(raw_name):
        digits = raw_name[at + 1 : at + 3].decode("latin-1")
        if raw_name[at : at + 1] == b"%" and _is_hex(digits):
            out.append(int(digits, 16))
            at += 3
        else:
            out.append(raw_name[at])
            at += 1
    return bytes(out)


def marks_of(headers: Iterable[Header]) -> Iterator[str]:
    """The locks that a record marks, as its headers have them."""
    for key, value in headers:
        if value and key in ("lock-write", "lock-append"):
            for item in value.decode("utf-8", "replace").split(" "):
                name = item.partition("@")[0]
                if name and name != "*":
                    yield name


def id_of(headers: Iterable[Header]) -> str:
    """The lock-id of a record, "" if it has none."""
    for key, value in headers:
        if key == ID and value:
            return value.decode("utf-8", "replace")
    return ""
