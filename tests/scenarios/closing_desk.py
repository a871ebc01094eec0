"""A desk at which everything is being closed, and an exit that fills there."""

from __future__ import annotations

from tests.harness import Desk, desk_of_five


def killed_desk() -> Desk:
    """Killed, and every cancel proven: exits 12, 13 and 14 for C260, C261 and P260 are on their way."""
    desk = desk_of_five()
    desk.say("kill")
    for order_id in ("entry-0011", "stop-0002", "stop-0004", "stop-0008"):
        desk.cancelled(order_id)
    assert [line for line in desk.take() if line.startswith("place")] == [
        "place exit-0012 BUY 650 C260 MARKET",
        "place exit-0013 BUY 650 C261 MARKET",
        "place exit-0014 BUY 650 P260 MARKET",
    ]
    return desk


def fill_exit(desk: Desk, order_id: str, price: float = 129.95) -> None:
    desk.accept(order_id)
    desk.fill(order_id, desk.order(order_id).remaining, price)
