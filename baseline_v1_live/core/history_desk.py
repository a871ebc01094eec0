"""When to ask the gateway for the bars of a symbol whose minutes were missed or seen only partly.

A symbol is asked for once after the start or a gap in the feed, and again when the minute is over in
which its ticks began: only then can history have the whole of it. The shell paces the requests.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from baseline_v1_live.core.market import Market
from baseline_v1_live.core.messages import BarsLoaded, HistoryFailed, Level, LoadHistory
from baseline_v1_live.core.session import MINUTE_MS
from baseline_v1_live.order_manager import OrderManager
from baseline_v1_live.position_tracker import PositionTracker


class Request(msgspec.Struct):
    """The newest request for a symbol's history; ``answered_ms`` is None while it is on its way."""

    asked_ms: int
    answered_ms: int | None = None
    failed: bool = False


class HistoryDesk:
    """Asks for the history of the symbols in ``market.minutes_missing``."""

    def __init__(self, orders: OrderManager, positions: PositionTracker, market: Market) -> None:
        self.rules = orders.rules
        self.orders = orders
        self.positions = positions
        self.market = market
        self._requests: dict[str, Request] = {}
        self._said: dict[str, str] = {}
        self._gap_ms = 0
        self._answered_ms = 0

    def on_gap(self) -> None:
        """Minutes of every symbol were missed: what was asked for before is not enough."""
        self._gap_ms = self.orders.now_ms

    def on_loaded(self, event: BarsLoaded) -> None:
        """A symbol's history came; whether it is enough is seen from the market."""
        self._said.pop(event.symbol, None)
        self._answer(event.symbol, failed=False)

    def on_failed(self, event: HistoryFailed) -> None:
        """A symbol's history could not be had; it is asked for again later, and said once a reason."""
        self._answer(event.symbol, failed=True)
        if self._said.get(event.symbol) == event.message:
            return
        self._said[event.symbol] = event.message
        self.orders.say(
            Level.ALERT,
            "FILTER",
            f"history of {event.symbol} not readable: {event.message}; no entry there until it is",
            f"history_failed:{event.symbol}",
        )

    def ask_where_due(self) -> None:
        """Ask for every symbol that needs it now, the most useful first."""
        now = self.orders.now_ms
        due = [symbol for symbol, due_ms in self._due() if due_ms <= now]
        for symbol in sorted(due, key=self._urgency):
            self._requests[symbol] = Request(now)
            self.orders.commands.append(LoadHistory(symbol=symbol))

    def deadlines(self) -> Iterator[int]:
        """Instants at which a request is due."""
        for _, due_ms in self._due():
            yield due_ms

    # ------------------------------------------------------------ inside

    def _answer(self, symbol: str, *, failed: bool) -> None:
        self._answered_ms = self.orders.now_ms
        request = self._requests.get(symbol)
        if request is not None:
            request.answered_ms = self.orders.now_ms
            request.failed = failed

    def _due(self) -> Iterator[tuple[str, int]]:
        if not self.market.minutes_missing:
            return
        for symbol in self.market.symbols:
            if symbol in self.market.minutes_missing:
                due_ms = self._due_ms(symbol)
                if due_ms is not None:
                    yield symbol, due_ms

    def _due_ms(self, symbol: str) -> int | None:
        """When a symbol is to be asked for next; None while only a tick can make that useful."""
        request = self._requests.get(symbol)
        if request is not None and request.answered_ms is None:
            # Requests are answered one after the other: none is lost while answers still come.
            return max(request.asked_ms, self._answered_ms) + self.rules.history_retry_ms
        if request is None or request.asked_ms < self._gap_ms:
            return 0
        series = self.market.symbols[symbol].series
        if series.awaits_tick or series.newest_partial_ms is None:
            return None
        whole_ms = series.newest_partial_ms + MINUTE_MS + self.rules.history_after_ms
        if not request.failed and request.asked_ms < whole_ms:
            return whole_ms
        assert request.answered_ms is not None
        return max(whole_ms, request.answered_ms + self.rules.history_retry_ms)

    def _urgency(self, symbol: str) -> int:
        if symbol in self.orders.live_symbols or self.positions.held(symbol) is not None:
            return 0
        price = self.market.symbols[symbol].last_paise
        return 1 if self.rules.price_min_paise <= price <= self.rules.price_max_paise else 2
