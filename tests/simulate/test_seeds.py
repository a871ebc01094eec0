"""Seeded days through the live loop: a seed is one story, and a day without faults ends well."""

from __future__ import annotations

import pytest

from baseline_v1_live.sim.fault_catalogue import BY_NAME, TROUBLES
from baseline_v1_live.simulate.plan import draw
from baseline_v1_live.simulate.seed import play


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
