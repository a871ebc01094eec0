"""The day's R limits (docs/strategy.md, section 8; strategy/exit_policy.py)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseline_v1_live.core.rules import Rules
from baseline_v1_live.strategy.exit_policy import (
    KILL_SWITCH,
    SQUARE_OFF,
    STOP,
    TARGET,
    DayLimits,
    day_reason,
    r_milli,
)

RULES = Rules()
R = RULES.r_value_paise
T0 = 1_798_515_900_000


def fires(*evaluations: tuple[int, int], rules: Rules = RULES) -> list[str | None]:
    """What each evaluation (milliseconds from the first, P&L in paise) brings."""
    limits = DayLimits(rules)
    return [limits.evaluate(pnl, T0 + at) for at, pnl in evaluations]


# ---------------------------------------------------------------- R


@pytest.mark.parametrize(
    ("pnl", "milli"),
    [
        (3_250_000, 5_000),
        (3_249_999, 4_999),
        (-3_250_000, -5_000),
        (-3_249_999, -4_999),
        (650_000, 1_000),
        (649, 0),
        (-649, 0),
        (0, 0),
    ],
)
def test_r_is_the_pnl_in_units_of_r(pnl: int, milli: int) -> None:
    """R of the day is the P&L over ₹6,500 in thousandths, rounded towards zero: +5R is ₹32,500."""
    assert r_milli(pnl, RULES) == milli


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize(
    ("pnl", "reason"),
    [(5 * R, "+5R_TARGET"), (7 * R, "+5R_TARGET"), (-5 * R, "-5R_STOP"), (-9 * R, "-5R_STOP")],
)
def test_a_limit_fires_on_two_evaluations_a_second_apart(pnl: int, reason: str) -> None:
    """A limit reached fires at the evaluation that is at least 1 s after the first."""
    assert fires((0, pnl), (999, pnl), (1_000, pnl)) == [None, None, reason]
    assert fires((0, pnl), (60_000, pnl)) == [None, reason]


@pytest.mark.parametrize("pnl", [5 * R - 1, -5 * R + 1, 0])
def test_inside_the_limits_nothing_fires(pnl: int) -> None:
    """Short of +5R and -5R by one paisa the day goes on, however long."""
    assert fires(*[(at, pnl) for at in range(0, 10_000, 500)]) == [None] * 20


@pytest.mark.parametrize("pnl", [5 * R, -5 * R])
def test_one_bad_print_closes_nothing(pnl: int) -> None:
    """One evaluation beyond a limit between good ones never fires, however often it happens."""
    story = [(at, pnl if at % 2_000 == 0 else 0) for at in range(0, 20_000, 1_000)]

    assert fires(*story) == [None] * 20


def test_the_second_starts_anew_after_a_return() -> None:
    """After a return inside the limits the two evaluations must be a second apart again."""
    story = [(0, 5 * R), (500, 0), (1_000, 5 * R), (1_999, 5 * R), (2_000, 5 * R)]

    assert fires(*story) == [None, None, None, None, "+5R_TARGET"]


def test_one_limit_does_not_confirm_the_other() -> None:
    """A print beyond the target and one beyond the stop confirm neither."""
    story = [(0, 5 * R), (1_000, -5 * R), (1_999, -5 * R), (2_000, -5 * R)]

    assert fires(*story) == [None, None, None, "-5R_STOP"]


def test_a_realised_limit_needs_no_second_look() -> None:
    """With nothing open no price is in doubt, so one evaluation is enough."""
    limits = DayLimits(RULES)

    assert limits.evaluate(-5 * R + 1, T0, realised=True) is None
    assert limits.evaluate(-5 * R, T0, realised=True) == "-5R_STOP"


def test_two_evaluations_of_the_same_instant_are_one() -> None:
    """Any number of evaluations at one instant confirm nothing."""
    assert fires(*[(0, -6 * R)] * 50) == [None] * 50


@given(st.lists(st.tuples(st.integers(1, 700), st.integers(-7, 7)), max_size=40))
def test_a_limit_fires_exactly_when_it_has_held_for_a_second(steps: list[tuple[int, int]]) -> None:
    """Over any course of a day a limit fires exactly when all evaluations of a second were beyond."""
    story, at = [], 0
    for wait, in_r in steps:
        at += wait
        story.append((at, in_r * R))
    for number, result in enumerate(fires(*story)):
        now, pnl = story[number]
        run = []
        for earlier, value in reversed(story[: number + 1]):
            if not (value >= 5 * R if pnl > 0 else value <= -5 * R):
                break
            run.append(earlier)
        held = abs(pnl) >= 5 * R and now - run[-1] >= 1_000

        assert (result is not None) == held


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("target", "stop", "names"),
    [
        (5_000, -5_000, ("+5R_TARGET", "-5R_STOP")),
        (3_000, -2_000, ("+3R_TARGET", "-2R_STOP")),
        (4_500, -2_500, ("+4.5R_TARGET", "-2.5R_STOP")),
    ],
)
def test_the_reason_names_the_limit_that_is_set(
    target: int, stop: int, names: tuple[str, str]
) -> None:
    """The reason carries the limit as it is set, with its sign."""
    rules = Rules(day_target_r_milli=target, day_stop_r_milli=stop)

    assert (day_reason(TARGET, rules), day_reason(STOP, rules)) == names


def test_another_limit_fires_at_its_own_r() -> None:
    """A limit that is set lower fires there."""
    rules = Rules(day_target_r_milli=2_000, r_confirm_ms=3_000)

    assert fires((0, 2 * R), (2_999, 2 * R), (3_000, 2 * R), rules=rules) == [
        None,
        None,
        "+2R_TARGET",
    ]


def test_the_other_reasons_bear_the_names_of_the_rules() -> None:
    """Square-off and the operator's kill have one name each."""
    assert (SQUARE_OFF, KILL_SWITCH) == ("EOD_EXIT", "KILL_SWITCH")
