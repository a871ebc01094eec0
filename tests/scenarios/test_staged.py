"""The staged exit policy: parts of each position at +3R and +4R of the day, then +5R or trailing.

How the stop makes room for a part and what can go wrong meanwhile: test_staged_orders.py.
"""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import (
    FetchQuote,
    PlaceOrder,
    Purpose,
    SaveSummary,
)
from baseline_v1_live.core.rules import ExitPolicy, Rules
from tests.harness import Desk
from tests.harness_market import C260, C261, P260
from tests.policy_desk import (
    STAGED,
    desk_with_short,
    first_stage,
    held,
    placed,
    reach,
    second_stage,
    shrink,
)


@pytest.fixture
def desk() -> Desk:
    """650 of C260 sold at 129.95, stop 2 working."""
    return desk_with_short(STAGED)


# ------------------------------------------------------------ the worked numbers


def test_three_r_buys_back_forty_percent_by_limit(desk: Desk) -> None:
    """At +3R the stop is shrunk to 390, proven, and 260 are bought at the price that is asked."""
    reach(desk, 99.95)
    assert desk.engine.r_milli == 3_000
    assert desk.take() == ["modify stop-0002 390 SL 140.00/143.00"]
    desk.modified("stop-0002")
    assert desk.take() == ["ask stop-0002"]
    desk.prove("stop-0002")
    assert desk.take() == ["place exit-0003 BUY 260 C260 LIMIT 99.95"]
    desk.accept("exit-0003")
    desk.fill("exit-0003", 260, 99.95)
    desk.advance(60)

    assert desk.take() == []
    assert (held(desk).open_quantity, desk.stop(C260).quantity) == (390, 390)
    assert desk.engine.positions.day_exit_reason is None


def test_four_r_buys_back_forty_percent_of_the_original_quantity(desk: Desk) -> None:
    """At +4R another 260 of the original 650 are bought, not a part of what is left."""
    first_stage(desk)
    reach(desk, 83.25)
    assert desk.engine.r_milli == 4_002
    assert desk.take() == ["modify stop-0002 130 SL 140.00/143.00"]
    shrink(desk)

    assert desk.take() == ["ask stop-0002", "place exit-0004 BUY 260 C260 LIMIT 83.25"]


def test_five_r_closes_the_rest_and_the_day(desk: Desk) -> None:
    """What the two stages left is closed at +5R at market, and the day is over."""
    first_stage(desk)
    second_stage(desk)
    for price in (65.00, 50.00, 40.00):
        desk.tick(C260, price)
    reach(desk, 33.00)
    desk.cancelled("stop-0002")
    assert desk.take() == [
        "cancel stop-0002",
        "ask stop-0002",
        "place exit-0005 BUY 130 C260 MARKET",
    ]
    desk.accept("exit-0005")
    desk.fill("exit-0005", 130, 33.00)

    assert [(s.exit_reason, s.r_milli) for s in desk.of(SaveSummary)] == [("+5R_TARGET", 5_007)]


def test_the_rest_is_closed_when_r_falls_one_r_below_its_peak(desk: Desk) -> None:
    """Armed at +4.002R, the rest trails: 1R lower it is closed and the day is over."""
    first_stage(desk)
    second_stage(desk)
    desk.tick(C260, 108.00)
    reach(desk, 133.20)
    assert (desk.engine.r_milli, desk.take()) == (3_003, [])
    reach(desk, 133.25)
    assert desk.engine.r_milli == 3_002
    desk.cancelled("stop-0002")

    assert desk.engine.positions.day_exit_reason == "TRAILING_EXIT"
    assert desk.take() == [
        "cancel stop-0002",
        "ask stop-0002",
        "place exit-0005 BUY 130 C260 MARKET",
    ]


def test_the_stop_covers_what_is_left(desk: Desk) -> None:
    """After a stage the rest is still closed by its stop, at the trigger it always had."""
    first_stage(desk)
    desk.tick(C260, 125.00)
    desk.tick(C260, 140.00)
    desk.fill("stop-0002", 390, 140.00)

    assert (held(desk).closed, held(desk).exit_reason) == (True, "STOP_LOSS")
    assert held(desk).pnl_paise == 260 * 3_000 - 390 * 1_005


def test_a_stage_is_said(desk: Desk) -> None:
    """Users see the stage, the R it was reached at, and the limit that is sent."""
    first_stage(desk)

    assert "+3R reached at +3.00R: buying back 40 % of every open position" in desk.said("R-CHECK")
    assert desk.said("LIMIT-EXIT") == [f"{C260} qty=260 reason=+3R_STAGE limit=99.95"]


# ------------------------------------------------------------ when a stage is reached


def test_one_print_at_a_stage_buys_nothing(desk: Desk) -> None:
    """A stage that is reached on one tick and not on the next one is not reached."""
    desk.tick(C260, 99.95)
    desk.advance(1)
    desk.tick(C260, 110.00)
    desk.advance(1)
    desk.tick(C260, 99.95)

    assert desk.take() == []


def test_a_quote_confirms_a_stage(desk: Desk) -> None:
    """A stage that was reached asks for quotes, and one that still shows it is enough."""
    desk.tick(C260, 99.95)
    assert [c.symbol for c in desk.of(FetchQuote)] == [C260]
    desk.quote(C260, 99.95)

    assert desk.take() == ["modify stop-0002 390 SL 140.00/143.00"]


def test_a_quote_that_denies_a_stage_ends_it(desk: Desk) -> None:
    """A bad print at a stage buys nothing when the quote says otherwise."""
    desk.tick(C260, 99.95)
    desk.quote(C260, 120.00)
    desk.advance(5)
    desk.tick(C260, 120.00)

    assert desk.take() == []


def test_each_stage_happens_once(desk: Desk) -> None:
    """A day that comes back to +3R buys no second part."""
    first_stage(desk)
    reach(desk, 120.00)
    reach(desk, 99.95)
    desk.advance(10)

    assert desk.take() == []


def test_both_stages_at_once_buy_both_parts(desk: Desk) -> None:
    """A day that jumps to +4.1R buys back both parts in one order."""
    reach(desk, 88.95)
    shrink(desk)

    assert desk.take() == [
        "modify stop-0002 130 SL 140.00/143.00",
        "ask stop-0002",
        "place exit-0003 BUY 520 C260 LIMIT 88.95",
    ]


def test_every_open_position_has_its_part_bought(desk: Desk) -> None:
    """R is that of the day: two positions with +1.5R each both have 40 % bought back."""
    desk.short(P260)
    desk.take()
    desk.tick(C260, 114.95)
    reach(desk, 114.95, P260)
    assert desk.take() == [
        "modify stop-0002 390 SL 140.00/143.00",
        "modify stop-0004 390 SL 140.00/143.00",
    ]
    shrink(desk, "stop-0004")
    shrink(desk)

    assert placed(desk) == [
        "place exit-0005 BUY 260 P260 LIMIT 114.95",
        "place exit-0006 BUY 260 C260 LIMIT 114.95",
    ]


def test_a_position_opened_after_a_stage_has_its_part_in_the_next_one_only(desk: Desk) -> None:
    """What is sold when +3R is behind is not bought back at once; at +4R it has its 40 %."""
    first_stage(desk)
    desk.short(C261)
    desk.take()
    desk.tick(C261, 129.95)
    desk.advance(5)
    assert desk.take() == []
    desk.tick(C261, 119.95)
    reach(desk, 99.90)
    shrink(desk)
    shrink(desk, desk.stop(C261).order_id)

    bought = [c for c in desk.of(PlaceOrder) if c.purpose is Purpose.EXIT][1:]
    assert [(c.symbol, c.quantity) for c in bought] == [(C260, 260), (C261, 260)]


@pytest.mark.parametrize(("lots", "part"), [(1, 0), (2, 0), (3, 1), (4, 1), (5, 2), (7, 2), (9, 3)])
def test_a_part_is_whole_lots_rounded_down(lots: int, part: int) -> None:
    """Of few lots fewer or none are bought back; the stop then stays as it is."""
    rules = Rules(exit_policy=ExitPolicy.STAGED, r_value_paise=lots * 65_000)
    desk = Desk(rules=rules, index_symbol=None)
    assert desk.short(C260).entry_quantity == lots * 65
    desk.take()
    reach(desk, 99.95)

    assert desk.engine.r_milli == 3_000
    expected = [f"modify stop-0002 {(lots - part) * 65} SL 140.00/143.00"] if part else []
    assert desk.take() == expected


def test_the_original_quantity_is_what_the_entry_left_within_r() -> None:
    """Lots whose risk is beyond R are bought back first and are in no part: 40 % of 8 lots are 3."""
    desk = Desk(rules=STAGED, index_symbol=None)
    with desk.answered():
        desk.short(C260, at=126.95)
    assert held(desk).open_quantity == 520
    desk.take()
    for price in (110.00, 95.00):
        desk.tick(C260, price)
    reach(desk, 87.00)
    shrink(desk)

    assert desk.take()[-1] == "place exit-0004 BUY 195 C260 LIMIT 87.00"
