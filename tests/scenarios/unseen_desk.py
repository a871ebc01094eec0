"""A desk at which the stop of a short got no answer, and what the broker may have of it."""

from __future__ import annotations

from baseline_v1_live.core.position import Position
from tests.harness import Desk
from tests.harness_market import C260

STOP = "BUY 650 C260 SL 140.00/143.00"


def a_stop_in_flight() -> Desk:
    """A short of 650 in C260 whose stop is decided on and not answered."""
    desk = Desk()
    with desk.answered():
        desk.swing_low(C260, 130.00, 139.00)
    desk.take()
    desk.fill("entry-0001", 650, 129.95)
    assert desk.take() == [f"place stop-0002 {STOP}"]
    return desk


def lost_stop() -> Desk:
    """A short of 650 in C260 whose stop got no answer and is in no book."""
    desk = a_stop_in_flight()
    desk.lose("stop-0002")
    return desk


def stop_arrives(desk: Desk, order_id: str = "stop-0002") -> None:
    """The broker has the order after all; nobody says so."""
    desk._row(order_id)


def position(desk: Desk) -> Position:
    held = desk.position(C260)
    assert held is not None
    return held
