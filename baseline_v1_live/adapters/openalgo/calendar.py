"""A day of the exchange by the gateway's calendar: its hours, whether they are ordinary, what follows."""

from __future__ import annotations

import datetime as dt

import msgspec

from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient
from baseline_v1_live.adapters.openalgo.problems import Problem, trouble
from baseline_v1_live.adapters.openalgo.wire.requests import EXCHANGE
from baseline_v1_live.adapters.openalgo.wire.values import Unreadable
from baseline_v1_live.core.session import clock_text

_LOOK_AHEAD_DAYS = 10
_DECEMBER = 12
_SATURDAY = 5
_USUAL_OPEN = "09:15:00"


class TradingDay(msgspec.Struct, frozen=True, kw_only=True):
    """One date at our exchange, instants in epoch ms; ``open_ms`` and ``close_ms`` None: closed.

    ``special``: hours outside the ordinary ones, such as Muhurat or a Saturday. ``following`` is the
    next ordinary trading day, None where it is not known. ``holidays`` are the closed dates of the
    calendar with their names.
    """

    date: dt.date
    open_ms: int | None
    close_ms: int | None
    special: bool
    description: str
    following: dt.date | None
    holidays: dict[dt.date, str]

    @property
    def ordinary(self) -> bool:
        """Whether this is a day to trade on."""
        return self.open_ms is not None and not self.special

    def trading_at(self, at_ms: int) -> bool:
        """Whether an ordinary session is on."""
        if self.open_ms is None or self.close_ms is None or self.special:
            return False
        return self.open_ms <= at_ms < self.close_ms

    def closed_on(self, date: dt.date) -> bool:
        """Whether a date is a weekend or a holiday; exceptions for special sessions do not count."""
        return date.weekday() >= _SATURDAY or date in self.holidays

    def next_open_text(self, at_ms: int) -> str:
        """When the next ordinary session begins, for people."""
        if self.ordinary and self.open_ms is not None and at_ms < self.open_ms:
            return clock_text(self.open_ms)[:5]
        return _day(self.following) if self.following else "the next trading day"

    def text(self, at_ms: int) -> str:
        """The day in one line."""
        following = f"; next session {_day(self.following)}" if self.following else ""
        what = f" ({self.description})" if self.description else ""
        if self.open_ms is None or self.close_ms is None:
            weekend = " (weekend)" if self.date.weekday() >= _SATURDAY else ""
            return f"{_day(self.date)}: no session{what or weekend}{following}"
        hours = f"{clock_text(self.open_ms)[:5]} to {clock_text(self.close_ms)[:5]}"
        if self.special:
            return f"{_day(self.date)}: special session {hours}{what}{following}"
        over = ", over" if at_ms >= self.close_ms else ""
        return f"{_day(self.date)}: {hours}{over}{following}"


def _day(date: dt.date) -> str:
    return f"{date:%a} {date.day} {date:%b %Y}"


async def read_day(client: OpenAlgoClient, host: str, date: dt.date) -> TradingDay | Problem:
    """A date by the gateway's calendar. Without its hours and holidays nothing is assumed of it."""
    hours = await client.timings(date)
    if isinstance(hours, Unreadable):
        return trouble(hours, host)
    listed = await client.holidays(date.year)
    if isinstance(listed, Unreadable):
        return trouble(listed, host)
    if date.month == _DECEMBER:
        # The first expiry of January may be looked for already; the list may not be there yet.
        coming = await client.holidays(date.year + 1)
        listed += () if isinstance(coming, Unreadable) else coming
    special = {h.date for h in listed if any(s.exchange == EXCHANGE for s in h.sessions)}
    return TradingDay(
        date=date,
        open_ms=hours.start_ms if hours else None,
        close_ms=hours.end_ms if hours else None,
        special=hours is not None
        and (
            date in special
            or date.weekday() >= _SATURDAY
            or clock_text(hours.start_ms) != _USUAL_OPEN
        ),
        description=next((h.description for h in listed if h.date == date), ""),
        following=await _following(client, date, special),
        holidays={h.date: h.description for h in listed if EXCHANGE in h.closed},
    )


async def _following(
    client: OpenAlgoClient, date: dt.date, special: set[dt.date]
) -> dt.date | None:
    for days in range(1, _LOOK_AHEAD_DAYS + 1):
        day = date + dt.timedelta(days=days)
        if day in special or day.weekday() >= _SATURDAY:
            continue
        hours = await client.timings(day)
        if isinstance(hours, Unreadable):
            return None
        if hours is not None:
            return day
    return None
