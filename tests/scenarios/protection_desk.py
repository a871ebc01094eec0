"""A desk that holds one short, covered by a working stop."""

from __future__ import annotations

from tests.harness import Desk
from tests.harness_market import C260


def covered_short() -> Desk:
    """650 sold at 129.95, its stop 140.00/143.00 working, and the last price is half a minute old."""
    desk = Desk()
    desk.short(C260)
    desk.advance(31)
    desk.take()
    return desk
