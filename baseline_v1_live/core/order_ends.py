"""What the books prove of an order when the gateway does not answer for the order itself.

An order said to be over is asked for. Where that question fails again and again, the snapshots answer it:
the order book with the trade book beside it, at two looks in a row, is what an answer is made of too; and
the position book must know of no fill that they do not. And a cancel that got lost is sent again when the
order book, asked for after that, shows the order working: to cancel twice does no harm.

A change that must be proven, or whose answer got lost, is done when the order book shows the order at
work with just the values that were asked for: a book of before it has others, so one look is enough.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from baseline_v1_live.core.messages import (
    BrokerOrder,
    BrokerStatus,
    BrokerTrade,
    OrderUpdated,
    Request,
    SnapshotTaken,
)
from baseline_v1_live.core.net_positions import NetRead
from baseline_v1_live.core.order import Order
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.order_manager import OrderManager

# As far apart as the two looks of an answer (adapters/openalgo/proof.py).
_LOOKS_APART_MS = 500
_ENDED = frozenset({BrokerStatus.CANCELLED, BrokerStatus.REJECTED})
_WORKING = frozenset({BrokerStatus.TRIGGER_PENDING, BrokerStatus.OPEN})


class _Look(NamedTuple):
    status: BrokerStatus
    at_ms: int


class _Values(NamedTuple):
    quantity: int
    trigger_price_paise: int
    limit_price_paise: int


class OrderEnds:
    """Remembers what the snapshot before has shown of each order that is said to be over.

    ``open_short`` gives our open short quantity in a symbol, units.
    """

    def __init__(self, orders: OrderManager, open_short: Callable[[str], int]) -> None:
        self.orders = orders
        self._open_short = open_short
        self._looks: dict[str, _Look] = {}

    @property
    def looked_at(self) -> bool:
        """Whether an order is said to be over and was not proven so, or a change of one was not and the
        question about it has failed: looked at again soon.
        """
        return any(
            order.state is OrderState.CLAIMED
            or (_waits_for(order) is not None and order.queries > 1)
            for order in self.orders.live()
        )

    def resolve(self, snapshot: SnapshotTaken, read: NetRead) -> None:
        """Prove the ends that two snapshots in a row have shown with the same fills, all of them known.

        A trade book that lacks a fill of ours shows nothing, and neither does a row from before the
        order was said to be over.
        """
        before, self._looks = self._looks, {}
        rows = {row.broker_order_id: row for row in snapshot.orders}
        self._cancel_again(snapshot.asked_at_ms, rows)
        if read.lacking:
            return
        trades = {trade.broker_order_id: trade for trade in snapshot.trades}
        for order in list(self.orders.live()):
            row = rows.get(order.broker_order_id or "")
            if row is None:
                continue
            ends = order.state is OrderState.CLAIMED and row.status in _ENDED
            changed = row.status in _WORKING and _waits_for(order) == _values_of(row)
            trade = trades.get(row.broker_order_id)
            known = 0 if trade is None else trade.filled_quantity
            told = order.changed_at_ms <= snapshot.asked_at_ms and known == order.filled_quantity
            if not (ends or changed) or not told or not self._position_fits(order.symbol, read):
                continue
            if changed:
                self._prove(order, row, trade)
                continue
            look = before.get(order.order_id)
            if look is None or look.status is not row.status:
                look = _Look(row.status, snapshot.asked_at_ms)
            self._looks[order.order_id] = look
            if snapshot.asked_at_ms >= look.at_ms + _LOOKS_APART_MS:
                self._prove(order, row, trade)

    def _cancel_again(self, asked_at_ms: int, rows: dict[str, BrokerOrder]) -> None:
        for order in list(self.orders.live()):
            row, change = rows.get(order.broker_order_id or ""), order.change
            if row is None or row.status not in _WORKING or change is None or not change.lost:
                continue
            since_ms = max(order.changed_at_ms, change.sent_at_ms)
            if change.request is Request.CANCEL and asked_at_ms > since_ms:
                order.change = None
                self.orders.keep(order)
                self.orders.cancel(order, order.cancel_reason)

    def _position_fits(self, symbol: str, read: NetRead) -> bool:
        if symbol in read.unclear:
            return False
        return symbol in read.agreed or read.net.get(symbol, 0) == -self._open_short(symbol)

    def _prove(self, order: Order, row: BrokerOrder, trade: BrokerTrade | None) -> None:
        self.orders.on_updated(
            OrderUpdated(
                broker_order_id=row.broker_order_id,
                symbol=order.symbol,
                status=row.status,
                order_id=order.order_id,
                filled_quantity=0 if trade is None else trade.filled_quantity,
                filled_value_paise=0 if trade is None else trade.filled_value_paise,
                quantity=row.quantity,
                trigger_price_paise=row.trigger_price_paise,
                limit_price_paise=row.limit_price_paise,
                proven=True,
                message=row.message,
            )
        )


def _waits_for(order: Order) -> _Values | None:
    """The values that prove a change of an order, None when no change waits for a proof."""
    change = order.change
    if not order.resting:
        return None
    if change is not None and change.lost and change.request is Request.MODIFY:
        return _Values(change.quantity, change.trigger_price_paise, change.limit_price_paise)
    if change is None and order.shrunk_to is not None:
        return _Values(order.shrunk_to, order.trigger_price_paise, order.limit_price_paise)
    return None


def _values_of(row: BrokerOrder) -> _Values:
    return _Values(row.quantity, row.trigger_price_paise, row.limit_price_paise)
