"""What a snapshot says of net positions, and where that is believed.

A position book has come empty, or without a row, while the position stood. So a row that is missing is
taken for zero only where the trade book shows the same; brokers that drop the rows of closed positions
still have the closing trades there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from baseline_v1_live.core.messages import Side, SnapshotTaken
from baseline_v1_live.core.order import Order


class NetRead(msgspec.Struct, frozen=True):
    """Signed net quantities (units) by symbol; a symbol that is not among them shows none.

    ``agreed`` are the symbols of which trade book and position book say the same. ``unclear`` are those
    that have no row although their trades do not show them closed, ``lacking`` those where the trade
    book lacks fills of ours that we know, and so may lack others.
    """

    net: Mapping[str, int]
    agreed: frozenset[str]
    unclear: frozenset[str]
    lacking: frozenset[str]


def read_net(
    orders: Iterable[Order], open_short: Mapping[str, int], snapshot: SnapshotTaken
) -> NetRead:
    """Read the positions of a snapshot, with the trade book as their witness.

    ``orders`` are all orders of the session, ``open_short`` our open short quantity by symbol (units,
    negative for a long of ours). A trade book that lacks a fill of ours is no witness for its symbol.
    """
    net = {position.symbol: position.net_quantity for position in snapshot.positions}
    traded: Counter[str] = Counter()
    for trade in snapshot.trades:
        sign = 1 if trade.side is Side.BUY else -1
        traded[trade.symbol] += sign * trade.filled_quantity
    booked = {trade.broker_order_id: trade.filled_quantity for trade in snapshot.trades}
    lacking = {
        order.symbol
        for order in orders
        if order.filled_quantity > booked.get(order.broker_order_id or "", 0)
    }
    held = {symbol for symbol, quantity in open_short.items() if quantity}
    agreed, unclear = set(), set()
    for symbol in net.keys() | traded.keys() | lacking | held:
        witnessed = symbol in traded and symbol not in lacking
        if symbol in net:
            if witnessed and traded[symbol] == net[symbol]:
                agreed.add(symbol)
        elif witnessed and _gone(traded[symbol], open_short.get(symbol, 0)):
            agreed.add(symbol)
        else:
            unclear.add(symbol)
    # One that lacks any fill of ours was cut, or came empty: what it does not have proves nothing.
    return NetRead(net, frozenset(agreed), frozenset(unclear), frozenset(lacking))


def _gone(traded: int, ours: int) -> bool:
    """Whether the day's trades leave nothing of what we hold: none at all, or the other way round."""
    return traded == 0 or (ours != 0 and (traded > 0) is (ours > 0))
