"""When to read the broker's books, and what to do about each difference found in them.

Each kind of finding has one resolution, named after it. A position that is smaller at the broker is
believed when two complete snapshots in a row say so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from baseline_v1_live.core.instruments import rupee_text
from baseline_v1_live.core.messages import (
    FetchQuote,
    Filled,
    Level,
    OrderUpdated,
    Purpose,
    SnapshotTaken,
    TakeSnapshot,
)
from baseline_v1_live.core.order import Order
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.core.position import FOREIGN
from baseline_v1_live.core.reconcile import (
    SENT_SHOWS_AFTER_MS,
    FillMissed,
    Finding,
    MoreThanOurs,
    OrderAbsent,
    OrderFound,
    OrderMissing,
    OrderNotOurs,
    ShortOfOurs,
    StatusDiffers,
    StopUnseen,
    ValuesDiffer,
    compare,
)
from baseline_v1_live.core.stray_orders import StrayOrders
from baseline_v1_live.order_manager import OrderManager
from baseline_v1_live.position_tracker import PositionTracker

NO_ANSWER_MS = 20_000
_NEVER_MS = 1 << 62


class Reconciler:
    """Asks for snapshots in time and applies what they show.

    ``price_of`` gives the price to value an external close at. ``completed_ms`` is when the newest
    snapshot that was read whole had been asked for, None before the first. ``hurry`` asks at the busy
    pace although nothing is held: the day's end waits for a snapshot.
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
        self.hurry = False
        self.strays = StrayOrders(orders, positions)
        self._price_of = price_of
        self._asked_ms: int | None = None
        self._last_asked_ms: int | None = None
        self._afresh = False
        self._suspected: dict[str, tuple[int, int]] = {}
        self._alerted: dict[str, tuple[int, int]] = {}
        self._foreign: dict[str, int] = {}
        self._quoted_ms: dict[str, int] = {}
        self._read_before_ms = 0

    @property
    def due_ms(self) -> int:
        """When the next snapshot is to be asked for."""
        if self._asked_ms is not None:
            return self._asked_ms + NO_ANSWER_MS
        if self._last_asked_ms is None or self._afresh:
            return self.orders.now_ms
        busy = self.hurry or self.completed_ms is None or not self.positions.settled
        every = self.rules.reconcile_busy_ms if busy else self.rules.reconcile_idle_ms
        return min(self._last_asked_ms + every, self._doubt_due_ms(self._last_asked_ms))

    def _doubt_due_ms(self, last_asked_ms: int) -> int:
        """When what is in doubt is to be looked at again; never, when nothing is."""
        soon_ms = last_asked_ms + self.rules.reconcile_doubt_ms
        if self._foreign or self._suspected or self.positions.doubtful or self.strays.looked_at:
            return soon_ms
        covers = [o for o in self.orders.live() if o.purpose in (Purpose.STOP, Purpose.EXIT)]
        if any(order.state is OrderState.UNKNOWN for order in covers):
            return soon_ms
        on_their_way = [
            order.sent_at_ms + SENT_SHOWS_AFTER_MS
            for order in covers
            if order.state is OrderState.IN_FLIGHT and order.sent_at_ms is not None
        ]
        return max(soon_ms, min(on_their_way, default=_NEVER_MS))

    @property
    def adopting(self) -> bool:
        """Whether a short has been seen that is taken over when the next books show it too."""
        return bool(self._foreign)

    def ask_if_due(self) -> None:
        """Ask for a snapshot when one is due."""
        if self.orders.now_ms >= self.due_ms:
            self.ask("routine")

    def ask(self, reason: str, *, afresh: bool = False) -> None:
        """Ask for a snapshot now unless one is on its way; with ``afresh`` another follows that."""
        now = self.orders.now_ms
        if self._asked_ms is not None and now < self._asked_ms + NO_ANSWER_MS:
            self._afresh |= afresh and self._asked_ms < now
            return
        self._afresh = False
        self._asked_ms = self._last_asked_ms = now
        self.orders.commands.append(TakeSnapshot(reason=reason))

    def on_failed(self, message: str) -> None:
        """The books could not be read: that says nothing of them, and they are asked for again."""
        self._asked_ms = None
        self.orders.say(
            Level.ALERT, "RECONCILE", f"books not readable: {message}", "snapshot_failed"
        )

    def on_order_news(self, event: OrderUpdated | Filled) -> None:
        """What the stream says of an order. It tells of the whole account: somebody else's order where
        we hold something is a reason to look at the books now.
        """
        ours = self.orders.on_news(event)
        known = self.completed_ms is not None
        if ours is None and known and self.positions.held(event.symbol) is not None:
            self.ask("an order of somebody else", afresh=True)

    def on_snapshot(self, snapshot: SnapshotTaken) -> None:
        """Compare a complete snapshot with our beliefs and resolve every finding."""
        self._asked_ms = None
        if self.completed_ms is not None and snapshot.asked_at_ms < self.completed_ms:
            return  # Overtaken by a newer one.
        self._read_before_ms = self.completed_ms or 0
        self.completed_ms = self.positions.books_read_ms = snapshot.asked_at_ms
        self.broker_net = {p.symbol: p.net_quantity for p in snapshot.positions if p.net_quantity}
        held = {position.symbol for position in self.positions.open.values()}
        findings = compare(
            self.orders.orders.values(),
            {symbol: self.positions.open_short(symbol) for symbol in held},
            snapshot,
            grace_ms=self.rules.touched_grace_ms,
            horizon_ms=self.rules.gateway_horizon_ms,
            is_open=self.orders.is_open,
            is_traded=self.orders.contracts.__contains__,
        )
        self._forget_settled_shortfalls(findings)
        for finding in findings:
            self.found[type(finding).__name__] += 1
            self._resolve(finding)
        strays = [finding for finding in findings if isinstance(finding, OrderNotOurs)]
        self.strays.resolve(strays, self.broker_net)

    def _resolve(self, finding: Finding) -> None:
        match finding:
            case FillMissed():
                self._book_missed_fill(finding)
            case StatusDiffers():
                self._hear_claim(finding)
            case OrderMissing(order) | ValuesDiffer(order):
                self.orders.ask(order)
            case OrderFound(order, broker_order_id):
                self.orders.adopt(order, broker_order_id)
            case OrderAbsent(order):
                order.absences += 1
                if order.absences >= self.rules.absent_snapshots:
                    self.orders.declare_not_placed(order)
            case StopUnseen(order):
                self._miss_stop(order)
            case ShortOfOurs(symbol, quantity):
                self._confirm_shortfall(symbol, quantity)
            case MoreThanOurs(symbol, net_quantity, ours):
                self._judge_difference(symbol, net_quantity, ours)

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

    def _miss_stop(self, order: Order) -> None:
        """A stop or exit without an answer is not in the books: after two looks a stop is to cover."""
        order.unseen += 1
        self.orders.keep(order)
        if order.unseen == self.rules.unseen_stop_snapshots:
            self.orders.declare_lost(order)
            self.orders.say(
                Level.CRITICAL,
                "RECONCILE",
                f"{order.symbol}: {order.purpose} {order.order_id} got no answer and is not in the "
                "books; a stop covers meanwhile, and it is still looked for",
                f"unseen:{order.symbol}",
            )

    def _seen_twice(self, symbol: str, difference: int) -> bool:
        """Whether the snapshot before showed the same difference; until then it is doubtful, and what
        is in doubt is neither bought nor sold.
        """
        doubtful = self.positions.doubtful
        if doubtful.get(symbol) != difference:
            doubtful[symbol] = difference
            return False
        del doubtful[symbol]
        return True

    def _confirm_shortfall(self, symbol: str, quantity: int) -> None:
        if not self._seen_twice(symbol, quantity):
            return
        for position in list(self.positions.open.values()):
            if position.symbol == symbol and quantity > 0:
                part = min(quantity, max(position.open_quantity, 0))
                quantity -= part
                self.positions.close_externally(position, part, self._price_of(symbol))

    def _judge_difference(self, symbol: str, net_quantity: int, ours: int) -> None:
        if ours < 0 and net_quantity < -ours:
            self._confirm_sold_long(symbol, -ours - max(net_quantity, 0))
        elif not self._correct_flip(symbol, net_quantity, ours) and not self._adopt_foreign(
            symbol, net_quantity
        ):
            self._alert_foreign(symbol, net_quantity, ours)

    def _confirm_sold_long(self, symbol: str, quantity: int) -> None:
        """A long of ours is smaller at the broker: somebody sold it before our correction did."""
        if not self._seen_twice(symbol, quantity):
            return
        for position in list(self.positions.open.values()):
            if position.symbol == symbol and position.open_quantity < 0 < quantity:
                part = min(quantity, -position.open_quantity)
                quantity -= part
                self.positions.close_externally(position, -part, self._price_of(symbol))

    def _correct_flip(self, symbol: str, net_quantity: int, ours: int) -> bool:
        """A long where we have just bought to close: somebody had closed our short before.

        Two snapshots in a row must show it; then what was closed outside is booked, and the long that
        our own purchase made is sold by the position's own correction, never more than we bought.
        Looked for within a minute after the close, and in the first books read after it, however
        late those come.
        """
        if net_quantity <= 0 or ours > 0:
            return False
        since = min(
            self.orders.now_ms - self.rules.flip_window_ms,
            self._read_before_ms - self.rules.touched_grace_ms,
        )
        if self.positions.doubtful.get(symbol) == -net_quantity:
            since = 0  # The snapshot before saw it in time.
        position = next(
            (
                p
                for p in reversed(self.positions.positions.values())
                if p.symbol == symbol and p.exit_quantity and (p.closed_at_ms or since) >= since
            ),
            None,
        )
        if position is None:
            return False
        if not self._seen_twice(symbol, -net_quantity):
            return True
        flipped = min(net_quantity + min(ours, 0), position.exit_quantity)
        if flipped > 0:
            self.positions.close_externally(position, flipped, self._price_of(symbol))
        return True

    def _adopt_foreign(self, symbol: str, net_quantity: int) -> bool:
        """A short of somebody else in one of our contracts: taken over where the rules say so.

        Two snapshots in a row must show the same size. Where we hold or sell the symbol ourselves,
        after the day's exit (unless it must be taken for ours), and where one stop could not cover
        it, it is left alone. False: to be said as not ours.
        """
        contract = self.orders.contracts.get(symbol)
        rule = self.rules.foreign_position
        flatten = rule == "flatten"
        if (
            contract is None
            or net_quantity >= 0
            or rule == "alert"
            or (self.positions.day_exit_reason is not None and rule != "ours")
            or self.positions.held(symbol) is not None
            or symbol in self.orders.live_symbols
            or (not flatten and -net_quantity > contract.order_quantity_max)
        ):
            self._foreign.pop(symbol, None)
            return False
        if self._foreign.get(symbol) != net_quantity:
            self._foreign[symbol] = net_quantity
            return True
        price = self._price_of(symbol)
        if not price:
            self._ask_price(symbol)
            return False
        del self._foreign[symbol]
        position = self.positions.adopt(symbol, -net_quantity, price)
        if flatten:
            self.positions.want_exit(position, FOREIGN)
        self.orders.say(
            Level.ALERT,
            "RECONCILE",
            f"{symbol}: a short of {-net_quantity} that is not ours is "
            f"{'closed' if flatten else 'adopted and protected'}, valued at {rupee_text(price)}",
            f"foreign:{symbol}",
        )
        return True

    def _ask_price(self, symbol: str) -> None:
        now = self.orders.now_ms
        if now >= self._quoted_ms.get(symbol, 0) + self.rules.quote_every_ms:
            self._quoted_ms[symbol] = now
            self.orders.commands.append(FetchQuote(symbol=symbol))

    def _forget_settled_shortfalls(self, findings: tuple[Finding, ...]) -> None:
        seen = {f.symbol for f in findings if isinstance(f, ShortOfOurs | MoreThanOurs)}
        for doubts in (self.positions.doubtful, self._foreign, self._suspected, self._alerted):
            for symbol in doubts.keys() - seen:
                del doubts[symbol]

    def _alert_foreign(self, symbol: str, net_quantity: int, ours: int) -> None:
        difference = (net_quantity, ours)
        if self._alerted.get(symbol) == difference:
            return
        if self._suspected.get(symbol) != difference:
            # A fill between the reading of two books looks like this once.
            self._suspected[symbol] = difference
            return
        del self._suspected[symbol]
        self._alerted[symbol] = difference
        unknown = [o.order_id for o in self.orders.live(symbol) if o.unanswered]
        perhaps = f"; it may be {', '.join(unknown)}, whose outcome is unknown" if unknown else ""
        self.orders.say(
            Level.CRITICAL if net_quantity > 0 or unknown else Level.ALERT,
            "RECONCILE",
            f"{symbol}: the broker holds {net_quantity:+d}, ours is {-ours:+d}; "
            f"the difference is not ours and is left alone{perhaps}",
            f"foreign:{symbol}",
        )
