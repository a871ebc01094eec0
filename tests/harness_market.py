"""The market of the tests: one day, a handful of options, and the shapes of their bars."""

from __future__ import annotations

import datetime as dt

from baseline_v1_live.core.instruments import Contract, parse_symbol
from baseline_v1_live.core.session import Session, at_ist, make_session

DATE = dt.date(2026, 12, 28)
INDEX = "NIFTY"
C259 = "NIFTY29DEC2625900CE"
C260 = "NIFTY29DEC2626000CE"
C261 = "NIFTY29DEC2626100CE"
C262 = "NIFTY29DEC2626200CE"
C2605 = "NIFTY29DEC2626050CE"
P259 = "NIFTY29DEC2625900PE"
P260 = "NIFTY29DEC2626000PE"
P261 = "NIFTY29DEC2626100PE"
SHORT_NAMES = {
    C259: "C259", C260: "C260", C261: "C261", C262: "C262", C2605: "C2605",
    P259: "P259", P260: "P260", P261: "P261",
}  # fmt: skip

Ohlc = tuple[float, float, float, float]


def make_contract(symbol: str, lot_size: int = 65) -> Contract:
    underlying, expiry, strike_paise, option_type = parse_symbol(symbol)
    return Contract(
        symbol=symbol,
        underlying=underlying,
        expiry=expiry,
        strike_paise=strike_paise,
        option_type=option_type,
        lot_size=lot_size,
    )


def at(text: str) -> int:
    """``10:00:30`` on the test's day, in epoch milliseconds."""
    return at_ist(DATE, dt.time.fromisoformat(text))


def day(*, first_entry: str = "09:16", broker_cutoff: str | None = None) -> Session:
    return make_session(
        DATE,
        open_time=dt.time(9, 15),
        close_time=dt.time(15, 40),
        first_entry=dt.time.fromisoformat(first_entry),
        last_entry=dt.time(15, 0),
        force_exit=dt.time(15, 15),
        broker_cutoff=dt.time.fromisoformat(broker_cutoff) if broker_cutoff else None,
    )


def swing_bars(low: float, high: float, base: float | None = None) -> list[Ohlc]:
    """Six minutes: the base, a high before, a step down, the low itself, and two that confirm it."""
    span = high - low
    top = max(low * 1.2, high + 5)
    if base is None:
        base = low * 0.7
    bars = (
        (base, base + 0.5, base, base + 0.2),
        (top - 2, top, top - 4, top - 1),
        (top - 4, top - 3, low + 0.4 * span, low + 0.5 * span),
        (low + 0.2 * span, low + 0.3 * span, low, low + 0.1 * span),
        (low + 0.2 * span, low + 0.6 * span, low + 0.1 * span, low + 0.5 * span),
        (low + 0.5 * span, high, low + 0.4 * span, low + 0.6 * span),
    )
    return [(_on_tick(o), _on_tick(h), _on_tick(lo), _on_tick(c)) for o, h, lo, c in bars]


def later_swing(low: float = 131.50) -> list[Ohlc]:
    """Five minutes that bring a symbol whose last swing low was 130 a new one: a high of 139.50, two
    steps down, the second of them the low, and two that confirm it, the higher high being 137.
    """
    return [
        (136.00, 139.50, 135.00, 139.00),
        (137.00, 138.00, 133.50, 134.00),
        (134.00, 134.50, low, 132.00),
        (132.50, 135.50, 132.00, 135.00),
        (135.00, 137.00, 134.00, 136.00),
    ]


def _on_tick(price: float) -> float:
    return round(price * 20) / 20
