"""PURE: the life of an order: placing it, hearing of it, and what to do when nothing is heard.

It decides and emits commands; it never calls a broker. An order whose outcome is unknown is never
sent again: it keeps its quantity reserved until the broker's books show what became of it. The one
exception is a protective stop that the books do not show (``unseen_stop``).
Which order to want is decided elsewhere (core/entry_desk.py, position_tracker.py).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping

from baseline_v1_live.core.instruments import Contract, rupee_text
from baseline_v1_live.core.messages import (
    BrokerStatus,
    Filled,
    Level,
    OrderAccepted,
    OrderRefused,
    OrderType,
    OrderUpdated,
    OutcomeUnknown,
    PlaceOrder,
    Purpose,
    Request,
    Side,
)
from baseline_v1_live.core.order import Order
from baseline_v1_live.core.order_book import Prices
from baseline_v1_live.core.order_requests import OrderRequests
from baseline_v1_live.core.order_states import OrderInput, OrderState
from baseline_v1_live.core.rules import Rules

NO_ANSWER_MS = 20_000
_EARLY_NEWS_MAX = 200
_SEEN = {
    BrokerStatus.TRIGGER_PENDING: OrderInput.SEEN_TRIGGER_PENDING,
    BrokerStatus.OPEN: OrderInput.SEEN_OPEN,
    BrokerStatus.UNCLEAR: OrderInput.SEEN_UNCLEAR,
}
_PROVEN_OVER = {
    BrokerStatus.CANCELLED: OrderInput.PROVEN_CANCELLED,
    BrokerStatus.REJECTED: OrderInput.PROVEN_REJECTED,
}


class OrderManager(OrderRequests):
    """All orders of the session: what to send, what was heard, what is overdue."""

    def __init__(
        self,
        rules: Rules | None = None,
        contracts: Mapping[str, Contract] | None = None,
        session_date: dt.date = dt.date(1970, 1, 1),
        prices: Prices | None = None,
    ) -> None:
        super().__init__(rules or Rules(), dict(contracts or {}), prices)
        self._early_news: list[OrderUpdated | Filled] = []
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
    ) -> Order | None:
        """As ``place_market_order``, for a known position; returns the order."""
        if action not in (Side.BUY, Side.SELL):
            self.say(Level.ALERT, "MARKET-EXIT", f"{symbol} not sent: action {action!r}")
            return None
        self.say(Level.LOG, "MARKET-EXIT", f"{symbol} qty={quantity} reason={reason}")
        return self.place(
            symbol=symbol,
            side=Side(action),
            order_type=OrderType.MARKET,
            purpose=purpose,
            quantity=quantity,
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

    def on_accepted(self, event: OrderAccepted) -> None:
        """The gateway took a request."""
        order = self.orders.get(event.order_id)
        if order is None:
            return
        if event.request is Request.PLACE:
            self._name(order, event.broker_order_id)
            self._meet(order, OrderInput.ACCEPTED)
            if order.purpose in (Purpose.EXIT, Purpose.CORRECTION):
                self.say(Level.LOG, "MARKET-EXIT", f"Order placed: {event.broker_order_id}")
                if order.live and order.query_due_ms is None:
                    # A market order is over in a moment; if nobody says so, it is asked for.
                    order.query_due_ms = self.now_ms + self.rules.exit_query_ms
            self._replay_early_news(event.broker_order_id)
        elif event.request is Request.MODIFY:
            if order.change and order.change.request is Request.MODIFY:
                self._apply_change(order, order.change)
            elif order.live:
                # Its change was given up long ago and has been done after all.
                self.ask(order)
        elif event.request is Request.CANCEL and order.live:
            order.change = None
            order.claim = BrokerStatus.CANCELLED
            self._meet(order, OrderInput.SEEN_OVER)
            self.ask(order)
        if order.cancel_wanted:
            self._advance_cancel(order)

    def on_refused(self, event: OrderRefused) -> None:
        """A definite no to a request."""
        order = self.orders.get(event.order_id)
        if order is None:
            return
        order.message = event.message
        self.keep(order)
        if event.request is Request.QUERY:
            order.question_at_ms = None
        if event.request is Request.PLACE:
            order.sent = event.sent
            self._meet(order, OrderInput.REFUSED if event.sent else OrderInput.NOT_SENT)
            if order.state is OrderState.CLAIMED:
                self.ask(order)
            return
        if event.request is Request.QUERY or not order.live:
            return
        # The order may be refused a change because it is over: its true state is asked for.
        order.change = None
        order.change_retry_at_ms = self.now_ms + self.rules.cancel_retry_ms
        self._touch(order)
        if event.sent:
            self.ask(order)

    def on_unknown(self, event: OutcomeUnknown) -> None:
        """The request's outcome is not known."""
        order = self.orders.get(event.order_id)
        if order is None or not (order.live or order.value_estimated):
            return
        if event.request is Request.PLACE:
            if order.state is OrderState.IN_FLIGHT:
                self.say(
                    Level.CRITICAL,
                    "ORDER",
                    f"{order.symbol} {order.side} {order.quantity}: outcome unknown "
                    f"({event.message}); its quantity stays reserved until the books show it",
                    f"unknown:{order.order_id}",
                )
            order.message = event.message
            self._meet(order, OrderInput.LOST)
        elif event.request is Request.QUERY:
            order.question_at_ms = None
            self._back_off_query(order)
        elif order.change:
            order.change.lost = True
            self._touch(order)
            self.ask(order)

    def on_updated(self, event: OrderUpdated) -> Order | None:
        """The broker's word on an order; returns it when it is ours."""
        order = self._find(event)
        if order is None:
            return None
        if event.filled_quantity is not None:
            self._book(order, event.filled_quantity, event.filled_value_paise, event.proven)
        if event.proven:
            self._hear_proof(order, event)
        elif event.status in _SEEN:
            self._meet(order, self._seen(order, event.status))
        elif order.live:
            # Complete, cancelled or rejected: a claim, until an answer joins it with the fills.
            order.claim = event.status
            order.message = event.message or order.message
            self._meet(order, OrderInput.SEEN_OVER)
            if order.query_due_ms is None:
                self.ask(order)
        return order

    def on_filled(self, event: Filled) -> Order | None:
        """Fills of an order so far, from the trade book; returns it when it is ours."""
        order = self._find(event)
        if order is not None:
            self._book(order, event.filled_quantity, event.filled_value_paise, proven=True)
        return order

    def on_tick(self, symbol: str, ltp_paise: int) -> None:
        """Remember that a live stop-limit order's trigger has traded, its placement answered or not."""
        for order in self.live(symbol):
            if (
                order.order_type is OrderType.SL
                and order.triggered_at_ms is None
                and (
                    ltp_paise >= order.trigger_price_paise
                    if order.side is Side.BUY
                    else ltp_paise <= order.trigger_price_paise
                )
            ):
                order.triggered_at_ms = self.now_ms
                self._touch(order)

    def adopt(self, order: Order, broker_order_id: str) -> None:
        """An order of unknown outcome was found in the broker's book; what it filled is asked for."""
        order.unseen = 0
        self._name(order, broker_order_id)
        self._meet(order, OrderInput.ACCEPTED)
        self.say(
            Level.ALERT, "RECONCILE", f"{order.order_id} found at the broker as {broker_order_id}"
        )
        self._replay_early_news(broker_order_id)
        if order.cancel_wanted:
            self._advance_cancel(order)
        if order.live and order.query_due_ms is None:
            self.ask(order)

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
                yield order.placed_at_ms + NO_ANSWER_MS
            if order.query_due_ms is not None:
                yield order.query_due_ms
            if order.change:
                yield order.change.sent_at_ms + NO_ANSWER_MS
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

    def _find(self, event: OrderUpdated | Filled) -> Order | None:
        order = self._by_broker_id.get(event.broker_order_id)
        if order is None and event.order_id is not None:
            order = self.orders.get(event.order_id)
            if order is not None and order.broker_order_id is None:
                self._name(order, event.broker_order_id)
        if order is None:
            # News may overtake the answer that names the order; it is kept until that comes.
            self._early_news.append(event)
            del self._early_news[:-_EARLY_NEWS_MAX]
        return order

    def _replay_early_news(self, broker_order_id: str) -> None:
        news = [event for event in self._early_news if event.broker_order_id == broker_order_id]
        if not news:
            return
        self._early_news = [
            event for event in self._early_news if event.broker_order_id != broker_order_id
        ]
        for event in news:
            if isinstance(event, Filled):
                self.on_filled(event)
            else:
                self.on_updated(event)

    def _seen(self, order: Order, status: BrokerStatus) -> OrderInput:
        """What a word about a living order means; one that is not believed says only that it lives."""
        if status is BrokerStatus.OPEN and not self.is_open(order):
            return OrderInput.ACCEPTED
        return _SEEN[status]

    def _hear_proof(self, order: Order, event: OrderUpdated) -> None:
        order.query_due_ms = order.question_at_ms = None
        order.queries = 0
        if event.status in _PROVEN_OVER:
            if order.live:
                order.message = event.message or order.message
                self._meet(order, _PROVEN_OVER[event.status])
        elif event.status is BrokerStatus.COMPLETE:
            self._hear_complete(order, event)
        else:
            over = not order.live
            self._meet(order, OrderInput.PROVEN_ALIVE)
            if event.status in _SEEN:
                self._meet(order, self._seen(order, event.status))
            self._settle_lost_change(order, event)
            if order.change is None:
                self._take_values(order, event)
            self._answer_ask(order)
            if over and order.live:
                # An old answer may have come late; the next one decides.
                self.ask(order)

    def _take_values(self, order: Order, event: OrderUpdated) -> None:
        """The broker's quantity and prices are the order's, whatever we had asked for."""
        theirs = event.trigger_price_paise
        if order.purpose is Purpose.STOP and theirs and theirs != order.trigger_price_paise:
            self.say(
                Level.CRITICAL,
                "RECONCILE",
                f"{order.symbol}: the stop's trigger is {rupee_text(theirs)} at the broker, ours was "
                f"{rupee_text(order.trigger_price_paise)}: somebody has moved it",
                f"stop_moved:{order.symbol}",
            )
        if event.quantity is not None and event.quantity >= order.filled_quantity:
            order.quantity = event.quantity
        if event.trigger_price_paise is not None:
            order.trigger_price_paise = event.trigger_price_paise
        if event.limit_price_paise is not None:
            order.limit_price_paise = event.limit_price_paise

    def _hear_complete(self, order: Order, event: OrderUpdated) -> None:
        if not order.live:
            return
        if event.quantity is not None and event.filled_quantity == event.quantity:
            # Whole at the broker's quantity: a change of ours, lost on the way, had reached it.
            order.quantity = event.quantity
            self._meet(order, OrderInput.FILLED_ALL)
        else:
            # Said complete, yet its fills do not add up: asked again until they do.
            self._meet(order, OrderInput.SEEN_OVER)
            self._back_off_query(order)

    def _settle_lost_change(self, order: Order, event: OrderUpdated) -> None:
        """A lost modify is known by the values the broker shows; a lost cancel by the living order."""
        change = order.change
        if change is None or not change.lost:
            return
        shown = (event.quantity, event.trigger_price_paise, event.limit_price_paise)
        wanted = (change.quantity, change.trigger_price_paise, change.limit_price_paise)
        if change.request is Request.MODIFY and shown == wanted:
            self._apply_change(order, change)
        else:
            order.change = None
            order.change_retry_at_ms = self.now_ms + self.rules.cancel_retry_ms

    def _give_up_waiting(self, order: Order) -> None:
        """The shell owes an answer to every request; one that never comes is an unknown outcome."""
        if order.state is OrderState.IN_FLIGHT and self.now_ms >= order.placed_at_ms + NO_ANSWER_MS:
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
