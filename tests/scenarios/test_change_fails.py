"""Changes that the broker refuses each time: what they were for is reached in another way."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import Level, Request
from baseline_v1_live.core.rules import Rules
from tests.harness import Desk
from tests.harness_market import C260, later_swing


@pytest.fixture
def desk() -> Desk:
    """130 of 650 have filled, and their stop rests."""
    desk = Desk()
    with desk.answered():
        desk.swing_low(C260, 130.00, 139.00)
        desk.tick(C260, 129.95)
        desk.fill(desk.entry(C260).order_id, 130, 129.95)
    desk.take()
    return desk


def refused_changes(desk: Desk, seconds: float) -> list[str]:
    """Let time pass while the broker refuses every change; what was sent besides questions."""
    sent = []
    for _ in range(round(seconds * 10)):
        for line in desk.take():
            if line.startswith("ask"):
                desk.prove(line.split()[1])
            else:
                sent.append(line)
            if line.startswith("modify"):
                desk.refuse(line.split()[1], "modifications exceeded", Request.MODIFY)
        desk.advance(0.1)
    return sent


def test_a_stop_that_cannot_grow_is_replaced(desk: Desk) -> None:
    """Three refusals, then it goes and one of the whole quantity comes: 520 must not stand bare."""
    desk.fill("entry-0001", 520, 129.95)

    assert refused_changes(desk, 10) == [
        *["modify stop-0002 650 SL 140.00/143.00"] * 3,
        "cancel stop-0002",
    ]
    desk.cancelled("stop-0002")
    assert desk.take() == ["ask stop-0002", "place stop-0003 BUY 650 C260 SL 140.00/143.00"]
    assert "could not be changed to 650" in desk.said("ORDER", Level.CRITICAL)[-1]


def test_a_change_that_is_taken_begins_the_count_anew(desk: Desk) -> None:
    """Two refusals before each of two changes are not three in a row."""
    for filled, whole in ((130, 260), (390, 650)):
        desk.fill("entry-0001", filled, 129.95)
        assert refused_changes(desk, 4) == [f"modify stop-0002 {whole} SL 140.00/143.00"] * 2
        desk.advance(1)
        assert desk.take() == [f"modify stop-0002 {whole} SL 140.00/143.00"]
        desk.modified("stop-0002")
    assert desk.stop(C260).remaining == 650


def test_changes_that_never_left_are_no_refusals(desk: Desk) -> None:
    """A gateway that is down has not said no: the stop stays, and the change is tried on and on."""
    desk.fill("entry-0001", 520, 129.95)
    for _ in range(5):
        assert desk.take() == ["modify stop-0002 650 SL 140.00/143.00"]
        desk.refuse("stop-0002", "gateway is down", Request.MODIFY, sent=False)
        desk.advance(2)


def moving() -> Desk:
    """An entry rests at 129.95, and a newer swing low of 132 asks it to move to 131.95."""
    desk = Desk(rules=Rules(lots_max=5))
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.take()
    desk.minutes(C260, later_swing(132.00))
    return desk


def test_an_entry_whose_move_was_refused_is_moved_again() -> None:
    """Left at the old low it would sell without a break, or be left behind by one."""
    desk = moving()

    assert refused_changes(desk, 2.5) == ["modify entry-0001 325 SL 131.95/128.95"] * 2
    desk.advance(2)
    desk.modified("entry-0001")
    assert desk.entry(C260).trigger_price_paise == 131_95
    desk.take()
    desk.advance(5)
    assert desk.take() == []


def test_an_entry_that_cannot_be_moved_is_cancelled_and_placed_anew() -> None:
    """Three refusals, then it goes; at the newer swing's prices another one comes."""
    desk = moving()

    sent = refused_changes(desk, 7)
    assert sent == [*["modify entry-0001 325 SL 131.95/128.95"] * 3, "cancel entry-0001"]
    desk.cancelled("entry-0001")
    assert desk.take()[-1] == "place entry-0002 SELL 325 C260 SL 131.95/128.95"


def test_a_stop_that_cannot_be_cancelled_is_an_alarm() -> None:
    """The exit waits for its end, so somebody has to be told long before the hard cut; and again."""
    desk = Desk()
    desk.short(C260)
    desk.say("kill")

    def alarms() -> int:
        return sum("cannot be cancelled" in text for text in desk.said("ORDER", Level.CRITICAL))

    for count in range(1, 7):
        desk.refuse("stop-0002", "not allowed now", Request.CANCEL)
        desk.prove("stop-0002")
        assert alarms() == count // 3
        desk.advance(2)
    desk.cancelled("stop-0002")
    assert desk.take()[-1] == "place exit-0003 BUY 650 C260 MARKET"


def test_a_lost_change_is_asked_for_again_as_soon_as_it_is_known_to_be_lost(desk: Desk) -> None:
    """The question shows the stop as it was: 520 stand bare, so the first try needs no pause. Where that
    one gets lost as well the gateway is not to be hammered.
    """
    again = "modify stop-0002 650 SL 140.00/143.00"
    desk.fill("entry-0001", 520, 129.95)
    assert desk.take()[-1] == again

    desk.lose("stop-0002", Request.MODIFY)
    desk.take()
    desk.prove("stop-0002")
    assert desk.take() == [again]
    desk.lose("stop-0002", Request.MODIFY)
    desk.take()
    desk.prove("stop-0002")
    assert desk.take() == []
    desk.advance(2)
    assert again in desk.take()


def test_a_lost_cancel_of_a_stop_that_lives_is_sent_again_at_once(desk: Desk) -> None:
    """An exit waits for it."""
    desk.say("kill")
    assert "cancel stop-0002" in desk.take()
    desk.lose("stop-0002", Request.CANCEL)
    desk.take()
    desk.prove("stop-0002")

    assert desk.take() == ["cancel stop-0002"]
