"""What the stream or the books tell while an order of ours has no answer: nothing is hidden by that."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import (
    BrokerStatus,
    OrderSent,
    OrderType,
    OrderUpdated,
    Purpose,
    Side,
    TakeSnapshot,
)
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.core.rules import Rules
from tests.harness import Desk
from tests.harness_broker import BookedOrder
from tests.harness_market import C260, C261

STOP = "place stop-0002 BUY 650 C260 SL 140.00/143.00"


def by_hand(desk: Desk, quantity: int, name: str = "hand-9001") -> BookedOrder:
    """Somebody buys C260 at the market: it is in every book of the broker, and nobody tells of it."""
    row = desk.stray(name, C260, quantity, 0, 0, side=Side.BUY, order_type=OrderType.MARKET)
    row.status, row.filled_quantity = BrokerStatus.COMPLETE, quantity
    row.filled_value_paise = quantity * 12_900
    return row


def just_read(desk: Desk) -> None:
    """Let time pass until the books have just been read."""
    read = len(desk.of(TakeSnapshot))
    while len(desk.of(TakeSnapshot)) == read:
        desk.advance(0.1)


def test_the_fill_of_a_lost_entry_is_protected_within_two_seconds() -> None:
    """An entry got no answer and arrives late, and its fill is told under an id that nobody knows: the
    books are read soon, and the short has its stop.
    """
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.lose("entry-0001")
    just_read(desk)
    desk.take()
    desk.fill("entry-0001", 650, 129.95)
    assert desk.take() == []
    desk.advance(1.5)

    assert STOP in desk.take()


def test_the_fill_of_an_entry_whose_answer_hangs_is_protected_within_two_seconds() -> None:
    """The gateway hangs on an entry that fills: a second after it left its name is in the books."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.feed(OrderSent(order_id=desk.full("entry-0001")))
    just_read(desk)
    desk.take()
    desk.fill("entry-0001", 650, 129.95)
    desk.advance(1.5)

    assert STOP in desk.take()
    assert desk.placed(Purpose.ENTRY) == ["entry-0001"]


def test_news_of_other_symbols_and_of_before_has_no_books_read() -> None:
    """What the stream told before the entry was placed, or of another symbol, is not the entry's."""
    desk = Desk()
    desk.feed(OrderUpdated(broker_order_id="H1", symbol=C260, status=BrokerStatus.COMPLETE))
    desk.swing_low(C260, 130.00, 139.00)
    desk.lose("entry-0001")
    desk.feed(OrderUpdated(broker_order_id="H2", symbol=C261, status=BrokerStatus.COMPLETE))
    just_read(desk)
    read = len(desk.of(TakeSnapshot))
    desk.advance(2.5)

    assert len(desk.of(TakeSnapshot)) == read


@pytest.mark.parametrize("again", [False, True])
def test_a_fill_after_a_proven_cancellation_is_protected_in_time(again: bool) -> None:
    """Nothing works or is held, and nobody tells that the cancelled entry filled after all: the books
    are read as often as while it worked, also by the next process.
    """
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.say("pause")
    desk.advance(2)
    desk.cancelled("entry-0001")
    if again:
        desk.restart()
    just_read(desk)
    desk.take()
    desk.fill("entry-0001", 650, 129.95, heard=False)
    desk.advance(3)

    assert STOP in desk.take()


def test_a_cancellation_of_long_ago_surprises_nobody() -> None:
    """A minute after the last order ended the books are read at their quiet pace."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.say("pause")
    desk.advance(2)
    desk.cancelled("entry-0001")
    desk.advance(60)
    just_read(desk)
    read = len(desk.of(TakeSnapshot))
    desk.advance(7.9)

    assert len(desk.of(TakeSnapshot)) == read


@pytest.mark.parametrize("by_stream", [False, True])
def test_a_stop_without_an_answer_that_somebody_moves_is_still_ours(by_stream: bool) -> None:
    """The stream or the books tell of the stop, its answer does not come, and somebody moves it: it is
    found, covers as the only one, and the move is said.
    """
    desk = Desk()
    with desk.answered():
        desk.swing_low(C260, 130.00, 139.00)
    desk.fill("entry-0001", 650, 129.95)
    row = desk._row("stop-0002")
    if by_stream:
        desk.feed(
            OrderUpdated(
                broker_order_id=row.broker_order_id,
                symbol=C260,
                status=BrokerStatus.TRIGGER_PENDING,
                quantity=650,
                trigger_price_paise=14_000,
                limit_price_paise=14_300,
            )
        )
    else:
        desk.snapshot()
    row.trigger_paise, row.limit_paise = 15_000, 15_300
    desk.lose("stop-0002", reached=True)
    desk.auto = True
    desk.advance(10)

    assert desk.order("stop-0002").broker_order_id == row.broker_order_id
    assert desk.placed(Purpose.STOP) == ["stop-0002"]
    assert desk.stop(C260).trigger_price_paise == 15_000
    assert any("somebody has moved it" in text for text in desk.said("RECONCILE"))


def test_a_part_bought_by_hand_shrinks_the_cover_although_a_stop_is_lost() -> None:
    """A stop is lost, another covers, somebody buys back 130 by hand: the stop shrinks in time."""
    desk = Desk()
    with desk.answered():
        desk.swing_low(C260, 130.00, 139.00)
    desk.fill("entry-0001", 650, 129.95)
    desk.lose("stop-0002")
    desk.advance(4)
    desk.accept("stop-0003")
    just_read(desk)
    desk.take()
    by_hand(desk, 130)
    desk.advance(4.5)

    assert desk.state("stop-0002") is OrderState.UNKNOWN
    assert [line for line in desk.take() if not line.startswith("ask")] == [
        "modify stop-0003 520 SL 140.00/143.00"
    ]


def test_a_stop_that_is_thrown_out_in_silence_is_replaced_within_three_seconds() -> None:
    """It was accepted, the broker rejects it a moment later, and neither the stream nor an answer says
    so: the books are read a second after it was accepted, and again, and another stop stands.
    """
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    just_read(desk)
    desk.fill("entry-0001", 650, 129.95)
    just_read(desk)
    desk.accept("stop-0002", status=None)
    desk.book[desk.full("stop-0002")].status = BrokerStatus.REJECTED
    desk.take()
    desk.advance(2.5)

    assert "place stop-0003 BUY 650 C260 SL 140.00/143.00" in desk.take()


def test_the_purchase_before_our_exit_is_not_taken_for_it() -> None:
    """Somebody squares the short off just before our exit leaves, with an order alike. The lost exit is
    found as what it is, and the long that both have made is sold again.
    """
    desk = Desk()
    desk.short(C260)
    desk.advance(61)
    desk.snapshots = False
    desk.say("flatten")
    by_hand(desk, 650)
    desk.feed(OrderUpdated(broker_order_id="S9001", symbol=C260, status=BrokerStatus.COMPLETE))
    desk.cancelled("stop-0002")
    desk.take()
    desk.lose("exit-0003", reached=True)
    desk.fill("exit-0003", 650, 130.00, heard=False)
    desk.advance(0.5)
    desk.snapshot()
    desk.hear_fill("exit-0003")
    desk.snapshot()

    assert desk.order("exit-0003").broker_order_id == "B0003"
    assert "place correction-0004 SELL 650 C260 MARKET" in desk.take()
    position = desk.position(C260)
    assert position is not None
    assert (position.external_quantity, position.exit_quantity) == (650, 650)


@pytest.mark.parametrize("in_the_trade_book", [True, False])
def test_a_flip_by_our_stop_is_sold_again_within_five_seconds(in_the_trade_book: bool) -> None:
    """Somebody closes the short, and our stop fills before anybody knows: the long is sold in time, also
    where only the position book shows it.
    """
    desk = Desk()
    desk.short(C260)
    desk.advance(61)
    just_read(desk)
    desk.take()
    if in_the_trade_book:
        by_hand(desk, 650)
    else:
        desk.bought_elsewhere[C260] += 650
    desk.tick(C260, 140.00)
    desk.fill("stop-0002", 650, 140.00)
    desk.advance(4.5)

    assert desk.take() == ["place correction-0003 SELL 650 C260 MARKET"]


def test_a_flip_is_corrected_once_and_a_purchase_by_somebody_else_is_left_alone() -> None:
    """Within the minute after the correction a person buys as many: that long is not ours to sell."""
    desk = Desk()
    desk.short(C260)
    desk.advance(61)
    just_read(desk)
    by_hand(desk, 650)
    desk.tick(C260, 140.00)
    desk.fill("stop-0002", 650, 140.00)
    desk.advance(4.5)
    desk.accept("correction-0003")
    desk.fill("correction-0003", 650, 139.00)
    desk.take()

    desk.bought_elsewhere[C260] += 650
    desk.advance(20)

    assert desk.take() == []


def test_a_second_flip_is_corrected_like_the_first() -> None:
    """A correction that was cancelled fills beside the one in its place; what is short then is closed
    by us and by a person: that long is ours to sell again.
    """
    desk = Desk()
    desk.short(C260)
    desk.advance(61)
    just_read(desk)
    by_hand(desk, 650)
    desk.tick(C260, 140.00)
    desk.fill("stop-0002", 650, 140.00)
    desk.advance(4.5)
    desk.accept("correction-0003")
    desk.cancelled("correction-0003")
    desk.advance(6)
    desk.accept("correction-0004")
    desk.fill("correction-0004", 650, 139.00)
    desk.fill("correction-0003", 650, 139.00)
    desk.accept("stop-0005")
    desk.advance(61)
    just_read(desk)
    desk.take()
    by_hand(desk, 650, "hand-9002")
    desk.tick(C260, 140.00)
    desk.fill("stop-0005", 650, 140.00)
    desk.advance(4.5)

    assert desk.take() == ["place correction-0006 SELL 650 C260 MARKET"]


def test_a_long_just_after_a_sale_of_ours_is_looked_at_again() -> None:
    """Entry and stop fill in one moment and the books lag behind the entry: no long is corrected."""
    desk = Desk()
    with desk.answered():
        desk.swing_low(C260, 130.00, 139.00)
    desk.fill("entry-0001", 650, 129.95)
    desk.accept("stop-0002")
    desk.fill("stop-0002", 650, 140.00)
    desk.snapshots = False
    desk.take()
    for _ in range(4):
        desk.advance(1)
        desk.snapshot(net={C260: 650})
    assert desk.take() == []
    desk.advance(1)
    desk.snapshot()

    assert desk.take() == []
    assert desk.engine.positions.positions[desk.full("entry-0001")].external_quantity == 0


def flat_desk(net: int = 0) -> Desk:
    """Nothing is ours; somebody else's position of C260 is ``net``."""
    desk = Desk()
    desk.bought_elsewhere[C260] = net
    desk.clock("09:20:00")
    just_read(desk)
    desk.take()
    return desk


@pytest.mark.parametrize("net", [0, 65])
def test_a_stop_that_turns_up_where_nothing_is_short_goes_within_three_seconds(net: int) -> None:
    """A stop in our manner, told by the stream, that nobody knows any more: it could only open a long."""
    desk = flat_desk(net)
    row = desk.stray("stop-0001", C260, 650, 140.00, 143.00)
    desk.feed(OrderUpdated(broker_order_id=row.broker_order_id, symbol=C260, status=row.status))
    desk.advance(3)

    assert desk.take() == ["cancel stop-0001"]


def test_a_lost_stop_that_turns_up_after_its_position_has_gone_is_cancelled() -> None:
    """Another stop covered and filled; the lost one, still looked for, is found within two seconds."""
    desk = Desk()
    with desk.answered():
        desk.swing_low(C260, 130.00, 139.00)
    desk.fill("entry-0001", 650, 129.95)
    desk.lose("stop-0002")
    desk.advance(4)
    desk.accept("stop-0003")
    desk.fill("stop-0003", 650, 140.00)
    desk.advance(20)
    just_read(desk)
    desk.take()
    desk._row("stop-0002")
    desk.advance(2)

    assert "cancel stop-0002" in desk.take()


def test_after_a_lost_journal_a_sale_of_a_long_is_left_to_work() -> None:
    """A correction that nobody remembers sells the long: cancelled, the long would stay."""
    desk = Desk(rules=Rules(foreign_position="ours"))
    desk.bought_elsewhere[C260] = 455
    row = desk.stray("other-0001", C260, 455, 0, 130.00, side=Side.SELL, order_type=OrderType.LIMIT)
    row.status = BrokerStatus.OPEN
    desk.clock("09:20:00")

    assert desk.take() == []


def test_a_short_that_the_books_tell_of_and_do_not_have_is_not_bought_back() -> None:
    """The fill of an entry comes to light together with a purchase that nobody remembers, and the day is
    to end: what the same books show as gone is not bought a second time.
    """
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.advance(61)
    desk.snapshots = False
    desk.fill("entry-0001", 650, 129.95, heard=False)
    by_hand(desk, 650)
    desk.say("kill")
    desk.take()
    desk.snapshot()
    desk.advance(1)
    desk.snapshot()
    desk.advance(1)

    assert not any("place exit" in line for line in desk.take())
    assert desk.engine.positions.positions[desk.full("entry-0001")].external_quantity == 650


def test_a_close_that_no_price_is_known_for_is_booked_at_the_last_one() -> None:
    """Just after a start nothing was ticked: the mark of the position stands in, and R stays sane."""
    desk = Desk()
    desk.short(C260)
    position = desk.position(C260)
    assert position is not None

    desk.engine.positions.close_externally(position, 650, 0)

    assert position.external_value_paise == 650 * position.mark_paise > 0


def test_a_long_that_the_books_tell_of_is_sold_only_beyond_the_short_of_others() -> None:
    """Somebody closed our short and then sold 195 of his own; our stop fills all the same, and the books
    tell of it: of the 650 units too many 455 are long at the broker, and no more is sold.
    """
    desk = Desk()
    desk.short(C260)
    desk.advance(61)
    by_hand(desk, 650)
    desk.advance(4)
    assert "cancel stop-0002" in desk.take()
    desk.snapshots = False
    desk.fill("stop-0002", 650, 140.00, heard=False)
    row = by_hand(desk, 195, "hand-9002")
    row.side = Side.SELL
    desk.advance(6)
    desk.take()
    desk.snapshot()

    assert desk.take() == ["place correction-0003 SELL 455 C260 MARKET"]
