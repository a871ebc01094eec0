"""The journal: what happened and what was ordered, in SQLite, before anything leaves the house."""

from baseline_v1_live.adapters.journal.schema import (
    MIGRATIONS,
    JournalDamagedError,
    JournalError,
    JournalLockedError,
    JournalUnwritableError,
)
from baseline_v1_live.adapters.journal.store import Journal
from baseline_v1_live.runtime.records import (
    OrderRecord,
    PositionRecord,
    RequestRecord,
    StateRecord,
    Step,
    TradeRecord,
)

__all__ = [
    "MIGRATIONS",
    "Journal",
    "JournalDamagedError",
    "JournalError",
    "JournalLockedError",
    "JournalUnwritableError",
    "OrderRecord",
    "PositionRecord",
    "RequestRecord",
    "StateRecord",
    "Step",
    "TradeRecord",
]
