"""Ticks and bars that are not believed as they come: quarantine, gaps, and history that fills them."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import FeedBack, FeedSilent
from tests.harness import Desk
from tests.harness_market import C260, C261, Ohlc, swing_bars

# ------------------------------------------------------------ ticks that are not believed


@pytest.mark.parametrize(
    ("price", "reason"),
    [(0.0, "not_a_price"), (-5.0, "not_a_price"), (26_000.0, "index_price")],
)
def test_a_tick_that_cannot_be_a_price_moves_nothing(price: float, reason: str) -> None:
    """A price of zero, below zero or of the index itself never triggers, marks or closes anything."""
    desk = Desk()
    desk.clock("09:15:00")
    desk.index(26_000)
    desk.short(C260)
    pnl = desk.engine.pnl_paise
    desk.take()
    desk.tick(C260, price)

    assert desk.take() == []
    assert desk.engine.pnl_paise == pnl
    assert desk.engine.market.quarantined == {reason: 1}


def test_a_lone_jump_without_a_quote_moves_nothing() -> None:
    """A print 40 % off with no quote behind it does not trigger the stop; a second one does."""
    desk = Desk()
    desk.short(C260)
    desk.take()
    desk.tick(C260, 182.00, quoted=False)
    desk.advance(2)
    assert desk.take() == []
    desk.tick(C260, 182.00, quoted=False)
    desk.advance(1)

    assert [line[:16] for line in desk.take()] == ["modify stop-0002"]


def test_an_old_tick_moves_nothing() -> None:
    """A tick stamped before the newest one of its symbol is not used."""
    desk = Desk()
    desk.short(C260)
    desk.clock("09:25:00")
    desk.tick(C260, 131.00, exchange_at="09:25:00")
    pnl = desk.engine.pnl_paise
    desk.tick(C260, 139.00, exchange_at="09:24:59")

    assert desk.engine.pnl_paise == pnl
    assert desk.engine.market.quarantined == {"out_of_order": 1}


def test_a_tick_from_the_future_moves_nothing_and_hides_nothing() -> None:
    """A stamp an hour ahead is not believed, so the ticks after it still are."""
    desk = Desk()
    desk.short(C260)
    desk.tick(C260, 139.00, exchange_at="14:00:00")
    desk.tick(C260, 131.00)

    assert desk.engine.market.quarantined == {"from_the_future": 1}
    assert desk.engine.market.closing_price(C260) == 13_100


def test_a_tick_outside_the_session_moves_nothing() -> None:
    """A tick stamped before the open makes no bar."""
    desk = Desk()
    desk.tick(C261, 90.00, exchange_at="09:14:59")

    assert desk.engine.market.quarantined == {"outside_session": 1}
    assert desk.engine.market.symbols[C261].last_paise == 0


def reload(desk: Desk, missed: Ohlc = (135.00, 136.00, 134.00, 135.00)) -> None:
    """The feed is silent from 09:21 to 09:22; history brings both minutes, the first of them as given,
    and shows the first bar of the day a little different from what was seen.
    """
    assert desk.time < "09:21:30"
    desk.feed(FeedSilent(source="main"))
    desk.clock("09:22:30")
    desk.feed(FeedBack(source="main"))
    desk.tick(C260, 135.00)
    desk.clock("09:23:05")
    first, *rest = swing_bars(130.00, 139.00)
    first = (*first[:3], first[3] - 0.05)
    desk.history(C260, "09:15", first, *rest, missed, (135.00, 136.00, 134.00, 135.00))
    desk.tick(C260, 135.00)
    desk.advance(120)


def test_after_a_gap_an_unspent_swing_is_sold() -> None:
    """When the feed is back and history has filled the gap, the swing of before is sold."""
    desk = Desk()
    desk.say("pause")
    desk.swing_low(C260, 130.00, 139.00)
    desk.feed(FeedSilent(source="main"))
    desk.say("resume")
    reload(desk)

    assert desk.take() == ["place entry-0001 SELL 650 C260 SL 129.95/126.95"]


def test_a_break_during_the_silence_is_learned_from_history() -> None:
    """A swing that history shows broken while the feed was silent is not sold."""
    desk = Desk()
    desk.say("pause")
    desk.swing_low(C260, 130.00, 139.00)
    desk.feed(FeedSilent(source="main"))
    desk.say("resume")
    reload(desk, missed=(135.00, 135.00, 129.95, 131.00))

    assert desk.take() == []


def test_what_was_refused_stays_spent_when_history_is_loaded_again() -> None:
    """A swing that the broker refused is found again in history and still not sold."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.refuse("entry-0001", "margin")
    desk.take()
    reload(desk)

    assert desk.take() == []


def test_what_was_sold_stays_sold_when_history_is_loaded_again() -> None:
    """A stopped-out swing is found again in history and not sold a second time."""
    desk = Desk()
    desk.short(C260)
    desk.tick(C260, 140.00)
    desk.fill("stop-0002", 650, 140.00)
    desk.take()
    reload(desk)

    assert desk.take() == []


def test_a_position_is_untouched_when_history_is_loaded_again() -> None:
    """Neither the stop nor the position of a held symbol changes with its bars."""
    desk = Desk()
    desk.short(C260)
    desk.take()
    reload(desk)

    assert desk.take() == []
    assert desk.stop(C260).trigger_price_paise == 14_000


def test_minutes_seen_only_in_part_are_no_ground_for_an_entry() -> None:
    """Started mid-day, a symbol is not entered on live bars until history has filled the gap."""
    desk = Desk(start="11:00:30")
    desk.tick(C260, 91.00)
    desk.swing_low(C260, 130.00, 139.00)

    assert desk.take() == []
