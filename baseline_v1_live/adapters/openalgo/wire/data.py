"""Market data, contracts, money and calendar: answers of the gateway to values of the core.

Each function gives the value or Unreadable; an empty list is an answer, a missing one is not.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import msgspec

from baseline_v1_live.adapters.openalgo.wire.books import success_of
from baseline_v1_live.adapters.openalgo.wire.requests import EXCHANGE
from baseline_v1_live.adapters.openalgo.wire.values import (
    Mode,
    Reply,
    Unreadable,
    date_of,
    instant_of,
    mode_of,
    number_of,
    paise_of,
    text_of,
    whole_of,
)
from baseline_v1_live.core.instruments import Contract, parse_symbol
from baseline_v1_live.core.messages import Bar, Tick
from baseline_v1_live.core.session import MINUTE_MS, clock_text, minute_start

_NO_END_MS = 1 << 62


class Quotes(msgspec.Struct, frozen=True):
    """Prices of several symbols, and why some have none."""

    ticks: tuple[Tick, ...]
    refused: dict[str, str]


class Funds(msgspec.Struct, frozen=True):
    """The account's money in paise."""

    available_paise: int
    used_paise: int
    mode: Mode


class SessionHours(msgspec.Struct, frozen=True):
    """Trading hours of one exchange, epoch milliseconds."""

    exchange: str
    start_ms: int
    end_ms: int


class Holiday(msgspec.Struct, frozen=True):
    """One entry of the exchange calendar; ``sessions`` are hours it is open in spite of it."""

    date: dt.date
    description: str
    kind: str
    closed: tuple[str, ...]
    sessions: tuple[SessionHours, ...]


def tick_of(symbol: str, data: Any) -> Tick | Unreadable:
    """A quote as a Tick; a zero bid or ask means that there is none."""
    if not isinstance(data, Mapping):
        return Unreadable(f"quote of {symbol}: no data")
    ltp = paise_of(data.get("ltp"))
    if ltp is None or ltp <= 0:
        return Unreadable(f"quote of {symbol}: last price {data.get('ltp')!r}")
    return Tick(
        symbol=symbol,
        ltp_paise=ltp,
        bid_paise=positive(paise_of(data.get("bid"))),
        ask_paise=positive(paise_of(data.get("ask"))),
        volume=volume_of(data),
    )


def volume_of(data: Mapping[str, Any]) -> int | None:
    """The day's volume; None where it is not told, as in messages of the price-only mode."""
    volume = number_of(data.get("volume"))
    return int(volume) if volume is not None and volume >= 0 else None


def positive(number: int | None) -> int | None:
    """The number when it is above zero: gateways write 0 for "none"."""
    return number if number is not None and number > 0 else None


def quotes(reply: Reply, symbol: str) -> Tick | Unreadable:
    """One symbol's quote."""
    body = success_of(reply, f"quote of {symbol}")
    return body if isinstance(body, Unreadable) else tick_of(symbol, body.get("data"))


def multiquotes(reply: Reply) -> Quotes | Unreadable:
    """Quotes of several symbols; the gateway says success even when each of them failed."""
    body = success_of(reply, "quotes")
    if isinstance(body, Unreadable):
        return body
    rows = body.get("results")
    if not isinstance(rows, list):
        return Unreadable("quotes: no results", reply.status)
    ticks: list[Tick] = []
    refused: dict[str, str] = {}
    for row in rows:
        symbol = text_of(row.get("symbol")) if isinstance(row, Mapping) else None
        if symbol is None:
            return Unreadable(f"quotes: a row without a symbol: {str(row)[:200]}", reply.status)
        tick = tick_of(symbol, row.get("data"))
        if isinstance(tick, Tick):
            ticks.append(tick)
        else:
            refused[symbol] = str(row.get("error") or tick.reason)
    return Quotes(tuple(ticks), refused)


def history(
    reply: Reply, now_ms: int, within: tuple[int, int] | None = None
) -> tuple[Bar, ...] | Unreadable:
    """Closed one-minute bars, oldest first.

    Left out, whatever they hold: the bar that ``now_ms`` still forms, and those outside of ``within``
    (first instant and end, epoch ms), such as the pre-open's. A bar in it that cannot be read is a
    hole, which may hide a swing: then there is no history.
    """
    body = success_of(reply, "history")
    if isinstance(body, Unreadable):
        return body
    rows = body.get("data")
    if not isinstance(rows, list):
        return Unreadable("history: no list of bars", reply.status)
    bars: dict[int, Bar] = {}
    from_ms, until_ms = within or (0, _NO_END_MS)
    for row in rows:
        at_ms = instant_of(row.get("timestamp")) if isinstance(row, Mapping) else None
        if at_ms is None:
            return Unreadable(f"history: a bar without its time: {str(row)[:200]}", reply.status)
        minute_ms = minute_start(at_ms)
        if minute_ms + MINUTE_MS > now_ms or not from_ms <= minute_ms < until_ms or _untraded(row):
            continue
        bar = _bar(row, minute_ms)
        if bar is None:
            at = clock_text(minute_ms)[:5]
            return Unreadable(f"history: unreadable bar of {at}: {str(row)[:200]}", reply.status)
        bars[minute_ms] = bar
    return tuple(bars[minute] for minute in sorted(bars))


def _untraded(row: Mapping[str, Any]) -> bool:
    """Whether a row only fills a minute without a trade: no volume, and no price at all."""
    prices = (row.get(name) for name in ("open", "high", "low", "close"))
    return number_of(row.get("volume")) == 0 and all(p is None or number_of(p) == 0 for p in prices)


def _bar(row: Mapping[str, Any], minute_ms: int) -> Bar | None:
    o, h, low, c = (paise_of(row.get(name)) for name in ("open", "high", "low", "close"))
    volume = number_of(row.get("volume", 0))
    if o is None or h is None or low is None or c is None or volume is None:
        return None
    if not 0 < low <= min(o, c) <= max(o, c) <= h or volume < 0:
        return None
    return Bar(
        minute_ms=minute_ms,
        open_paise=o,
        high_paise=h,
        low_paise=low,
        close_paise=c,
        volume=int(volume),
    )


def contract(reply: Reply, symbol: str) -> Contract | Unreadable:
    """The contract behind an option's symbol; a record that contradicts the symbol is Unreadable."""
    body = success_of(reply, f"contract {symbol}")
    if isinstance(body, Unreadable):
        return body
    data = body.get("data")
    if not isinstance(data, Mapping) or data.get("symbol") != symbol:
        return Unreadable(f"contract {symbol}: the record is of another symbol", reply.status)
    try:
        underlying, expiry, strike_paise, option_type = parse_symbol(symbol)
    except ValueError as error:
        return Unreadable(str(error), reply.status)
    said = (date_of(data.get("expiry")), paise_of(data.get("strike")))
    if said != (expiry, strike_paise):
        return Unreadable(f"contract {symbol}: the record says expiry and strike {said}")
    lot = whole_of(data.get("lotsize"))
    tick = paise_of(data.get("tick_size"))
    if lot is None or lot <= 0 or tick is None or tick <= 0:
        return Unreadable(f"contract {symbol}: lot {lot} units, tick {tick} paise", reply.status)
    made = Contract(
        symbol=symbol,
        underlying=underlying,
        expiry=expiry,
        strike_paise=strike_paise,
        option_type=option_type,
        lot_size=lot,
        tick_paise=tick,
    )
    freeze = whole_of(data.get("freeze_qty"))
    # The gateway writes 1 for contracts whose freeze quantity it does not know.
    if freeze is None or freeze < lot:
        return made
    return msgspec.structs.replace(made, freeze_quantity=freeze)


def expiries(reply: Reply) -> tuple[dt.date, ...] | Unreadable:
    """Expiry dates, the nearest first."""
    body = success_of(reply, "expiry dates")
    if isinstance(body, Unreadable):
        return body
    rows = body.get("data")
    dates = [date_of(row) for row in rows] if isinstance(rows, list) else [None]
    found = sorted({date for date in dates if date is not None})
    if None in dates:
        return Unreadable(f"expiry dates: unreadable {str(rows)[:200]}", reply.status)
    return tuple(found)


def funds(reply: Reply) -> Funds | Unreadable:
    """The account's money; the sandbox writes numbers, brokers text."""
    body = success_of(reply, "funds")
    if isinstance(body, Unreadable):
        return body
    data = body.get("data")
    if not isinstance(data, Mapping):
        return Unreadable("funds: no data", reply.status)
    available, used = paise_of(data.get("availablecash")), paise_of(data.get("utiliseddebits"))
    if available is None or used is None:
        return Unreadable(f"funds: unreadable {str(dict(data))[:200]}", reply.status)
    return Funds(available, used, mode_of(body))


def margin(reply: Reply) -> int | Unreadable:
    """The margin in paise that the asked orders would block together."""
    body = success_of(reply, "margin")
    if isinstance(body, Unreadable):
        return body
    data = body.get("data")
    total = paise_of(data.get("total_margin_required")) if isinstance(data, Mapping) else None
    return Unreadable("margin: no total", reply.status) if total is None or total < 0 else total


def analyzer(reply: Reply) -> Mode | Unreadable:
    """Whether the gateway is live or in analyzer mode."""
    body = success_of(reply, "analyzer")
    if isinstance(body, Unreadable):
        return body
    data = body.get("data")
    on = data.get("analyze_mode") if isinstance(data, Mapping) else None
    if not isinstance(on, bool):
        return Unreadable("analyzer: no analyze_mode", reply.status)
    return Mode.ANALYZE if on else Mode.LIVE


def ping(reply: Reply) -> str | Unreadable:
    """The broker's name. The gateway answers without asking the broker: its session may be dead."""
    body = success_of(reply, "ping")
    if isinstance(body, Unreadable):
        return body
    data = body.get("data")
    broker = text_of(data.get("broker")) if isinstance(data, Mapping) else None
    return Unreadable("ping: no broker", reply.status) if broker is None else broker


def timings(reply: Reply) -> SessionHours | Unreadable | None:
    """Our exchange's hours of the asked date; None when it is closed."""
    body = success_of(reply, "timings")
    if isinstance(body, Unreadable):
        return body
    hours = _hours(body.get("data"))
    if hours is None:
        return Unreadable(f"timings: unreadable {str(body.get('data'))[:200]}", reply.status)
    return next((row for row in hours if row.exchange == EXCHANGE), None)


def holidays(reply: Reply) -> tuple[Holiday, ...] | Unreadable:
    """The calendar's entries, oldest first."""
    body = success_of(reply, "holidays")
    if isinstance(body, Unreadable):
        return body
    rows = body.get("data")
    if not isinstance(rows, list):
        return Unreadable("holidays: no list", reply.status)
    found: list[Holiday] = []
    for row in rows:
        holiday = _holiday(row)
        if holiday is None:
            return Unreadable(f"holidays: unreadable {str(row)[:200]}", reply.status)
        found.append(holiday)
    return tuple(sorted(found, key=lambda holiday: holiday.date))


def _holiday(row: Any) -> Holiday | None:
    if not isinstance(row, Mapping):
        return None
    date, closed = date_of(row.get("date")), row.get("closed_exchanges")
    sessions = _hours(row.get("open_exchanges") or [])
    if date is None or sessions is None or not isinstance(closed, list):
        return None
    return Holiday(
        date=date,
        description=str(row.get("description") or ""),
        kind=str(row.get("holiday_type") or ""),
        closed=tuple(str(exchange) for exchange in closed),
        sessions=sessions,
    )


def _hours(rows: Any) -> tuple[SessionHours, ...] | None:
    if not isinstance(rows, list):
        return None
    found = []
    for row in rows:
        if not isinstance(row, Mapping):
            return None
        exchange = text_of(row.get("exchange"))
        start, end = instant_of(row.get("start_time")), instant_of(row.get("end_time"))
        if exchange is None or start is None or end is None:
            return None
        found.append(SessionHours(exchange, start, end))
    return tuple(found)
