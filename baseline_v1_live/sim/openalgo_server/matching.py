"""The built-in exchange with the two manners that a gateway in front of it needs."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from baseline_v1_live.core.instruments import Contract
from baseline_v1_live.core.messages import (
    Side,
    Tick,
)
from baseline_v1_live.sim.exchange import Exchange, ExchangeModel


class GatewayExchange(Exchange):
    """Adds matching at placement, and a change of type that ends the wait for a trigger.

    The order book proper is the parent's: same checks, same fills, same events.
    """

    def __init__(self, contracts: Mapping[str, Contract], model: ExchangeModel) -> None:
        super().__init__(contracts, model)
        self._last: dict[str, Tick] = {}

    def on_tick(self, tick: Tick) -> None:
        """Match as ever, and remember the quote less what our own orders took of it."""
        book = list(self._book.get(tick.symbol, ()))
        before = [order.filled_quantity for order in book]
        super().on_tick(tick)
        taken = {Side.BUY: 0, Side.SELL: 0}
        for order, filled in zip(book, before, strict=True):
            taken[order.side] += order.filled_quantity - filled
        if self._is_trade(tick):
            self._last[tick.symbol] = _less(tick, taken)

    def match_now(self, exchange_order_id: str, at_ms: int) -> None:
        """Match one order against the quote that stands, as OpenAlgo's sandbox does at placement.

        Size that was taken from the quote before is not there a second time.
        """
        order = self.orders[exchange_order_id]
        tick = self._last.get(order.symbol)
        if tick is None or order.over:
            return
        before = order.filled_quantity
        self._match([order], msgspec.structs.replace(tick, at_ms=at_ms))
        self._last[order.symbol] = _less(tick, {order.side: order.filled_quantity - before})
        book = self._book[order.symbol]
        self._book[order.symbol] = [resting for resting in book if not resting.over]


def _less(tick: Tick, taken: dict[Side, int]) -> Tick:
    """The tick with less size on offer; a size that was never known stays unknown."""
    bought, sold = taken.get(Side.BUY, 0), taken.get(Side.SELL, 0)
    if not bought and not sold:
        return tick
    return msgspec.structs.replace(
        tick,
        ask_quantity=None if tick.ask_quantity is None else tick.ask_quantity - bought,
        bid_quantity=None if tick.bid_quantity is None else tick.bid_quantity - sold,
    )
