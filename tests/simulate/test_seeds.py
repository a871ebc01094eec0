"""Seeded days through the live loop: a seed is one story, and a day without faults ends well."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys

import msgspec
import pytest

from baseline_v1_live.sim.fault_catalogue import BY_NAME, TROUBLES
from baseline_v1_live.simulate.loop import run_simulated
from baseline_v1_live.simulate.plan import draw
from baseline_v1_live.simulate.seed import play
from baseline_v1_live.simulate.stuck import StuckError, watched


@pytest.mark.parametrize("seed", [3, 4, 7])
def test_a_day_without_faults_ends_flat_with_equal_books(seed: int) -> None:
    """The control: nothing strikes, nothing is wrong."""
    result = play(draw(seed, ()))

    assert result.violations == ()
    assert result.fired == {}
    assert result.trades > 0
    assert result.starts == 1


def test_a_seed_is_one_story() -> None:
    """Played twice, a day of faults gives the same event log to the byte, and the same end."""
    plan = draw(12, {"killed", "answer_lost", "updates_shuffled", "stream_cut"})
    first, second = play(plan), play(plan)

    assert first.fired
    assert first == second


_DIGEST = """
from baseline_v1_live.simulate.plan import draw
from baseline_v1_live.simulate.seed import play
result = play(draw(12, {"killed", "answer_lost", "updates_shuffled", "stream_cut"}))
print(result.digest, sum(result.fired.values()))
"""


def test_a_seed_is_one_story_in_every_process() -> None:
    """Also where another process has its sets in another order."""
    told = [
        subprocess.run(
            [sys.executable, "-c", _DIGEST],
            env={**os.environ, "PYTHONHASHSEED": number},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for number in ("1", "2")
    ]
    digest, struck = told[0].split()

    assert told[0] == told[1]
    assert len(digest) == 16
    assert int(struck) > 0


def test_a_plan_is_drawn_from_what_is_allowed() -> None:
    """At least three faults of those named, and the same ones for the same seed."""
    allowed = {"killed", "html", "jumps", "paused"}
    plans = [draw(seed, allowed) for seed in range(50)]

    assert all(len(plan.troubles) >= 3 for plan in plans)
    assert {name for plan in plans for name in plan.troubles} == allowed
    assert plans == [draw(seed, allowed) for seed in range(50)]


def test_every_fault_is_drawn_by_some_seed() -> None:
    """In two hundred seeds each of the catalogue has its turn."""
    drawn = {name for seed in range(200) for name in draw(seed).troubles}

    assert drawn == set(BY_NAME)
    assert len(BY_NAME) == len(TROUBLES)


def test_a_day_that_raises_is_a_finding_with_its_seed_and_where() -> None:
    """The others of a run go on."""
    result = play(msgspec.structs.replace(draw(5, ()), profile="nobody's"))

    assert [violation.invariant for violation in result.violations] == ["the simulation runs"]
    assert result.seed == 5
    assert "Traceback" in result.last[0]
    assert "nobody's" in result.last[-1]


class _Endless(list[str]):
    """A log that at its tenth line computes for ever."""

    def append(self, line: str) -> None:
        super().append(line)
        while len(self) == 10:
            pass


def test_a_day_that_stands_still_is_ended_and_named() -> None:
    """Its time does not go on: what it has logged is there, and where it was."""
    kept = _Endless()
    result = play(draw(5, ()), keep=kept, stuck_s=0.4)

    assert [violation.invariant for violation in result.violations] == ["the day ends"]
    assert result.last[: len(kept) - 1] == tuple(kept[:-1])
    assert any("in append" in line for line in result.last)


def test_tasks_that_turn_in_circles_are_ended() -> None:
    """The loop runs, and its time stands."""

    async def circles() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(StuckError), watched(lambda: 0.0, 0.2):
        run_simulated(circles())


def test_a_killed_process_says_nothing_any_more() -> None:
    """Whenever Python clears away what is left of it, the event log has no line of that."""
    plan = draw(12, {"killed", "answer_lost", "updates_shuffled", "stream_cut"})
    cleared: list[str] = []
    kept: list[str] = []
    usual = gc.get_threshold()
    try:
        gc.set_threshold(0)
        first = play(plan, keep=kept)
        gc.set_threshold(500, 2, 2)
        second = play(plan, keep=cleared)
    finally:
        gc.set_threshold(*usual)

    assert first.fired["killed"]
    assert kept == cleared
    assert first == second
