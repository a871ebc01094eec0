"""A gateway that does not answer for an order: its books prove the end all the same."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import (
    BrokerStatus,
    OrderUpdated,
    OutcomeUnknown,
    QueryOrder,
    Request,
)
from baseline_v1_live.core.order_states import OrderState
from tests.harness import Desk
from tests.harness_market import C260

STOP_AGAIN = "place stop-0003 BUY 650 C260 SL 140.00/143.00"


@pytest.fixture
def desk() -> Desk:
    """A short of 650 in C260 whose stop is said to be cancelled by somebody; questions get no answer."""
    desk = Desk()
    desk.short(C260)
    desk.advance(10)
    desk.take()
    desk.snapshots = False
    desk._row("stop-0002").status = BrokerStatus.CANCELLED
    desk.update("stop-0002", BrokerStatus.CANCELLED)
    return desk


def no_answers(desk: Desk, seconds: float) -> list[str]:
    """Let time pass while every question about an order fails; what was sent but questions."""
    asked = len(desk.of(QueryOrder))
    for _ in range(round(seconds * 10)):
        desk.advance(0.1)
        for question in desk.of(QueryOrder)[asked:]:
            desk.feed(
                OutcomeUnknown(order_id=question.order_id, request=Request.QUERY, message="500")
            )
        asked = len(desk.of(QueryOrder))
    return [line for line in desk.take() if not line.startswith("ask")]


def test_two_looks_at_the_books_prove_an_end(desk: Desk) -> None:
    """The stop's end is proven by order book, trade book and position book: another covers in time."""
    desk.snapshots = True
    desk.snapshot()
    assert no_answers(desk, 4) == [STOP_AGAIN]
    assert desk.state("stop-0002") is OrderState.CANCELLED


def test_the_end_of_a_purchase_is_asked_for_every_two_seconds(desk: Desk) -> None:
    """However often the question fails: the short may stand bare until it is answered."""
    asked = len(desk.of(QueryOrder))
    no_answers(desk, 20)

    assert len(desk.of(QueryOrder)) - asked >= 9


def test_one_look_proves_nothing(desk: Desk) -> None:
    """A row alone may have the status of its neighbour: the first look waits for the second."""
    desk.advance(1)
    desk.snapshot()

    assert desk.state("stop-0002") is OrderState.CLAIMED
    desk.snapshot(asked_at_ms=desk.now_ms + 499)
    assert desk.state("stop-0002") is OrderState.CLAIMED


def test_a_position_that_knows_of_a_fill_keeps_the_question_open(desk: Desk) -> None:
    """A trade book that is behind shows no fill, but the position has shrunk: nothing is proven."""
    for _ in range(4):
        desk.advance(1)
        desk.snapshot(net={C260: -585})

    assert desk.state("stop-0002") is OrderState.CLAIMED


def test_a_trade_book_that_lacks_a_fill_of_ours_proves_nothing(desk: Desk) -> None:
    """It came empty: that the stop has no trades in it means nothing."""
    entry = desk._row("entry-0001")
    filled, entry.filled_quantity = entry.filled_quantity, 0
    for _ in range(4):
        desk.advance(1)
        desk.snapshot(net={C260: -650})
    assert desk.state("stop-0002") is OrderState.CLAIMED
    entry.filled_quantity = filled


def test_an_order_that_lives_again_in_its_row_is_not_over(desk: Desk) -> None:
    """Cancelled at one look, waiting at the next: that was its neighbour's status."""
    for status in (BrokerStatus.CANCELLED, BrokerStatus.TRIGGER_PENDING) * 2:
        desk._row("stop-0002").status = status
        desk.advance(1)
        desk.snapshot()

    assert desk.state("stop-0002") is OrderState.CLAIMED


def lost_cancel(order_status: BrokerStatus = BrokerStatus.TRIGGER_PENDING) -> Desk:
    """An operator's exit whose cancel of the stop got no answer: nobody says whether it has arrived."""
    desk = Desk()
    desk.short(C260)
    desk.advance(10)
    desk.snapshots = False
    desk.say("flatten")
    assert desk.take()[-1] == "cancel stop-0002"
    desk.lose("stop-0002", Request.CANCEL)
    desk._row("stop-0002").status = order_status
    return desk


def test_a_lost_cancel_of_an_order_that_the_books_show_working_is_sent_again() -> None:
    """The question about the stop fails again and again; the books say that it works on."""
    desk = lost_cancel()
    assert no_answers(desk, 3) == []
    desk.snapshot()

    assert no_answers(desk, 1) == ["cancel stop-0002"]


def test_books_from_before_a_cancel_got_lost_have_it_sent_no_second_time() -> None:
    """They were asked for while it was on its way; and one that shows the end needs no other either."""
    desk = lost_cancel()
    desk.advance(3)
    desk.take()
    desk.snapshot(asked_at_ms=desk.now_ms - 3_001)
    assert no_answers(desk, 3) == []
    desk._row("stop-0002").status = BrokerStatus.CANCELLED
    desk.snapshot()

    assert no_answers(desk, 1) == []


def test_a_lost_cancel_is_not_sent_at_every_look_at_the_books() -> None:
    """Each one costs an order message: two seconds lie between them, and one at most is unanswered."""
    desk = lost_cancel()
    desk.advance(0.5)
    desk.snapshot()
    assert no_answers(desk, 1) == []
    assert no_answers(desk, 1) == ["cancel stop-0002"]
    for _ in range(3):
        desk.snapshot()

    assert no_answers(desk, 3) == []


def test_an_end_is_proven_with_the_brokers_own_quantity(desk: Desk) -> None:
    """A change whose answer got lost had reached the broker: our record is what its books say."""
    stop = desk.order("stop-0002")
    assert stop.broker_order_id is not None
    desk.feed(
        OrderUpdated(
            broker_order_id=stop.broker_order_id,
            symbol=C260,
            status=BrokerStatus.REJECTED,
            order_id=stop.order_id,
            filled_quantity=0,
            filled_value_paise=0,
            quantity=390,
            trigger_price_paise=stop.trigger_price_paise,
            limit_price_paise=stop.limit_price_paise,
            proven=True,
        )
    )

    assert (stop.state, stop.quantity) == (OrderState.REJECTED, 390)
