"""Faults of the simulated machine itself: its journal is held by somebody, its time is set."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import msgspec
import pytest

from baseline_v1_live.simulate.chaos import Chaos
from baseline_v1_live.simulate.clock import SimulatedClock, set_time
from baseline_v1_live.simulate.loop import run_simulated
from baseline_v1_live.simulate.plan import Moment, Window, draw
from baseline_v1_live.simulate.seed import Log, Trial, play

BUSY_S = 5.0


def with_chaos(folder: Path, seed: int, tell: Callable[[Chaos], object]) -> object:
    """What is told of a chaos whose market has opened and whose bot never starts."""

    async def story() -> object:
        trial = Trial(draw(seed, ()), Path("state"), Log())
        await asyncio.sleep(60)
        return tell(trial.chaos)

    with chdir(folder):
        return run_simulated(story())


@pytest.mark.parametrize("seed", range(6))
def test_a_held_journal_makes_a_commit_wait_and_fail_as_the_store_would(
    tmp_path: Path, seed: int
) -> None:
    """A lock of a second is waited for; one beyond the store's patience fails after that."""

    def tell(chaos: Chaos) -> object:
        chaos.happen("journal_locked")
        return chaos.commit_s(), chaos.error()

    told = with_chaos(tmp_path, seed, tell)

    assert told in ((1.0, None), (BUSY_S, "database is locked"))


def test_a_journal_that_nobody_holds_is_quick(tmp_path: Path) -> None:
    """Without a lock a commit takes milliseconds and fails never."""
    told = with_chaos(tmp_path, 1, lambda chaos: (chaos.commit_s() < 0.1, chaos.error()))

    assert told == (True, None)


def test_every_strike_is_told_once(tmp_path: Path) -> None:
    """Whoever listens hears the name of each strike, as often as it is counted."""
    heard: list[str] = []

    def tell(chaos: Chaos) -> object:
        chaos.on_fault = heard.append
        chaos.happen("order_by_hand")
        chaos.happen("stream_cut")
        chaos.happen("stream_cut")
        return dict(chaos.fired)

    assert with_chaos(tmp_path, 1, tell) == {"order_by_hand": 1, "stream_cut": 2}
    assert heard == ["order_by_hand", "stream_cut", "stream_cut"]


def test_a_trouble_that_lasts_strikes_once(tmp_path: Path) -> None:
    """However many calls it spoils; the next time it comes is another strike."""
    plan = msgspec.structs.replace(
        draw(1, ()),
        windows=(Window("rate_limited", 0, 40_000), Window("rate_limited", 50_000, 60_000)),
    )

    async def story() -> int:
        trial = Trial(plan, Path("state"), Log())
        for _ in range(20):
            if trial.chaos.during("rate_limited"):
                trial.chaos.count("rate_limited")
            await asyncio.sleep(5)
            trial.world.venue.now_ms = trial.world.now_ms
        return trial.chaos.fired["rate_limited"]

    with chdir(tmp_path):
        assert run_simulated(story()) == 2


def test_a_clock_notices_that_the_machines_time_was_set() -> None:
    """It counts on from its start; one that begins afterwards begins wrong and notices the way back."""

    async def story() -> tuple[int, ...]:
        loop = asyncio.get_running_loop()
        first = SimulatedClock(1_000)
        set_time(loop, 60_000)
        second = SimulatedClock(1_000)
        await asyncio.sleep(2)
        wrong = (first.now_ms(), first.off_by_ms(), second.now_ms(), second.off_by_ms())
        set_time(loop, 0)
        return (*wrong, first.off_by_ms(), second.off_by_ms())

    assert run_simulated(story()) == (3_000, 60_000, 63_000, 0, 0, -60_000)


def test_a_second_signal_ends_the_simulated_process_and_no_other() -> None:
    """Told to stop twice within a moment, the bot ends at once; it is started again, and the day ends
    as it should.
    """
    plan = msgspec.structs.replace(
        draw(3, ()),
        moments=(Moment(300_000, "terminated"), Moment(300_001, "terminated")),
    )

    result = play(plan)

    assert (result.starts, result.violations) == (2, ())


@pytest.mark.parametrize("wrong_s", [-3_600, 23_400])
def test_a_bot_that_starts_under_a_wrong_clock_still_squares_off_in_time(
    tmp_path: Path, wrong_s: int
) -> None:
    """Killed in the middle of its day and started by a machine whose time is an hour slow, or says that
    the session is over: what it holds is looked after by the gateway's time, to the end.
    """
    plan = msgspec.structs.replace(draw(3, ()), moments=(Moment(1_200_000, "killed"),))

    async def story() -> tuple[int, int, object]:
        trial = Trial(plan, Path("state"), Log())
        loop = asyncio.get_running_loop()
        loop.call_later(1_229, set_time, loop, wrong_s * 1_000)
        await trial.run()
        return trial.starts, trial.checker.trades > 0, trial.checker.violations

    with chdir(tmp_path):
        assert run_simulated(story()) == (2, True, [])
