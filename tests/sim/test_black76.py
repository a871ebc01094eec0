"""The pricing formula agrees with textbooks, with parity and with its own limits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from baseline_v1_live.sim.black76 import black76_price, normal_cdf


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (0.0, 0.5),
        (1.0, 0.841344746068543),
        (2.0, 0.977249868051821),
        (3.0, 0.998650101968370),
        (-5.0, 2.866515718792e-7),
    ],
)
def test_normal_distribution_agrees_with_tables(x: float, expected: float) -> None:
    """N(x) is that of Abramowitz and Stegun, tables 26.1 and 26.2, in the tail too."""
    assert normal_cdf(x) == pytest.approx(expected, rel=1e-11)


# From E. G. Haug, "The Complete Guide to Option Pricing Formulas", chapter 1: examples of Black-76,
# of Black-Scholes and of a dividend yield (Merton); an asset that carries at b has the forward
# S exp(bT). The last one: J. C. Hull, "Options, Futures and Other Derivatives", Black's model.
@pytest.mark.parametrize(
    ("is_call", "asset", "strike", "years", "rate", "carry", "volatility", "expected"),
    [
        (True, 19.0, 19.0, 0.75, 0.10, 0.00, 0.28, 1.7011),
        (False, 19.0, 19.0, 0.75, 0.10, 0.00, 0.28, 1.7011),
        (True, 60.0, 65.0, 0.25, 0.08, 0.08, 0.30, 2.1334),
        (False, 100.0, 95.0, 0.50, 0.10, 0.05, 0.20, 2.4648),
        (False, 20.0, 20.0, 4 / 12, 0.09, 0.00, 0.25, 1.1166),
    ],
)
def test_prices_agree_with_textbook_examples(
    is_call: bool,
    asset: float,
    strike: float,
    years: float,
    rate: float,
    carry: float,
    volatility: float,
    expected: float,
) -> None:
    """Published examples come out to the digits that were printed."""
    price = black76_price(
        asset * math.exp(carry * years),
        strike,
        years,
        volatility,
        is_call=is_call,
        discount=math.exp(-rate * years),
    )
    assert price == pytest.approx(expected, abs=5e-5)


def test_call_less_put_is_the_discounted_forward_difference() -> None:
    """C - P = D (F - K) for every strike, whatever the volatility."""
    strikes = np.arange(24000.0, 28001.0, 50.0)
    volatility = np.array([[0.05], [0.15], [0.60]])
    prices = {
        is_call: black76_price(
            26021.4, strikes, 4 / 252, volatility, is_call=is_call, discount=0.999
        )
        for is_call in (True, False)
    }
    assert prices[True].shape == (3, len(strikes))
    np.testing.assert_allclose(
        prices[True] - prices[False],
        np.broadcast_to(0.999 * (26021.4 - strikes), (3, len(strikes))),
        atol=1e-8,
    )


def test_without_time_or_volatility_only_the_intrinsic_value_is_left() -> None:
    """At expiry, and without volatility, an option is worth its discounted intrinsic value."""
    strikes = np.array([90.0, 100.0, 110.0])
    for years, volatility in ((0.0, 0.2), (0.5, 0.0)):
        calls = black76_price(100.0, strikes, years, volatility, is_call=True, discount=0.9)
        puts = black76_price(100.0, strikes, years, volatility, is_call=False, discount=0.9)
        np.testing.assert_allclose(calls, [9.0, 0.0, 0.0])
        np.testing.assert_allclose(puts, [0.0, 0.0, 9.0])


def test_prices_stay_within_their_bounds() -> None:
    """Intrinsic value ≤ price; a call is worth at most the forward, a put at most the strike."""
    strikes = np.arange(10000.0, 50000.0, 500.0)
    calls = black76_price(26000.0, strikes, 1 / 252, 0.12, is_call=True)
    puts = black76_price(26000.0, strikes, 1 / 252, 0.12, is_call=False)
    assert np.all(calls >= np.maximum(26000.0 - strikes, 0.0) - 1e-8)
    assert np.all(calls <= 26000.0)
    assert np.all(puts >= np.maximum(strikes - 26000.0, 0.0) - 1e-8)
    assert np.all(puts <= strikes)


@pytest.mark.parametrize(
    ("forward", "strike", "years", "volatility"),
    [(0.0, 1.0, 1.0, 0.1), (1.0, -1.0, 1.0, 0.1), (1.0, 1.0, -1.0, 0.1), (1.0, 1.0, 1.0, -0.1)],
)
def test_arguments_without_a_price_are_refused(
    forward: float, strike: float, years: float, volatility: float
) -> None:
    """A forward or strike of 0 or less, negative time and negative volatility are errors."""
    with pytest.raises(ValueError, match="must"):
        black76_price(forward, strike, years, volatility, is_call=True)
