"""Which swing lows may be sold (docs/strategy.md, section 4)."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseline_v1_live.core.instruments import Contract, OptionType, option_symbol
from baseline_v1_live.core.market import Market
from baseline_v1_live.core.messages import Bar, BarsLoaded, Tick
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import MINUTE_MS, at_ist
from baseline_v1_live.strategy.bars import Vwap
from baseline_v1_live.strategy.strike_filter import (
    NO_VWAP,
    PRICE_HIGH,
    PRICE_LOW,
    STOP_PCT_HIGH,
    STOP_PCT_LOW,
    VWAP_PREMIUM_LOW,
    Candidate,
    best_of,
    stage_one,
)
from baseline_v1_live.strategy.swings import Swing, SwingKind
from tests.harness_market import day, make_contract

RULES = Rules()
EXPIRY = dt.date(2026, 12, 29)
DATE = dt.date(2026, 12, 28)
M0 = at_ist(DATE, dt.time(10, 0))


def vwap_of(price_paise: int, volume: int = 65) -> Vwap:
    return Vwap(price_paise * 3 * volume, 3 * volume)


def contract_of(strike: int = 26000, option_type: OptionType = OptionType.CE) -> Contract:
    return make_contract(option_symbol("NIFTY", EXPIRY, strike * 100, option_type))


def candidate_of(
    low: int = 13000,
    high: int = 13900,
    strike: int = 26000,
    option_type: OptionType = OptionType.CE,
    rules: Rules = RULES,
) -> Candidate:
    contract = contract_of(strike, option_type)
    swing = Swing(
        symbol=contract.symbol,
        kind=SwingKind.LOW,
        price_paise=low,
        minute_ms=M0,
        confirmed_ms=M0 + 2 * MINUTE_MS,
        vwap=vwap_of(12000),
        is_update=False,
    )
    return Candidate(swing, contract, high, rules)


# ---------------------------------------------------------------- stage 1


def test_a_low_that_passes_every_question_has_no_reason() -> None:
    """A low of ₹130 with VWAP ₹120 may be sold."""
    assert stage_one(13000, vwap_of(12000), RULES) is None


def test_the_reasons_bear_the_names_of_the_rules() -> None:
    """Each refusal of stages 1 and 2 is known by one name."""
    names = (PRICE_LOW, PRICE_HIGH, NO_VWAP, VWAP_PREMIUM_LOW)

    assert names == ("price_low", "price_high", "no_vwap", "vwap_premium_low")
    assert (STOP_PCT_LOW, STOP_PCT_HIGH) == ("stop_pct_low", "stop_pct_high")


@pytest.mark.parametrize(
    ("price", "reason"), [(9995, "price_low"), (9999, "price_low"), (10000, None), (10001, None)]
)
def test_a_low_below_100_is_refused(price: int, reason: str | None) -> None:
    """A low below ₹100 is refused; exactly ₹100 is not."""
    assert stage_one(price, vwap_of(5000), RULES) == reason


@pytest.mark.parametrize(
    ("price", "reason"),
    [(29999, None), (30000, None), (30001, "price_high"), (90000, "price_high")],
)
def test_a_low_above_300_is_refused(price: int, reason: str | None) -> None:
    """A low above ₹300 is refused; exactly ₹300 is not."""
    assert stage_one(price, vwap_of(5000), RULES) == reason


def test_a_low_without_a_vwap_is_refused() -> None:
    """While VWAP is undefined no low may be sold."""
    assert stage_one(13000, None, RULES) == "no_vwap"


@pytest.mark.parametrize(
    ("price", "vwap", "reason"),
    [
        (10400, vwap_of(10000), None),
        (10399, vwap_of(10000), "vwap_premium_low"),
        (13000, vwap_of(12500), None),
        (13000, vwap_of(12501), "vwap_premium_low"),
        # A VWAP of 12500 and a third of a paisa is too high by just that.
        (13000, Vwap(12500 * 3 + 1, 3), "vwap_premium_low"),
        (13000, Vwap(12500 * 3 - 1, 3), None),
        (13000, vwap_of(14000), "vwap_premium_low"),
    ],
)
def test_the_premium_over_vwap_is_at_least_four_percent(
    price: int, vwap: Vwap, reason: str | None
) -> None:
    """A premium of exactly 4 % passes and one smaller by any fraction does not."""
    assert stage_one(price, vwap, RULES) == reason


@given(st.integers(10_000, 30_000), st.integers(1, 10**12), st.integers(1, 10**9))
def test_the_premium_is_compared_exactly(price: int, value: int, weight: int) -> None:
    """For any VWAP fraction the premium is refused exactly when 100 x price < 104 x VWAP."""
    refused = stage_one(price, Vwap(value, weight), RULES) is not None

    assert refused == (100 * price * weight < 104 * value)


def test_the_questions_are_asked_in_order() -> None:
    """The price is asked first, then whether there is a VWAP, then the premium."""
    too_high_vwap = vwap_of(90000)

    assert stage_one(9999, None, RULES) == "price_low"
    assert stage_one(9999, too_high_vwap, RULES) == "price_low"
    assert stage_one(30001, None, RULES) == "price_high"
    assert stage_one(30001, too_high_vwap, RULES) == "price_high"


def test_the_bounds_are_settings() -> None:
    """Other bounds of price and premium apply as they are set."""
    rules = Rules(price_min_paise=5000, price_max_paise=6000, vwap_premium_min_bp=0)

    assert stage_one(5000, vwap_of(5000), rules) is None
    assert stage_one(4999, vwap_of(4000), rules) == "price_low"
    assert stage_one(6001, vwap_of(4000), rules) == "price_high"
    assert stage_one(5000, vwap_of(5001), rules) == "vwap_premium_low"


# ---------------------------------------------------------------- stage 2


def test_the_worked_example_of_an_entry() -> None:
    """Low 130, highest high 139: stop 140, 10 points, trigger 129.95, limit 126.95."""
    candidate = candidate_of(low=13000, high=13900)

    assert candidate.stop_paise == 14000
    assert candidate.stop_points_paise == 1000
    assert candidate.trigger_paise == 12995
    assert candidate.limit_paise == 12695
    assert candidate.stage_two() is None


@pytest.mark.parametrize(
    ("low", "stop", "reason"),
    [
        (10000, 10199, "stop_pct_low"),
        (10000, 10200, None),
        (10000, 11000, None),
        (10000, 11001, "stop_pct_high"),
        # 2 % of 123.45 is 2.469, 10 % is 12.345: neither is a whole paisa.
        (12345, 12591, "stop_pct_low"),
        (12345, 12592, None),
        (12345, 13579, None),
        (12345, 13580, "stop_pct_high"),
    ],
)
def test_the_stop_lies_between_two_and_ten_percent(low: int, stop: int, reason: str | None) -> None:
    """Stop points from 2 % to 10 % of the low qualify, both bounds included."""
    candidate = candidate_of(low=low, high=stop - RULES.stop_offset_paise)

    assert candidate.stage_two() == reason


def test_a_rising_high_qualifies_and_disqualifies() -> None:
    """As the highest high rises, a candidate may come to qualify and cease to."""
    candidate = candidate_of(low=13000, high=13100)
    seen = [candidate.stage_two()]
    for high in (13160, 14200, 14201):
        candidate.highest_high_paise = high
        seen.append(candidate.stage_two())

    assert seen == ["stop_pct_low", None, None, "stop_pct_high"]


# ---------------------------------------------------------------- stage 3


def test_points_nearest_to_ten_win() -> None:
    """The candidate whose stop points are nearest to 10 is best, from above or from below."""
    near, above, below = (candidate_of(high=13000 - 100 + points) for points in (995, 1010, 985))

    assert best_of([above, below, near]) is near
    assert best_of([below, above]) is above


def test_a_round_strike_wins_between_equal_points() -> None:
    """At the same distance from 10 points a strike that is a multiple of 100 is better."""
    odd = candidate_of(low=20000, high=20900, strike=26050)
    round_one = candidate_of(low=13000, high=13900, strike=26100)

    assert best_of([odd, round_one]) is round_one


def test_points_come_before_round_strikes() -> None:
    """An odd strike with points nearer to 10 is better than a round strike."""
    odd = candidate_of(high=13900, strike=26050)
    round_one = candidate_of(high=13905, strike=26100)

    assert best_of([round_one, odd]) is odd


def test_equally_far_above_and_below_ten_is_a_tie() -> None:
    """9.50 and 10.50 points are equally near to 10, so the next key decides."""
    below = candidate_of(low=13000, high=13850, strike=26050)
    above = candidate_of(low=13000, high=13950, strike=26100)

    assert best_of([below, above]) is above


def test_the_higher_low_wins_between_equal_strikes() -> None:
    """With points and roundness equal the higher low is better."""
    lower = candidate_of(low=13000, high=13900, strike=26000)
    higher = candidate_of(low=13005, high=13905, strike=26100)

    assert best_of([lower, higher]) is higher


def test_a_round_strike_comes_before_a_higher_low() -> None:
    """A round strike with a lower low is better than an odd strike with a higher low."""
    round_one = candidate_of(low=13000, high=13900, strike=26000)
    odd = candidate_of(low=14000, high=14900, strike=26050)

    assert best_of([odd, round_one]) is round_one


def test_the_symbol_settles_what_is_left() -> None:
    """With everything else equal the symbol that sorts first is best, in any order of asking."""
    twins = [candidate_of(strike=strike) for strike in (26200, 26000, 26100)]

    for order in itertools.permutations(twins):
        best = best_of(order)
        assert best is not None
        assert best.symbol == "NIFTY29DEC2626000CE"


def test_without_candidates_there_is_no_best() -> None:
    """Nothing to choose from gives nothing."""
    assert best_of([]) is None


def test_a_choice_can_be_told() -> None:
    """The figures of the choice are its points, its low and whether its strike is round."""
    text = candidate_of(strike=26000).describe()
    odd = candidate_of(strike=26050).describe()

    assert "10.00" in text
    assert "130.00" in text
    assert "round" in text
    assert "round" not in odd


# ---------------------------------------------------------------- in the market

SYMBOL = contract_of().symbol
# Two dear minutes set VWAP near 120: a low at bar 0 that fails for it, then a high at bar 3.
PRELUDE = [(12000, 12000, 12000, 650_000), (12100, 12050, 12080, 650_000),
           (12200, 12060, 12100, 65), (14500, 14000, 14400, 65), (14400, 13900, 14000, 65),
           (14300, 13800, 13900, 65)]  # fmt: skip
# A low of 130 at bar 6, confirmed by bars 7 and 8.
SHAPES = [*PRELUDE, (13300, 13000, 13100, 65), (13400, 13100, 13200, 65), (13500, 13150, 13300, 65)]


def bars_of(shapes: Iterable[tuple[int, int, int, int]], start: int = 0) -> tuple[Bar, ...]:
    return tuple(
        Bar(M0 + (start + n) * MINUTE_MS, close, high, low, close, volume)
        for n, (high, low, close, volume) in enumerate(shapes)
    )


def market_of(*bars: Bar, before: Tick | None = None) -> Market:
    market = Market(RULES, day(), {SYMBOL: contract_of()}, None)
    if before is not None:
        market.on_tick(before)
    market.on_bars_loaded(BarsLoaded(symbol=SYMBOL, bars=bars))
    return market


def current(market: Market) -> Candidate:
    candidate = market.symbols[SYMBOL].candidate
    assert candidate is not None
    return candidate


def tick(price: int, seconds: int = 0) -> Tick:
    """A tick in the minute after the nine bars."""
    return Tick(at_ms=M0 + 9 * MINUTE_MS + seconds * 1000, symbol=SYMBOL, ltp_paise=price)


def test_a_confirmed_low_that_passes_becomes_the_candidate() -> None:
    """The swing low is the candidate from the close that confirms it, with the highs after it."""
    market = market_of(*bars_of(SHAPES))

    assert current(market).low_paise == 13000
    assert current(market).highest_high_paise == 13500


def test_the_forming_bar_counts_for_the_highest_high() -> None:
    """A tick above all closed bars moves the stop at once, before its bar closes."""
    market = market_of(*bars_of(SHAPES))
    market.on_tick(tick(13600))
    market.on_tick(tick(13550, 1))

    assert current(market).highest_high_paise == 13600
    assert market.symbols[SYMBOL].series.forming_high_paise == 13600


def test_a_low_confirmed_while_a_bar_forms_counts_that_bars_high() -> None:
    """A low that history confirms counts the high of the bar that is forming already."""
    market = market_of(*bars_of(SHAPES), before=tick(13600))

    assert current(market).highest_high_paise == 13600


def test_a_trade_at_the_trigger_spends_the_swing() -> None:
    """A swing is spent when its trigger trades, and not when only its low does."""
    market = market_of(*bars_of(SHAPES))
    market.on_tick(tick(13000))
    at_low = current(market).spent
    market.on_tick(tick(12995, 1))

    assert not at_low
    assert current(market).spent
    assert list(market.candidates(OptionType.CE)) == []


def test_a_trigger_that_traded_in_history_spends_the_swing() -> None:
    """A bar from history that reaches the trigger spends the swing like a live tick."""
    market = market_of(*bars_of(SHAPES), *bars_of([(13300, 12995, 13200, 65)], start=9))

    assert current(market).spent


def test_a_trigger_that_traded_in_the_forming_bar_spends_the_swing() -> None:
    """A low that history confirms is spent when its trigger has traded live already."""
    market = market_of(*bars_of(SHAPES), before=tick(12990))

    assert current(market).spent


# After SHAPES: a high at bar 9 and a new low at bar 12.
def next_low(low: int) -> tuple[Bar, ...]:
    shapes = [(14000, 13500, 13900, 65), (13900, 13400, 13500, 65), (13800, 13300, 13400, 65),
              (13700, low, 13200, 65), (13750, low + 100, 13300, 65),
              (13800, low + 150, 13350, 65)]  # fmt: skip
    return bars_of(shapes, start=9)


def test_a_new_low_replaces_the_old_candidate() -> None:
    """A new swing low of the symbol that passes takes the old candidate's place."""
    market = market_of(*bars_of(SHAPES), *next_low(13050))

    assert current(market).low_paise == 13050
    assert market.symbols[SYMBOL].followed == (current(market),)


def failing_low() -> tuple[Bar, ...]:
    """A new low whose price is good and whose VWAP has caught up with it."""
    bars = next_low(13050)
    dear = [Bar(b.minute_ms, b.open_paise, b.high_paise, b.low_paise, b.close_paise, 10**9)
            for b in bars]  # fmt: skip
    return tuple(dear)


def test_a_new_low_that_fails_removes_the_old_candidate() -> None:
    """When the new swing low fails stage 1, the symbol has no candidate any more."""
    market = market_of(*bars_of(SHAPES))
    old = current(market)
    market.on_bars_loaded(BarsLoaded(symbol=SYMBOL, bars=failing_low()))

    assert not old.spent
    assert market.symbols[SYMBOL].candidate is None
    assert market.symbols[SYMBOL].followed == ()
    assert market.swings[-1].verdict == "vwap_premium_low"


def test_a_candidate_with_a_resting_order_stays_until_the_order_is_over() -> None:
    """When an order rests on the old candidate it is followed on until the order is terminal."""
    market = market_of(*bars_of(SHAPES))
    old = current(market)
    old.ordered = True
    market.on_bars_loaded(BarsLoaded(symbol=SYMBOL, bars=failing_low()))
    kept = market.symbols[SYMBOL].followed
    market.let_go(old)

    assert kept == (old,)
    assert market.symbols[SYMBOL].followed == ()


def test_each_refusal_is_counted_by_its_reason() -> None:
    """Lows that are too cheap leave no candidate and a count of their reason."""
    cheap = [(high - 5000, low - 5000, close - 5000, v) for high, low, close, v in SHAPES]
    market = market_of(*bars_of(cheap))

    assert market.symbols[SYMBOL].candidate is None
    assert market.rejections == {"price_low": 2}
