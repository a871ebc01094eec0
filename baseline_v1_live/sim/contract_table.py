"""Lot sizes, freeze quantities and session times by date, for replays and generated days only.

A live day takes all of this from the gateway. Facts and their sources:
NIFTY lot 50 -> 25 (26 Apr 2024), 25 -> 75 (contracts introduced from 20 Nov 2024), 75 -> 65 (contracts
expiring after 30 Dec 2025; circular NSE/FAOP/70616 of 3 Oct 2025). F&O closes at 15:40 since
3 Aug 2026, at 15:30 before (NSE/FAOP/74467 of 29 May 2026). Freeze quantities: NSE's monthly circulars.
"""

from __future__ import annotations

import datetime as dt

from baseline_v1_live.core.instruments import Contract, parse_symbol

# underlying -> (last expiry this lot size holds for, lot size), oldest first
_FOREVER = dt.date.max
_LOT_SIZES: dict[str, tuple[tuple[dt.date, int], ...]] = {
    "NIFTY": (
        (dt.date(2024, 4, 25), 50),
        (dt.date(2024, 12, 26), 25),
        (dt.date(2025, 12, 30), 75),
        (_FOREVER, 65),
    ),
    "BANKNIFTY": ((dt.date(2025, 12, 30), 35), (_FOREVER, 30)),
    "FINNIFTY": ((dt.date(2025, 12, 30), 65), (_FOREVER, 60)),
    "MIDCPNIFTY": ((dt.date(2025, 12, 30), 140), (_FOREVER, 120)),
}
# Before these expiries the table's oldest lot size is a guess.
_KNOWN_FROM = {"NIFTY": dt.date(2021, 8, 1)}
_OTHERS_KNOWN_FROM = dt.date(2025, 8, 1)
# An index level to start a generated day of each underlying from.
TYPICAL_SPOT = {
    "NIFTY": 26_000.0,
    "BANKNIFTY": 58_000.0,
    "FINNIFTY": 27_500.0,
    "MIDCPNIFTY": 14_000.0,
}
_FREEZE = {"NIFTY": 1800, "BANKNIFTY": 600, "FINNIFTY": 1800, "MIDCPNIFTY": 2800}
_LONGER_SESSION_FROM = dt.date(2026, 8, 3)
SESSION_OPEN = dt.time(9, 15)


def session_close(date: dt.date) -> dt.time:
    """Close of the F&O session on a date."""
    return dt.time(15, 40) if date >= _LONGER_SESSION_FROM else dt.time(15, 30)


def lot_size(underlying: str, expiry: dt.date) -> int:
    """Lot size of an index contract by its expiry.

    Raises ValueError for an underlying that the table does not hold.
    """
    if underlying not in _LOT_SIZES:
        known = ", ".join(sorted(_LOT_SIZES))
        raise ValueError(f"underlying {underlying!r} is not in the contract table ({known})")
    return next(lot for last, lot in _LOT_SIZES[underlying] if expiry <= last)


def lot_size_notes(underlying: str, expiry: dt.date) -> tuple[str, ...]:
    """What a reader must know of the lot size used for an expiry; empty when it is a known fact."""
    if expiry >= _KNOWN_FROM.get(underlying, _OTHERS_KNOWN_FROM):
        return ()
    lot = lot_size(underlying, expiry)
    return (f"The lot size of this expiry is not in the contract table; {lot} was taken.",)


def recorded_contract(symbol: str) -> Contract:
    """The contract of an option's name, with lot and freeze quantity as of its expiry."""
    underlying, expiry, strike_paise, option_type = parse_symbol(symbol)
    return Contract(
        symbol=symbol,
        underlying=underlying,
        expiry=expiry,
        strike_paise=strike_paise,
        option_type=option_type,
        lot_size=lot_size(underlying, expiry),
        freeze_quantity=_FREEZE[underlying],
    )
