"""Prices of open positions: the alert when one stays away, and the quotes asked for instead.

A quote is asked for when an open position has had no tick for too long in a moving market, or none
since a restart, while a feed is silent, once for each open position when a limit of R is reached
(docs/strategy.md, sections 8 and 9), and when its stop is called open and no price shows why: then once
a second until one is believed. A quote values a position; it is no sign of life of its symbol's
feed.
"""

from __future__ import annotations

from collections.abc import Iterator

from baseline_v1_live.core.market import Market
from baseline_v1_live.core.messages import FetchQuote, Level, Purpose
from baseline_v1_live.core.position import Position
from baseline_v1_live.order_manager import OrderManager
from baseline_v1_live.position_tracker import PositionTracker

_DOUBTED_EVERY_MS = 1_000


class PriceWatch:
    """Watches the prices of all open positions. ``feed_silent`` says that a feed gives no ticks."""

    def __init__(self, orders: OrderManager, positions: PositionTracker, market: Market) -> None:
        self.rules = orders.rules
        self.orders = orders
        self.positions = positions
        self.market = market
        self._asked_ms: dict[str, int] = {}
        self._confirming: set[str] = set()
        self._called_open: set[str] = set()
        self._doubted: set[str] = set()
        self._quoted: set[str] = set()
        self.started_ms = 0

    @property
    def stale(self) -> bool:
        """Whether an open position is still valued at a price from before this start."""
        return any(p.open_quantity and self._from_before(p) for p in self.positions.open.values())

    def _from_before(self, position: Position) -> bool:
        return position.last_tick_ms < self.started_ms

    # ------------------------------------------------------------ the limits of R

    def confirm_limit(self) -> None:
        """A limit of R was reached: every open position is to be quoted anew."""
        self._confirming = self._open_symbols
        self._quoted.clear()

    def confirm_price(self, symbol: str) -> None:
        """A position's own target was reached: that position is to be quoted anew."""
        self._confirming.add(symbol)
        self._quoted.discard(symbol)

    def was_quoted(self, symbol: str) -> bool:
        """Whether a position was quoted since that was asked for last."""
        return symbol in self._quoted

    def on_quote(self, symbol: str) -> None:
        """A quote of an open position came and was believed."""
        self._quoted.add(symbol)
        self._doubted.discard(symbol)

    @property
    def all_quoted(self) -> bool:
        """Whether every open position was quoted since a limit was reached last."""
        return self._open_symbols <= self._quoted

    # ------------------------------------------------------------ each step

    def look(self, *, feed_silent: bool) -> None:
        """Say once when a position's price has stayed away for too long, and ask for quotes."""
        for position in self.positions.open.values():
            self._say_silence(position)
            self._doubt_stop(position)
            due = self._quote_due_ms(position, feed_silent)
            if due is not None and self.orders.now_ms >= due:
                self._confirming.discard(position.symbol)
                self._asked_ms[position.symbol] = self.orders.now_ms
                self.orders.commands.append(FetchQuote(symbol=position.symbol))

    def deadlines(self, *, feed_silent: bool) -> Iterator[int]:
        """Instants at which ``look`` has something to do, as far as silence goes on."""
        for position in self.positions.open.values():
            symbol = position.symbol
            due = self._quote_due_ms(position, feed_silent)
            if due is None and position.open_quantity:
                due = self.market.silent_from_ms(symbol, self._quote_after_ms)
            alert = None
            if not position.silent_alerted:
                alert = self.market.silent_from_ms(symbol, self._alert_after_ms)
            yield from (instant for instant in (due, alert) if instant is not None)

    # ------------------------------------------------------------ inside

    @property
    def _open_symbols(self) -> set[str]:
        return {p.symbol for p in self.positions.open.values() if p.open_quantity}

    @property
    def _alert_after_ms(self) -> int:
        return max(self.rules.position_silent_alert_ms, 3 * self.rules.snapshot_cadence_ms)

    @property
    def _quote_after_ms(self) -> int:
        return max(self.rules.position_quote_ms, 3 * self.rules.snapshot_cadence_ms)

    def _quote_due_ms(self, position: Position, feed_silent: bool) -> int | None:
        """When a position's quote is to be asked for, None while its ticks are enough."""
        symbol = position.symbol
        if not position.open_quantity:
            return None
        if symbol in self._confirming:
            return 0
        asked_ms = self._asked_ms.get(symbol)
        if symbol in self._doubted:
            return 0 if asked_ms is None else asked_ms + _DOUBTED_EVERY_MS
        silent = self.market.silent_ms(symbol) >= self._quote_after_ms
        if feed_silent or silent or self._from_before(position):
            return 0 if asked_ms is None else asked_ms + self.rules.quote_every_ms
        return None

    def _doubt_stop(self, position: Position) -> None:
        """Some brokers call a waiting stop open; or it has triggered at a price that nobody has told."""
        for stop in self.orders.live_of(position.position_id, Purpose.STOP):
            new = stop.order_id in self.orders.called_open - self._called_open
            if new and stop.triggered_at_ms is None:
                self._doubted.add(position.symbol)
            self._called_open |= self.orders.called_open & {stop.order_id}

    def _say_silence(self, position: Position) -> None:
        if position.silent_alerted:
            return
        if self.market.silent_ms(position.symbol) >= self._alert_after_ms:
            position.silent_alerted = True
            self.orders.say(
                Level.ALERT,
                "R-CHECK",
                f"{position.symbol}: no price for {self._alert_after_ms // 1000} s "
                "while the index moves",
                f"silent:{position.symbol}",
            )
