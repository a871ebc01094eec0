"""Two stops alike without an answer: whose a row of the books is, and that the one that covers stays."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import BrokerStatus, Purpose
from baseline_v1_live.core.order_states import OrderState
from tests.harness import Desk
from tests.harness_market import C260
from tests.scenarios.unseen_desk import lost_stop, position, stop_arrives


@pytest.fixture
def desk() -> Desk:
    return lost_stop()


def test_a_row_that_may_be_either_stops_waits_for_the_answer(desk: Desk) -> None:
    """While the second stop is on its way, a row like both is nobody's; its answer decides."""
    desk.advance(3)
    stop_arrives(desk)
    desk.advance(1)
    assert desk.state("stop-0002") is OrderState.UNKNOWN
    desk.accept("stop-0003")
    desk.take()
    desk.advance(1)

    assert set(desk.take()) == {"ask stop-0002", "cancel stop-0003"}


def test_a_lost_stop_that_arrives_when_all_is_flat_goes_at_once(desk: Desk) -> None:
    """Two stops alike got lost, and the short is closed: the one that arrives then is cancelled,
    whichever it is, and named anew when the other's answer claims it.
    """
    desk.advance(3)
    desk.lose("stop-0003")
    desk.advance(3)
    desk.accept("exit-0004")
    desk.fill("exit-0004", 650, 129.95)
    desk.take()
    assert desk.engine.positions.open_short(C260) == 0
    stop_arrives(desk, "stop-0003")
    desk.advance(2)

    assert "cancel stop-0002" in desk.take()
    desk.accept("stop-0003")
    assert desk.order("stop-0002").broker_order_id is None
    assert desk.order("stop-0003").broker_order_id == "B0003"


def test_the_stop_that_covers_stays_when_it_gets_its_right_name(desk: Desk) -> None:
    """One of two lost stops is in the books and taken for the other, so that the one is to go; then its
    own answer comes, and it is the one that covers.
    """
    desk.advance(3)
    stop_arrives(desk, "stop-0003")
    desk.lose("stop-0003")
    desk.engine.orders.adopt(desk.order("stop-0002"), "B0003")
    desk.advance(1)
    desk.take()
    desk.accept("stop-0003")
    desk.advance(2)

    assert desk.order("stop-0003").broker_order_id == "B0003"
    assert not any(line == "cancel stop-0003" for line in desk.take())


def two_lost_stops(desk: Desk) -> None:
    """The stop in place of the first got no answer either; the books are read when a test says."""
    desk.advance(3)
    desk.lose("stop-0003")
    desk.snapshots = False
    desk.take()


def test_a_lost_stop_stays_lost_when_what_it_was_taken_for_has_filled(desk: Desk) -> None:
    """The row of the second is taken for the first and fills; then the second's own answer names it.
    Where the first is, is as unknown as before: it is looked for, and cancelled when it turns up.
    """
    two_lost_stops(desk)
    stop_arrives(desk, "stop-0003")
    desk.engine.orders.adopt(desk.order("stop-0002"), "B0003")
    desk.fill("stop-0003", 650, 140.00)
    assert desk.state("stop-0002") is OrderState.FILLED
    desk.accept("stop-0003", status=None)
    desk.prove("stop-0003")
    assert desk.state("stop-0002") is OrderState.UNKNOWN
    assert desk.state("stop-0003") is OrderState.FILLED
    stop_arrives(desk)
    desk.take()
    desk.snapshot()

    assert desk.order("stop-0002").broker_order_id == "B0002"
    assert "cancel stop-0002" in desk.take()
    assert position(desk).exit_quantity == 650


@pytest.mark.parametrize("over", ["stop-0002", "stop-0003"])
def test_of_two_stops_taken_for_each_other_the_one_that_works_is_alive(
    desk: Desk, over: str
) -> None:
    """Of two rows that were matched the wrong way round one has ended; when the late answer puts it
    right, the other's stop is alive under its own name, and its state is asked for.
    """
    works = "stop-0003" if over == "stop-0002" else "stop-0002"
    two_lost_stops(desk)
    stop_arrives(desk)
    stop_arrives(desk, "stop-0003")
    desk.engine.orders.adopt(desk.order("stop-0002"), "B0003")
    desk.engine.orders.adopt(desk.order("stop-0003"), "B0002")
    desk.prove(over, BrokerStatus.CANCELLED)
    assert desk.state(works) is OrderState.CANCELLED
    desk.take()
    desk.accept("stop-0003", status=None)

    assert desk.order(works).live
    assert desk.order(works).broker_order_id == f"B{works[-4:]}"
    assert f"ask {works}" in desk.take()


def test_two_lost_stops_keep_the_names_that_a_late_answer_has_put_right(desk: Desk) -> None:
    """The row of the second is taken for the first, whose own answer then comes with another id: the row
    is the second's. One of them goes, the other covers, and neither is named once more.
    """
    two_lost_stops(desk)
    stop_arrives(desk, "stop-0003")
    desk.engine.orders.adopt(desk.order("stop-0002"), "B0003")
    desk.accept("stop-0002")
    assert desk.order("stop-0002").broker_order_id == "B0002"
    assert desk.order("stop-0003").broker_order_id == "B0003"
    desk.take()
    desk.snapshots = True
    with desk.answered():
        desk.advance(20)

    assert sum("found at the broker" in text for text in desk.said("RECONCILE")) == 1
    assert sorted((desk.state("stop-0002"), desk.state("stop-0003"))) == [
        OrderState.CANCELLED,
        OrderState.TRIGGER_PENDING,
    ]


def test_a_stop_that_covers_again_is_not_taken_for_one_that_is_to_go(desk: Desk) -> None:
    """Two stops got lost and are to be cancelled, and so did the exit. The next stop gets no answer
    either, but works: its row is its own, for as one of the others it would be cancelled.
    """
    desk.advance(3)
    desk.lose("stop-0003")
    desk.advance(3)
    desk.lose("exit-0004")
    while len(desk.placed(Purpose.STOP)) < 3:
        desk.advance(0.1)
    desk.lose("stop-0005", reached=True)
    desk.take()
    desk.advance(10)

    assert desk.order("stop-0005").broker_order_id == "B0005"
    assert desk.state("stop-0005") is OrderState.TRIGGER_PENDING
    assert [line for line in desk.take() if not line.startswith("ask")] == []
