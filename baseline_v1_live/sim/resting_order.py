"""An order in the book of the built-in exchange."""

from __future__ import annotations

from dataclasses import dataclass

from baseline_v1_live.core.messages import BrokerStatus, OrderType, Side

_OVER = frozenset({BrokerStatus.COMPLETE, BrokerStatus.CANCELLED, BrokerStatus.REJECTED})


@dataclass(kw_only=True)
class RestingOrder:
    """An order that the exchange took: as it stands in its book, or as it ended."""

    order_id: str
    broker_order_id: str
    symbol: str
    side: Side
    order_type: OrderType
    quantity: int
    trigger_price_paise: int
    limit_price_paise: int
    placed_at_ms: int
    status: BrokerStatus
    filled_quantity: int = 0
    filled_value_paise: int = 0
    message: str = ""

    @property
    def over(self) -> bool:
        """Whether it can fill no more."""
        return self.status in _OVER

    @property
    def remaining(self) -> int:
        """Units that are not filled."""
        return self.quantity - self.filled_quantity
