"""One-minute bars of one symbol and the session's VWAP after each of them.

A bar closes by a tick of a later minute or when the caller says that its minute is over.
A minute without a tick makes no bar; a closed bar never changes.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from baseline_v1_live.core.messages import Bar


class Vwap(msgspec.Struct, frozen=True):
    """A volume-weighted average price as an exact fraction: Σ (H+L+C) x volume over 3 x Σ volume."""

    value: int
    weight: int

    @property
    def price_paise(self) -> float:
        """The average as a float, for display only; rules compare the fraction."""
        return self.value / self.weight


class BarSeries:
    """Closed bars of one symbol in time order, the forming bar, and the VWAP after each bar."""

    __slots__ = (
        "_close",
        "_gap",
        "_high",
        "_low",
        "_minute_ms",
        "_open",
        "_partial",
        "_volume",
        "_volume_seen",
        "_vwap_value",
        "_vwap_weight",
        "bars",
    )

    def __init__(self) -> None:
        self.bars: list[Bar] = []
        self._vwap_value: list[int] = []
        self._vwap_weight: list[int] = []
        self._minute_ms: int | None = None
        self._open = self._high = self._low = self._close = self._volume = 0
        self._volume_seen: int | None = None
        self._gap = True
        self._partial: set[int] = set()

    @property
    def forming_minute_ms(self) -> int | None:
        """Start of the forming bar's minute, None when no bar is forming."""
        return self._minute_ms

    @property
    def forming_high_paise(self) -> int | None:
        """High of the forming bar so far, None when no bar is forming."""
        return None if self._minute_ms is None else self._high

    @property
    def forming_low_paise(self) -> int | None:
        """Low of the forming bar so far, None when no bar is forming."""
        return None if self._minute_ms is None else self._low

    def vwap(self, index: int) -> Vwap | None:
        """VWAP after the closed bar ``index``; None (undefined) while no volume has traded."""
        weight = self._vwap_weight[index]
        return Vwap(self._vwap_value[index], weight) if weight else None

    def add_tick(self, minute_ms: int, ltp_paise: int, volume: int | None) -> Bar | None:
        """Take a tick of a minute; return the bar that it closes, if it opens a later minute.

        ``volume`` is cumulative for the day, None when not known; the first tick adds nothing and a
        decrease counts 0.
        A tick of a minute that is closed already leaves the bars alone, and its volume is counted
        with the next tick.
        """
        closed: Bar | None = None
        if self._minute_ms != minute_ms:
            if self._minute_ms is not None:
                if minute_ms < self._minute_ms:
                    return None
                closed = self._close_forming()
            if self._is_closed(minute_ms):
                return closed
            self._minute_ms = minute_ms
            if self._gap:
                self._gap = False
                self._partial.add(minute_ms)
            self._open = self._high = self._low = ltp_paise
            self._volume = 0
        elif ltp_paise > self._high:
            self._high = ltp_paise
        elif ltp_paise < self._low:
            self._low = ltp_paise
        self._close = ltp_paise
        if volume is None or (volume == 0 and self._volume_seen):
            return closed  # Not known: a day's volume does not fall back to nothing.
        if self._volume_seen is not None and volume > self._volume_seen:
            self._volume += volume - self._volume_seen
        self._volume_seen = volume
        return closed

    def close_before(self, minute_ms: int) -> Bar | None:
        """Close the forming bar when its minute is before ``minute_ms``; return it."""
        if self._minute_ms is None or self._minute_ms >= minute_ms:
            return None
        return self._close_forming()

    def mark_gap(self) -> None:
        """Ticks were missed: the minutes on both sides of the gap are seen only partly."""
        if self._minute_ms is not None:
            self._partial.add(self._minute_ms)
        elif self.bars:
            self._partial.add(self.bars[-1].minute_ms)
        self._gap = True

    @property
    def awaits_tick(self) -> bool:
        """Whether no tick has come since ticks were missed."""
        return self._gap

    @property
    def newest_partial_ms(self) -> int | None:
        """Start of the newest minute that was seen only partly, None when there is none."""
        return max(self._partial, default=None)

    @property
    def whole(self) -> bool:
        """Whether no minute that was seen only partly waits for history."""
        return not self._partial and not self._gap

    def load(self, bars: Iterable[Bar]) -> int | None:
        """Take bars from history; return the index of the first closed bar that is new or changed.

        History fills in what is missing, and replaces minutes that were seen only partly, the
        forming one too; a minute that was seen whole stays as it was seen. A minute that history
        leaves out between others had no trade: what was seen of it is all. None: nothing changed.
        """
        bars = list(bars)
        if bars:
            first_ms, last_ms = bars[0].minute_ms, bars[-1].minute_ms
            self._partial -= {at for at in self._partial if first_ms < at < last_ms} - {
                bar.minute_ms for bar in bars
            }
        merged = {bar.minute_ms: bar for bar in self.bars}
        for bar in bars:
            if bar.minute_ms not in merged or bar.minute_ms in self._partial:
                merged[bar.minute_ms] = bar
                self._partial.discard(bar.minute_ms)
            if self._minute_ms is not None and bar.minute_ms >= self._minute_ms:
                # History knows the whole minute; what traded in it up to now is in its bar.
                self._minute_ms = None
                self._volume_seen = None
        ordered = [merged[minute_ms] for minute_ms in sorted(merged)]
        first = next(
            (i for i, bar in enumerate(ordered) if i >= len(self.bars) or bar != self.bars[i]), None
        )
        if first is not None:
            del self.bars[first:], self._vwap_value[first:], self._vwap_weight[first:]
            for bar in ordered[first:]:
                self._append(bar)
        return first

    def _is_closed(self, minute_ms: int) -> bool:
        return bool(self.bars) and minute_ms <= self.bars[-1].minute_ms

    def _close_forming(self) -> Bar:
        assert self._minute_ms is not None
        bar = Bar(self._minute_ms, self._open, self._high, self._low, self._close, self._volume)
        self._minute_ms = None
        self._append(bar)
        return bar

    def _append(self, bar: Bar) -> None:
        value = (bar.high_paise + bar.low_paise + bar.close_paise) * bar.volume
        weight = 3 * bar.volume
        if self.bars:
            value += self._vwap_value[-1]
            weight += self._vwap_weight[-1]
        self.bars.append(bar)
        self._vwap_value.append(value)
        self._vwap_weight.append(weight)
