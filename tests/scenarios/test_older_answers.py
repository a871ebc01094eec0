"""An answer that is older than what was acknowledged since: the broker's last word on an order counts."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import BrokerStatus, Request
from baseline_v1_live.core.order import Order
from baseline_v1_live.core.order_states import OrderState
from tests.harness import Desk
from tests.harness_market import C260

ENTRY = "entry-0001"


def shrunk() -> tuple[Desk, Order]:
    """An entry of 650 whose change to 520 was acknowledged, and then an answer of before it came."""
    desk = Desk()
    with desk.answered():
        desk.swing_low(C260, 130.00, 139.00)
    order = desk.order(ENTRY)
    desk.engine.orders.modify(order, quantity=520)
    desk.say("pause")
    desk.modified(ENTRY)
    row = desk.book[order.order_id]
    row.quantity = 650
    desk.prove(ENTRY)
    row.quantity = 520
    return desk, order


def test_what_the_broker_says_while_a_cancel_is_on_its_way_is_taken() -> None:
    """A cancel changes no values, so the answer's are the order's; nothing else will say them again."""
    desk, order = shrunk()
    assert order.change is not None
    assert order.change.request is Request.CANCEL
    assert order.quantity == 650

    desk.prove(ENTRY, BrokerStatus.TRIGGER_PENDING)

    assert order.quantity == 520
    assert order.change is not None


@pytest.mark.parametrize(("says", "kept"), [(520, 520), (0, 650)])
def test_the_proof_of_an_end_has_the_last_quantity(says: int, kept: int) -> None:
    """What was cancelled is as large as the proof says; brokers that name no size there say nothing."""
    desk, order = shrunk()
    desk.book[order.order_id].quantity = says

    desk.cancelled(ENTRY)

    assert (order.state, order.quantity) == (OrderState.CANCELLED, kept)
