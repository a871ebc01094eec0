"""A position book that lies: without a row nothing is closed, until the trade book says so too."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.engine import TradingState
from baseline_v1_live.core.messages import BrokerStatus, Level, OrderType, Purpose, Side
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.core.rules import Rules
from tests.harness import Desk
from tests.harness_market import C260, P260

NO_ROWS: dict[str, int] = {}


@pytest.fixture
def desk() -> Desk:
    """A short of 650 in C260 with its stop; books are read when a test says."""
    desk = Desk()
    desk.short(C260)
    desk.advance(6)
    desk.snapshots = False
    desk.take()
    return desk


def traded_by_hand(desk: Desk, side: Side, quantity: int, name: str = "hand-0001") -> None:
    """Somebody trades C260 at the market: it is in every book of the broker."""
    row = desk.stray(name, C260, quantity, 0, 0, side=side, order_type=OrderType.MARKET)
    row.status, row.filled_quantity = BrokerStatus.COMPLETE, quantity
    row.filled_value_paise = quantity * 12_900


def orders_sent(desk: Desk) -> list[str]:
    return [line for line in desk.take() if not line.startswith("ask")]


def test_an_empty_position_book_closes_nothing(desk: Desk) -> None:
    """Two looks in a row without any position: the stop stays, and it is said once."""
    for _ in range(5):
        desk.advance(1)
        desk.snapshot(net=NO_ROWS)

    assert orders_sent(desk) == []
    assert desk.engine.positions.open_short(C260) == 650
    assert desk.state("stop-0002") is OrderState.TRIGGER_PENDING
    assert len(desk.said("RECONCILE", Level.CRITICAL)) == 1


def test_one_empty_look_is_not_even_said(desk: Desk) -> None:
    """A book that lies once, however often, is looked at again in a second and leaves no word."""
    for _ in range(3):
        desk.snapshot(net=NO_ROWS)
        desk.advance(1)
        desk.snapshot()
        desk.advance(1)

    assert orders_sent(desk) == []
    assert desk.said("RECONCILE", Level.CRITICAL) == []


def test_looks_that_are_not_in_a_row_do_not_add_up(desk: Desk) -> None:
    """Beside somebody else's short, a row of zero now and then is no proof: only in a row it is."""
    for net in (0, -780, 0, -780, 0):
        desk.advance(1)
        desk.snapshot(net={C260: net})

    assert orders_sent(desk) == []
    desk.advance(1)
    desk.snapshot(net={C260: 0})
    assert orders_sent(desk) == ["cancel stop-0002"]


def test_a_broker_that_drops_closed_rows_is_believed_by_its_trades(desk: Desk) -> None:
    """Closed by hand, without a row since: the trade book has the purchase, and the stop goes at once."""
    traded_by_hand(desk, Side.BUY, 650)
    desk.snapshot(net=NO_ROWS)

    assert orders_sent(desk) == ["cancel stop-0002"]
    assert desk.engine.positions.open_short(C260) == 0


def test_a_purchase_in_both_books_needs_no_second_look(desk: Desk) -> None:
    """Bought back in part by hand: the stop is as large as what is left after one look."""
    traded_by_hand(desk, Side.BUY, 260)
    desk.snapshot()

    assert orders_sent(desk) == ["modify stop-0002 390 SL 140.00/143.00"]


def test_a_position_that_is_missing_for_long_stops_entries(desk: Desk) -> None:
    """After 20 s of books that do not add up nothing is sold; when they do, it is again."""
    for _ in range(19):
        desk.snapshot(net=NO_ROWS)
        desk.advance(1)
    assert desk.engine.gate() is None
    desk.snapshot(net=NO_ROWS)
    desk.advance(2)
    assert desk.engine.gate() == "books_unclear"
    desk.snapshot()

    assert desk.engine.gate() is None


def test_books_that_cannot_be_read_for_long_stop_entries(desk: Desk) -> None:
    """A resting entry is taken out when the books were not readable for 20 s, and people are told."""
    desk.snapshots = True
    with desk.answered():
        desk.swing_low(P260, 130.00, 139.00)
    desk.snapshots = False
    desk.take()
    for _ in range(17):
        desk.advance(1)
        desk.snapshot_failed()
    assert desk.state("entry-0003") is OrderState.TRIGGER_PENDING
    desk.advance(7)
    desk.prove("entry-0003")

    assert "cancel entry-0003" in desk.take()
    assert desk.engine.gate() == "books_unread"
    assert len(desk.said("RECONCILE", Level.CRITICAL)) == 1
    desk.snapshot()
    assert desk.engine.gate() is None


def test_the_start_does_not_believe_an_empty_position_book_either(desk: Desk) -> None:
    """Taken up again with a short that has no row: it keeps its stop, and nothing is sold before the
    books add up.
    """
    desk.restart()
    desk.snapshot(net=NO_ROWS)
    desk.advance(1)
    desk.snapshot(net=NO_ROWS)

    assert orders_sent(desk) == []
    assert desk.engine.state is TradingState.RECONCILING
    desk.snapshot()
    assert desk.engine.state is TradingState.ENABLED
    assert desk.engine.positions.open_short(C260) == 650


def test_a_start_without_its_journal_does_not_believe_it_either() -> None:
    """The state is lost and the position book is empty, but the trade book has a sale: not flat."""
    desk = Desk(rules=Rules(foreign_position="ours"), snapshots=False)
    desk.clock("09:16:00")
    desk.tick(C260, 129.00)
    traded_by_hand(desk, Side.SELL, 650)
    desk.snapshot(net=NO_ROWS)
    desk.snapshot(net=NO_ROWS)
    assert desk.engine.state is TradingState.RECONCILING
    desk.snapshot()
    desk.advance(1)
    desk.snapshot()

    assert desk.engine.positions.open_short(C260) == 650
    assert desk.placed(Purpose.STOP) != []


def test_an_empty_position_book_does_not_end_the_day() -> None:
    """After the day's exit the broker must show zero: a book without our row shows nothing."""
    desk = Desk(auto=True)
    desk.short(C260)
    desk.advance(6)
    # The exit fills, and the broker in truth holds the short still.
    desk.bought_elsewhere[C260] = -650
    desk.snapshots = False
    desk.say("kill")
    for _ in range(5):
        desk.advance(2)
        row = desk.book.get(desk.full("exit-0003"))
        assert row is not None
        filled, row.filled_quantity = row.filled_quantity, 0
        desk.snapshot(net=NO_ROWS)
        row.filled_quantity = filled

    assert not desk.engine.day_over
