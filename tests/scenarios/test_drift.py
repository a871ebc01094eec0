"""How soon a difference between the bot and the broker is found, and what no bad tick may decide."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import (
    BrokerStatus,
    Command,
    Level,
    Notify,
    OrderType,
    Purpose,
    SetTimer,
    Side,
    TakeSnapshot,
    Tick,
)
from tests.harness import Desk
from tests.harness_market import C260, INDEX

FOUND_WITHIN_S = 10
MENDED_WITHIN_S = 5
HALTED_WITHIN_S = 30


def held() -> Desk:
    """A short of 650 in C260 with its stop, books read a moment ago."""
    desk = Desk()
    desk.short(C260)
    desk.advance(61)
    read = len(desk.of(TakeSnapshot))
    while len(desk.of(TakeSnapshot)) == read:
        desk.advance(0.1)
    desk.take()
    return desk


def bought_by_hand(desk: Desk, quantity: int) -> None:
    """Somebody buys C260 back: it is in every book of the broker."""
    row = desk.stray("hand-0001", C260, quantity, 0, 0, side=Side.BUY, order_type=OrderType.MARKET)
    row.status, row.filled_quantity = BrokerStatus.COMPLETE, quantity
    row.filled_value_paise = quantity * 12_900


def test_a_fill_that_nobody_told_is_found_within_ten_seconds() -> None:
    """An entry that was proven cancelled fills an hour later, unheard: soon it has its stop."""
    desk = Desk()
    with desk.answered():
        desk.swing_low(C260, 130.00, 139.00)
    desk.say("pause")
    desk.prove("entry-0001")
    desk.cancelled("entry-0001")
    desk.advance(3_600)
    desk.take()
    desk.fill("entry-0001", 650, 129.95, heard=False)
    desk.advance(FOUND_WITHIN_S)

    assert "place stop-0002 BUY 650 C260 SL 140.00/143.00" in desk.take()


@pytest.mark.parametrize("in_the_trade_book", [True, False])
def test_a_stop_whose_position_is_closed_by_hand_goes_within_five_seconds(
    in_the_trade_book: bool,
) -> None:
    """Just after the books were read a short is bought back by hand: its stop is cancelled in time."""
    desk = held()
    if in_the_trade_book:
        bought_by_hand(desk, 650)
    else:
        desk.bought_elsewhere[C260] += 650
    desk.advance(MENDED_WITHIN_S - 0.5)

    assert desk.take() == ["cancel stop-0002"]


@pytest.mark.parametrize("bought", [325, 650])
def test_what_our_stop_has_bought_is_not_somebody_elses_while_the_trade_book_lags(
    bought: int,
) -> None:
    """A stop fills unheard, in part or whole: its row and the position book show it, the trade book some
    seconds later. Nobody else has closed it: the rest stays covered, and nothing is sold.
    """
    desk = held()
    desk.snapshots = False
    desk.tick(C260, 140.00)
    desk.fill("stop-0002", bought, 140.00, heard=False)
    for _ in range(4):
        desk.advance(0.4)
        desk.snapshot(untraded="stop-0002")
    desk.snapshot()
    desk.hear_fill("stop-0002")

    position = desk.position(C260)
    assert position is not None
    assert (position.external_quantity, position.open_quantity) == (0, 650 - bought)
    assert not any(line.startswith("place") for line in desk.take())


def test_books_that_are_not_to_be_had_halt_entries_within_thirty_seconds() -> None:
    """What cannot be compared may differ: half a minute later nothing is sold, and it is said."""
    desk = held()
    desk.snapshots = False
    desk.advance(HALTED_WITHIN_S)

    assert desk.engine.gate() == "books_unread"
    assert len(desk.said("RECONCILE", Level.CRITICAL)) == 1
    assert desk.take() == []


def acts(commands: list[Command]) -> list[Command]:
    return [c for c in commands if not isinstance(c, Notify | SetTimer)]


@pytest.mark.parametrize(
    "bad",
    [
        {"ltp_paise": 0},
        {"ltp_paise": -14_100},
        {"ltp_paise": 2_600_000},
        {"ltp_paise": 40_000},
        {"ltp_paise": 14_100, "exchange_at_ms": 1},
        {"ltp_paise": 14_100, "exchange_at_ms": 1 << 50},
    ],
    ids=["zero", "negative", "the index level", "a jump", "out of order", "from the future"],
)
def test_nothing_is_decided_on_a_quarantined_tick(bad: dict[str, int]) -> None:
    """Through the stop, the R limit or the trigger of an entry: a tick that is not believed moves
    nothing, whatever it says.
    """
    desk = held()
    desk.feed(Tick(symbol=INDEX, ltp_paise=2_600_000))
    desk.tick(C260, 129.00)
    desk.advance(0.3)
    position = desk.position(C260)
    assert position is not None
    mark, seen = position.mark_paise, position.last_tick_ms
    commands = desk.feed(Tick(symbol=C260, **bad))

    assert acts(commands) == []
    assert (position.mark_paise, position.last_tick_ms) == (mark, seen)
    assert desk.order("stop-0002").triggered_at_ms is None
    assert sum(desk.engine.market.quarantined.values()) == 1
    assert desk.placed(Purpose.EXIT) == []
