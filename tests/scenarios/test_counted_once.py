"""R counts every position once, also one that was closed and turns out not to be."""

from __future__ import annotations

from tests.harness import Desk
from tests.harness_market import C260


def test_a_closed_position_that_is_opened_again_is_counted_once() -> None:
    """Our stop and somebody else both closed a short: the loss of the long is its own, not twice."""
    desk = Desk(index_symbol=None)
    desk.short(C260)
    desk.tick(C260, 140.00)
    desk.fill("stop-0002", 650, 140.00)
    assert desk.engine.r_milli == -1_005
    desk.bought_elsewhere[C260] = 650
    desk.advance(12)
    position = desk.position(C260)
    assert position is not None

    assert position.open_quantity == -650
    assert desk.engine.pnl_paise == position.pnl_paise
