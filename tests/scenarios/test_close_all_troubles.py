"""Closing everything while the broker refuses, stays silent, or fills what was to be cancelled."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import (
    BrokerStatus,
    Level,
    OrderType,
    Purpose,
    Request,
    SaveSummary,
)
from baseline_v1_live.core.order_states import OrderState
from tests.harness import Desk, desk_of_five
from tests.harness_market import C260


@pytest.fixture
def desk() -> Desk:
    """Killed, and every cancel proven: exits 12, 13 and 14 for C260, C261 and P260 are on their way."""
    desk = desk_of_five()
    desk.say("kill")
    for order_id in ("entry-0011", "stop-0002", "stop-0004", "stop-0008"):
        desk.cancelled(order_id)
    assert [line for line in desk.take() if line.startswith("place")] == [
        "place exit-0012 BUY 650 C260 MARKET",
        "place exit-0013 BUY 650 C261 MARKET",
        "place exit-0014 BUY 650 P260 MARKET",
    ]
    return desk


def rest(desk: Desk, order_id: str) -> None:
    """A market order is accepted, and found resting when it is asked for 0.3 s later."""
    desk.accept(order_id)
    desk.advance(0.3)
    assert desk.take() == [f"ask {order_id}"]
    desk.prove(order_id)


def fill_exit(desk: Desk, order_id: str, price: float = 129.95) -> None:
    desk.accept(order_id)
    desk.fill(order_id, desk.order(order_id).remaining, price)


# ------------------------------------------------------------ refused


def test_a_refused_exit_is_tried_three_times_two_seconds_apart(desk: Desk) -> None:
    """The first three tries of a refused exit lie two seconds apart."""
    for order_id in ("exit-0013", "exit-0014"):
        fill_exit(desk, order_id)
    desk.refuse("exit-0012", "margin")
    desk.advance(1.9)
    assert desk.take() == []
    desk.advance(0.1)
    assert desk.take() == ["place exit-0015 BUY 650 C260 MARKET"]
    desk.refuse("exit-0015", "margin")
    desk.advance(1.9)
    assert desk.take() == []
    desk.advance(0.1)

    assert desk.take() == ["place exit-0016 BUY 650 C260 MARKET"]


def refused_thrice(desk: Desk, *order_ids: str) -> None:
    """These exits of one position are refused, each as soon as it is sent."""
    for order_id in order_ids:
        desk.advance(2 * (order_id != order_ids[0]))
        desk.take()
        desk.refuse(order_id, "margin")


def test_after_three_tries_it_is_one_every_five_seconds_with_an_alarm(desk: Desk) -> None:
    """From the third refusal on a try follows every five seconds, each with a critical notice; a stop
    covers meanwhile, and is proven gone before each try.
    """
    refused_thrice(desk, "exit-0012", "exit-0015", "exit-0016")
    assert len(desk.said("MARKET-EXIT", Level.CRITICAL)) == 1
    assert desk.take() == ["place stop-0017 BUY 650 C260 SL 140.00/143.00"]
    desk.accept("stop-0017")
    desk.advance(4.9)
    assert desk.take() == []
    desk.advance(0.1)
    assert desk.take() == ["cancel stop-0017"]
    desk.cancelled("stop-0017")
    assert desk.take() == ["ask stop-0017", "place exit-0018 BUY 650 C260 MARKET"]
    desk.refuse("exit-0018", "margin")

    assert len(desk.said("MARKET-EXIT", Level.CRITICAL)) == 2
    assert desk.take() == ["place stop-0019 BUY 650 C260 SL 140.00/143.00"]


def test_a_stop_that_fills_between_two_tries_leaves_nothing_to_buy(desk: Desk) -> None:
    """The stop that covers a refused exit bought it all: no exit follows."""
    refused_thrice(desk, "exit-0012", "exit-0015", "exit-0016")
    desk.accept("stop-0017")
    desk.fill("stop-0017", 650, 140.00)
    exits = len(desk.placed(Purpose.EXIT))
    desk.advance(30)

    assert len(desk.placed(Purpose.EXIT)) == exits
    assert desk.engine.positions.open_short(C260) == 0


def test_from_the_square_off_on_no_stop_covers_a_refused_exit() -> None:
    """At the end of the day a stop could only rest; the next try is at market five seconds later."""
    desk = Desk()
    desk.short(C260)
    desk.clock("15:15:00")
    desk.cancelled("stop-0002")
    refused_thrice(desk, "exit-0003", "exit-0004", "exit-0005")
    assert desk.take() == []
    desk.advance(5)

    assert desk.take() == ["place exit-0006 BUY 650 C260 MARKET"]


def test_the_square_off_takes_the_stop_away_whatever_ended_the_day() -> None:
    """Killed a moment before, and refused across the square-off: from then on it is as at any other."""
    desk = Desk()
    desk.short(C260)
    desk.clock("15:14:53")
    desk.say("kill")
    desk.cancelled("stop-0002")
    refused_thrice(desk, "exit-0003", "exit-0004", "exit-0005")
    assert desk.take() == ["place stop-0006 BUY 650 C260 SL 140.00/143.00"]
    desk.accept("stop-0006")
    desk.clock("15:15:00")
    assert desk.take() == ["cancel stop-0006"]
    desk.cancelled("stop-0006")
    desk.clock("15:15:02")
    desk.refuse("exit-0007", "margin")
    desk.advance(5)

    assert desk.take() == [
        "ask stop-0006",
        "place exit-0007 BUY 650 C260 MARKET",
        "place exit-0008 BUY 650 C260 MARKET",
    ]


def test_one_refused_position_does_not_stop_the_others(desk: Desk) -> None:
    """The others are closed while one is refused, and it is closed when the broker takes it."""
    desk.refuse("exit-0012", "margin")
    fill_exit(desk, "exit-0013")
    fill_exit(desk, "exit-0014")
    assert [p.symbol for p in desk.engine.positions.open.values()] == [C260]
    assert desk.of(SaveSummary) == []
    desk.advance(2)
    fill_exit(desk, "exit-0015")

    assert not any(desk.net().values())
    assert len(desk.of(SaveSummary)) == 1


def test_a_position_whose_exit_fails_is_never_called_closed(desk: Desk) -> None:
    """Refused until the hard cut, a position stays open, is tried again, and raises an alarm."""
    fill_exit(desk, "exit-0013")
    fill_exit(desk, "exit-0014")
    desk.refuse("exit-0012", "no")
    for _ in range(20):
        desk.advance(5)
        for stop in list(desk.engine.orders.live(C260, Purpose.STOP)):
            desk.cancelled(stop.order_id)
        desk.refuse(desk.placed(Purpose.EXIT)[-1], "no")
        for stop in list(desk.engine.orders.live(C260, Purpose.STOP)):
            desk.accept(stop.order_id)
    position = desk.position(C260)

    assert position is not None
    assert (position.closed, position.open_quantity) == (False, 650)
    assert len(desk.placed(Purpose.EXIT)) >= 3 + 18
    assert not desk.engine.day_over


def test_not_flat_at_the_hard_cut_is_said_once() -> None:
    """Whoever is still short five minutes after the square-off is told so, once."""
    desk = Desk()
    desk.short(C260)
    desk.clock("15:19:59")
    before = len(desk.said("EXIT", Level.CRITICAL))
    desk.clock("15:20:00")
    desk.advance(60)

    assert before == 0
    assert len(desk.said("EXIT", Level.CRITICAL)) == 1


# ------------------------------------------------------------ unknown


def test_an_exit_of_unknown_outcome_reserves_its_quantity(desk: Desk) -> None:
    """While an exit's outcome is unknown nothing more is bought for it, and an alarm says so."""
    alarms = len(desk.said("ORDER", Level.CRITICAL))
    desk.lose("exit-0012")
    fill_exit(desk, "exit-0013")
    fill_exit(desk, "exit-0014")
    desk.advance(5)
    desk.accept("stop-0015")
    desk.take()
    desk.advance(120)

    assert [line for line in desk.take() if line.startswith("place exit")] == []
    assert len(desk.said("ORDER", Level.CRITICAL)) == alarms + 1
    assert desk.of(SaveSummary) == []


def test_a_lost_exit_leaves_no_short_bare(desk: Desk) -> None:
    """Two looks at the books that do not show it, and a stop covers what it was to close; when the
    horizon has passed that stop is cancelled, and the rest is bought.
    """
    desk.lose("exit-0012")
    fill_exit(desk, "exit-0013")
    fill_exit(desk, "exit-0014")
    desk.take()
    desk.advance(5)

    placed = [line for line in desk.take() if line.startswith("place")]
    assert [line.split()[:5] for line in placed] == [["place", "stop-0015", "BUY", "650", "C260"]]


def test_an_unknown_exit_that_the_broker_has_is_found_and_counted(desk: Desk) -> None:
    """A lost exit that filled is found in the books, and then the day is over without another buy."""
    desk.lose("exit-0012", reached=True)
    desk.fill("exit-0012", 650, 130.00, heard=False)
    fill_exit(desk, "exit-0013")
    fill_exit(desk, "exit-0014")
    desk.take()
    desk.advance(15)

    assert [line for line in desk.take() if line.startswith("place")] == []
    assert desk.state("exit-0012") is OrderState.FILLED
    assert len(desk.of(SaveSummary)) == 1


def test_an_exit_that_never_reached_the_broker_is_sent_again_after_the_horizon(desk: Desk) -> None:
    """Three complete snapshots past the gateway's horizon show nothing, so the exit is sent anew."""
    desk.lose("exit-0012")
    fill_exit(desk, "exit-0013")
    fill_exit(desk, "exit-0014")
    desk.advance(5)
    desk.accept("stop-0015")
    desk.take()
    desk.advance(125)
    assert [line for line in desk.take() if line.startswith("place")] == []
    desk.advance(20)
    assert desk.state("exit-0012") is OrderState.NOT_PLACED
    desk.accept("stop-0015", Request.CANCEL)
    desk.cancelled("stop-0015")
    desk.advance(5)

    placed = [line for line in desk.take() if line.startswith("place")]
    assert placed == ["place exit-0016 BUY 650 C260 MARKET"]


def test_failed_snapshots_never_prove_that_an_exit_was_not_placed(desk: Desk) -> None:
    """Without a complete snapshot a lost exit stays unknown, however long it takes."""
    desk.snapshots = False
    desk.lose("exit-0012")
    fill_exit(desk, "exit-0013")
    fill_exit(desk, "exit-0014")
    desk.take()
    for _ in range(60):
        desk.snapshot_failed()
        desk.advance(5)

    assert desk.state("exit-0012") is OrderState.UNKNOWN
    assert desk.take() == []


# ------------------------------------------------------------ resting, late, partial


def test_an_exit_that_rests_is_chased(desk: Desk) -> None:
    """A market order that rests for a second becomes a limit 3, 8, 20 % and then 38 % above 130."""
    fill_exit(desk, "exit-0013")
    fill_exit(desk, "exit-0014")
    desk.advance(31)
    desk.tick(C260, 130.00)
    desk.take()
    rest(desk, "exit-0012")
    wanted = []
    for seconds in (0.7, 1, 1, 1):
        desk.advance(seconds)
        wanted += desk.take()
        desk.modified("exit-0012")

    assert wanted == [
        "modify exit-0012 650 LIMIT 133.90",
        "modify exit-0012 650 LIMIT 140.40",
        "modify exit-0012 650 LIMIT 156.00",
        "modify exit-0012 650 LIMIT 179.40",
    ]


def test_a_market_exit_that_nobody_tells_of_is_asked_for_after_300_ms(desk: Desk) -> None:
    """Its fill is learned by asking, long before the chase and without a single pushed update."""
    desk.accept("exit-0012")
    desk.fill("exit-0012", 650, 129.95, heard=False)
    desk.take()
    desk.advance(0.299)
    assert desk.take() == []
    desk.advance(0.001)
    assert desk.take() == ["ask exit-0012"]
    desk.prove("exit-0012")
    desk.advance(3)

    assert desk.state("exit-0012") is OrderState.FILLED
    assert desk.modifies("exit-0012") == []


def test_a_market_exit_whose_fill_is_told_is_not_asked_for(desk: Desk) -> None:
    """Where the broker pushes the fill no question is needed."""
    fill_exit(desk, "exit-0012")
    desk.take()
    desk.advance(3)

    assert desk.take() == []


def test_the_chase_waits_for_the_answer_that_may_say_filled(desk: Desk) -> None:
    """A market exit that was asked for is not changed before the answer, or 2 s without one."""
    desk.tick(C260, 130.00)
    desk.accept("exit-0012")
    desk.advance(2.29)
    assert desk.modifies("exit-0012") == []
    desk.advance(0.01)

    assert len(desk.modifies("exit-0012")) == 1


def test_the_chase_goes_on_when_the_question_failed(desk: Desk) -> None:
    """A question that got no answer does not hold the chase back."""
    desk.tick(C260, 130.00)
    desk.accept("exit-0012")
    desk.advance(0.5)
    desk.lose("exit-0012", Request.QUERY)
    desk.advance(0.5)

    assert len(desk.modifies("exit-0012")) == 1


def test_a_cheap_option_is_chased_to_nineteen_rupees_above(desk: Desk) -> None:
    """At or below 50 the chase ends 19 rupees above the reference, inside the exchange's band."""
    fill_exit(desk, "exit-0013")
    fill_exit(desk, "exit-0014")
    for price in (100.00, 75.00, 55.00):
        desk.tick(C260, price)
    desk.advance(31)
    desk.tick(C260, 40.00)
    desk.take()
    rest(desk, "exit-0012")
    wanted = []
    for seconds in (0.7, 1, 1, 1):
        desk.advance(seconds)
        wanted += desk.take()
        desk.modified("exit-0012")

    assert wanted[-1] == "modify exit-0012 650 LIMIT 59.00"
    assert all(command.order_type is not OrderType.SL for command in desk.modifies("exit-0012"))


def test_only_the_rest_of_a_partly_filled_exit_is_open(desk: Desk) -> None:
    """An exit that fills 260 and is then rejected leaves 390 to buy."""
    desk.accept("exit-0012")
    desk.fill("exit-0012", 260, 130.00)
    desk.prove("exit-0012", BrokerStatus.REJECTED)
    desk.advance(2)

    assert "place exit-0015 BUY 390 C260 MARKET" in desk.take()


def test_a_late_fill_after_the_day_exit_is_closed_too() -> None:
    """An entry that fills while the day exit cancels it gets no stop: it is bought back at once."""
    desk = desk_of_five()
    desk.say("kill")
    desk.take()
    desk.fill("entry-0011", 650, 129.95)

    assert desk.take() == ["place exit-0012 BUY 650 P259 MARKET"]


def test_a_late_fill_after_the_day_is_over_is_closed_too(desk: Desk) -> None:
    """A fill of an entry that was proven cancelled is bought back even when the day was over."""
    for order_id in ("exit-0012", "exit-0013", "exit-0014"):
        fill_exit(desk, order_id)
    assert desk.engine.day_over
    desk.take()
    desk.fill("entry-0011", 650, 129.95)
    assert desk.take() == ["place exit-0015 BUY 650 P259 MARKET"]
    fill_exit(desk, "exit-0015")

    assert not any(desk.net().values())
    assert [summary.trades for summary in desk.of(SaveSummary)] == [5, 6]


def test_an_entry_still_on_its_way_at_the_day_exit_is_cancelled_when_it_arrives() -> None:
    """An entry that was unanswered at the kill is cancelled as soon as the broker names it."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.take()
    desk.say("kill")
    assert desk.take() == []
    desk.accept("entry-0001")

    assert desk.take() == ["cancel entry-0001"]


def test_an_unknown_entry_at_the_kill_is_closed_when_it_turns_up() -> None:
    """A lost entry keeps the day open; found filled, it is bought back, and then the day is over."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.lose("entry-0001", reached=True)
    desk.fill("entry-0001", 650, 129.95, heard=False)
    desk.say("kill")
    assert desk.of(SaveSummary) == []
    desk.take()
    desk.advance(15)
    bought = [line for line in desk.take() if line.startswith("place")]
    assert bought == ["place exit-0002 BUY 650 C260 MARKET"]
    fill_exit(desk, "exit-0002")

    assert len(desk.of(SaveSummary)) == 1


def test_what_is_bought_back_already_is_not_bought_again_by_the_day_exit() -> None:
    """With 130 of 650 being bought back for their risk, the kill buys 520 more and not 650."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.fill("entry-0001", 650, 126.95)
    desk.accept("stop-0002")
    desk.take()
    desk.say("kill")
    desk.cancelled("stop-0002")
    desk.accept("exit-0003")
    desk.fill("exit-0003", 130, 127.00)

    assert desk.take() == [
        "cancel stop-0002",
        "ask stop-0002",
        "place exit-0004 BUY 520 C260 MARKET",
    ]


# ------------------------------------------------------------ closed by somebody else


def test_what_the_user_closed_is_not_bought_again() -> None:
    """Two snapshots that show no short make an external close: the stop goes, nothing is bought."""
    desk = desk_of_five()
    desk.bought_elsewhere[C260] += 650
    desk.advance(10)
    assert desk.take() == ["cancel stop-0002"]
    desk.cancelled("stop-0002")
    desk.say("kill")
    for order_id in ("entry-0011", "stop-0004", "stop-0008"):
        desk.cancelled(order_id)

    bought = [line.split(" ")[4] for line in desk.take() if line.startswith("place")]
    assert bought == ["C261", "P260"]


def test_a_part_that_the_user_closed_shrinks_the_stop_and_the_exit() -> None:
    """Two lots closed by somebody else leave eight to protect and to buy back."""
    desk = desk_of_five()
    desk.bought_elsewhere[C260] += 130
    desk.advance(10)
    assert desk.take() == ["modify stop-0002 520 SL 140.00/143.00"]
    desk.modified("stop-0002")
    desk.say("kill")
    desk.cancelled("stop-0002")

    assert "place exit-0012 BUY 520 C260 MARKET" in desk.take()


def test_what_the_user_sold_on_top_is_left_to_the_user() -> None:
    """A broker's short larger than ours is closed only as far as it is ours."""
    desk = desk_of_five()
    desk.bought_elsewhere[C260] -= 650
    desk.advance(20)
    assert desk.take() == []
    desk.say("kill")
    desk.cancelled("stop-0002")

    assert "place exit-0012 BUY 650 C260 MARKET" in desk.take()


def test_buying_never_exceeds_what_the_broker_shows_as_short() -> None:
    """A kill just after a snapshot showed the position gone at the broker does not make us long."""
    desk = desk_of_five()
    desk.bought_elsewhere[C260] += 650
    desk.advance(5)
    desk.say("kill")
    for order_id in ("entry-0011", "stop-0002", "stop-0004", "stop-0008"):
        desk.cancelled(order_id)
    for order_id in desk.placed(Purpose.EXIT):
        fill_exit(desk, order_id)
    desk.advance(60)
    for order_id in desk.placed(Purpose.CORRECTION):
        fill_exit(desk, order_id)

    assert desk.net()[C260] == 0


def test_a_cancel_that_is_refused_is_asked_about_and_tried_again() -> None:
    """A refused cancel of a living stop is repeated two seconds later, and nothing is bought before."""
    desk = desk_of_five()
    desk.say("kill")
    desk.take()
    desk.refuse("stop-0002", "try later", Request.CANCEL)
    assert desk.take() == ["ask stop-0002"]
    desk.prove("stop-0002")
    assert desk.take() == []
    desk.advance(2)
    assert "cancel stop-0002" in desk.take()
    desk.cancelled("stop-0002")

    assert desk.take() == ["ask stop-0002", "place exit-0012 BUY 650 C260 MARKET"]


def test_a_close_by_hand_is_learned_however_late_the_books_come() -> None:
    """Stop filled, position also closed by hand, no books for minutes: the long of ours is still sold."""
    desk = Desk()
    desk.short(C260)
    desk.tick(C260, 140.00)
    desk.fill("stop-0002", 650, 140.00)
    desk.snapshots = False
    desk.bought_elsewhere[C260] = 650
    for _ in range(30):
        desk.advance(10)
        desk.snapshot_failed()
    desk.take()
    desk.snapshots = True
    desk.advance(70)

    assert "place correction-0003 SELL 650 C260 MARKET" in desk.take()
