"""What the bot believes against what is: each difference is noticed soon, and then resolved or halts."""

from __future__ import annotations

from collections.abc import Iterator

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.messages import Side
from baseline_v1_live.core.order import Order
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.sim.openalgo_server.books import BookOrder
from baseline_v1_live.simulate.check_account import Ledger, is_ours
from baseline_v1_live.simulate.check_base import Findings, Lasting
from baseline_v1_live.simulate.check_known import Answers, Loss, looks_like
from baseline_v1_live.simulate.world import World

FOUND_MS, RESOLVED_MS = 10_000, 30_000
# So long an order of unknown outcome may explain a difference: the gateway's horizon and some looks.
UNKNOWN_MS = 150_000
_IN_DOUBT = frozenset({OrderState.IN_FLIGHT, OrderState.UNKNOWN, OrderState.CLAIMED})


class Halts:
    """Since when each of the causes lasts that keep entries back because something is wrong; hours and
    people's words do not count.
    """

    def __init__(self) -> None:
        self._since_ms: dict[str, int] = {}

    def learn(self, engine: Engine, now_ms: int) -> None:
        """What keeps entries back now."""
        causes = set(engine.blocked)
        if engine.positions.entries_stopped_by is not None:
            causes.add(f"stopped: {engine.positions.entries_stopped_by}")
        self._since_ms = {cause: self._since_ms.get(cause, now_ms) for cause in causes}

    def after(self, since_ms: int) -> bool:
        """Whether one of them began at that instant or later."""
        return any(began_ms >= since_ms for began_ms in self._since_ms.values())


class Drift:
    """Differences of orders and positions, each looked at until it is gone.

    One that began while entries were stopped has to be found and resolved as any other: only a halt
    that comes after it, or that of the reconciler itself, is an answer to it.
    """

    FOUND = "drift is found"
    RESOLVED = "drift is resolved or halts"

    def __init__(self, world: World, ledger: Ledger, lasting: Lasting, loss: Loss) -> None:
        self._world, self._ledger, self._lasting, self._loss = world, ledger, lasting, loss
        self._watched: set[str] = set()
        self._halts = Halts()
        # By difference, and by order of unknown outcome: since when it is there.
        self._since_ms: dict[str, int] = {}
        self._unknown_ms: dict[str, int] = {}
        self.differences: dict[str, str] = {}

    def changed(self, orderid: str) -> None:
        """An order has changed at the exchange."""
        self._watched.add(orderid)

    def look(self, engine: Engine) -> None:
        """Compare what may differ now."""
        now = self._world.now_ms
        before, self.differences = self.differences, {}
        self._halts.learn(engine, now)
        unknown = [o.order_id for o in engine.orders.live() if o.state is OrderState.UNKNOWN]
        self._unknown_ms = {name: self._unknown_ms.get(name, now) for name in unknown}
        for orderid in sorted(self._watched):
            row = self._world.venue.books.orders.get(orderid)
            if row is None or not is_ours(row):
                self._watched.discard(orderid)
                continue
            order = engine.orders.by_broker_id(orderid)
            what = "" if order is None and self._gone(row) else _difference(row, order)
            if what:
                self._look_at_order(engine, row, order, f"of {row.symbol} {what}")
            elif row.over and (order is None or not order.live):
                self._watched.discard(orderid)
        for symbol, what, side in self._positions(engine):
            self._look_at_position(engine, symbol, what, side)
        for about in before.keys() - self.differences.keys():
            self._since_ms.pop(about, None)
            for name in (self.FOUND, self.RESOLVED):
                self._lasting.note(name, about, False, "", real=False)

    def others(self) -> list[BookOrder]:
        """Orders at the exchange that the bot has not placed."""
        return [o for o in self._world.venue.books.orders.values() if not is_ours(o)]

    def new_process(self) -> None:
        """Another process has other beliefs."""
        self._watched = set(self._world.venue.books.orders)
        self._since_ms.clear()
        for name in (self.FOUND, self.RESOLVED):
            self._lasting.forget(name)

    # ------------------------------------------------------------ inside

    def _look_at_order(
        self, engine: Engine, row: BookOrder, order: Order | None, what: str
    ) -> None:
        if order is None:
            # Whoever looks for an order of this kind, or at this very one, is not sure of it.
            nameless = [o for o in engine.orders.live(row.symbol) if looks_like(row, o)]
            found = row.orderid in engine.reconciler.strays.looked_at
            found |= any(o.unanswered and o.broker_order_id is None for o in nameless)
            explained = any(self._lately_unknown(o) for o in nameless)
        else:
            asked = order.query_due_ms is not None or order.question_at_ms is not None
            found = asked or order.change is not None or order.state in _IN_DOUBT
            explained = False
        self._note(engine, row.symbol, row.orderid, what, found=found, explained=explained)

    def _look_at_position(self, engine: Engine, symbol: str, what: str, side: Side) -> None:
        alive = [order for order in engine.orders.live(symbol) if order.side is side]
        found = any(order.state in _IN_DOUBT for order in alive)
        found |= symbol in engine.reconciler.missing.since_ms
        explained = any(self._lately_unknown(order) for order in alive)
        self._note(engine, symbol, symbol, what, found=found, explained=explained)

    def _gone(self, row: BookOrder) -> bool:
        """Whether nobody can know an order of ours: it was over when the journal was lost, or the disk
        has never had it.
        """
        return row.orderid in self._ledger.forgotten or (
            row.over and self._loss.forgot(row.orderid)
        )

    def _positions(self, engine: Engine) -> Iterator[tuple[str, str, Side]]:
        """Symbols in which less is held than believed, and the side that would explain it."""
        for symbol in sorted({position.symbol for position in engine.positions.open.values()}):
            believed = engine.positions.open_short(symbol)
            net = self._ledger.symbol(symbol).net
            if believed > max(-net, 0) or -believed > max(net, 0):
                side = Side.BUY if believed > 0 else Side.SELL
                yield symbol, f"is {net:+d}, believed {-believed:+d}", side

    def _note(
        self, engine: Engine, symbol: str, about: str, what: str, *, found: bool, explained: bool
    ) -> None:
        self.differences[about] = what
        since_ms = self._since_ms.setdefault(about, self._world.now_ms)
        found |= symbol in engine.positions.doubtful
        halted = engine.reconciler.halt is not None or self._halts.after(since_ms)
        note = self._lasting.note
        note(self.FOUND, about, not found, what, symbol=symbol, within_ms=FOUND_MS)
        open_ = not halted and not explained
        note(self.RESOLVED, about, open_, what, symbol=symbol, within_ms=RESOLVED_MS)

    def _lately_unknown(self, order: Order) -> bool:
        since_ms = self._unknown_ms.get(order.order_id)
        return since_ms is not None and self._world.now_ms - since_ms <= UNKNOWN_MS


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


class ProfitAndLoss:
    """While nothing is in doubt, the money of each symbol by the bot is that of the exchange's trades.

    Somebody else's order counts as ours where it looks like one of ours that had no answer when the bot
    took it for that: nothing else tells them apart.
    """

    NAME = "R from fills is the books' P&L"

    def __init__(
        self, findings: Findings, ledger: Ledger, drift: Drift, answers: Answers, loss: Loss
    ) -> None:
        self._findings, self._ledger, self._drift = findings, ledger, drift
        self._answers, self._loss = answers, loss
        self._seen = 0
        # Somebody else's orders that could be taken for one of ours, with the order that took them.
        self._alike: dict[str, str] = {}

    def look(self, engine: Engine) -> None:
        """Compare once after each fill, when both sides are quiet."""
        ledger, drift = self._ledger, self._drift
        self._learn(engine)
        if ledger.fills == self._seen or drift.differences:
            return
        if any(order.unanswered or order.change for order in engine.orders.live()):
            return
        self._seen = ledger.fills
        self.compare(engine)

    def compare(self, engine: Engine) -> None:
        """Σ of what our orders sold less what they bought, in paise, on both sides."""
        self._learn(engine)
        positions = engine.positions.positions.values()
        symbols = self._ledger.symbols.keys() | {position.symbol for position in positions}
        for symbol in sorted(symbols):
            if not self._loss.knows(engine, symbol):
                continue
            held = [position for position in positions if position.symbol == symbol]
            truth = self._loss.value_paise(symbol) + self._taken_for_ours(engine, symbol)
            truth -= self._forgotten(engine, symbol)
            believed = sum(
                p.entry_value_paise + p.correction_value_paise - p.exit_value_paise for p in held
            )
            what = f"{symbol} money of trades {truth / 100:.2f}, believed {believed / 100:.2f}"
            self._findings.hold(self.NAME, truth == believed, what)
            if not any(position.open_quantity for position in held):
                outside = sum(position.external_value_paise for position in held)
                pnl, own = sum(position.pnl_paise for position in held), truth - outside
                # A close by somebody else may leave the two by what an estimate is out.
                what = f"{symbol} P&L of trades {own / 100:.2f}, believed {pnl / 100:.2f}"
                self._findings.hold(self.NAME, pnl == own, what)
        parts, whole = sum(p.pnl_paise for p in positions), engine.positions.pnl_paise
        what = f"day's P&L {whole / 100:.2f}, of its positions {parts / 100:.2f}"
        self._findings.hold(self.NAME, parts == whole, what)

    def _learn(self, engine: Engine) -> None:
        """Which of somebody else's orders the bot has just taken for one of ours that had no answer."""
        for row in self._drift.others():
            order = _taken(engine, row)
            if order is None or self._alike.get(row.orderid) == order.order_id:
                continue
            placed = self._answers.missing(order.order_id)
            if placed is not None and looks_like(row, placed):
                self._alike[row.orderid] = order.order_id

    def _taken_for_ours(self, engine: Engine, symbol: str) -> int:
        """Money of somebody else's orders that the bot rightly takes for its own."""
        found = 0
        for row in self._drift.others():
            order = _taken(engine, row) if row.symbol == symbol else None
            if order is not None and self._alike.get(row.orderid) == order.order_id:
                found += _money(row)
        return found

    def _forgotten(self, engine: Engine, symbol: str) -> int:
        """Money of our own orders that nobody can know as ours; the bot has it as somebody else's."""
        return sum(
            _money(row)
            for row in self._ledger.forgotten_orders()
            if row.symbol == symbol
            and not self._loss.forgot(row.orderid)
            and engine.orders.by_broker_id(row.orderid) is None
        )


def _money(row: BookOrder) -> int:
    return row.filled_value_paise if row.action == "SELL" else -row.filled_value_paise


def _taken(engine: Engine, row: BookOrder) -> Order | None:
    """The order of ours that the bot takes a row for; one with another name by now has given it up."""
    order = engine.orders.by_broker_id(row.orderid)
    return order if order is not None and order.broker_order_id == row.orderid else None
