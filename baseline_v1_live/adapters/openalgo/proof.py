"""When the gateway's word on an order is proof: its status joined with its fills of the trade book.

- Every unit is in the trade book: complete, whatever the status row says.
- Alive (open, trigger pending, an unclear word): proven alive, with the fills so far.
- Complete, but the trade book does not have every unit: looked at again; if it stays so, a claim.
- Cancelled or rejected: looked at again 0.5 s later, because a status row may for a moment be its
  neighbour's (a known fault of the gateway). Proven when status and fills are the same both times.
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
_ENDED = frozenset({BrokerStatus.COMPLETE, BrokerStatus.CANCELLED, BrokerStatus.REJECTED})


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


def needs_second_look(seen: Sighting) -> bool:
    """Whether one look proves nothing: an end that the trade book does not make certain."""
    return seen.order.status in _ENDED and not seen.whole


def updated(order_id: str, seen: Sighting, before: Sighting | None) -> OrderUpdated:
    """The core's event of the last look; ``before`` is the look half a second earlier, if any."""
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
        proven=_proven(seen, before),
        message=order.message,
    )


def _proven(seen: Sighting, before: Sighting | None) -> bool:
    if seen.whole or seen.order.status not in _ENDED:
        return True
    if seen.order.status is BrokerStatus.COMPLETE or before is None:
        return False
    if seen.told_quantity not in (None, seen.filled_quantity):
        return False  # The row knows of fills that the trade book does not have yet.
    same = (before.order.status, before.filled_quantity, before.filled_value_paise)
    return same == (seen.order.status, seen.filled_quantity, seen.filled_value_paise)
