"""The trading day as instants: minutes of IST, the session's bounds and the bot's own deadlines.

India has no daylight saving time, so IST is a fixed offset and minutes are plain arithmetic.
"""

from __future__ import annotations

import datetime as dt

import msgspec

IST = dt.timezone(dt.timedelta(hours=5, minutes=30), "IST")
MINUTE_MS = 60_000
SECOND_MS = 1_000
_OFFSET_MS = (5 * 60 + 30) * MINUTE_MS
_DAY_MS = 24 * 60 * MINUTE_MS


def minute_start(at_ms: int) -> int:
    """Start of the minute that holds this instant (IST minutes are UTC minutes)."""
    return at_ms - at_ms % MINUTE_MS


def at_ist(date: dt.date, time: dt.time) -> int:
    """The instant of a wall-clock time in IST on a date, in epoch milliseconds."""
    return int(dt.datetime.combine(date, time, IST).timestamp() * 1000)


def ist_datetime(at_ms: int) -> dt.datetime:
    """An instant as an aware datetime in IST."""
    return dt.datetime.fromtimestamp(at_ms / 1000, IST)


def ist_date(at_ms: int) -> dt.date:
    """The calendar date in IST of an instant."""
    return ist_datetime(at_ms).date()


def iso(at_ms: int) -> str:
    """ISO 8601 with the IST offset; milliseconds only where there are any."""
    timespec = "seconds" if at_ms % 1000 == 0 else "milliseconds"
    return ist_datetime(at_ms).isoformat(timespec=timespec)


def clock_text(at_ms: int) -> str:
    """``HH:MM:SS`` in IST, for log lines."""
    seconds = (at_ms + _OFFSET_MS) % _DAY_MS // 1000
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One trading day's instants, all epoch milliseconds.

    ``square_off_ms`` is when close-all starts, ``hard_cut_ms`` when everything must be flat.
    """

    date: dt.date
    open_ms: int
    close_ms: int
    first_entry_ms: int
    last_entry_ms: int
    square_off_ms: int
    hard_cut_ms: int


HARD_CUT_AFTER_S = 300
CUTOFF_MARGIN_S = 300


def make_session(
    date: dt.date,
    *,
    open_time: dt.time,
    close_time: dt.time,
    first_entry: dt.time,
    last_entry: dt.time,
    force_exit: dt.time,
    broker_cutoff: dt.time | None,
) -> Session:
    """The session of a date.

    Square-off starts at the earlier of ``force_exit`` and five minutes before the broker's intraday
    cut-off, and in any case five minutes before the close; the hard cut is five minutes later.
    """
    close_ms = at_ist(date, close_time)
    square_off = min(at_ist(date, force_exit), close_ms - CUTOFF_MARGIN_S * SECOND_MS)
    if broker_cutoff is not None:
        square_off = min(square_off, at_ist(date, broker_cutoff) - CUTOFF_MARGIN_S * SECOND_MS)
    return Session(
        date=date,
        open_ms=at_ist(date, open_time),
        close_ms=close_ms,
        first_entry_ms=at_ist(date, first_entry),
        last_entry_ms=min(at_ist(date, last_entry), square_off),
        square_off_ms=square_off,
        hard_cut_ms=square_off + HARD_CUT_AFTER_S * SECOND_MS,
    )
