"""The gateway's books: orders with their fills, and net positions by symbol and product.

They are fed by the exchange's events only, so they can never know more than a broker would say.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from baseline_v1_live.core.messages import BrokerStatus, OrderUpdated, Side

OVER = frozenset({BrokerStatus.COMPLETE, BrokerStatus.CANCELLED, BrokerStatus.REJECTED})


@dataclass(frozen=True)
class Fill:
    """One trade."""

    trade_id: str
    at_ms: int
    quantity: int
    value_paise: int

    @property
    def price(self) -> float:
        """Rupees a unit."""
        return self.value_paise / self.quantity / 100


@dataclass(kw_only=True)
class BookOrder:
    """An order as the gateway knows it. ``reference_paise``: last price when it was placed."""

    orderid: str
    symbol: str
    exchange: str
    action: Side
    quantity: int
    price_paise: int
    trigger_paise: int
    pricetype: str
    product: str
    strategy: str
    placed_ms: int
    changed_ms: int
    reference_paise: int
    exchange_id: str = ""
    status: BrokerStatus = BrokerStatus.OPEN
    filled_quantity: int = 0
    filled_value_paise: int = 0
    rejection_reason: str = ""
    fills: list[Fill] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether nothing more can happen to it."""
        return self.status in OVER

    @property
    def remaining(self) -> int:
        """Quantity that is not filled; 0 when the order is over."""
        return 0 if self.over else self.quantity - self.filled_quantity

    @property
    def average_price(self) -> float:
        """Rupees a unit over all fills, 0.0 without any."""
        if not self.filled_quantity:
            return 0.0
        return round(self.filled_value_paise / self.filled_quantity / 100, 4)


@dataclass
class BookPosition:
    """Net position of one symbol and product: ``cost_paise`` is what the open quantity cost."""

    symbol: str
    exchange: str
    product: str
    quantity: int = 0
    cost_paise: float = 0.0
    realised_paise: float = 0.0

    @property
    def average_price(self) -> float:
        """Rupees a unit of the open quantity, 0.0 when flat."""
        return round(self.cost_paise / abs(self.quantity) / 100, 4) if self.quantity else 0.0

    def unrealised(self, ltp_paise: int) -> float:
        """Rupees that closing at this price would bring."""
        sign = 1 if self.quantity > 0 else -1
        return (ltp_paise * abs(self.quantity) - self.cost_paise) * sign / 100

    def take(self, side: Side, quantity: int, value_paise: int) -> None:
        """Take a fill: what is against the open quantity closes it, the rest opens."""
        signed = quantity if side is Side.BUY else -quantity
        closing = min(quantity, abs(self.quantity)) if self.quantity * signed < 0 else 0
        price = value_paise / quantity
        if closing:
            held = 1 if self.quantity > 0 else -1
            cost = self.cost_paise * closing / abs(self.quantity)
            self.realised_paise += (price * closing - cost) * held
            self.cost_paise -= cost
        self.cost_paise += price * (quantity - closing)
        self.quantity += signed


class Books:
    """Orders by their gateway id in the order of placement, and positions."""

    def __init__(self) -> None:
        self.orders: dict[str, BookOrder] = {}
        self.positions: dict[tuple[str, str], BookPosition] = {}
        self._by_exchange_id: dict[str, BookOrder] = {}

    def add(self, order: BookOrder, exchange_id: str) -> None:
        """Book an order that the exchange took."""
        order.exchange_id = exchange_id
        self.orders[order.orderid] = order
        self._by_exchange_id[exchange_id] = order

    def known_as(self, exchange_id: str) -> BookOrder:
        """The order that the exchange names so."""
        return self._by_exchange_id[exchange_id]

    def take(self, event: OrderUpdated, at_ms: int, trade_id: str) -> BookOrder | None:
        """Take the exchange's word; the order when its status or its fills changed, else None."""
        order = self.known_as(event.broker_order_id)
        was = (order.status, order.filled_quantity)
        filled = event.filled_quantity or 0
        quantity = filled - order.filled_quantity
        if quantity > 0:
            value = (event.filled_value_paise or 0) - order.filled_value_paise
            order.fills.append(Fill(trade_id, at_ms, quantity, value))
            order.filled_quantity, order.filled_value_paise = filled, event.filled_value_paise or 0
            self.position(order.symbol, order.exchange, order.product).take(
                order.action, quantity, value
            )
        order.status = event.status
        order.rejection_reason = event.message
        return order if (order.status, order.filled_quantity) != was else None

    def position(self, symbol: str, exchange: str, product: str) -> BookPosition:
        """The position's row, made when it is not there yet."""
        return self.positions.setdefault((symbol, product), BookPosition(symbol, exchange, product))

    def held(self, symbol: str, product: str) -> int:
        """Signed net quantity."""
        position = self.positions.get((symbol, product))
        return position.quantity if position else 0
