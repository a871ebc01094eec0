"""A stop that fails is placed once more, then its short is bought back; three of them end entries."""

from __future__ import annotations

import pytest

from baseline_v1_live.adapters.openalgo.wire.outcomes import as_event, outcome
from baseline_v1_live.adapters.openalgo.wire.values import parse_reply
from baseline_v1_live.core.messages import BrokerStatus, Level, Purpose, Request
from baseline_v1_live.core.order_states import OrderState
from tests.harness import Desk
from tests.harness_market import C260, C261, P260, P261
from tests.scenarios.protection_desk import covered_short


@pytest.fixture
def desk() -> Desk:
    return covered_short()


def fail(desk: Desk, order_id: str) -> None:
    """The broker ends a working stop on its own."""
    desk.prove(order_id, BrokerStatus.CANCELLED)


def test_a_refused_stop_is_placed_once_more_at_once(desk: Desk) -> None:
    """The first failure of a stop is answered with the same stop in the same step."""
    fail(desk, "stop-0002")

    assert desk.take() == ["place stop-0003 BUY 650 C260 SL 140.00/143.00"]


@pytest.mark.parametrize("ending", ["refused", "rejected", "cancelled"])
def test_the_second_failure_is_a_market_exit_with_an_alarm(desk: Desk, ending: str) -> None:
    """Refused, rejected or cancelled once more, the position is bought back at the market at once."""
    fail(desk, "stop-0002")
    alarms = len(desk.said("ORDER", Level.CRITICAL))
    desk.take()
    if ending == "refused":
        desk.refuse("stop-0003", "trigger price is below the last price")
    else:
        desk.accept("stop-0003")
        desk.prove("stop-0003", BrokerStatus(ending))

    assert desk.take() == ["place exit-0004 BUY 650 C260 MARKET"]
    assert len(desk.said("ORDER", Level.CRITICAL)) == alarms + 1
    position = desk.position(C260)
    assert position is not None
    assert position.open_quantity == 650


def test_a_bare_word_of_cancellation_is_asked_about_before_a_second_stop(desk: Desk) -> None:
    """A stop said to be cancelled is asked about; a new one follows the proof, not the word."""
    desk.update("stop-0002", BrokerStatus.CANCELLED)
    assert desk.take() == ["ask stop-0002"]
    desk.prove("stop-0002", BrokerStatus.CANCELLED)

    assert desk.take() == ["place stop-0003 BUY 650 C260 SL 140.00/143.00"]


def test_a_stop_cancelled_after_a_partial_fill_is_replaced_for_the_rest(desk: Desk) -> None:
    """What the failed stop bought is not protected again."""
    desk.fill("stop-0002", 260, 140.00, heard=False)
    fail(desk, "stop-0002")

    assert desk.take() == ["place stop-0003 BUY 390 C260 SL 140.00/143.00"]


def test_the_market_exit_buys_no_more_than_is_short(desk: Desk) -> None:
    """What the second stop had bought before it was thrown out is not bought again."""
    fail(desk, "stop-0002")
    desk.accept("stop-0003")
    desk.fill("stop-0003", 260, 140.00)
    desk.take()
    fail(desk, "stop-0003")

    assert desk.take() == ["place exit-0004 BUY 390 C260 MARKET"]


def test_a_stop_that_never_left_this_machine_is_tried_again_and_is_no_failure(desk: Desk) -> None:
    """With the gateway unreachable the stop is tried again each second and does not end the day."""
    fail(desk, "stop-0002")
    desk.take()
    for number in range(3, 8):
        desk.refuse(f"stop-000{number}", "connection refused", sent=False)
        assert desk.take() == []
        desk.advance(1)
        assert desk.take() == [f"place stop-000{number + 1} BUY 650 C260 SL 140.00/143.00"]

    assert desk.engine.positions.stop_failures == 1
    assert desk.engine.positions.entries_stopped_by is None


def test_three_stop_failures_in_a_day_stop_entries() -> None:
    """The third failure of the day, in whatever symbols, stops entries and cancels what rests."""
    desk = Desk()
    for symbol in (C260, C261, P261):
        desk.short(symbol)
    with desk.answered():
        desk.swing_low(P260, 130.00, 139.00)
        fail(desk, "stop-0002")
        fail(desk, "stop-0004")
    assert desk.entries() == ["P260"]
    desk.take()
    fail(desk, "stop-0006")

    assert desk.take() == ["place stop-0010 BUY 650 P261 SL 140.00/143.00", "ask entry-0007"]
    desk.prove("entry-0007")
    assert desk.take() == ["cancel entry-0007"]
    assert desk.engine.entries_halted


def test_a_rejected_trigger_is_not_a_naked_position(desk: Desk) -> None:
    """A stop that the exchange rejects when it triggers is replaced, and that failing too, bought."""
    desk.tick(C260, 190.00)
    desk.prove("stop-0002", BrokerStatus.REJECTED)
    assert desk.take() == ["place stop-0003 BUY 650 C260 SL 140.00/143.00"]
    desk.refuse("stop-0003", "trigger price is below the last price")

    assert desk.take() == ["place exit-0004 BUY 650 C260 MARKET"]


def test_an_exit_that_meets_the_gateways_limiter_leaves_again_in_time(desk: Desk) -> None:
    """Its 429 says that nothing was sent: it leaves again within two seconds, and from the third on, with
    a stop over the short meanwhile, within five.
    """
    desk.say("kill")
    desk.cancelled("stop-0002")
    for waits_s in (2, 2, 5, 5):
        sent = desk.placed(Purpose.EXIT)
        reply = parse_reply(429, b'{"message": "10 per 1 second"}')
        desk.feed(as_event(outcome(reply), desk.full(sent[-1]), Request.PLACE))
        desk.advance(0.1)
        if waits_s == 5:
            stop = desk.placed(Purpose.STOP)[-1]
            assert desk.state(stop) is OrderState.IN_FLIGHT
            desk.accept(stop)
            desk.advance(waits_s)
            desk.cancelled(stop)
        else:
            desk.advance(waits_s)
        assert len(desk.placed(Purpose.EXIT)) == len(sent) + 1
