"""What a seed means: everything in it is drawn, nothing depends on anything else, and all of it heals."""

from __future__ import annotations

from collections import Counter

import pytest

from baseline_v1_live.core.rules import ExitPolicy
from baseline_v1_live.core.session import MINUTE_MS, at_ist
from baseline_v1_live.sim.contract_table import SESSION_OPEN
from baseline_v1_live.sim.fault_catalogue import BY_NAME, Kind
from baseline_v1_live.sim.small_day import small_day, whole_day
from baseline_v1_live.simulate.plan import FULL_SIZE_EVERY, draw

SEEDS = range(100)


def test_the_same_seed_has_the_same_plan() -> None:
    """Drawn twice, a plan is equal in everything; two seeds differ."""
    assert draw(7) == draw(7)
    assert draw(7) != draw(8)


@pytest.mark.parametrize("name", BY_NAME)
def test_each_fault_alone_has_its_turn(name: str) -> None:
    """Any name of the catalogue gets a chance, a period or a moment, and all of it lies in the day."""
    plan = draw(1, alone=name)
    kind = BY_NAME[name].kind

    assert plan.troubles == (name,)
    assert set(plan.chances) | {w.name for w in plan.windows} | {m.name for m in plan.moments} == {
        name
    }
    assert (name in plan.chances) == (kind in (Kind.REQUEST, Kind.MESSAGE))
    assert all(moment.at_ms < plan.heal_ms for moment in plan.moments)
    assert all(window.to_ms <= plan.heal_ms for window in plan.windows)


def test_a_day_has_many_faults_and_time_to_heal() -> None:
    """Five to seventeen faults, and at least the last minutes of the tape without any."""
    for plan in map(draw, SEEDS):
        assert 5 <= len(plan.troubles) <= 17
        assert plan.heal_ms < (plan.minutes - 5) * MINUTE_MS
        assert plan.last_entry_minute < plan.square_off_minute < plan.minutes


def test_what_ends_the_day_comes_late_and_once() -> None:
    """So a day of any faults is one on which something can be traded first."""
    for plan in map(draw, SEEDS):
        times = Counter(moment.name for moment in plan.moments)
        for moment in plan.moments:
            if moment.name in ("kill_switch", "broker_square_off"):
                assert times[moment.name] == 1
                assert moment.at_ms >= plan.heal_ms * 0.3 - 1


def test_exit_policies_are_drawn_and_can_be_forced() -> None:
    """The market policy on most days and each other on many; with a force, that one on the same day."""
    drawn = Counter(draw(seed).rules.exit_policy for seed in range(400))
    forced = [draw(seed, exit_policy=ExitPolicy.FIXED) for seed in SEEDS]

    assert drawn.most_common(1)[0][0] is ExitPolicy.MARKET
    assert all(drawn[policy] >= 50 for policy in ExitPolicy)
    assert {plan.rules.exit_policy for plan in forced} == {ExitPolicy.FIXED}
    assert [plan.moments for plan in forced] == [draw(seed).moments for seed in SEEDS]


def test_a_trailing_stop_of_a_staged_day_arms_at_its_last_stage() -> None:
    """Otherwise the rest would be closed before the last stage could be reached."""
    for seed in SEEDS:
        rules = draw(seed, exit_policy=ExitPolicy.STAGED).rules
        assert rules.trailing_arm_r_milli == rules.staged_r_milli[-1]


def test_every_fiftieth_day_is_whole_or_any_that_is_wanted() -> None:
    """A run of two hundred has a few whole sessions."""
    assert sum(draw(seed).full_size for seed in range(200)) == 200 // FULL_SIZE_EVERY
    assert draw(3, full_size=True).full_size
    assert not draw(3).full_size


def test_small_and_whole_days_are_what_they_say() -> None:
    """Ten options or eighty-two, ticks from the open on and none after the last minute."""
    for day, minutes, options in (
        (small_day(5, minutes=40), 40, 10),
        (whole_day(5, minutes=375), 375, 82),
    ):
        open_ms = at_ist(day.date, SESSION_OPEN)
        assert len(day.contracts) == options
        assert open_ms <= day.at_ms[0] < open_ms + MINUTE_MS
        assert open_ms + (minutes - 1) * MINUTE_MS < day.at_ms[-1] < open_ms + minutes * MINUTE_MS
        assert len({len(column) for column in (day.at_ms, day.ltp_paise, day.volume)}) == 1
