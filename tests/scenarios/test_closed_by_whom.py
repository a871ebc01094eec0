"""A short that is smaller at the broker than with us: our own purchase, or somebody else's."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import BrokerStatus, OrderType, Purpose, Side
from tests.harness import Desk
from tests.harness_market import C260


@pytest.fixture
def desk() -> Desk:
    """An entry sold 195 of 650, both stops of that were refused, and the exit has no answer yet."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.fill("entry-0001", 195, 129.95)
    desk.refuse("stop-0002")
    desk.refuse("stop-0003")
    assert desk.take()[-2:] == ["place exit-0004 BUY 195 C260 MARKET", "cancel entry-0001"]
    return desk


def test_what_our_exit_bought_unheard_is_not_booked_as_somebody_elses(desk: Desk) -> None:
    """More of the entry has filled and so has the exit, and only the books tell of both: when the exit
    is heard of, what is left is ours and is covered.
    """
    desk.fill("entry-0001", 195, 129.95, heard=False)
    desk.fill("exit-0004", 195, 131.00, heard=False)
    desk.snapshot()
    assert desk.position(C260).open_quantity == 390
    desk.take()
    desk.accept("exit-0004")
    desk.prove("exit-0004")

    assert desk.position(C260).open_quantity == 195
    assert desk.position(C260).external_quantity == 0


def test_what_a_lost_exit_bought_is_not_booked_as_somebody_elses(desk: Desk) -> None:
    """Its answer got lost; the books that show whose the row is show its fill as well, and that more of
    the entry has filled.
    """
    desk.lose("exit-0004", reached=True)
    desk.fill("exit-0004", 195, 131.00, heard=False)
    desk.fill("entry-0001", 65, 129.95, heard=False)
    desk.advance(3)

    assert desk.order("exit-0004").broker_order_id is not None
    desk.prove("exit-0004")
    assert desk.position(C260).external_quantity == 0
    assert desk.position(C260).open_quantity == 65


def test_a_lost_exit_that_is_found_after_the_horizon_has_bought_it_itself() -> None:
    """The books could not be read for longer than the gateway's horizon: those that show the exit's row
    and its fill show no close by somebody else.
    """
    desk = Desk()
    desk.short(C260)
    desk.say("kill")
    desk.cancelled("stop-0002")
    desk.snapshots = False
    desk.lose("exit-0003", reached=True)
    desk.fill("exit-0003", 650, 131.00, heard=False)
    desk.book[desk.full("exit-0003")].status = BrokerStatus.COMPLETE
    desk.advance(140)
    desk.take()
    desk.snapshot()

    assert desk.position(C260).external_quantity == 0
    assert desk.position(C260).exit_quantity == 650


def test_a_short_that_our_own_trades_explain_is_no_strangers(desk: Desk) -> None:
    """Booked as closed by somebody else while an exit was lost that had bought it: once all trades of
    the symbol are known as ours, so is the short that they leave.
    """
    desk.fill("entry-0001", 455, 129.95)
    desk.update("entry-0001", BrokerStatus.COMPLETE)
    desk.fill("exit-0004", 195, 131.00, heard=False)
    position = desk.position(C260)
    desk.engine.positions.close_externally(position, 195, 13_000)
    desk.accept("exit-0004")
    desk.prove("exit-0004")
    assert position.open_quantity == 260
    desk.advance(6)
    desk.snapshot()

    assert position.open_quantity == 455
    assert position.external_quantity == position.external_value_paise == 0
    desk.accept("exit-0005")
    desk.fill("exit-0005", 260, 131.00)
    desk.prove("exit-0005")
    assert desk.take()[-1] == "place exit-0006 BUY 195 C260 MARKET"


def test_a_strangers_short_beside_ours_stays_his() -> None:
    """Somebody closed ours by hand, and sells as much later: his trades are not ours."""
    desk = Desk()
    desk.short(C260)
    for side in (Side.BUY, Side.SELL):
        row = desk.stray(f"hand-{side}", C260, 650, 0, 0, side=side, order_type=OrderType.MARKET)
        row.status, row.filled_quantity = BrokerStatus.COMPLETE, 650
        row.filled_value_paise = 650 * 12_900
        desk.advance(12)

    assert desk.net()[C260] == -650
    assert desk.position(C260).external_quantity == 650


def test_what_a_found_entry_sold_and_somebody_closed_is_not_bought_again() -> None:
    """The entry got no answer, the stream told of its fill under a name that nobody knew, the operator
    says kill, and somebody closes it by hand: the books that show whose the name is show that as well.
    """
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.snapshots = False
    desk.lose("entry-0001", reached=True)
    desk.fill("entry-0001", 650, 129.95)
    desk.say("kill")
    hand = desk.stray("hand-9001", C260, 650, 0, 0, order_type=OrderType.MARKET)
    hand.status, hand.filled_quantity = BrokerStatus.COMPLETE, 650
    hand.filled_value_paise = 650 * 12_900
    desk.advance(2)
    desk.take()
    desk.snapshot()

    assert desk.order("entry-0001").filled_quantity == 650
    assert desk.placed(Purpose.EXIT) == []
    assert desk.position(C260).external_quantity == 650


def test_what_somebody_closed_of_a_found_entry_is_known_with_its_fill() -> None:
    """Nobody told of the entry's fill, and somebody has bought two of its ten lots: the books that show
    both are enough, and the kill's exit buys eight.
    """
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.snapshots = False
    desk.lose("entry-0001", reached=True)
    desk.fill("entry-0001", 650, 129.95, heard=False)
    desk.say("kill")
    hand = desk.stray("hand-9001", C260, 130, 0, 0, order_type=OrderType.MARKET)
    hand.status, hand.filled_quantity = BrokerStatus.COMPLETE, 130
    hand.filled_value_paise = 130 * 12_900
    desk.advance(2)
    desk.take()
    desk.snapshot()

    assert desk.position(C260).external_quantity == 130
    assert [line for line in desk.take() if line.startswith("place")] == [
        "place exit-0002 BUY 520 C260 MARKET"
    ]


def test_what_somebody_closed_is_known_while_the_end_of_a_stop_is_not_proven() -> None:
    """The stop of the first lots is said to be cancelled, the entry's other fills and a close by hand are
    heard from the books alone: all trades have a name, so nothing is bought once more.
    """
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.fill("entry-0001", 130, 129.95)
    desk.accept("stop-0002")
    desk.snapshots = False
    desk.fill("entry-0001", 520, 129.95, heard=False)
    hand = desk.stray("hand-9001", C260, 650, 0, 0, order_type=OrderType.MARKET)
    hand.status, hand.filled_quantity = BrokerStatus.COMPLETE, 650
    hand.filled_value_paise = 650 * 12_900
    desk.advance(6)
    desk.update("stop-0002", BrokerStatus.CANCELLED)
    desk.take()
    desk.snapshot()
    desk.prove("stop-0002", BrokerStatus.CANCELLED)

    assert desk.position(C260).external_quantity == 650
    assert [line for line in desk.take() if "place" in line] == []


def test_books_of_before_do_not_judge_what_is_heard_later() -> None:
    """A lost entry is found in the books, not filled yet; its fill comes a moment later."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.snapshots = False
    desk.lose("entry-0001", reached=True)
    desk.advance(2)
    desk.snapshot()
    assert desk.order("entry-0001").broker_order_id is not None
    desk.fill("entry-0001", 650, 129.95)

    assert desk.position(C260).external_quantity == 0
    assert desk.position(C260).open_quantity == 650


def test_what_a_cancelled_exit_left_over_waits_for_the_books_two_seconds() -> None:
    """Somebody may have closed it, and cancelled our exit: the books tell. Where they hang, a short that
    no stop covers does not wait for them any longer.
    """
    desk = Desk()
    desk.short(C260)
    desk.say("kill")
    desk.cancelled("stop-0002")
    desk.accept("exit-0003")
    desk.snapshots = False
    desk.take()
    desk.prove("exit-0003", BrokerStatus.CANCELLED)
    desk.advance(1.9)
    assert [line for line in desk.take() if "place" in line] == []
    desk.advance(0.2)

    assert [line for line in desk.take() if "place" in line] == [
        "place exit-0004 BUY 650 C260 MARKET"
    ]


def test_what_is_left_of_an_exit_that_we_have_cancelled_waits_as_long() -> None:
    """Somebody bought two of ten lots, so that our exit of ten is too much; where the books hang after
    that and no price comes, the next exit goes out by itself.
    """
    desk = Desk()
    desk.short(C260)
    desk.say("kill")
    desk.cancelled("stop-0002")
    desk.accept("exit-0003")
    hand = desk.stray("hand-9001", C260, 130, 0, 0, order_type=OrderType.MARKET)
    hand.status, hand.filled_quantity = BrokerStatus.COMPLETE, 130
    hand.filled_value_paise = 130 * 12_900
    desk.advance(3)
    assert "cancel exit-0003" in desk.take()
    desk.snapshots = False
    desk.cancelled("exit-0003")
    desk.advance(2)

    assert [line for line in desk.take() if "place" in line] == [
        "place exit-0004 BUY 520 C260 MARKET"
    ]
