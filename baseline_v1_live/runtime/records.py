"""What a journal keeps of orders, positions and trades: one value a row, its fields the columns.

Prices are paise, values are Σ price x quantity in paise, instants are epoch milliseconds; a
session is its date, such as ``2026-12-29``.
"""

from __future__ import annotations

import msgspec

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.instruments import OptionType
from baseline_v1_live.core.messages import OrderType, Purpose, Side
from baseline_v1_live.core.order import Order
from baseline_v1_live.core.position import Position


class OrderRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One order of ours as it stands now. Fields are the columns of ``orders``."""

    order_id: str
    session: str
    symbol: str
    side: Side
    order_type: OrderType
    purpose: Purpose
    quantity: int
    trigger_price_paise: int
    limit_price_paise: int
    state: str
    broker_order_id: str | None = None
    position_id: str | None = None
    filled_quantity: int = 0
    filled_value_paise: int = 0
    placed_at_ms: int | None = None
    closed_at_ms: int | None = None
    reason: str = ""
    message: str = ""


class PositionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One position as it stands now; ``quantity`` is what is open, negative when short."""

    position_id: str
    session: str
    symbol: str
    option_type: OptionType
    lot_size: int
    quantity: int
    sold_quantity: int
    sold_value_paise: int
    bought_quantity: int
    bought_value_paise: int
    stop_trigger_paise: int
    swing_low_paise: int
    risk_per_unit_paise: int
    opened_at_ms: int
    closed_at_ms: int | None = None
    exit_reason: str | None = None


class TradeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One position from its entry to its exit; values are Σ price x quantity."""

    position_id: str
    session: str
    symbol: str
    quantity: int
    entry_value_paise: int
    exit_value_paise: int
    entry_at_ms: int
    exit_at_ms: int
    stop_trigger_paise: int
    exit_reason: str
    pnl_paise: int
    r_milli: int


Changes = tuple[list[OrderRecord], list[PositionRecord], list[TradeRecord]]


def take_changes(engine: Engine) -> Changes:
    """The orders, positions and finished trades that changed since the last call."""
    session = engine.session.date.isoformat()
    orders = [_order(order, session) for order in engine.orders.changed.values()]
    changed = list(engine.positions.changed.values())
    engine.orders.changed.clear()
    engine.positions.changed.clear()
    positions = [_position(position, session) for position in changed]
    trades = [_trade(position, session) for position in changed if position.closed]
    return orders, positions, trades


def _order(order: Order, session: str) -> OrderRecord:
    return OrderRecord(
        order_id=order.order_id,
        session=session,
        symbol=order.symbol,
        side=order.side,
        order_type=order.order_type,
        purpose=order.purpose,
        quantity=order.quantity,
        trigger_price_paise=order.trigger_price_paise,
        limit_price_paise=order.limit_price_paise,
        state=order.state,
        broker_order_id=order.broker_order_id,
        position_id=order.position_id,
        filled_quantity=order.filled_quantity,
        filled_value_paise=order.filled_value_paise,
        placed_at_ms=order.placed_at_ms,
        closed_at_ms=order.closed_at_ms,
        reason=order.reason,
        message=order.message,
    )


def _position(position: Position, session: str) -> PositionRecord:
    return PositionRecord(
        position_id=position.position_id,
        session=session,
        symbol=position.symbol,
        option_type=position.option_type,
        lot_size=position.lot_size,
        quantity=-position.open_quantity,
        sold_quantity=position.entry_quantity + position.correction_quantity,
        sold_value_paise=position.entry_value_paise + position.correction_value_paise,
        bought_quantity=position.exit_quantity + position.external_quantity,
        bought_value_paise=position.exit_value_paise + position.external_value_paise,
        stop_trigger_paise=position.stop_trigger_paise,
        swing_low_paise=position.swing_low_paise,
        risk_per_unit_paise=position.risk_per_unit_paise,
        opened_at_ms=position.opened_at_ms,
        closed_at_ms=position.closed_at_ms,
        exit_reason=position.exit_reason or None,
    )


def _trade(position: Position, session: str) -> TradeRecord:
    assert position.closed_at_ms is not None
    return TradeRecord(
        position_id=position.position_id,
        session=session,
        symbol=position.symbol,
        quantity=position.entry_quantity,
        entry_value_paise=position.entry_value_paise,
        exit_value_paise=position.exit_value_paise + position.external_value_paise,
        entry_at_ms=position.opened_at_ms,
        exit_at_ms=position.closed_at_ms,
        stop_trigger_paise=position.stop_trigger_paise,
        exit_reason=position.exit_reason,
        pnl_paise=position.pnl_paise,
        r_milli=position.r_milli,
    )
