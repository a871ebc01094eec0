"""Writes a market day as Parquet, in the layout of the recorded days.

Columns: ``ts`` (Asia/Kolkata, milliseconds), ``symbol``, ``ltp``, ``bid``, ``ask`` (rupees, NaN for
none), ``bid_qty``, ``ask_qty``, ``volume`` (units, volume cumulative for the day), ``oi``.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from baseline_v1_live.core.instruments import PAISE
from baseline_v1_live.sim.day import NO_PRICE, MarketDay

TIMESTAMP = pa.timestamp("ms", tz="Asia/Kolkata")


def write_day(day: MarketDay, path: Path) -> None:
    """Write all ticks of a day to one Parquet file, in their order.

    The file appears whole or not at all: it is written beside ``path`` and then takes its place,
    replacing what was there. Open interest is not modelled and written as 0.
    Raises OSError when the folder does not exist or cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        pq.write_table(_table(day), part, compression="zstd")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _table(day: MarketDay) -> pa.Table:
    return pa.table(
        {
            "ts": pa.array(day.at_ms, pa.int64()).cast(TIMESTAMP),
            "symbol": pa.array(day.symbols, pa.string()).take(pa.array(day.symbol_index)),
            "ltp": pa.array(day.ltp_paise / PAISE),
            "bid": pa.array(_quote(day.bid_paise)),
            "ask": pa.array(_quote(day.ask_paise)),
            "bid_qty": pa.array(day.bid_quantity.astype(np.int64)),
            "ask_qty": pa.array(day.ask_quantity.astype(np.int64)),
            "volume": pa.array(day.volume),
            "oi": pa.array(np.zeros(len(day), dtype=np.int64)),
        }
    )


def _quote(price_paise: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """Rupees, NaN where there is no quote."""
    return np.where(price_paise == NO_PRICE, np.nan, price_paise / PAISE)
