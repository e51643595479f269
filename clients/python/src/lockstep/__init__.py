"""Conditional appends and views for Lockstep.

    ConditionalProducer  appends: append returns offsets or raises a Refusal, and nothing in between
    Lock, Cond           what an append depends on
    View                 one partition folded into a state, and the loop that reads it, decides, appends, and decides
                         again when somebody was faster; lockstep.sqlview keeps the state in a database
    Refusal              a refused append; parse reads one from the text that any other client got
    attach               lock headers for any other producer
"""

from ._errors import (
    AppendFailed,
    Closed,
    Conflict,
    Duplicate,
    Held,
    Interrupted,
    LockstepError,
    LogCut,
    Malformed,
    Refusal,
    UnknownResult,
    Unsupported,
    parse,
)
from ._fold import Counts, Tx
from ._lock import NONE, Cond, Lock, Record, attach
from ._producer import ConditionalProducer, Result
from ._view import View

__all__ = [
    "NONE",
    "AppendFailed",
    "Closed",
    "Cond",
    "ConditionalProducer",
    "Conflict",
    "Counts",
    "Duplicate",
    "Held",
    "Interrupted",
    "Lock",
    "LockstepError",
    "LogCut",
    "Malformed",
    "Record",
    "Refusal",
    "Result",
    "Tx",
    "UnknownResult",
    "Unsupported",
    "View",
    "attach",
    "parse",
]
