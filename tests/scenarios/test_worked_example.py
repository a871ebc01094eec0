"""The worked example of the rules (section 6), from the swing low to the trade's R."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import PlaceOrder, Purpose
from baseline_v1_live.core.order_states import OrderState
from tests.harness import Desk
from tests.harness_market import C260


@pytest.fixture
def desk() -> Desk:
    """Low 130.00 and highest high 139.00 were confirmed a moment ago."""
    desk = Desk()
    desk.swing_low(C260, low=130.00, highest_high=139.00)
    return desk


def test_the_swing_low_is_sold_by_one_stop_limit_order_below_it(desk: Desk) -> None:
    """A low of 130 with a high of 139 since is sold by SL 129.95/126.95 for ten lots of 65."""
    assert desk.take() == ["place entry-0001 SELL 650 C260 SL 129.95/126.95"]
    assert desk.rejected() == {}


def test_the_fill_is_protected_by_exactly_one_stop(desk: Desk) -> None:
    """The fill itself brings one SL BUY 140.00/143.00 for the whole quantity, and nothing after it."""
    desk.accept("entry-0001")
    desk.tick(C260, 129.95)
    desk.take()

    desk.fill("entry-0001", 650, 129.95)

    assert desk.take() == ["place stop-0002 BUY 650 C260 SL 140.00/143.00"]
    desk.accept("stop-0002")
    desk.advance(60)
    assert desk.take() == []


def test_no_lot_is_bought_back_when_the_fill_costs_no_whole_lot_more_than_r(desk: Desk) -> None:
    """Filled at 129.95 the risk is 6,532.50, which exceeds R by less than a lot, so all ten stay."""
    desk.accept("entry-0001")
    desk.fill("entry-0001", 650, 129.95)
    desk.accept("stop-0002")

    assert desk.placed(Purpose.EXIT) == []
    position = desk.position(C260)
    assert position is not None
    assert (position.open_quantity, position.trim_quantity) == (650, 0)


def test_whole_lots_above_r_are_bought_back_after_a_bad_fill(desk: Desk) -> None:
    """Filled at the limit 126.95 the risk is 8,482.50: eight lots get a stop, two are bought back."""
    desk.accept("entry-0001")
    desk.take()
    desk.fill("entry-0001", 650, 126.95)

    assert desk.take() == [
        "place stop-0002 BUY 520 C260 SL 140.00/143.00",
        "place exit-0003 BUY 130 C260 MARKET",
    ]
    desk.accept("stop-0002")
    desk.accept("exit-0003")
    desk.fill("exit-0003", 130, 127.00)
    assert desk.take() == []
    assert desk.stop(C260).remaining == 520


def test_the_stop_closes_the_trade_at_its_own_r(desk: Desk) -> None:
    """Stopped at 140.00 the trade lost 10.05 points of the 10.00 at risk: -1.005R of its own."""
    desk.accept("entry-0001")
    desk.fill("entry-0001", 650, 129.95)
    desk.accept("stop-0002")
    desk.tick(C260, 140.00)
    desk.take()

    desk.fill("stop-0002", 650, 140.00)

    assert desk.take() == []
    position = desk.position(C260)
    assert position is not None
    assert position.closed
    assert (position.pnl_paise, position.r_milli) == (-653_250, -1_005)
    assert (desk.engine.pnl_paise, desk.engine.r_milli) == (-653_250, -1_005)
    assert desk.engine.positions.open == {}


def test_the_whole_example_in_one_go(desk: Desk) -> None:
    """From the swing low to flat the broker hears of two orders and no other."""
    desk.accept("entry-0001")
    desk.tick(C260, 129.95)
    desk.fill("entry-0001", 650, 129.95)
    desk.accept("stop-0002")
    desk.advance(120)
    desk.tick(C260, 140.00)
    desk.fill("stop-0002", 650, 140.00)
    desk.advance(120)

    assert desk.take() == [
        "place entry-0001 SELL 650 C260 SL 129.95/126.95",
        "place stop-0002 BUY 650 C260 SL 140.00/143.00",
    ]
    assert [order.order_id for order in desk.of(PlaceOrder)] == [
        "2026-12-28-entry-0001",
        "2026-12-28-stop-0002",
    ]
    assert desk.state("entry-0001") is OrderState.FILLED
    assert desk.state("stop-0002") is OrderState.FILLED
