"""Looks at the account from outside, at each call on the wire, and at the engine after every step.

What the bot believes counts only where a rule is about its decisions; positions, orders and fills are the
exchange's own. Each invariant is a small class of its own in the check_*.py beside; here they are told
what happens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.messages import (
    Command,
    Event,
    ModifyOrder,
    PlaceOrder,
    Purpose,
    SnapshotTaken,
    Tick,
)
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.core.position import STOP_LOSS
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import Session
from baseline_v1_live.runtime.records import Step
from baseline_v1_live.sim.openalgo_server.books import BookOrder
from baseline_v1_live.sim.openalgo_server.rest import Served
from baseline_v1_live.simulate.chaos import Chaos
from baseline_v1_live.simulate.check_account import (
    Cover,
    Held,
    Ledger,
    is_entry,
    is_ours,
)
from baseline_v1_live.simulate.check_alike import Alike
from baseline_v1_live.simulate.check_base import Findings, Lasting, Violation
from baseline_v1_live.simulate.check_closing import ClosingLeaves, HardCut
from baseline_v1_live.simulate.check_drift import Drift, ProfitAndLoss
from baseline_v1_live.simulate.check_end import SECRET, End
from baseline_v1_live.simulate.check_entries import (
    Entries,
    HeldSymbols,
    IntentsFillOnce,
    RestingEntries,
    SwingsSoldOnce,
)
from baseline_v1_live.simulate.check_flips import Flips, Purchases, living, most_of
from baseline_v1_live.simulate.check_known import Answers, Loss
from baseline_v1_live.simulate.check_news import News
from baseline_v1_live.simulate.check_policies import Policies
from baseline_v1_live.simulate.check_reach import Reach
from baseline_v1_live.simulate.check_standing import Standing
from baseline_v1_live.simulate.check_step import (
    EntriesAllowed,
    EntryGate,
    EntryLimits,
    OneInFlight,
    QuarantinedTicks,
    Spinning,
)
from baseline_v1_live.simulate.check_wire import WireChecks
from baseline_v1_live.simulate.observe import Call, observers_of
from baseline_v1_live.simulate.world import API_KEY, World

__all__ = ["Checker", "Violation"]

READY_MS = 30_000
UNBROKEN, READY = "the engine never breaks", "ready within 30 s of its start"


class Checker:
    """``violations`` gathers what was wrong; ``checks`` counts how often each invariant was looked at;
    ``trades`` counts symbols' entries that filled, ``exits`` purchases of ours that filled, by reason,
    ``short_s`` the seconds of all shorts together.
    """

    def __init__(self, world: World, chaos: Chaos, rules: Rules, open_ms: int) -> None:
        self.world, self.chaos, self.rules = world, chaos, rules
        self.open_ms = open_ms
        self.findings = Findings(lambda: world.now_ms)
        self.reach = Reach(world, chaos)
        self._lasting = Lasting(self.findings, self.reach)
        self._engine: Engine | None = None
        self._session: Session | None = None
        self._changed: set[str] = set()
        self._ready_ms = world.now_ms  # When it was ready last; a start counts as that.
        self._damaged = 0
        self.exits: Counter[str] = Counter()
        self.short_s = 0
        folder = Path("state")
        # ---- the step
        self.gate = EntryGate()
        self._in_flight = OneInFlight(self.findings)
        self._spinning = Spinning(self.findings)
        self._allowed = EntriesAllowed(self.findings, self.gate)
        self._limits = EntryLimits(self.findings, rules)
        self._policies = Policies(self.findings, rules)
        # ---- the account
        self.ledger = Ledger(world, self._account_changed)
        self.ledger.on_fill = self._filled
        self.ledger.on_order = self._ordered
        self._alike = Alike(world, self.ledger, self.reach)
        self.news = News(lambda: world.now_ms, self.reach, self.ledger)
        chaos.on_told = self.news.told
        self._standing = Standing(self._lasting, chaos, self.reach, world, rules)
        self._cover = Cover(
            self._lasting,
            chaos,
            self.reach,
            self.ledger.forgotten,
            useless=self._standing.useless,
            untold=self.news.untold,
            others_untold=self.news.others_untold,
            squares_off=self._squares_off,
        )
        self._entries = Entries(self._lasting, rules)
        self._held = HeldSymbols(self.findings, self.ledger, self.news)
        self._resting = RestingEntries(
            self.findings, self._lasting, self.gate, self.news, self._claimed
        )
        self._flips = Flips(self.findings, self.news, self.reach)
        self._swings = SwingsSoldOnce(self.findings, self.ledger)
        self._answers, self._loss = Answers(), Loss(world, self.ledger)
        self._drift = Drift(world, self.ledger, self._lasting, self._loss)
        self._money = ProfitAndLoss(
            self.findings, self.ledger, self._drift, self._answers, self._loss
        )
        # ---- the wire and the end
        rows = world.venue.books.orders
        self._wire = WireChecks(self.findings, self.gate, folder, rows)
        self._intents = IntentsFillOnce(self.findings)
        self._wire.on_entry = self._intents.leaves
        self._wire.on_new_entry = self._held.look
        self._wire.on_order = self.ledger.forgotten.leaves
        self._purchases = Purchases(
            self.findings, chaos, self.reach, self.ledger, self.news, rules.gateway_horizon_ms
        )
        self._wire.on_purchase = self._purchases.look
        self._closing = ClosingLeaves(world, self.findings, self.reach, self.ledger)
        self._cut = HardCut(world, self.findings, self.reach, self.ledger)
        self._end = End(
            world, self.findings, self.ledger, folder, answers=self._answers, loss=self._loss
        )
        observers_of(world).append(self)

    @property
    def violations(self) -> list[Violation]:
        """What was wrong, each thing once."""
        return self.findings.violations

    @property
    def checks(self) -> Counter[str]:
        """How often each invariant was really looked at."""
        return self.findings.checks

    @property
    def excused(self) -> Counter[str]:
        """How often each invariant was looked at when something made it impossible to hold it."""
        return self.findings.excused

    @property
    def trades(self) -> int:
        """Entries of ours that filled at least in part."""
        orders = self.world.venue.books.orders.values()
        return sum(1 for o in orders if is_ours(o) and o.action == "SELL" and o.filled_quantity)

    def blame(self, invariant: str, what: str) -> None:
        """Say once that an invariant does not hold; ``what`` begins with what it is about."""
        self.findings.blame(invariant, what)

    # ------------------------------------------------------------ every step of the engine

    def watch(self, engine: Engine, log: Callable[[str], None]) -> None:
        """Look at every step of an engine from now on."""
        self._begin_process(engine)
        handle, ticks = (
            engine.handle,
            QuarantinedTicks(self.findings, self.rules, engine.market.index_symbol),
        )

        def step(event: Event) -> tuple[Command, ...]:
            self.gate.hear(event, self.world.now_ms)
            if isinstance(event, Tick):
                self._standing.shown(event)
            ticks.before(engine, event)
            self._policies.before(engine, event)
            try:
                commands = handle(event)
            except Exception as error:
                self.blame(UNBROKEN, f"{type(event).__name__} {error!r}")
                raise
            self._spinning.look(event, commands, self.world.now_ms)
            ticks.after(engine, event, commands)
            self._policies.after(engine, event)
            self.checks[UNBROKEN] += 1
            if commands or type(event) is not Tick:
                lines = [f"{msgspec.json.encode(event).decode()} -> {len(commands)}"]
                lines += [f"  {msgspec.json.encode(command).decode()}" for command in commands]
                for line in lines:
                    self.hear_line(line)
                    log(line)
                self._check_step(engine, event, commands)
            return commands

        engine.handle = step  # type: ignore[method-assign]

    def hear_line(self, line: str) -> None:
        """Something was said or logged: it must not have the key."""
        self.findings.hold(SECRET, API_KEY not in line, "line has the key")

    def _begin_process(self, engine: Engine) -> None:
        self._engine, self._session = engine, engine.session
        damaged = self.chaos.fired["journal_damaged"]
        if damaged > self._damaged and engine.rules.foreign_position == "ours":
            self.ledger.forget_longs()
            self.ledger.forgotten.lose_journal()
            self.reach.lose_journal()
            self._loss.begin()
        self._damaged = damaged
        self._process_ended()
        self.gate.new_process()
        self._answers.new_process()
        self._wire.new_process()
        self.ledger.forgotten.new_process()
        self._closing.new_process()
        self._policies.new_process()
        self._drift.new_process()

    def _claimed(self, orderid: str) -> bool:
        order = self._engine.orders.by_broker_id(orderid) if self._engine is not None else None
        return order is not None and order.state is OrderState.CLAIMED

    def _squares_off(self) -> bool:
        session = self._session
        return session is not None and self.world.now_ms >= session.square_off_ms

    def _process_ended(self) -> None:
        self.reach.process_ended()
        self.news.process_ended()

    def _check_step(self, engine: Engine, event: Event, commands: tuple[Command, ...]) -> None:
        self._wire.hear(engine, event, commands)
        self._answers.hear(event, commands)
        if isinstance(event, SnapshotTaken):
            self._alike.look(engine)
        # What was decided before a person spoke, or before this step, is not its consequence.
        for command in commands:
            if isinstance(command, PlaceOrder) and command.purpose is Purpose.ENTRY:
                self._allowed.look(engine, command)
                self._limits.look(engine, command)
            elif isinstance(command, ModifyOrder) and command.purpose is Purpose.ENTRY:
                self._limits.look(engine, command)
        self.gate.learn(engine, self.world.now_ms)
        self._in_flight.look(engine)
        self._closing.hear(engine, event)
        self._cut.hear(commands)
        self._lasting.look()

    # ------------------------------------------------------------ every change of the account

    def _account_changed(self, symbol: str) -> None:
        """Looked at once what changes it is whole, a moment later at the same instant."""
        if not self._changed:
            self.world.loop.call_soon(self._look_at_changes, context=self.world.context)
        self._changed.add(symbol)

    def _look_at_changes(self) -> None:
        changed, self._changed = sorted(self._changed), set()
        for symbol in changed:
            self._look_at(symbol, self.ledger.symbol(symbol))
        self._entries.look(self.ledger)
        self._lasting.look()

    def _look_at(self, symbol: str, held: Held) -> None:
        self._cover.look(symbol, held, self.world.now_ms)
        self._standing.look(held)
        buying, selling = (
            living(held, side) + self.reach.reserved(symbol, side, self.world.now_ms)
            for side in ("BUY", "SELL")
        )
        if buying <= most_of(held, self.chaos) and not selling:
            self.news.settle(symbol)

    def _ordered(self, order: BookOrder) -> None:
        self._drift.changed(order.orderid)
        if order.over:
            self._standing.over(order)
            if is_entry(order):
                self._resting.over(order)

    def _filled(self, order: BookOrder, quantity: int, before: int, after: int) -> None:
        if order.action == "SELL":
            self.news.sold(order, quantity, before, after)
        self._flips.look(order, quantity, before, after)
        if is_entry(order):
            self._intents.sold(order.symbol, quantity)
        if is_entry(order) and self._engine is not None:
            swing_ms = _swing_of(self._engine, order)
            if swing_ms is not None:
                self._swings.look(order, swing_ms)

    # ------------------------------------------------------------ every call

    def sent(self, call: Call) -> None:
        """A request leaves now."""
        self.reach.sent(call)
        self.news.sent(call)
        self._wire.sent(call)
        self._closing.sent(call)
        self._resting.sent(call)

    def ended(self, call: Call, served: Served | None) -> None:
        """The bot has its answer, or none."""
        self.reach.ended(call, served)
        self.news.ended(call, served)
        self._wire.ended(call, served)

    def stored(self, steps: Sequence[Step]) -> None:
        """The journal says that it has these steps."""
        self._wire.stored(steps)
        self.ledger.forgotten.stored(steps)
        self.gate.stored(steps)
        self._answers.stored(steps)

    # ------------------------------------------------------------ every second

    def look(self, engine: Engine | None) -> None:
        """Look at everything now."""
        if engine is None and self._engine is not None:
            self._engine = None
            self._process_ended()
        self._look_at_readiness(engine)
        for symbol, held in self.ledger.symbols.items():
            if held.live or held.sure:
                self._look_at(symbol, held)
            self.short_s += held.sure > 0
        self._entries.look(self.ledger)
        if engine is not None and engine.reconciled:
            self._drift.look(engine)
            self._money.look(engine)
        if self._session is not None:
            self._cut.look(self._session.hard_cut_ms)
            self._resting.look(self.ledger, self._session)
        self._lasting.look()

    def _look_at_readiness(self, engine: Engine | None) -> None:
        now = self.world.now_ms
        if engine is not None and engine.reconciled:
            self._ready_ms = now
            return
        since = max(self._ready_ms, self.reach.unanswered_to_ms(now))
        ready = now - since <= READY_MS
        self.findings.hold(READY, ready, "the bot has not read the books")
        if ready:
            self.reach.bot_down_ms = now

    # ------------------------------------------------------------ the end

    def conclude(self, engine: Engine | None) -> None:
        """After the healed end: flat, and both sides agree."""
        self._end.look(engine)
        self._end.look_for_secret(API_KEY)
        if engine is not None:
            self._money.compare(engine)
            self._count_exits(engine)

    def _count_exits(self, engine: Engine) -> None:
        for order in engine.orders.orders.values():
            if order.side == "BUY" and order.filled_quantity:
                self.exits[STOP_LOSS if order.purpose is Purpose.STOP else order.reason] += 1


def _swing_of(engine: Engine, order: BookOrder) -> int | None:
    """The minute of the swing that an entry at the exchange sells, None when nobody can say."""
    for working in engine.desk.working.values():
        ours = working.order
        known = ours.broker_order_id == order.orderid
        nameless = ours.broker_order_id is None and ours.state is not OrderState.NOT_PLACED
        if known or (nameless and ours.symbol == order.symbol):
            return int(working.candidate.swing.minute_ms)
    return None
