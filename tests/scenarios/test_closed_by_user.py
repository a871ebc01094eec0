"""What the user has closed, or sold on top, beside us: no more is bought back than is ours and short."""

from __future__ import annotations

from baseline_v1_live.core.messages import Purpose
from tests.harness import Desk, desk_of_five
from tests.harness_market import C260
from tests.scenarios.closing_desk import fill_exit


def test_what_the_user_closed_is_not_bought_again() -> None:
    """Two snapshots that show no short make an external close: the stop goes, nothing is bought."""
    desk = desk_of_five()
    desk.bought_elsewhere[C260] += 650
    desk.advance(10)
    assert desk.take() == ["cancel stop-0002"]
    desk.cancelled("stop-0002")
    desk.say("kill")
    for order_id in ("entry-0011", "stop-0004", "stop-0008"):
        desk.cancelled(order_id)

    bought = [line.split(" ")[4] for line in desk.take() if line.startswith("place")]
    assert bought == ["C261", "P260"]


def test_a_part_that_the_user_closed_shrinks_the_stop_and_the_exit() -> None:
    """Two lots closed by somebody else leave eight to protect and to buy back."""
    desk = desk_of_five()
    desk.bought_elsewhere[C260] += 130
    desk.advance(10)
    assert desk.take() == ["modify stop-0002 520 SL 140.00/143.00"]
    desk.modified("stop-0002")
    desk.say("kill")
    desk.cancelled("stop-0002")

    assert "place exit-0012 BUY 520 C260 MARKET" in desk.take()


def test_what_the_user_sold_on_top_is_left_to_the_user() -> None:
    """A broker's short larger than ours is closed only as far as it is ours."""
    desk = desk_of_five()
    desk.bought_elsewhere[C260] -= 650
    desk.advance(20)
    assert desk.take() == []
    desk.say("kill")
    desk.cancelled("stop-0002")

    assert "place exit-0012 BUY 650 C260 MARKET" in desk.take()


def test_buying_never_exceeds_what_the_broker_shows_as_short() -> None:
    """A kill just after a snapshot showed the position gone at the broker does not make us long."""
    desk = desk_of_five()
    desk.bought_elsewhere[C260] += 650
    desk.advance(5)
    desk.say("kill")
    for order_id in ("entry-0011", "stop-0002", "stop-0004", "stop-0008"):
        desk.cancelled(order_id)
    for order_id in desk.placed(Purpose.EXIT):
        fill_exit(desk, order_id)
    desk.advance(60)
    for order_id in desk.placed(Purpose.CORRECTION):
        fill_exit(desk, order_id)

    assert desk.net()[C260] == 0


def test_a_close_by_hand_is_learned_however_late_the_books_come() -> None:
    """Stop filled, position also closed by hand, no books for minutes: the long of ours is still sold."""
    desk = Desk()
    desk.short(C260)
    desk.tick(C260, 140.00)
    desk.fill("stop-0002", 650, 140.00)
    desk.snapshots = False
    desk.bought_elsewhere[C260] = 650
    for _ in range(30):
        desk.advance(10)
        desk.snapshot_failed()
    desk.take()
    desk.snapshots = True
    desk.advance(70)

    assert "place correction-0003 SELL 650 C260 MARKET" in desk.take()
