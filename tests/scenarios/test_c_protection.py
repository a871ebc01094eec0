"""From the fill to the stop and to the close: the field's scenarios C1 to C10.

Elsewhere: the steps of C5's chase in test_protection_chase.py.
Not for the core alone: C9 (a half record read back from the database).
"""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import (
    BrokerStatus,
    Filled,
    Notify,
    OrderUpdated,
    Purpose,
    Request,
    Side,
)
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.core.position import Position
from tests.harness import Desk
from tests.harness_market import C260, P260


@pytest.fixture
def entered() -> Desk:
    """The entry in C260 rests."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.take()
    return desk


@pytest.fixture
def desk() -> Desk:
    """650 sold at 129.95, the stop 140.00/143.00 working for a minute."""
    desk = Desk()
    desk.short(C260)
    desk.advance(60)
    desk.take()
    return desk


def position(desk: Desk) -> Position:
    found = desk.position(C260)
    assert found is not None
    return found


def test_c1_the_stop_goes_out_in_the_step_that_hears_the_fill(entered: Desk) -> None:
    """The event of the fill itself is answered with the stop."""
    entered.fill("entry-0001", 650, 129.95)

    assert entered.take() == ["place stop-0002 BUY 650 C260 SL 140.00/143.00"]


def test_c1_a_fill_that_nobody_told_is_seen_within_five_seconds(entered: Desk) -> None:
    """A fill that was never pushed is found in the trade book by the next round."""
    entered.advance(60)
    entered.take()
    entered.fill("entry-0001", 650, 129.95, heard=False)
    entered.advance(5)

    assert entered.take()[0] == "place stop-0002 BUY 650 C260 SL 140.00/143.00"


def test_c1_a_fill_found_in_the_books_is_not_called_somebody_elses(entered: Desk) -> None:
    """The position that a missed fill explains raises no alert about a position that is not ours."""
    entered.advance(60)
    entered.fill("entry-0001", 650, 129.95, heard=False)
    entered.advance(5)

    assert [n.key for n in entered.of(Notify) if n.key.startswith("foreign")] == []


def test_c1_news_that_overtakes_the_answer_is_kept() -> None:
    """A fill pushed before the placement's answer names the order is booked with that answer."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.take()
    desk.fill("entry-0001", 650, 129.95)
    assert desk.take() == []
    desk.accept("entry-0001", status=None)

    assert desk.take() == ["place stop-0002 BUY 650 C260 SL 140.00/143.00"]


def test_c1_a_word_of_completion_without_a_quantity_is_asked_about_at_once(entered: Desk) -> None:
    """ "Complete" alone is a claim: the fills are asked for, and the stop follows the proof."""
    entered.update("entry-0001", BrokerStatus.COMPLETE)
    assert entered.take() == ["ask entry-0001"]
    entered.fill("entry-0001", 650, 129.95, heard=False)
    entered.prove("entry-0001")

    assert entered.take() == ["place stop-0002 BUY 650 C260 SL 140.00/143.00"]


def test_c2_one_transient_refusal_of_the_stop_costs_no_position(entered: Desk) -> None:
    """A stop refused once is placed again, and nothing is bought back."""
    entered.fill("entry-0001", 650, 129.95)
    entered.take()
    entered.refuse("stop-0002", "internal error")
    assert entered.take() == ["place stop-0003 BUY 650 C260 SL 140.00/143.00"]
    entered.accept("stop-0003")
    entered.advance(60)

    assert entered.take() == []
    assert position(entered).open_quantity == 650


def test_c3_an_exit_that_fails_five_times_is_tried_a_sixth(entered: Desk) -> None:
    """A failing market exit after a failed stop never makes the position closed."""
    entered.fill("entry-0001", 650, 129.95)
    entered.refuse("stop-0002", "no")
    entered.refuse("stop-0003", "no")
    for _ in range(5):
        entered.refuse(entered.placed(Purpose.EXIT)[-1], "no")
        for stop in list(entered.engine.orders.live(C260, Purpose.STOP)):
            entered.refuse(stop.order_id, "no")
        entered.advance(5)

    assert len(entered.placed(Purpose.EXIT)) == 6
    assert (position(entered).closed, position(entered).exit_quantity) == (False, 0)


def test_c3_an_exit_is_booked_at_its_own_price(entered: Desk) -> None:
    """A market exit is booked when it fills and at the price that it fills at."""
    entered.fill("entry-0001", 650, 129.95)
    entered.refuse("stop-0002", "no")
    entered.refuse("stop-0003", "no")
    entered.accept("exit-0004")
    assert position(entered).exit_value_paise == 0
    entered.fill("exit-0004", 650, 137.35)

    assert position(entered).pnl_paise == 650 * (12_995 - 13_735)


def test_c4_the_same_fill_told_four_ways_is_one_position(entered: Desk) -> None:
    """Pushed twice, proven, and in the trade book: the fill counts once and gets one stop."""
    entered.fill("entry-0001", 650, 129.95)
    entered.hear_fill("entry-0001")
    entered.prove("entry-0001")
    entered.snapshot()
    entered.accept("stop-0002")
    entered.advance(30)

    assert entered.take() == ["place stop-0002 BUY 650 C260 SL 140.00/143.00"]
    assert position(entered).entry_quantity == 650
    assert len(entered.engine.positions.positions) == 1


def test_c4_old_news_of_a_smaller_fill_takes_nothing_back(entered: Desk) -> None:
    """A cumulative fill smaller than what is known is old news."""
    entered.fill("entry-0001", 650, 129.95)
    entered.feed(
        Filled(
            broker_order_id="B0001",
            symbol=C260,
            side=Side.SELL,
            filled_quantity=130,
            filled_value_paise=130 * 12_995,
        )
    )

    assert position(entered).entry_quantity == 650


def test_c5_triggered_is_not_filled(desk: Desk) -> None:
    """A stop that triggers and rests leaves the position open and is chased within a second."""
    desk.tick(C260, 150.00)
    desk.update("stop-0002", BrokerStatus.OPEN)
    desk.advance(1)

    assert position(desk).open_quantity == 650
    assert [line[:16] for line in desk.take()] == ["modify stop-0002"]


def test_c6_a_stop_that_vanished_at_the_exchange_is_replaced_within_a_round(desk: Desk) -> None:
    """A stop that the books show cancelled is asked about, and its proof brings a new one."""
    desk.book[desk.full("stop-0002")].status = BrokerStatus.CANCELLED
    assert set(desk.first_sent(5)) == {"ask stop-0002"}
    desk.prove("stop-0002")

    assert desk.take() == ["place stop-0003 BUY 650 C260 SL 140.00/143.00"]


def test_c6_a_stop_that_is_in_no_book_is_asked_for_every_round(desk: Desk) -> None:
    """A stop that the order book does not list is asked for, and not doubled meanwhile."""
    missing = desk.book.pop(desk.full("stop-0002"))
    desk.advance(20)
    assert set(desk.take()) == {"ask stop-0002"}
    desk.book[missing.order_id] = missing
    desk.prove("stop-0002", BrokerStatus.CANCELLED)

    assert desk.take() == ["place stop-0003 BUY 650 C260 SL 140.00/143.00"]


def test_c7_the_stop_follows_what_is_open(entered: Desk) -> None:
    """Growing with the entry's fills, cut by a buy-back, the stop's rest always is what is open."""
    entered.fill("entry-0001", 325, 126.95)
    entered.accept("stop-0002")
    entered.fill("entry-0001", 325, 126.95)
    assert entered.take() == [
        "place stop-0002 BUY 325 C260 SL 140.00/143.00",
        "modify stop-0002 520 SL 140.00/143.00",
    ]
    entered.modified("stop-0002")

    assert entered.take() == ["place exit-0003 BUY 130 C260 MARKET"]
    entered.accept("exit-0003")
    entered.fill("exit-0003", 130, 127.00)
    assert entered.take() == []
    assert entered.stop(C260).remaining == position(entered).open_quantity == 520


def test_c7_a_stop_that_fills_in_part_is_not_resized(desk: Desk) -> None:
    """What a stop fills leaves it exactly the rest to cover."""
    desk.tick(C260, 140.00)
    desk.fill("stop-0002", 260, 140.00)

    assert desk.take() == []
    assert desk.stop(C260).remaining == position(desk).open_quantity == 390


def test_c7_a_refused_resize_is_tried_again(entered: Desk) -> None:
    """A resize that the broker refuses is repeated until the stop covers the whole position."""
    entered.fill("entry-0001", 130, 129.95)
    entered.accept("stop-0002")
    entered.fill("entry-0001", 520, 129.95)
    entered.take()
    entered.refuse("stop-0002", "try later", Request.MODIFY)
    assert entered.take() == ["ask stop-0002"]
    entered.prove("stop-0002")
    entered.advance(5)

    assert entered.take() == ["modify stop-0002 650 SL 140.00/143.00"]


def test_c8_a_stop_that_was_lost_on_its_way_is_found_and_not_doubled(entered: Desk) -> None:
    """A stop of unknown outcome that the broker has is adopted; no second one is placed."""
    entered.fill("entry-0001", 650, 129.95)
    entered.take()
    entered.lose("stop-0002", reached=True)
    entered.advance(60)

    assert [line for line in entered.take() if line.startswith("place")] == []
    assert entered.state("stop-0002") in (OrderState.ACCEPTED, OrderState.TRIGGER_PENDING)
    assert entered.stop(C260).broker_order_id == "B0002"


def test_c10_profit_and_loss_come_from_the_trade_book(desk: Desk) -> None:
    """A stop's P&L is that of its fills, at several prices, not of its trigger or the last price."""
    desk.tick(C260, 140.00)
    desk.fill("stop-0002", 260, 140.00)
    desk.fill("stop-0002", 390, 142.40)
    desk.tick(C260, 150.00)

    assert position(desk).pnl_paise == 650 * 12_995 - 260 * 14_000 - 390 * 14_240
    assert desk.engine.pnl_paise == position(desk).pnl_paise


def fill_without_price(desk: Desk) -> None:
    """The stop is said to be filled, by a source that has quantities and no prices."""
    desk.fill("stop-0002", 650, 141.20, heard=False)
    desk.feed(
        OrderUpdated(
            broker_order_id="B0002",
            symbol=C260,
            status=BrokerStatus.COMPLETE,
            filled_quantity=650,
        )
    )


def test_c10_a_fill_without_a_price_is_corrected_by_proof(desk: Desk) -> None:
    """A quantity heard without its price is asked about, and the answer's value is booked."""
    fill_without_price(desk)
    assert desk.take() == ["ask stop-0002"]
    desk.prove("stop-0002")

    assert position(desk).pnl_paise == 650 * (12_995 - 14_120)


def test_c10_a_fill_without_a_price_is_corrected_by_the_trade_book(desk: Desk) -> None:
    """When the answer to the question for its price is lost, the next round's trade book has it."""
    fill_without_price(desk)
    desk.short(P260)
    desk.advance(10)

    assert position(desk).pnl_paise == 650 * (12_995 - 14_120)


def test_an_open_quantity_is_always_covered_by_exactly_one_stop(entered: Desk) -> None:
    """After each step of a position's life its open quantity equals the rest of one working stop."""
    entered.fill("entry-0001", 195, 129.95)
    entered.accept("stop-0002")
    assert entered.stop(C260).remaining == position(entered).open_quantity == 195
    entered.fill("entry-0001", 455, 129.95)
    entered.modified("stop-0002")
    assert entered.stop(C260).remaining == position(entered).open_quantity == 650
    entered.fill("stop-0002", 130, 140.00)
    assert entered.stop(C260).remaining == position(entered).open_quantity == 520
    entered.prove("stop-0002", BrokerStatus.CANCELLED)
    entered.accept("stop-0003")
    assert entered.stop(C260).remaining == position(entered).open_quantity == 520
    entered.fill("stop-0003", 520, 140.00)

    assert position(entered).closed
    assert not list(entered.engine.orders.live())
