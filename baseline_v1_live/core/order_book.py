"""What is known of our orders: the registry, the fills booked so far, the questions asked.

It changes an order only by the table of order_states.py and never decides what to want.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from baseline_v1_live.core.instruments import rupee_text
from baseline_v1_live.core.messages import (
    Command,
    Level,
    Notify,
    OrderType,
    Purpose,
    QueryOrder,
    Side,
)
from baseline_v1_live.core.order import FillDelta, Order
from baseline_v1_live.core.order_states import OrderInput, OrderState
from baseline_v1_live.core.rules import Rules

_QUERY_BACKOFF = (1, 2, 5)
# What belongs to the broker's row and not to the order that was taken for it: what has filled, whether it
# is to go, and in how many looks nothing was seen of it.
_OF_THE_ROW = (
    "broker_order_id",
    "filled_quantity",
    "filled_value_paise",
    "cancel_wanted",
    "cancel_reason",
    "ask_before_cancel",
    "unseen",
)


class Prices(Protocol):
    """What the orders and positions ask of the market."""

    def closing_price(self, symbol: str) -> int | None:
        """What we would pay now to close a short: ask, else last price, None without any."""

    def reference_price(self, symbol: str, at_ms: int) -> int | None:
        """Our own mean price of the last 30 s, else the last price, None without any."""

    def reached(self, symbol: str, side: Side, trigger_paise: int) -> bool:
        """Whether the newest price known is at or through a trigger (paise)."""


class _NoPrices:
    def closing_price(self, symbol: str) -> int | None:  # noqa: ARG002
        return None

    def reference_price(self, symbol: str, at_ms: int) -> int | None:  # noqa: ARG002
        return None

    def reached(self, symbol: str, side: Side, trigger_paise: int) -> bool:  # noqa: ARG002
        return False


class OrderBook:
    """All orders of the session, what each has filled, and the commands that gather meanwhile.

    The engine takes ``commands``, the position tracker takes the fills, the journal ``changed``.
    ``now_ms`` is set by the engine before anything else happens.
    """

    def __init__(self, rules: Rules, prices: Prices | None) -> None:
        self.rules = rules
        self.prices: Prices = prices or _NoPrices()
        self.now_ms = 0
        # The engine makes everything wait until the broker's books have been read once.
        self.ready = True
        self.commands: list[Command] = []
        self.changed: dict[str, Order] = {}
        self.orders: dict[str, Order] = {}
        self.live_symbols: frozenset[str] = frozenset()
        # When the newest of those that are over ended.
        self.ended_ms = 0
        self._fills: list[FillDelta] = []
        self._live: dict[str, Order] = {}
        self._by_broker_id: dict[str, Order] = {}
        self._estimated: dict[str, Order] = {}
        self._by_position: dict[str, list[Order]] = {}

    def live(self, symbol: str | None = None, purpose: Purpose | None = None) -> Iterator[Order]:
        """Orders that may still fill, oldest first, of one symbol and purpose where given."""
        for order in self._live.values():
            if (symbol is None or order.symbol == symbol) and (
                purpose is None or order.purpose is purpose
            ):
                yield order

    def live_of(self, position_id: str, purpose: Purpose) -> list[Order]:
        """Live orders of one position and purpose, oldest first."""
        return [
            o for o in self._by_position.get(position_id, ()) if o.purpose is purpose and o.live
        ]

    def ended_of(self, position_id: str, purpose: Purpose) -> list[Order]:
        """Orders of one position and purpose that are over, oldest first."""
        orders = self._by_position.get(position_id, ())
        return [o for o in orders if o.purpose is purpose and not o.live]

    def by_broker_id(self, broker_order_id: str) -> Order | None:
        """Our order behind a broker's id, None when it is not one of ours."""
        return self._by_broker_id.get(broker_order_id)

    def has_unknown(self, symbol: str) -> bool:
        """Whether any order of the symbol has an unknown outcome."""
        return any(order.state is OrderState.UNKNOWN for order in self.live(symbol))

    def taken_back(self, order_id: str) -> bool:
        """Whether an order is an entry that is not wanted any more: it need not leave if it has not."""
        order = self.orders.get(order_id)
        return order is not None and order.purpose is Purpose.ENTRY and order.cancel_wanted

    def was_unseen(self, order: Order) -> bool:
        """Whether a stop or exit without an answer was missing in so many looks that it is covered."""
        return order.unseen >= self.rules.unseen_stop_snapshots

    def unseen_stop(self, order: Order) -> bool:
        """Whether an order is a stop that may not be at the broker at all: it counts as no cover.

        Entries and exits of unknown outcome are never sent again; a protective stop is, because a
        second stop can be cancelled or sold off, and an uncovered short cannot be undone.
        """
        return (
            order.purpose is Purpose.STOP
            and order.state is OrderState.UNKNOWN
            and self.was_unseen(order)
        )

    def unseen_exits(self, position_id: str) -> int:
        """Quantity of exits of unknown outcome that the books do not show. They stay reserved, nothing
        is bought twice; but the short they were to close is not left bare until that is settled.
        """
        return sum(
            order.remaining
            for order in self.live_of(position_id, Purpose.EXIT)
            if order.state is OrderState.UNKNOWN and self.was_unseen(order)
        )

    def is_open(self, order: Order) -> bool:
        """Whether the broker's word that an order is open is believed.

        Some brokers say it of a stop-limit order that still waits for its trigger. One that has
        triggered and is not filled shows a price beyond its trigger, so a price must show it.
        """
        return (
            order.order_type is not OrderType.SL
            or order.filled_quantity > 0
            or order.triggered_at_ms is not None
            or self.prices.reached(order.symbol, order.side, order.trigger_price_paise)
        )

    def watched(self) -> list[Order]:
        """Orders that something may still be heard of: alive, or filled at a price not known yet."""
        over = [o for o in self._estimated.values() if o.value_estimated and not o.live]
        return [*self._live.values(), *over]

    def take_fills(self) -> list[FillDelta]:
        """The fills since the last call, in order."""
        fills, self._fills = self._fills, []
        return fills

    def say(self, level: Level, tag: str, text: str, key: str = "") -> None:
        """Emit a Notify."""
        self.commands.append(Notify(level=level, tag=tag, text=text, key=key))

    def keep(self, order: Order) -> None:
        """Have the journal store an order of which only our own plans have changed."""
        self.changed[order.order_id] = order

    # ------------------------------------------------------------ for the layers above

    def _add(self, order: Order) -> None:
        self.orders[order.order_id] = order
        self._by_position.setdefault(order.position_id, []).append(order)
        self._keep_live(order)
        self._touch(order)

    def _keep_live(self, order: Order) -> None:
        if order.live:
            self._live[order.order_id] = order
        else:
            self._live.pop(order.order_id, None)
            self.ended_ms = max(self.ended_ms, order.closed_at_ms or 0)
        self.live_symbols = frozenset(live.symbol for live in self._live.values())

    def _name(self, order: Order, broker_order_id: str) -> None:
        """The order is the broker's order of this id; who had the id by mistake gives it up."""
        other = self._by_broker_id.get(broker_order_id)
        if other is not None and other is not order:
            self._swap_names(order, other)
        elif order.broker_order_id not in (None, broker_order_id):
            self._give_up_name(order)
        order.broker_order_id = broker_order_id
        self._by_broker_id[broker_order_id] = order

    def _give_up_name(self, order: Order) -> None:
        """What was taken for the order's row is another's: that of one alike without a name, if any."""
        if order.broker_order_id is not None and self.by_broker_id(order.broker_order_id) is order:
            del self._by_broker_id[order.broker_order_id]
        nameless = (one for one in self._live.values() if one.unanswered and one is not order)
        alike = (one for one in nameless if one.broker_order_id is None and one.is_like(order))
        twin = next(alike, None)
        if twin is not None:
            self._swap_names(order, twin)

    def _swap_names(self, order: Order, other: Order) -> None:
        """Two orders alike were matched the wrong way round: each takes what is the other's.

        How one of them ended was said of the other's row as well: where each is now is asked for.
        """
        for field in _OF_THE_ROW:
            mine, theirs = getattr(order, field), getattr(other, field)
            setattr(order, field, theirs)
            setattr(other, field, mine)
        for one in (order, other):
            if one.broker_order_id is None or not one.live:
                self._meet(one, OrderInput.UNNAMED)
            if one.broker_order_id is not None:
                self._by_broker_id[one.broker_order_id] = one
                self._meet(one, OrderInput.ACCEPTED)
                self.ask(one)
            self._touch(one)

    def _touch(self, order: Order) -> None:
        order.changed_at_ms = self.now_ms
        self.changed[order.order_id] = order

    def _meet(self, order: Order, happened: OrderInput) -> None:
        order.meet(happened, self.now_ms)
        self._touch(order)
        if order.live != (order.order_id in self._live):
            self._keep_live(order)

    def _book(
        self, order: Order, quantity: int, value: int | None, *, proven: bool, whole: bool = False
    ) -> None:
        """Take a cumulative fill: more quantity counts, less is old news, and only proof corrects
        the value of a quantity that is known. ``whole``: the broker says that nothing more can fill.
        """
        new = quantity - order.filled_quantity
        if new > 0:
            order.filled_at_ms = self.now_ms
            order.value_estimated = value is None
            if value is None:
                self._estimated[order.order_id] = order
            if value is None:
                value = order.filled_value_paise + new * self._estimate(order)
                self.ask(order)
            delta = FillDelta(order, new, value - order.filled_value_paise)
            order.filled_quantity, order.filled_value_paise = quantity, value
            self._fills.append(delta)
            self.say(
                Level.LOG,
                "FILL",
                f"{order.purpose} {order.side} {order.symbol} {quantity}/{order.quantity} "
                f"at {rupee_text(delta.value_paise // new)}",
            )
            # More than was asked for: a change of ours that nobody has confirmed had reached it.
            order.quantity = max(order.quantity, quantity)
            done = quantity == order.quantity
            if done and not whole and order.may_be_larger:
                done = False
                self.ask(order)
            self._meet(order, OrderInput.FILLED_ALL if done else OrderInput.FILLED_PART)
        elif new == 0 and proven and value is not None:
            order.value_estimated = False
            if value != order.filled_value_paise:
                self._fills.append(FillDelta(order, 0, value - order.filled_value_paise))
                order.filled_value_paise = value
                self._touch(order)

    def _estimate(self, order: Order) -> int:
        known = order.limit_price_paise or self.prices.reference_price(order.symbol, self.now_ms)
        return known or order.trigger_price_paise

    def ask(self, order: Order) -> None:
        """Ask for the order's status and fills, and again later if no answer comes."""
        if order.broker_order_id is None:
            order.query_due_ms = None
            return
        self.commands.append(
            QueryOrder(order_id=order.order_id, broker_order_id=order.broker_order_id)
        )
        if order.question_at_ms is None:
            order.question_at_ms = self.now_ms
        self._back_off_query(order)

    def _back_off_query(self, order: Order) -> None:
        # While the end of a purchase is not proven a short may stand bare: that is not asked seldom.
        steps = _QUERY_BACKOFF if order.side is Side.SELL else _QUERY_BACKOFF[:2]
        factor = steps[min(order.queries, len(steps) - 1)]
        order.queries += 1
        order.query_due_ms = self.now_ms + factor * self.rules.query_retry_ms
