"""What an account's own history says of the bot that traded it: shorts without cover, entries twice.

The rows are those of ``GET /sim/audit``, in their order; what the bot believed plays no part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_LIVE = frozenset({"open", "trigger pending"})


class Naked(NamedTuple):
    """A time in which a symbol was net short beyond its cover; ``quantity``: the most that was bare.

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


@dataclass
class _Symbol:
    """Net position and the live orders with what is left of them, by order id."""

    net: int = 0
    buys: dict[str, int] = field(default_factory=dict)
    entries: list[str] = field(default_factory=list)

    @property
    def bare(self) -> int:
        return max(-self.net - sum(self.buys.values()), 0)

    def take(self, row: Mapping[str, Any]) -> None:
        """Take a fill or an order's new state."""
        buys, orderid = row["side"] == "BUY", row["orderid"]
        if row["kind"] == "fill":
            self.net += row["quantity"] if buys else -row["quantity"]
        elif row["status"] not in _LIVE:
            self.buys.pop(orderid, None)
            if orderid in self.entries:
                self.entries.remove(orderid)
        elif buys:
            self.buys[orderid] = row["quantity"] - row["filled_quantity"]
        elif self.net <= 0 and orderid not in self.entries:
            self.entries.append(orderid)  # Against a long it would be a correction.


def naked_intervals(rows: Iterable[Mapping[str, Any]], end_ms: int | None = None) -> list[Naked]:
    """When the account was net short by more than its live BUY orders would buy back, by symbol.

    A stop that waits for its trigger covers like an exit that is being worked. ``end_ms``: end of the
    history, None for its last row. What lasted no millisecond is left out.
    """
    symbols: dict[str, _Symbol] = {}
    began: dict[str, tuple[int, int]] = {}
    found: list[Naked] = []
    last_ms = 0
    for row in rows:
        last_ms = row["at_ms"]
        if row["kind"] not in ("order", "fill"):
            continue
        name = row["symbol"]
        state = symbols.setdefault(name, _Symbol())
        state.take(row)
        if state.bare:
            from_ms, most = began.get(name, (last_ms, 0))
            began[name] = (from_ms, max(most, state.bare))
        elif name in began:
            from_ms, most = began.pop(name)
            found.append(Naked(name, from_ms, last_ms, most))
    end_ms = last_ms if end_ms is None else end_ms
    found += [Naked(name, from_ms, end_ms, most) for name, (from_ms, most) in began.items()]
    return sorted((n for n in found if n.to_ms > n.from_ms), key=lambda n: (n.from_ms, n.symbol))


def duplicate_entries(rows: Iterable[Mapping[str, Any]]) -> list[Duplicate]:
    """Every time a SELL entry came alive beside another one of its symbol, or else option type."""
    symbols: dict[str, _Symbol] = {}
    found: list[Duplicate] = []
    for row in rows:
        if row["kind"] not in ("order", "fill"):
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
