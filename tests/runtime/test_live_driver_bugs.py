"""What once went wrong in the shell around the engine, and must not again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from baseline_v1_live.core.messages import (
    EntriesAllowed,
    EntriesBlocked,
    Purpose,
    Side,
    Started,
    Tick,
)
from baseline_v1_live.runtime import day as day_module
from baseline_v1_live.runtime.records import StateRecord
from tests.harness_market import DATE
from tests.runtime.live_day_desk import DayDesk
from tests.runtime.live_desk import LiveDesk, ids, modify, place, settle

STARTED = Started(mode="t")


def test_first_state_is_stored_again_when_its_step_was_not() -> None:
    """The day's contracts reach the journal although the first step failed."""

    async def story() -> None:
        universe = StateRecord(session="2026-12-28", kind="universe", key="", body=b"{}")
        desk = LiveDesk(first_state=[universe])
        desk.disk.bad = OSError("no")
        desk.driver.hear(STARTED)
        await settle()
        desk.disk.bad = None
        failed = len(desk.disk.steps)
        desk.driver.hear(STARTED)
        assert universe in desk.disk.steps[failed].state

    asyncio.run(story())


def test_a_disk_error_without_words_holds_entries_back() -> None:
    """An error need not have a text to be one."""

    async def story() -> None:
        desk = LiveDesk()
        desk.disk.bad = MemoryError()
        desk.engine.on(Started, place("sell"))
        desk.driver.hear(STARTED)
        await settle()
        assert ids(desk.broker.sent) == []

    asyncio.run(story())


def test_the_chase_of_a_correction_is_not_held_back() -> None:
    """Selling a long that our own orders made is an exit, and so is a change of that order."""

    async def story() -> None:
        desk = LiveDesk()
        desk.disk.bad = OSError("no")
        chase = msgspec.structs.replace(modify("back", Side.SELL), purpose=Purpose.CORRECTION)
        desk.engine.on(Started, chase)
        desk.driver.hear(STARTED)
        await settle()
        assert ids(desk.broker.sent) == ["back"]

    asyncio.run(story())


def test_the_kill_file_is_heard_although_the_feeds_cannot_be_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thing that breaks at each look does not hide the others."""
    monkeypatch.setattr(day_module, "_LOOK_REAL_S", 0.001)

    async def story() -> None:
        made = DayDesk(tmp_path)
        made.feeds.breaks = [RuntimeError("a bug")] * 10_000
        async with made.running():
            made.kill_file.set(DATE, "test")
            await made.look()
            assert made.verbs() == ["kill"]

    asyncio.run(story())


def test_a_full_disk_does_not_let_entries_in_between() -> None:
    """Small steps still fit on it: nothing is sold before no step has failed for a while."""

    async def story() -> None:
        desk = LiveDesk(calm_s=3_600.0)
        desk.disk.bad = OSError("no space left")
        desk.driver.hear(STARTED)
        await settle()
        desk.disk.bad = None
        desk.driver.hear(STARTED)
        await settle()
        assert len(desk.engine.of(EntriesBlocked)) == 1
        assert not desk.engine.of(EntriesAllowed)

    asyncio.run(story())


def test_what_was_decided_before_a_bug_goes_out() -> None:
    """Exits and stops come first in a step; a bug later in it does not hold them back."""

    async def story() -> None:
        desk = LiveDesk()
        stop = place("stop", Purpose.STOP)
        desk.engine.break_on(Started, KeyError("late in the step"))
        desk.engine.orders.commands.append(stop)
        desk.driver.hear(STARTED)
        await settle()
        assert ids(desk.broker.sent) == ["stop"]

    asyncio.run(story())


def test_a_bug_at_each_tick_is_told_a_few_times() -> None:
    """People hear of it at once and then now and then, not a thousand times."""

    async def story() -> None:
        desk = LiveDesk()
        for _ in range(900):
            desk.engine.break_on(Tick, KeyError("again"))
            desk.driver.hear(Tick(symbol="X", ltp_paise=1))
        assert 0 < len(desk.notices.said) < 10

    asyncio.run(story())
