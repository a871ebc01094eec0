"""Quotes asked for: for positions whose ticks stay away, and to confirm a limit of R."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import BrokerStatus, FeedBack, FeedSilent, FetchQuote
from tests.harness import Desk
from tests.harness_market import C260, C261, SHORT_NAMES


@pytest.fixture
def desk() -> Desk:
    """A short of 650 in C260, sold at 129.95, stop 140, the index ticking."""
    desk = Desk()
    desk.clock("09:15:00")
    desk.index(26_000)
    desk.short(C260)
    desk.index(26_001)
    desk.tick(C260, 130.00)
    asked(desk)
    return desk


def asked(desk: Desk) -> list[str]:
    """Short names of all symbols whose quote was asked for since the last call."""
    fresh, desk._taken = desk.commands[desk._taken :], len(desk.commands)
    return [SHORT_NAMES[c.symbol] for c in fresh if isinstance(c, FetchQuote)]


def moving(desk: Desk, seconds: int) -> None:
    """Time passes and the index moves every second."""
    for _ in range(seconds):
        desk.advance(1)
        desk.index(26_000 + desk.now_ms // 1000 % 2)


def test_a_position_without_ticks_in_a_moving_market_is_quoted(desk: Desk) -> None:
    """After 10 s without a tick while the index moves, a quote is asked for every 5 s."""
    moving(desk, 9)
    assert asked(desk) == []
    moving(desk, 2)
    assert asked(desk) == ["C260"]
    moving(desk, 4)
    assert asked(desk) == []
    moving(desk, 2)

    assert asked(desk) == ["C260"]


def test_a_tick_ends_the_asking(desk: Desk) -> None:
    """A symbol that ticks again needs no quotes."""
    moving(desk, 11)
    desk.tick(C260, 130.00)
    asked(desk)
    moving(desk, 8)

    assert asked(desk) == []


def test_a_standing_index_asks_for_nothing(desk: Desk) -> None:
    """A market that stands still is no reason for a quote."""
    desk.advance(120)

    assert asked(desk) == []


def test_a_silent_feed_asks_at_once(desk: Desk) -> None:
    """While a feed is silent, positions are quoted at once and every 5 s, until it is back."""
    desk.feed(FeedSilent(source="main"))
    assert asked(desk) == ["C260"]
    desk.advance(10)
    assert asked(desk) == ["C260", "C260"]
    desk.feed(FeedBack(source="main"))
    desk.advance(10)

    assert asked(desk) == []


def test_a_stop_that_is_called_open_at_no_price_is_quoted_until_one_is_believed(desk: Desk) -> None:
    """It may have triggered on a jump that nobody has told; a quote of the index's level does not count,
    and one that is believed ends it.
    """
    desk.update("stop-0002", BrokerStatus.OPEN)
    assert asked(desk) == ["C260"]
    desk.quote(C260, desk.engine.market.index_paise / 100)
    desk.advance(1)
    assert asked(desk) == ["C260"]
    desk.quote(C260, 141.00, ask=141.50)
    assert desk.order("stop-0002").triggered_at_ms == desk.now_ms
    desk.advance(3)

    assert asked(desk) == []


def test_a_stop_that_waits_and_is_called_open_is_quoted_once(desk: Desk) -> None:
    """Some brokers call it so: the price shows that it has not triggered."""
    desk.update("stop-0002", BrokerStatus.OPEN)
    desk.quote(C260, 130.00)
    for _ in range(5):
        desk.update("stop-0002", BrokerStatus.OPEN)
        desk.advance(1)

    assert asked(desk) == ["C260"]


def test_only_positions_are_quoted(desk: Desk) -> None:
    """A symbol without a position is no reason for a quote."""
    desk.tick(C261, 130.00)
    desk.tick(C260, 140.00)
    desk.fill("stop-0002", 650, 140.00)
    desk.feed(FeedSilent(source="main"))
    desk.advance(30)

    assert asked(desk) == []


def test_a_quote_values_a_position_at_its_ask(desk: Desk) -> None:
    """A quote's ask, or its last price where there is none, is the position's mark."""
    desk.quote(C260, 131.00, ask=131.50)

    assert desk.engine.pnl_paise == 650 * (12_995 - 13_150)


def test_a_quote_makes_no_bar_and_triggers_nothing(desk: Desk) -> None:
    """A quote beyond the stop neither forms a bar, nor spends a swing, nor starts a chase."""
    series = desk.engine.market.symbols[C260].series
    before = (series.forming_minute_ms, series.forming_high_paise, len(series.bars))
    desk.take()
    desk.quote(C260, 141.00)

    assert (series.forming_minute_ms, series.forming_high_paise, len(series.bars)) == before
    assert desk.stop(C260).triggered_at_ms is None
    desk.advance(5)
    assert desk.take() == []


def test_a_quote_is_no_sign_of_life_of_the_feed(desk: Desk) -> None:
    """The silence of a symbol goes on in spite of its quotes."""
    moving(desk, 11)
    silent = desk.engine.market.silent_ms(C260)
    desk.quote(C260, 130.00)

    assert desk.engine.market.silent_ms(C260) == silent >= 10_000


def test_a_quote_does_not_make_the_next_tick_look_old(desk: Desk) -> None:
    """A tick that the exchange stamped before our quote's arrival is still believed."""
    desk.clock("09:30:10")
    desk.quote(C260, 130.00)
    desk.tick(C260, 131.00, exchange_at="09:30:08")

    assert desk.engine.market.symbols[C260].last_paise == 13_100


def test_a_quote_that_is_no_price_is_not_used(desk: Desk) -> None:
    """A quote passes the same quarantine as a tick."""
    pnl = desk.engine.pnl_paise
    desk.quote(C260, 0.0)

    assert desk.engine.pnl_paise == pnl
    assert desk.engine.market.quarantined == {"not_a_price": 1}


# ------------------------------------------------------------ limits of R


@pytest.fixture
def far() -> Desk:
    """Two shorts, C260 and C261, of 650 each; at 104.95 both together are at +5R."""
    desk = Desk(index_symbol=None)
    desk.short(C260)
    desk.short(C261)
    asked(desk)
    return desk


def test_a_limit_that_is_reached_has_every_position_quoted(far: Desk) -> None:
    """The first evaluation beyond a limit asks for a quote of each open position, once."""
    far.tick(C260, 104.95)
    assert asked(far) == []
    far.tick(C261, 104.95)
    assert sorted(asked(far)) == ["C260", "C261"]
    far.tick(C261, 104.90)

    assert asked(far) == []


def test_quotes_of_all_positions_confirm_a_limit_at_once(far: Desk) -> None:
    """A limit that still holds when every open position was quoted fires without the second's wait."""
    far.tick(C260, 104.95)
    far.tick(C261, 104.95)
    far.quote(C260, 104.95)
    assert far.engine.positions.day_exit_reason is None
    far.quote(C261, 104.95)

    assert far.engine.positions.day_exit_reason == "+5R_TARGET"


def test_a_quote_that_denies_the_limit_ends_it(far: Desk) -> None:
    """A bad print beyond the limit closes nothing when the quote says otherwise."""
    far.tick(C260, 104.95)
    far.tick(C261, 104.95)
    far.quote(C260, 130.00)
    far.quote(C261, 130.00)
    far.advance(5)

    assert far.engine.positions.day_exit_reason is None


def test_the_quote_that_reaches_a_limit_does_not_confirm_it(far: Desk) -> None:
    """A limit is confirmed by quotes that came after it was reached, not by the one that reached it."""
    far.quote(C260, 104.95)
    far.quote(C261, 104.95)

    assert far.engine.positions.day_exit_reason is None
    assert sorted(asked(far)) == ["C260", "C261"]
