"""Estimated charges by date (core/charges.py)."""

from __future__ import annotations

import datetime as dt

import pytest

from baseline_v1_live.core.charges import order_charges
from baseline_v1_live.core.messages import Side

LAKH = 10_000_000  # ₹1,00,000 in paise
BROKERAGE = 2_000
# Of one lakh: exchange ₹35.03, fund ₹0.50, SEBI ₹0.10; and 18 % GST on them and on the brokerage.
FEES = 3_503 + 50 + 10
WITH_GST = FEES + BROKERAGE + (FEES + BROKERAGE) * 18 // 100


@pytest.mark.parametrize(
    ("date", "stt"),
    [
        (dt.date(2024, 9, 30), 6_250),
        (dt.date(2024, 10, 1), 10_000),
        (dt.date(2026, 3, 31), 10_000),
        (dt.date(2026, 4, 1), 15_000),
        (dt.date(2026, 12, 29), 15_000),
    ],
)
def test_the_tax_on_sales_follows_the_date(date: dt.date, stt: int) -> None:
    """A sale pays 0.0625 %, 0.10 % from October 2024 and 0.15 % from April 2026."""
    assert order_charges(date, Side.SELL, LAKH, BROKERAGE) == WITH_GST + stt


@pytest.mark.parametrize("date", [dt.date(2024, 9, 30), dt.date(2026, 4, 1)])
def test_a_purchase_pays_stamp_duty_and_no_transaction_tax(date: dt.date) -> None:
    """A purchase pays 0.003 % stamp duty on every date."""
    assert order_charges(date, Side.BUY, LAKH, BROKERAGE) == WITH_GST + 300


@pytest.mark.parametrize("side", list(Side))
def test_an_order_without_a_fill_costs_nothing(side: Side) -> None:
    """No turnover, no charge, not even the brokerage."""
    assert order_charges(dt.date(2026, 12, 28), side, 0, BROKERAGE) == 0


def test_brokerage_is_charged_with_gst() -> None:
    """Another ₹20 of brokerage costs ₹23.60."""
    date = dt.date(2026, 12, 28)
    with_brokerage, without = (order_charges(date, Side.BUY, LAKH, b) for b in (2_000, 0))

    assert with_brokerage - without in (2_360, 2_361)
