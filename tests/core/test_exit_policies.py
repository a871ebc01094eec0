"""The limits of the staged, fixed and trailing policies (docs/strategy.md, section 8)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseline_v1_live.core.risk import fixed_target, stage_part
from baseline_v1_live.core.rules import ExitPolicy, Rules
from baseline_v1_live.strategy.exit_policy import TRAILING_EXIT, DayLimits, stage_reason

R = Rules().r_value_paise
T0 = 1_798_515_900_000
STAGED = Rules(exit_policy=ExitPolicy.STAGED)
FIXED = Rules(exit_policy=ExitPolicy.FIXED)
TRAILING = Rules(exit_policy=ExitPolicy.TRAILING)


def looked_at(rules: Rules, *evaluations: tuple[int, float]) -> tuple[DayLimits, list[str | None]]:
    """The limits after evaluations (milliseconds from the first, P&L in R), and what each brought."""
    limits = DayLimits(rules)
    return limits, [limits.evaluate(round(in_r * R), T0 + at) for at, in_r in evaluations]


# ---------------------------------------------------------------- parts and targets


@pytest.mark.parametrize(
    ("quantity", "part"),
    [(650, 260), (585, 195), (195, 65), (130, 0), (65, 0), (0, 0), (100, 0), (1755, 650)],
)
def test_a_part_is_forty_percent_in_whole_lots_rounded_down(quantity: int, part: int) -> None:
    """10 lots have parts of 4, 9 of 3, 3 of 1, 2 of none; what is no whole lot does not count."""
    assert stage_part(quantity, 65, STAGED) == part


@given(st.integers(0, 40), st.sampled_from([30, 65, 75]), st.integers(100, 5_000))
def test_two_parts_never_exceed_the_position(lots: int, lot: int, part_bp: int) -> None:
    """Parts of up to a half, of any size of position, are whole lots and leave the rest."""
    part = stage_part(lots * lot, lot, Rules(staged_part_bp=part_bp))

    assert part % lot == 0
    assert 2 * part <= lots * lot
    assert part * 10_000 <= lots * lot * part_bp < (part + lot) * 10_000


@pytest.mark.parametrize(
    ("fills", "risk", "target"),
    [
        ([(650, 12_995)], 1_000, 10_995),
        ([(325, 12_995), (325, 12_800)], 1_000, 10_895),
        ([(65, 12_997)], 1_000, 10_995),
        ([(65, 2_000)], 1_500, 5),
    ],
)
def test_the_target_is_two_risks_below_the_average_fill(
    fills: list[tuple[int, int]], risk: int, target: int
) -> None:
    """129.95 less twice 10.00 is 109.95; rounded down to the tick, and never below one tick."""
    quantity = sum(units for units, _ in fills)
    value = sum(units * price for units, price in fills)

    assert fixed_target(quantity, value, risk, 5, FIXED) == target


@pytest.mark.parametrize(("quantity", "risk"), [(0, 1_000), (650, 0), (650, -5)])
def test_without_a_risk_there_is_no_target(quantity: int, risk: int) -> None:
    """A position that risks nothing has no multiple of it to wait for."""
    assert fixed_target(quantity, quantity * 12_995, risk, 5, FIXED) is None


@given(st.integers(1, 2_000), st.integers(1_000, 60_000), st.integers(5, 3_000))
def test_at_its_target_a_position_has_gained_its_multiple(
    quantity: int, price: int, risk: int
) -> None:
    """Bought at the target the gain is at least twice the risk, and less than a tick more a unit."""
    target = fixed_target(quantity, quantity * price, risk, 5, FIXED)
    assert target is not None
    gain = (price - target) * quantity

    if target > 5:
        assert 2 * risk * quantity <= gain < (2 * risk + 5) * quantity


# ---------------------------------------------------------------- stages


def test_a_stage_is_reached_when_it_has_held_for_a_second() -> None:
    """+3R on two evaluations a second apart is the first stage, +4R the second; neither ends the day."""
    limits, found = looked_at(STAGED, (0, 3), (999, 3.5))
    assert limits.stages_reached == 0
    limits, found = looked_at(STAGED, (0, 3), (1_000, 3.5))
    assert limits.stages_reached == 1
    limits, found = looked_at(STAGED, (0, 3), (1_000, 4), (2_000, 4.2))

    assert (limits.stages_reached, found) == (2, [None] * 3)


def test_a_stage_is_reached_once() -> None:
    """A day that leaves +3R and comes back reaches no further stage."""
    limits, _ = looked_at(STAGED, (0, 3), (1_000, 3), (2_000, 1), (3_000, 3), (9_000, 3.9))

    assert limits.stages_reached == 1


def test_the_days_exit_comes_before_a_stage() -> None:
    """A day that jumps to +5R is closed; its stages are not reached on the way."""
    limits, found = looked_at(STAGED, (0, 5.2), (1_000, 5.2))

    assert (limits.stages_reached, found[1]) == (0, "+5R_TARGET")


@pytest.mark.parametrize("policy", [ExitPolicy.MARKET, ExitPolicy.FIXED, ExitPolicy.TRAILING])
def test_only_staged_has_stages(policy: ExitPolicy) -> None:
    """Under the other policies +3R and +4R are no limits."""
    limits, _ = looked_at(Rules(exit_policy=policy), (0, 4.5), (5_000, 4.5))

    assert limits.stages_reached == 0


def test_a_stage_bears_its_limit() -> None:
    """The purchases of a stage are named after the R that it is set at."""
    assert [stage_reason(milli) for milli in (3_000, 4_500)] == ["+3R_STAGE", "+4.5R_STAGE"]


# ---------------------------------------------------------------- trailing


@pytest.mark.parametrize(
    ("rules", "reason"),
    [(Rules(), "+5R_TARGET"), (STAGED, "+5R_TARGET"), (FIXED, "+5R_TARGET"), (TRAILING, None)],
)
def test_five_r_applies_under_all_but_trailing(rules: Rules, reason: str | None) -> None:
    """+5R ends the day under every policy except the one that trails instead."""
    assert looked_at(rules, (0, 5.5), (1_000, 5.5))[1][-1] == reason


@pytest.mark.parametrize("policy", list(ExitPolicy))
def test_minus_five_r_holds_under_each_policy(policy: ExitPolicy) -> None:
    """The day's stop is no matter of the policy."""
    assert looked_at(Rules(exit_policy=policy), (0, -5), (1_000, -5))[1][-1] == "-5R_STOP"


def test_a_fall_of_one_r_from_the_peak_ends_the_day() -> None:
    """Armed at +4R and risen to +4.6R, the day ends at +3.6R."""
    story = [(0, 4), (1_000, 4), (2_000, 4.6), (3_000, 4.6), (4_000, 3.601), (6_000, 3.601)]
    assert looked_at(TRAILING, *story)[1] == [None] * 6
    fall = [(7_000, 3.6), (7_999, 3.5), (8_000, 3.5)]

    assert looked_at(TRAILING, *story, *fall)[1][-3:] == [None, None, TRAILING_EXIT]


def test_a_jump_past_both_limits_is_the_days_stop() -> None:
    """Where R is below -5R and 1R below the peak at once, the day's stop is the reason."""
    limits, found = looked_at(TRAILING, (0, 4), (1_000, 4), (2_000, -6), (3_000, -6))

    assert (limits.peak_r_milli, found[-1]) == (4_000, "-5R_STOP")


def test_a_realised_r_arms_and_falls_at_once() -> None:
    """With nothing open no price is in doubt, so one evaluation arms, and one ends the day."""
    limits = DayLimits(TRAILING)
    limits.evaluate(4 * R, T0, realised=True)

    assert limits.peak_r_milli == 4_000
    assert limits.evaluate(3 * R, T0, realised=True) == TRAILING_EXIT


def test_quotes_of_before_raise_no_peak() -> None:
    """Quotes confirm what asked for them, the arming; later peaks need their second."""
    limits = DayLimits(TRAILING)
    limits.evaluate(4 * R, T0)
    limits.evaluate(4 * R, T0 + 10, quoted=True)
    limits.evaluate(6 * R, T0 + 20, quoted=True)
    limits.evaluate(6 * R, T0 + 30, quoted=True)

    assert limits.peak_r_milli == 4_000


@given(st.lists(st.tuples(st.integers(1, 700), st.integers(30, 80)), max_size=40))
def test_the_peak_is_an_r_that_has_held_for_a_second(steps: list[tuple[int, int]]) -> None:
    """Over any course the peak never falls, was held by all evaluations of a second, and is the level
    of each unbroken stretch that held for two seconds.
    """
    rules = Rules(exit_policy=ExitPolicy.TRAILING, trailing_gap_r_milli=99_000)
    limits, at, story, before = DayLimits(rules), 0, [], 0
    for wait, tenths in steps:
        at += wait
        story.append((at, tenths * 100))
        limits.evaluate(tenths * R // 10, T0 + at)
        peak = limits.peak_r_milli or 0
        assert peak >= before
        if peak > before:
            run = held_for(story, peak)
            assert run >= 1_000
        before = peak
        for level in range(4_000, 8_001, 100):
            if held_for(story, level) >= 2 * 1_700:
                assert peak >= level


def held_for(story: list[tuple[int, int]], level: int) -> int:
    """For how long, up to the newest evaluation, R has been at a level or above."""
    first = None
    for at, milli in reversed(story):
        if milli < level:
            break
        first = at
    return 0 if first is None else story[-1][0] - first
