"""Orders as the tests of brokers send them: ten lots of one call, each otherwise only where it matters.

Another order is one of these with some fields replaced (``msgspec.structs.replace``), and a change of
an order is ``change_of``.
"""

from __future__ import annotations

from typing import Any

from baseline_v1_live.core.messages import ModifyOrder, OrderType, PlaceOrder, Purpose, Side
from tests.harness_market import C260

ENTRY = PlaceOrder(
    order_id="entry",
    symbol=C260,
    side=Side.SELL,
    order_type=OrderType.SL,
    purpose=Purpose.ENTRY,
    quantity=650,
    trigger_price_paise=12_995,
    limit_price_paise=12_695,
)
STOP = PlaceOrder(
    order_id="stop",
    symbol=C260,
    side=Side.BUY,
    order_type=OrderType.SL,
    purpose=Purpose.STOP,
    quantity=650,
    trigger_price_paise=14_000,
    limit_price_paise=14_300,
)
EXIT = PlaceOrder(
    order_id="exit",
    symbol=C260,
    side=Side.BUY,
    order_type=OrderType.MARKET,
    purpose=Purpose.EXIT,
    quantity=650,
)
SALE = PlaceOrder(
    order_id="sale",
    symbol=C260,
    side=Side.SELL,
    order_type=OrderType.MARKET,
    purpose=Purpose.ENTRY,
    quantity=650,
)


def change_of(order: PlaceOrder, broker_order_id: str, **fields: Any) -> ModifyOrder:
    """The order under the broker's id, as it was placed but for these fields."""
    values = {
        "order_id": order.order_id,
        "symbol": order.symbol,
        "side": order.side,
        "order_type": order.order_type,
        "purpose": order.purpose,
        "quantity": order.quantity,
        "trigger_price_paise": order.trigger_price_paise,
        "limit_price_paise": order.limit_price_paise,
    }
    return ModifyOrder(broker_order_id=broker_order_id, **(values | fields))
