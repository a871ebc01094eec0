"""A chase whose price the exchange refuses tries the same step again, from a fresh reference."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import Request
from tests.harness import Desk
from tests.harness_market import C260

RANGE = "limit price is above the protection range"


@pytest.fixture
def desk() -> Desk:
    """650 of C260 sold, its stop 140.00/143.00 left behind by a jump to 150."""
    desk = Desk()
    desk.short(C260)
    desk.advance(31)
    desk.tick(C260, 150.00)
    desk.take()
    return desk


def chased(desk: Desk) -> list[str]:
    """Let time pass until the chase goes on; its limit."""
    for _ in range(50):
        desk.advance(0.1)
        found = [line.split("/")[1] for line in desk.take() if line.startswith("modify")]
        if found:
            return found
    return []


def refuse(desk: Desk) -> None:
    """The broker refuses the newest change, and shows the stop as it was."""
    desk.refuse("stop-0002", RANGE, Request.MODIFY)
    desk.prove("stop-0002")


def test_a_refused_step_is_not_followed_by_one_further_out(desk: Desk) -> None:
    """3 % beyond 150 is refused: 3 % again, not 8 %; taken, the chase goes on as ever."""
    assert chased(desk) == ["154.50"]
    refuse(desk)
    assert chased(desk) == ["154.50"]
    desk.modified("stop-0002")

    assert chased(desk) == ["162.00"]


def test_the_same_step_follows_a_price_that_came_back(desk: Desk) -> None:
    """The reference has fallen meanwhile, so the same step is a lower limit."""
    assert chased(desk) == ["154.50"]
    refuse(desk)
    desk.tick(C260, 146.00)

    assert chased(desk) == ["152.40"]


def test_refusals_count_as_tries(desk: Desk) -> None:
    """After 18 refused changes the stop is cancelled and replaced, as after 18 that did not fill."""
    for _ in range(18):
        assert chased(desk) == ["154.50"]
        refuse(desk)
        desk.tick(C260, 150.00)
    desk.advance(5)

    assert desk.take()[-1] == "cancel stop-0002"
