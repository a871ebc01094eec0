"""Ends of orders that the books prove when the gateway does not answer for the order itself.

An order said to be over is asked for. Where that question fails again and again, the snapshots answer it:
the order book with the trade book beside it, at two looks in a row, is what an answer is made of too; and
the position book must know of no fill that they do not. And a cancel that got lost is sent again when the
order book, asked for after that, shows the order working: to cancel twice does no harm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from baseline_v1_live.core.messages import (
    BrokerOrder,
    BrokerStatus,
    BrokerTrade,
    OrderType,
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
        """Whether an order is said to be over and was not proven so: looked at again soon."""
        return any(order.state is OrderState.CLAIMED for order in self.orders.live())

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
            if order.state is not OrderState.CLAIMED or row is None or row.status not in _ENDED:
                continue
            trade = trades.get(row.broker_order_id)
            known = 0 if trade is None else trade.filled_quantity
            told = order.changed_at_ms <= snapshot.asked_at_ms and known == order.filled_quantity
            if not told or not self._position_fits(order.symbol, read):
                continue
            look = before.get(order.order_id)
            if look is None or look.status is not row.status:
                look = _Look(row.status, snapshot.asked_at_ms)
            self._looks[order.order_id] = look
            if snapshot.asked_at_ms >= look.at_ms + _LOOKS_APART_MS:
                self._prove(order, row.status, row.quantity, row.message, trade)

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

    def _prove(
        self,
        order: Order,
        status: BrokerStatus,
        quantity: int,
        message: str,
        trade: BrokerTrade | None,
    ) -> None:
        assert order.broker_order_id is not None
        market = order.order_type is OrderType.MARKET
        self.orders.on_updated(
            OrderUpdated(
                broker_order_id=order.broker_order_id,
                symbol=order.symbol,
                status=status,
                order_id=order.order_id,
                filled_quantity=0 if trade is None else trade.filled_quantity,
                filled_value_paise=0 if trade is None else trade.filled_value_paise,
                quantity=quantity,
                trigger_price_paise=order.trigger_price_paise,
                limit_price_paise=None if market else order.limit_price_paise,
                proven=True,
                message=message,
            )
        )
