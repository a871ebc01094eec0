"""What a change of an order is for: the gateway's limiter sends the urgent ones first."""

from __future__ import annotations

from baseline_v1_live.core.messages import ModifyOrder, Purpose, Request
from tests.harness import Desk
from tests.harness_market import C260, later_swing


def changes(desk: Desk) -> list[tuple[Purpose | None, bool]]:
    """Of all changes so far: the purpose of their order, and whether its quantity changes."""
    return [(change.purpose, change.resizes) for change in desk.of(ModifyOrder)]


def test_an_entry_that_moves_is_an_entrys_change() -> None:
    """To the trigger of a newer swing, with another quantity or not."""
    desk = Desk()
    with desk.answered():
        desk.swing_low(C260, 130.00, 139.00)
        desk.minutes(C260, later_swing(131.50))

    assert {purpose for purpose, _ in changes(desk)} == {Purpose.ENTRY}


def test_a_stop_grows_with_its_entrys_fills_and_is_chased() -> None:
    """The two changes of a stop are told apart: one covers what is open, the other moves a price."""
    desk = Desk()
    with desk.answered():
        desk.swing_low(C260, 130.00, 139.00)
        desk.tick(C260, 129.95)
        entry = desk.entry(C260)
        desk.fill(entry.order_id, 65, 129.95)
        desk.fill(entry.order_id, 585, 129.95)
        assert changes(desk) == [(Purpose.STOP, True)]
        desk.tick(C260, 150.00)
        desk.advance(1)

    assert changes(desk) == [(Purpose.STOP, True), (Purpose.STOP, False)]


def test_the_chase_of_a_correction_is_no_entrys_change() -> None:
    """It sells, and what it sells is a long of our own."""
    desk = Desk()
    desk.short(C260)
    desk.say("flatten")
    desk.cancelled("stop-0002")
    desk.accept("exit-0003")
    desk.fill("exit-0003", 650, 130.00)
    desk.fill("stop-0002", 650, 140.00)
    desk.accept("correction-0004")
    desk.advance(1)
    desk.prove("correction-0004")
    desk.advance(2)

    assert changes(desk) == [(Purpose.CORRECTION, False)]


def test_a_chase_that_could_not_leave_is_decided_anew() -> None:
    """Held back by our own order rate: two seconds later it goes out at the price of then."""
    desk = Desk()
    desk.short(C260)
    desk.advance(31)
    desk.tick(C260, 150.00)
    desk.advance(1)
    desk.refuse("stop-0002", "held back by our own order rate", Request.MODIFY, sent=False)
    desk.take()
    desk.tick(C260, 170.00)
    desk.advance(1.9)
    assert desk.take() == []
    desk.advance(0.1)

    assert desk.take() == ["modify stop-0002 650 SL 140.00/172.80"]
