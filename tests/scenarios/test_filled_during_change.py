"""An order fills while a change of its quantity is on its way: it may have become the larger one."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import BrokerStatus, OrderUpdated, Purpose, Request
from tests.harness import Desk
from tests.harness_market import C260

COVER = "modify stop-0002 650 SL 140.00/143.00"


@pytest.fixture
def desk() -> Desk:
    """A short of 65 whose stop is being changed to cover 650."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.fill("entry-0001", 65, 129.95)
    desk.accept("stop-0002")
    desk.fill("entry-0001", 585, 129.95)
    assert desk.take()[-1] == COVER
    return desk


def grown(desk: Desk) -> None:
    """The exchange has the change, and nobody has said so."""
    desk.book[desk.full("stop-0002")].quantity = 650


def test_what_a_stop_bought_of_its_old_size_is_not_covered_twice(desk: Desk) -> None:
    """As many as it covered before are bought: it may be the larger stop by now, so none is added."""
    grown(desk)
    desk.fill("stop-0002", 65, 140.00)

    assert desk.take() == ["ask stop-0002"]
    desk.modified("stop-0002")
    assert len(desk.placed(Purpose.STOP)) == 1
    assert desk.order("stop-0002").open_quantity == 585


def test_a_stop_that_was_complete_before_its_change_is_replaced(desk: Desk) -> None:
    """The change is refused, the question proves the end, and another stop covers the rest."""
    desk.fill("stop-0002", 65, 140.00)
    desk.refuse("stop-0002", "order is complete", Request.MODIFY)
    desk.take()
    desk.prove("stop-0002")

    assert desk.take() == ["place stop-0003 BUY 585 C260 SL 140.00/143.00"]


def test_a_stop_said_to_be_complete_in_its_old_size_is_replaced_at_once(desk: Desk) -> None:
    """Its row says so itself: nothing of it is left that the change could reach."""
    desk.fill("stop-0002", 65, 140.00, heard=False)
    row = desk.book[desk.full("stop-0002")]
    desk.feed(
        OrderUpdated(
            broker_order_id=row.broker_order_id,
            symbol=C260,
            status=BrokerStatus.COMPLETE,
            filled_quantity=65,
            filled_value_paise=row.filled_value_paise,
            quantity=65,
        )
    )

    assert "place stop-0003 BUY 585 C260 SL 140.00/143.00" in desk.take()


def test_an_order_that_fills_more_than_it_had_is_the_larger_one(desk: Desk) -> None:
    """No answer has come, and yet 650 were bought: then that was its quantity."""
    grown(desk)
    desk.fill("stop-0002", 650, 140.00)
    desk.modified("stop-0002")

    stop = desk.order("stop-0002")
    assert (stop.quantity, stop.filled_quantity, stop.live) == (650, 650, False)
    assert desk.position(C260).closed


def test_a_stop_that_filled_in_part_is_resized_beyond_what_it_filled() -> None:
    """Of 650 sold it has bought 65: its order is to be of 650, of which 585 are left."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.fill("entry-0001", 325, 129.95)
    desk.accept("stop-0002")
    desk.fill("stop-0002", 65, 140.00)
    desk.take()
    desk.fill("entry-0001", 325, 129.95)

    assert any(line.startswith("modify stop-0002 650 ") for line in desk.take())
