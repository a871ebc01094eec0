"""Why a swing low was not sold: every reason is counted where a user looks, and every gate holds.

Not here: the margin check, which the core has no answer of yet, and the trading day itself, which the
shell decides before it starts an engine.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from baseline_v1_live.core.messages import FeedSilent, Level, Purpose
from baseline_v1_live.core.rules import Rules
from tests.harness import Desk
from tests.harness_market import C259, C260, C261, C262, P259, P260, P261, day


def refusals_of(desk: Desk, low: float, high: float, **background: float) -> dict[str, int]:
    desk.swing_low(C260, low, high, **background)
    assert desk.take() == [], "it was to be refused"
    return desk.rejected()


# ------------------------------------------------------------ stage 1 and 2


def test_price_low() -> None:
    """A swing low below 100 is refused as price_low."""
    assert refusals_of(Desk(), 99.95, 106.00) == {"price_low": 1}


def test_price_high() -> None:
    """A swing low above 300 is refused as price_high."""
    assert refusals_of(Desk(), 300.05, 312.00) == {"price_high": 1}


@pytest.mark.parametrize(("low", "high"), [(100.00, 106.00), (300.00, 312.00)])
def test_the_price_bounds_themselves_are_allowed(low: float, high: float) -> None:
    """Swing lows of exactly 100 and 300 are sold."""
    desk = Desk()
    desk.swing_low(C260, low, high)

    assert len(desk.take()) == 1
    assert desk.rejected() == {}


def test_no_vwap() -> None:
    """Without any volume so far the swing low is refused as no_vwap."""
    assert refusals_of(Desk(), 130.00, 139.00, volume=0) == {"no_vwap": 1}


def test_vwap_premium_low() -> None:
    """A swing low less than 4 % above the VWAP is refused as vwap_premium_low."""
    assert refusals_of(Desk(), 130.00, 139.00, base=126.00) == {"vwap_premium_low": 1}


def test_stop_pct_low() -> None:
    """A stop less than 2 % above the low is refused as stop_pct_low."""
    assert refusals_of(Desk(), 130.00, 131.50) == {"stop_pct_low": 1}


def test_stop_pct_high() -> None:
    """A stop more than 10 % above the low is refused as stop_pct_high."""
    assert refusals_of(Desk(), 130.00, 142.05) == {"stop_pct_high": 1}


@pytest.mark.parametrize("high", [131.60, 142.00])
def test_the_stop_bounds_themselves_are_allowed(high: float) -> None:
    """Stops of exactly 2 % and 10 % above the low are sold."""
    desk = Desk()
    desk.swing_low(C260, 130.00, high)

    assert len(desk.take()) == 1
    assert desk.rejected() == {}


def test_a_resting_entry_that_stops_to_qualify_is_counted_and_cancelled() -> None:
    """A high that takes the stop past 10 % is counted as stop_pct_high, and the entry is cancelled."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.take()
    desk.tick(C260, 142.05)
    assert desk.take() == ["ask entry-0001"]
    desk.prove("entry-0001")

    assert desk.take() == ["cancel entry-0001"]
    assert desk.rejected() == {"stop_pct_high": 1}


# ------------------------------------------------------------ size and limits


def test_no_lot() -> None:
    """A risk that R does not pay one lot for is skipped with the reason no_lot."""
    desk = Desk(rules=Rules(r_value_paise=60_000))

    assert refusals_of(desk, 130.00, 139.00) == {"no_lot": 1}


def test_max_ce_positions() -> None:
    """With three calls held a fourth is refused as max_ce_positions."""
    desk = Desk()
    for symbol in (C259, C261, C262):
        desk.short(symbol)
    desk.take()

    assert refusals_of(desk, 130.00, 139.00) == {"max_ce_positions": 1}


def test_max_pe_positions() -> None:
    """With as many puts held as allowed, two here, one more is refused as max_pe_positions."""
    desk = Desk(rules=Rules(positions_pe_max=2))
    for symbol in (P259, P261):
        desk.short(symbol)
    desk.take()
    desk.swing_low(P260, 130.00, 139.00)

    assert desk.take() == []
    assert desk.rejected() == {"max_pe_positions": 1}


def test_max_positions() -> None:
    """With five positions held a sixth is refused as max_positions."""
    desk = Desk()
    for symbol in (C259, C261, P259, P260, P261):
        desk.short(symbol)
    desk.take()

    assert refusals_of(desk, 130.00, 139.00) == {"max_positions": 1}


def test_a_resting_entry_counts_as_a_position() -> None:
    """Four positions and one resting entry leave no room for a sixth symbol."""
    desk = Desk()
    for symbol in (C259, C261, P259, P261):
        desk.short(symbol)
    with desk.answered():
        desk.swing_low(P260, 130.00, 139.00)
    desk.take()

    assert refusals_of(desk, 130.00, 139.00) == {"max_positions": 1}


# ------------------------------------------------------------ by the broker, by the market, by churn


def test_refused_by_broker() -> None:
    """An entry that the broker refuses is counted as refused_by_broker."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.refuse("entry-0001", "margin exceeds")

    assert desk.rejected() == {"refused_by_broker": 1}


def test_left_behind() -> None:
    """A triggered entry whose limit is left behind for 10 s is cancelled and counted once gone."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.take()
    desk.tick(C260, 120.00)
    desk.advance(9.9)
    assert desk.take() == []
    desk.advance(0.1)
    assert desk.take() == ["ask entry-0001"]
    desk.prove("entry-0001")
    assert desk.take() == ["cancel entry-0001"]
    assert desk.rejected() == {}
    desk.cancelled("entry-0001")

    assert desk.rejected() == {"left_behind": 1}
    desk.take()
    desk.tick(C260, 131.00)
    desk.advance(120)
    assert desk.take() == []


def flip(desk: Desk, points: float) -> None:
    """The working call's high rises so that its stop lies so many points above its low of 130, and at
    the bar close the other call is the better one.
    """
    (working,) = desk.engine.orders.live(purpose=Purpose.ENTRY)
    bar = (135.00, 129.00 + points, 134.00, 135.00)
    desk.minute({working.symbol: bar})


@pytest.fixture
def rivals() -> Desk:
    """Two calls of 10.0 and 10.5 points, the first of them working; the broker answers at once."""
    desk = Desk(rules=Rules(lots_max=5), auto=True)
    desk.swing_lows({C260: (130.00, 139.00), C261: (130.00, 139.50)})
    assert desk.entries() == ["C260"]
    return desk


def test_a10_churn_breaker(rivals: Desk) -> None:
    """After two re-placements of a symbol within 300 s nothing more is placed, and an alert says so."""
    for points in (10.6, 10.7, 10.8, 10.9, 11.0):
        if rivals.entries():
            flip(rivals, points)

    assert len(rivals.placed(Purpose.ENTRY)) == 2 + 3, "C260, C261, and again C260, C261, C260"
    assert rivals.entries() == []
    assert rivals.rejected()["churn_breaker"] >= 1
    assert len(rivals.said("ORDER", Level.CRITICAL)) == 1


def test_a10_churn_breaker_counts_all_symbols_together() -> None:
    """Five re-placements in all within 300 s stop placements, though no symbol reached its own limit."""
    desk = Desk(rules=Rules(lots_max=5, churn_symbol_max=99), auto=True)
    desk.swing_lows({C260: (130.00, 139.00), C261: (130.00, 139.50)})
    for points in (10.6, 10.7, 10.8, 10.9, 11.0, 11.1, 11.2, 11.3):
        if desk.entries():
            flip(desk, points)

    assert len(desk.placed(Purpose.ENTRY)) == 2 + 5
    assert desk.rejected()["churn_breaker"] >= 1


def test_a10_the_churn_breaker_goes_on_counting_after_a_restart() -> None:
    """What was placed again before a restart counts with what is placed again after it."""
    desk = Desk(rules=Rules(lots_max=5, churn_window_ms=3_600_000), auto=True)
    desk.swing_lows({C260: (130.00, 139.00), C261: (130.00, 139.50)})
    for points in (10.6, 10.7, 10.8):
        flip(desk, points)
    desk.restart()
    assert not desk.engine.desk.churn_tripped
    desk.engine.desk._count_replacement(C260)

    assert desk.engine.desk.churn_tripped


def test_resume_lifts_the_churn_breaker(rivals: Desk) -> None:
    """After resume the best unspent swing is sold again."""
    for points in (10.6, 10.7, 10.8, 10.9):
        flip(rivals, points)
    assert rivals.entries() == ["C260"]
    flip(rivals, 11.0)
    assert rivals.entries() == []
    rivals.say("resume")

    assert rivals.entries() == ["C261"]


def test_re_placements_far_apart_are_no_churn(rivals: Desk) -> None:
    """A placement more than 300 s after the symbol's cancel is no re-placement."""
    for points in (10.6, 10.7, 10.8, 10.9, 11.0, 11.1):
        flip(rivals, points)
        rivals.advance(310)

    assert len(rivals.placed(Purpose.ENTRY)) == 7
    assert len(rivals.entries()) == 1


# ------------------------------------------------------------ gates


def shut_by_pause(desk: Desk) -> None:
    desk.say("pause")


def shut_by_feed(desk: Desk) -> None:
    desk.feed(FeedSilent(source="main"))


def shut_by_stopday(desk: Desk) -> None:
    desk.say("stopday")


def shut_by_time(desk: Desk) -> None:
    desk.clock("14:59:59")
    desk.take()
    desk.clock("15:00:00")


GATES = [shut_by_pause, shut_by_feed, shut_by_stopday, shut_by_time]


@pytest.mark.parametrize("shut", GATES)
def test_a_gate_that_closes_cancels_what_rests(shut: Callable[[Desk], None]) -> None:
    """Each gate that closes asks for the resting entry's fills, cancels it, and never re-places it."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.take()
    shut(desk)
    assert desk.take() == ["ask entry-0001"]
    desk.prove("entry-0001")
    assert desk.take() == ["cancel entry-0001"]
    desk.cancelled("entry-0001")
    desk.advance(30)

    assert desk.take() == ["ask entry-0001"]
    assert desk.entries() == []


@pytest.mark.parametrize("shut", GATES)
def test_a_closed_gate_lets_nothing_be_placed(shut: Callable[[Desk], None]) -> None:
    """Behind a closed gate no swing low is sold."""
    desk = Desk()
    shut(desk)
    desk.swing_low(C260, 130.00, 139.00)

    assert desk.take() == []


def test_nothing_is_placed_before_the_first_entry_time() -> None:
    """A candidate of before the first entry time is placed at that instant and not before."""
    desk = Desk(session=day(first_entry="09:30"))
    desk.swing_low(C260, 130.00, 139.00)
    desk.clock("09:29:59")
    assert desk.take() == []
    desk.clock("09:30:00")

    assert desk.take() == ["place entry-0001 SELL 650 C260 SL 129.95/126.95"]


def test_nothing_is_placed_before_the_books_were_read() -> None:
    """Until the first complete snapshot the default holds: not trading."""
    desk = Desk(snapshots=False)
    desk.swing_low(C260, 130.00, 139.00)
    desk.snapshot_failed()
    assert desk.take() == []
    desk.snapshot()

    assert desk.take() == ["place entry-0001 SELL 650 C260 SL 129.95/126.95"]


def test_an_unknown_order_blocks_its_option_type_and_not_the_bot() -> None:
    """With a call's entry of unknown outcome no other call is sold, and a put is."""
    desk = Desk(rules=Rules(gateway_horizon_ms=3_600_000))
    desk.swing_low(C260, 130.00, 139.00)
    desk.lose("entry-0001")
    desk.take()
    desk.swing_lows({C261: (130.00, 139.00), P260: (130.00, 139.00)})

    assert desk.take() == ["place entry-0002 SELL 650 P260 SL 129.95/126.95"]
