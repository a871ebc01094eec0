"""A desk that plays ticks and commands to the built-in exchange."""

from __future__ import annotations

from typing import Any, TypeVar

from baseline_v1_live.core.messages import (
    BrokerStatus,
    Command,
    Event,
    ModifyOrder,
    OrderRefused,
    OrderType,
    OrderUpdated,
    PlaceOrder,
    Purpose,
    Request,
    Side,
    Tick,
)
from baseline_v1_live.sim.exchange import Exchange, ExchangeModel
from tests.harness_market import C260, make_contract

SYMBOL = C260
T0 = 1_798_515_900_000
LATENCY = 50
BUY, SELL = Side.BUY, Side.SELL
MARKET, LIMIT, SL = OrderType.MARKET, OrderType.LIMIT, OrderType.SL
AnyOf = TypeVar("AnyOf", bound=Event)


class Desk:
    """Plays ticks and commands to an exchange and keeps what comes back, with its instants."""

    def __init__(self, **model: Any) -> None:
        settings = {"latency_ms": LATENCY} | model
        self.exchange = Exchange({SYMBOL: make_contract(SYMBOL)}, ExchangeModel(**settings))
        self.news: list[tuple[int, Event]] = []
        self.sent = 0
        self.now = 0

    def tick(self, at: int, ltp: int, **quote: int) -> None:
        self.wait(at)
        self.exchange.on_tick(Tick(at_ms=T0 + at, symbol=SYMBOL, ltp_paise=ltp, **quote))

    def wait(self, until: int) -> None:
        self.now = max(self.now, until)
        self.news += [(at - T0, event) for at, event in self.exchange.advance(T0 + until)]

    def send(self, command: Command, at: int = 0) -> None:
        self.wait(at)
        self.exchange.send(command, T0 + at)

    def place(self, side: Side, order_type: OrderType, at: int = 0, **values: Any) -> str:
        """Send an order; returns the id that the exchange will give it, if it accepts."""
        self.sent += 1
        fields: dict[str, Any] = {"symbol": SYMBOL, "purpose": Purpose.ENTRY, "quantity": 650}
        self.send(
            PlaceOrder(
                order_id=f"o{self.sent}", side=side, order_type=order_type, **(fields | values)
            ),
            at,
        )
        return f"X{self.sent:06d}"

    def modify(self, broker_order_id: str, side: Side, at: int, **values: Any) -> None:
        fields: dict[str, Any] = {
            "order_id": "m", "symbol": SYMBOL, "order_type": LIMIT, "quantity": 650,
            "trigger_price_paise": 0, "limit_price_paise": 0,
        }  # fmt: skip
        self.send(ModifyOrder(broker_order_id=broker_order_id, side=side, **(fields | values)), at)

    def all_of(self, kind: type[AnyOf]) -> list[AnyOf]:
        """News of one kind so far, what is on its way included."""
        self.wait(self.now + 10 * LATENCY)
        return [event for _, event in self.news if isinstance(event, kind)]

    def shown(self, broker_order_id: str) -> tuple[BrokerStatus, int, int]:
        """(status, filled quantity, filled value) by the newest report of an order."""
        reports = [e for e in self.all_of(OrderUpdated) if e.broker_order_id == broker_order_id]
        newest = reports[-1]
        return newest.status, newest.filled_quantity or 0, newest.filled_value_paise or 0

    def refusals(self) -> list[tuple[Request, str]]:
        return [(event.request, event.message) for event in self.all_of(OrderRefused)]


def complete(price: int, quantity: int = 650) -> tuple[BrokerStatus, int, int]:
    return BrokerStatus.COMPLETE, quantity, quantity * price


RESTS = (BrokerStatus.OPEN, 0, 0)
WAITS = (BrokerStatus.TRIGGER_PENDING, 0, 0)
