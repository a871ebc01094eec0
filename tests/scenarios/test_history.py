"""When the gateway's history is asked for: after the start, after a gap, and until it is enough."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.instruments import paise
from baseline_v1_live.core.messages import (
    Bar,
    BarsLoaded,
    FeedBack,
    FeedSilent,
    HistoryFailed,
    LoadHistory,
)
from baseline_v1_live.core.rules import Rules
from tests.harness import Desk
from tests.harness_market import C259, C260, C261, P260, SHORT_NAMES, at


@pytest.fixture
def desk() -> Desk:
    """Started in the middle of the day; every symbol was asked for, and all answered but C260."""
    desk = Desk(start="11:00:30")
    for symbol in SHORT_NAMES:
        if symbol != C260:
            desk.history(symbol, "10:58", (120.0, 120.0, 120.0, 120.0))
    return desk


def asked(desk: Desk) -> list[str]:
    """Short names of all symbols asked for since the last call."""
    fresh, desk._taken = desk.commands[desk._taken :], len(desk.commands)
    return [SHORT_NAMES[c.symbol] for c in fresh if isinstance(c, LoadHistory)]


def bar(minute: str) -> Bar:
    return Bar(at(minute), *[paise(120.0)] * 4, 65)


def answer(desk: Desk, *minutes: str) -> None:
    desk.feed(BarsLoaded(symbol=C260, bars=tuple(bar(minute) for minute in minutes)))


def test_every_symbol_is_asked_for_after_a_start_during_the_day() -> None:
    """A start after the open asks for the history of all symbols, once the books have been read."""
    desk = Desk(start="11:00:30", snapshots=False)
    assert asked(desk) == []
    desk.snapshot()

    assert sorted(asked(desk)) == sorted(SHORT_NAMES.values())


def test_a_start_before_the_open_needs_no_history() -> None:
    """Who sees the day from its first minute asks for nothing."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)

    assert asked(desk) == []


def test_without_a_need_of_history_nothing_is_asked_for() -> None:
    """Where the rules need no history, none is asked for."""
    desk = Desk(start="11:00:30", rules=Rules(history_required=False))
    desk.tick(C260, 120.0)
    desk.advance(300)

    assert asked(desk) == []


def test_the_minute_in_which_the_ticks_began_is_asked_for_when_it_is_over(desk: Desk) -> None:
    """History is asked for again 5 s after the end of the minute that was seen only partly."""
    answer(desk, "10:58", "10:59")
    desk.tick(C260, 120.0)
    asked(desk)
    desk.clock("11:01:04")
    assert asked(desk) == []
    desk.clock("11:01:05")
    assert asked(desk) == ["C260"]
    answer(desk, "10:59", "11:00")

    assert C260 not in desk.engine.market.minutes_missing
    desk.advance(300)
    assert asked(desk) == []


def test_a_symbol_without_a_tick_is_not_asked_for_again(desk: Desk) -> None:
    """Before a tick no history can make a symbol whole: it is asked for when it ticks."""
    answer(desk, "10:58", "10:59")
    asked(desk)
    desk.clock("11:10:00")
    assert asked(desk) == []
    desk.tick(C260, 120.0)
    desk.clock("11:11:05")

    assert asked(desk) == ["C260"]


def test_history_that_lags_is_asked_for_again(desk: Desk) -> None:
    """An answer without the partly seen minute is followed by another request 30 s later."""
    answer(desk, "10:58", "10:59")
    desk.tick(C260, 120.0)
    desk.clock("11:01:05")
    answer(desk, "10:58", "10:59")
    asked(desk)
    desk.clock("11:01:34")
    assert asked(desk) == []
    desk.clock("11:01:35")

    assert asked(desk) == ["C260"]


def test_history_that_failed_is_asked_for_again(desk: Desk) -> None:
    """A failure leaves the symbol out of trading and is tried again 30 s later."""
    answer(desk, "10:58", "10:59")
    desk.tick(C260, 120.0)
    desk.clock("11:01:05")
    desk.feed(HistoryFailed(symbol=C260, message="timeout"))
    asked(desk)
    desk.clock("11:01:34")
    assert asked(desk) == []
    assert C260 in desk.engine.market.minutes_missing
    desk.clock("11:01:35")

    assert asked(desk) == ["C260"]


def test_a_request_without_an_answer_is_made_again(desk: Desk) -> None:
    """One request per symbol is on its way; after 30 s without any answer it counts as lost."""
    desk.tick(C260, 120.0)
    asked(desk)
    desk.clock("11:00:59")
    assert asked(desk) == []
    desk.clock("11:01:00")
    assert asked(desk) == ["C260"]
    desk.clock("11:01:29")

    assert asked(desk) == []


def test_a_minute_that_history_leaves_out_had_no_trade(desk: Desk) -> None:
    """Bars on both sides of a partly seen minute and none for it: what was seen of it is all."""
    answer(desk, "10:58", "10:59")
    desk.tick(C260, 120.0)
    desk.clock("11:02:05")
    answer(desk, "10:59", "11:01")

    assert C260 not in desk.engine.market.minutes_missing


def test_the_bar_of_the_running_minute_is_not_taken(desk: Desk) -> None:
    """A forming bar that the gateway sends closes nothing: the minute goes on by its ticks."""
    desk.tick(C260, 120.0)
    answer(desk, "10:59", "11:00")
    desk.tick(C260, 125.0)
    desk.clock("11:01:02")

    last = desk.engine.market.symbols[C260].series.bars[-1]
    assert (last.minute_ms, last.high_paise) == (at("11:00"), 12_500)
    assert C260 in desk.engine.market.minutes_missing


def test_after_a_gap_all_are_asked_for_when_the_feed_is_back(desk: Desk) -> None:
    """A silent feed makes the requests wait; when it is back, every symbol is asked for."""
    answer(desk, "10:58", "10:59")
    asked(desk)
    desk.feed(FeedSilent(source="main"))
    desk.advance(60)
    assert asked(desk) == []
    desk.feed(FeedBack(source="main"))

    assert sorted(asked(desk)) == sorted(SHORT_NAMES.values())


def test_what_is_held_comes_first_then_what_may_be_sold() -> None:
    """Requests are in the order of use: held or working, then in the price range, then the rest."""
    desk = Desk()
    desk.short(P260)
    for symbol, price in ((C259, 400.0), (C260, 90.0), (C261, 120.0)):
        desk.tick(symbol, price)
    desk.feed(FeedSilent(source="main"))
    desk.feed(FeedBack(source="main"))

    order = asked(desk)
    assert order[:2] == ["P260", "C261"]
    assert {"C259", "C260"} <= set(order[2:])


def test_nothing_is_asked_for_when_no_entry_can_come() -> None:
    """After the last entry and after the day's exit bars lead to nothing."""
    desk = Desk(start="15:01:00")

    assert asked(desk) == []
