"""The checker on the engine's steps: entries, orders in flight, limits, and ticks that may not count."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.messages import (
    Command,
    Event,
    LoadHistory,
    ModifyOrder,
    OperatorSaid,
    OrderType,
    PlaceOrder,
    Purpose,
    Side,
    Tick,
    TimerDue,
)
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.runtime.records import StateRecord, Step
from baseline_v1_live.runtime.recovery import FLAGS, ORDER
from baseline_v1_live.simulate.check_base import Findings
from baseline_v1_live.simulate.check_step import (
    DAY_EXIT,
    KILLED,
    PAUSED,
    STOPPED,
    EntriesAllowed,
    EntryGate,
    EntryLimits,
    OneInFlight,
    QuarantinedTicks,
    Spinning,
    TickJudge,
)
from tests.harness import Desk
from tests.harness_market import C260, INDEX, P260, at

NOON = at("12:00")


def findings() -> Findings:
    return Findings(lambda: NOON)


def said(found: Findings) -> set[str]:
    return {violation.invariant for violation in found.violations}


def entry(order_id: str = "entry-1", symbol: str = C260, quantity: int = 650) -> PlaceOrder:
    return PlaceOrder(
        order_id=order_id,
        symbol=symbol,
        side=Side.SELL,
        order_type=OrderType.SL,
        purpose=Purpose.ENTRY,
        quantity=quantity,
        trigger_price_paise=12_995,
        limit_price_paise=12_695,
    )


# ---------------------------------------------------------------- when an entry may be


@pytest.mark.parametrize("verb", ["pause", "flatten", "kill", "stopday", "halt", "stop"])
def test_an_entry_after_a_word_that_forbids_it_is_said(verb: str) -> None:
    """Whoever said it, and whatever the bot made of it."""
    desk, found, gate = Desk(), findings(), EntryGate()
    allowed = EntriesAllowed(found, gate)
    desk.clock("10:00")
    allowed.look(desk.engine, entry())
    assert said(found) == set()

    gate.hear(OperatorSaid(verb=verb), NOON)
    allowed.look(desk.engine, entry("entry-2"))

    assert said(found) == {EntriesAllowed.NAME}


def test_an_entry_after_resume_is_lawful() -> None:
    """A pause ends by it, a kill does not."""
    desk, found, gate = Desk(), findings(), EntryGate()
    allowed = EntriesAllowed(found, gate)
    desk.clock("10:00")
    for verb in ("pause", "resume"):
        gate.hear(OperatorSaid(verb=verb), NOON)
    allowed.look(desk.engine, entry())
    assert said(found) == set()

    for verb in ("kill", "resume"):
        gate.hear(OperatorSaid(verb=verb), NOON)
    allowed.look(desk.engine, entry("entry-2"))

    assert said(found) == {EntriesAllowed.NAME}


@pytest.mark.parametrize("stored", [True, False])
def test_a_word_that_died_with_its_process_was_never_given(stored: bool) -> None:
    """It counts over a restart once its step is on the disk; before that nobody got an answer."""
    desk, found, gate = Desk(), findings(), EntryGate()
    desk.clock("10:00")
    pause = OperatorSaid(verb="pause", seq=7)
    gate.hear(pause, NOON)
    if stored:
        gate.stored([Step(pause)])
    gate.new_process()

    EntriesAllowed(found, gate).look(desk.engine, entry())

    assert (said(found) == {EntriesAllowed.NAME}) is stored


def test_only_the_word_that_died_is_taken_back() -> None:
    """What was said, decided or stored after it counts, and an older word on the disk does as well."""
    desk, gate = Desk(), EntryGate()
    first, lost, kill = (
        OperatorSaid(verb=verb, seq=seq)
        for seq, verb in ((6, "stopday"), (7, "resume"), (8, "kill"))
    )
    pause = OperatorSaid(verb="pause", seq=5)
    for word in (pause, first, lost):
        gate.hear(word, NOON)
    gate.hear(kill, NOON + 1)
    desk.engine.positions.day_exit_reason = "KILL_SWITCH"
    gate.learn(desk.engine, NOON + 1)
    gate.stored([Step(pause), Step(first), Step(kill)])
    gate.new_process()

    assert gate.closed_ms == {PAUSED: NOON, STOPPED: NOON, KILLED: NOON + 1, DAY_EXIT: NOON + 1}


def test_a_decision_that_died_with_its_process_was_never_made() -> None:
    """The next process decides for itself; one that was stored holds."""
    desk, gate = Desk(), EntryGate()
    desk.engine.positions.day_exit_reason = "-5R_STOP"
    step = TimerDue(seq=7)
    for stored in (False, True):
        gate.hear(step, NOON)
        gate.learn(desk.engine, NOON)
        if stored:
            gate.stored([Step(step)])
        gate.new_process()

        assert (DAY_EXIT in gate.closed_ms) is stored


@pytest.mark.parametrize(("kind", "kept"), [(FLAGS, True), (ORDER, False)])
def test_a_word_that_the_disk_refused_is_stored_with_a_later_step(kind: str, kept: bool) -> None:
    """Once a step fails, the next one that fits carries all flags again."""
    gate = EntryGate()
    gate.hear(OperatorSaid(verb="pause", seq=7), NOON)
    record = StateRecord(session="2026-12-29", kind=kind, key="", body=b"{}")
    gate.stored([Step(TimerDue(seq=9), state=[record])])
    gate.new_process()

    assert (PAUSED in gate.closed_ms) is kept


def test_an_entry_after_the_days_exit_is_said() -> None:
    """The bot's own decision counts from the next step on."""
    desk, found, gate = Desk(), findings(), EntryGate()
    desk.clock("10:00")
    desk.engine.positions.day_exit_reason = "-5R_STOP"
    gate.learn(desk.engine, NOON)
    EntriesAllowed(found, gate).look(desk.engine, entry())

    assert said(found) == {EntriesAllowed.NAME}


@pytest.mark.parametrize(
    ("time", "lawful"), [("09:15:59", False), ("09:16", True), ("14:59:59", True), ("15:00", False)]
)
def test_an_entry_outside_its_hours_is_said(time: str, lawful: bool) -> None:
    """From 09:16 on, and not from 15:00 on."""
    desk, found = Desk(), findings()
    desk.engine.orders.now_ms = at(time)
    EntriesAllowed(found, EntryGate()).look(desk.engine, entry())

    assert (EntriesAllowed.HOURS not in said(found)) is lawful


# ---------------------------------------------------------------- how many


def test_two_orders_in_flight_of_one_kind_are_said() -> None:
    """Same symbol, side and purpose; a put beside a call is lawful."""
    desk, found = Desk(), findings()
    look = OneInFlight(found).look
    for symbol in (C260, P260):
        _fly(desk, symbol)
    look(desk.engine)
    assert said(found) == set()
    assert found.checks[OneInFlight.NAME] == 2

    # As if what forbids it were not there.
    desk.engine.orders._refusal = lambda *_: ""  # type: ignore[method-assign,assignment]
    _fly(desk, C260)
    look(desk.engine)

    assert said(found) == {OneInFlight.NAME}


def _fly(desk: Desk, symbol: str) -> None:
    desk.engine.orders.place(
        symbol=symbol,
        side=Side.SELL,
        order_type=OrderType.SL,
        purpose=Purpose.ENTRY,
        quantity=65,
        trigger_price_paise=12_995,
        limit_price_paise=12_695,
    )


@pytest.mark.parametrize(
    ("rules", "lawful"),
    [
        (Rules(), True),
        (Rules(positions_max=1), False),
        (Rules(positions_ce_max=0), False),
        (Rules(positions_pe_max=1), True),
        (Rules(positions_pe_max=0), True),
        (Rules(lots_max=9), False),
    ],
)
def test_an_entry_beyond_a_limit_is_said(rules: Rules, lawful: bool) -> None:
    """A put is held, a call of ten lots is to be sold: puts beyond their own limit, such as by a fill
    that came late, are not its doing.
    """
    desk, found = Desk(), findings()
    desk.short(P260)
    _fly(desk, C260)
    EntryLimits(found, rules).look(desk.engine, entry())

    assert (said(found) == set()) is lawful


def test_an_entry_that_is_not_whole_lots_is_said() -> None:
    """Seventy units are none."""
    desk, found = Desk(), findings()
    EntryLimits(found, Rules()).look(desk.engine, entry(quantity=70))

    assert said(found) == {EntryLimits.NAME}


def test_an_entry_that_risks_more_than_r_is_said() -> None:
    """What the worked example sells is lawful; a lot more is not, nor is it by a change."""
    desk, found = Desk(), findings()
    desk.swing_low(C260, 130, 139)
    order = desk.entry(C260)
    look = EntryLimits(found, Rules(lots_max=20)).look
    look(desk.engine, entry(order.order_id, quantity=order.quantity))
    assert found.checks[EntryLimits.RISK] == 1
    assert said(found) == set()

    change = ModifyOrder(
        order_id=order.order_id,
        broker_order_id="1",
        symbol=C260,
        side=Side.SELL,
        order_type=OrderType.SL,
        quantity=order.quantity + 65,
        trigger_price_paise=order.trigger_price_paise,
        limit_price_paise=order.limit_price_paise,
        purpose=Purpose.ENTRY,
    )
    look(desk.engine, change)

    assert said(found) == {EntryLimits.RISK}


# ---------------------------------------------------------------- ticks that may not count


class _Believes:
    """A gate that lets every tick in."""

    def refusal(self, tick: Tick, index_paise: int | None) -> None:
        return None


def _watched(engine: Engine, found: Findings) -> Callable[[Event], tuple[Command, ...]]:
    ticks, handle = QuarantinedTicks(found, Rules(), INDEX), engine.handle

    def step(event: Event) -> tuple[Command, ...]:
        ticks.before(engine, event)
        commands = handle(event)
        ticks.after(engine, event, commands)
        return commands

    return step


@pytest.mark.parametrize("believed", [False, True])
@pytest.mark.parametrize("price", [0, -500, 1_000_000, 2_600_000])
def test_a_tick_that_is_no_price_changes_nothing(price: int, believed: bool) -> None:
    """Zero, below zero, absurd, the index: where the bot believes it, it is said."""
    desk, found = Desk(), findings()
    desk.engine.handle = _watched(desk.engine, found)  # type: ignore[method-assign]
    desk.clock("10:00")
    desk.index(26_000)
    desk.tick(C260, 130)
    assert said(found) == set()
    if believed:
        desk.engine.market.symbols[C260].gate = _Believes()  # type: ignore[assignment]

    desk.feed(Tick(symbol=C260, ltp_paise=price))

    assert found.checks[QuarantinedTicks.NAME] > 0
    assert said(found) == ({QuarantinedTicks.NAME} if believed else set())


def test_an_old_tick_changes_nothing() -> None:
    """Its exchange's time is before that of the newest."""
    for believed in (False, True):
        desk, found = Desk(), findings()
        desk.engine.handle = _watched(desk.engine, found)  # type: ignore[method-assign]
        desk.clock("10:00:30")
        desk.feed(Tick(symbol=C260, ltp_paise=13_000, exchange_at_ms=at("10:00:29")))
        if believed:
            desk.engine.market.symbols[C260].gate = _Believes()  # type: ignore[assignment]
        desk.feed(Tick(symbol=C260, ltp_paise=12_900, exchange_at_ms=at("10:00:20")))

        assert said(found) == ({QuarantinedTicks.NAME} if believed else set())


def test_a_jump_that_a_second_tick_confirms_is_a_price() -> None:
    """So is one within its own quote; the judge refuses only the first one without."""
    judge, start, end = TickJudge(Rules(), INDEX), at("09:15"), at("15:40")

    def refuses(price: int, **quote: int) -> bool:
        tick = Tick(at_ms=NOON, symbol=C260, ltp_paise=price, **quote)
        return judge.refuses(tick, start, end)

    assert not refuses(10_000)
    assert refuses(14_000)
    assert not refuses(14_100)
    assert not refuses(20_000, bid_paise=19_900, ask_paise=20_100)
    assert not refuses(15_000)


# ---------------------------------------------------------------- timers


@pytest.mark.parametrize(("every_ms", "lawful"), [(30, False), (60, True)])
def test_timers_that_follow_each_other_at_once_are_said(every_ms: int, lawful: bool) -> None:
    """A deadline that is always a few milliseconds away keeps the machine busy for nothing."""
    found = findings()
    spinning = Spinning(found)
    for number in range(60):
        spinning.look(TimerDue(), (), NOON + number * every_ms)
        spinning.look(Tick(symbol=C260, ltp_paise=1), (), NOON + number * every_ms)

    assert (said(found) == set()) is lawful


def test_timers_that_ask_for_the_history_of_many_symbols_are_no_spinning() -> None:
    """Each symbol has a time of its own at which it is asked for again."""
    found = findings()
    spinning = Spinning(found)
    for number in range(60):
        spinning.look(TimerDue(), (LoadHistory(symbol=f"{C260}{number}"),), NOON + number)

    assert said(found) == set()
