"""The end of a live day: entries are out and positions closed with proof, and nothing runs on."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from pathlib import Path

import pytest

from baseline_v1_live.core.messages import (
    Request,
    TimerDue,
)
from baseline_v1_live.core.session import MINUTE_MS, SECOND_MS
from baseline_v1_live.runtime import day as day_module
from tests.harness_market import C260, DATE, at
from tests.runtime.live_day_desk import DayDesk
from tests.runtime.live_desk import settle


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day_module, "_LOOK_REAL_S", 0.001)


def _resting(made: DayDesk) -> str:
    """An entry that rests at the broker; its id."""
    with made.desk.answered():
        made.desk.swing_low(C260, 130.00, 139.00)
    made.clock.ms = made.desk.now_ms
    return made.desk.entry(C260).order_id


def test_stopping_cancels_entries_and_ends_with_the_proof(tmp_path: Path) -> None:
    """As soon as nothing can fill any more; it is the process's own word."""

    async def story() -> None:
        made = DayDesk(tmp_path, start="09:14:00")
        entry = _resting(made)
        began = time.monotonic()
        stopping = asyncio.create_task(made.day.stop_entries())
        await settle()
        assert made.verbs() == ["stop"]
        assert made.desk.engine.unproven_entries() == [entry]
        assert not stopping.done()
        made.desk.accept(entry, Request.CANCEL)
        made.desk.prove(entry)
        assert await stopping == []
        assert time.monotonic() - began < day_module.STOP_WAIT_S

    asyncio.run(story())


def test_stopping_names_entries_without_a_proof_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that does not answer does not keep the process."""
    monkeypatch.setattr(day_module, "STOP_WAIT_S", 0.05)

    async def story() -> None:
        made = DayDesk(tmp_path, start="09:14:00")
        entry = _resting(made)
        began = time.monotonic()
        assert await made.day.stop_entries() == [entry]
        assert time.monotonic() - began >= 0.05

    asyncio.run(story())


def test_stopping_waits_for_the_answer_of_a_stop(tmp_path: Path) -> None:
    """Entries are over, but a protective stop was sent and not answered: its answer is waited for."""

    async def story() -> None:
        made = DayDesk(tmp_path, start="09:14:00")
        desk = made.desk
        entry = _resting(made)
        desk.tick(C260, 129.95)
        desk.fill(entry, 650, 129.95)
        desk.prove(entry)
        made.clock.ms = desk.now_ms
        assert desk.engine.unproven_entries() == []
        stopping = asyncio.create_task(made.day.stop_entries())
        await asyncio.sleep(0.03)
        assert not stopping.done()
        desk.accept(desk.stop(C260).order_id)
        assert await stopping == []

    asyncio.run(story())


def test_stopping_in_the_middle_of_an_exit_waits_for_it_and_names_what_it_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stop is gone, and nobody chases an exit that rests: that is no covered position."""

    async def story() -> None:
        made = DayDesk(tmp_path, start="09:14:00")
        desk = made.desk
        desk.short(C260)
        desk.say("flatten")
        desk.cancelled("stop-0002")
        desk.accept("exit-0003")
        made.clock.ms = desk.now_ms
        monkeypatch.setattr(day_module, "STOP_WAIT_S", 0.05)
        await made.day.stop_entries()
        assert made.day.uncovered() == [C260]

        monkeypatch.setattr(day_module, "STOP_WAIT_S", 5.0)
        stopping = asyncio.create_task(made.day.stop_entries())
        await asyncio.sleep(0.03)
        assert not stopping.done()
        desk.fill("exit-0003", 650, 131.00)
        await stopping
        assert made.day.uncovered() == []

    asyncio.run(story())


def test_a_stop_that_is_being_chased_covers_nothing_at_the_end(tmp_path: Path) -> None:
    """It has triggered and its limit is left behind: without its chase it stays so."""

    async def story() -> None:
        made = DayDesk(tmp_path, start="09:14:00")
        made.desk.short(C260)
        assert made.day.uncovered() == []
        made.desk.tick(C260, 150.00)
        assert made.day.uncovered() == [C260]

    asyncio.run(story())


def test_flat_is_proven_by_a_snapshot_asked_for_afterwards(tmp_path: Path) -> None:
    """Books of before the word, even when they arrive after it, are no proof."""

    async def story() -> None:
        made = DayDesk(tmp_path)
        made.desk.snapshots = False
        assert made.day.flat
        closing = asyncio.create_task(made.day.flatten(5.0))
        await settle()
        assert made.verbs() == ["flatten"]
        before_ms = made.desk.now_ms
        made.clock.ms += SECOND_MS
        made.desk.now_ms = made.clock.ms
        made.desk.snapshot(asked_at_ms=before_ms)
        await asyncio.sleep(0.03)
        assert not closing.done()
        made.desk.snapshot()
        assert await closing

    asyncio.run(story())


def test_flattening_closes_what_is_held(tmp_path: Path) -> None:
    """The position is bought back, and only then the books can prove it."""

    async def story() -> None:
        made = DayDesk(tmp_path, start="09:14:00")
        made.desk.short(C260)
        made.clock.ms = made.desk.now_ms
        assert not made.day.flat
        closing = asyncio.create_task(made.day.flatten(5.0))
        await settle()
        made.desk.advance(6)
        await asyncio.sleep(0.02)
        assert not closing.done()
        with made.desk.answered():
            for _ in range(4):
                made.desk.advance(6)
        assert await closing
        assert made.desk.net().get(C260, 0) == 0

    asyncio.run(story())


def test_flattening_gives_up_when_nothing_is_proven_in_time(tmp_path: Path) -> None:
    """The caller hears no, and not for ever nothing."""

    async def story() -> None:
        made = DayDesk(tmp_path)
        made.desk.snapshots = False
        assert not await made.day.flatten(0.03)

    asyncio.run(story())


def test_the_end_stops_everything_that_runs(tmp_path: Path) -> None:
    """Watch, jobs, feeds and driver; no task is left, and the square-off comes no more."""

    async def story() -> None:
        made = DayDesk(tmp_path)
        async with made.running():
            pass
        looks = made.feeds.looks
        assert made.feeds.events == ["start", "close"]
        assert made.driver.closed
        made.clock.ms = at("15:15:00")
        await asyncio.sleep(0.01)
        assert made.feeds.looks == looks
        assert made.driver.of(TimerDue) == []
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(story())


def test_a_day_that_was_never_opened_can_be_closed(tmp_path: Path) -> None:
    """As when a signal comes while the books are being read."""

    async def story() -> None:
        made = DayDesk(tmp_path)
        await made.day.close()
        assert made.driver.closed

    asyncio.run(story())


def test_a_status_tells_the_day(tmp_path: Path) -> None:
    """Its mode, date and instants are those of the day and its clock."""

    async def story() -> None:
        made = DayDesk(tmp_path)
        made.clock.ms += MINUTE_MS
        seen = made.day.status()
        assert (seen.mode, seen.date) == ("test", DATE.isoformat())
        assert (seen.at_ms, seen.uptime_ms) == (at("10:01:00"), MINUTE_MS)
        assert (made.day.orders(), made.day.positions()) == ([], [])
        assert dt.date.fromisoformat(seen.date) == DATE

    asyncio.run(story())
