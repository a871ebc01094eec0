"""The live driver: stamps, the disk before the order, reads at once, hooks, timers, and the end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from baseline_v1_live.core.messages import (
    FeedBack,
    FetchQuote,
    Level,
    LoadHistory,
    Notify,
    OperatorSaid,
    OrderAccepted,
    OrderRefused,
    OutcomeUnknown,
    Purpose,
    QueryOrder,
    SetTimer,
    Side,
    SnapshotTaken,
    Started,
    Stop,
    TakeSnapshot,
    Tick,
    TimerDue,
)
from baseline_v1_live.runtime.records import StateRecord
from tests.harness_market import C260
from tests.runtime.live_desk import (
    START_MS,
    STARTED,
    TICK,
    DiskError,
    LiveDesk,
    cancel,
    ids,
    modify,
    place,
    settle,
    until,
)

QUERY = QueryOrder(order_id="asked", broker_order_id="7")


# ---------------------------------------------------------------- stamps


async def stamps() -> None:
    desk = LiveDesk(first_seq=41)
    for moved_ms in (0, 700, -5_000, 200, 9_000):
        desk.clock.ms = START_MS + moved_ms
        desk.driver.hear(TICK)
        desk.driver.hear(STARTED)

    heard = desk.engine.heard
    assert [event.seq for event in heard] == list(range(42, 52))
    assert [event.at_ms - START_MS for event in heard[::2]] == [0, 700, 700, 700, 9_000]
    assert [event.at_ms for event in heard[1::2]] == [event.at_ms for event in heard[::2]]
    desk.clock.ms = START_MS
    assert desk.driver.now_ms == START_MS + 9_000


def test_stamps_rise_and_never_go_back() -> None:
    """Numbers go on after the journal's newest, and an instant is never before the one heard last,
    even when the clock jumps back.
    """
    asyncio.run(stamps())


# ---------------------------------------------------------------- what leaves, and when


async def disk_first() -> None:
    desk = LiveDesk()
    desk.disk.busy = True
    desk.engine.on(
        Started, place("entry"), TakeSnapshot(reason="test"), cancel("old"), QUERY,
        LoadHistory(symbol=C260), FetchQuote(symbol=C260),
    )  # fmt: skip
    desk.driver.hear(STARTED)
    await settle()

    assert [type(c) for c in desk.broker.sent] == [TakeSnapshot, QueryOrder]
    assert [type(c) for c in desk.prices.asked] == [LoadHistory, FetchQuote]
    desk.disk.busy = False
    desk.disk.write()
    await settle()
    assert ids(desk.broker.sent[2:]) == ["entry", "old"]


def test_orders_leave_after_their_step_is_stored() -> None:
    """Orders wait for the disk; questions, which change nothing, do not."""
    asyncio.run(disk_first())


async def many_steps() -> None:
    desk = LiveDesk()
    desk.disk.busy = True
    desk.engine.on(Started, place("a", Purpose.STOP), cancel("b"), modify("c", Side.BUY))
    desk.engine.on(Started, place("d"), cancel("e"))
    for _ in range(2):
        desk.driver.hear(STARTED)
    desk.disk.busy = False
    desk.disk.write()
    await settle()

    assert ids(desk.broker.sent) == ["a", "b", "c", "d", "e"]


def test_orders_leave_in_the_order_in_which_they_were_decided() -> None:
    """Within a step and from step to step."""
    asyncio.run(many_steps())


async def answers() -> None:
    desk = LiveDesk()
    desk.prices.answer = TICK
    desk.engine.on(Started, place("entry"), TakeSnapshot(reason="test"), LoadHistory(symbol=C260))
    desk.driver.hear(STARTED)
    await settle()

    assert [event.order_id for event in desk.engine.of(OrderAccepted)] == ["entry"]
    assert len(desk.engine.of(SnapshotTaken)) == 1
    assert len(desk.engine.of(Tick)) == 1
    assert (desk.driver.reconciled_at_ms, desk.driver.books_error) == (START_MS, "")


def test_answers_of_broker_and_prices_are_events() -> None:
    """Each is heard once; the time of the newest snapshot is known."""
    asyncio.run(answers())


async def without_consequence() -> None:
    steps: list[int] = []
    desk = LiveDesk(on_step=lambda: steps.append(len(desk.disk.steps)))
    desk.driver.hear(TICK)
    desk.driver.hear(TimerDue())
    assert (desk.disk.steps, steps) == ([], [])

    desk.engine.on(Tick, Notify(level=Level.INFO, tag="T", text="news"))
    desk.driver.hear(TICK)
    desk.driver.hear(STARTED)
    assert desk.disk.events == ["Tick", "Started"]
    assert steps == [1, 2]
    assert desk.disk.steps[0].commands == (Notify(level=Level.INFO, tag="T", text="news"),)


def test_what_has_no_consequence_is_not_stored() -> None:
    """A bare tick or timer is no step; a tick with a command and any other event is one."""
    asyncio.run(without_consequence())


class _Booked:
    """An order or position of which only the change itself matters here."""


@pytest.mark.parametrize("book", ["orders", "positions"])
def test_a_tick_that_changes_an_order_or_a_position_is_stored(
    book: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when no command comes of it."""

    async def story() -> None:
        desk = LiveDesk()
        monkeypatch.setattr(
            "baseline_v1_live.runtime.live.take_changes", lambda _: (["order"], [], [])
        )
        getattr(desk.engine, book).changed["a"] = _Booked()
        desk.driver.hear(TICK)
        assert [step.orders for step in desk.disk.steps] == [["order"]]

    asyncio.run(story())


async def state_records() -> None:
    universe = StateRecord(session="2026-12-28", kind="universe", key="", body=b"{}")
    flags = StateRecord(session="2026-12-28", kind="flags", key="", body=b"{}")
    desk = LiveDesk(first_state=[universe])
    desk.driver.hear(TICK)
    desk.keeper.fresh = [flags]
    desk.driver.hear(STARTED)
    await settle()
    desk.keeper.fresh = [flags]
    desk.driver.hear(STARTED)
    desk.driver.hear(STARTED)

    assert [step.state for step in desk.disk.steps] == [[universe, flags], [flags], []]


def test_the_first_state_is_stored_with_the_first_step_only() -> None:
    """Before what is new of the engine, and no more once it is on the disk."""
    asyncio.run(state_records())


async def hooks() -> None:
    ticks: list[Tick] = []
    steps: list[str] = []
    desk = LiveDesk(
        first_seq=6,
        on_tick=ticks.append,
        on_step=lambda: steps.append(desk.disk.events[-1]),
    )
    desk.driver.hear(TICK)
    desk.driver.hear(STARTED)

    assert [(tick.seq, tick.at_ms, tick.symbol) for tick in ticks] == [(7, START_MS, C260)]
    assert steps == ["Started"]


def test_hooks_hear_ticks_and_steps() -> None:
    """Ticks with their stamp, steps once they are given to the disk."""
    asyncio.run(hooks())


async def said() -> None:
    desk = LiveDesk()
    note = Notify(level=Level.ALERT, tag="A", text="of the core")
    desk.engine.on(Started, note, Stop(reason="cannot go on"))
    desk.driver.hear(STARTED)
    desk.driver.say("pause", "somebody")

    assert desk.notices.said[0] == note
    assert (desk.notices.said[1].level, desk.notices.said[1].text) == (
        Level.CRITICAL,
        "cannot go on",
    )
    (word,) = desk.engine.of(OperatorSaid)
    assert (word.verb, word.by) == ("pause", "somebody")


def test_notices_and_words_are_passed_on() -> None:
    """What the core says goes to people, what people say to the core."""
    asyncio.run(said())


# ---------------------------------------------------------------- time


async def timers() -> None:
    desk = LiveDesk()
    desk.engine.on(Started, SetTimer(due_at_ms=START_MS + 5_000))
    desk.driver.hear(STARTED)
    await asyncio.sleep(0.005)
    assert not desk.engine.of(TimerDue)
    desk.clock.ms += 4_999
    await asyncio.sleep(0.005)
    assert not desk.engine.of(TimerDue)
    desk.clock.ms += 1
    await until(lambda: desk.engine.of(TimerDue), "the timer")

    await asyncio.sleep(0.005)
    assert [event.at_ms - START_MS for event in desk.engine.of(TimerDue)] == [5_000]


def test_a_timer_is_due_at_the_clocks_time() -> None:
    """Not before, and once."""
    asyncio.run(timers())


async def earlier_timers() -> None:
    desk = LiveDesk()
    for due_ms in (9_000, 2_000, 6_000):
        desk.engine.on(Started, SetTimer(due_at_ms=START_MS + due_ms))
        desk.driver.hear(STARTED)
    assert desk.clock.wanted_ms == START_MS + 2_000
    desk.engine.on(TimerDue, SetTimer(due_at_ms=START_MS + 3_000))
    desk.clock.ms += 2_000
    await until(lambda: len(desk.engine.of(TimerDue)) == 1, "the earliest timer")
    desk.clock.ms += 999
    await asyncio.sleep(0.005)
    assert len(desk.engine.of(TimerDue)) == 1
    desk.clock.ms += 1
    await until(lambda: len(desk.engine.of(TimerDue)) == 2, "the timer after it")
    assert [event.at_ms - START_MS for event in desk.engine.of(TimerDue)] == [2_000, 3_000]


def test_the_earliest_timer_counts() -> None:
    """An earlier one takes a later one's place, a later one changes nothing."""
    asyncio.run(earlier_timers())


async def overdue_timer() -> None:
    desk = LiveDesk()
    desk.engine.on(Started, SetTimer(due_at_ms=START_MS - 1_000))
    desk.driver.hear(STARTED)
    await until(lambda: desk.engine.of(TimerDue), "the timer")


def test_a_timer_that_is_overdue_comes_at_once() -> None:
    """An instant in the past is no reason to wait for ever."""
    asyncio.run(overdue_timer())


# ---------------------------------------------------------------- the end


async def closing() -> None:
    desk = LiveDesk()
    desk.broker.mute = True
    desk.engine.on(Started, place("a", Purpose.STOP), SetTimer(due_at_ms=START_MS + 1_000))
    desk.driver.hear(STARTED)
    await settle()
    desk.disk.busy = True
    desk.engine.on(FeedBack, place("b", Purpose.STOP))
    desk.driver.hear(FeedBack(source="a"))
    heard, sent = len(desk.engine.heard), len(desk.broker.sent)
    assert sent == 1

    await desk.driver.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    desk.broker.mute = False
    desk.disk.write(DiskError("too late"))
    desk.clock.ms += 2_000
    desk.driver.hear(TICK)
    desk.driver.say("kill")
    await asyncio.sleep(0.005)
    assert (len(desk.engine.heard), len(desk.broker.sent)) == (heard, sent)
    await desk.driver.close()


def test_after_the_end_nothing_is_heard_and_nothing_leaves() -> None:
    """Answers, timers, steps of the disk and words of people come too late; twice is harmless."""
    asyncio.run(closing())


async def unanswered() -> None:
    desk = LiveDesk()
    desk.broker.mute = True
    desk.engine.on(Started, place("a"))
    desk.driver.hear(STARTED)
    await settle()
    await desk.driver.close()

    assert ids(desk.broker.sent) == ["a"]
    kinds: list[Any] = [OrderRefused, OutcomeUnknown, OrderAccepted]
    assert not any(desk.engine.of(kind) for kind in kinds)


def test_what_is_on_its_way_at_the_end_stays_without_an_answer() -> None:
    """Nothing is made up about it: the journal has it, and a restart looks for it."""
    asyncio.run(unanswered())
