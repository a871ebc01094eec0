"""A market day's columns as rows of plain values, a chunk at a time to keep memory small."""

from __future__ import annotations

from collections.abc import Iterator

from baseline_v1_live.runtime.ports import TapeRow
from baseline_v1_live.sim.day import MarketDay

_CHUNK = 50_000


def rows(day: MarketDay) -> Iterator[TapeRow]:
    """The day's ticks in order as (exchange time in epoch ms, symbol, last price, bid, ask, bid
    quantity, ask quantity, day volume); prices in paise, 0 where the tape has none.
    """
    symbols = day.symbols
    for start in range(0, len(day), _CHUNK):
        part = slice(start, start + _CHUNK)
        yield from zip(
            day.at_ms[part].tolist(),
            [symbols[index] for index in day.symbol_index[part].tolist()],
            day.ltp_paise[part].tolist(),
            day.bid_paise[part].tolist(),
            day.ask_paise[part].tolist(),
            day.bid_quantity[part].tolist(),
            day.ask_quantity[part].tolist(),
            day.volume[part].tolist(),
            strict=True,
        )
