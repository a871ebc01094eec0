"""Orders of ours that no later process can know: the disk never took them before their process died, or
has lost them before they arrived.

Exits, stops and corrections do not wait for the disk. What left and was not stored by the end of its
process looks afterwards like somebody else's order; an entry never does, because it waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from baseline_v1_live.core.messages import PlaceOrder
from baseline_v1_live.runtime.records import Step
from baseline_v1_live.sim.openalgo_server.books import BookOrder

_Values = tuple[str, str, str, int, int, int]


@dataclass(eq=False)
class _Sent:
    values: _Values
    stored: bool
    dead: bool = False


class Forgotten:
    """``orderid in forgotten``: a dead process placed it and the disk does not have it."""

    def __init__(self) -> None:
        self._stored: set[str] = set()
        self._by_order_id: dict[str, _Sent] = {}
        self._on_their_way: list[_Sent] = []
        self._arrived: dict[str, _Sent] = {}

    def __contains__(self, orderid: str) -> bool:
        sent = self._arrived.get(orderid)
        return sent is not None and sent.dead and not sent.stored

    def moved(self, order: BookOrder) -> bool:
        """Whether it is one of them and somebody has changed it since: then it does not even stand where
        ours would, and cannot be told from somebody's own.
        """
        name = order.orderid
        return name in self and self._arrived[name].values != _values(order)

    def leaves(self, command: PlaceOrder) -> None:
        """An order leaves the machine."""
        stop, market = command.order_type == "SL", command.order_type == "MARKET"
        values = (
            command.symbol,
            str(command.side),
            str(command.order_type),
            command.quantity,
            command.trigger_price_paise if stop else 0,
            0 if market else command.limit_price_paise,
        )
        sent = _Sent(values, command.order_id in self._stored)
        self._by_order_id[command.order_id] = sent
        self._on_their_way.append(sent)

    def arrives(self, order: BookOrder) -> None:
        """The exchange tells of an order of ours; the first time it is still as it was sent."""
        if order.orderid in self._arrived:
            return
        values = _values(order)
        # Of two alike the newer one: the other would have been here long ago.
        for sent in reversed(self._on_their_way):
            if sent.values == values:
                self._on_their_way.remove(sent)
                self._arrived[order.orderid] = sent
                return

    def stored(self, steps: Sequence[Step]) -> None:
        """The journal says that it has these steps."""
        for record in (record for step in steps for record in step.orders):
            self._stored.add(record.order_id)
            if record.order_id in self._by_order_id:
                self._by_order_id[record.order_id].stored = True

    def lose_journal(self) -> None:
        """What the disk had of orders that are still on their way is gone."""
        for sent in self._on_their_way:
            sent.stored = False

    def new_process(self) -> None:
        """What the dead one has not stored will not be stored; names of orders begin anew."""
        for sent in self._by_order_id.values():
            sent.dead = True
        self._by_order_id.clear()
        self._stored.clear()


def _values(order: BookOrder) -> _Values:
    """What an order at the exchange looks like, in the words of a command."""
    stop, market = order.pricetype == "SL", order.pricetype == "MARKET"
    return (
        order.symbol,
        str(order.action),
        order.pricetype,
        order.quantity,
        order.trigger_paise if stop else 0,
        0 if market else order.price_paise,
    )
