"""A process that ends in the middle of a stage: each phase is taken up, and no part is bought twice."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import Purpose, Request
from baseline_v1_live.core.rules import Rules
from tests.harness import Desk
from tests.harness_market import C260
from tests.policy_desk import (
    STAGED,
    desk_with_short,
    first_stage,
    held,
    placed,
    reach,
    second_stage,
    shrink,
)


@pytest.fixture
def desk() -> Desk:
    """650 of C260 sold at 129.95, stop 2 working."""
    return desk_with_short(STAGED)


def filled_once(desk: Desk, order_id: str) -> None:
    """The limit fills; then the position is 390 with a stop of 390, and nothing else was bought."""
    desk.fill(order_id, 260, 99.95)
    desk.advance(10)

    assert desk.placed(Purpose.EXIT) == [order_id]
    assert (held(desk).open_quantity, desk.stop(C260).remaining) == (390, 390)


def test_before_the_stop_is_shrunk(desk: Desk) -> None:
    """A stop whose change was on its way is asked for; the stage goes on with what the broker shows."""
    reach(desk, 99.95)
    desk.restart()
    desk.prove("stop-0002")
    desk.advance(3)
    shrink(desk)
    assert placed(desk) == ["place exit-0003 BUY 260 C260 LIMIT 99.95"]
    desk.accept("exit-0003")

    filled_once(desk, "exit-0003")


def test_after_the_change_was_done_unheard(desk: Desk) -> None:
    """A stop that is the new size already is not changed again; the part is bought."""
    reach(desk, 99.95)
    desk.book[desk.full("stop-0002")].quantity = 390
    desk.restart()
    desk.prove("stop-0002")
    assert placed(desk) == ["place exit-0003 BUY 260 C260 LIMIT 99.95"]
    desk.accept("exit-0003")

    filled_once(desk, "exit-0003")


def test_between_the_change_and_its_proof(desk: Desk) -> None:
    """An acknowledged change is still no proof after a restart."""
    reach(desk, 99.95)
    desk.accept("stop-0002", Request.MODIFY)
    desk.restart()
    desk.advance(2)
    assert desk.placed(Purpose.EXIT) == []
    desk.take()
    shrink(desk)
    assert placed(desk) == ["place exit-0003 BUY 260 C260 LIMIT 99.95"]
    desk.accept("exit-0003")

    filled_once(desk, "exit-0003")


def test_with_the_limit_on_its_way(desk: Desk) -> None:
    """A limit whose answer was lost with the process is found by its values and not sent again."""
    reach(desk, 99.95)
    shrink(desk)
    desk._row("exit-0003")
    desk.restart()
    desk.prove("stop-0002")
    desk.advance(3)

    filled_once(desk, "exit-0003")


def test_with_a_limit_that_never_left(desk: Desk) -> None:
    """A limit that the broker never had leaves its part covered by the stop until it is known."""
    reach(desk, 99.95)
    shrink(desk)
    desk.restart()
    desk.prove("stop-0002")
    desk.advance(5)

    assert desk.take()[-1] == "modify stop-0002 650 SL 140.00/143.00"
    assert desk.placed(Purpose.EXIT) == ["exit-0003"]


def test_with_the_limit_at_the_broker(desk: Desk) -> None:
    """A limit that rests is taken up, chased, and fills once."""
    reach(desk, 99.95)
    shrink(desk)
    desk.accept("exit-0003")
    desk.restart()
    for order_id in ("stop-0002", "exit-0003"):
        desk.prove(order_id)
    desk.tick(C260, 99.95)
    desk.advance(1)
    desk.modified("exit-0003")

    filled_once(desk, "exit-0003")


def test_with_the_limit_filled_unheard(desk: Desk) -> None:
    """A fill of the time in between is found in the books."""
    reach(desk, 99.95)
    shrink(desk)
    desk.accept("exit-0003")
    desk.fill("exit-0003", 260, 99.95, heard=False)
    desk.restart()
    desk.prove("stop-0002")
    desk.advance(10)

    assert desk.placed(Purpose.EXIT) == ["exit-0003"]
    assert (held(desk).open_quantity, desk.stop(C260).remaining) == (390, 390)


def test_between_the_stages(desk: Desk) -> None:
    """A stage that is done stays done; the next one is still to come."""
    first_stage(desk)
    desk.restart()
    desk.prove("stop-0002")
    desk.take()
    reach(desk, 99.95)
    desk.advance(2)
    assert desk.take() == []
    second_stage(desk)

    assert (held(desk).open_quantity, desk.stop(C260).remaining) == (130, 130)


def test_under_another_policy(desk: Desk) -> None:
    """A part that was begun is bought also when the policy was changed in between; no further stage."""
    reach(desk, 99.95)
    desk._new_engine = Desk(rules=Rules(), index_symbol=None)._new_engine
    desk.restart()
    desk.prove("stop-0002")
    desk.advance(3)
    shrink(desk)
    assert placed(desk) == ["place exit-0003 BUY 260 C260 LIMIT 99.95"]
    desk.accept("exit-0003")
    desk.fill("exit-0003", 260, 99.95)
    reach(desk, 83.25)

    assert placed(desk) == []
    assert (held(desk).open_quantity, desk.stop(C260).remaining) == (390, 390)
