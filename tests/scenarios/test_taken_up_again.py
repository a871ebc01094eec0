"""A session taken up again: what leaves before the books are read, and what one snapshot settles."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import (
    BrokerStatus,
    CancelOrder,
    LoadHistory,
    ModifyOrder,
    PlaceOrder,
    Purpose,
    QueryOrder,
    Request,
    TakeSnapshot,
)
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.core.rules import Rules
from tests.harness import Desk
from tests.harness_broker import TO_BROKER
from tests.harness_market import C260, P260, swing_bars

SENT = (*TO_BROKER, TakeSnapshot, LoadHistory)


@pytest.fixture
def desk() -> Desk:
    """A short in C260 with its stop, and an entry resting in P260; snapshots only when a test says."""
    desk = Desk()
    desk.short(C260)
    with desk.answered():
        desk.swing_low(P260, 130.00, 139.00)
    desk.snapshots = False
    desk.take()
    return desk


def sent_since(desk: Desk, count: int) -> list[type]:
    return [type(command) for command in desk.commands[count:] if isinstance(command, SENT)]


def test_nothing_but_questions_leaves_before_the_books_are_read(desk: Desk) -> None:
    """Before the first complete snapshot neither time, ticks, operator nor news send anything else."""
    desk.say("pause")
    before = len(desk.commands)
    desk.restart()
    desk.tick(C260, 141.00)
    desk.say("kill")
    desk.update("entry-0003", BrokerStatus.CANCELLED)
    desk.prove("entry-0003", BrokerStatus.TRIGGER_PENDING)
    desk.advance(30)
    desk.snapshot_failed()
    desk.advance(30)

    assert set(sent_since(desk, before)) <= {QueryOrder, TakeSnapshot}


def test_a_missing_stop_is_placed_after_one_snapshot() -> None:
    """A fill of the last second had no stop yet: one snapshot later the position has it."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.fill("entry-0001", 650, 129.95, heard=False)
    desk.snapshots = False
    desk.restart()
    desk.take()
    desk.snapshot()

    assert "place stop-0002 BUY 650 C260 SL 140.00/143.00" in desk.take()


def test_the_stop_of_a_position_that_was_bought_back_is_cancelled_after_one_snapshot() -> None:
    """An exit filled while the bot was away: its fill is booked and the stop left over goes."""
    desk = Desk()
    desk.short(C260)
    desk.say("flatten")
    desk.cancelled("stop-0002")
    desk.accept("exit-0003")
    desk.fill("exit-0003", 650, 130.00, heard=False)
    # The stop is alive at the broker after all, and was believed to be.
    desk._row("stop-0002").status = BrokerStatus.TRIGGER_PENDING
    desk.order("stop-0002").state = OrderState.TRIGGER_PENDING
    desk.order("stop-0002").cancel_wanted = False
    desk.snapshots = False
    desk.restart()
    desk.take()
    desk.snapshot()

    assert "cancel stop-0002" in desk.take()
    assert desk.position(C260).open_quantity == 0


def test_a_stop_that_was_on_its_way_is_covered_again_within_two_seconds() -> None:
    """Killed between a stop and its answer: two looks a second apart decide, then another is placed."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.fill("entry-0001", 650, 129.95)
    desk.take()
    desk.restart()
    assert desk.state("stop-0002") is OrderState.UNKNOWN
    desk.advance(1)

    assert "place stop-0003 BUY 650 C260 SL 140.00/143.00" in desk.take()


def test_a_stop_that_was_on_its_way_and_arrived_is_not_doubled() -> None:
    """Killed between a stop and its answer: the broker has it, and it is taken up."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.fill("entry-0001", 650, 129.95)
    desk._row("stop-0002")
    desk.restart()
    desk.advance(30)

    assert desk.placed(Purpose.STOP) == ["stop-0002"]
    assert desk.stop(C260).broker_order_id == "B0002"


def test_a_position_that_is_covered_is_left_alone(desk: Desk) -> None:
    """Taken up again, a covered position sees questions only."""
    desk.restart()
    desk.take()
    desk.snapshot()
    stops = [line for line in desk.take() if "stop-0002" in line]

    assert set(stops) == {"ask stop-0002"}


def test_a_restored_entry_is_cancelled_and_may_be_placed_again(desk: Desk) -> None:
    """A resting entry whose swing is not known any more goes; the swing is sold again from history."""
    desk.restart()
    desk.take()
    desk.snapshot()
    desk.prove("entry-0003")
    assert "cancel entry-0003" in desk.take()
    desk.cancelled("entry-0003")
    desk.snapshots = True
    desk.tick(P260, 136.00)
    desk.clock("09:30:05")
    desk.history(P260, "09:21", *swing_bars(130.00, 139.00))
    assert P260 in desk.engine.market.minutes_missing
    first = desk.engine.session.open_ms
    minute = desk.engine.market.symbols[P260].series.newest_partial_ms
    assert minute is not None
    bars = swing_bars(130.00, 139.00)
    rest = [(136.00, 137.00, 135.00, 136.00)] * ((minute - first) // 60_000 + 1 - len(bars))
    desk.history(P260, "09:15", *bars, *rest)

    assert "place entry-0004 SELL 650 P260 SL 129.95/126.95" in desk.take()
    assert not desk.engine.desk.churn_tripped


def test_a_restored_entry_makes_room_before_another_is_placed() -> None:
    """While the cancel of a restored entry is not proven, no second entry of its type rests."""
    desk = Desk(rules=Rules(history_required=False))
    with desk.answered():
        desk.swing_low(C260, 130.00, 139.00)
    desk.restart()
    desk.swing_low(C260, 129.00, 138.00)
    assert desk.placed(Purpose.ENTRY) == ["entry-0001"]
    desk.prove("entry-0001")
    desk.cancelled("entry-0001")

    assert desk.placed(Purpose.ENTRY) == ["entry-0001", "entry-0002"]


def test_where_an_entry_would_be_stopped_is_stored_with_it() -> None:
    """A high that moves the stop marks the resting entry for the journal and touches nothing else."""
    desk = Desk()
    with desk.answered():
        desk.swing_low(C260, 130.00, 139.00)
    order = desk.entry(C260)
    changed_at_ms = order.changed_at_ms
    desk.engine.orders.changed.clear()
    desk.tick(C260, 138.00)
    assert desk.engine.orders.changed == {}
    desk.tick(C260, 139.05)

    assert order.protect_trigger_paise == 14_005
    assert list(desk.engine.orders.changed) == [order.order_id]
    assert order.changed_at_ms == changed_at_ms


@pytest.mark.parametrize("request_", [Request.QUERY, Request.MODIFY, Request.CANCEL])
def test_what_the_broker_said_when_it_refused_is_stored(request_: Request) -> None:
    """Whatever request is refused, and even of an order that is over, the words reach the journal."""
    desk = Desk()
    with desk.answered():
        desk.swing_low(C260, 130.00, 139.00)
        order_id = desk.entry(C260).order_id
        desk.prove(order_id, BrokerStatus.REJECTED)
    changed_at_ms = desk.order(order_id).changed_at_ms
    desk.engine.orders.changed.clear()
    desk.advance(1)
    desk.refuse(order_id, "not now", request_)

    assert desk.order(order_id).message == "not now"
    assert list(desk.engine.orders.changed) == [order_id]
    assert desk.order(order_id).changed_at_ms == changed_at_ms


def test_commands_named_here_are_all_there_are() -> None:
    """The commands that reach a broker are those that the first test looks at."""
    assert set(TO_BROKER) == {PlaceOrder, ModifyOrder, CancelOrder, QueryOrder}


def test_no_stop_is_placed_for_a_short_that_the_books_do_not_show() -> None:
    """Closed by hand while the bot was down, and its stop gone: nothing is sent on a flat account."""
    desk = Desk()
    with desk.answered():
        desk.short(C260)
        desk.advance(10)
    desk._row("stop-0002").status = BrokerStatus.CANCELLED
    desk.bought_elsewhere[C260] = 650
    desk.take()
    desk.restart()
    desk.prove("stop-0002")
    desk.advance(10)

    assert not [line for line in desk.take() if line.startswith("place")]
    assert desk.engine.positions.flat


@pytest.mark.parametrize("while_down", [False, True])
def test_a_long_that_somebody_bought_long_after_our_close_is_not_sold_by_a_restart(
    while_down: bool,
) -> None:
    """Our short was stopped out and the books were right ten minutes long; then a person buys as many."""
    desk = Desk()
    desk.short(C260)
    desk.tick(C260, 140.00)
    desk.fill("stop-0002", 650, 140.00)
    desk.advance(600)
    if not while_down:
        desk.bought_elsewhere[C260] = 650
        desk.advance(60)
    desk.take()
    desk.bought_elsewhere[C260] = 650
    desk.restart()
    desk.advance(20)

    assert desk.take() == []
    assert desk.engine.positions.entries_stopped_by is None


def test_a_flip_while_the_bot_was_down_is_sold_after_the_restart() -> None:
    """Bought by hand and by our stop as well while nobody looked: that long is our own, however late
    it is seen.
    """
    desk = Desk()
    desk.short(C260)
    desk.advance(60)
    desk.bought_elsewhere[C260] = 650
    desk.fill("stop-0002", 650, 140.00, heard=False)
    desk.restart(after=600)
    desk.advance(5)

    assert "place correction-0003 SELL 650 C260 MARKET" in desk.take()
