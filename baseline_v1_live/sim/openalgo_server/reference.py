"""Contract records, expiries, holidays and session times, as the gateway's reference endpoints say.

Only holidays on fixed dates are known here; a played day is open whatever its date.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from baseline_v1_live.core.session import IST, at_ist
from baseline_v1_live.sim.contract_table import SESSION_OPEN, session_close
from baseline_v1_live.sim.openalgo_server.market import Instrument, Market

_MIDNIGHT = dt.time(0, 0)
_CASH_CLOSE = dt.time(15, 30)
_CLOSED = ["NSE", "BSE", "NFO", "BFO", "CDS", "BCD", "MCX"]
_FIXED_HOLIDAYS = (
    (1, 26, "Republic Day"),
    (5, 1, "Maharashtra Day"),
    (8, 15, "Independence Day"),
    (10, 2, "Mahatma Gandhi Jayanti"),
    (12, 25, "Christmas"),
)


def dashed(date: dt.date) -> str:
    """``24-NOV-26``."""
    return f"{date:%d-%b-%y}".upper()


def contract_record(instrument: Instrument) -> dict[str, Any]:
    """The ``symbol`` endpoint's record."""
    contract = instrument.contract
    record = {
        "symbol": instrument.symbol,
        "brsymbol": instrument.symbol,
        "name": instrument.symbol,
        "exchange": instrument.exchange,
        "brexchange": instrument.exchange,
        "token": str(instrument.token),
        "expiry": "",
        "strike": 0.0,
        "lotsize": 1,
        "tick_size": 0.05,
        "freeze_qty": 1,
        "instrumenttype": "INDEX",
    }
    if contract is None:
        return record
    return record | {
        "name": contract.underlying,
        "expiry": dashed(contract.expiry),
        "strike": contract.strike_paise / 100,
        "lotsize": contract.lot_size,
        "tick_size": contract.tick_paise / 100,
        "freeze_qty": contract.freeze_quantity,
        "instrumenttype": contract.option_type.value,
    }


def expiries(market: Market, symbol: str, kind: str) -> list[str]:
    """Expiry dates of an underlying, nearest first; none for what the day does not have."""
    if kind != "options":
        return []
    dates = {
        contract.expiry
        for contract in market.day.contracts.values()
        if contract.underlying == symbol
    }
    return [dashed(date) for date in sorted(dates)]


def search(market: Market, query: str, exchange: str | None) -> list[dict[str, Any]]:
    """Records whose name holds every word of the query."""
    words = query.upper().split()
    return [
        contract_record(instrument)
        for instrument in market.by_symbol.values()
        if exchange in (None, instrument.exchange)
        and words
        and all(word in instrument.symbol for word in words)
    ]


def holidays(year: int, played: dt.date) -> list[dict[str, Any]]:
    """The year's holidays on fixed dates, without the day that is played."""
    return [
        {
            "date": dt.date(year, month, day).isoformat(),
            "description": description,
            "holiday_type": "TRADING_HOLIDAY",
            "closed_exchanges": list(_CLOSED),
            "open_exchanges": [],
        }
        for month, day, description in _FIXED_HOLIDAYS
        if dt.date(year, month, day) != played
    ]


def timings(date: dt.date, played: dt.date) -> list[dict[str, Any]]:
    """Session times of a date in epoch milliseconds; closed days leave only what never closes."""
    start = at_ist(date, _MIDNIGHT)
    crypto = _span("CRYPTO", start, start + 86_399_000)
    fixed = {(month, day) for month, day, _ in _FIXED_HOLIDAYS}
    if date != played and (date.weekday() >= 5 or (date.month, date.day) in fixed):
        return [crypto]
    closes = {
        "NSE": _CASH_CLOSE,
        "BSE": _CASH_CLOSE,
        "NFO": session_close(date),
        "BFO": session_close(date),
        "CDS": dt.time(17, 0),
        "BCD": dt.time(17, 0),
        "MCX": dt.time(23, 55),
    }
    opens = {"CDS": dt.time(9, 0), "BCD": dt.time(9, 0), "MCX": dt.time(9, 0)}
    return [
        _span(name, at_ist(date, opens.get(name, SESSION_OPEN)), at_ist(date, close))
        for name, close in closes.items()
    ] + [crypto]


def _span(exchange: str, start_ms: int, end_ms: int) -> dict[str, Any]:
    return {"exchange": exchange, "start_time": start_ms, "end_time": end_ms}


def midnight_s(date: dt.date) -> int:
    """Epoch seconds of a date's first instant in IST: how daily bars are stamped."""
    return int(dt.datetime.combine(date, _MIDNIGHT, IST).timestamp())
