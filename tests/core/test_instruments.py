"""What an option is called, and how rupees become paise (core/instruments.py)."""

from __future__ import annotations

import datetime as dt
from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseline_v1_live.core.instruments import (
    Contract,
    OptionType,
    expiry_code,
    nearest_strike,
    option_symbol,
    paise,
    parse_expiry,
    parse_symbol,
    round_down,
    round_up,
    rupee_text,
    rupees,
    universe,
)

CE, PE = OptionType.CE, OptionType.PE


@pytest.mark.parametrize(
    ("symbol", "parts"),
    [
        ("NIFTY29DEC2626000CE", ("NIFTY", dt.date(2026, 12, 29), 2_600_000, CE)),
        ("NIFTY28OCT2525000CE", ("NIFTY", dt.date(2025, 10, 28), 2_500_000, CE)),
        ("NIFTY04NOV2525050PE", ("NIFTY", dt.date(2025, 11, 4), 2_505_000, PE)),
        ("BANKNIFTY29DEC2659100PE", ("BANKNIFTY", dt.date(2026, 12, 29), 5_910_000, PE)),
        ("VEDL25APR24292.5CE", ("VEDL", dt.date(2024, 4, 25), 29_250, CE)),
        ("X01JAN000.05PE", ("X", dt.date(2000, 1, 1), 5, PE)),
    ],
)
def test_a_symbol_and_its_parts_say_the_same(
    symbol: str, parts: tuple[str, dt.date, int, OptionType]
) -> None:
    """A symbol is read into its parts and made from them again, letter by letter."""
    assert parse_symbol(symbol) == parts
    assert option_symbol(*parts) == symbol


@given(
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=12),
    st.dates(dt.date(2000, 1, 1), dt.date(2099, 12, 31)),
    st.integers(1, 100_000_000),
    st.sampled_from(OptionType),
)
def test_every_symbol_can_be_read_back(
    underlying: str, expiry: dt.date, strike: int, option_type: OptionType
) -> None:
    """Whatever the underlying, day and strike, the name is read back into what it was made of."""
    symbol = option_symbol(underlying, expiry, strike, option_type)

    assert parse_symbol(symbol) == (underlying, expiry, strike, option_type)


@pytest.mark.parametrize(
    "symbol",
    [
        "",
        "NIFTY",
        "NIFTY29DEC26FUT",
        "NIFTY29DEC2626000",
        "NIFTY29DEC26CE",
        "NIFTY29DEC2626000XE",
        "NIFTY29DEC2626000CEX",
        " NIFTY29DEC2626000CE",
        "NIFTY29DEC2626000CE\n",
        "nifty29dec2626000ce",
        "29DEC2626000CE",
        "NIFTY29DEC2626000.CE",
        "NIFTY29DEC26-26000CE",
        "NIFTY29XYZ2626000CE",
        "NIFTY31FEB2626000CE",
        "NIFTY00DEC2626000CE",
    ],
)
def test_what_is_no_option_is_refused(symbol: str) -> None:
    """A name that is not an option's, or whose day is not in the calendar, is an error."""
    with pytest.raises(ValueError, match=r"symbol|expiry"):
        parse_symbol(symbol)


@pytest.mark.parametrize(
    ("text", "date"), [("29DEC26", dt.date(2026, 12, 29)), ("01FEB24", dt.date(2024, 2, 1))]
)
def test_an_expiry_and_its_code_say_the_same(text: str, date: dt.date) -> None:
    """An expiry code is read into its date and made from it again."""
    assert parse_expiry(text) == date
    assert expiry_code(date) == text


@pytest.mark.parametrize(
    "text", ["", "29DEC2026", "9DEC26", "29Dec26", "29FOO26", "30FEB26", "29DEC26 ", "26-12-29"]
)
def test_a_bad_expiry_is_named(text: str) -> None:
    """An expiry that is no date of that form is an error that quotes it."""
    with pytest.raises(ValueError, match="expiry") as error:
        parse_expiry(text)

    assert repr(text) in str(error.value)


# ---------------------------------------------------------------- universe


def test_the_universe_is_82_symbols() -> None:
    """ATM ± 20 strikes, call and put, are 82 different symbols from the lowest strike up."""
    names = universe("NIFTY", dt.date(2026, 12, 29), 2_600_000, 5_000, 20)

    assert len(names) == len(set(names)) == 82
    assert names[:3] == ("NIFTY29DEC2625000CE", "NIFTY29DEC2625000PE", "NIFTY29DEC2625050CE")
    assert names[40:42] == ("NIFTY29DEC2626000CE", "NIFTY29DEC2626000PE")
    assert names[-1] == "NIFTY29DEC2627000PE"


@pytest.mark.parametrize(
    ("freeze", "lot", "most"), [(1800, 65, 1755), (1800, 75, 1800), (600, 30, 600), (64, 65, 65)]
)
def test_one_order_holds_whole_lots_within_the_freeze_quantity(
    freeze: int, lot: int, most: int
) -> None:
    """The largest order is the whole lots within the freeze quantity, and one lot at least."""
    contract = Contract(
        symbol="NIFTY29DEC2626000CE",
        underlying="NIFTY",
        expiry=dt.date(2026, 12, 29),
        strike_paise=2_600_000,
        option_type=CE,
        lot_size=lot,
        freeze_quantity=freeze,
    )

    assert contract.order_quantity_max == most


@pytest.mark.parametrize(
    ("price", "strike"),
    [
        (2_600_000, 2_600_000),
        (2_602_495, 2_600_000),
        (2_602_500, 2_605_000),
        (2_597_500, 2_600_000),
        (2_597_495, 2_595_000),
    ],
)
def test_the_strike_at_the_money_is_the_nearest_one(price: int, strike: int) -> None:
    """Half a step goes up."""
    assert nearest_strike(price, 5_000) == strike


# ---------------------------------------------------------------- prices


@pytest.mark.parametrize(
    ("amount", "expected"),
    [(129.95, 12995), (0.05, 5), (0.29, 29), (1.15, 115), (4.35, 435), (-0.05, -5), (0, 0)],
)
def test_rupees_become_paise_to_the_nearest(amount: float, expected: int) -> None:
    """Prices that floats cannot hold exactly become the paise that were meant."""
    assert paise(amount) == expected


@given(st.integers(-(10**10), 10**10))
def test_paise_survive_the_way_through_rupees(price: int) -> None:
    """Paise to rupees and back is the same price."""
    assert paise(rupees(price)) == price


@given(st.decimals(-100_000, 100_000, places=2))
def test_paise_agree_with_decimal_arithmetic(amount: Decimal) -> None:
    """A price of two decimals becomes the paise that exact arithmetic gives."""
    exact = int((amount * 100).to_integral_value(ROUND_HALF_EVEN))

    assert paise(float(amount)) == exact


@pytest.mark.parametrize("amount", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_no_price(amount: float) -> None:
    """NaN and infinity are errors, not prices."""
    with pytest.raises(ValueError, match="finite"):
        paise(amount)


@pytest.mark.parametrize("amount", [1e307, -1.7e308])
def test_an_absurd_price_is_an_error_of_the_same_kind(amount: float) -> None:
    """A finite float too large for paise is converted or refused like NaN, nothing else."""
    try:
        converted = paise(amount)
    except ValueError:
        return

    assert converted == int(amount) * 100


@pytest.mark.parametrize(
    ("price", "text"), [(12995, "129.95"), (5, "0.05"), (0, "0.00"), (-5, "-0.05"), (100, "1.00")]
)
def test_paise_are_written_as_rupees(price: int, text: str) -> None:
    """A price is written with two decimals, the sign in front."""
    assert rupee_text(price) == text


@given(st.integers(0, 10**7), st.sampled_from([1, 5, 10, 25]))
def test_rounding_goes_to_the_nearest_tick_on_its_side(price: int, tick: int) -> None:
    """Rounding up is at or above, rounding down at or below, by less than a tick, on the tick."""
    up, down = round_up(price, tick), round_down(price, tick)

    assert up % tick == down % tick == 0
    assert price <= up < price + tick
    assert price - tick < down <= price
