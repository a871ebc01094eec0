"""Requests on orders that the broker has: modify, cancel with proof, and the chase of a resting exit.

One request at a time is on its way for an order. A cancel is not believed when it is acknowledged,
only when an answer joins the order's status with its fills.
"""

from __future__ import annotations

from baseline_v1_live.core.instruments import Contract, rupee_text
from baseline_v1_live.core.messages import (
    CancelOrder,
    Level,
    ModifyOrder,
    OrderType,
    Purpose,
    Request,
)
from baseline_v1_live.core.order import Change, Order
from baseline_v1_live.core.order_book import OrderBook, Prices
from baseline_v1_live.core.order_states import OrderInput, OrderState
from baseline_v1_live.core.risk import chase_limit
from baseline_v1_live.core.rules import Rules

CHASED_OUT = "chased to the end"


class OrderRequests(OrderBook):
    """The order book, and what may be asked of a resting order."""

    def __init__(self, rules: Rules, contracts: dict[str, Contract], prices: Prices | None) -> None:
        super().__init__(rules, prices)
        self.contracts = contracts

    def cancel(self, order: Order, reason: str, *, ask_first: bool = False) -> None:
        """Want an order gone. With ``ask_first`` its fills are asked for before the cancel is sent.

        Safe to call again; the order stays live until its end is proven.
        """
        if not order.live:
            return
        if not order.cancel_wanted:
            order.cancel_wanted = True
            order.cancel_reason = reason
            order.ask_before_cancel = ask_first
            if order.purpose is Purpose.ENTRY:
                self.say(Level.LOG, "ORDER", f"cancelling entry {order.symbol}: {reason}")
        elif not ask_first:
            order.ask_before_cancel = False
        self._advance_cancel(order)

    def modify(
        self,
        order: Order,
        *,
        quantity: int | None = None,
        trigger_price_paise: int | None = None,
        limit_price_paise: int | None = None,
        order_type: OrderType | None = None,
    ) -> bool:
        """Ask the broker for new values; False when the order cannot be changed just now."""
        if (
            not order.resting
            or order.change
            or order.cancel_wanted
            or order.broker_order_id is None
        ):
            return False
        if self.now_ms < order.change_retry_at_ms:
            return False
        change = Change(
            request=Request.MODIFY,
            sent_at_ms=self.now_ms,
            order_type=order_type or order.order_type,
            quantity=order.quantity if quantity is None else quantity,
            trigger_price_paise=(
                order.trigger_price_paise if trigger_price_paise is None else trigger_price_paise
            ),
            limit_price_paise=(
                order.limit_price_paise if limit_price_paise is None else limit_price_paise
            ),
        )
        order.change = change
        self._touch(order)
        self.commands.append(
            ModifyOrder(
                order_id=order.order_id,
                broker_order_id=order.broker_order_id,
                symbol=order.symbol,
                side=order.side,
                order_type=change.order_type,
                quantity=change.quantity,
                trigger_price_paise=change.trigger_price_paise,
                limit_price_paise=change.limit_price_paise,
                purpose=order.purpose,
                resizes=change.quantity != order.quantity,
            )
        )
        return True

    # ------------------------------------------------------------ for the layer above

    def _apply_change(self, order: Order, change: Change) -> None:
        if change.request is not Request.MODIFY:
            return
        order.change = None
        order.changes_failed = 0
        if order.purpose is Purpose.STOP and change.quantity < order.quantity and not change.lost:
            # What is bought in its stead must not meet a stop that is still the old size.
            order.shrunk_to = change.quantity
            self.ask(order)
        order.order_type = change.order_type
        order.quantity = max(change.quantity, order.filled_quantity)
        order.trigger_price_paise = change.trigger_price_paise
        order.limit_price_paise = change.limit_price_paise
        self._touch(order)
        if order.live and order.filled_quantity >= order.quantity:
            self._meet(order, OrderInput.FILLED_ALL)

    def _fail_change(self, order: Order, *, counts: bool) -> None:
        """A change was not done; ``counts`` where it reached the gateway. The steps of a chase have a
        count of their own.
        """
        change, order.change = order.change, None
        order.change_retry_at_ms = self.now_ms + self.rules.cancel_retry_ms
        if change is not None and counts:
            asked = (change.quantity, change.trigger_price_paise)
            cancel = change.request is Request.CANCEL
            order.changes_failed += cancel or asked != (order.quantity, order.trigger_price_paise)
            if cancel and order.changes_failed % self.rules.exit_tries == 0:
                self._say_stuck(order)
        self._touch(order)

    def _say_stuck(self, order: Order) -> None:
        """What waits for the end of an order may wait for ever: somebody has to look."""
        self.say(
            Level.CRITICAL,
            "ORDER",
            f"{order.symbol}: {order.purpose} {order.order_id} cannot be cancelled "
            f"({order.message or 'no answer'}), and is tried on and on; nothing replaces or closes "
            "beside it. Cancel it on the broker's own page",
            f"cancel_stuck:{order.order_id}",
        )

    def _answer_ask(self, order: Order) -> None:
        """The order was asked for and it lives: a wanted cancel may go out, and its size is known."""
        if order.shrunk_to is not None:
            if order.quantity > order.shrunk_to:
                order.change_retry_at_ms = self.now_ms + self.rules.cancel_retry_ms
            order.shrunk_to = None
            self._touch(order)
        if order.cancel_wanted:
            order.ask_before_cancel = False
            self._advance_cancel(order)

    def _advance_cancel(self, order: Order) -> None:
        """Take the next step towards a proven end of an order that is not wanted."""
        if not order.resting or order.change or order.broker_order_id is None:
            return  # not named yet, busy with a change, or claimed over and being asked about
        if not self.ready or self.now_ms < order.change_retry_at_ms:
            return
        if order.ask_before_cancel:
            if order.asked_at_ms is None:
                order.asked_at_ms = self.now_ms
                self.ask(order)
            if self.now_ms < order.asked_at_ms + self.rules.cancel_retry_ms:
                return
        order.ask_before_cancel = False
        order.query_due_ms = None
        order.change = Change(request=Request.CANCEL, sent_at_ms=self.now_ms)
        # A cancel may be repeated, but not in every step.
        order.change_retry_at_ms = self.now_ms + self.rules.cancel_retry_ms
        self._touch(order)
        self.commands.append(
            CancelOrder(order_id=order.order_id, broker_order_id=order.broker_order_id)
        )

    def _cancel_at(self, order: Order) -> int | None:
        """When the next step of a wanted cancel is due, None while something else must come first."""
        if not order.resting or order.change or order.broker_order_id is None:
            return None
        if order.ask_before_cancel and order.asked_at_ms is not None:
            return max(order.change_retry_at_ms, order.asked_at_ms + self.rules.cancel_retry_ms)
        return order.change_retry_at_ms

    def _chase_at(self, order: Order) -> int | None:
        """When the order is due to be re-priced, None when it is not one to chase."""
        if not order.resting or order.change or not order.remaining:
            return None
        if order.purpose is Purpose.STOP:
            since = None if self.still_waits(order) else order.triggered_at_ms
        elif order.purpose is Purpose.ENTRY:
            since = None
        else:
            since = order.resting_since_ms
        if since is None:
            return None
        patience = max(self.rules.chase_after_ms, self.rules.wait_for_market_ms)
        due = max(since + patience, order.chase_due_ms, order.change_retry_at_ms)
        if order.order_type is OrderType.MARKET and order.question_at_ms is not None:
            # It has most likely filled, and the answer that says so is on its way.
            due = max(due, order.question_at_ms + self.rules.cancel_retry_ms)
        return due

    def still_waits(self, order: Order) -> bool:
        """Whether a stop has not triggered, although its trigger was seen to trade: the broker says that
        it waits, and at a price on the near side it would have filled. The print was a bad one, or
        came before the stop did.
        """
        return (
            order.state is OrderState.TRIGGER_PENDING
            and not order.filled_quantity
            and not self.prices.reached(order.symbol, order.side, order.trigger_price_paise)
        )

    def _chase(self, order: Order) -> None:
        """Re-price an exit that rests, a step further each time; after the last, replace it."""
        due = self._chase_at(order)
        if due is None or self.now_ms < due:
            return
        if order.chases >= self.rules.chase_modifies_max:
            self.cancel(order, CHASED_OUT)
            return
        order.chase_due_ms = self.now_ms + max(
            self.rules.chase_every_ms, self.rules.wait_for_market_ms
        )
        reference = self.prices.reference_price(order.symbol, self.now_ms)
        if reference is None:
            return
        market = order.order_type is OrderType.MARKET
        limit = chase_limit(
            reference,
            order.side,
            order.chases - order.chases_refused,
            0 if market else order.limit_price_paise,
            self.contracts[order.symbol].tick_paise,
            self.rules,
        )
        order.chases += 1
        kind = OrderType.LIMIT if market else order.order_type
        unchanged = not market and limit == order.limit_price_paise
        if not unchanged and self.modify(order, limit_price_paise=limit, order_type=kind):
            self.say(
                Level.LOG,
                "ORDER",
                f"chasing {order.symbol} {order.purpose}: limit {rupee_text(limit)}",
            )
