"""Stops and entries whose placement got no answer: covered again at once, found, and never doubled."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import BrokerStatus, Level, OrderSent, Purpose, TakeSnapshot
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.core.position import STOP_FAILED, Position
from tests.harness import Desk
from tests.harness_market import C260

STOP = "BUY 650 C260 SL 140.00/143.00"


@pytest.fixture
def desk() -> Desk:
    """A short of 650 in C260 whose stop got no answer and is in no book."""
    desk = Desk()
    with desk.answered():
        desk.swing_low(C260, 130.00, 139.00)
    desk.take()
    desk.fill("entry-0001", 650, 129.95)
    assert desk.take() == [f"place stop-0002 {STOP}"]
    desk.lose("stop-0002")
    return desk


def stop_arrives(desk: Desk, order_id: str = "stop-0002") -> None:
    """The broker has the order after all; nobody says so."""
    desk._row(order_id)


def position(desk: Desk) -> Position:
    held = desk.position(C260)
    assert held is not None
    return held


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


def a_stop_in_flight() -> Desk:
    """A short of 650 in C260 whose stop is decided on and not answered."""
    desk = Desk()
    with desk.answered():
        desk.swing_low(C260, 130.00, 139.00)
    desk.take()
    desk.fill("entry-0001", 650, 129.95)
    assert desk.take() == [f"place stop-0002 {STOP}"]
    return desk


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


def test_an_exit_that_filled_and_is_not_answered_keeps_no_other_back() -> None:
    """The answer to an exit hangs while its fill is in the books and the entry fills on: the fill is
    booked, and what was sold since is bought back without waiting for the answer.
    """
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.fill("entry-0001", 65, 129.95)
    for stop in ("stop-0002", "stop-0003"):
        desk.refuse(stop, "RMS: stop orders are blocked")
    desk.feed(OrderSent(order_id=desk.full("exit-0004")))
    desk.fill("exit-0004", 65, 130.10, heard=False)
    desk.fill("entry-0001", 195, 129.95)
    desk.advance(4)
    desk.prove("exit-0004")

    assert desk.placed(Purpose.EXIT) == ["exit-0004", "exit-0005"]
    assert desk.order("exit-0005").quantity == 195


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


def test_a_row_that_may_be_either_stops_waits_for_the_answer(desk: Desk) -> None:
    """While the second stop is on its way, a row like both is nobody's; its answer decides."""
    desk.advance(3)
    stop_arrives(desk)
    desk.advance(1)
    assert desk.state("stop-0002") is OrderState.UNKNOWN
    desk.accept("stop-0003")
    desk.take()
    desk.advance(1)

    assert set(desk.take()) == {"ask stop-0002", "cancel stop-0003"}


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


def test_an_exit_does_not_wait_for_a_stop_that_the_books_do_not_show(desk: Desk) -> None:
    """A position whose stop is in no book is closed without waiting for the gateway's horizon."""
    desk.advance(1)
    desk.say("kill")
    assert desk.placed(Purpose.EXIT) == []
    desk.advance(3)

    assert desk.placed(Purpose.EXIT) == ["exit-0003"]


def test_an_exit_of_unknown_outcome_is_not_sent_again() -> None:
    """Only protective stops are sent again: an exit without an answer reserves its quantity."""
    desk = Desk()
    desk.short(C260)
    with desk.answered():
        desk.auto = False
        desk.say("kill")
        desk.cancelled("stop-0002")
    desk.advance(1)
    exits = desk.placed(Purpose.EXIT)
    desk.lose(exits[0])
    desk.advance(100)

    assert desk.placed(Purpose.EXIT) == exits == ["exit-0003"]


def test_an_entry_of_unknown_outcome_is_not_sent_again() -> None:
    """An entry without an answer is looked for and not repeated."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.lose("entry-0001")
    desk.advance(100)

    assert desk.placed(Purpose.ENTRY) == ["entry-0001"]


def test_what_a_found_order_has_filled_is_protected_at_once() -> None:
    """A lost entry that filled is protected in the step in which the books show it."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.snapshots = False
    desk.lose("entry-0001", reached=True)
    desk.fill("entry-0001", 650, 129.95, heard=False)
    desk.advance(1)
    desk.take()
    desk.snapshot()

    assert desk.take() == [f"place stop-0002 {STOP}"]


def test_a_found_order_that_filled_in_part_is_protected_for_that_part() -> None:
    """Part of a lost entry filled: that part is covered in the same step."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.snapshots = False
    desk.lose("entry-0001", reached=True)
    desk.fill("entry-0001", 130, 129.95, heard=False)
    desk.advance(1)
    desk.take()
    desk.snapshot()

    assert "place stop-0002 BUY 130 C260 SL 140.00/143.00" in desk.take()


def test_stops_that_are_refused_while_an_exit_is_lost_keep_a_pace(desk: Desk) -> None:
    """The exit got lost and every stop that is to cover meanwhile is refused at once: one in five
    seconds is tried, so that the order messages last for the exit.
    """
    desk.advance(3)
    desk.lose("stop-0003")
    desk.advance(3)
    desk.lose("exit-0004")
    for _ in range(300):
        desk.advance(0.1)
        for order in [*desk.engine.orders.live(C260, Purpose.STOP)]:
            if order.state is OrderState.IN_FLIGHT:
                desk.refuse(order.order_id, "RMS: stop orders are blocked")

    refused = len(desk.placed(Purpose.STOP)) - 2
    assert 4 <= refused <= 7


def test_a_lost_stop_that_arrives_when_all_is_flat_goes_at_once(desk: Desk) -> None:
    """Two stops alike got lost, and the short is closed: the one that arrives then is cancelled,
    whichever it is, and named anew when the other's answer claims it.
    """
    desk.advance(3)
    desk.lose("stop-0003")
    desk.advance(3)
    desk.accept("exit-0004")
    desk.fill("exit-0004", 650, 129.95)
    desk.take()
    assert desk.engine.positions.open_short(C260) == 0
    stop_arrives(desk, "stop-0003")
    desk.advance(2)

    assert "cancel stop-0002" in desk.take()
    desk.accept("stop-0003")
    assert desk.order("stop-0002").broker_order_id is None
    assert desk.order("stop-0003").broker_order_id == "B0003"


def test_the_stop_that_covers_stays_when_it_gets_its_right_name(desk: Desk) -> None:
    """One of two lost stops is in the books and taken for the other, so that the one is to go; then its
    own answer comes, and it is the one that covers.
    """
    desk.advance(3)
    stop_arrives(desk, "stop-0003")
    desk.lose("stop-0003")
    desk.engine.orders.adopt(desk.order("stop-0002"), "B0003")
    desk.advance(1)
    desk.take()
    desk.accept("stop-0003")
    desk.advance(2)

    assert desk.order("stop-0003").broker_order_id == "B0003"
    assert not any(line == "cancel stop-0003" for line in desk.take())


def two_lost_stops(desk: Desk) -> None:
    """The stop in place of the first got no answer either; the books are read when a test says."""
    desk.advance(3)
    desk.lose("stop-0003")
    desk.snapshots = False
    desk.take()


def test_a_lost_stop_stays_lost_when_what_it_was_taken_for_has_filled(desk: Desk) -> None:
    """The row of the second is taken for the first and fills; then the second's own answer names it.
    Where the first is, is as unknown as before: it is looked for, and cancelled when it turns up.
    """
    two_lost_stops(desk)
    stop_arrives(desk, "stop-0003")
    desk.engine.orders.adopt(desk.order("stop-0002"), "B0003")
    desk.fill("stop-0003", 650, 140.00)
    assert desk.state("stop-0002") is OrderState.FILLED
    desk.accept("stop-0003", status=None)
    desk.prove("stop-0003")
    assert desk.state("stop-0002") is OrderState.UNKNOWN
    assert desk.state("stop-0003") is OrderState.FILLED
    stop_arrives(desk)
    desk.take()
    desk.snapshot()

    assert desk.order("stop-0002").broker_order_id == "B0002"
    assert "cancel stop-0002" in desk.take()
    assert position(desk).exit_quantity == 650


@pytest.mark.parametrize("over", ["stop-0002", "stop-0003"])
def test_of_two_stops_taken_for_each_other_the_one_that_works_is_alive(
    desk: Desk, over: str
) -> None:
    """Of two rows that were matched the wrong way round one has ended; when the late answer puts it
    right, the other's stop is alive under its own name, and its state is asked for.
    """
    works = "stop-0003" if over == "stop-0002" else "stop-0002"
    two_lost_stops(desk)
    stop_arrives(desk)
    stop_arrives(desk, "stop-0003")
    desk.engine.orders.adopt(desk.order("stop-0002"), "B0003")
    desk.engine.orders.adopt(desk.order("stop-0003"), "B0002")
    desk.prove(over, BrokerStatus.CANCELLED)
    assert desk.state(works) is OrderState.CANCELLED
    desk.take()
    desk.accept("stop-0003", status=None)

    assert desk.order(works).live
    assert desk.order(works).broker_order_id == f"B{works[-4:]}"
    assert f"ask {works}" in desk.take()


def test_two_lost_stops_keep_the_names_that_a_late_answer_has_put_right(desk: Desk) -> None:
    """The row of the second is taken for the first, whose own answer then comes with another id: the row
    is the second's. One of them goes, the other covers, and neither is named once more.
    """
    two_lost_stops(desk)
    stop_arrives(desk, "stop-0003")
    desk.engine.orders.adopt(desk.order("stop-0002"), "B0003")
    desk.accept("stop-0002")
    assert desk.order("stop-0002").broker_order_id == "B0002"
    assert desk.order("stop-0003").broker_order_id == "B0003"
    desk.take()
    desk.snapshots = True
    with desk.answered():
        desk.advance(20)

    assert sum("found at the broker" in text for text in desk.said("RECONCILE")) == 1
    assert sorted((desk.state("stop-0002"), desk.state("stop-0003"))) == [
        OrderState.CANCELLED,
        OrderState.TRIGGER_PENDING,
    ]


def test_an_exit_that_turns_up_when_its_short_is_closed_is_cancelled(desk: Desk) -> None:
    """The stop that covered meanwhile has bought it all: the exit is not chased to buy it again."""
    desk.advance(3)
    desk.lose("stop-0003")
    desk.advance(3)
    desk.lose("exit-0004")
    desk.advance(3)
    covers = desk.placed(Purpose.STOP)[-1]
    desk.accept(covers)
    desk.accept("exit-0004")
    desk.fill(covers, 650, 143.00)
    assert desk.engine.positions.open_short(C260) == 0
    desk.advance(3)

    sent = desk.take()
    assert "cancel exit-0004" in sent
    assert not any(line.startswith("modify exit-0004") for line in sent)


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


def test_a_stop_that_covers_again_is_not_taken_for_one_that_is_to_go(desk: Desk) -> None:
    """Two stops got lost and are to be cancelled, and so did the exit. The next stop gets no answer
    either, but works: its row is its own, for as one of the others it would be cancelled.
    """
    desk.advance(3)
    desk.lose("stop-0003")
    desk.advance(3)
    desk.lose("exit-0004")
    while len(desk.placed(Purpose.STOP)) < 3:
        desk.advance(0.1)
    desk.lose("stop-0005", reached=True)
    desk.take()
    desk.advance(10)

    assert desk.order("stop-0005").broker_order_id == "B0005"
    assert desk.state("stop-0005") is OrderState.TRIGGER_PENDING
    assert [line for line in desk.take() if not line.startswith("ask")] == []


def test_stops_that_get_lost_again_and_again_are_tried_at_growing_pauses(desk: Desk) -> None:
    """The exit that should replace them gets lost as well: the short does not wait for the horizon."""
    for _ in range(60):
        desk.advance(1)
        for line in desk.take():
            if line.startswith("place"):
                desk.lose(line.split()[1])
    lost = desk.placed(Purpose.STOP)
    assert 4 <= len(lost) <= 7
    assert len(desk.placed(Purpose.EXIT)) == 1


@pytest.mark.parametrize(("rested", "waits"), [(0, 5), (3, 2), (60, 0)])
def test_where_the_exit_is_lost_a_stop_that_ends_is_replaced(rested: int, waits: int) -> None:
    """Five seconds lie between stops that are refused at once; one that somebody cancels after a minute
    of rest leaves nothing to wait for: the short is bare.
    """
    desk = Desk()
    desk.short(C260)
    desk.advance(10)
    desk.prove("stop-0002", BrokerStatus.CANCELLED)
    desk.accept("stop-0003")
    desk.advance(10)
    desk.prove("stop-0003", BrokerStatus.CANCELLED)
    desk.lose("exit-0004")
    while len(desk.placed(Purpose.STOP)) < 3:
        desk.advance(0.1)
    desk.accept("stop-0005")
    desk.advance(rested)
    desk.prove("stop-0005", BrokerStatus.CANCELLED)
    if waits:
        desk.advance(waits - 0.1)
        assert len(desk.placed(Purpose.STOP)) == 3
        desk.advance(0.1)

    assert len(desk.placed(Purpose.STOP)) == 4
