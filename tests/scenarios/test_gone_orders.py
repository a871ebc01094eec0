"""Orders that the broker has named, and that neither its books nor the gateway know any more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from baseline_v1_live.core.messages import BrokerStatus, Level, Purpose, Request
from baseline_v1_live.core.order_states import OrderState
from tests.harness import Desk
from tests.harness_market import C260

STOP = "BUY 650 C260 SL 140.00/143.00"


@pytest.fixture
def desk() -> Desk:
    """A short of 650 in C260 whose stop rests."""
    desk = Desk()
    with desk.answered():
        desk.swing_low(C260, 130.00, 139.00)
        desk.fill("entry-0001", 650, 129.95)
    desk.take()
    assert desk.state("stop-0002") is OrderState.TRIGGER_PENDING
    return desk


@contextmanager
def gone(desk: Desk, order_id: str) -> Iterator[None]:
    """The broker's books are without this order."""
    row = desk.book.pop(desk.full(order_id))
    yield
    desk.book[desk.full(order_id)] = row


def pass_time(desk: Desk, seconds: int, order_id: str, *, known: bool = False) -> list[str]:
    """Seconds pass; to each question about the order the gateway says that it does not know it, or
    nothing. What else was sent is returned.
    """
    sent = []
    for _ in range(seconds):
        desk.advance(1)
        for line in desk.take():
            if line != f"ask {order_id}":
                sent.append(line)
            elif known:
                desk.lose(order_id, Request.QUERY)
            else:
                desk.refuse(order_id, "404: Order not found", Request.QUERY)
    return sent


def test_a_stop_that_nobody_knows_any_more_is_replaced_after_half_a_minute(desk: Desk) -> None:
    """What covers must be somewhere: until then its absence proves nothing, then a stop covers anew."""
    with gone(desk, "stop-0002"):
        assert pass_time(desk, 29, "stop-0002") == []
        assert pass_time(desk, 15, "stop-0002") == [f"place stop-0003 {STOP}"]

    assert any("does not know it" in text for text in desk.said("RECONCILE", Level.CRITICAL))
    assert desk.engine.positions.stop_failures == 0


def test_a_question_without_an_answer_says_nothing_of_a_missing_stop(desk: Desk) -> None:
    """A book may lack rows for long; only the gateway's own word makes it more than that."""
    with gone(desk, "stop-0002"):
        assert pass_time(desk, 120, "stop-0002", known=True) == []
    assert desk.state("stop-0002") is OrderState.TRIGGER_PENDING


def test_a_stop_that_was_missing_now_and_then_stays(desk: Desk) -> None:
    """Every look has to miss it."""
    for _ in range(5):
        with gone(desk, "stop-0002"):
            pass_time(desk, 20, "stop-0002")
        desk.advance(10)
        desk.take()

    assert desk.placed(Purpose.STOP) == ["stop-0002"]


@pytest.mark.parametrize("after_s", [45, 300])
def test_of_a_stop_that_comes_back_and_the_other_one_goes(desk: Desk, after_s: int) -> None:
    """Also when it had been given up."""
    with gone(desk, "stop-0002"):
        for line in pass_time(desk, after_s, "stop-0002"):
            if line.startswith("place"):
                desk.accept("stop-0003")
    with desk.answered():
        desk.advance(20)

    states = [desk.state(name) for name in ("stop-0002", "stop-0003")]
    assert sorted(states) == [OrderState.CANCELLED, OrderState.TRIGGER_PENDING]


def test_an_end_that_nobody_can_prove_does_not_keep_a_short_bare(desk: Desk) -> None:
    """The stream has called the stop cancelled, and then no book and no answer knows it."""
    desk.update("stop-0002", BrokerStatus.CANCELLED)
    desk.take()
    with gone(desk, "stop-0002"):
        assert pass_time(desk, 45, "stop-0002") == [f"place stop-0003 {STOP}"]


def test_an_entry_that_nobody_knows_any_more_frees_its_place() -> None:
    """Past the gateway's horizon it was never placed."""
    desk = Desk()
    with desk.answered():
        desk.swing_low(C260, 130.00, 139.00)
    with gone(desk, "entry-0001"):
        pass_time(desk, 200, "entry-0001")

    assert desk.state("entry-0001") is OrderState.NOT_PLACED
