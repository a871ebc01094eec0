"""Working orders at the broker that no order of the bot is behind: taken over, cancelled or told."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import (
    BrokerStatus,
    FetchQuote,
    Level,
    OrderType,
    OrderUpdated,
    Purpose,
    Side,
    TakeSnapshot,
)
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.core.rules import Rules
from tests.harness import Desk
from tests.harness_broker import book_row
from tests.harness_market import C260, P260


def short_desk(**rules: str) -> Desk:
    """A short of 650 in C260, its stop resting, long settled."""
    desk = Desk(rules=Rules(**rules))
    with desk.answered():
        desk.short(C260)
        desk.advance(10)
    desk.take()
    return desk


def flat_desk(**rules: str) -> Desk:
    """Nothing held, books read once."""
    desk = Desk(rules=Rules(**rules))
    desk.clock("09:16:03")
    desk.take()
    return desk


def test_of_two_stops_for_one_short_one_is_cancelled() -> None:
    """A second stop that nobody remembers is taken over and cancelled, so that only one can fill."""
    desk = short_desk()
    desk.stray("stop-0003", C260, 650, 140.00, 143.00)
    desk.advance(5)

    assert desk.take() == ["cancel stop-0003"]
    desk.cancelled("stop-0003")
    desk.advance(10)
    assert desk.placed(Purpose.STOP) == ["stop-0002"]
    assert desk.state("stop-0002") is OrderState.TRIGGER_PENDING
    assert len(desk.said("RECONCILE", Level.CRITICAL)) == 1


def test_a_restart_that_has_lost_its_stop_uses_the_one_at_the_broker() -> None:
    """Where the journal forgot the stop, the restarted bot takes the resting one and sends no other."""
    desk = short_desk()
    state = desk.engine.orders
    forgotten = state.orders.pop(desk.full("stop-0002"))
    state._live.pop(forgotten.order_id)
    desk.restart()

    assert desk.take() == []
    stop = desk.order("stop-0003")
    assert (stop.broker_order_id, stop.position_id) == ("B0002", forgotten.position_id)
    desk.book[stop.order_id] = desk.book.pop(forgotten.order_id)
    desk.fill(stop.order_id, 650, 141.00)
    assert desk.engine.positions.flat
    assert desk.engine.pnl_paise == 650 * (12_995 - 14_100)


def test_a_stop_found_half_filled_books_only_what_comes_after() -> None:
    """What it bought before is in the broker's position already and is not counted again."""
    desk = Desk(rules=Rules(foreign_position="adopt"))
    desk.clock("09:15:30")
    desk.tick(C260, 120.0)
    row = desk.stray("stop-0001", C260, 650, 130.00, 133.00)
    row.filled_quantity, row.filled_value_paise = 325, 325 * 13_000
    row.status = BrokerStatus.OPEN
    desk.bought_elsewhere[C260] = -650
    desk.take()
    desk.clock("09:16:05")

    held = desk.position(C260)
    assert held is not None
    assert held.open_quantity == 325
    assert desk.placed(Purpose.STOP) == []
    desk.fill("stop-0001", 325, 130.50)
    assert held.closed


def test_a_stop_without_a_position_is_cancelled_at_the_second_look() -> None:
    """Nothing is held, so the stop could only open a long; one snapshot alone is not believed."""
    desk = flat_desk()
    desk.stray("stop-0001", C260, 650, 140.00, 143.00)
    desk.until(desk.engine.reconciler.due_ms)
    assert desk.take() == []
    desk.advance(1)

    assert desk.take() == ["cancel stop-0001"]


def test_a_stop_that_the_stream_tells_of_is_looked_for_until_its_row_is_right() -> None:
    """A lost stop arrives when all is flat. The books that are read at the news still show its row with
    the status of another, as some gateways do for a moment: they are read again a second later.
    """
    desk = flat_desk()
    row = desk.stray("stop-0001", C260, 650, 140.00, 143.00)
    row.status = BrokerStatus.COMPLETE
    desk.feed(
        OrderUpdated(
            broker_order_id=row.broker_order_id, symbol=C260, status=BrokerStatus.TRIGGER_PENDING
        )
    )
    row.status = BrokerStatus.TRIGGER_PENDING
    desk.advance(2)

    assert desk.take() == ["cancel stop-0001"]


def test_such_a_stop_that_fills_first_is_sold_again() -> None:
    """Filled before the cancel reached it, it made a long of ours, which is corrected at once."""
    desk = flat_desk()
    desk.stray("stop-0001", C260, 650, 140.00, 143.00)
    desk.until(desk.engine.reconciler.due_ms)
    desk.advance(1)
    desk.take()
    desk.fill("stop-0001", 650, 141.00)
    desk.prove("stop-0001")

    assert desk.take() == ["place correction-0002 SELL 650 C260 MARKET"]


@pytest.mark.parametrize(
    ("side", "order_type", "trigger", "limit"),
    [
        (Side.BUY, OrderType.SL, 140.00, 150.00),
        (Side.BUY, OrderType.LIMIT, 0.0, 90.00),
        (Side.SELL, OrderType.SL, 120.00, 117.00),
    ],
    ids=["a stop with another limit", "a resting purchase", "an entry"],
)
def test_orders_of_others_are_told_once_and_left_alone(
    side: Side, order_type: OrderType, trigger: float, limit: float
) -> None:
    """What does not look like ours is somebody else's: said at the second look, never touched."""
    desk = flat_desk()
    desk.stray("other-0001", C260, 650, trigger, limit, side=side, order_type=order_type)
    desk.advance(300)

    assert desk.take() == []
    texts = desk.said("RECONCILE", Level.ALERT) + desk.said("RECONCILE", Level.CRITICAL)
    assert len(texts) == 1


@pytest.mark.parametrize("foreign_position", ["alert", "adopt", "ours"])
def test_orders_and_positions_of_another_expiry_are_left_alone(foreign_position: str) -> None:
    """The broker has a short with its stop, and an entry, in a contract that is not of the day: nothing
    is adopted, cancelled or covered, and what the bot has goes on, whoever foreign shorts belong to.
    """
    desk = short_desk(foreign_position=foreign_position)
    later = C260.replace("29DEC26", "05JAN27")
    assert later != C260
    desk.bought_elsewhere[later] = -650
    desk.stray("other-0001", later, 650, 140.00, 143.00)
    desk.stray("other-0002", later, 650, 120.00, 117.00, side=Side.SELL)
    desk.advance(300)

    assert desk.take() == []
    assert [position.symbol for position in desk.engine.positions.open.values()] == [C260]
    assert desk.engine.gate() is None
    desk.say("kill")
    assert desk.take() == ["cancel stop-0002"]


def test_a_stop_for_a_short_of_somebody_else_is_left_alone() -> None:
    """The account is short by more than is ours, so the stop may well cover the rest."""
    desk = short_desk()
    desk.bought_elsewhere[C260] = -650
    desk.stray("stop-0003", C260, 650, 140.00, 143.00)
    desk.advance(60)

    assert desk.take() == []


def test_where_foreign_shorts_are_adopted_an_unknown_entry_is_cancelled() -> None:
    """With ``adopt`` a sale in our manner that nobody knows is taken back before it opens a short."""
    desk = flat_desk(foreign_position="adopt")
    desk.stray("entry-0001", P260, 650, 120.10, 117.10, side=Side.SELL)
    desk.advance(10)

    assert desk.take() == ["cancel entry-0001"]
    desk.fill("entry-0001", 325, 120.10)
    assert desk.take() == ["place stop-0002 BUY 325 P260 SL 132.15/135.15"]


@pytest.mark.parametrize(
    ("trigger", "limit"), [(130.00, 140.00), (145.00, 148.00)], ids=["nearer", "further, ours"]
)
def test_an_adopted_short_keeps_the_stop_that_it_has(trigger: float, limit: float) -> None:
    """A short that is adopted together with a resting stop gets no second one."""
    desk = Desk(rules=Rules(foreign_position="adopt"))
    desk.clock("09:15:30")
    desk.tick(C260, 120.0)
    desk.stray("stop-0001", C260, 650, trigger, limit)
    desk.bought_elsewhere[C260] = -650
    desk.take()
    desk.clock("09:17:00")

    assert desk.take() == []
    assert desk.state("stop-0001") is OrderState.TRIGGER_PENDING


def test_an_order_whose_answer_is_on_its_way_is_no_stray() -> None:
    """A row in the books that looks like a stop in flight is that stop."""
    desk = Desk()
    with desk.answered():
        desk.swing_low(C260, 130.00, 139.00)
    desk.fill("entry-0001", 650, 129.95)
    desk.take()
    desk._row("stop-0002")
    desk.advance(15)

    assert desk.take() == []
    assert set(desk.engine.orders.orders) == {desk.full("entry-0001"), desk.full("stop-0002")}


@pytest.mark.parametrize("trigger", [135.00, 300.00], ids=["nearer", "far away"])
def test_a_stop_that_stands_elsewhere_than_ours_is_left_alone(trigger: float) -> None:
    """Somebody's own safety stop in a symbol that we hold does not take the place of ours."""
    desk = short_desk()
    desk.stray("other-0003", C260, 650, trigger, trigger + 3)
    desk.advance(60)

    assert desk.take() == []
    assert desk.state("stop-0002") is OrderState.TRIGGER_PENDING


def test_a_far_stop_is_not_kept_in_place_of_one_that_is_being_resized() -> None:
    """Of the stops of a position, one that triggers later than it should never counts as the better."""
    desk = short_desk()
    position = desk.position(C260)
    assert position is not None
    far = desk.stray("stop-0003", C260, 650, 300.00, 303.00)
    desk.engine.orders.take_over(book_row(far), Purpose.STOP, position.position_id, None)
    desk.snapshot()

    assert desk.take() == ["cancel stop-0003"]


def test_a_stop_that_is_told_and_then_covers_nothing_is_cancelled() -> None:
    """Left alone while somebody was short too; when all is bought back it could only open a long."""
    desk = short_desk()
    desk.bought_elsewhere[C260] = -650
    desk.stray("stop-0003", C260, 650, 140.00, 143.00)
    desk.advance(30)
    assert desk.take() == []
    desk.bought_elsewhere[C260] = 650
    desk.advance(60)

    sent = desk.take()
    assert "cancel stop-0003" in sent
    assert "cancel stop-0002" in sent
    assert not any(line.startswith("place") for line in sent)


def test_the_day_ends_although_a_foreign_short_came_up_just_before() -> None:
    """A short that is not taken over any more after the day's exit does not hold up the day's end."""
    desk = Desk(rules=Rules(foreign_position="adopt"), auto=True)
    desk.clock("15:14:00")
    desk.tick(C260, 120.0)
    desk.clock("15:14:59")
    desk.bought_elsewhere[C260] = -650
    desk.snapshot()
    desk.clock("15:20:00")

    assert desk.engine.day_over


def test_a_foreign_short_without_a_price_is_asked_for_at_a_moderate_pace() -> None:
    """While no price is to be had, a quote is wanted every five seconds and no more often."""
    desk = Desk(rules=Rules(foreign_position="adopt"))
    desk.clock("10:00:00")
    desk.bought_elsewhere[C260] = -650
    desk.clock("10:05:00")

    assert 1 < len(desk.of(FetchQuote)) <= 60


def test_after_a_lost_journal_an_exit_that_still_works_is_cancelled() -> None:
    """An exit that was being chased when the journal was lost buys nothing beside its successor."""
    desk = Desk(rules=Rules(foreign_position="ours"))
    desk.clock("09:15:30")
    desk.tick(C260, 120.0)
    desk.bought_elsewhere[C260] = -650
    desk.stray("exit-0001", C260, 650, 0.0, 119.0, order_type=OrderType.LIMIT)
    desk.take()
    desk.clock("09:16:05")
    assert "cancel exit-0001" in desk.take()
    desk.fill("exit-0001", 325, 119.0)
    desk.cancelled("exit-0001")

    held = desk.position(C260)
    assert held is not None
    assert held.open_quantity == 325


def test_an_exit_of_before_that_fills_after_its_cancel_closes_what_was_adopted() -> None:
    """It was cancelled while the short was not adopted yet, and fills all the same: of the position there
    is less then, and its stop follows; no long beside it is made up.
    """
    desk = Desk(rules=Rules(foreign_position="ours"))
    desk.clock("09:15:30")
    desk.bought_elsewhere[C260] = -650
    desk.stray("exit-0001", C260, 650, 0.0, 119.0, order_type=OrderType.LIMIT)
    desk.clock("09:16:05")
    assert "cancel exit-0001" in desk.take()
    desk.cancelled("exit-0001")
    desk.quote(C260, 120.0)
    desk.advance(5)
    desk.accept("stop-0002")
    desk.take()
    desk.fill("exit-0001", 325, 119.0)

    held = desk.position(C260)
    assert held is not None
    assert held.open_quantity == 325
    assert len(desk.engine.positions.positions) == 1
    assert any(line.startswith("modify stop-0002 325") for line in desk.take())


def test_after_a_lost_journal_the_stop_stays_until_its_short_is_adopted() -> None:
    """Without a price the short cannot be adopted yet; its resting stop is not taken away meanwhile."""
    desk = Desk(rules=Rules(foreign_position="ours"))
    desk.bought_elsewhere[C260] = -650
    desk.stray("stop-0001", C260, 650, 145.00, 148.00)
    desk.clock("09:16:30")
    assert desk.take() == []
    desk.quote(C260, 120.0)
    desk.advance(5)

    assert desk.take() == []
    assert desk.state("stop-0001") is OrderState.TRIGGER_PENDING


def test_somebody_elses_order_where_we_hold_something_has_the_books_read_at_once() -> None:
    """A purchase by hand is told by the stream, and found out within two seconds."""
    desk = short_desk()
    desk.advance(0.5)
    desk.bought_elsewhere[C260] = 650
    desk.feed(OrderUpdated(broker_order_id="H1", symbol=C260, status=BrokerStatus.COMPLETE))
    desk.advance(2)

    assert "cancel stop-0002" in desk.take()


def test_whoever_trades_all_the_time_does_not_have_the_books_read_all_the_time() -> None:
    """Ten trades of somebody else in a second, in a contract that we hold: the books are read once a
    second, because the gateway answers only so many questions.
    """
    desk = short_desk()
    read = len(desk.of(TakeSnapshot))
    for number in range(50):
        desk.feed(
            OrderUpdated(broker_order_id=f"H{number}", symbol=C260, status=BrokerStatus.COMPLETE)
        )
        desk.advance(0.1)

    assert 4 <= len(desk.of(TakeSnapshot)) - read <= 6
