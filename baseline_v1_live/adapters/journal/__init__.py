"""The journal: what happened and what was ordered, in SQLite, before anything leaves the house."""

from baseline_v1_live.adapters.journal.schema import MIGRATIONS, JournalError
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
    "JournalError",
    "OrderRecord",
    "PositionRecord",
    "RequestRecord",
    "StateRecord",
    "Step",
    "TradeRecord",
]
