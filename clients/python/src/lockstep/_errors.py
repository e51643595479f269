"""What can become of an append that is not in the log, and the texts that tell it."""

from __future__ import annotations

import re
from typing import Optional, Type

from ._lock import NONE


class LockstepError(Exception):
    """Whatever this package raises."""


class Unsupported(LockstepError):
    """The brokers are not Lockstep, or too old."""


class LogCut(LockstepError):
    """Records that a view would have to apply were removed from the log. A state without them would be wrong."""


class Closed(LockstepError):
    """The producer or view was closed."""


class Interrupted(LockstepError):
    """The time was up, or the producer was closed, before the append was sent: nothing of it is in the log."""


class UnknownResult(LockstepError):
    """The append may or may not be in the log. Appending again with the same Cond.id and content tells the truth."""


class AppendFailed(LockstepError):
    """The broker refused the append for a reason that has nothing to do with locks. Nothing of it is in the log."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{text} ({code})")
        self.code = code


class Refusal(LockstepError):
    """A refused append: nothing of it is in the log. Its class says what cures it."""

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        record: int = 0,
        lock: str = "",
        id: str = "",
        basis: int = NONE,
        last: int = NONE,
        by: str = "",
        topic: str = "",
        partition: int = 0,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.record = record
        """The index of the offender in its append; of a parsed text, in the batch."""
        self.lock = lock
        """The lock that was to blame, as the header has it; "*" is the partition."""
        self.id = id
        self.basis = basis
        self.last = last
        """The offset to read up to; of a Duplicate, of the first append; NONE if it is not known."""
        self.by = by
        """The id of the append that wrote last; "" if it had none."""
        self.topic = topic
        self.partition = partition

    @staticmethod
    def parse(message: str) -> Optional[Refusal]:
        """The refusal that a text tells, as any client got it; None if it tells none."""
        return parse(message)


class Conflict(Refusal):
    """Reading on and deciding again cures it: CONFLICT, and UNKNOWN, which may be one."""


class Held(Refusal):
    """A transaction that is still open holds a lock or an id: try again when it has ended."""


class Duplicate(Refusal):
    """The append's id was used before with other content."""


class Malformed(Refusal):
    """A mistake of the program that made the append."""


_OFFSET = r"(?:0|[1-9]\d{0,18})"
_TEXTS = [
    (Conflict, rf"CONFLICT lock=(?P<lock>[^ ]+) last=(?P<last>{_OFFSET}|\?) basis=(?P<basis>{_OFFSET}|none) by=(?P<by>[^ ]+)"),
    (Conflict, rf"UNKNOWN lock=(?P<lock>[^ ]+) last=\? basis=(?P<basis>{_OFFSET}|none) by=(?P<by>[^ ]+)"),
    (Duplicate, rf"DUPLICATE id=(?P<id>[^ ]+) last=(?P<last>{_OFFSET}|\?)"),
    (Held, rf"HELD lock=(?P<lock>[^ ]+) since=(?P<last>{_OFFSET}) by=(?P<by>[^ ]+)"),
    (Held, rf"HELD id=(?P<id>[^ ]+) since=(?P<last>{_OFFSET})"),
    (Malformed, r"MALFORMED"),
]
_PATTERNS = [(cls, re.compile(text + r" record=(?P<record>0|[1-9]\d{0,9}): ", re.ASCII)) for cls, text in _TEXTS]
_OFFSET_MAX = 2**63 - 1
_RECORD_MAX = 2**31 - 1


def parse(message: str) -> Optional[Refusal]:
    """Reads the text of a refusal that any client got: the partition's error message, or that of its record error."""
    for cls, pattern in _PATTERNS:
        found = pattern.match(message)
        if found:
            return _refusal(cls, message, found)
    return None


def _refusal(cls: Type[Refusal], message: str, found: re.Match[str]) -> Optional[Refusal]:
    fields = found.groupdict()
    last, basis, record = _number(fields.get("last")), _number(fields.get("basis")), int(fields["record"])
    if max(last, basis) > _OFFSET_MAX or record > _RECORD_MAX:
        return None
    by = fields.get("by") or ""
    return cls(
        message.partition(" ")[0],
        message,
        record=record,
        lock=fields.get("lock") or "",
        id=fields.get("id") or "",
        basis=basis,
        last=last,
        by="" if by == "-" else by,
    )


def _number(text: Optional[str]) -> int:
    return NONE if text in (None, "?", "none") else int(text)
