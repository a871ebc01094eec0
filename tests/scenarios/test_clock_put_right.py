"""The machine's clock ran an hour ahead, and was put right before the bot was started again."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import OrderType, Purpose
from tests.harness import Desk
from tests.harness_market import C260

AN_HOUR_S = 3_600


@pytest.fixture
def desk() -> Desk:
    """By the wrong clock it is eleven, and the exit of a short in C260 has just left."""
    desk = Desk()
    desk.short(C260)
    desk.clock("11:00:00")
    desk.say("kill")
    desk.cancelled("stop-0002")
    return desk


def test_a_refused_exit_does_not_wait_for_the_time_of_the_wrong_clock(desk: Desk) -> None:
    """It is tried again as soon as the books are read."""
    desk.refuse("exit-0003")
    desk.restart(after=-AN_HOUR_S)
    desk.advance(3)

    assert desk.placed(Purpose.EXIT)[-1] == "exit-0004"


def test_what_somebody_buys_an_hour_later_is_not_our_exits_doing(desk: Desk) -> None:
    """Our exit closed the short; a purchase by hand long after that is not sold."""
    desk.accept("exit-0003")
    desk.fill("exit-0003", 650, 129.95)
    desk.advance(10)
    desk.restart(after=-AN_HOUR_S)
    desk.advance(600)
    desk.stray("hand-9001", C260, 130, 0, 0, order_type=OrderType.MARKET)
    hand = desk.book[desk.full("hand-9001")]
    hand.filled_quantity, hand.filled_value_paise = 130, 130 * 12_900
    desk.advance(30)

    assert desk.placed(Purpose.CORRECTION) == []
