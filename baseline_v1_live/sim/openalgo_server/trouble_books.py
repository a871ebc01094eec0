"""Books that fail or lie: empty ones, rows with another row's status, trades that are not there yet."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any, Protocol

from baseline_v1_live.core.messages import BrokerStatus
from baseline_v1_live.core.session import SECOND_MS
from baseline_v1_live.sim.openalgo_server.rest import Served
from baseline_v1_live.sim.openalgo_server.venue import Venue

BOOKS = frozenset({"orderbook", "tradebook", "positionbook"})
BROKEN = '{"status": "error", "message": "An unexpected error occurred"}'
_LAG_MS = 5 * SECOND_MS


class Odds(Protocol):
    """Says when which trouble strikes, and hears what came of it."""

    def strikes(self, name: str) -> bool:
        """Whether a trouble strikes this time; counted if so."""

    def during(self, name: str) -> bool:
        """Whether a trouble that lasts is there now."""

    def count(self, name: str) -> None:
        """A trouble has struck."""

    def looked(self, book: str) -> None:
        """A book was given out as it is."""


class BookLies:
    """Gives a book out as it is, or as a trouble makes it."""

    def __init__(self, venue: Venue, odds: Odds, chance: random.Random) -> None:
        self._venue, self._odds, self._chance = venue, odds, chance
        self._emptied: set[str] = set()
        self._leaked = False

    def told(self, endpoint: str, served: Served) -> Served:
        """The book that the gateway gives out for a good answer."""
        if self._odds.strikes("book_fails"):
            return Served(500, BROKEN)
        if self._comes_empty(endpoint):
            empty: Any = {"orders": [], "statistics": {}} if endpoint == "orderbook" else []
            return _with_data(served, lambda _: empty)
        if endpoint == "tradebook":
            young = self._young_trades()
            if young and self._odds.strikes("trades_late"):
                return _with_data(served, lambda rows: rows[:-young])
        elif endpoint == "orderbook":
            changed = self._another_status()
            if changed:
                served = _with_data(served, lambda data: _restated(data, changed))
        self._odds.looked(endpoint)
        return served

    def _comes_empty(self, endpoint: str) -> bool:
        if endpoint == "positionbook" and self._odds.during("positions_empty"):
            self._odds.count("positions_empty")
            return True
        # One book, one look: of books that lie together for long nobody can tell the truth.
        if not self._emptied and self._odds.strikes("book_empty"):
            self._emptied.add(endpoint)
            return True
        if endpoint in self._emptied:
            self._emptied.clear()
        return False

    def _young_trades(self) -> int:
        """How many trades of the last seconds there are; they are the last rows of the trade book."""
        since_ms = self._venue.now_ms - _LAG_MS
        orders = self._venue.books.orders.values()
        return sum(fill.at_ms > since_ms for order in orders for fill in order.fills)

    def _another_status(self) -> dict[str, str]:
        """What the order book says of which order instead of the truth."""
        orders = list(self._venue.books.orders.values())
        alive = [order for order in orders if not order.over]
        if not alive:
            return {}
        if self._odds.strikes("complete_untraded"):
            return {alive[0].orderid: BrokerStatus.COMPLETE.value}
        order = self._chance.choice(alive)
        others = sorted({o.status.value for o in orders} - {order.status.value})
        # The gateway's row is right again as soon as it knows the status, that is at the next look.
        if not others or self._leaked or not self._odds.strikes("status_leaks"):
            self._leaked = False
            return {}
        self._leaked = True
        return {order.orderid: self._chance.choice(others)}


def _restated(data: dict[str, Any], statuses: dict[str, str]) -> dict[str, Any]:
    for row in data["orders"]:
        row["order_status"] = statuses.get(row["orderid"], row["order_status"])
    return data


def _with_data(served: Served, change: Callable[[Any], Any]) -> Served:
    body = json.loads(served.text)
    body["data"] = change(body["data"])
    return served._replace(text=json.dumps(body))
