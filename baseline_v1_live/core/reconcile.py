"""Compares what we believe with a complete snapshot of the broker, and names every difference.

It only finds; the resolution of each finding has its own name in core/reconciler.py. Nothing is
concluded from a row that is missing, and what was touched a moment ago is left alone for a round.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from baseline_v1_live.core.messages import (
    BrokerOrder,
    BrokerStatus,
    OrderType,
    SnapshotTaken,
)
from baseline_v1_live.core.order import Order
from baseline_v1_live.core.order_states import OrderState

_MATCH_EARLY_MS = 2_000
_OVER = frozenset({BrokerStatus.COMPLETE, BrokerStatus.CANCELLED, BrokerStatus.REJECTED})


class FillMissed(msgspec.Struct, frozen=True):
    """The trade book has more fills of our order than we know."""

    order: Order
    filled_quantity: int
    filled_value_paise: int


class StatusDiffers(msgspec.Struct, frozen=True):
    """The order book says something else of our live order than we believe: a claim to be proven."""

    order: Order
    status: BrokerStatus
    message: str


class OrderMissing(msgspec.Struct, frozen=True):
    """Our live order is not in the order book. It proves nothing; the order is asked for."""

    order: Order


class OrderFound(msgspec.Struct, frozen=True):
    """An order of unknown outcome is at the broker under this id."""

    order: Order
    broker_order_id: str


class OrderAbsent(msgspec.Struct, frozen=True):
    """An order of unknown outcome is in no book although the gateway's horizon has passed."""

    order: Order


class ShortOfOurs(msgspec.Struct, frozen=True):
    """The broker's net short in a symbol is smaller than ours: somebody closed a part."""

    symbol: str
    quantity: int


class MoreThanOurs(msgspec.Struct, frozen=True):
    """The broker's net position in a symbol is not explained by us; it is not ours to touch."""

    symbol: str
    net_quantity: int
    ours: int


Finding = (
    FillMissed
    | StatusDiffers
    | OrderMissing
    | OrderFound
    | OrderAbsent
    | ShortOfOurs
    | MoreThanOurs
)


def compare(
    orders: Iterable[Order],
    open_short: Mapping[str, int],
    snapshot: SnapshotTaken,
    *,
    grace_ms: int,
    horizon_ms: int,
) -> tuple[Finding, ...]:
    """All differences between our beliefs and a snapshot.

    ``orders`` are all orders of the session, ``open_short`` our open short quantity by symbol (units,
    positive; negative for a long of ours). Orders changed within ``grace_ms`` before the snapshot was
    asked for, and the positions of their symbols, are skipped: news of them may be on its way.
    """
    all_orders = list(orders)
    untouched_ms = snapshot.asked_at_ms - grace_ms
    busy = {
        order.symbol
        for order in all_orders
        if order.changed_at_ms > untouched_ms
        or order.unanswered
        or order.state is OrderState.CLAIMED
    }
    findings: list[Finding] = []
    findings += _fills(all_orders, snapshot)
    findings += _rows(all_orders, snapshot, untouched_ms)
    mismatched: set[str] = set()
    for finding in _positions(open_short, snapshot):
        mismatched.add(finding.symbol)
        if finding.symbol not in busy:
            findings.append(finding)
    findings += _unknowns(all_orders, snapshot, mismatched, horizon_ms)
    return tuple(findings)


def _fills(orders: list[Order], snapshot: SnapshotTaken) -> list[FillMissed]:
    trades = {trade.broker_order_id: trade for trade in snapshot.trades}
    found = []
    for order in orders:
        trade = trades.get(order.broker_order_id or "")
        if trade is not None and trade.filled_quantity > order.filled_quantity:
            found.append(FillMissed(order, trade.filled_quantity, trade.filled_value_paise))
    return found


def _rows(
    orders: list[Order], snapshot: SnapshotTaken, untouched_ms: int
) -> list[StatusDiffers | OrderMissing]:
    rows = {row.broker_order_id: row for row in snapshot.orders}
    found: list[StatusDiffers | OrderMissing] = []
    for order in orders:
        if not order.resting or order.broker_order_id is None:
            continue
        if order.changed_at_ms > untouched_ms:
            continue
        row = rows.get(order.broker_order_id)
        if row is None:
            found.append(OrderMissing(order))
        elif row.status in _OVER or (
            row.status is BrokerStatus.OPEN and order.state is OrderState.TRIGGER_PENDING
        ):
            found.append(StatusDiffers(order, row.status, row.message))
    return found


def _unknowns(
    orders: list[Order], snapshot: SnapshotTaken, mismatched: set[str], horizon_ms: int
) -> list[OrderFound | OrderAbsent]:
    known = {order.broker_order_id for order in orders if order.broker_order_id}
    found: list[OrderFound | OrderAbsent] = []
    for order in orders:
        if order.state is not OrderState.UNKNOWN or order.broker_order_id is not None:
            continue
        match = next(
            (
                row
                for row in snapshot.orders
                if row.broker_order_id not in known and _same_order(order, row)
            ),
            None,
        )
        if match is not None:
            known.add(match.broker_order_id)
            found.append(OrderFound(order, match.broker_order_id))
        elif (
            snapshot.asked_at_ms >= order.placed_at_ms + horizon_ms
            and order.symbol not in mismatched
        ):
            found.append(OrderAbsent(order))
    return found


def _same_order(order: Order, row: BrokerOrder) -> bool:
    """Whether a row has our order's signature; gateways without a client id leave nothing else."""
    if (row.symbol, row.side, row.quantity) != (order.symbol, order.side, order.quantity):
        return False
    if row.placed_at_ms is not None and row.placed_at_ms < order.placed_at_ms - _MATCH_EARLY_MS:
        return False
    if order.order_type is OrderType.MARKET:
        # Brokers turn market orders into protected limit orders, with a price of their own.
        return row.order_type in (OrderType.MARKET, OrderType.LIMIT)
    return (row.order_type, row.trigger_price_paise, row.limit_price_paise) == (
        order.order_type,
        order.trigger_price_paise,
        order.limit_price_paise,
    )


def _positions(
    open_short: Mapping[str, int], snapshot: SnapshotTaken
) -> list[ShortOfOurs | MoreThanOurs]:
    net = {position.symbol: position.net_quantity for position in snapshot.positions}
    found: list[ShortOfOurs | MoreThanOurs] = []
    for symbol in sorted(net.keys() | open_short.keys()):
        ours, theirs = open_short.get(symbol, 0), -net.get(symbol, 0)
        if ours > 0 and theirs < ours:
            found.append(ShortOfOurs(symbol, ours - max(theirs, 0)))
        elif theirs != ours:
            found.append(MoreThanOurs(symbol, -theirs, ours))
    return found
