"""Orders of ours and books of the broker, as the tests compare them (core/reconcile.py)."""

from __future__ import annotations

from typing import Any

from baseline_v1_live.core.messages import (
    BrokerOrder,
    BrokerPosition,
    BrokerStatus,
    BrokerTrade,
    OrderType,
    Purpose,
    Side,
    SnapshotTaken,
)
from baseline_v1_live.core.net_positions import read_net
from baseline_v1_live.core.order import Order, Terms
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.core.reconcile import Finding, compare
from tests.harness_market import C260, P260

CALL, PUT = C260, P260
NOW = 1_798_520_000_000
LONG_AGO = NOW - 600_000
GRACE, HORIZON = 5_000, 130_000
S = OrderState


def order(broker_order_id: str | None = "X1", **known: Any) -> Order:
    """A protective stop of ours, resting since long ago."""
    values: dict[str, Any] = {
        "order_id": f"ours-{broker_order_id}",
        "symbol": CALL,
        "side": Side.BUY,
        "order_type": OrderType.SL,
        "purpose": Purpose.STOP,
        "quantity": 650,
        "trigger_price_paise": 14_000,
        "limit_price_paise": 14_300,
        "reason": "",
        "position_id": "position",
        "placed_at_ms": LONG_AGO,
        "changed_at_ms": LONG_AGO,
        "state": S.TRIGGER_PENDING,
        "broker_order_id": broker_order_id,
    }
    return Order(**(values | known))


def unknown(**known: Any) -> Order:
    """An order whose placement was never answered, sent ten seconds ago."""
    sent = {"placed_at_ms": NOW - 10_000, "changed_at_ms": NOW - 10_000}
    return order(None, state=S.UNKNOWN, **(sent | known))


def row(broker_order_id: str = "X1", **shown: Any) -> BrokerOrder:
    values: dict[str, Any] = {
        "symbol": CALL,
        "side": Side.BUY,
        "order_type": OrderType.SL,
        "quantity": 650,
        "trigger_price_paise": 14_000,
        "limit_price_paise": 14_300,
        "status": BrokerStatus.TRIGGER_PENDING,
    }
    return BrokerOrder(broker_order_id=broker_order_id, **(values | shown))


def trade(quantity: int, broker_order_id: str = "X1") -> BrokerTrade:
    return BrokerTrade(
        broker_order_id=broker_order_id,
        symbol=CALL,
        side=Side.BUY,
        filled_quantity=quantity,
        filled_value_paise=quantity * 14_100,
    )


def books(
    *rows: BrokerOrder,
    trades: tuple[BrokerTrade, ...] = (),
    at_ms: int = NOW,
    **net: int,
) -> SnapshotTaken:
    """The broker's books; net quantities by symbol."""
    positions = tuple(BrokerPosition(symbol=s, net_quantity=n) for s, n in net.items())
    return SnapshotTaken(asked_at_ms=at_ms, orders=rows, trades=trades, positions=positions)


def find(
    orders: list[Order],
    snapshot: SnapshotTaken,
    short: dict[str, int] | None = None,
    *,
    is_open: bool = True,
    is_traded: bool = False,
    heard: dict[str, int] | None = None,
    first_terms: dict[str, Terms] | None = None,
) -> tuple[Finding, ...]:
    return compare(
        orders,
        short or {},
        snapshot,
        read_net(orders, short or {}, snapshot),
        grace_ms=GRACE,
        horizon_ms=HORIZON,
        is_open=lambda _: is_open,
        is_traded=lambda _: is_traded,
        heard=heard or {},
        first_terms=first_terms or {},
    )
