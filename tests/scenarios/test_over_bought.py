"""What our own orders bought too much is sold again: exactly that, at once, and never twice."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import Level, Purpose
from baseline_v1_live.core.order_states import OrderState
from tests.harness import Desk
from tests.harness_market import C260
from tests.scenarios.protection_desk import covered_short


@pytest.fixture
def desk() -> Desk:
    return covered_short()


def test_what_our_own_orders_over_bought_is_sold_at_once_exactly(desk: Desk) -> None:
    """A stop that fills after its exit did makes us long 650: 650 are sold, entries stop, an alarm."""
    desk.say("flatten")
    desk.cancelled("stop-0002")
    desk.accept("exit-0003")
    desk.fill("exit-0003", 650, 130.00)
    desk.take()
    alarms = len(desk.said("EXIT", Level.CRITICAL))
    desk.fill("stop-0002", 650, 140.00)

    assert desk.take() == ["place correction-0004 SELL 650 C260 MARKET"]
    assert desk.engine.entries_halted
    assert len(desk.said("EXIT", Level.CRITICAL)) == alarms + 1


def test_an_over_bought_part_is_sold_and_nothing_beyond_it(desk: Desk) -> None:
    """Too much by 130 is corrected by 130, once, while the correction is on its way and after it."""
    desk.say("flatten")
    desk.cancelled("stop-0002")
    desk.accept("exit-0003")
    desk.fill("exit-0003", 650, 130.00)
    desk.take()
    desk.fill("stop-0002", 130, 140.00)
    assert desk.take() == ["place correction-0004 SELL 130 C260 MARKET"]
    desk.advance(0.5)
    desk.accept("correction-0004")
    desk.fill("correction-0004", 130, 141.00)
    desk.advance(60)

    assert desk.take() == []
    assert desk.net()[C260] == 0


def refused_thrice(desk: Desk) -> None:
    """A long of 650 whose fourth correction has been accepted."""
    desk.say("flatten")
    desk.cancelled("stop-0002")
    desk.accept("exit-0003")
    desk.fill("exit-0003", 650, 130.00)
    desk.fill("stop-0002", 650, 140.00)
    for name, wait_s in (("0004", 3), ("0005", 3), ("0006", 6)):
        desk.refuse(f"correction-{name}", "RMS: margin exceeds")
        desk.advance(wait_s)
    desk.accept("correction-0007")


@pytest.mark.parametrize("filled", [520, 0])
def test_a_correction_that_was_taken_begins_the_tries_anew(desk: Desk, filled: int) -> None:
    """Refused three times, then taken and cancelled, traded in part or not: two seconds later the rest is
    sold, which is well within the five in which a long is gone.
    """
    refused_thrice(desk)
    if filled:
        desk.fill("correction-0007", filled, 141.00)
    desk.take()
    desk.cancelled("correction-0007")
    desk.advance(1.9)
    assert not desk.placed(Purpose.CORRECTION)[4:]
    desk.advance(0.2)

    assert f"place correction-0008 SELL {650 - filled} C260 MARKET" in desk.take()


def test_corrections_that_are_cancelled_again_and_again_back_off(desk: Desk) -> None:
    """Whoever takes them all and cancels them all is not asked every two seconds for ever."""
    refused_thrice(desk)
    for name in ("0007", "0008", "0009"):
        desk.accept(f"correction-{name}")
        desk.cancelled(f"correction-{name}")
        desk.advance(2.1)
    assert not desk.placed(Purpose.CORRECTION)[6:]
    desk.advance(3)

    assert len(desk.placed(Purpose.CORRECTION)) == 7


@pytest.mark.parametrize(("sold", "corrected"), [(-650, 0), (-520, 130)])
def test_beside_a_short_of_somebody_else_only_the_long_is_sold(
    desk: Desk, sold: int, corrected: int
) -> None:
    """What we bought too much has closed his short, as far as it reaches: a sale would open one that
    nobody covers. It is booked as closed outside when the books show it.
    """
    desk.bought_elsewhere[C260] = sold
    desk.advance(10)
    desk.say("flatten")
    desk.cancelled("stop-0002")
    desk.accept("exit-0003")
    desk.fill("exit-0003", 650, 130.00)
    desk.advance(10)
    desk.take()
    desk.fill("stop-0002", 650, 140.00)

    sale = f"place correction-0004 SELL {corrected} C260 MARKET"
    assert desk.take() == ([sale] if corrected else [])
    if corrected:
        desk.accept("correction-0004")
        desk.fill("correction-0004", corrected, 141.00)
    desk.advance(20)

    assert desk.placed(Purpose.CORRECTION) == (["correction-0004"] if corrected else [])
    assert desk.engine.positions.open_short(C260) == 0
    assert desk.engine.entries_halted


def test_a_correction_of_unknown_outcome_is_not_sent_twice(desk: Desk) -> None:
    """While a correction's outcome is unknown nothing more is sold."""
    desk.say("flatten")
    desk.cancelled("stop-0002")
    desk.accept("exit-0003")
    desk.fill("exit-0003", 650, 130.00)
    desk.fill("stop-0002", 650, 140.00)
    desk.lose("correction-0004", reached=True)
    desk.snapshots = False
    desk.take()
    desk.advance(100)

    assert desk.placed(Purpose.CORRECTION) == ["correction-0004"]
    assert desk.state("correction-0004") is OrderState.UNKNOWN
