"""When the gateway's word on an order is proof: its status joined with its fills of the trade book.

- Every unit is in the trade book: complete, whatever the status row says.
- Alive (open, trigger pending, an unclear word): proven alive, with the fills so far.
- Complete, but the trade book does not have every unit: looked at again; if it stays so, a claim.
- Cancelled or rejected: proven by one look when the stream has said the same end with the same fills,
  or else by two looks 0.5 s apart that show the same status, values and fills.

Why one look alone is no proof: the zerodha mapper of the gateway gives a row whose status it does not
know, such as CANCEL PENDING, the status of the row before it. After five cancellations that neighbour
may well be a cancelled order, while the stop still can fill. While an order is changed again and again
both looks may meet it so; then its values differ. The order book and the status of one order
go through the same mapper, and the acknowledgement of the cancel comes before the exchange's: none of
them is a second witness. The trade book and the position book are honest about what has filled, and say
nothing about what still can.

Why the stream is a second witness: the broker pushes each order by itself and the gateway translates
each message by itself, CANCEL PENDING into "open"; an end is pushed with the final filled quantity. It
counts only from brokers whose messages are pushed (``PUSHED_BY``): for others the gateway polls the
order book every few seconds and passes the rows on, so their updates are the same witness again.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from baseline_v1_live.adapters.openalgo.wire.books import OrderRow
from baseline_v1_live.adapters.openalgo.wire.values import Unreadable
from baseline_v1_live.core.messages import (
    BrokerOrder,
    BrokerStatus,
    BrokerTrade,
    OrderType,
    OrderUpdated,
)

SECOND_LOOK_S = 0.5
# The gateway's names of brokers whose order updates it gets pushed (services/order_update_service.py
# of OpenAlgo), and its own paper engine. Groww is polled; any other broker has no updates.
PUSHED_BY = frozenset(
    {
        "aliceblue", "angel", "arrow", "definedge", "dhan", "fyers", "iiflcapital", "indmoney",
        "kotak", "nubra", "sandbox", "upstox", "zerodha",
    }
)  # fmt: skip
_ENDED = frozenset({BrokerStatus.COMPLETE, BrokerStatus.CANCELLED, BrokerStatus.REJECTED})
_UNFILLED_END = frozenset({BrokerStatus.CANCELLED, BrokerStatus.REJECTED})


class Sighting(msgspec.Struct, frozen=True):
    """One look at an order: its row, and its fills of the trade book (units; Σ price x quantity)."""

    order: BrokerOrder
    filled_quantity: int
    filled_value_paise: int
    told_quantity: int | None = None  # what the row itself says of its fills, where it does

    @property
    def whole(self) -> bool:
        """Whether every unit is in the trade book."""
        return 0 < self.order.quantity == self.filled_quantity


def join(
    broker_order_id: str, row: OrderRow, trades: Iterable[BrokerTrade]
) -> Sighting | Unreadable:
    """A status row with its fills; Unreadable when they cannot be of one order."""
    order = row.order
    if order.broker_order_id != broker_order_id:
        return Unreadable(f"asked for order {broker_order_id}, got {order.broker_order_id}")
    trade = next((t for t in trades if t.broker_order_id == broker_order_id), None)
    if trade is None:
        return Sighting(order, 0, 0, row.filled_quantity)
    if (trade.symbol, trade.side) != (order.symbol, order.side):
        return Unreadable(f"order {broker_order_id} and its trades do not match")
    if trade.filled_quantity > order.quantity:
        return Unreadable(
            f"order {broker_order_id}: {trade.filled_quantity} filled of {order.quantity}"
        )
    return Sighting(order, trade.filled_quantity, trade.filled_value_paise, row.filled_quantity)


def is_end(told: OrderUpdated) -> bool:
    """Whether the stream's word says that an order is over without being complete."""
    return told.status in _UNFILLED_END


def is_proven_end(answer: OrderUpdated) -> bool:
    """Whether an answer proves that an order is over: then it answers later questions as well."""
    return answer.proven and answer.status in _ENDED


def agrees(seen: Sighting, told: OrderUpdated | None) -> bool:
    """Whether a look and the stream show the same end with the same fills."""
    return (
        told is not None
        and is_end(told)
        and told.status is seen.order.status
        and told.filled_quantity == seen.filled_quantity
        and _row_agrees(seen)
    )


def needs_second_look(seen: Sighting, told: OrderUpdated | None) -> bool:
    """Whether one look proves nothing: an end that neither the trade book nor the stream makes
    certain, or an order that lives in its row and is over in the stream.
    """
    if seen.whole or agrees(seen, told):
        return False
    return seen.order.status in _ENDED or (told is not None and is_end(told))


def updated(
    order_id: str, seen: Sighting, before: Sighting | None, told: OrderUpdated | None
) -> OrderUpdated:
    """The core's event of the last look. ``before`` is the look half a second earlier, if any,
    ``told`` the stream's newest word.
    """
    status = BrokerStatus.COMPLETE if seen.whole else seen.order.status
    order = seen.order
    return OrderUpdated(
        broker_order_id=order.broker_order_id,
        symbol=order.symbol,
        status=status,
        order_id=order_id,
        filled_quantity=seen.filled_quantity,
        filled_value_paise=seen.filled_value_paise,
        quantity=order.quantity,
        trigger_price_paise=order.trigger_price_paise,
        # A market order's price is the broker's own, or a reference.
        limit_price_paise=None if order.order_type is OrderType.MARKET else order.limit_price_paise,
        proven=_proven(seen, before, told),
        message=order.message,
    )


def _proven(seen: Sighting, before: Sighting | None, told: OrderUpdated | None) -> bool:
    if seen.whole or seen.order.status not in _ENDED or agrees(seen, told):
        return True
    if seen.order.status is BrokerStatus.COMPLETE or before is None or not _row_agrees(seen):
        return False
    return _shown(before) == _shown(seen)


def _shown(seen: Sighting) -> tuple[object, ...]:
    """What two looks must agree on. An order that is over is not changed any more."""
    row = seen.order
    terms = (row.quantity, row.trigger_price_paise, row.limit_price_paise)
    return row.status, terms, seen.filled_quantity, seen.filled_value_paise


def _row_agrees(seen: Sighting) -> bool:
    """Whether the row does not know of fills that the trade book does not have yet."""
    return seen.told_quantity in (None, seen.filled_quantity)
