"""Why an append was refused, where the client library shows the code alone.

librdkafka's bindings drop the broker's text. It is to be had from the brokers' HTTP; where that is not known, the log
itself tells it: a conflict is a record behind the basis that names the lock."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Mapping, Optional, Sequence

from ._errors import Conflict, Duplicate, LockstepError, Malformed, Refusal, parse
from ._lock import NONE, Cond
from ._log import Marks, Reader

POLICY_VIOLATION = 44
INVALID_RECORD = 87

_HTTP_SECONDS = 2.0
_SCAN_SECONDS = 5.0


class Reasons:
    """Finds the reason of refusals. Any number of threads may use it."""

    def __init__(self, config: Mapping[str, Any], http: Sequence[str]) -> None:
        self._config = config
        self._http = list(http)

    def find(self, topic: str, partition: int, cond: Cond, code: int) -> Refusal:
        """The refusal of an append that was alone in its batch."""
        found = self._ask(topic, partition, cond.id)
        if found is None and code == POLICY_VIOLATION:
            found = self._read(topic, partition, cond)
        if found is None:
            found = _of_code(code, cond)
        found.topic, found.partition = topic, partition
        return found

    def _ask(self, topic: str, partition: int, id: str) -> Optional[Refusal]:
        """The broker's own text, from whichever leads the partition."""
        query = urllib.parse.urlencode({"topic": topic, "partition": partition, "id": id})
        for address in self._http:
            base = address if "://" in address else "http://" + address
            try:
                with urllib.request.urlopen(f"{base}/v1/conflicts?{query}", timeout=_HTTP_SECONDS) as answer:
                    refusals = json.load(answer)
            except (OSError, ValueError):
                continue
            if refusals:
                return parse(refusals[-1]["message"])
        return None

    def _read(self, topic: str, partition: int, cond: Cond) -> Optional[Refusal]:
        judged = [lock for lock in cond.locks if lock.judged]
        try:
            reader = Reader(self._config, topic, partition)
        except Exception:  # noqa: BLE001 the code alone is told then
            return None
        try:
            low, end = reader.bounds()
            since = min([cond.basis if lock.basis is None else lock.basis for lock in judged], default=cond.basis)
            reader.begin(max(since + 1, low))
            marks, until = Marks(), time.monotonic() + _SCAN_SECONDS
            while reader.next < end and time.monotonic() < until:
                for r in reader.read(0.1):
                    marks.see(r)
            return of_marks(marks, cond)
        except (LockstepError, Exception):  # noqa: B014
            return None
        finally:
            reader.close()


def of_marks(marks: Marks, cond: Cond) -> Optional[Refusal]:
    """The refusal that a log speaks of, in the words of the broker."""
    for lock in cond.locks:
        basis = cond.basis if lock.basis is None else lock.basis
        last, by = marks.last(lock)
        if lock.judged and last > basis:
            return conflict(lock.header_name, last, basis, by)
    first = marks.offset_of(cond.id) if cond.id else None
    if first is not None:
        text = f'DUPLICATE id={cond.id} last={first} record=0: "{cond.id}" was appended at offset {first} with other content'
        return Duplicate("DUPLICATE", text, id=cond.id, last=first)
    return None


def conflict(lock: str, last: int, basis: int, by: str) -> Conflict:
    told = "none" if basis == NONE else str(basis)
    what = f"the partition has offset {last}" if lock == "*" else f'lock "{lock}" was written at offset {last}'
    text = (f"CONFLICT lock={lock} last={last} basis={told} by={by or '-'} record=0: {what}, after your basis {told}; "
            f"read up to offset {last} and try again")
    return Conflict("CONFLICT", text, lock=lock, last=last, basis=basis, by=by)


def _of_code(code: int, cond: Cond) -> Refusal:
    where = f'its reason is to be had from GET /v1/conflicts?id={cond.id} or "lockstep conflicts tail"'
    if code == INVALID_RECORD:
        return Malformed("MALFORMED", f"MALFORMED record=0: the broker answers INVALID_RECORD; {where}")
    return Refusal("REFUSED", f"the broker answers POLICY_VIOLATION; {where}", basis=cond.basis)
