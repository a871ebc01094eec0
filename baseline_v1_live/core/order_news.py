"""What is heard of our orders: answers, pushed updates, fills, and proofs of how they ended.

News may come twice, late and in any order. "Cancelled" and "complete" are claims until an answer
joins the order's status with its fills.
"""

from __future__ import annotations

from baseline_v1_live.core.instruments import Contract, rupee_text
from baseline_v1_live.core.messages import (
    BrokerStatus,
    Filled,
    Level,
    OrderAccepted,
    OrderRefused,
    OrderSent,
    OrderType,
    OrderUpdated,
    OutcomeUnknown,
    Purpose,
    Request,
    Side,
)
from baseline_v1_live.core.order import Order, Terms
from baseline_v1_live.core.order_book import Prices
from baseline_v1_live.core.order_requests import OrderRequests
from baseline_v1_live.core.order_states import OrderInput, OrderState
from baseline_v1_live.core.rules import Rules

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


class OrderNews(OrderRequests):
    """The orders, what may be asked of them, and what every piece of news changes."""

    def __init__(self, rules: Rules, contracts: dict[str, Contract], prices: Prices | None) -> None:
        super().__init__(rules, contracts, prices)
        self._early_news: list[OrderUpdated | Filled] = []
        # By the broker's id, how many orders of ours there were when it was first heard: later ones
        # cannot be the order behind it.
        self.heard: dict[str, int] = {}
        # Orders that were called open, which no price has shown.
        self.called_open: set[str] = set()
        # What it was first told with, whoever changes it later.
        self.first_terms: dict[str, Terms] = {}

    def hear_id(self, broker_order_id: str, terms: Terms | None = None) -> None:
        """An id of the broker is heard, from whatever source and whoever's it is."""
        self.heard.setdefault(broker_order_id, len(self.orders))
        if terms is not None:
            self.first_terms.setdefault(broker_order_id, terms)

    def on_sent(self, event: OrderSent) -> None:
        """The placement has left, and its answer does not come."""
        order = self.orders.get(event.order_id)
        if order is not None and order.unanswered:
            order.sent_at_ms = self.now_ms
            self.keep(order)

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
                # However late, an answer is one: taken by the gateway, and not proven yet.
                order.change.lost = False
                self._apply_change(order, order.change)
            elif order.live:
                # Its change was given up long ago and has been done after all.
                self.ask(order)
        elif event.request is Request.CANCEL and order.live:
            order.change = None
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
            order.not_found = True
        if event.request is Request.PLACE:
            order.sent = event.sent
            self._meet(order, OrderInput.REFUSED if event.sent else OrderInput.NOT_SENT)
            if order.state is OrderState.CLAIMED:
                self.ask(order)
            return
        if event.request is Request.QUERY or not order.live:
            return
        # The order may be refused a change because it is over: its true state is asked for.
        self._fail_change(order, counts=event.sent)
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
            complete = event.status is BrokerStatus.COMPLETE
            self._book(
                order,
                event.filled_quantity,
                event.filled_value_paise,
                proven=event.proven,
                whole=complete and event.filled_quantity == event.quantity,
            )
        if event.proven:
            self._hear_proof(order, event)
        elif event.status in _SEEN:
            self._meet(order, self._seen(order, event.status))
        elif order.live:
            # Complete, cancelled or rejected: a claim, until an answer joins it with the fills.
            order.message = event.message or order.message
            self._meet(order, OrderInput.SEEN_OVER)
            if order.query_due_ms is None:
                self.ask(order)
        return order

    def on_news(self, event: OrderUpdated | Filled) -> Order | None:
        """What the stream says of an order, of whatever kind; returns the order when it is ours."""
        return self.on_filled(event) if isinstance(event, Filled) else self.on_updated(event)

    def on_filled(self, event: Filled) -> Order | None:
        """Fills of an order so far, from the trade book; returns it when it is ours."""
        order = self._find(event)
        if order is not None:
            self._book(order, event.filled_quantity, event.filled_value_paise, proven=True)
        return order

    def on_tick(self, symbol: str, ltp_paise: int, *, quoted: bool = False) -> None:
        """Remember that a live stop-limit order's trigger has traded, its placement answered or not. A
        price that was asked for shows it only of an order that the broker calls open.
        """
        for order in self.live(symbol):
            if order.order_type is not OrderType.SL:
                continue
            if quoted and order.order_id not in self.called_open:
                continue
            if order.side is Side.BUY:
                traded = ltp_paise >= order.trigger_price_paise
            else:
                traded = ltp_paise <= order.trigger_price_paise
            if traded and order.triggered_at_ms is None:
                order.triggered_at_ms = self.now_ms
                self._touch(order)
            elif order.triggered_at_ms is not None and self.still_waits(order):
                # Where it waits after all, its chase begins when the trigger trades once more.
                order.chase_due_ms = self.now_ms + self.rules.chase_after_ms

    def told_of(self) -> list[Order]:
        """Orders without a name of which the stream may have told since they were placed: it has told
        of an order in their symbol that nobody knows.
        """
        nameless = [o for o in self.live() if o.unanswered and o.broker_order_id is None]
        return [
            order
            for order in nameless
            if any(
                news.symbol == order.symbol and news.at_ms >= order.placed_at_ms
                for news in self._early_news
            )
        ]

    # ------------------------------------------------------------ inside

    def _find(self, event: OrderUpdated | Filled) -> Order | None:
        self.hear_id(event.broker_order_id, _terms_told(event))
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
            self.called_open.add(order.order_id)
            return OrderInput.ACCEPTED
        return _SEEN[status]

    def _hear_proof(self, order: Order, event: OrderUpdated) -> None:
        order.query_due_ms = order.question_at_ms = order.missing_since_ms = None
        order.not_found = False
        order.queries = 0
        if event.status in _PROVEN_OVER:
            if order.live:
                order.message = event.message or order.message
                if event.quantity and event.quantity >= order.filled_quantity:
                    order.quantity = event.quantity
                self._meet(order, _PROVEN_OVER[event.status])
        elif event.status is BrokerStatus.COMPLETE:
            self._hear_complete(order, event)
        else:
            over = not order.live
            self._meet(order, OrderInput.PROVEN_ALIVE)
            if event.status in _SEEN:
                self._meet(order, self._seen(order, event.status))
            self._settle_lost_change(order, event)
            if order.change is None or order.change.request is Request.CANCEL:
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
            self._fail_change(order, counts=True)
            if order.changes_failed == 1:
                # The order is known to be as it was: its first try after that needs no pause.
                order.change_retry_at_ms = self.now_ms


def _terms_told(event: OrderUpdated | Filled) -> Terms | None:
    if isinstance(event, Filled):
        return None
    quantity, trigger, limit = event.quantity, event.trigger_price_paise, event.limit_price_paise
    return (
        None if quantity is None or trigger is None or limit is None else (quantity, trigger, limit)
    )
