"""Closing everything while the broker refuses or stays silent: tried again, covered, and said."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import Level, Purpose, Request, SaveSummary
from baseline_v1_live.core.order_states import OrderState
from tests.harness import Desk, desk_of_five
from tests.harness_market import C260
from tests.scenarios.closing_desk import fill_exit, killed_desk


@pytest.fixture
def desk() -> Desk:
    return killed_desk()


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
