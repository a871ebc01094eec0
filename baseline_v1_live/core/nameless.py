"""Which rows and trades of the broker's books may belong to an order of ours that nobody has named yet.

Gateways without a client id leave nothing but the order's signature. What the books or the stream have
shown before an order of ours was placed is never that order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from baseline_v1_live.core.messages import BrokerOrder, OrderType, SnapshotTaken
from baseline_v1_live.core.order import Order, Terms

# A row's time is the broker's, in whole seconds and by another clock, and for some brokers it is that of
# the order's last change. So it decides little: what was there before has been heard of before.
_MATCH_EARLY_MS = 120_000
# A row from so far in our future shows that the clocks disagree: then its time says nothing.
_CLOCKS_DISAGREE_MS = 60_000


class Nameless:
    """Matches orders without a broker's id with the rows and trades of one snapshot.

    ``orders`` are all orders of the session in the order of their placement, ``heard`` how many of them
    there were when a broker's id was first heard, ``first_terms`` what it was told with then: somebody
    may have changed the order since. ``known`` are the ids that have an order of ours.
    """

    def __init__(
        self,
        orders: Sequence[Order],
        snapshot: SnapshotTaken,
        heard: Mapping[str, int],
        first_terms: Mapping[str, Terms],
        horizon_ms: int,
    ) -> None:
        self.known = {order.broker_order_id for order in orders if order.broker_order_id}
        self._waiting = [o for o in orders if o.unanswered and o.broker_order_id is None]
        self._placed = {order.order_id: number for number, order in enumerate(orders)}
        self._snapshot = snapshot
        self._heard = heard
        self._first_terms = first_terms
        self._horizon_ms = horizon_ms

    def rows(self, order: Order) -> list[BrokerOrder]:
        """The rows that are nobody's and may be this order, or its own where it has a name."""
        if order.broker_order_id is not None:
            name = order.broker_order_id
            return [row for row in self._snapshot.orders if row.broker_order_id == name]
        return [
            row
            for row in self._snapshot.orders
            if row.broker_order_id not in self.known and self._fits(order, row)
        ]

    def is_sought(self, row: BrokerOrder) -> bool:
        """Whether a row may be any of the orders that are not named yet, whatever its time says: one
        of the two clocks may be wrong.
        """
        return any(self._fits(order, row, timed=False) for order in self._waiting)

    def traded(self, order: Order, *, shown: bool = True) -> bool:
        """Whether the trade book has a trade like this order that is nobody's, and not that of a row
        with another type or another price. Without ``shown`` only one whose row is missing counts.
        """
        rows = {row.broker_order_id for row in self._snapshot.orders}
        return any(
            trade.broker_order_id not in self.known
            and (shown or trade.broker_order_id not in rows)
            and not self._was_there(order, trade.broker_order_id)
            and not self._shown_otherwise(order, trade.broker_order_id)
            and (trade.symbol, trade.side, trade.filled_quantity)
            == (order.symbol, order.side, order.quantity)
            for trade in self._snapshot.trades
        )

    def explained(self, symbol: str) -> bool:
        """Whether each trade of a symbol is surely known, or surely somebody else's.

        A trade whose order the order book does not show may be anybody's.
        """
        rows = {row.broker_order_id: row for row in self._snapshot.orders}
        strangers = [
            trade.broker_order_id
            for trade in self._snapshot.trades
            if trade.symbol == symbol and trade.broker_order_id not in self.known
        ]
        return all(name in rows and not self.is_sought(rows[name]) for name in strangers)

    def _shown_otherwise(self, order: Order, broker_order_id: str) -> bool:
        rows = (row for row in self._snapshot.orders if row.broker_order_id == broker_order_id)
        row = next(rows, None)
        if row is None or order.order_type is OrderType.MARKET:
            return False
        return row.limit_price_paise != order.limit_price_paise

    def _was_there(self, order: Order, broker_order_id: str) -> bool:
        """Whether the broker has told of this id before the order was placed."""
        heard = self._heard.get(broker_order_id)
        return heard is not None and heard <= self._placed[order.order_id]

    def _after_ms(self, order: Order, row: BrokerOrder) -> int:
        at_ms = row.placed_at_ms
        if at_ms is None or at_ms > self._snapshot.asked_at_ms + _CLOCKS_DISAGREE_MS:
            return 0
        return at_ms - order.placed_at_ms

    def _fits(self, order: Order, row: BrokerOrder, *, timed: bool = True) -> bool:
        if (row.symbol, row.side) != (order.symbol, order.side):
            return False
        shown = (row.quantity, row.trigger_price_paise, row.limit_price_paise)
        terms = {shown, self._first_terms.get(row.broker_order_id, shown)}
        if order.quantity not in {quantity for quantity, _, _ in terms}:
            return False
        if self._was_there(order, row.broker_order_id):
            return False
        after_ms = self._after_ms(order, row) if timed else 0
        if order.order_type is OrderType.MARKET:
            # Brokers turn market orders into protected limit orders, with a price of their own.
            in_time = -_MATCH_EARLY_MS <= after_ms <= self._horizon_ms
            return in_time and row.order_type in (OrderType.MARKET, OrderType.LIMIT)
        if after_ms < -_MATCH_EARLY_MS:
            return False
        sent = (order.quantity, order.trigger_price_paise, order.limit_price_paise)
        return row.order_type is order.order_type and sent in terms
