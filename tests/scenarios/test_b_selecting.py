"""Selecting and switching strikes: the field's scenarios B1 to B8; B9 to B16 are in the next file.

Not for the core alone: B17 (how many strikes are watched), B19 (a dictionary taken for a bar).
"""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import Request
from baseline_v1_live.core.rules import Rules
from tests.harness import Desk
from tests.harness_market import C260, C261, Ohlc, later_swing, swing_bars


@pytest.fixture
def desk() -> Desk:
    """Two calls of 10.0 and 10.5 points, five lots; the entry in the first, C260, rests."""
    desk = Desk(rules=Rules(lots_max=5))
    desk.swing_lows({C260: (130.00, 139.00), C261: (130.00, 139.50)})
    desk.accept("entry-0001")
    assert desk.take() == ["place entry-0001 SELL 325 C260 SL 129.95/126.95"]
    return desk


def gone(desk: Desk, order_id: str = "entry-0001") -> None:
    """The order lives when asked, and its cancel goes through."""
    desk.prove(order_id)
    desk.cancelled(order_id)


def test_b1_a_better_strike_waits_for_the_bar_close(desk: Desk) -> None:
    """When another call becomes the better one mid-minute, nothing moves until the minute's close."""
    desk.tick(C260, 139.60)
    desk.advance(59.9)
    assert desk.take() == []
    desk.advance(0.1)
    assert desk.take() == ["ask entry-0001"]
    gone(desk)

    assert desk.take() == [
        "cancel entry-0001",
        "ask entry-0001",
        "place entry-0002 SELL 325 C261 SL 129.95/126.95",
    ]


def test_b1_the_first_placement_waits_for_nothing() -> None:
    """With no entry working, the best call is placed in the step in which it qualifies."""
    desk = Desk(rules=Rules(lots_max=5))
    desk.say("pause")
    desk.swing_low(C260, 130.00, 139.00)
    desk.advance(20)
    desk.say("resume")

    assert desk.take() == ["place entry-0001 SELL 325 C260 SL 129.95/126.95"]


def test_b2_a_best_that_reverts_drops_the_switch(desk: Desk) -> None:
    """When the resting strike is the best again at the bar close, nothing is cancelled."""
    desk.tick(C260, 139.60)
    desk.advance(10)
    desk.tick(C261, 140.50)
    desk.advance(180)

    assert desk.take() == []


def test_b2_a_rival_that_vanishes_drops_the_switch(desk: Desk) -> None:
    """When the better strike breaks its own swing before the bar close, nothing is cancelled."""
    desk.tick(C260, 139.60)
    desk.advance(10)
    desk.tick(C261, 129.90)
    desk.advance(180)

    assert desk.take() == []


def test_b3_a_fill_before_the_bar_close_drops_the_switch(desk: Desk) -> None:
    """The old entry fills while a switch is deferred: it is protected, and no other call is sold."""
    desk.tick(C260, 139.60)
    desk.advance(10)
    desk.fill("entry-0001", 325, 129.95)
    assert desk.take() == ["place stop-0002 BUY 325 C260 SL 140.60/143.60"]
    desk.accept("stop-0002")
    desk.advance(49)

    assert desk.take() == []


def test_b3_a_part_filled_before_the_bar_close_drops_the_switch(desk: Desk) -> None:
    """An entry that has begun to fill is no longer given up for a better strike."""
    desk.tick(C260, 139.60)
    desk.advance(54)
    desk.fill("entry-0001", 130, 129.95)
    desk.accept("stop-0002")
    desk.take()
    desk.advance(9)

    assert desk.take() == []


def test_b4_a_candidate_that_vanishes_is_cancelled_at_once() -> None:
    """A high that takes the stop past 10 % cancels the entry without waiting for the bar close."""
    desk = Desk(rules=Rules(lots_max=5))
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.take()
    desk.tick(C260, 142.05)
    assert desk.take() == ["ask entry-0001"]
    gone(desk)
    desk.take()
    desk.advance(120)

    assert desk.take() == []


def test_b4_after_a_disqualification_the_next_best_comes_when_the_cancel_is_proven(
    desk: Desk,
) -> None:
    """The next call is placed in the step that proves the disqualified one gone, not before."""
    desk.tick(C260, 142.05)
    desk.prove("entry-0001")
    desk.accept("entry-0001", Request.CANCEL)
    assert desk.take() == ["ask entry-0001", "cancel entry-0001", "ask entry-0001"]
    desk.prove("entry-0001")

    assert desk.take() == ["place entry-0002 SELL 325 C261 SL 129.95/126.95"]


def test_b4_an_unanswered_question_does_not_hold_up_the_cancel(desk: Desk) -> None:
    """When the question for fills is not answered within two seconds, the cancel goes out anyway."""
    desk.tick(C260, 142.05)
    assert desk.take() == ["ask entry-0001"]
    desk.advance(2)

    assert "cancel entry-0001" in desk.take()


def test_b5_a_break_never_cancels_the_entry_that_waits_for_it() -> None:
    """The price touches the low, then the trigger, then the limit: the entry stays."""
    desk = Desk(rules=Rules(lots_max=5))
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.take()
    for price in (130.00, 129.95, 128.00, 126.95):
        desk.tick(C260, price)
        desk.advance(1)
    assert desk.take() == []
    desk.fill("entry-0001", 325, 129.95)

    assert desk.take() == ["place stop-0002 BUY 325 C260 SL 140.00/143.00"]


def test_b5_a_break_at_the_bar_close_is_no_reason_to_switch(desk: Desk) -> None:
    """An entry whose trigger has traded is not given up for a better strike at the close."""
    desk.tick(C260, 139.60)
    desk.advance(55)
    desk.tick(C260, 129.95)
    desk.take()
    desk.advance(6)

    assert desk.take() == []


def test_b5_fills_are_asked_for_before_the_cancel_is_decided(desk: Desk) -> None:
    """An entry found filled by the question is protected and never cancelled."""
    desk.tick(C260, 142.05)
    assert desk.take() == ["ask entry-0001"]
    desk.fill("entry-0001", 325, 129.95, heard=False)
    desk.prove("entry-0001")

    assert desk.take() == ["place stop-0002 BUY 325 C260 SL 143.05/146.05"]


def test_b6_a_new_swing_that_fails_does_not_take_the_old_entry_with_it() -> None:
    """A new swing low too near its VWAP fails stage 1; the entry on the old one stays."""
    desk = Desk(rules=Rules(lots_max=5))
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.take()
    high, *rest = later_swing()
    desk.minute({C260: high}, volume=90_000_000)
    desk.minutes(C260, rest)
    assert desk.rejected() == {"vwap_premium_low": 1}
    assert desk.take() == []
    desk.fill("entry-0001", 325, 129.95)

    assert desk.take() == ["place stop-0002 BUY 325 C260 SL 140.50/143.50"]


def test_b6_without_an_order_the_old_swing_goes_with_the_failed_new_one() -> None:
    """A new swing low that fails stage 1 replaces an old candidate that has no order."""
    desk = Desk(rules=Rules(lots_max=5))
    desk.say("pause")
    desk.swing_low(C260, 130.00, 139.00)
    high, *rest = later_swing()
    desk.minute({C260: high}, volume=90_000_000)
    desk.minutes(C260, rest)
    desk.say("resume")

    assert desk.take() == []


def test_b7_a_swing_that_broke_without_us_is_never_sold() -> None:
    """A swing whose trigger traded while we were paused is spent, also after the price is back."""
    desk = Desk()
    desk.say("pause")
    desk.swing_low(C260, 130.00, 139.00)
    desk.tick(C260, 129.95)
    desk.tick(C260, 133.00)
    desk.say("resume")
    desk.advance(120)

    assert desk.take() == []


def test_b7_touching_the_low_is_no_break() -> None:
    """A price at the low itself, one tick above the trigger, spends nothing."""
    desk = Desk()
    desk.say("pause")
    desk.swing_low(C260, 130.00, 139.00)
    desk.tick(C260, 130.00)
    desk.say("resume")

    assert desk.take() == ["place entry-0001 SELL 650 C260 SL 129.95/126.95"]


def test_b7_a_swing_that_was_sold_is_not_sold_again() -> None:
    """After its stop-out the same swing is never entered anew."""
    desk = Desk()
    desk.short(C260)
    desk.tick(C260, 140.00)
    desk.fill("stop-0002", 650, 140.00)
    desk.take()
    for price in (135.00, 131.00, 129.00, 133.00):
        desk.tick(C260, price)
        desk.advance(61)

    assert desk.take() == []


def test_b7_an_entry_whose_swing_broke_before_it_arrived_does_not_rest_for_ever() -> None:
    """The trigger traded while the placement was on its way and the price came back: the swing is
    spent, so an order that did not trigger is taken out again.
    """
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.tick(C260, 129.95)
    desk.tick(C260, 133.00)
    desk.accept("entry-0001")
    desk.take()
    desk.advance(15)

    assert "cancel entry-0001" in desk.take()


def test_b7_an_entry_that_arrived_after_the_break_may_still_fill() -> None:
    """An order that triggered on arrival fills as any other, and is protected."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.tick(C260, 129.90)
    desk.accept("entry-0001", status=None)
    desk.fill("entry-0001", 650, 129.90)

    assert "place stop-0002 BUY 650 C260 SL 140.00/143.00" in desk.take()


QUIET = (135.00, 136.00, 134.00, 135.00)


@pytest.fixture
def late() -> Desk:
    """Started at 11:00:30, when it is 11:01:05; 11:00 was seen in part, and history is on its way."""
    desk = Desk(start="11:00:30")
    desk.tick(C260, 135.00)
    desk.clock("11:01:05")
    return desk


def load(desk: Desk, newest: Ohlc = QUIET) -> None:
    """History from 10:54 on, with a swing low of 130 at 10:57, and this bar of 11:00."""
    desk.history(C260, "10:54", *swing_bars(130.00, 139.00), newest)


def test_b8_a_swing_from_history_is_sold(late: Desk) -> None:
    """A mid-day start sells what history confirms and nothing has broken."""
    load(late)
    late.tick(C260, 135.00)

    assert late.take() == ["place entry-0001 SELL 650 C260 SL 129.95/126.95"]


def test_b8_a_swing_that_broke_in_history_is_never_sold(late: Desk) -> None:
    """A later bar of history that traded the trigger spends the swing before the start."""
    load(late, (134.00, 134.00, 129.95, 133.00))
    late.tick(C260, 135.00)
    late.advance(120)

    assert late.take() == []


def test_b8_a_swing_that_broke_live_before_its_history_came_is_never_sold(late: Desk) -> None:
    """A break seen by ticks of the forming minute counts for the swing that history then brings."""
    late.tick(C260, 129.00)
    late.tick(C260, 133.00)
    load(late)
    late.tick(C260, 134.00)
    late.advance(120)

    assert late.take() == []


def test_b8_a_high_seen_live_before_its_history_came_counts(late: Desk) -> None:
    """The forming minute's high belongs to the highest high of a swing that history brings."""
    late.tick(C260, 140.00)
    late.tick(C260, 135.00)
    load(late)
    late.tick(C260, 135.00)

    assert late.take() == ["place entry-0001 SELL 585 C260 SL 129.95/126.95"]
