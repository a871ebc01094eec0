"""What our orders may buy back, and sell again: never more than is there to close."""

from __future__ import annotations

from baseline_v1_live.core.messages import BrokerStatus
from baseline_v1_live.sim.openalgo_server.books import BookOrder
from baseline_v1_live.simulate.chaos import Chaos
from baseline_v1_live.simulate.check_account import Held, Ledger, is_entry, is_ours
from baseline_v1_live.simulate.check_base import WITHIN_MS, Findings
from baseline_v1_live.simulate.check_news import News
from baseline_v1_live.simulate.check_reach import Reach


class Flips:
    """No purchase of ours makes a long, and no correction a short, but for what nobody could know of."""

    NAME = "our orders never flip a position"

    def __init__(self, findings: Findings, news: News, reach: Reach) -> None:
        self._findings, self._news, self._reach = findings, news, reach

    def look(self, order: BookOrder, filled: int, before: int, after: int) -> None:
        """At a fill of ours that took what is surely ours from ``before`` to ``after`` units."""
        if is_entry(order):
            return
        buys = order.action == "BUY"
        flipped = after < 0 and after < before if buys else after > max(before, 0)
        if flipped:
            surplus = min(abs(after), filled)
            if buys:  # What a correction without an answer sells is short again when it arrives.
                now = self._findings.now_ms
                surplus -= self._reach.reserved(order.symbol, "SELL", now)
            if self._news.explain(order.symbol, str(order.action), surplus, WITHIN_MS):
                self._findings.excuse(self.NAME)
                return
        what = f"{order.symbol} from {before} to {after} by {order.action} {order.pricetype}"
        self._findings.hold(self.NAME, not flipped, what)


class Purchases:
    """When a purchase leaves that no stop price holds back, all that may buy is at most what is short."""

    NAME = "no purchase beside what may fill"

    def __init__(
        self,
        findings: Findings,
        chaos: Chaos,
        reach: Reach,
        ledger: Ledger,
        news: News,
        horizon_ms: int,
    ) -> None:
        self._findings, self._chaos, self._reach = findings, chaos, reach
        self._horizon_ms = horizon_ms
        self._ledger, self._news = ledger, news

    def look(self, symbol: str, quantity: int, decided_ms: int) -> None:
        """At a MARKET or LIMIT purchase that leaves now, and is reserved already."""
        held = self._ledger.symbol(symbol)
        live = living(held, "BUY")
        now = self._findings.now_ms
        reserved = self._reach.reserved(symbol, "BUY", now, for_ms=self._horizon_ms)
        most = most_of(held, self._chaos)
        unknown = self._news.unknown(symbol, "BUY", decided_ms) + self._forgotten(
            symbol, held, most
        )
        lost = reserved - quantity
        what = f"{symbol} buys {quantity} beside {live} and {lost}, short {most}"
        # A stop covers what an exit without an answer was to close (docs/strategy.md, section 11).
        live -= min(_resting(held), lost)
        if most < live + reserved <= most + unknown:
            self._findings.excuse(self.NAME)
            return
        self._findings.hold(self.NAME, live + reserved <= most, what)

    def _forgotten(self, symbol: str, held: Held, most: int) -> int:
        """Units that a dead process has bought back and no disk has: beside the shorts of others the
        books cannot tell them from somebody's own purchase.
        """
        bought = sum(
            order.filled_quantity
            for order in self._ledger.forgotten_orders()
            if order.symbol == symbol and order.action == "BUY"
        )
        return min(bought, max(-held.net - most, 0))


def _resting(held: Held) -> int:
    """Units of our stops that wait for their trigger."""
    waiting = BrokerStatus.TRIGGER_PENDING
    return sum(
        order.remaining
        for order in held.live.values()
        if order.action == "BUY" and is_ours(order) and order.status is waiting
    )


def living(held: Held, side: str) -> int:
    """Units that orders of ours may still trade, entries left out."""
    return sum(
        order.remaining
        for order in held.live.values()
        if order.action == side and is_ours(order) and not is_entry(order)
    )


def most_of(held: Held, chaos: Chaos) -> int:
    """The most that may be bought back. What nobody remembers is taken over whole."""
    return max(-held.net, 0) if chaos.fired["journal_damaged"] else held.most
