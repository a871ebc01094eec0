"""When to read the broker's books, and what to do about each difference found in them.

Each kind of finding has one resolution, named after it. A position that is smaller at the broker is
believed when two complete snapshots in a row say so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from baseline_v1_live.core.messages import Filled, Level, OrderUpdated, SnapshotTaken, TakeSnapshot
from baseline_v1_live.core.reconcile import (
    FillMissed,
    Finding,
    MoreThanOurs,
    OrderAbsent,
    OrderFound,
    OrderMissing,
    ShortOfOurs,
    StatusDiffers,
    compare,
)
from baseline_v1_live.order_manager import OrderManager
from baseline_v1_live.position_tracker import PositionTracker

NO_ANSWER_MS = 20_000


class Reconciler:
    """Asks for snapshots in time and applies what they show.

    ``price_of`` gives the price to value an external close at. ``completed_ms`` is when the newest
    snapshot that was read whole had been asked for, None before the first.
    """

    def __init__(
        self,
        orders: OrderManager,
        positions: PositionTracker,
        price_of: Callable[[str], int],
    ) -> None:
        self.orders = orders
        self.positions = positions
        self.rules = orders.rules
        self.completed_ms: int | None = None
        self.broker_net: dict[str, int] = {}
        self.found: Counter[str] = Counter()
        self._price_of = price_of
        self._asked_ms: int | None = None
        self._last_asked_ms: int | None = None
        self._shortfalls: dict[str, int] = {}
        self._alerted: set[tuple[str, int, int]] = set()

    @property
    def due_ms(self) -> int:
        """When the next snapshot is to be asked for."""
        if self._asked_ms is not None:
            return self._asked_ms + NO_ANSWER_MS
        if self._last_asked_ms is None:
            return self.orders.now_ms
        busy = not self.positions.flat
        every = self.rules.reconcile_busy_ms if busy else self.rules.reconcile_idle_ms
        return self._last_asked_ms + every

    def ask_if_due(self) -> None:
        """Ask for a snapshot when one is due."""
        if self.orders.now_ms >= self.due_ms:
            self.ask("routine")

    def ask(self, reason: str) -> None:
        """Ask for a snapshot now unless one is on its way."""
        now = self.orders.now_ms
        if self._asked_ms is not None and now < self._asked_ms + NO_ANSWER_MS:
            return
        self._asked_ms = self._last_asked_ms = now
        self.orders.commands.append(TakeSnapshot(reason=reason))

    def on_failed(self, message: str) -> None:
        """The books could not be read: that says nothing of them, and they are asked for again."""
        self._asked_ms = None
        self.orders.say(
            Level.ALERT, "RECONCILE", f"books not readable: {message}", "snapshot_failed"
        )

    def on_snapshot(self, snapshot: SnapshotTaken) -> None:
        """Compare a complete snapshot with our beliefs and resolve every finding."""
        self._asked_ms = None
        self.completed_ms = snapshot.asked_at_ms
        self.broker_net = {p.symbol: p.net_quantity for p in snapshot.positions if p.net_quantity}
        open_short: dict[str, int] = {}
        for position in self.positions.open.values():
            symbol = position.symbol
            open_short[symbol] = open_short.get(symbol, 0) + position.open_quantity
        findings = compare(
            self.orders.orders.values(),
            open_short,
            snapshot,
            grace_ms=self.rules.touched_grace_ms,
            horizon_ms=self.rules.gateway_horizon_ms,
        )
        self._forget_settled_shortfalls(findings)
        for finding in findings:
            self.found[type(finding).__name__] += 1
            self._resolve(finding)

    def _resolve(self, finding: Finding) -> None:
        match finding:
            case FillMissed():
                self._book_missed_fill(finding)
            case StatusDiffers():
                self._hear_claim(finding)
            case OrderMissing(order):
                self.orders.ask(order)
            case OrderFound(order, broker_order_id):
                self.orders.adopt(order, broker_order_id)
            case OrderAbsent(order):
                order.absences += 1
                if order.absences >= self.rules.absent_snapshots:
                    self.orders.declare_not_placed(order)
            case ShortOfOurs(symbol, quantity):
                self._confirm_shortfall(symbol, quantity)
            case MoreThanOurs(symbol, net_quantity, ours):
                self._alert_foreign(symbol, net_quantity, ours)

    def _book_missed_fill(self, finding: FillMissed) -> None:
        order = finding.order
        assert order.broker_order_id is not None
        self.orders.say(
            Level.ALERT,
            "RECONCILE",
            f"fill missed: {order.order_id} {finding.filled_quantity}/{order.quantity}, booked",
        )
        self.orders.on_filled(
            Filled(
                broker_order_id=order.broker_order_id,
                symbol=order.symbol,
                side=order.side,
                filled_quantity=finding.filled_quantity,
                filled_value_paise=finding.filled_value_paise,
            )
        )

    def _hear_claim(self, finding: StatusDiffers) -> None:
        order = finding.order
        assert order.broker_order_id is not None
        self.orders.on_updated(
            OrderUpdated(
                broker_order_id=order.broker_order_id,
                symbol=order.symbol,
                status=finding.status,
                message=finding.message,
            )
        )

    def _confirm_shortfall(self, symbol: str, quantity: int) -> None:
        if self._shortfalls.get(symbol) != quantity:
            self._shortfalls[symbol] = quantity
            return
        del self._shortfalls[symbol]
        for position in list(self.positions.open.values()):
            if position.symbol == symbol and quantity > 0:
                part = min(quantity, max(position.open_quantity, 0))
                quantity -= part
                self.positions.close_externally(position, part, self._price_of(symbol))

    def _forget_settled_shortfalls(self, findings: tuple[Finding, ...]) -> None:
        seen = {finding.symbol for finding in findings if isinstance(finding, ShortOfOurs)}
        self._shortfalls = {s: q for s, q in self._shortfalls.items() if s in seen}

    def _alert_foreign(self, symbol: str, net_quantity: int, ours: int) -> None:
        if (symbol, net_quantity, ours) in self._alerted:
            return
        self._alerted.add((symbol, net_quantity, ours))
        self.orders.say(
            Level.CRITICAL if net_quantity > 0 else Level.ALERT,
            "RECONCILE",
            f"{symbol}: the broker holds {net_quantity:+d}, ours is {-ours:+d}; "
            "the difference is not ours and is left alone",
            f"foreign:{symbol}",
        )
