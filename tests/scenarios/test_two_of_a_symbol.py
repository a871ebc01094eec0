"""Two entries of a symbol that fill after they were cancelled make two positions, looked after alike."""

from __future__ import annotations

import pytest

from tests.harness import Desk
from tests.harness_market import C260


def two_positions() -> Desk:
    """Two cancelled entries of C260 fill 325 units each at 129.95; both have their stops."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    for name in ("entry-0001", "entry-0002"):
        desk.accept(name)
        desk.say("pause")
        desk.advance(2)
        desk.cancelled(name)
        desk.say("resume")
        desk.advance(1)
    desk.say("pause")
    desk.accept("entry-0003")
    desk.advance(2)
    desk.cancelled("entry-0003")
    for name in ("entry-0001", "entry-0002"):
        desk.fill(name, 325, 129.95)
    desk.accept("stop-0004")
    desk.accept("stop-0005")
    desk.advance(2)
    desk.take()
    return desk


def test_each_is_valued_at_the_newest_price() -> None:
    """R is that of both: 650 units at 131.95 have lost ₹1,300."""
    desk = two_positions()
    desk.tick(C260, 131.95)

    assert [p.open_quantity for p in desk.engine.positions.open.values()] == [325, 325]
    assert desk.engine.pnl_paise == -650 * 200


@pytest.mark.parametrize("lots", [5, 10])
def test_a_long_that_closing_both_has_made_is_sold(lots: int) -> None:
    """Somebody buys 325 or 650 units just before both stops fill: all of the long is corrected."""
    desk = two_positions()
    desk.advance(61)
    desk.bought_elsewhere[C260] += lots * 65
    desk.tick(C260, 140.00)
    stops = [order.order_id for order in desk.engine.orders.live()]
    for stop in stops:
        desk.fill(stop, 325, 140.00)
    sold = 0
    for name in ("correction-0006", "correction-0007")[: lots // 5]:
        desk.advance(6)
        sold += sum(int(line.split()[3]) for line in desk.take() if f"place {name}" in line)
        desk.accept(name)
        desk.fill(name, 325, 139.00)
    desk.advance(6)

    assert len(stops) == 2
    assert sold == lots * 65
    assert not any("place correction" in line for line in desk.take())


def test_a_long_of_one_closes_the_other_without_an_order() -> None:
    """The first one's stop fills after its cancellation was proven, beside its exit: the account is flat,
    and to buy the second one back and sell the long would be to trade with ourselves.
    """
    desk = two_positions()
    desk.say("flatten")
    desk.cancelled("stop-0004")
    desk.accept("exit-0006")
    desk.fill("exit-0006", 325, 131.00)
    desk.take()
    desk.fill("stop-0004", 325, 132.00)
    desk.cancelled("stop-0005")
    desk.advance(10)

    orders = [line for line in desk.take() if line.startswith(("place", "modify"))]
    assert orders == []
    assert desk.engine.positions.flat
    assert desk.engine.pnl_paise == 650 * 12995 - 325 * (13100 + 13200)


def test_a_long_sells_only_what_no_other_one_needs() -> None:
    """The second one has less left than the first one is long: the rest is sold."""
    desk = two_positions()
    desk.say("flatten")
    desk.fill("stop-0005", 130, 132.00)
    desk.cancelled("stop-0004")
    desk.accept("exit-0006")
    desk.fill("exit-0006", 325, 131.00)
    desk.take()
    desk.fill("stop-0004", 325, 132.00)
    desk.cancelled("stop-0005")
    desk.advance(10)

    placed = [line for line in desk.take() if line.startswith("place")]
    assert [line.split()[2:4] for line in placed] == [["SELL", "130"]]
