"""When to read the broker's books, and what to do about each difference found in them.

Each kind of finding has one resolution, named after it; those of positions are in
core/position_differences.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import msgspec

from baseline_v1_live.core.foreign import Foreign
from baseline_v1_live.core.messages import (
    Filled,
    Level,
    OrderUpdated,
    Purpose,
    SnapshotTaken,
    TakeSnapshot,
)
from baseline_v1_live.core.missing_rows import MissingRows
from baseline_v1_live.core.net_positions import NetRead, read_net
from baseline_v1_live.core.order import Order
from baseline_v1_live.core.order_ends import OrderEnds
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.core.position_differences import PositionDifferences
from baseline_v1_live.core.reconcile import (
    SENT_SHOWS_AFTER_MS,
    FillMissed,
    Finding,
    MoreThanOurs,
    OrderAbsent,
    OrderFound,
    OrderMissing,
    OrderNotOurs,
    RowMissing,
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
BOOKS_UNREAD = "books_unread"
BOOKS_UNCLEAR = "books_unclear"
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
        self.missing = MissingRows(orders)
        self.foreign = Foreign(orders, positions, price_of)
        self.differences = PositionDifferences(orders, positions, self.foreign, price_of)
        self.ends = OrderEnds(orders, positions.open_short)
        self._asked_ms: int | None = None
        self._last_asked_ms: int | None = None
        self._afresh = False
        self._strange_ms: int | None = None
        self.unclear: frozenset[str] = frozenset()
        self._waiting_since_ms: int | None = None
        self._unread_said = False
        self._told_net: dict[str, int] = {}

    @property
    def due_ms(self) -> int:
        """When the next snapshot is to be asked for."""
        if self._asked_ms is not None:
            return self._asked_ms + NO_ANSWER_MS
        if self._last_asked_ms is None or self._afresh:
            return self.orders.now_ms
        unread = self._waiting_since_ms is not None
        busy = self.hurry or unread or not self.positions.settled
        every = self.rules.reconcile_busy_ms if busy else self.rules.reconcile_idle_ms
        return min(self._last_asked_ms + every, self._doubt_due_ms(self._last_asked_ms))

    def _doubt_due_ms(self, last_asked_ms: int) -> int:
        """When what is in doubt is to be looked at again; never, when nothing is."""
        soon = self.rules.reconcile_doubt_ms
        soon_ms = last_asked_ms + soon
        if self.foreign.looked_at or self.positions.doubtful:
            return soon_ms
        if self.strays.looked_at or self.missing.looked_at or self.ends.looked_at:
            return soon_ms
        if self._strange_ms is not None and self._strange_ms > last_asked_ms - soon:
            # So soon after it was told of, an order's row may still show the status of another.
            return soon_ms
        sought = [o for o in self.orders.live() if o.purpose is not Purpose.ENTRY]
        # An entry is looked for like the others once it may have filled.
        sought += self.orders.told_of()
        if any(order.state is OrderState.UNKNOWN for order in sought):
            return soon_ms
        unseen_since_ms = [
            order.sent_at_ms
            for order in sought
            if order.state is OrderState.IN_FLIGHT and order.sent_at_ms is not None
        ]
        # One that was accepted and of which nobody tells may be thrown out already.
        unseen_since_ms += [o.changed_at_ms for o in sought if o.state is OrderState.ACCEPTED]
        return max(soon_ms, min(unseen_since_ms, default=_NEVER_MS) + SENT_SHOWS_AFTER_MS)

    @property
    def adopting(self) -> bool:
        """Whether a short has been seen that is taken over when the next books show it too."""
        return bool(self.foreign.adoptable)

    @property
    def halt(self) -> str | None:
        """Why nothing is sold on these books, None when they are good enough: for so long they could not
        be read, or did not add up, that a difference may have stayed unseen.
        """
        too_long_ms = self.orders.now_ms - self.rules.drift_halt_ms
        if self._waiting_since_ms is not None and self._waiting_since_ms <= too_long_ms:
            return BOOKS_UNREAD
        if any(since_ms <= too_long_ms for since_ms in self.missing.since_ms.values()):
            return BOOKS_UNCLEAR
        return None

    def deadlines(self) -> Iterator[int]:
        """Instants at which there is something to ask, or ``halt`` changes."""
        yield self.due_ms
        for since_ms in (self._waiting_since_ms, *self.missing.since_ms.values()):
            if since_ms is not None and since_ms + self.rules.drift_halt_ms > self.orders.now_ms:
                yield since_ms + self.rules.drift_halt_ms

    def ask_if_due(self) -> None:
        """Ask for a snapshot when one is due, and say when none could be had for long."""
        if self.orders.now_ms >= self.due_ms:
            self.ask("routine")
        unread = self.halt == BOOKS_UNREAD
        if unread and not self._unread_said:
            self.orders.say(
                Level.CRITICAL,
                "RECONCILE",
                f"the books could not be read for {self.rules.drift_halt_ms // 1000} s: no new entries "
                "until they can",
                BOOKS_UNREAD,
            )
        self._unread_said = unread

    def ask(self, reason: str, *, afresh: bool = False) -> None:
        """Ask for a snapshot now unless one is on its way; with ``afresh`` another follows that."""
        now = self.orders.now_ms
        if self._asked_ms is not None and now < self._asked_ms + NO_ANSWER_MS:
            self._afresh |= afresh and self._asked_ms < now
            return
        self._afresh = False
        self._asked_ms = self._last_asked_ms = now
        if self._waiting_since_ms is None:
            self._waiting_since_ms = now
        self.orders.commands.append(TakeSnapshot(reason=reason))

    def on_failed(self, message: str) -> None:
        """The books could not be read: that says nothing of them, and they are asked for again."""
        self._asked_ms = None
        self.orders.say(
            Level.ALERT, "RECONCILE", f"books not readable: {message}", "snapshot_failed"
        )

    def on_order_news(self, event: OrderUpdated | Filled) -> None:
        """What the stream says of an order. It tells of the whole account: an order that nobody knows, in
        one of our contracts, is a reason to look at the books now. Where one of ours has no answer
        yet and nothing is held, it is most likely that one, and looked for in its time.
        """
        symbol = event.symbol
        if self.orders.on_news(event) is not None or self.completed_ms is None:
            return
        waiting = any(order.unanswered for order in self.orders.live(symbol))
        traded = symbol in self.orders.contracts and not waiting
        if traded or self.positions.held(symbol) is not None:
            now = self._strange_ms = self.orders.now_ms
            # Whoever trades without end must not have the books read without end.
            if now >= (self._last_asked_ms or 0) + self.rules.reconcile_doubt_ms:
                self.ask("an order of somebody else", afresh=True)

    def on_snapshot(self, snapshot: SnapshotTaken) -> None:
        """Compare a complete snapshot with our beliefs and resolve every finding."""
        self._asked_ms = None
        if self.completed_ms is not None and snapshot.asked_at_ms < self.completed_ms:
            return  # Overtaken by a newer one.
        self._waiting_since_ms = None
        read_before_ms = self.positions.books_read_ms
        self.completed_ms = self.positions.books_read_ms = snapshot.asked_at_ms
        self.broker_net = {p.symbol: p.net_quantity for p in snapshot.positions if p.net_quantity}
        held = {position.symbol for position in self.positions.open.values()}
        orders = self.orders.orders.values()
        for row in snapshot.orders:
            terms = (row.quantity, row.trigger_price_paise, row.limit_price_paise)
            self.orders.hear_id(row.broker_order_id, terms)
            known = self.orders.by_broker_id(row.broker_order_id)
            if known is not None:
                known.missing_since_ms = None
        for trade in snapshot.trades:
            self.orders.hear_id(trade.broker_order_id)
        open_short = {symbol: self.positions.open_short(symbol) for symbol in held}
        read = self._relevant(read_net(orders, open_short, snapshot))
        findings = compare(
            orders,
            open_short,
            snapshot,
            read,
            grace_ms=self.rules.touched_grace_ms,
            horizon_ms=self.rules.gateway_horizon_ms,
            is_open=self.orders.is_open,
            is_traded=self.orders.contracts.__contains__,
            heard=self.orders.heard,
            first_terms=self.orders.first_terms,
        )
        self.foreign.forget(findings, self.unclear)
        self.differences.begin(snapshot, read_before_ms)
        self.missing.resolve([*findings, *self._forgotten()])
        for finding in findings:
            self.found[type(finding).__name__] += 1
            self._resolve(finding)
        told = {f.order.symbol for f in findings if isinstance(f, FillMissed | OrderFound)}
        told -= self._not_booked(snapshot)
        self._told_net = {name: read.net.get(name, 0) for name in sorted(told & read.agreed)}
        strays = [finding for finding in findings if isinstance(finding, OrderNotOurs)]
        self.strays.resolve(strays, read)
        self.ends.resolve(snapshot, read)
        self.positions.strangers_short = dict(self.differences.shorts_of_others(read))

    def _not_booked(self, snapshot: SnapshotTaken) -> set[str]:
        """Symbols in which the trades of an order of ours may be more than we have booked of it: it has
        no name, or was found only now.
        """
        symbols = {order.symbol for order in self.orders.live() if order.unanswered}
        for trade in snapshot.trades:
            order = self.orders.by_broker_id(trade.broker_order_id)
            if order is not None and order.filled_quantity < trade.filled_quantity:
                symbols.add(order.symbol)
        return symbols

    def judge_booked(self, booked: bool) -> None:
        """Where fills were ``booked`` that the books just read have told of, and both books agree: what
        follows from them is judged with the positions of the same books. Later news is not.

        A short that is gone by them was closed by somebody, or by an exit of a dead process that no disk
        has, and is not bought back once more. A long is sold only beyond what others are short of.
        """
        told, self._told_net = self._told_net, {}
        for symbol, net_quantity in told.items() if booked else ():
            ours = self.positions.open_short(symbol)
            gone = ours - max(-net_quantity, 0)
            if gone > 0:
                self.differences.confirm_shortfall(ShortOfOurs(symbol, gone, agreed=True))
            elif ours < 0 and -net_quantity > ours:
                self.positions.strangers_short[symbol] = -net_quantity - ours

    def _relevant(self, read: NetRead) -> NetRead:
        """Unclear is only what may be ours: what we hold or have traded, and any of the day's contracts
        where the day's state was lost.
        """
        ours = {position.symbol for position in self.positions.positions.values()}
        if self._state_lost:
            ours |= self.orders.contracts.keys()
        self.unclear = read.unclear & ours
        return msgspec.structs.replace(read, unclear=self.unclear)

    def _forgotten(self) -> list[RowMissing]:
        """What may be ours and is not remembered: traded today, without a row."""
        if not self._state_lost:
            return []
        known = {position.symbol for position in self.positions.positions.values()}
        return [RowMissing(symbol, 0) for symbol in sorted(self.unclear - known)]

    @property
    def _state_lost(self) -> bool:
        return self.rules.foreign_position == "ours"

    def _resolve(self, finding: Finding) -> None:
        match finding:
            case FillMissed():
                self._book_missed_fill(finding)
            case StatusDiffers():
                self._hear_claim(finding)
            case OrderMissing(order):
                self._miss_row(order)
            case ValuesDiffer(order):
                self.orders.ask(order)
            case OrderFound(order, broker_order_id, filled):
                self.orders.adopt(order, broker_order_id, filled)
            case OrderAbsent(order):
                order.absences += 1
                if order.absences >= self.rules.absent_snapshots:
                    self.orders.declare_not_placed(order)
            case StopUnseen(order):
                self._miss_stop(order)
            case ShortOfOurs():
                self.differences.confirm_shortfall(finding)
            case MoreThanOurs():
                self.differences.judge(finding)

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

    def _miss_row(self, order: Order) -> None:
        """Our order is not in the order book. Missing in all of them for long, and not known to the
        gateway when asked for, it is as one that got no answer: a stop covers anew, and it is looked for.
        """
        now = self.orders.now_ms
        if order.missing_since_ms is None:
            order.missing_since_ms = now
            order.not_found = False
            self.orders.keep(order)
        self.orders.ask(order)
        if order.not_found and now - order.missing_since_ms >= self.rules.row_gone_ms:
            self.orders.declare_gone(order)
            self.orders.say(
                Level.CRITICAL,
                "RECONCILE",
                f"{order.symbol}: {order.purpose} {order.order_id} ({order.broker_order_id}) has been "
                f"in no book for {self.rules.row_gone_ms // 1000} s and the gateway does not know it; it "
                "is looked for as one without an answer. Look at the broker's own page",
                f"gone:{order.symbol}",
            )

    def _miss_stop(self, order: Order) -> None:
        """A stop or exit without an answer is not in the books: after two looks a stop is to cover."""
        order.unseen += 1
        self.orders.keep(order)
        if order.unseen == self.rules.unseen_stop_snapshots:
            self.orders.declare_lost(order)
            meanwhile = (
                "NO stop covers after square-off"
                if self.positions.squares_off
                else "a stop covers meanwhile"
            )
            self.orders.say(
                Level.CRITICAL,
                "RECONCILE",
                f"{order.symbol}: {order.purpose} {order.order_id} got no answer and is not in the "
                f"books; {meanwhile}, and it is still looked for",
                f"unseen:{order.symbol}",
            )
