"""What an account's own history says of the bot that traded it: shorts without cover, longs, stops that
guard nothing, entries twice.

The rows are those of ``GET /sim/audit``, in their order; what the bot believed plays no part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_Row = Mapping[str, Any]
_CHANGES = frozenset({"order", "fill"})
_WAITS = "trigger pending"
_LIVE = frozenset({"open", _WAITS})


class Interval(NamedTuple):
    """A time in which a symbol stood as it should not; ``quantity``: the most by which it did.

    It lasts from its first to its last millisecond; what never ended goes to the end of the history.
    """

    symbol: str
    from_ms: int
    to_ms: int
    quantity: int


class Duplicate(NamedTuple):
    """Entries that were live together; ``scope`` is the symbol, or the option type, they share."""

    at_ms: int
    scope: str
    orderids: tuple[str, ...]


class SoldAgain(NamedTuple):
    """A sale that was asked for while ``short`` units of its symbol were short already."""

    at_ms: int
    symbol: str
    short: int


@dataclass
class _Symbol:
    """Net position and the live orders with what is left of them, by order id; ``stops`` are the BUY
    orders that wait for their trigger.
    """

    net: int = 0
    buys: dict[str, int] = field(default_factory=dict)
    stops: dict[str, int] = field(default_factory=dict)
    entries: list[str] = field(default_factory=list)

    @property
    def bare(self) -> int:
        return max(-self.net - sum(self.buys.values()), 0)

    @property
    def idle(self) -> int:
        return max(sum(self.stops.values()) - max(-self.net, 0), 0)

    def take(self, row: _Row) -> None:
        """Take a fill or an order's new state."""
        buys, orderid = row["side"] == "BUY", row["orderid"]
        if row["kind"] == "fill":
            self.net += row["quantity"] if buys else -row["quantity"]
            return
        self.stops.pop(orderid, None)
        if row["status"] not in _LIVE:
            self.buys.pop(orderid, None)
            if orderid in self.entries:
                self.entries.remove(orderid)
        elif buys:
            self.buys[orderid] = row["quantity"] - row["filled_quantity"]
            if row["status"] == _WAITS:
                self.stops[orderid] = self.buys[orderid]
        elif self.net <= 0 and orderid not in self.entries:
            self.entries.append(orderid)  # Against a long it would be a correction.


def naked_intervals(rows: Iterable[_Row], end_ms: int | None = None) -> list[Interval]:
    """When the account was net short by more than its live BUY orders would buy back, by symbol.

    A stop that waits for its trigger covers like an exit that is being worked. ``end_ms``: end of the
    history, None for its last row. What lasted no millisecond is left out; so it is below.
    """
    return _intervals(rows, end_ms, lambda state: state.bare)


def long_intervals(rows: Iterable[_Row], end_ms: int | None = None) -> list[Interval]:
    """When the account was net long; whoever only sells and buys back never means to be."""
    return _intervals(rows, end_ms, lambda state: max(state.net, 0))


def idle_stop_intervals(rows: Iterable[_Row], end_ms: int | None = None) -> list[Interval]:
    """When the stops that wait for their trigger would buy more than was short, by symbol; without a
    short that is all of them.
    """
    return _intervals(rows, end_ms, lambda state: state.idle)


def second_stop_intervals(rows: Iterable[_Row], end_ms: int | None = None) -> list[Interval]:
    """When more than one stop of a symbol waited for its trigger; ``quantity`` counts those beyond it."""
    return _intervals(rows, end_ms, lambda state: max(len(state.stops) - 1, 0))


def _intervals(
    rows: Iterable[_Row], end_ms: int | None, wrong: Callable[[_Symbol], int]
) -> list[Interval]:
    symbols: dict[str, _Symbol] = {}
    began: dict[str, tuple[int, int]] = {}
    found: list[Interval] = []
    last_ms = 0
    for row in rows:
        last_ms = row["at_ms"]
        if row["kind"] not in _CHANGES:
            continue
        name = row["symbol"]
        state = symbols.setdefault(name, _Symbol())
        state.take(row)
        if by := wrong(state):
            from_ms, most = began.get(name, (last_ms, 0))
            began[name] = (from_ms, max(most, by))
        elif name in began:
            from_ms, most = began.pop(name)
            found.append(Interval(name, from_ms, last_ms, most))
    end_ms = last_ms if end_ms is None else end_ms
    found += [Interval(name, from_ms, end_ms, most) for name, (from_ms, most) in began.items()]
    return sorted((n for n in found if n.to_ms > n.from_ms), key=lambda n: (n.from_ms, n.symbol))


def duplicate_entries(rows: Iterable[_Row]) -> list[Duplicate]:
    """Every time a SELL entry came alive beside another one of its symbol, or else option type."""
    symbols: dict[str, _Symbol] = {}
    found: list[Duplicate] = []
    for row in rows:
        if row["kind"] not in _CHANGES:
            continue
        name = row["symbol"]
        state = symbols.setdefault(name, _Symbol())
        before = len(state.entries)
        state.take(row)
        if len(state.entries) <= before:
            continue
        kind = name[-2:]
        alike = [entry for s, its in symbols.items() if s[-2:] == kind for entry in its.entries]
        if before:
            found.append(Duplicate(row["at_ms"], name, tuple(state.entries)))
        elif len(alike) > 1:
            found.append(Duplicate(row["at_ms"], kind, tuple(alike)))
    return found


def sold_again(rows: Iterable[_Row]) -> list[SoldAgain]:
    """Every call that asked to sell a symbol while it was short already.

    The short was there before the call arrived. Whoever waits for an entry's proven end before it sends
    another one knows what the first has sold.
    """
    net: Counter[str] = Counter()
    found: list[SoldAgain] = []
    for row in rows:
        if row["kind"] == "fill":
            net[row["symbol"]] += row["quantity"] if row["side"] == "BUY" else -row["quantity"]
        elif row["kind"] == "request" and row["endpoint"] == "placeorder":
            name, action = row["body"].get("symbol"), row["body"].get("action")
            if action == "SELL" and net[name] < 0:
                found.append(SoldAgain(row["at_ms"], name, -net[name]))
    return found
