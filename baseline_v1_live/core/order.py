"""One order of ours and what is known of it; the record that order_manager.py keeps."""

from __future__ import annotations

import msgspec

from baseline_v1_live.core.messages import OrderType, Purpose, Request, Side
from baseline_v1_live.core.order_states import (
    RESTING,
    TERMINAL,
    UNANSWERED,
    OrderInput,
    OrderState,
    next_state,
)

# The reason of an order that was not placed by this state of the bot, and is looked after all the same.
STRAY = "found at the broker"
# Quantity (units), trigger and limit price (paise).
Terms = tuple[int, int, int]


class Change(msgspec.Struct, kw_only=True):
    """A modify or cancel on its way. The values are those a modify asks for."""

    request: Request
    sent_at_ms: int
    order_type: OrderType = OrderType.SL
    quantity: int = 0
    trigger_price_paise: int = 0
    limit_price_paise: int = 0
    lost: bool = False


class Order(msgspec.Struct, kw_only=True):
    """An order from its intent to its proven end.

    ``filled_quantity`` and ``filled_value_paise`` (Σ price x quantity) are cumulative and only rise;
    ``filled_at_ms`` is when the newest of them was heard, ``value_estimated`` says that its price
    is not known yet. ``sent_at_ms`` is when it was told that its placement has left this machine and
    is not answered, None before that. Of an order of unknown outcome ``absences`` counts the
    snapshots past the gateway's horizon without a trace of it, of a stop or exit ``unseen`` those
    from the first seconds on.
    ``question_at_ms`` is since when the order is asked for without an answer, ``not_found`` that the last
    answer was that there is no such order, ``missing_since_ms`` since when no order book has its row.
    ``changes_failed`` counts the cancels, and the changes of its quantity or trigger, that were refused
    or lost in a row.
    ``shrunk_to`` is the smaller quantity that a stop was modified to, until an answer shows it.
    ``protect_trigger_paise`` is where an entry's position will be stopped, kept up to date while the
    entry rests, so that protecting a fill needs nothing else.
    """

    order_id: str
    symbol: str
    side: Side
    order_type: OrderType
    purpose: Purpose
    quantity: int
    trigger_price_paise: int
    limit_price_paise: int
    reason: str
    position_id: str
    placed_at_ms: int
    state: OrderState = OrderState.IN_FLIGHT
    broker_order_id: str | None = None
    filled_quantity: int = 0
    filled_value_paise: int = 0
    filled_at_ms: int | None = None
    value_estimated: bool = False
    closed_at_ms: int | None = None
    changed_at_ms: int = 0
    message: str = ""
    sent: bool = True
    sent_at_ms: int | None = None

    swing_low_paise: int = 0
    protect_trigger_paise: int = 0

    change: Change | None = None
    change_retry_at_ms: int = 0
    changes_failed: int = 0
    cancel_wanted: bool = False
    cancel_reason: str = ""
    ask_before_cancel: bool = False
    asked_at_ms: int | None = None
    shrunk_to: int | None = None
    query_due_ms: int | None = None
    queries: int = 0
    question_at_ms: int | None = None
    not_found: bool = False
    missing_since_ms: int | None = None
    absences: int = 0
    unseen: int = 0

    resting_since_ms: int | None = None
    triggered_at_ms: int | None = None
    chases: int = 0
    chases_refused: int = 0
    chase_due_ms: int = 0

    @property
    def remaining(self) -> int:
        """Quantity not filled."""
        return max(self.quantity - self.filled_quantity, 0)

    @property
    def may_be_larger(self) -> bool:
        """Whether a change to more is on its way, which the broker may have done or not."""
        change = self.change
        return (
            change is not None
            and change.request is Request.MODIFY
            and change.quantity > self.quantity
        )

    @property
    def live(self) -> bool:
        """Whether the order may still fill: anything that is not proven over."""
        return self.state not in TERMINAL

    @property
    def unanswered(self) -> bool:
        """Whether the broker's word on its placement is missing: in flight or unknown."""
        return self.state in UNANSWERED

    @property
    def unsettled(self) -> bool:
        """Whether it may have filled or not: its answer or the proof of its end is missing."""
        return self.unanswered or self.state is OrderState.CLAIMED

    @property
    def resting(self) -> bool:
        """Whether the broker has it in its book."""
        return self.state in RESTING

    @property
    def open_quantity(self) -> int:
        """What may still fill: the remaining quantity of a live order, else 0."""
        return self.remaining if self.live else 0

    @property
    def average_price_paise(self) -> float | None:
        """Average fill price, None without a fill; for display only."""
        if not self.filled_quantity:
            return None
        return self.filled_value_paise / self.filled_quantity

    def is_like(self, other: Order) -> bool:
        """Whether nothing but its id tells this order from another."""
        return (
            (self.symbol, self.side, self.quantity) == (other.symbol, other.side, other.quantity)
            and self.order_type is other.order_type
            and self.trigger_price_paise == other.trigger_price_paise
            and self.limit_price_paise == other.limit_price_paise
        )

    def meet(self, happened: OrderInput, at_ms: int) -> None:
        """Move by the table of order_states.py and keep the times that follow from the state."""
        before = self.state
        self.state = next_state(before, happened)
        self.changed_at_ms = at_ms
        if self.state in RESTING and self.resting_since_ms is None:
            self.resting_since_ms = at_ms
        opened = self.state is OrderState.OPEN and before is not OrderState.OPEN
        if self.order_type is OrderType.SL and (opened or happened is OrderInput.FILLED_PART):
            self.triggered_at_ms = self.triggered_at_ms or at_ms
        if self.live:
            self.closed_at_ms = None
        elif self.closed_at_ms is None:
            self.closed_at_ms = at_ms
            self.change = None
            if not self.value_estimated:
                self.query_due_ms = None


class FillDelta(msgspec.Struct, frozen=True):
    """What one piece of news added to an order's fills: quantity (units) and value (paise)."""

    order: Order
    quantity: int
    value_paise: int
