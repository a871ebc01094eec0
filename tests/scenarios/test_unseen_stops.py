"""Stops whose placement got no answer: covered again at once, found, and never doubled."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import Level, OrderSent, Purpose, TakeSnapshot
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.core.position import STOP_FAILED
from tests.harness import Desk
from tests.harness_market import C260
from tests.scenarios.unseen_desk import STOP, a_stop_in_flight, lost_stop, position, stop_arrives


@pytest.fixture
def desk() -> Desk:
    return lost_stop()


def test_a_stop_that_two_snapshots_do_not_show_is_replaced(desk: Desk) -> None:
    """An unanswered stop that the books do not show is covered by another within three seconds."""
    desk.advance(1.5)
    assert desk.take() == []
    desk.advance(1.5)

    assert desk.take() == [f"place stop-0003 {STOP}"]
    assert desk.state("stop-0002") is OrderState.UNKNOWN
    assert len(desk.said("RECONCILE", Level.CRITICAL)) == 1


def test_a_snapshot_asked_for_within_a_second_does_not_count() -> None:
    """Books read before the stop can have got into them say nothing of it."""
    desk = Desk()
    with desk.answered():
        desk.swing_low(C260, 130.00, 139.00)
    desk.snapshots = False
    desk.fill("entry-0001", 650, 129.95)
    desk.take()
    desk.lose("stop-0002")
    placed = desk.now_ms
    desk.advance(5)
    for asked in (500, 999, 1_500):
        desk.snapshot(asked_at_ms=placed + asked)
    assert desk.take() == []
    desk.snapshot(asked_at_ms=placed + 1_600)

    assert desk.take() == [f"place stop-0003 {STOP}"]


def test_a_stop_that_left_and_is_not_answered_is_replaced_within_five_seconds() -> None:
    """The gateway hangs on the stop and its books do not show it: another one covers meanwhile."""
    desk = a_stop_in_flight()
    desk.advance(1)
    desk.feed(OrderSent(order_id=desk.full("stop-0002")))
    desk.advance(1)
    assert desk.take() == []
    desk.advance(3)

    assert desk.take() == [f"place stop-0003 {STOP}"]
    assert desk.state("stop-0002") is OrderState.UNKNOWN


def test_a_stop_that_left_and_is_in_the_books_is_found_there() -> None:
    """The gateway hangs, but its books show the stop: it covers, it is named, and no other is sent."""
    desk = a_stop_in_flight()
    desk.feed(OrderSent(order_id=desk.full("stop-0002")))
    stop_arrives(desk)
    desk.advance(12)
    desk.prove("stop-0002")

    assert set(desk.take()) == {"ask stop-0002"}
    assert desk.state("stop-0002") is OrderState.TRIGGER_PENDING
    desk.accept("stop-0002")
    assert desk.placed(Purpose.STOP) == ["stop-0002"]
    assert desk.order("stop-0002").broker_order_id == "B0002"


def test_a_stop_that_still_waits_on_this_machine_is_not_looked_for() -> None:
    """What waits for the limiter or the disk cannot be in any book; a second one would wait as well."""
    desk = a_stop_in_flight()
    desk.advance(12)

    assert desk.take() == []
    assert desk.order("stop-0002").unseen == 0


def test_a_late_answer_to_a_replaced_stop_leaves_one_stop() -> None:
    """The first stop turns out to be accepted after all: of the two, one is cancelled."""
    desk = a_stop_in_flight()
    desk.feed(OrderSent(order_id=desk.full("stop-0002")))
    desk.advance(5)
    desk.take()
    desk.accept("stop-0003")
    desk.accept("stop-0002")

    assert [line for line in desk.take() if line.startswith("cancel")] == ["cancel stop-0003"]


def test_books_that_cannot_be_read_replace_nothing() -> None:
    """Without complete snapshots nothing is known of the stop, and no second one is sent."""
    desk = Desk()
    with desk.answered():
        desk.swing_low(C260, 130.00, 139.00)
    desk.snapshots = False
    desk.fill("entry-0001", 650, 129.95)
    desk.take()
    desk.lose("stop-0002")
    for _ in range(20):
        desk.advance(1)
        desk.snapshot_failed()

    assert desk.take() == []


def test_the_books_are_read_every_second_while_a_stop_is_in_doubt(desk: Desk) -> None:
    """A stop of unknown outcome has the snapshots asked for each second."""
    before = len(desk.of(TakeSnapshot))
    desk.advance(10)

    assert len(desk.of(TakeSnapshot)) - before >= 9


def test_a_stop_that_turns_up_after_all_takes_the_place_of_the_second(desk: Desk) -> None:
    """Of two stops that fit, the older one stays and the other is cancelled at once."""
    desk.advance(3)
    desk.accept("stop-0003")
    stop_arrives(desk)
    desk.take()
    desk.advance(1)
    assert set(desk.take()) == {"ask stop-0002", "cancel stop-0003"}
    desk.prove("stop-0002")
    desk.cancelled("stop-0003")
    desk.advance(10)

    assert [o.order_id[-9:] for o in desk.engine.orders.live(C260)] == ["stop-0002"]
    assert position(desk).stop_failures == 0


def two_stops_fill(desk: Desk) -> None:
    """The lost stop is in the books after all, and so are the fills of both."""
    desk.advance(3)
    desk.accept("stop-0003")
    stop_arrives(desk)
    desk.tick(C260, 140.00)
    desk.fill("stop-0003", 650, 140.00)
    desk.fill("stop-0002", 650, 140.00, heard=False)
    desk.take()
    desk.advance(1)


def test_two_stops_that_both_fill_are_corrected(desk: Desk) -> None:
    """When both turn out filled, the surplus is sold at once and entries stop for the day."""
    two_stops_fill(desk)

    assert desk.take() == ["place correction-0004 SELL 650 C260 MARKET"]
    assert desk.engine.positions.entries_stopped_by is not None


def test_a_correction_without_an_answer_is_looked_for_once_a_second(desk: Desk) -> None:
    """A long of our own waits for it as a short waits for a lost stop."""
    two_stops_fill(desk)
    desk.lose("correction-0004")
    asked = len(desk.of(TakeSnapshot))
    desk.advance(10)

    assert len(desk.of(TakeSnapshot)) - asked in (9, 10)


def test_a_stop_that_never_arrived_is_no_failed_stop(desk: Desk) -> None:
    """When the horizon has passed the lost stop is over; its replacement stays and nothing is closed."""
    desk.advance(3)
    desk.accept("stop-0003")
    desk.take()
    desk.advance(160)

    assert desk.state("stop-0002") is OrderState.NOT_PLACED
    assert [line for line in desk.take() if not line.startswith("ask")] == []
    assert desk.engine.positions.stop_failures == 0


def test_a_third_lost_stop_is_not_sent_the_position_is_closed(desk: Desk) -> None:
    """Each lost stop may be real where the books lag behind: after two the short is bought back."""
    desk.advance(4)
    desk.lose("stop-0003")
    desk.advance(4)

    assert position(desk).exit_wanted == STOP_FAILED
    assert [line.split()[1] for line in desk.take() if line.startswith("place")] == [
        "stop-0003",
        "exit-0004",
    ]
