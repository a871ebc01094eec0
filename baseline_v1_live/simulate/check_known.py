"""What a bot can know of its own orders: which got no answer, and what is left after a lost journal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.messages import (
    Command,
    Event,
    OrderAccepted,
    OrderRefused,
    OrderType,
    PlaceOrder,
    Request,
)
from baseline_v1_live.core.order import STRAY, Order
from baseline_v1_live.runtime.records import Step
from baseline_v1_live.runtime.recovery import ORDER
from baseline_v1_live.sim.openalgo_server.books import BookOrder
from baseline_v1_live.simulate.check_account import Ledger, is_ours
from baseline_v1_live.simulate.world import World


def looks_like(row: BookOrder, order: Order | PlaceOrder) -> bool:
    """Whether nothing but its id tells a row of the books from this order of ours."""
    alike = (row.symbol, row.action, row.quantity) == (order.symbol, order.side, order.quantity)
    if order.order_type is OrderType.MARKET:
        return alike and row.pricetype in ("MARKET", "LIMIT")
    prices = (order.trigger_price_paise, order.limit_price_paise)
    same = row.pricetype == order.order_type and (row.trigger_paise, row.price_paise) == prices
    return alike and same


class _Answer(NamedTuple):
    seq: int
    broker_order_id: str


class Answers:
    """Our placements as they were decided on, and the answers to them that the bot has heard. One that
    died with its process before it was on the disk was never heard.
    """

    def __init__(self) -> None:
        self._placed: dict[str, PlaceOrder] = {}
        self._heard: dict[str, _Answer] = {}
        self._unstored: dict[str, _Answer] = {}

    def hear(self, event: Event, commands: Sequence[Command]) -> None:
        """A step of the engine."""
        if isinstance(event, OrderAccepted | OrderRefused) and event.request is Request.PLACE:
            name = event.broker_order_id if isinstance(event, OrderAccepted) else ""
            answer = _Answer(event.seq, name)
            self._heard[event.order_id] = self._unstored[event.order_id] = answer
        for command in commands:
            if isinstance(command, PlaceOrder):
                # Ids begin anew where the journal was lost.
                self._placed[command.order_id] = command
                self._heard.pop(command.order_id, None)
                self._unstored.pop(command.order_id, None)

    def stored(self, steps: Iterable[Step]) -> None:
        """The journal has these steps. A later one carries the order again when its own was refused."""
        for step in steps:
            carried = {record.key for record in step.state if record.kind == ORDER}
            for order_id, answer in list(self._unstored.items()):
                later = order_id in carried and step.event.seq > answer.seq
                if later or step.event.seq == answer.seq:
                    del self._unstored[order_id]

    def new_process(self) -> None:
        """Another process begins."""
        for order_id in self._unstored:
            self._heard.pop(order_id, None)
        self._unstored.clear()

    def missing(self, order_id: str) -> PlaceOrder | None:
        """A placement that has no answer, None for one that has."""
        return None if order_id in self._heard else self._placed.get(order_id)

    def has_named(self, broker_order_id: str) -> bool:
        """Whether an answer told the bot that its order is the broker's order of this id."""
        return any(answer.broker_order_id == broker_order_id for answer in self._heard.values())


class Loss:
    """What a bot can know of the day after its journal was lost: what it has done since, apart from
    symbols in which it took over what was there.
    """

    def __init__(self, world: World, ledger: Ledger) -> None:
        self._world, self._ledger = world, ledger
        self._lost = False
        self._filled: dict[str, int] = {}
        self._value_paise: dict[str, int] = {}

    def begin(self) -> None:
        """A process begins without the journal of before."""
        self._lost = True
        orders = self._world.venue.books.orders.values()
        self._filled = {o.orderid: o.filled_quantity for o in orders if is_ours(o)}
        self._value_paise = {
            symbol: held.value_paise for symbol, held in self._ledger.symbols.items()
        }

    def forgot(self, orderid: str) -> bool:
        """Whether an order of ours is of before."""
        return orderid in self._filled

    def value_paise(self, symbol: str) -> int:
        """What our orders have sold of a symbol since, less what they bought."""
        return self._ledger.symbol(symbol).value_paise - self._value_paise.get(symbol, 0)

    def knows(self, engine: Engine, symbol: str) -> bool:
        """Whether nothing of before plays into a symbol's money: no position was taken over, no order of
        before has filled since, and none that was taken over for one of those.
        """
        if any(p.adopted and p.symbol == symbol for p in engine.positions.positions.values()):
            return False
        rows = self._world.venue.books.orders.values()
        return not self._lost or not any(
            self._unclear(engine, row) for row in rows if row.symbol == symbol
        )

    def _unclear(self, engine: Engine, row: BookOrder) -> bool:
        if row.orderid in self._filled:
            return row.filled_quantity != self._filled[row.orderid]
        order = engine.orders.by_broker_id(row.orderid)
        return order is not None and order.reason == STRAY and row.filled_quantity > 0
