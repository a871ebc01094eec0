"""Exits and entries without an answer: never sent twice, and no short waits for them without a stop."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import BrokerStatus, OrderSent, Purpose
from baseline_v1_live.core.order_states import OrderState
from tests.harness import Desk
from tests.harness_market import C260
from tests.scenarios.unseen_desk import STOP, lost_stop


@pytest.fixture
def desk() -> Desk:
    return lost_stop()


# ------------------------------------------------------------ exits


def test_an_exit_that_filled_and_is_not_answered_keeps_no_other_back() -> None:
    """The answer to an exit hangs while its fill is in the books and the entry fills on: the fill is
    booked, and what was sold since is bought back without waiting for the answer.
    """
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.fill("entry-0001", 65, 129.95)
    for stop in ("stop-0002", "stop-0003"):
        desk.refuse(stop, "RMS: stop orders are blocked")
    desk.feed(OrderSent(order_id=desk.full("exit-0004")))
    desk.fill("exit-0004", 65, 130.10, heard=False)
    desk.fill("entry-0001", 195, 129.95)
    desk.advance(4)
    desk.prove("exit-0004")

    assert desk.placed(Purpose.EXIT) == ["exit-0004", "exit-0005"]
    assert desk.order("exit-0005").quantity == 195


def test_an_exit_does_not_wait_for_a_stop_that_the_books_do_not_show(desk: Desk) -> None:
    """A position whose stop is in no book is closed without waiting for the gateway's horizon."""
    desk.advance(1)
    desk.say("kill")
    assert desk.placed(Purpose.EXIT) == []
    desk.advance(3)

    assert desk.placed(Purpose.EXIT) == ["exit-0003"]


def test_an_exit_of_unknown_outcome_is_not_sent_again() -> None:
    """Only protective stops are sent again: an exit without an answer reserves its quantity."""
    desk = Desk()
    desk.short(C260)
    with desk.answered():
        desk.auto = False
        desk.say("kill")
        desk.cancelled("stop-0002")
    desk.advance(1)
    exits = desk.placed(Purpose.EXIT)
    desk.lose(exits[0])
    desk.advance(100)

    assert desk.placed(Purpose.EXIT) == exits == ["exit-0003"]


def test_an_exit_that_turns_up_when_its_short_is_closed_is_cancelled(desk: Desk) -> None:
    """The stop that covered meanwhile has bought it all: the exit is not chased to buy it again."""
    desk.advance(3)
    desk.lose("stop-0003")
    desk.advance(3)
    desk.lose("exit-0004")
    desk.advance(3)
    covers = desk.placed(Purpose.STOP)[-1]
    desk.accept(covers)
    desk.accept("exit-0004")
    desk.fill(covers, 650, 143.00)
    assert desk.engine.positions.open_short(C260) == 0
    desk.advance(3)

    sent = desk.take()
    assert "cancel exit-0004" in sent
    assert not any(line.startswith("modify exit-0004") for line in sent)


# ------------------------------------------------------------ stops while the exit is lost


def test_stops_that_are_refused_while_an_exit_is_lost_keep_a_pace(desk: Desk) -> None:
    """The exit got lost and every stop that is to cover meanwhile is refused at once: one in five
    seconds is tried, so that the order messages last for the exit.
    """
    desk.advance(3)
    desk.lose("stop-0003")
    desk.advance(3)
    desk.lose("exit-0004")
    for _ in range(300):
        desk.advance(0.1)
        for order in [*desk.engine.orders.live(C260, Purpose.STOP)]:
            if order.state is OrderState.IN_FLIGHT:
                desk.refuse(order.order_id, "RMS: stop orders are blocked")

    refused = len(desk.placed(Purpose.STOP)) - 2
    assert 4 <= refused <= 7


def test_stops_that_get_lost_again_and_again_are_tried_at_growing_pauses(desk: Desk) -> None:
    """The exit that should replace them gets lost as well: the short does not wait for the horizon."""
    for _ in range(60):
        desk.advance(1)
        for line in desk.take():
            if line.startswith("place"):
                desk.lose(line.split()[1])
    lost = desk.placed(Purpose.STOP)
    assert 4 <= len(lost) <= 7
    assert len(desk.placed(Purpose.EXIT)) == 1


@pytest.mark.parametrize(("rested", "waits"), [(0, 5), (3, 2), (60, 0)])
def test_where_the_exit_is_lost_a_stop_that_ends_is_replaced(rested: int, waits: int) -> None:
    """Five seconds lie between stops that are refused at once; one that somebody cancels after a minute
    of rest leaves nothing to wait for: the short is bare.
    """
    desk = Desk()
    desk.short(C260)
    desk.advance(10)
    desk.prove("stop-0002", BrokerStatus.CANCELLED)
    desk.accept("stop-0003")
    desk.advance(10)
    desk.prove("stop-0003", BrokerStatus.CANCELLED)
    desk.lose("exit-0004")
    while len(desk.placed(Purpose.STOP)) < 3:
        desk.advance(0.1)
    desk.accept("stop-0005")
    desk.advance(rested)
    desk.prove("stop-0005", BrokerStatus.CANCELLED)
    if waits:
        desk.advance(waits - 0.1)
        assert len(desk.placed(Purpose.STOP)) == 3
        desk.advance(0.1)

    assert len(desk.placed(Purpose.STOP)) == 4


# ------------------------------------------------------------ entries


def test_an_entry_of_unknown_outcome_is_not_sent_again() -> None:
    """An entry without an answer is looked for and not repeated."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.lose("entry-0001")
    desk.advance(100)

    assert desk.placed(Purpose.ENTRY) == ["entry-0001"]


def test_what_a_found_order_has_filled_is_protected_at_once() -> None:
    """A lost entry that filled is protected in the step in which the books show it."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.snapshots = False
    desk.lose("entry-0001", reached=True)
    desk.fill("entry-0001", 650, 129.95, heard=False)
    desk.advance(1)
    desk.take()
    desk.snapshot()

    assert desk.take() == [f"place stop-0002 {STOP}"]


def test_a_found_order_that_filled_in_part_is_protected_for_that_part() -> None:
    """Part of a lost entry filled: that part is covered in the same step."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.snapshots = False
    desk.lose("entry-0001", reached=True)
    desk.fill("entry-0001", 130, 129.95, heard=False)
    desk.advance(1)
    desk.take()
    desk.snapshot()

    assert "place stop-0002 BUY 130 C260 SL 140.00/143.00" in desk.take()
