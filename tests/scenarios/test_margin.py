"""The margin check before an entry (docs/strategy.md, section 5)."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import (
    CheckMargin,
    EntriesAllowed,
    EntriesBlocked,
    Level,
    MarginChecked,
)
from baseline_v1_live.core.rules import Rules
from tests.harness import Desk
from tests.harness_market import C260, C261, P260, later_swing

ENTRY = "place entry-0001 SELL 650 C260 SL 129.95/126.95"


def a_desk(*, required: bool = False) -> Desk:
    """A swing low in C260 that could be sold; its margin has been asked for."""
    desk = Desk(rules=Rules(margin_check=True, margin_required=required))
    desk.swing_low(C260, 130.00, 139.00)
    return desk


@pytest.fixture
def desk() -> Desk:
    return a_desk()


def checked(
    desk: Desk, available: int | None, required: int | None = 100_000, symbol: str = C260
) -> None:
    desk.feed(
        MarginChecked(
            symbol=symbol, quantity=650, required_paise=required, available_paise=available
        )
    )


def again(desk: Desk) -> None:
    """Something happens that has the entries decided on anew."""
    desk.feed(EntriesBlocked(cause="x", message=""))
    desk.feed(EntriesAllowed(cause="x"))


def test_an_entry_waits_for_its_margin(desk: Desk) -> None:
    """The margin of exactly this entry is asked for once, and nothing is placed before the answer."""
    again(desk)

    assert desk.take() == []
    assert desk.of(CheckMargin) == [
        CheckMargin(symbol=C260, quantity=650, trigger_price_paise=12_995, limit_price_paise=12_695)
    ]


@pytest.mark.parametrize(("available", "placed"), [(115_000, [ENTRY]), (114_999, [])])
def test_the_margin_must_be_there_1_15_times(desk: Desk, available: int, placed: list[str]) -> None:
    """An entry is placed from 1.15 times its margin on, not a paisa below."""
    checked(desk, available)

    assert desk.take() == placed


def test_too_little_margin_is_counted_once_and_asked_about_again(desk: Desk) -> None:
    """A refusal counts once; after a minute the margin is asked for again, and may be enough."""
    checked(desk, 100_000)
    again(desk)
    desk.advance(59)
    again(desk)
    assert desk.rejected()["margin_low"] == 1
    assert len(desk.of(CheckMargin)) == 1
    desk.advance(1)
    assert len(desk.of(CheckMargin)) == 2
    checked(desk, 200_000)

    assert desk.take() == [ENTRY]


def test_a_margin_that_is_not_known_is_said_and_refuses_where_required() -> None:
    """Without the gateway's figures nothing is sold where the margin is required."""
    desk = a_desk(required=True)
    checked(desk, None)

    assert desk.take() == []
    assert desk.rejected()["margin_unknown"] == 1
    assert any("margin of" in text for text in desk.said("ORDER", Level.ALERT))


def test_a_margin_that_is_not_known_is_said_and_passes_where_not_required(desk: Desk) -> None:
    """Where the margin is not required, one that is not known is said and the entry goes ahead."""
    checked(desk, 500_000, None)

    assert desk.take() == [ENTRY]
    assert any("margin of" in text for text in desk.said("ORDER", Level.ALERT))


@pytest.mark.parametrize(("required", "placed"), [(True, []), (False, [ENTRY])])
def test_no_answer_within_5_s_is_a_margin_that_is_not_known(
    required: bool, placed: list[str]
) -> None:
    """A question that nobody answers for 5 s leaves the margin unknown."""
    desk = a_desk(required=required)
    desk.advance(4.9)
    assert desk.take() == []
    desk.advance(0.1)

    assert desk.take() == placed


def test_one_question_per_type_is_on_its_way(desk: Desk) -> None:
    """A better candidate of the same type waits for the answer to the first; another type does not."""
    with_two = Desk(rules=Rules(margin_check=True))
    with_two.swing_lows({C260: (130.00, 139.00), P260: (130.00, 139.00)})

    assert [command.symbol for command in with_two.of(CheckMargin)] == [C260, P260]


def test_another_candidate_needs_its_own_margin(desk: Desk) -> None:
    """A verdict is of one symbol and quantity."""
    checked(desk, 200_000, symbol=C261)

    assert desk.take() == []


def test_without_the_rule_nothing_is_asked() -> None:
    """Where the margin is not checked the entry is placed at once."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)

    assert desk.of(CheckMargin) == []
    assert desk.take() == [ENTRY]


def test_a_stop_needs_no_margin(desk: Desk) -> None:
    """A fill is protected without any question."""
    checked(desk, 200_000)
    desk.accept("entry-0001")
    desk.take()
    desk.fill("entry-0001", 650, 129.95)

    assert desk.take() == ["place stop-0002 BUY 650 C260 SL 140.00/143.00"]


# ------------------------------------------------------------ an entry that moves


def a_resting_entry(fresh_ms: int = 120_000) -> Desk:
    """7 lots rest below the low of 130: the highest high of 142 leaves no more within R."""
    desk = Desk(rules=Rules(margin_check=True, margin_fresh_ms=fresh_ms))
    desk.swing_low(C260, 130.00, 142.00)
    (asked,) = desk.of(CheckMargin)
    assert asked.quantity == 455
    enough(desk, 455)
    desk.accept("entry-0001")
    desk.take()
    return desk


def enough(desk: Desk, quantity: int, available: int = 200_000) -> None:
    desk.feed(
        MarginChecked(
            symbol=C260, quantity=quantity, required_paise=100_000, available_paise=available
        )
    )


def move(desk: Desk, available: int | None) -> list[str]:
    """A newer swing low pays for 650; its margin is answered just before where it is known."""
    *bars, last = later_swing()
    desk.minutes(C260, bars)
    if available is not None:
        enough(desk, 650, available)
    desk.minutes(C260, [last])
    return desk.take()


@pytest.mark.parametrize("available", [None, 114_999])
def test_a_move_adds_no_units_without_margin_for_them(available: int | None) -> None:
    """An entry moves to a newer swing with the units that it has, unless more are known to be paid."""
    assert move(a_resting_entry(), available) == ["modify entry-0001 455 SL 131.45/128.45"]


def test_a_move_adds_units_where_their_margin_is_known_to_be_enough() -> None:
    """With a fresh verdict for the greater quantity the entry moves with all of it."""
    assert move(a_resting_entry(), 115_000) == ["modify entry-0001 650 SL 131.45/128.45"]


def test_a_verdict_that_is_too_old_adds_no_units() -> None:
    """An answer of more than a minute ago does not pay for a greater quantity."""
    desk = a_resting_entry(fresh_ms=60_000)

    assert move(desk, 115_000) == ["modify entry-0001 455 SL 131.45/128.45"]


def test_a_move_may_add_units_where_no_margin_is_checked() -> None:
    """Without the margin check the newer swing's own quantity is taken."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 142.00)
    desk.accept("entry-0001")
    desk.take()

    assert move(desk, None) == ["modify entry-0001 650 SL 131.45/128.45"]
