"""The trading day as instants of IST (core/session.py; docs/strategy.md, sections 8 and 10)."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseline_v1_live.core.session import (
    MINUTE_MS,
    Session,
    at_ist,
    clock_text,
    iso,
    ist_date,
    ist_datetime,
    make_session,
    minute_start,
)

KOLKATA = ZoneInfo("Asia/Kolkata")
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
DATE = dt.date(2026, 12, 29)

dates = st.dates(dt.date(2010, 1, 1), dt.date(2037, 12, 31))
times = st.integers(0, 86_399_999).map(lambda ms: (EPOCH + dt.timedelta(milliseconds=ms)).time())
instants = st.integers(at_ist(dt.date(2000, 1, 1), dt.time()), at_ist(DATE, dt.time()))


def in_kolkata(at_ms: int) -> dt.datetime:
    return (EPOCH + dt.timedelta(milliseconds=at_ms)).astimezone(KOLKATA)


# ---------------------------------------------------------------- instants


def test_a_known_instant() -> None:
    """09:15 IST on 29 December 2026 is 03:45 UTC."""
    assert at_ist(DATE, dt.time(9, 15)) == 1_798_515_900_000


@given(dates, times)
def test_instants_agree_with_the_time_zone_database(date: dt.date, time: dt.time) -> None:
    """A wall-clock time of any date is the instant that Asia/Kolkata gives, to the millisecond."""
    exact = (dt.datetime.combine(date, time, KOLKATA) - EPOCH) // dt.timedelta(milliseconds=1)

    assert at_ist(date, time) == exact


@given(instants)
def test_wall_clocks_agree_with_the_time_zone_database(at_ms: int) -> None:
    """An instant's date, time and texts are those of Asia/Kolkata."""
    there = in_kolkata(at_ms)
    precision = "seconds" if at_ms % 1000 == 0 else "milliseconds"

    assert ist_datetime(at_ms) == there
    assert ist_datetime(at_ms).replace(tzinfo=None) == there.replace(tzinfo=None)
    assert ist_date(at_ms) == there.date()
    assert clock_text(at_ms) == there.strftime("%H:%M:%S")
    assert iso(at_ms) == there.isoformat(timespec=precision)


@given(instants)
def test_minutes_are_minutes_of_ist(at_ms: int) -> None:
    """The minute that holds an instant starts at :00 of the wall clock in IST."""
    start = minute_start(at_ms)

    assert start <= at_ms < start + MINUTE_MS
    assert in_kolkata(start) == in_kolkata(at_ms).replace(second=0, microsecond=0)


def test_the_day_changes_at_midnight_of_ist() -> None:
    """The date in IST changes at 18:30 UTC."""
    midnight = at_ist(DATE, dt.time())

    assert midnight % 86_400_000 == (18 * 60 + 30) * MINUTE_MS
    assert ist_date(midnight - 1) == dt.date(2026, 12, 28)
    assert ist_date(midnight) == DATE


def test_instants_are_written_with_the_offset() -> None:
    """ISO text carries +05:30, and milliseconds only where there are any."""
    at = at_ist(DATE, dt.time(9, 15))

    assert iso(at) == "2026-12-29T09:15:00+05:30"
    assert iso(at + 7) == "2026-12-29T09:15:00.007+05:30"


# ---------------------------------------------------------------- the session


def session_of(
    force_exit: dt.time = dt.time(15, 15),
    broker_cutoff: dt.time | None = None,
    close: dt.time = dt.time(15, 40),
    last_entry: dt.time = dt.time(15, 0),
) -> Session:
    return make_session(
        DATE,
        open_time=dt.time(9, 15),
        close_time=close,
        first_entry=dt.time(9, 16),
        last_entry=last_entry,
        force_exit=force_exit,
        broker_cutoff=broker_cutoff,
    )


def test_a_session_is_its_times_on_its_date() -> None:
    """Open, close and the entry times are the wall-clock times of that date."""
    session = session_of()

    assert session.date == DATE
    assert session.open_ms == at_ist(DATE, dt.time(9, 15))
    assert session.close_ms == at_ist(DATE, dt.time(15, 40))
    assert session.first_entry_ms == at_ist(DATE, dt.time(9, 16))
    assert session.last_entry_ms == at_ist(DATE, dt.time(15, 0))


@pytest.mark.parametrize(
    ("force_exit", "broker_cutoff", "square_off"),
    [
        (dt.time(15, 15), None, dt.time(15, 15)),
        (dt.time(15, 15), dt.time(15, 25), dt.time(15, 15)),
        (dt.time(15, 15), dt.time(15, 20), dt.time(15, 15)),
        (dt.time(15, 15), dt.time(15, 19, 59), dt.time(15, 14, 59)),
        (dt.time(15, 15), dt.time(15, 15), dt.time(15, 10)),
        (dt.time(14, 0), dt.time(15, 15), dt.time(14, 0)),
    ],
)
def test_square_off_keeps_clear_of_the_brokers_cutoff(
    force_exit: dt.time, broker_cutoff: dt.time | None, square_off: dt.time
) -> None:
    """Square-off starts at the earlier of the forced exit and the cut-off less five minutes."""
    session = session_of(force_exit, broker_cutoff)

    assert session.square_off_ms == at_ist(DATE, square_off)


@pytest.mark.parametrize("cutoff", [None, dt.time(15, 15)])
def test_the_hard_cut_is_five_minutes_after_square_off(cutoff: dt.time | None) -> None:
    """Everything must be flat five minutes after square-off starts, whatever set its time."""
    session = session_of(broker_cutoff=cutoff)

    assert session.hard_cut_ms - session.square_off_ms == 5 * MINUTE_MS


def test_square_off_leaves_five_minutes_before_the_close() -> None:
    """A forced exit later than five minutes before the close starts at five minutes before it."""
    session = session_of(force_exit=dt.time(15, 35), close=dt.time(15, 30))

    assert session.square_off_ms == at_ist(DATE, dt.time(15, 25))
    assert session.hard_cut_ms == session.close_ms


def test_no_entry_after_square_off() -> None:
    """The last entry is never later than square-off."""
    session = session_of(force_exit=dt.time(14, 30))

    assert session.last_entry_ms == session.square_off_ms == at_ist(DATE, dt.time(14, 30))
