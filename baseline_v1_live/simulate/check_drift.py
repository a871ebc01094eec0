"""What the bot believes against what is: each difference is noticed soon, and then resolved or halts."""

from __future__ import annotations

from collections.abc import Iterator

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.order import Order
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.sim.openalgo_server.books import BookOrder
from baseline_v1_live.simulate.chaos import Chaos
from baseline_v1_live.simulate.check_account import Ledger, is_ours
from baseline_v1_live.simulate.check_base import Findings, Lasting
from baseline_v1_live.simulate.world import World

FOUND_MS, RESOLVED_MS = 10_000, 30_000
_IN_DOUBT = frozenset({OrderState.IN_FLIGHT, OrderState.UNKNOWN, OrderState.CLAIMED})


class Drift:
    """Differences of orders and positions, each looked at until it is gone."""

    FOUND = "drift is found"
    RESOLVED = "drift is resolved or halts"

    def __init__(self, world: World, ledger: Ledger, lasting: Lasting) -> None:
        self._world, self._ledger, self._lasting = world, ledger, lasting
        self._watched: set[str] = set()
        self.differences: dict[str, str] = {}

    def changed(self, orderid: str) -> None:
        """An order has changed at the exchange."""
        self._watched.add(orderid)

    def look(self, engine: Engine) -> None:
        """Compare what may differ now."""
        before, self.differences = self.differences, {}
        for orderid in sorted(self._watched):
            row = self._world.venue.books.orders.get(orderid)
            if row is None or not is_ours(row):
                self._watched.discard(orderid)
                continue
            order = engine.orders.by_broker_id(orderid)
            lost = order is None and orderid in self._ledger.forgotten
            what = "" if lost else _difference(row, order)
            if what:
                self.differences[orderid] = what
                self._note(engine, row.symbol, orderid, f"of {row.symbol} {what}", order)
            elif row.over and (order is None or not order.live):
                self._watched.discard(orderid)
        for symbol, what in self._positions(engine):
            self.differences[symbol] = what
            self._note(engine, symbol, symbol, what, None)
        for about in before.keys() - self.differences.keys():
            for name in (self.FOUND, self.RESOLVED):
                self._lasting.note(name, about, False, "", real=False)

    def others(self) -> list[BookOrder]:
        """Orders at the exchange that the bot has not placed."""
        return [o for o in self._world.venue.books.orders.values() if not is_ours(o)]

    def forgotten(self) -> list[BookOrder]:
        """Orders of ours that the disk never took before their process died."""
        orders = self._world.venue.books.orders
        return [o for name, o in orders.items() if name in self._ledger.forgotten]

    def new_process(self) -> None:
        """Another process has other beliefs."""
        self._watched = set(self._world.venue.books.orders)
        for name in (self.FOUND, self.RESOLVED):
            self._lasting.forget(name)

    def _positions(self, engine: Engine) -> Iterator[tuple[str, str]]:
        for symbol in {position.symbol for position in engine.positions.open.values()}:
            believed = engine.positions.open_short(symbol)
            net = self._ledger.symbol(symbol).net
            if believed > max(-net, 0) or -believed > max(net, 0):
                yield symbol, f"is {net:+d}, believed {-believed:+d}"

    def _note(
        self, engine: Engine, symbol: str, about: str, what: str, order: Order | None
    ) -> None:
        found = _doubted(engine, symbol, order)
        halted = _halted(engine) or engine.orders.has_unknown(symbol)
        unfound = not found and not halted
        note = self._lasting.note
        note(self.FOUND, about, unfound, what, symbol=symbol, within_ms=FOUND_MS)
        note(self.RESOLVED, about, not halted, what, symbol=symbol, within_ms=RESOLVED_MS)


def _halted(engine: Engine) -> bool:
    """Whether entries are kept back because something is wrong; hours and people's words do not count.
    Entries that have stopped for the day stay so behind a day's exit.
    """
    if engine.positions.entries_stopped_by is not None:
        return True
    gate = engine.gate() or ""
    return gate.startswith(("blocked_", "state_halted"))


def _difference(row: BookOrder, order: Order | None) -> str:
    if order is None:
        if row.over and not row.filled_quantity:
            return ""
        return f"{row.status} with {row.filled_quantity} filled is not known"
    if row.filled_quantity != order.filled_quantity:
        return f"filled {row.filled_quantity}, believed {order.filled_quantity}"
    if row.filled_value_paise != order.filled_value_paise:
        return f"filled for {row.filled_value_paise}, believed {order.filled_value_paise}"
    if row.over and order.resting:
        return f"{row.status}, believed {order.state}"
    if not row.over and not order.live:
        return f"{row.status}, believed {order.state}"
    if not row.over and row.quantity != order.quantity:
        return f"of {row.quantity} units, believed {order.quantity}"
    return ""


def _doubted(engine: Engine, symbol: str, order: Order | None) -> bool:
    """Whether the bot shows that it is not sure of a symbol."""
    if symbol in engine.positions.doubtful or engine.reconciler.strays.looked_at:
        return True
    if order is not None:
        asked = order.query_due_ms is not None or order.question_at_ms is not None
        return asked or order.change is not None or order.state in _IN_DOUBT
    return any(live.state in _IN_DOUBT for live in engine.orders.live(symbol))


class ProfitAndLoss:
    """While nothing is in doubt, the day's money by the bot is that of the exchange's own trades."""

    NAME = "R from fills is the books' P&L"

    def __init__(self, findings: Findings, ledger: Ledger, chaos: Chaos, drift: Drift) -> None:
        self._findings, self._ledger = findings, ledger
        self._chaos, self._drift = chaos, drift
        self._seen = 0

    def look(self, engine: Engine) -> None:
        """Compare once after each fill, when both sides are quiet."""
        ledger, drift = self._ledger, self._drift
        if ledger.fills == self._seen or drift.differences or self.lost:
            return
        if any(order.unanswered or order.change for order in engine.orders.live()):
            return
        self._seen = ledger.fills
        self.compare(engine)

    @property
    def lost(self) -> bool:
        """Whether the bot cannot know the whole day, because its journal was lost."""
        return bool(self._chaos.fired["journal_damaged"])

    def compare(self, engine: Engine) -> None:
        """Σ of what our orders sold less what they bought, in paise, on both sides."""
        truth = sum(held.value_paise for held in self._ledger.symbols.values())
        truth += self._taken_for_ours(engine) - self._forgotten(engine)
        believed = sum(
            p.entry_value_paise + p.correction_value_paise - p.exit_value_paise
            for p in engine.positions.positions.values()
            if not p.adopted
        )
        what = f"money of trades {truth / 100:.2f}, believed {believed / 100:.2f}"
        self._findings.hold(self.NAME, truth == believed, what)
        outside = sum(p.external_value_paise for p in engine.positions.positions.values())
        flat = not engine.positions.open
        if flat and not any(p.adopted for p in engine.positions.positions.values()):
            pnl, own = engine.positions.pnl_paise, truth - outside
            # A close by somebody else may leave the two by what an estimate is out.
            what = f"P&L of trades {own / 100:.2f}, believed {pnl / 100:.2f}"
            self._findings.hold(self.NAME, pnl == own, what)

    def _taken_for_ours(self, engine: Engine) -> int:
        """Money of somebody else's orders that the bot takes for lost ones of its own: where nothing else
        tells two orders apart, the one that is found is the one that was sent.
        """
        return sum(
            _money(row)
            for row in self._drift.others()
            if engine.orders.by_broker_id(row.orderid) is not None
        )

    def _forgotten(self, engine: Engine) -> int:
        """Money of our own orders that nobody can know as ours; the bot has it as somebody else's."""
        return sum(
            _money(row)
            for row in self._drift.forgotten()
            if engine.orders.by_broker_id(row.orderid) is None
        )


def _money(row: BookOrder) -> int:
    return row.filled_value_paise if row.action == "SELL" else -row.filled_value_paise
