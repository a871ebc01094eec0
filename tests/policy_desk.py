"""A desk under one of the exit policies, and the steps that its tests share.

The worked position is 650 of C260 sold at 129.95 with stop 2 at 140.00: it alone is at +3R at 99.95, at
+4R at 89.95, and its own +2R is 109.95.
"""

from __future__ import annotations

from baseline_v1_live.core.position import Position
from baseline_v1_live.core.rules import ExitPolicy, Rules
from tests.harness import Desk
from tests.harness_market import C260

STAGED = Rules(exit_policy=ExitPolicy.STAGED)
FIXED = Rules(exit_policy=ExitPolicy.FIXED)
TRAILING = Rules(exit_policy=ExitPolicy.TRAILING)


def desk_with_short(rules: Rules) -> Desk:
    """The worked position, its stop working."""
    desk = Desk(rules=rules, index_symbol=None)
    desk.short(C260)
    desk.take()
    return desk


def reach(desk: Desk, price: float, symbol: str = C260) -> None:
    """The price, and a second later it is still there."""
    desk.tick(symbol, price)
    desk.advance(1)
    desk.tick(symbol, price)


def shrink(desk: Desk, stop: str = "stop-0002") -> None:
    """The broker takes the stop's newest size and proves it."""
    desk.modified(stop)
    desk.prove(stop)


def first_stage(desk: Desk) -> None:
    """Through +3R: 260 bought back at 99.95 by exit 3, the stop covers 390."""
    reach(desk, 99.95)
    shrink(desk)
    desk.accept("exit-0003")
    desk.fill("exit-0003", 260, 99.95)
    desk.take()


def second_stage(desk: Desk) -> None:
    """Through +4R: 260 more at 83.25 by exit 4, the stop covers 130."""
    reach(desk, 83.25)
    shrink(desk)
    desk.accept("exit-0004")
    desk.fill("exit-0004", 260, 83.25)
    desk.take()


def held(desk: Desk, symbol: str = C260) -> Position:
    """The newest position of a symbol."""
    found = desk.position(symbol)
    assert found is not None
    return found


def placed(desk: Desk) -> list[str]:
    """The placements since the last look, other commands left out."""
    return [line for line in desk.take() if line.startswith("place")]
