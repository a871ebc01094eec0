"""One market day as columns: what the generator makes, a file holds and the replay plays.

Columns, not row objects, because a day has two million ticks.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from baseline_v1_live.core.instruments import Contract

NO_PRICE = 0  # in the bid and ask columns: no quote


@dataclass(frozen=True, eq=False)
class MarketDay:
    """Ticks of one day in the order they happened.

    All columns have one entry a tick: ``at_ms`` (int64, epoch milliseconds, never decreasing),
    ``symbol_index`` (int16, into ``symbols``), ``ltp_paise``, ``bid_paise``, ``ask_paise`` (int32;
    0 in bid or ask = no quote), ``bid_quantity``, ``ask_quantity`` (int32; 0 = size not recorded),
    ``volume`` (int64, cumulative for the day, units; -1 where not known).

    ``contracts`` has the options of the universe; ``index_symbol`` is None when the day carries no
    index; ``cadence_ms`` is 0 for a tick stream, else the usual distance of two snapshots;
    ``from_bars`` says that the ticks were made from OHLC bars.
    """

    date: dt.date
    expiry: dt.date
    atm_paise: int
    symbols: tuple[str, ...]
    contracts: dict[str, Contract]
    index_symbol: str | None
    at_ms: npt.NDArray[np.int64]
    symbol_index: npt.NDArray[np.int16]
    ltp_paise: npt.NDArray[np.int32]
    bid_paise: npt.NDArray[np.int32]
    ask_paise: npt.NDArray[np.int32]
    bid_quantity: npt.NDArray[np.int32]
    ask_quantity: npt.NDArray[np.int32]
    volume: npt.NDArray[np.int64]
    cadence_ms: int = 0
    from_bars: bool = False
    source: str = ""
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        """Number of ticks."""
        return len(self.at_ms)
