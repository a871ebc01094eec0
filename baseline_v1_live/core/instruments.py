"""Contracts, symbols and prices: what an option is called, and how rupees become paise.

OpenAlgo names an option ``<underlying><DDMMMYY><strike><CE|PE>``, e.g. ``NIFTY29DEC2626000CE``
(docs.openalgo.in, symbol format). Prices are integer paise everywhere behind this module.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from enum import StrEnum

import msgspec

PAISE = 100
_RUPEES_MAX = 1e12
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_EXPIRY = re.compile(r"(\d{2})([A-Z]{3})(\d{2})")
_SYMBOL = re.compile(r"([A-Z]+?)(\d{2}[A-Z]{3}\d{2})(\d+(?:\.\d+)?)(CE|PE)")


class OptionType(StrEnum):
    """Call or put, as NSE abbreviates them."""

    CE = "CE"
    PE = "PE"


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """One option as the gateway's own record describes it."""

    symbol: str
    underlying: str
    expiry: dt.date
    strike_paise: int
    option_type: OptionType
    lot_size: int
    tick_paise: int = 5
    freeze_quantity: int = 1800

    @property
    def order_quantity_max(self) -> int:
        """Largest quantity of one order: whole lots within the freeze quantity (at least one lot)."""
        return max(self.freeze_quantity // self.lot_size, 1) * self.lot_size


def paise(rupees: float) -> int:
    """Rupees (any finite float) to integer paise, to the nearest.

    Raises ValueError when the price is not finite or absurd.
    """
    if not math.isfinite(rupees) or abs(rupees) > _RUPEES_MAX:
        raise ValueError(f"not a finite price: {rupees!r}")
    return round(rupees * PAISE)


def rupees(price_paise: int) -> float:
    """Integer paise to rupees, for display and files."""
    return price_paise / PAISE


def rupee_text(price_paise: int) -> str:
    """Paise as the text ``129.95``."""
    sign = "-" if price_paise < 0 else ""
    return f"{sign}{abs(price_paise) // PAISE}.{abs(price_paise) % PAISE:02d}"


def round_up(price_paise: int, tick_paise: int) -> int:
    """The nearest tick at or above the price: how a BUY limit is rounded."""
    return -(-price_paise // tick_paise) * tick_paise


def round_down(price_paise: int, tick_paise: int) -> int:
    """The nearest tick at or below the price: how a SELL limit is rounded."""
    return price_paise // tick_paise * tick_paise


def nearest_strike(price_paise: int, step_paise: int) -> int:
    """The strike at the money for a price of the underlying; of two as near, the higher one."""
    return (price_paise + step_paise // 2) // step_paise * step_paise


def parse_expiry(text: str) -> dt.date:
    """``29DEC26`` to a date.

    Raises ValueError naming the text when it is not a date of that form.
    """
    match = _EXPIRY.fullmatch(text)
    if match is None or match[2] not in _MONTHS:
        raise ValueError(f"expiry {text!r} is not of the form DDMMMYY, e.g. 29DEC26")
    try:
        return dt.date(2000 + int(match[3]), _MONTHS.index(match[2]) + 1, int(match[1]))
    except ValueError as error:
        raise ValueError(f"expiry {text!r} is not a date of the calendar") from error


def expiry_code(expiry: dt.date) -> str:
    """A date to ``29DEC26``."""
    return f"{expiry.day:02d}{_MONTHS[expiry.month - 1]}{expiry.year % 100:02d}"


def option_symbol(
    underlying: str, expiry: dt.date, strike_paise: int, option_type: OptionType
) -> str:
    """OpenAlgo's name of an option; strikes carry no trailing zeros."""
    whole, part = divmod(strike_paise, PAISE)
    strike = f"{whole}" if part == 0 else f"{whole}.{part:02d}".rstrip("0")
    return f"{underlying}{expiry_code(expiry)}{strike}{option_type}"


def parse_symbol(symbol: str) -> tuple[str, dt.date, int, OptionType]:
    """An option's name to (underlying, expiry, strike in paise, option type).

    The date is read before the strike, which settles names such as ``NIFTY28OCT2525000CE``.
    Raises ValueError naming the symbol when it is not an option's name.
    """
    match = _SYMBOL.fullmatch(symbol)
    if match is None:
        raise ValueError(f"symbol {symbol!r} is not an option name such as NIFTY29DEC2626000CE")
    return match[1], parse_expiry(match[2]), paise(float(match[3])), OptionType(match[4])


def universe(
    underlying: str, expiry: dt.date, atm_paise: int, step_paise: int, strikes_each_side: int
) -> tuple[str, ...]:
    """Names of the strikes ATM ± n x step, CE then PE at each strike, lowest strike first."""
    return tuple(
        option_symbol(underlying, expiry, atm_paise + offset * step_paise, option_type)
        for offset in range(-strikes_each_side, strikes_each_side + 1)
        for option_type in OptionType
    )
