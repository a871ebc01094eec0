"""Bars and VWAP (docs/strategy.md, section 2)."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from baseline_v1_live.core.messages import (
    Bar,
)
from baseline_v1_live.core.session import MINUTE_MS, at_ist
from baseline_v1_live.strategy.bars import BarSeries, Vwap

DATE = dt.date(2026, 12, 28)
SYMBOL = "NIFTY29DEC2626000CE"
M0 = at_ist(DATE, dt.time(10, 0))
M1, M2, M3, M4 = (M0 + n * MINUTE_MS for n in (1, 2, 3, 4))


def flat_bar(minute_ms: int, price: int, volume: int = 0) -> Bar:
    return Bar(minute_ms, price, price, price, price, volume)


def average(vwap: Vwap | None) -> Fraction | None:
    return None if vwap is None else Fraction(vwap.value, vwap.weight)


# ---------------------------------------------------------------- one series


def test_a_bar_holds_open_high_low_and_close_of_its_minute() -> None:
    """A bar's prices are the first, highest, lowest and last tick of its minute."""
    series = BarSeries()
    for price in (13000, 13100, 12900, 13050):
        series.add_tick(M0, price, 0)
    bar = series.close_before(M1)

    assert bar == Bar(M0, 13000, 13100, 12900, 13050, 0)


def test_one_tick_makes_a_whole_bar() -> None:
    """A minute with one tick is a bar whose four prices are that tick's."""
    series = BarSeries()
    series.add_tick(M0, 13000, 500)

    assert series.close_before(M1) == flat_bar(M0, 13000)


def test_a_tick_of_a_later_minute_closes_the_bar() -> None:
    """The first tick of a later minute closes the bar and is not part of it."""
    series = BarSeries()
    series.add_tick(M0, 13000, 0)
    before = list(series.bars)
    closed = series.add_tick(M1, 14000, 0)

    assert before == []
    assert closed == flat_bar(M0, 13000)
    assert series.bars == [closed]
    assert series.forming_minute_ms == M1


def test_a_tick_of_the_same_minute_closes_nothing() -> None:
    """Ticks of one minute only ever change its forming bar."""
    series = BarSeries()

    assert [series.add_tick(M0, price, 0) for price in (1, 2, 3)] == [None] * 3
    assert series.bars == []


def test_the_clock_closes_a_bar_whose_minute_is_over() -> None:
    """A forming bar closes when its minute lies before the clock's, and only once."""
    series = BarSeries()
    series.add_tick(M0, 13000, 0)

    assert series.close_before(M0) is None
    assert series.close_before(M1) == flat_bar(M0, 13000)
    assert series.close_before(M2) is None
    assert len(series.bars) == 1


def test_a_minute_without_a_tick_makes_no_bar() -> None:
    """Minutes in which the symbol did not tick leave no bar, by clock and by later tick alike."""
    series = BarSeries()
    series.close_before(M0)
    series.add_tick(M0, 13000, 0)
    series.add_tick(M3, 13100, 0)
    series.close_before(M4)

    assert [bar.minute_ms for bar in series.bars] == [M0, M3]


def test_the_forming_bar_shows_its_high_so_far() -> None:
    """The forming bar's high is known before the bar closes, and there is none without a tick."""
    series = BarSeries()
    empty = series.forming_high_paise
    series.add_tick(M0, 13000, 0)
    series.add_tick(M0, 13500, 0)
    series.add_tick(M0, 12000, 0)

    assert (empty, series.forming_high_paise) == (None, 13500)
    series.close_before(M1)
    assert series.forming_high_paise is None


# ---------------------------------------------------------------- volume


def test_the_first_tick_of_the_day_adds_no_volume() -> None:
    """The first tick's own volume difference is 0, whatever has traded before it."""
    series = BarSeries()
    series.add_tick(M0, 13000, 1_000_000)

    assert series.add_tick(M1, 13000, 1_000_000) == flat_bar(M0, 13000, 0)


def test_a_bars_volume_is_the_sum_of_differences() -> None:
    """Cumulative volumes become a bar's volume by differences, across the minute's end too."""
    series = BarSeries()
    series.add_tick(M0, 13000, 1000)
    series.add_tick(M0, 13000, 1065)
    series.add_tick(M0, 13000, 1195)
    series.add_tick(M1, 13000, 1260)
    series.add_tick(M1, 13000, 1260)
    series.close_before(M2)

    assert [bar.volume for bar in series.bars] == [195, 65]


def test_a_decrease_of_volume_counts_nothing() -> None:
    """A cumulative volume that falls adds 0, and the next difference is taken from there."""
    series = BarSeries()
    for volume in (1000, 1100, 900, 950):
        series.add_tick(M0, 13000, volume)
    series.close_before(M1)

    assert series.bars[0].volume == 100 + 0 + 50


def test_volume_traded_over_silent_minutes_belongs_to_the_next_tick() -> None:
    """A difference over minutes without a tick is counted in the bar of the tick that shows it."""
    series = BarSeries()
    series.add_tick(M0, 13000, 1000)
    series.add_tick(M3, 13000, 1650)
    series.close_before(M4)

    assert [bar.volume for bar in series.bars] == [0, 650]


# ---------------------------------------------------------------- late ticks


def test_a_late_tick_changes_no_closed_bar() -> None:
    """A tick of a minute that is closed leaves the closed bar and the forming bar alone."""
    series = BarSeries()
    series.add_tick(M0, 13000, 1000)
    series.add_tick(M1, 13000, 1000)

    assert series.add_tick(M0, 20000, 1000) is None
    assert series.bars == [flat_bar(M0, 13000)]
    assert series.forming_high_paise == 13000


def test_a_late_tick_after_the_clock_opens_no_bar_again() -> None:
    """A minute that the clock closed stays closed when one more tick of it arrives."""
    series = BarSeries()
    series.add_tick(M0, 13000, 1000)
    series.close_before(M1)

    assert series.add_tick(M0, 20000, 1000) is None
    assert series.forming_minute_ms is None
    assert series.bars == [flat_bar(M0, 13000)]


def test_a_late_ticks_volume_is_counted_with_the_next_tick() -> None:
    """The volume that only a late tick showed is not lost: the next tick's difference holds it."""
    series = BarSeries()
    series.add_tick(M0, 13000, 1000)
    series.close_before(M1)
    series.add_tick(M0, 13000, 1650)
    series.add_tick(M1, 13000, 1700)
    series.close_before(M2)

    assert [bar.volume for bar in series.bars] == [0, 700]


# ---------------------------------------------------------------- VWAP


def test_vwap_is_undefined_until_volume_trades() -> None:
    """VWAP is undefined while the volume so far is 0 and defined from the first volume on."""
    series = BarSeries()
    series.load([flat_bar(M0, 13000), flat_bar(M1, 13000), flat_bar(M2, 13000, 65)])

    assert [series.vwap(index) is None for index in range(3)] == [True, True, False]


def test_vwap_is_exact() -> None:
    """VWAP after bar i is Σ typical x volume / Σ volume with typical (H+L+C)/3, not rounded."""
    series = BarSeries()
    series.load([Bar(M0, 13000, 13100, 12950, 13045, 65), Bar(M1, 13045, 13150, 13000, 13005, 130)])
    first = Fraction(13100 + 12950 + 13045, 3)
    second = Fraction(13150 + 13000 + 13005, 3)

    assert average(series.vwap(0)) == first
    assert average(series.vwap(1)) == (first * 65 + second * 130) / 195


def test_vwap_of_an_earlier_bar_never_changes() -> None:
    """VWAP as of a bar stays what it was when later bars close."""
    series = BarSeries()
    series.load([flat_bar(M0, 13000, 65)])
    then = series.vwap(0)
    series.load([flat_bar(M1, 20000, 65_000)])

    assert series.vwap(0) == then == Vwap(13000 * 3 * 65, 3 * 65)


@given(
    st.lists(
        st.tuples(
            st.integers(1, 99_999), st.integers(0, 500), st.integers(0, 500), st.integers(0, 5000)
        ),
        min_size=1,
        max_size=40,
    )
)
def test_vwap_agrees_with_fractions(shapes: list[tuple[int, int, int, int]]) -> None:
    """For any bars, VWAP after each of them equals the formula in exact fractions."""
    series = BarSeries()
    value, volume = Fraction(0), 0
    for number, (low, up, down, traded) in enumerate(shapes):
        bar = Bar(M0 + number * MINUTE_MS, low, low + up + down, low, low + up, traded)
        series.load([bar])
        value += Fraction(bar.high_paise + bar.low_paise + bar.close_paise, 3) * traded
        volume += traded

        assert average(series.vwap(number)) == (value / volume if volume else None)


# ---------------------------------------------------------------- history


def test_history_bars_are_taken_once() -> None:
    """Bars that are there already are not taken again; the first that is new is told."""
    series = BarSeries()
    first = [flat_bar(M0, 13000, 65), flat_bar(M1, 13100, 65)]
    more = [*first, flat_bar(M2, 13200, 65)]
    news = [series.load(first), series.load(first), series.load(more), series.load(more)]

    assert news == [0, None, 2, None]
    assert series.bars == more


def test_history_of_any_order_becomes_bars_in_order() -> None:
    """Bars older than those that are there are put before them, and VWAP follows."""
    series = BarSeries()
    series.load([flat_bar(M2, 13200, 65)])
    series.load([flat_bar(M0, 13000, 65)])

    assert [bar.minute_ms for bar in series.bars] == [M0, M2]
    assert [average(series.vwap(index)) for index in (0, 1)] == [13000, 13100]


def test_a_minute_seen_whole_stays_as_it_was_seen() -> None:
    """History does not replace a minute that was seen from its first to its last tick."""
    series = BarSeries()
    for minute in (M0, M1, M2):
        series.add_tick(minute, 13000, 1000)
    series.load([flat_bar(M0, 13500, 65), flat_bar(M1, 13500, 65)])

    assert series.bars == [flat_bar(M0, 13500, 65), flat_bar(M1, 13000)]


def test_history_replaces_the_forming_bar() -> None:
    """A loaded bar of the forming minute takes its place, and its later ticks change nothing."""
    series = BarSeries()
    series.add_tick(M1, 14000, 1000)
    series.load([flat_bar(M0, 13000, 65), flat_bar(M1, 13100, 650)])
    series.add_tick(M1, 15000, 1065)

    assert series.bars == [flat_bar(M0, 13000, 65), flat_bar(M1, 13100, 650)]
    assert series.forming_minute_ms is None


def test_history_before_the_forming_minute_leaves_it_alone() -> None:
    """Loading older bars neither closes nor changes the bar that forms."""
    series = BarSeries()
    series.add_tick(M1, 14000, 1000)
    series.load([flat_bar(M0, 13000, 65)])
    series.add_tick(M1, 14100, 1065)
    series.close_before(M2)

    assert series.bars == [flat_bar(M0, 13000, 65), Bar(M1, 14000, 14100, 14000, 14100, 65)]
