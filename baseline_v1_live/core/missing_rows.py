"""Positions whose row the broker's book does not have, without a trade that closed them.

Such a book is not believed: what covers and closes the position goes on as before, nothing is booked, and
the books are read again until they are clear. People are told once, because somebody has to look when
it lasts.
"""

from __future__ import annotations

from baseline_v1_live.core.messages import Level
from baseline_v1_live.core.reconcile import Finding, RowMissing
from baseline_v1_live.order_manager import OrderManager


class MissingRows:
    """``since_ms`` is when each of them was first seen missing, in one look after the other."""

    def __init__(self, orders: OrderManager) -> None:
        self.orders = orders
        self.since_ms: dict[str, int] = {}
        self._said: set[str] = set()

    @property
    def looked_at(self) -> bool:
        """Whether one is missing for the first time: looked at again soon."""
        return bool(self.since_ms.keys() - self._said)

    def resolve(self, findings: list[Finding]) -> None:
        """Take what one snapshot misses. At the second look in a row it is said."""
        missing = [finding for finding in findings if isinstance(finding, RowMissing)]
        before = self.since_ms
        now = self.orders.now_ms
        self.since_ms = {row.symbol: before.get(row.symbol, now) for row in missing}
        for symbol in sorted(self._said - self.since_ms.keys()):
            self.orders.say(
                Level.INFO,
                "RECONCILE",
                f"{symbol}: the position book is clear again",
                f"row_missing:{symbol}",
            )
        self._said &= self.since_ms.keys()
        for row in missing:
            if row.symbol in before and row.symbol not in self._said:
                self._said.add(row.symbol)
                self._tell(row)

    def _tell(self, row: RowMissing) -> None:
        held = (
            f"a {'short' if row.ours > 0 else 'long'} of {abs(row.ours)}" if row.ours else "trades"
        )
        self.orders.say(
            Level.CRITICAL,
            "RECONCILE",
            f"{row.symbol}: the position book has no row of it, but we know {held} there and the "
            "trade book shows no end of it; not believed, stops and exits stay. Look at the broker's "
            "own page if this lasts",
            f"row_missing:{row.symbol}",
        )
