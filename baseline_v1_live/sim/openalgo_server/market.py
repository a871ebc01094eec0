"""What the tape has shown so far: the last quote, the day's range and the minute bars by symbol."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from baseline_v1_live.core.instruments import Contract
from baseline_v1_live.core.session import MINUTE_MS
from baseline_v1_live.runtime.ports import TapeRow
from baseline_v1_live.sim.day import MarketDay

INDEX_EXCHANGE = "NSE_INDEX"
OPTION_EXCHANGE = "NFO"


@dataclass
class MinuteBar:
    """One minute so far, prices in paise."""

    minute_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int


@dataclass
class Instrument:
    """A symbol and what its ticks have said; everything is 0 before the first one.

    ``previous`` stands in for the previous close, which a tape does not carry: its first price.
    """

    symbol: str
    exchange: str
    token: int
    contract: Contract | None
    previous: int = 0
    at_ms: int = 0
    ltp: int = 0
    bid: int = 0
    ask: int = 0
    bid_quantity: int = 0
    ask_quantity: int = 0
    volume: int = 0
    last_quantity: int = 0
    turnover: int = 0
    first: int = 0
    high: int = 0
    low: int = 0
    bars: list[MinuteBar] = field(default_factory=list)

    def take(self, row: TapeRow) -> None:
        """Take a tick. One without a price shows as it came, and is in no range and no bar."""
        at_ms, _, ltp, bid, ask, bid_quantity, ask_quantity, volume = row
        volume = max(volume, self.volume)  # negative where the tape has none
        traded = volume - self.volume
        self.at_ms, self.ltp, self.bid, self.ask = at_ms, ltp, bid, ask
        self.bid_quantity, self.ask_quantity = bid_quantity, ask_quantity
        self.volume, self.last_quantity = volume, traded
        if ltp <= 0:
            return
        self.turnover += traded * ltp
        minute_ms = at_ms - at_ms % MINUTE_MS
        if not self.first:
            self.first = self.high = self.low = ltp
        self.high = max(self.high, ltp)
        self.low = min(self.low, ltp)
        if not self.bars or self.bars[-1].minute_ms != minute_ms:
            self.bars.append(MinuteBar(minute_ms, ltp, ltp, ltp, ltp, traded))
            return
        bar = self.bars[-1]
        bar.high = max(bar.high, ltp)
        bar.low = min(bar.low, ltp)
        bar.close = ltp
        bar.volume += traded

    @property
    def last(self) -> int:
        """What a quote shows as the last price: before the first tick, the previous close."""
        return self.ltp or self.previous

    @property
    def average_paise(self) -> float:
        """Volume-weighted mean price of the day so far."""
        return self.turnover / self.volume if self.volume else 0.0


class Market:
    """All symbols of a day, by (symbol, exchange)."""

    def __init__(self, day: MarketDay) -> None:
        self.day = day
        self.by_symbol: dict[str, Instrument] = {}
        for number, symbol in enumerate(day.symbols):
            contract = day.contracts.get(symbol)
            exchange = OPTION_EXCHANGE if contract else INDEX_EXCHANGE
            self.by_symbol[symbol] = Instrument(symbol, exchange, 10_000 + number, contract)
        for symbol, price in _first_prices(day):
            self.by_symbol[symbol].previous = price

    @property
    def index_paise(self) -> int:
        """The index's level, 0 on a day without one."""
        index = self.by_symbol.get(self.day.index_symbol or "")
        return index.last if index else 0

    def find(self, symbol: str, exchange: str) -> Instrument | None:
        """The instrument, or None when the day does not have it on that exchange."""
        instrument = self.by_symbol.get(symbol)
        return instrument if instrument is not None and instrument.exchange == exchange else None


def _first_prices(day: MarketDay) -> list[tuple[str, int]]:
    """Each symbol's first price on the tape; symbols without any are left out."""
    priced = np.flatnonzero(day.ltp_paise > 0)
    numbers, places = np.unique(day.symbol_index[priced], return_index=True)
    prices = day.ltp_paise[priced[places]]
    return [
        (day.symbols[number], price)
        for number, price in zip(numbers.tolist(), prices.tolist(), strict=True)
    ]


def bars_of(instrument: Instrument, minutes: int, open_ms: int) -> list[MinuteBar]:
    """Bars of so many minutes counted from the open, the forming one included."""
    if minutes == 1:
        return instrument.bars
    width = minutes * MINUTE_MS
    grown: list[MinuteBar] = []
    for bar in instrument.bars:
        start = open_ms + (bar.minute_ms - open_ms) // width * width
        if not grown or grown[-1].minute_ms != start:
            grown.append(MinuteBar(start, bar.open, bar.high, bar.low, bar.close, bar.volume))
            continue
        last = grown[-1]
        last.high, last.low = max(last.high, bar.high), min(last.low, bar.low)
        last.close = bar.close
        last.volume += bar.volume
    return grown
