"""What must hold of entries at the exchange: one of a type, within the limits, of no symbol that is held,
and none that rests when entries are forbidden.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import Session
from baseline_v1_live.sim.openalgo_server.books import BookOrder
from baseline_v1_live.simulate.check_account import Ledger, is_entry
from baseline_v1_live.simulate.check_base import Findings, Lasting
from baseline_v1_live.simulate.check_news import News
from baseline_v1_live.simulate.check_reach import asked
from baseline_v1_live.simulate.check_step import EntryGate
from baseline_v1_live.simulate.observe import Call

# How long after a trade that nobody could foresee a swing may be sold again.
_FORCED_MS = 60_000
CANCELLED_MS = 3_000


class Entries:
    """At most one entry works in a symbol; what works or is held stays within the rules' limits."""

    ONE = "no duplicate entry"
    TWO_TYPES = "one entry of a type"
    LIMITS = "limits hold at the exchange"

    def __init__(self, lasting: Lasting, rules: Rules) -> None:
        self._lasting, self._rules = lasting, rules

    def look(self, ledger: Ledger) -> None:
        """How the account stands now."""
        live = {
            name: sum(is_entry(order) for order in held.live.values())
            for name, held in ledger.symbols.items()
        }
        note = self._lasting.note
        for symbol, many in live.items():
            note(self.ONE, symbol, many > 1, f"has {many} entries that work", real=many > 0)
        busy = {name for name, held in ledger.symbols.items() if held.sure > 0 or live[name]}
        rules = self._rules
        for kind, most in (("CE", rules.positions_ce_max), ("PE", rules.positions_pe_max)):
            entries = [name for name, many in live.items() if many and name.endswith(kind)]
            alike = [name for name in busy if name.endswith(kind)]
            worst = max(entries, default="")
            what = f"entries work in {', '.join(sorted(entries))}"
            real = bool(entries)
            note(self.TWO_TYPES, kind, len(entries) > 1, what, symbol=worst, real=real)
            over, what = len(alike) > most and real, f"has {len(alike)} busy symbols"
            note(self.LIMITS, kind, over, what, symbol=worst, real=real)
        real = any(live.values())
        over, what = len(busy) > rules.positions_max and real, f"has {len(busy)} busy symbols"
        note(self.LIMITS, "account", over, what, real=real)


class SwingsSoldOnce:
    """A swing is sold by one order only."""

    NAME = "a swing is sold once"

    def __init__(self, findings: Findings, ledger: Ledger) -> None:
        self._findings, self._ledger = findings, ledger
        self._sold: dict[tuple[str, int], str] = {}

    def look(self, order: BookOrder, swing_ms: int) -> None:
        """At a fill of an entry of ours; ``swing_ms`` is the minute of the swing that it sells."""
        other = self._sold.setdefault((order.symbol, swing_ms), order.orderid)
        forced_ms = self._ledger.symbol(order.symbol).forced_ms
        late = self._findings.now_ms - forced_ms <= _FORCED_MS
        what = f"{order.symbol} sold by {other} and {order.orderid}"
        self._findings.hold(self.NAME, other == order.orderid or late, what)


class IntentsFillOnce:
    """The entries of a symbol sell no more than was intended by those that have left."""

    NAME = "an intent fills no more than it intended"

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._intended: dict[str, dict[str, int]] = {}
        self._sold: Counter[str] = Counter()

    def leaves(self, symbol: str, order_id: str, quantity: int) -> None:
        """An entry, or a change of one, leaves for the exchange."""
        intended = self._intended.setdefault(symbol, {})
        intended[order_id] = max(intended.get(order_id, 0), quantity)

    def sold(self, symbol: str, quantity: int) -> None:
        """An entry of ours has filled so many units more."""
        self._sold[symbol] += quantity
        intended, sold = sum(self._intended.get(symbol, {}).values()), self._sold[symbol]
        self._findings.hold(self.NAME, sold <= intended, f"{symbol} sold {sold} of {intended}")


class HeldSymbols:
    """No entry leaves in a symbol that is short by an earlier one, as far as that can be known."""

    NAME = "no entry of a symbol that is held"

    def __init__(self, findings: Findings, ledger: Ledger, news: News) -> None:
        self._findings, self._ledger, self._news = findings, ledger, news

    def look(self, symbol: str, order_id: str, decided_ms: int) -> None:
        """At an entry that leaves now; a change of one that has filled in part is none."""
        short = self._ledger.symbol(symbol).least
        known = short - self._news.unknown(symbol, "SELL", decided_ms)
        self._findings.hold(self.NAME, known <= 0, f"{order_id} in {symbol}, short {short}")


class RestingEntries:
    """When entries are forbidden, what rests of them is cancelled within three seconds. ``claimed`` are
    orders, by the exchange's id, that the bot was told are over, and asks about.
    """

    NAME = "no entry rests after"

    def __init__(
        self,
        findings: Findings,
        lasting: Lasting,
        gate: EntryGate,
        news: News,
        claimed: Callable[[str], bool],
    ) -> None:
        self._findings, self._lasting, self._gate, self._news = findings, lasting, gate, news
        self._claimed = claimed
        self._cancelled_ms: dict[str, int] = {}

    def sent(self, call: Call) -> None:
        """A request leaves now."""
        if call.endpoint == "cancelorder":
            self._cancelled_ms[str(asked(call).get("orderid"))] = self._findings.now_ms

    def look(self, ledger: Ledger, session: Session) -> None:
        """How the account stands now. One that was asked to be cancelled since then is done with."""
        closed = dict(self._gate.closed_ms)
        if self._findings.now_ms >= session.last_entry_ms:
            closed["the last entry time"] = session.last_entry_ms
        for symbol, held in ledger.symbols.items():
            for order in held.live.values():
                if is_entry(order):
                    self._look_at(symbol, order, closed)

    def over(self, order: BookOrder) -> None:
        """An order does not stand in the book any more."""
        self._lasting.note(self.NAME, order.orderid, False, "", real=False)

    def _look_at(self, symbol: str, order: BookOrder, closed: dict[str, int]) -> None:
        since = min(closed.values(), default=0)
        asked_for = self._cancelled_ms.get(order.orderid, -1) >= since
        asked_for |= self._claimed(order.orderid)
        self._lasting.note(
            self.NAME,
            order.orderid,
            bool(closed) and not asked_for,
            f"of {symbol} rests after {', '.join(sorted(closed))}",
            symbol=symbol,
            within_ms=CANCELLED_MS,
            real=bool(closed),
            books=self._news.untold(symbol),
        )
