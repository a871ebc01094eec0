"""Orders of which too little is known: the field's scenarios A7 (in no book) and A11 (no answer)."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import (
    BrokerStatus,
    Filled,
    Level,
    OrderSent,
    OrderUpdated,
    Purpose,
    Request,
    Side,
)
from baseline_v1_live.core.order_states import OrderState
from tests.harness import Desk
from tests.harness_broker import BookedOrder
from tests.harness_market import C260, C261


@pytest.fixture
def desk() -> Desk:
    """The entry in C260 rests; low 130, highest high 139."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.take()
    return desk


def test_a7_an_order_that_is_in_no_book_is_asked_for_and_stays_ours(desk: Desk) -> None:
    """Absence from the order book proves nothing: the order is asked for by id, and kept."""
    missing = desk.book.pop(desk.full("entry-0001"))
    desk.advance(10)
    assert set(desk.take()) == {"ask entry-0001"}
    desk.refuse("entry-0001", "order not found", Request.QUERY)
    desk.advance(60)
    assert desk.entries() == ["C260"]
    desk.book[missing.order_id] = missing
    desk.prove("entry-0001")

    assert desk.state("entry-0001") is OrderState.TRIGGER_PENDING


def test_a7_a_failed_snapshot_says_nothing(desk: Desk) -> None:
    """Books that cannot be read leave every order as it is, until they are unread for long."""
    desk.snapshots = False
    for _ in range(3):
        desk.advance(5)
        desk.snapshot_failed()

    assert desk.take() == []
    assert desk.state("entry-0001") is OrderState.TRIGGER_PENDING


def test_a11_a_lost_placement_is_found_and_never_sent_again() -> None:
    """An entry that timed out but reached the broker is found by its signature and adopted."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.take()
    desk.lose("entry-0001", reached=True)
    assert len(desk.said("ORDER", Level.CRITICAL)) == 1
    desk.advance(5)
    assert desk.order("entry-0001").broker_order_id == "B0001"
    desk.fill("entry-0001", 650, 129.95)

    assert "place stop-0002 BUY 650 C260 SL 140.00/143.00" in desk.take()
    assert desk.placed(Purpose.ENTRY) == ["entry-0001"]


def test_a11_a_lost_placement_that_filled_is_protected_within_two_rounds() -> None:
    """A lost entry that is found filled gets its stop without waiting for anything else."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.take()
    desk.lose("entry-0001", reached=True)
    desk.fill("entry-0001", 650, 129.95, heard=False)
    desk.advance(10)

    assert "place stop-0002 BUY 650 C260 SL 140.00/143.00" in desk.take()


def test_a11_an_older_order_of_the_same_shape_is_not_taken_for_ours() -> None:
    """An order that stood in the book before we sent ours is somebody else's."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    ours = desk.order("entry-0001")
    desk.book["theirs"] = BookedOrder(
        order_id="theirs",
        broker_order_id="M1",
        symbol=C260,
        side=ours.side,
        order_type=ours.order_type,
        quantity=650,
        trigger_paise=12_995,
        limit_paise=12_695,
        placed_at_ms=ours.placed_at_ms - 600_000,
        status=BrokerStatus.TRIGGER_PENDING,
    )
    desk.lose("entry-0001")
    desk.advance(60)

    assert desk.state("entry-0001") is OrderState.UNKNOWN


def test_a11_no_answer_at_all_is_an_unknown_outcome() -> None:
    """A placement that left and is not answered becomes unknown by itself and is not sent again."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.take()
    desk.feed(OrderSent(order_id=desk.full("entry-0001")))
    desk.advance(25)

    assert desk.take() == []
    assert desk.state("entry-0001") is OrderState.UNKNOWN


def test_a11_an_entry_that_was_never_placed_frees_its_slot_after_the_horizon() -> None:
    """Complete snapshots past 130 s without a trace end the order; the swing is not sold again."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.take()
    desk.lose("entry-0001")
    desk.advance(129)
    assert desk.state("entry-0001") is OrderState.UNKNOWN
    desk.advance(30)
    assert desk.state("entry-0001") is OrderState.NOT_PLACED
    assert desk.take() == []
    desk.swing_low(C261, 130.00, 139.00)

    assert desk.take() == ["place entry-0002 SELL 650 C261 SL 129.95/126.95"]


def test_a11_an_entry_that_turns_up_after_it_was_given_up_is_cancelled() -> None:
    """A placement that the gateway confirms after its horizon does not rest unattended."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.lose("entry-0001")
    desk.advance(160)
    assert desk.state("entry-0001") is OrderState.NOT_PLACED
    desk.take()
    desk.accept("entry-0001")
    desk.advance(5)

    assert "cancel entry-0001" in desk.take()


def test_a11_the_orders_of_somebody_else_are_nothing_to_us(desk: Desk) -> None:
    """The account's order stream tells of manual orders as well; they change nothing."""
    desk.feed(
        Filled(
            broker_order_id="M7",
            symbol=C260,
            side=Side.SELL,
            filled_quantity=650,
            filled_value_paise=650 * 12_995,
        )
    )
    desk.feed(OrderUpdated(broker_order_id="M8", symbol=C261, status=BrokerStatus.REJECTED))
    desk.advance(3)

    assert desk.take() == []
    assert desk.engine.positions.positions == {}
