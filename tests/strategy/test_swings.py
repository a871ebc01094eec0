"""Swings (docs/strategy.md, section 3)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baseline_v1_live.core.market import Market
from baseline_v1_live.core.messages import Bar, BarsLoaded
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import MINUTE_MS
from baseline_v1_live.strategy.bars import Vwap
from baseline_v1_live.strategy.swings import Found, Swing, SwingDetector, SwingKind
from tests.harness_market import C260, at, day, make_contract

LOW, HIGH = SwingKind.LOW, SwingKind.HIGH
Prices = tuple[int, int, int]


def bars_of(shapes: Iterable[Prices]) -> list[Bar]:
    """Bars of (high, low, close), a minute apart; a swing asks for nothing else of a bar."""
    return [
        Bar(number * MINUTE_MS, close, high, low, close, 65)
        for number, (high, low, close) in enumerate(shapes)
    ]


def swings_of(shapes: Iterable[Prices]) -> list[Found | None]:
    """What each bar close brings."""
    detector, bars = SwingDetector(), bars_of(shapes)
    return [detector.on_bar_closed(bars[: count + 1]) for count in range(len(bars))]


def mirrored(shapes: Iterable[Prices]) -> list[Prices]:
    """The same bars upside down: lows become highs."""
    return [(1000 - low, 1000 - high, 1000 - close) for high, low, close in shapes]


# A low at bar 0, confirmed by bars 1 and 2.
RISE: list[Prices] = [(110, 100, 105), (112, 101, 107), (114, 102, 109)]
RISE_FOUND = [None, None, Found(LOW, 0, False)]
# Goes on from RISE: a high at bar 3, confirmed by bars 4 and 5.
TURN: list[Prices] = [*RISE, (120, 110, 118), (116, 106, 108), (114, 104, 106)]


@pytest.fixture(params=[LOW, HIGH])
def kind(request: pytest.FixtureRequest) -> SwingKind:
    """Each rule of lows is asked of highs too, upside down."""
    return request.param


def found(shapes: Sequence[Prices], kind: SwingKind) -> list[Found | None]:
    """What the bars bring: as they are for lows, upside down for highs, told as of lows."""
    if kind is LOW:
        return swings_of(shapes)
    other = {LOW: HIGH, HIGH: LOW}
    return [
        None if one is None else Found(other[one.kind], one.index, one.is_update)
        for one in swings_of(mirrored(shapes))
    ]


# ---------------------------------------------------------------- one swing


def test_a_low_is_confirmed_by_two_later_bars(kind: SwingKind) -> None:
    """The lowest bar is a swing at the close of the second later bar with higher high and close."""
    assert found(RISE, kind) == RISE_FOUND


def test_the_extreme_bar_is_the_one_with_the_lowest_low(kind: SwingKind) -> None:
    """The swing's bar is the one with the lowest low, not the one with the lowest close."""
    shapes = [(110, 101, 102), (110, 100, 105), (112, 102, 107), (114, 103, 109)]

    assert found(shapes, kind)[-1] == Found(LOW, 1, False)


def test_the_earliest_bar_wins_a_tie(kind: SwingKind) -> None:
    """Of two bars with the same lowest low the earlier one is the low bar."""
    shapes = [(110, 100, 105), (109, 100, 104), (112, 101, 107), (114, 102, 109)]

    assert found(shapes, kind)[-1] == Found(LOW, 0, False)


def test_an_equal_low_can_itself_confirm(kind: SwingKind) -> None:
    """A later bar that only equals the low does not replace it and counts if it lies higher."""
    shapes = [(110, 100, 105), (112, 100, 107), (114, 100, 109)]

    assert found(shapes, kind) == RISE_FOUND


@pytest.mark.parametrize(
    ("weak", "why"),
    [
        ((110, 101, 107), "equal high"),
        ((109, 101, 107), "lower high"),
        ((112, 101, 105), "equal close"),
        ((112, 101, 104), "lower close"),
    ],
)
def test_a_confirming_bar_needs_higher_high_and_higher_close(
    weak: Prices, why: str, kind: SwingKind
) -> None:
    """A later bar counts only when its high and its close are both higher; equal is not higher."""
    shapes = [(110, 100, 105), weak, (114, 102, 109), (115, 103, 110)]

    assert found(shapes, kind) == [None, None, None, Found(LOW, 0, False)], why


def test_confirming_bars_need_not_be_adjacent(kind: SwingKind) -> None:
    """Any two later bars confirm, with others that do not count between them."""
    shapes = [(110, 100, 105), (112, 101, 107), (109, 101, 104), (108, 101, 103), (111, 102, 106)]

    assert found(shapes, kind)[-1] == Found(LOW, 0, False)


def test_confirming_bars_are_compared_with_the_extreme_bar_itself(kind: SwingKind) -> None:
    """Two later bars confirm by lying above the low bar even when the second is below the first."""
    shapes = [(110, 100, 105), (120, 103, 118), (112, 101, 106)]

    assert found(shapes, kind) == RISE_FOUND


def test_bars_before_the_extreme_confirm_nothing(kind: SwingKind) -> None:
    """Only later bars count: a low after two higher bars starts without a confirmation."""
    shapes = [(120, 101, 106), (119, 102, 107), (110, 100, 105), (112, 101, 107), (114, 102, 109)]

    assert found(shapes, kind) == [None, None, None, None, Found(LOW, 2, False)]


def test_a_new_extreme_starts_without_confirmations(kind: SwingKind) -> None:
    """A lower low takes the old low's place before it is confirmed and must be confirmed anew."""
    shapes = [(110, 100, 105), (112, 101, 107), (111, 99, 106), (112, 100, 108), (113, 101, 109)]

    assert found(shapes, kind) == [None, None, None, None, Found(LOW, 2, False)]


def test_an_unconfirmed_extreme_is_never_a_swing(kind: SwingKind) -> None:
    """However long the market stays above a low, without two confirming bars it is no swing."""
    shapes = [(110, 100, 105), (112, 101, 107), *[(110, 101, 105)] * 30]

    assert found(shapes, kind) == [None] * 32


# ---------------------------------------------------------------- before the first swing


def test_before_the_first_swing_the_smaller_index_wins_when_it_is_the_high() -> None:
    """Of a high and a low confirmed at the same close the one with the smaller index is first."""
    shapes = [(120, 110, 115), (118, 100, 105), (119, 108, 115), (119, 105, 114)]
    bars = bars_of(shapes)

    assert confirmed(bars, LOW, 0) == 1
    assert confirmed(bars, HIGH, 0) == 0
    assert swings_of(shapes) == [None, None, None, Found(HIGH, 0, False)]


def test_before_the_first_swing_the_smaller_index_wins_when_it_is_the_low() -> None:
    """Of a low and a high confirmed at the same close the low is first if its index is smaller."""
    shapes = [(120, 110, 115), (118, 100, 105), (119, 108, 115), (119, 105, 114)]

    assert swings_of(mirrored(shapes)) == [None, None, None, Found(LOW, 0, False)]


def test_the_first_swing_may_be_of_either_kind() -> None:
    """The first swing is whichever extreme is confirmed first, high or low."""
    assert swings_of(RISE)[-1] == Found(LOW, 0, False)
    assert swings_of(mirrored(RISE))[-1] == Found(HIGH, 0, False)


# ---------------------------------------------------------------- after the first swing


def test_swings_alternate(kind: SwingKind) -> None:
    """After a low the next new swing is the confirmed high of the bars after it."""
    assert found(TURN, kind) == [*RISE_FOUND, None, None, Found(HIGH, 3, False)]


def test_a_lower_low_updates_the_low(kind: SwingKind) -> None:
    """A confirmed low below the last swing low updates it while no high is confirmed."""
    shapes = [*RISE, (115, 99, 104), (116, 101, 106), (117, 102, 107)]

    assert found(shapes, kind) == [*RISE_FOUND, None, None, Found(LOW, 3, True)]


@pytest.mark.parametrize("low", [100, 101])
def test_a_low_that_is_not_lower_updates_nothing(low: int, kind: SwingKind) -> None:
    """A confirmed low at or above the last swing low is neither a swing nor an update."""
    shapes = [*RISE, (115, low, 104), (116, 102, 106), (117, 103, 107)]

    assert found(shapes, kind) == [*RISE_FOUND, None, None, None]


def test_the_kind_that_alternates_comes_before_an_update(kind: SwingKind) -> None:
    """With a high and a lower low confirmed at the same close, the high is the new swing."""
    # After the low of bar 0: a high at 3 and a lower low at 4, both confirmed by bars 5 and 6.
    shapes = [*RISE, (120, 105, 118), (116, 90, 92), (119, 106, 118), (118, 104, 112)]
    bars = bars_of(shapes)

    assert confirmed(bars, LOW, 1) == 4
    assert confirmed(bars, HIGH, 1) == 3
    assert bars[4].low_paise < bars[0].low_paise
    assert found(shapes, kind)[-1] == Found(HIGH, 3, False)


def test_an_update_can_be_updated(kind: SwingKind) -> None:
    """Each still lower confirmed low updates the last one; a low does not become two swings."""
    shapes = [
        *RISE,
        *[(115, 99, 104), (116, 101, 106), (117, 102, 107)],
        *[(118, 98, 104), (119, 101, 106), (120, 102, 107)],
    ]

    assert [one for one in found(shapes, kind) if one] == [
        Found(LOW, 0, False),
        Found(LOW, 3, True),
        Found(LOW, 6, True),
    ]


def test_the_window_starts_after_the_swings_bar(kind: SwingKind) -> None:
    """Bars between a swing's bar and its confirmation belong to the next window."""
    # The high is bar 1: it lies before the close that confirms the low of bar 0.
    shapes = [(110, 100, 105), (120, 104, 118), (112, 103, 107), (111, 102, 106)]

    assert found(shapes, kind) == [*RISE_FOUND, Found(HIGH, 1, False)]


def test_one_close_brings_one_swing_only(kind: SwingKind) -> None:
    """A close that confirms two swings in a row brings the first; the next close the second."""
    # Bar 3 is the second to confirm the low of bar 0 (after 1) and the high of bar 1 (after 2).
    shapes = [(110, 100, 105), (120, 104, 118), (118, 101, 104), (112, 101, 107)]
    bars = bars_of(shapes)

    assert confirmed(bars, LOW, 0) == 0
    assert confirmed(bars, HIGH, 1) == 1
    assert found([*shapes, (113, 104, 106)], kind) == [
        None,
        None,
        None,
        Found(LOW, 0, False),
        Found(HIGH, 1, False),
    ]


# ---------------------------------------------------------------- the reference


def confirmed(bars: Sequence[Bar], kind: SwingKind, start: int) -> int | None:
    """Index of the confirmed extreme of the bars from ``start`` on, by the text of section 3."""
    window = range(start, len(bars))
    if not window:
        return None
    if kind is LOW:
        extreme = min(window, key=lambda i: (bars[i].low_paise, i))
    else:
        extreme = min(window, key=lambda i: (-bars[i].high_paise, i))
    own = bars[extreme]
    count = 0
    for index in range(extreme + 1, len(bars)):
        bar = bars[index]
        if kind is LOW:
            count += bar.high_paise > own.high_paise and bar.close_paise > own.close_paise
        else:
            count += bar.low_paise < own.low_paise and bar.close_paise < own.close_paise
    return extreme if count >= 2 else None


def reference(bars: Sequence[Bar]) -> list[Found | None]:
    """Section 3 word by word, looking at all bars anew at each close."""
    seen: list[Found | None] = []
    last: Found | None = None
    for count in range(1, len(bars) + 1):
        closed = bars[:count]
        start = 0 if last is None else last.index + 1
        low, high = confirmed(closed, LOW, start), confirmed(closed, HIGH, start)
        new: Found | None = None
        if last is None:
            candidates = [(index, number) for number, index in enumerate((low, high))
                          if index is not None]  # fmt: skip
            if candidates:
                index, number = min(candidates)
                new = Found((LOW, HIGH)[number], index, False)
        else:
            other, same = (high, low) if last.kind is LOW else (low, high)
            if other is not None:
                new = Found(HIGH if last.kind is LOW else LOW, other, False)
            elif same is not None and (
                bars[same].low_paise < bars[last.index].low_paise
                if last.kind is LOW
                else bars[same].high_paise > bars[last.index].high_paise
            ):
                new = Found(last.kind, same, True)
        seen.append(new)
        last = new or last
    return seen


@st.composite
def random_bars(draw: st.DrawFn) -> list[Prices]:
    """Bars in a range of a few prices, so that ties are common."""
    width = draw(st.integers(2, 12))
    price = st.integers(0, width)
    triples = draw(st.lists(st.tuples(price, price, price), max_size=60))
    shapes = []
    for triple in triples:
        low, close, high = sorted(triple)
        shapes.append((high, low, close))
    return shapes


@settings(max_examples=500, deadline=None)
@given(random_bars())
def test_the_detector_agrees_with_the_text(shapes: list[Prices]) -> None:
    """On any bars the detector finds, close by close, what section 3 read word by word finds."""
    assert swings_of(shapes) == reference(bars_of(shapes))


@settings(max_examples=100, deadline=None)
@given(random_bars())
def test_swings_never_break_alternation(shapes: list[Prices]) -> None:
    """New swings alternate, updates repeat the kind beyond its price, and indices only rise."""
    bars = bars_of(shapes)
    seen = [one for one in swings_of(shapes) if one]
    for before, after in itertools.pairwise(seen):
        assert after.is_update == (after.kind is before.kind)
        assert after.index > before.index
        if after.is_update and after.kind is LOW:
            assert bars[after.index].low_paise < bars[before.index].low_paise
        if after.is_update and after.kind is HIGH:
            assert bars[after.index].high_paise > bars[before.index].high_paise


# ---------------------------------------------------------------- what a swing carries


def test_a_swing_carries_what_was_known_of_it() -> None:
    """A swing names symbol, kind, price, its minute, the confirming minute and its bar's VWAP."""
    market = Market(Rules(), day(), {C260: make_contract(C260)}, None)
    m0 = at("10:00:00")
    shapes = [*TURN, (118, 99, 110), (119, 100, 111), (120, 101, 112)]
    bars = tuple(
        Bar(m0 + n * MINUTE_MS, c, h, low, c, 65 * (n + 1)) for n, (h, low, c) in enumerate(shapes)
    )
    market.on_bars_loaded(BarsLoaded(symbol=C260, bars=bars))
    low, high = market.swings[0].swing, market.swings[1].swing

    assert low == Swing(
        symbol=C260,
        kind=LOW,
        price_paise=100,
        minute_ms=m0,
        confirmed_ms=m0 + 2 * MINUTE_MS,
        vwap=Vwap(315 * 65, 3 * 65),
        is_update=False,
    )
    assert (high.kind, high.price_paise) == (HIGH, 120)
    assert (high.minute_ms, high.confirmed_ms) == (m0 + 3 * MINUTE_MS, m0 + 5 * MINUTE_MS)
    assert high.vwap is not None
    assert Fraction(high.vwap.value, high.vwap.weight) == Fraction(
        65 * (315 * 1 + 320 * 2 + 325 * 3 + 348 * 4), 3 * 65 * (1 + 2 + 3 + 4)
    )
