"""A stage of the staged policy at the broker: the stop shrunk and proven, then the limit order."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import BrokerStatus, Level, Notify, OrderType, Purpose, Request
from tests.harness import Desk
from tests.harness_market import C260
from tests.policy_desk import STAGED, desk_with_short, first_stage, held, placed, reach, shrink


@pytest.fixture
def desk() -> Desk:
    """650 of C260 sold at 129.95, stop 2 working."""
    return desk_with_short(STAGED)


# ------------------------------------------------------------ the stop, proven


def test_an_acknowledged_change_of_the_stop_is_not_proof(desk: Desk) -> None:
    """While the broker has only taken the change, nothing is bought; it is asked until it shows it."""
    reach(desk, 99.95)
    desk.accept("stop-0002", Request.MODIFY)
    desk.advance(3)

    assert desk.placed(Purpose.EXIT) == []
    assert desk.take().count("ask stop-0002") > 1


def test_a_change_that_is_acknowledged_after_it_was_given_up_is_not_proof(desk: Desk) -> None:
    """It waited for its turn, and the gateway for the broker: the answer of half a minute later says no
    more than one that comes at once.
    """
    reach(desk, 99.95)
    desk.snapshots = False
    desk.advance(25)
    desk.accept("stop-0002", Request.MODIFY)
    desk.advance(1)

    assert desk.placed(Purpose.EXIT) == []


@pytest.mark.parametrize("lost", [False, True])
def test_the_order_book_proves_a_change_that_no_question_is_answered_for(
    desk: Desk, lost: bool
) -> None:
    """Acknowledged or of unknown outcome, it is done when the book shows the smaller stop; the book is
    read soon when a question has failed, so that what the stop does not cover is bought in time.
    """
    reach(desk, 99.95)
    desk.take()
    if lost:
        desk.book[desk.full("stop-0002")].quantity = 390
        desk.lose("stop-0002", Request.MODIFY)
    else:
        desk.modified("stop-0002")
    desk.lose("stop-0002", Request.QUERY)
    desk.advance(1.1)

    assert placed(desk) == ["place exit-0003 BUY 260 C260 LIMIT 99.95"]


@pytest.mark.parametrize("what", ["the old size", "another trigger", "a position"])
def test_an_order_book_that_does_not_add_up_proves_no_change(desk: Desk, what: str) -> None:
    """It shows the stop otherwise than asked for, or the position has changed by something else."""
    reach(desk, 99.95)
    desk.modified("stop-0002")
    row = desk.book[desk.full("stop-0002")]
    if what == "the old size":
        row.quantity = 650
    elif what == "another trigger":
        row.trigger_paise = 14_500
    else:
        desk.bought_elsewhere[C260] = 65
    desk.lose("stop-0002", Request.QUERY)
    desk.advance(1.1)

    assert desk.placed(Purpose.EXIT) == []


def test_a_stop_that_is_still_the_old_size_is_changed_again(desk: Desk) -> None:
    """A broker that took the change and did not do it is asked again after 2 s, and nothing is bought."""
    reach(desk, 99.95)
    desk.accept("stop-0002", Request.MODIFY)
    desk.prove("stop-0002")
    assert desk.take() == ["modify stop-0002 390 SL 140.00/143.00", "ask stop-0002"]
    desk.advance(1.9)
    assert desk.take() == []
    desk.advance(0.2)
    assert desk.take() == ["modify stop-0002 390 SL 140.00/143.00"]
    shrink(desk)

    assert desk.take() == ["ask stop-0002", "place exit-0003 BUY 260 C260 LIMIT 99.95"]


def test_a_refused_change_of_the_stop_buys_nothing(desk: Desk) -> None:
    """A stop that may not be changed keeps covering everything."""
    reach(desk, 99.95)
    desk.refuse("stop-0002", "no", Request.MODIFY)
    desk.prove("stop-0002")
    desk.advance(1)

    assert desk.placed(Purpose.EXIT) == []
    assert (desk.stop(C260).quantity, held(desk).open_quantity) == (650, 650)


def test_a_change_of_unknown_outcome_is_asked_about(desk: Desk) -> None:
    """A lost change that was done is proven by the answer, and then the part is bought."""
    reach(desk, 99.95)
    desk.take()
    desk.lose("stop-0002", Request.MODIFY)
    assert desk.take() == ["ask stop-0002"]
    desk.book[desk.full("stop-0002")].quantity = 390
    desk.prove("stop-0002")

    assert desk.take() == ["place exit-0003 BUY 260 C260 LIMIT 99.95"]


def test_a_stop_that_fills_meanwhile_leaves_nothing_to_buy(desk: Desk) -> None:
    """A stop that filled whole while it was to be shrunk has closed the position."""
    reach(desk, 99.95)
    desk.take()
    desk.fill("stop-0002", 650, 140.00, heard=False)
    desk.refuse("stop-0002", "order is complete", Request.MODIFY)
    desk.prove("stop-0002")
    desk.advance(30)

    assert desk.placed(Purpose.EXIT) == []
    assert (held(desk).closed, held(desk).exit_reason) == (True, "STOP_LOSS")


def test_a_stop_that_fills_in_part_leaves_its_rest(desk: Desk) -> None:
    """What a stop has bought is not bought again: the part is 260 of the 325 that are left."""
    reach(desk, 99.95)
    desk.modified("stop-0002")
    desk.take()
    desk.tick(C260, 140.00)
    desk.fill("stop-0002", 325, 140.00, heard=False)
    desk.prove("stop-0002")

    assert held(desk).open_quantity == 325
    assert desk.take() == ["place exit-0003 BUY 260 C260 LIMIT 140.00"]
    assert desk.order("stop-0002").remaining == 65


# ------------------------------------------------------------ the limit order


def test_the_limit_is_what_we_would_pay_when_it_is_sent(desk: Desk) -> None:
    """A stage that was reached is bought at the ask of that moment, though R has fallen meanwhile."""
    reach(desk, 99.95)
    desk.modified("stop-0002")
    desk.take()
    desk.tick(C260, 105.00, ask=105.60)
    desk.prove("stop-0002")

    assert desk.take() == ["place exit-0003 BUY 260 C260 LIMIT 105.60"]


def test_a_limit_that_rests_is_chased(desk: Desk) -> None:
    """A second after it came to rest its limit goes 3 % beyond our own mean price."""
    reach(desk, 99.95)
    shrink(desk)
    desk.advance(35)
    desk.tick(C260, 100.00)
    desk.take()
    desk.accept("exit-0003")
    desk.advance(0.9)
    assert desk.modifies("exit-0003") == []
    desk.advance(0.1)

    (change,) = desk.modifies("exit-0003")
    assert (change.order_type, change.limit_price_paise) == (OrderType.LIMIT, 10_300)


def test_a_limit_that_fills_in_part_is_chased_for_its_rest(desk: Desk) -> None:
    """What a limit has not filled goes on; the stop covers the rest of the position all the while."""
    reach(desk, 99.95)
    shrink(desk)
    desk.accept("exit-0003")
    desk.fill("exit-0003", 130, 99.95)
    desk.take()
    desk.advance(1)
    desk.modified("exit-0003")
    desk.fill("exit-0003", 130, 101.00)
    desk.advance(30)

    assert placed(desk) == []
    assert (held(desk).open_quantity, desk.stop(C260).quantity) == (390, 390)


def test_a_refused_limit_is_followed_by_a_market_order(desk: Desk) -> None:
    """A limit that the broker refuses is not tried a second time: after 2 s the part goes at market."""
    reach(desk, 99.95)
    shrink(desk)
    desk.take()
    desk.refuse("exit-0003", "price out of range")
    desk.advance(1.9)
    assert desk.take() == []
    desk.advance(0.1)

    assert desk.take() == ["place exit-0004 BUY 260 C260 MARKET"]


def test_a_part_that_is_refused_three_times_is_covered_between_the_tries(desk: Desk) -> None:
    """The stop covers the whole position again until the next try, and is proven smaller before it."""
    reach(desk, 99.95)
    shrink(desk)
    for order_id in ("exit-0003", "exit-0004", "exit-0005"):
        desk.take()
        desk.refuse(order_id, "margin")
        assert desk.take() == ["modify stop-0002 650 SL 140.00/143.00"] * (order_id == "exit-0005")
        desk.advance(2 * (order_id != "exit-0005"))
    desk.modified("stop-0002")
    desk.advance(4.9)
    assert placed(desk) == []
    desk.advance(0.1)
    assert desk.take() == ["modify stop-0002 390 SL 140.00/143.00"]
    shrink(desk)

    assert desk.take() == ["ask stop-0002", "place exit-0006 BUY 260 C260 MARKET"]


def test_a_limit_that_was_ended_by_somebody_is_placed_again(desk: Desk) -> None:
    """A limit that somebody cancels at the broker is no end of the part: it goes at market."""
    reach(desk, 99.95)
    shrink(desk)
    desk.accept("exit-0003")
    desk.snapshots = False
    desk.prove("exit-0003", BrokerStatus.CANCELLED)
    desk.advance(0.1)
    desk.snapshot()
    desk.take()
    desk.advance(2)

    assert desk.take() == ["place exit-0004 BUY 260 C260 MARKET"]


def test_a_limit_of_unknown_outcome_is_not_sent_again(desk: Desk) -> None:
    """Its quantity stays reserved; where two looks at the books do not show it, the stop covers it."""
    reach(desk, 99.95)
    shrink(desk)
    desk.lose("exit-0003")
    desk.take()
    desk.advance(10)
    assert desk.take() == ["modify stop-0002 650 SL 140.00/143.00"]
    desk.modified("stop-0002")
    desk.advance(60)

    assert placed(desk) == []
    assert (desk.stop(C260).quantity, held(desk).open_quantity) == (650, 650)


def test_a_lost_limit_that_is_found_has_the_stop_shrunk_again(desk: Desk) -> None:
    """When it turns up at the broker, the stop goes back to the rest."""
    reach(desk, 99.95)
    shrink(desk)
    desk.lose("exit-0003")
    desk.advance(10)
    desk.modified("stop-0002")
    desk.take()
    desk._row("exit-0003")
    desk.advance(2)

    assert "modify stop-0002 390 SL 140.00/143.00" in desk.take()


def test_a_limit_that_was_never_placed_is_sent_at_last(desk: Desk) -> None:
    """Past the gateway's horizon it is known not to be there, and the part is sent again."""
    reach(desk, 99.95)
    shrink(desk)
    desk.lose("exit-0003")
    desk.advance(10)
    desk.modified("stop-0002")
    desk.advance(135)
    desk.take()
    shrink(desk)
    desk.advance(3)

    assert "place exit-0004 BUY 260 C260 LIMIT 99.95" in desk.take()


# ------------------------------------------------------------ the other exits


def test_minus_five_r_holds_while_a_limit_rests(desk: Desk) -> None:
    """The day's stop buys what no order of ours may still buy, at market."""
    reach(desk, 99.95)
    shrink(desk)
    desk.accept("exit-0003")
    for price in (120.00, 150.00):
        desk.tick(C260, price)
    reach(desk, 180.00)
    desk.cancelled("stop-0002")

    assert desk.engine.positions.day_exit_reason == "-5R_STOP"
    assert desk.take()[-1] == "place exit-0004 BUY 390 C260 MARKET"


def test_the_square_off_closes_the_rest(desk: Desk) -> None:
    """At 15:15 what the stages left is closed like any position."""
    first_stage(desk)
    desk.clock("15:15:00")
    desk.cancelled("stop-0002")

    assert placed(desk) == ["place exit-0004 BUY 390 C260 MARKET"]
    assert desk.engine.positions.day_exit_reason == "EOD_EXIT"


def test_a_part_closed_outside_is_not_bought_twice(desk: Desk) -> None:
    """Where somebody else has closed 520, a part of 260 is the 130 that are left."""
    desk.tick(C260, 100.00)
    desk.bought_elsewhere[C260] = 520
    desk.advance(70)
    assert held(desk).open_quantity == 130
    shrink(desk)
    desk.take()
    reach(desk, 99.70)
    desk.cancelled("stop-0002")

    assert desk.take() == [
        "cancel stop-0002",
        "ask stop-0002",
        "place exit-0003 BUY 130 C260 LIMIT 99.70",
    ]


def test_nothing_alarming_is_said_in_a_quiet_stage(desk: Desk) -> None:
    """A stage without trouble raises no alert."""
    before = len(desk.of(Notify))
    first_stage(desk)
    desk.advance(30)

    said = desk.of(Notify)[before:]
    assert [n.text for n in said if n.level in (Level.ALERT, Level.CRITICAL)] == []
