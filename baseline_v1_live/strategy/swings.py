"""Swing lows and highs of one symbol, found on bar close (docs/strategy.md, section 3).

The window is the bars after the last swing's bar. Its extreme bar is a swing once enough later bars
each lie beyond it in both extreme and close; swings alternate, and a confirmed extreme of the same
kind beyond the last swing updates it. One swing or update a bar close.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from baseline_v1_live.core.messages import Bar
from baseline_v1_live.strategy.bars import Vwap


class SwingKind(StrEnum):
    """Which extreme a swing is."""

    LOW = "low"
    HIGH = "high"


class Swing(msgspec.Struct, frozen=True, kw_only=True):
    """A confirmed swing. ``minute_ms`` is its own bar's minute, ``confirmed_ms`` the minute of the
    bar at whose close it was confirmed, ``vwap`` the VWAP as of its own bar, frozen.
    """

    symbol: str
    kind: SwingKind
    price_paise: int
    minute_ms: int
    confirmed_ms: int
    vwap: Vwap | None
    is_update: bool


class Found(msgspec.Struct, frozen=True):
    """What a bar close brought: the swing's kind, its bar's index, and whether it updates."""

    kind: SwingKind
    index: int
    is_update: bool


class _Extreme:
    """The window's lowest (or highest) bar, the earliest on a tie, and how many bars confirm it."""

    __slots__ = ("_close", "_far", "_sign", "confirmations", "index", "price")

    def __init__(self, kind: SwingKind) -> None:
        # A high is a low of the negated prices, so one comparison serves both.
        self._sign = 1 if kind is SwingKind.LOW else -1
        self.clear()

    def clear(self) -> None:
        self.index = -1
        self.confirmations = 0
        self.price = self._far = self._close = 0

    def see(self, index: int, bar: Bar) -> None:
        sign = self._sign
        near, far = (
            (bar.low_paise, bar.high_paise) if sign > 0 else (-bar.high_paise, -bar.low_paise)
        )
        close = sign * bar.close_paise
        if self.index < 0 or near < self.price:
            self.index, self.confirmations = index, 0
            self.price, self._far, self._close = near, far, close
        elif far > self._far and close > self._close:
            self.confirmations += 1


class SwingDetector:
    """Finds the swings of one symbol; feed it every closed bar once, in order."""

    __slots__ = ("_confirmations", "_extremes", "_last", "_last_price")

    def __init__(self, confirmations: int = 2) -> None:
        self._confirmations = confirmations
        self._extremes = {kind: _Extreme(kind) for kind in SwingKind}
        self._last: SwingKind | None = None
        self._last_price = 0

    def on_bar_closed(self, bars: Sequence[Bar]) -> Found | None:
        """Decide after the newest bar of ``bars`` (all closed bars of the session, oldest first)."""
        newest = len(bars) - 1
        for extreme in self._extremes.values():
            extreme.see(newest, bars[newest])
        found = self._decide()
        if found is not None:
            self._last = found.kind
            self._last_price = self._extremes[found.kind].price
            self._restart_window(bars, found.index + 1)
        return found

    def _decide(self) -> Found | None:
        low, high = self._extremes[SwingKind.LOW], self._extremes[SwingKind.HIGH]
        if self._last is None:
            if self._confirmed(low) and (not self._confirmed(high) or low.index <= high.index):
                return Found(SwingKind.LOW, low.index, is_update=False)
            if self._confirmed(high):
                return Found(SwingKind.HIGH, high.index, is_update=False)
            return None
        other = SwingKind.HIGH if self._last is SwingKind.LOW else SwingKind.LOW
        if self._confirmed(self._extremes[other]):
            return Found(other, self._extremes[other].index, is_update=False)
        same = self._extremes[self._last]
        if self._confirmed(same) and same.price < self._last_price:
            return Found(self._last, same.index, is_update=True)
        return None

    def _confirmed(self, extreme: _Extreme) -> bool:
        return extreme.index >= 0 and extreme.confirmations >= self._confirmations

    def _restart_window(self, bars: Sequence[Bar], start: int) -> None:
        for extreme in self._extremes.values():
            extreme.clear()
            for index in range(start, len(bars)):
                extreme.see(index, bars[index])
