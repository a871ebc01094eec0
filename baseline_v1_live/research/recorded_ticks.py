"""Turns the ticks that a live day recorded into a day file that ``replay`` plays."""

from __future__ import annotations

import os
from array import array
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from baseline_v1_live.core.instruments import PAISE
from baseline_v1_live.core.messages import Tick
from baseline_v1_live.runtime.records import ticks_of
from baseline_v1_live.sim.day_file import TIMESTAMP

_UNKNOWN = -1


class TickFileError(ValueError):
    """A file of ticks that cannot be converted; the message is one line for a person."""


def ticks_to_day_file(jsonl: Path, parquet: Path) -> int:
    """Write the recorded ticks of ``jsonl`` as a Parquet file in the layout of the recorded days.

    Rows are in the order in which the bot took the ticks, at those instants, because a replay must
    show the core what it saw. Answers to questions for a quote are left out: they make no bars.
    ``parquet`` appears whole or not at all, replacing what was there. Returns the number of rows.
    Raises TickFileError when ``jsonl`` cannot be read or has no ticks, OSError when ``parquet``
    cannot be written.
    """
    columns = _read(jsonl)
    if not columns.at_ms:
        raise TickFileError(f"{jsonl}: there are no ticks in it")
    table = columns.table()
    part = parquet.with_name(f".{parquet.name}.{os.getpid()}.part")
    try:
        pq.write_table(table, part, compression="zstd")
        os.replace(part, parquet)
    finally:
        part.unlink(missing_ok=True)
    return len(table)


class _Columns:
    """The ticks so far, as columns, because a day has two million of them."""

    def __init__(self) -> None:
        self.symbols: dict[str, int] = {}
        self.symbol = array("q")
        self.at_ms = array("q")
        self.ltp = array("q")
        self.bid, self.ask = array("q"), array("q")
        self.bid_quantity, self.ask_quantity = array("q"), array("q")
        self.volume = array("q")

    def add(self, tick: Tick) -> None:
        self.symbol.append(self.symbols.setdefault(tick.symbol, len(self.symbols)))
        self.at_ms.append(tick.at_ms)
        self.ltp.append(tick.ltp_paise)
        self.bid.append(_UNKNOWN if tick.bid_paise is None else tick.bid_paise)
        self.ask.append(_UNKNOWN if tick.ask_paise is None else tick.ask_paise)
        self.bid_quantity.append(tick.bid_quantity or 0)
        self.ask_quantity.append(tick.ask_quantity or 0)
        self.volume.append(_UNKNOWN if tick.volume is None else tick.volume)

    def table(self) -> pa.Table:
        # Two runs of one day may overlap when the machine's clock was set back between them.
        order = np.argsort(_numbers(self.at_ms), kind="stable")
        volume = _numbers(self.volume)[order]
        names = pa.array(list(self.symbols), pa.string())
        return pa.table(
            {
                "ts": pa.array(_numbers(self.at_ms)[order]).cast(TIMESTAMP),
                "symbol": names.take(pa.array(_numbers(self.symbol)[order])),
                "ltp": pa.array(_numbers(self.ltp)[order] / PAISE),
                "bid": pa.array(_quotes(self.bid)[order]),
                "ask": pa.array(_quotes(self.ask)[order]),
                "bid_qty": pa.array(_numbers(self.bid_quantity)[order]),
                "ask_qty": pa.array(_numbers(self.ask_quantity)[order]),
                "volume": pa.array(volume, mask=volume == _UNKNOWN),
                "oi": pa.array(np.zeros(len(order), dtype=np.int64)),
            }
        )


def _read(jsonl: Path) -> _Columns:
    columns = _Columns()
    try:
        with jsonl.open("rb") as lines:
            for tick in ticks_of(lines):
                if not tick.quoted:
                    columns.add(tick)
    except OSError as error:
        raise TickFileError(f"{jsonl}: {error.strerror}") from None
    except (ValueError, OverflowError) as error:
        raise TickFileError(f"{jsonl}: {error}") from None
    return columns


def _numbers(column: array[int]) -> npt.NDArray[np.int64]:
    return np.frombuffer(column, dtype=np.int64)


def _quotes(column: array[int]) -> npt.NDArray[np.float64]:
    """Rupees, NaN where there is no quote."""
    price_paise = _numbers(column)
    return np.where(price_paise == _UNKNOWN, np.nan, price_paise / PAISE)
