"""One live day: its start, what is looked at while it runs, and its jobs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from baseline_v1_live.core.messages import (
    EntriesAllowed,
    EntriesBlocked,
    Level,
    Started,
    TimerDue,
)
from baseline_v1_live.core.session import MINUTE_MS, SECOND_MS, ist_date
from baseline_v1_live.runtime import day as day_module
from baseline_v1_live.runtime.clock import wall_ms
from tests.harness_market import DATE, at
from tests.runtime.live_day_desk import OFF, OK, DayDesk
from tests.runtime.live_desk import settle, until


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day_module, "_LOOK_REAL_S", 0.001)


# ---------------------------------------------------------------- the start


def test_the_day_waits_until_the_books_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says now and then why they are not, and ends with the first snapshot."""
    monkeypatch.setattr(day_module, "_BOOKS_SAID_EVERY_S", 0.02)

    async def story() -> None:
        made = DayDesk(tmp_path, snapshots=False)
        said: list[str] = []
        waiting = asyncio.create_task(made.day.reconcile(said.append))
        await until(lambda: said, "a word")
        made.driver.books_error = "order book: timeout"
        await until(lambda: "order book: timeout" in said[-1], "the reason")
        assert [event.mode for event in made.driver.of(Started)] == ["test"]
        assert not waiting.done()
        assert not made.day.flat
        made.desk.snapshot()
        await until(waiting.done, "the end of the wait")
        assert made.day.flat

    asyncio.run(story())


def test_a_kill_from_before_the_start_comes_before_any_answer(tmp_path: Path) -> None:
    """Nothing is sold between the first snapshot and the first look at the file."""

    async def story() -> None:
        made = DayDesk(tmp_path, snapshots=False)
        made.kill_file.set(DATE, "test")
        waiting = asyncio.create_task(made.day.reconcile(lambda _: None))
        await settle()
        assert made.verbs() == ["kill"]
        made.desk.snapshot()
        await until(waiting.done, "the end of the wait")

    asyncio.run(story())


# ---------------------------------------------------------------- the kill switch


def test_the_kill_file_is_heard_within_one_look(tmp_path: Path) -> None:
    """Once, however long it lies there."""

    async def story() -> None:
        made = DayDesk(tmp_path)
        async with made.running():
            assert made.verbs() == []
            made.kill_file.set(DATE, "test")
            await made.look()
            assert made.verbs() == ["kill"]
            await made.look()
            assert made.verbs() == ["kill"]

    asyncio.run(story())


@pytest.mark.parametrize(("real", "heard"), [(False, ["kill"]), (True, [])])
def test_a_kill_by_the_machines_date_counts_on_a_followed_clock(
    tmp_path: Path, real: bool, heard: list[str]
) -> None:
    """Who writes the file by hand knows no simulated date; on the real clock there is only one date."""

    async def story() -> None:
        made = DayDesk(tmp_path, real=real)
        made.kill_file.set(ist_date(wall_ms()), "somebody")
        async with made.running():
            await made.look()
            assert made.verbs() == heard

    asyncio.run(story())


def test_a_kill_that_was_said_is_written_down_first(tmp_path: Path) -> None:
    """A restart knows it, and the watch does not say it again; other words write nothing."""

    async def story() -> None:
        made = DayDesk(tmp_path)
        async with made.running():
            made.day.say("pause", "somebody")
            assert not made.kill_file.is_set(DATE)
            made.day.say("kill", "somebody")
            assert made.kill_file.is_set(DATE)
            await made.look()
            assert made.verbs() == ["pause", "kill"]

    asyncio.run(story())


def test_a_kill_is_heard_although_it_cannot_be_written(tmp_path: Path) -> None:
    """A full disk does not keep positions open."""

    async def story() -> None:
        made = DayDesk(tmp_path)
        made.kill_file.path = tmp_path / "bot" / "KILL"
        (tmp_path / "bot").write_text("a file where a folder should be")
        made.day.say("kill", "somebody")
        assert made.verbs() == ["kill"]

    asyncio.run(story())


# ---------------------------------------------------------------- each look, each minute


def test_each_minute_of_the_clock_has_a_heartbeat(tmp_path: Path) -> None:
    """One each, whatever the number of looks; none after the close."""

    async def story() -> None:
        made = DayDesk(tmp_path)
        async with made.running():
            assert len(made.driver.tagged("HEARTBEAT")) == 1
            await made.at("10:00:59")
            assert len(made.driver.tagged("HEARTBEAT")) == 1
            await made.at("10:01:00")
            await made.look()
            assert len(made.driver.tagged("HEARTBEAT")) == 2
            await made.at("15:39:59")
            assert len(made.driver.tagged("HEARTBEAT")) == 3
            assert not made.day.closed
            await made.at("15:40:00")
            await made.at("15:41:00")
            assert len(made.driver.tagged("HEARTBEAT")) == 3
            assert made.day.closed
            assert all(
                level is Level.LOG for level, tag, _ in made.driver.told if tag == "HEARTBEAT"
            )

    asyncio.run(story())


def test_what_recorders_hold_back_is_given_away_at_each_look(tmp_path: Path) -> None:
    """A killed process loses a moment of ticks at most."""

    async def story() -> None:
        made = DayDesk(tmp_path)
        async with made.running():
            before = made.hooks.flushes
            await made.look()
            assert made.hooks.flushes > before

    asyncio.run(story())


def test_a_look_that_breaks_is_told_and_not_the_last_one(tmp_path: Path) -> None:
    """The kill switch of later is heard all the same."""

    async def story() -> None:
        made = DayDesk(tmp_path)
        async with made.running():
            made.feeds.breaks = [RuntimeError("a bug")]
            await made.look()
            assert [level for level, tag, _ in made.driver.told if tag == "BUG"] == [Level.CRITICAL]
            assert "a bug" in made.driver.tagged("BUG")[0]
            made.kill_file.set(DATE, "test")
            await made.look()
            assert made.verbs() == ["kill"]

    asyncio.run(story())


def test_another_mode_of_the_gateway_blocks_once(tmp_path: Path) -> None:
    """It is asked for each minute; what is blocked stays blocked, whatever the gateway says later."""

    async def story() -> None:
        made = DayDesk(tmp_path)
        async with made.running():
            assert made.hooks.mode_looks == 1
            assert made.driver.of(EntriesBlocked) == []
            made.hooks.mode = "live, not paper"
            await made.at("10:01:00")
            (blocked,) = made.driver.of(EntriesBlocked)
            assert (blocked.cause, blocked.message) == ("mode", "live, not paper")
            await made.at("10:02:00")
            made.hooks.mode = None
            await made.at("10:03:00")
            made.day.block_mode("told by an answer")
            assert made.hooks.mode_looks == 4
            assert len(made.driver.of(EntriesBlocked)) == 1
            assert made.driver.of(EntriesAllowed) == []

    asyncio.run(story())


def test_a_look_at_the_mode_that_breaks_is_made_again(tmp_path: Path) -> None:
    """A minute later."""

    async def story() -> None:
        made = DayDesk(tmp_path)
        made.hooks.mode = RuntimeError("a bug")
        async with made.running():
            made.hooks.mode = "live, not paper"
            await made.at("10:01:00")
            assert len(made.driver.of(EntriesBlocked)) == 1

    asyncio.run(story())


def test_a_clock_that_parts_from_the_gateways_blocks_until_they_agree(tmp_path: Path) -> None:
    """Looked at each minute; said once, taken back once, and said again for a new trouble."""

    async def story() -> None:
        made = DayDesk(tmp_path, real=True)

        def causes() -> list[tuple[str, str]]:
            kinds = (EntriesBlocked, EntriesAllowed)
            heard = [event for event in made.driver.heard if isinstance(event, kinds)]
            return [(type(event).__name__, event.cause) for event in heard]

        blocked, allowed = ("EntriesBlocked", "clock"), ("EntriesAllowed", "clock")
        async with made.running():
            made.hooks.clock = OFF
            await made.at("10:00:30")
            assert causes() == []
            await made.at("10:01:00")
            await made.at("10:02:00")
            assert causes() == [blocked]
            made.hooks.clock = OK
            await made.at("10:03:00")
            await made.at("10:04:00")
            assert causes() == [blocked, allowed]
            made.clock.off_ms = -2_001  # type: ignore[union-attr]
            await made.at("10:05:00")
            assert causes() == [blocked, allowed, blocked]
            assert "-2.0 s" in made.driver.of(EntriesBlocked)[-1].message
            made.clock.off_ms = 2_000  # type: ignore[union-attr]
            await made.at("10:06:00")
            assert causes() == [blocked, allowed, blocked, allowed]

    asyncio.run(story())


def test_a_day_whose_machine_slept_past_the_square_off_closes_at_once(tmp_path: Path) -> None:
    """The clock is put on, people are told, and the engine looks at its deadlines in that moment."""

    async def story() -> None:
        made = DayDesk(tmp_path, start="15:00:00", real=True)

        def wake() -> int:
            made.hooks.slept = lambda: 0
            made.clock.ms += 20 * MINUTE_MS
            return 20 * MINUTE_MS

        async with made.running():
            await made.at("15:01:00")
            made.hooks.slept = wake
            await made.at("15:02:00")
            assert made.desk.engine.positions.day_exit_reason == "EOD_EXIT"
            assert len(made.driver.tagged("CLOCK")) == 1

    asyncio.run(story())


def test_a_simulators_clock_is_not_compared(tmp_path: Path) -> None:
    """It is followed, so it is right by definition."""

    async def story() -> None:
        made = DayDesk(tmp_path)
        made.hooks.clock = OFF
        async with made.running():
            await made.at("10:01:00")
            assert made.driver.of(EntriesBlocked) == []

    asyncio.run(story())


# ---------------------------------------------------------------- jobs


def test_the_days_jobs_run_at_their_times(tmp_path: Path) -> None:
    """The check five minutes before the open, the square-off, the reminder to log in, the summary."""

    async def story() -> None:
        made = DayDesk(tmp_path, start="09:05:00")
        async with made.running():
            for text, done in (
                ("09:10:00", lambda: made.checked == 1),
                ("15:15:00", lambda: made.driver.of(TimerDue)),
                ("15:39:00", lambda: made.driver.tagged("TOKEN")),
                ("15:40:00", lambda: made.driver.tagged("SUMMARY")),
            ):
                made.clock.ms = at(text) - SECOND_MS
                await made.look()
                assert not done()
                made.clock.ms = at(text)
                await until(done, f"the job of {text}")
            assert made.desk.engine.positions.day_exit_reason == "EOD_EXIT"
            assert made.checked == 1
            for tag in ("TOKEN", "SUMMARY", "PRE-OPEN"):
                assert len(made.driver.tagged(tag)) == 1

    asyncio.run(story())


@pytest.mark.parametrize(
    ("problem", "level"), [(None, Level.LOG), ("the session has ended", Level.CRITICAL)]
)
def test_the_check_before_the_open_is_loud_when_it_finds_something(
    tmp_path: Path, problem: str | None, level: Level
) -> None:
    """What is well is written only; what is wrong is told with its own words."""

    async def story() -> None:
        made = DayDesk(tmp_path, start="09:05:00")
        made.problem = problem
        async with made.running():
            await made.at("09:10:00")
            await until(lambda: made.driver.tagged("PRE-OPEN"), "the check")
            ((said, _, text),) = [told for told in made.driver.told if told[1] == "PRE-OPEN"]
            assert said is level
            assert problem is None or text == problem

    asyncio.run(story())


def test_a_day_that_starts_late_leaves_out_what_is_past(tmp_path: Path) -> None:
    """The check before the open is not made up for at ten."""

    async def story() -> None:
        made = DayDesk(tmp_path)
        async with made.running():
            await made.at("10:01:00")
            assert made.checked == 0

    asyncio.run(story())
