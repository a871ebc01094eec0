"""PURE: the life of an order: placing it, and what to do when nothing is heard of it.

It decides and emits commands; it never calls a broker. An order whose outcome is unknown is never
sent again: it keeps its quantity reserved until the broker's books show what became of it. The one
exception is a protective stop that the books do not show (``unseen_stop``).
What is heard of orders is in core/order_news.py; which order to want is decided elsewhere
(core/entry_desk.py, position_tracker.py).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping

from baseline_v1_live.core.instruments import Contract, rupee_text
from baseline_v1_live.core.messages import (
    BrokerOrder,
    BrokerTrade,
    Level,
    OrderRefused,
    OrderType,
    OutcomeUnknown,
    PlaceOrder,
    Purpose,
    Request,
    Side,
)
from baseline_v1_live.core.order import STRAY, Order
from baseline_v1_live.core.order_book import Prices
from baseline_v1_live.core.order_news import OrderNews
from baseline_v1_live.core.order_states import OrderInput, OrderState
from baseline_v1_live.core.rules import Rules

NO_ANSWER_MS = 20_000
# What waits for the limiter has not left, and may do so a minute later.
_NOT_SENT_MS = 80_000


class OrderManager(OrderNews):
    """All orders of the session: what to send, what was heard, what is overdue."""

    def __init__(
        self,
        rules: Rules | None = None,
        contracts: Mapping[str, Contract] | None = None,
        session_date: dt.date = dt.date(1970, 1, 1),
        prices: Prices | None = None,
    ) -> None:
        super().__init__(rules or Rules(), dict(contracts or {}), prices)
        self.prefix = session_date.isoformat()
        self.counter = 0

    # ------------------------------------------------------------ deciding

    def place(
        self,
        *,
        symbol: str,
        side: Side,
        order_type: OrderType,
        purpose: Purpose,
        quantity: int,
        trigger_price_paise: int = 0,
        limit_price_paise: int = 0,
        reason: str = "",
        position_id: str = "",
    ) -> Order | None:
        """Send a new order; None when it is refused before sending, with the reason said.

        Refused: an entry that is not whole lots, a quantity above the freeze quantity, a price off
        the tick, and a second order on its way for the same symbol, side and purpose.
        """
        why = self._refusal(symbol, side, purpose, quantity, trigger_price_paise, limit_price_paise)
        if why:
            self.say(Level.ALERT, "ORDER", f"{symbol} {side} {quantity} {purpose} not sent: {why}")
            return None
        self.counter += 1
        order_id = f"{self.prefix}-{purpose}-{self.counter:04d}"
        order = Order(
            order_id=order_id,
            symbol=symbol,
            side=side,
            order_type=order_type,
            purpose=purpose,
            quantity=quantity,
            trigger_price_paise=trigger_price_paise,
            limit_price_paise=limit_price_paise,
            reason=reason,
            position_id=position_id or order_id,
            placed_at_ms=self.now_ms,
            changed_at_ms=self.now_ms,
        )
        self._add(order)
        self.commands.append(
            PlaceOrder(
                order_id=order_id,
                symbol=symbol,
                side=side,
                order_type=order_type,
                purpose=purpose,
                quantity=quantity,
                trigger_price_paise=trigger_price_paise,
                limit_price_paise=limit_price_paise,
                reason=reason,
            )
        )
        if purpose in (Purpose.ENTRY, Purpose.STOP):
            self.say(
                Level.LOG,
                "ORDER",
                f"{purpose} {side} {symbol} qty={quantity} "
                f"trigger={rupee_text(trigger_price_paise)} limit={rupee_text(limit_price_paise)}",
            )
        return order

    def place_market_order(
        self, symbol: str, quantity: int, action: str, reason: str = "DAILY_TARGET"
    ) -> str | None:
        """Send a MARKET exit and return our order id, or None if it is refused before sending.

        ``action`` is BUY or SELL, ``quantity`` units within one order's freeze quantity. The broker's
        refusal comes later as an event; who placed it tries again (position_tracker.py).
        """
        order = self.place_exit(symbol, quantity, action, reason)
        return order.order_id if order else None

    def place_exit(
        self,
        symbol: str,
        quantity: int,
        action: str,
        reason: str,
        *,
        purpose: Purpose = Purpose.EXIT,
        position_id: str = "",
        limit_price_paise: int = 0,
    ) -> Order | None:
        """As ``place_market_order``, for a known position, with a limit price where one is given;
        returns the order.
        """
        if action not in (Side.BUY, Side.SELL):
            self.say(Level.ALERT, "MARKET-EXIT", f"{symbol} not sent: action {action!r}")
            return None
        text = f"{symbol} qty={quantity} reason={reason}"
        if limit_price_paise:
            limit = rupee_text(limit_price_paise)
            self.say(Level.LOG, "LIMIT-EXIT", f"{text} limit={limit}")
        else:
            self.say(Level.LOG, "MARKET-EXIT", text)
        return self.place(
            symbol=symbol,
            side=Side(action),
            order_type=OrderType.LIMIT if limit_price_paise else OrderType.MARKET,
            purpose=purpose,
            quantity=quantity,
            limit_price_paise=limit_price_paise,
            reason=reason,
            position_id=position_id,
        )

    def cancel_sl_order(self, symbol: str) -> bool:
        """Cancel the symbol's protective stops; True when there was one to cancel.

        Its end is not assumed: what it filled meanwhile is learned before anything replaces it.
        """
        stops = list(self.live(symbol, Purpose.STOP))
        for stop in stops:
            if not stop.cancel_wanted:
                self.say(Level.LOG, "EXIT", f"Cancelling SL for {symbol}")
            self.cancel(stop, "exit")
        return bool(stops)

    def restore(self, orders: list[Order], counter: int) -> None:
        """Take the orders of a session that is taken up again: what was on its way is unknown."""
        self.counter = counter
        for order in orders:
            self._add(order)
            if order.broker_order_id is not None:
                self._by_broker_id[order.broker_order_id] = order
            if order.value_estimated:
                self._estimated[order.order_id] = order
            if order.state is OrderState.IN_FLIGHT:
                self._meet(order, OrderInput.LOST)
            if order.live and order.broker_order_id is not None:
                order.query_due_ms = 0
            if order.change is not None:
                order.change.lost = True

    # ------------------------------------------------------------ hearing

    def on_refused(self, event: OrderRefused) -> None:
        """A definite no to a request. A step of a chase that is refused, such as for a price outside the
        exchange's range, is tried again from a fresh reference: it does not go further out.
        """
        order = self.orders.get(event.order_id)
        if order is not None and order.change and event.request is Request.MODIFY and event.sent:
            chased = order.change.limit_price_paise != order.limit_price_paise
            order.chases_refused += chased and order.chases > order.chases_refused
        super().on_refused(event)

    # ------------------------------------------------------------ found in the books

    def adopt(self, order: Order, broker_order_id: str, filled: BrokerTrade | None = None) -> None:
        """An order of unknown outcome was found in the broker's book. What the trade book has of it
        (``filled``) is booked now: the positions of the same books are judged with it.
        """
        order.unseen = 0
        self._name(order, broker_order_id)
        self._meet(order, OrderInput.ACCEPTED)
        self.say(
            Level.ALERT, "RECONCILE", f"{order.order_id} found at the broker as {broker_order_id}"
        )
        self._replay_early_news(broker_order_id)
        if filled is not None:
            quantity, value_paise = filled.filled_quantity, filled.filled_value_paise
            self._book(order, quantity, value_paise, proven=True)
        if order.live and order.cancel_wanted:
            self._advance_cancel(order)
        if order.live and order.query_due_ms is None:
            self.ask(order)

    def take_over(
        self, row: BrokerOrder, purpose: Purpose, position_id: str, filled: BrokerTrade | None
    ) -> Order:
        """Keep a working order of the broker's book that no order of ours is behind as one of ours.

        What it has filled before (``filled``) is in the broker's positions already and is not booked.
        """
        self.counter += 1
        order_id = f"{self.prefix}-{purpose}-{self.counter:04d}"
        order = Order(
            order_id=order_id,
            symbol=row.symbol,
            side=row.side,
            order_type=row.order_type,
            purpose=purpose,
            quantity=row.quantity,
            trigger_price_paise=row.trigger_price_paise,
            limit_price_paise=row.limit_price_paise,
            reason=STRAY,
            position_id=position_id or order_id,
            placed_at_ms=self.now_ms,
            sent_at_ms=self.now_ms,
        )
        if filled is not None:
            order.filled_quantity = filled.filled_quantity
            order.filled_value_paise = filled.filled_value_paise
        self._add(order)
        self._name(order, row.broker_order_id)
        self._meet(order, OrderInput.ACCEPTED)
        self._meet(order, self._seen(order, row.status))
        self._replay_early_news(row.broker_order_id)
        return order

    def declare_lost(self, order: Order) -> None:
        """An order that left and got no answer is in no book: its outcome is unknown from now on."""
        if order.state is OrderState.IN_FLIGHT:
            self._meet(order, OrderInput.LOST)

    def declare_gone(self, order: Order) -> None:
        """The broker has named an order, and neither its books nor the gateway know of it any more."""
        order.unseen = order.absences = 0
        self._meet(order, OrderInput.GONE)

    def declare_not_placed(self, order: Order) -> None:
        """Complete snapshots past the gateway's horizon never showed an unknown order."""
        self._meet(order, OrderInput.PROVEN_NOT_PLACED)
        self.say(Level.ALERT, "RECONCILE", f"{order.order_id} was never placed")

    # ------------------------------------------------------------ time

    def on_time(self) -> None:
        """Act on every deadline that has passed."""
        for order in self.watched():
            self._give_up_waiting(order)
            if order.query_due_ms is not None and order.query_due_ms <= self.now_ms:
                self.ask(order)
            if not order.live:
                continue
            if order.cancel_wanted:
                self._advance_cancel(order)
            else:
                self._chase(order)

    def deadlines(self) -> Iterator[int]:
        """Instants at which ``on_time`` has something to do."""
        for order in self.watched():
            if order.state is OrderState.IN_FLIGHT:
                yield _answer_due_ms(order)
            if order.query_due_ms is not None:
                yield order.query_due_ms
            if order.change:
                yield order.change.sent_at_ms + NO_ANSWER_MS
            elif order.change_retry_at_ms > self.now_ms:
                yield order.change_retry_at_ms
            due = self._cancel_at(order) if order.cancel_wanted else self._chase_at(order)
            if due is not None:
                yield due

    # ------------------------------------------------------------ inside

    def _refusal(
        self, symbol: str, side: Side, purpose: Purpose, quantity: int, trigger: int, limit: int
    ) -> str | None:
        contract = self.contracts.get(symbol)
        if contract is None:
            return "no contract record of this symbol"
        # What protects or closes is not refused for its lots: the position is what it is.
        odd = purpose is Purpose.ENTRY and quantity % contract.lot_size
        if quantity <= 0 or odd:
            return f"quantity {quantity} is not whole lots of {contract.lot_size}"
        if quantity > contract.order_quantity_max:
            return f"quantity {quantity} is above {contract.order_quantity_max} in one order"
        if trigger % contract.tick_paise or limit % contract.tick_paise:
            return f"a price is off the tick of {contract.tick_paise} paise"
        for order in self.live(symbol, purpose):
            if order.side is side and order.state is OrderState.IN_FLIGHT:
                return f"{order.order_id} is on its way"
        return None

    def _give_up_waiting(self, order: Order) -> None:
        """The shell owes an answer to every request; one that never comes is an unknown outcome."""
        if order.state is OrderState.IN_FLIGHT and self.now_ms >= _answer_due_ms(order):
            self.on_unknown(
                OutcomeUnknown(
                    order_id=order.order_id, request=Request.PLACE, message="no answer in time"
                )
            )
        change = order.change
        if change and self.now_ms >= change.sent_at_ms + NO_ANSWER_MS:
            change.sent_at_ms = self.now_ms
            change.lost = True
            self.ask(order)


def _answer_due_ms(order: Order) -> int:
    """When the answer to a placement is overdue."""
    if order.sent_at_ms is None:
        return order.placed_at_ms + _NOT_SENT_MS
    return order.sent_at_ms + NO_ANSWER_MS
