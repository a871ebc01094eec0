"""Checks of clocks and calendars before the start; each works on what it is given.

The machine's clock against the gateway's, the expiry against the exchange's calendar, and our
square-off against the broker's.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable

import msgspec

from baseline_v1_live.core.session import CUTOFF_MARGIN_S, ist_date
from baseline_v1_live.runtime.checks import Check, Verdict

CLOCK_OFF_MAX_MS = 2_000
# So far apart it is not a matter of NTP: somebody has set one of the clocks wrong.
_FAR_OFF_MS = 60_000
# OpenAlgo's sandbox closes intraday positions at this time whatever the broker does.
ANALYZER_CUTOFF = dt.time(15, 15)
EXPIRY_WEEKDAY = 1  # Tuesday, of index options since 1 September 2025


class Dated(msgspec.Struct, frozen=True):
    """One answer with the server's own time: whole seconds, rounded down; instants in epoch ms."""

    date_ms: int
    received_ms: int
    took_ms: int


def check_clock(answers: Iterable[Dated]) -> Check:
    """Whether our clock and the gateway's agree to within 2 s.

    A server's date is whole seconds and was written somewhere between question and answer, so each
    answer says only between which bounds our clock is off. Nothing is blamed that these leave open.
    """
    name = "clock"
    bounds = _off_between_ms(answers)
    if bounds is None:
        return Check(name, Verdict.SKIP, "the gateway does not tell its time")
    low, high = bounds
    off_ms = _surely_off_ms(low, high)
    if abs(off_ms) <= CLOCK_OFF_MAX_MS:
        seen = f"between {low / 1000:+.1f} and {high / 1000:+.1f} s off the gateway's"
        return Check(name, Verdict.PASS, seen)
    way = "ahead of" if off_ms > 0 else "behind"
    return Check(
        name,
        Verdict.FAIL,
        f"at least {abs(off_ms) / 1000:.1f} s {way} the gateway's clock",
        "set both clocks by NTP (timedatectl set-ntp true); orders and bars go by the minute",
    )


def clock_to_go_by(answers: Iterable[Dated], now_ms: int, close_ms: int | None) -> int:
    """By how many milliseconds to put our clock on (+) or back (-) at a start, to go by the gateway's.

    Of two clocks that are a minute or more apart, the later one counts, so that no square-off is late.
    But a session that is not over by one of them is not over: whoever holds something would leave it
    alone. Another date is nothing to go by. ``close_ms`` is the end of the day's session.
    """
    bounds = _off_between_ms(answers)
    if bounds is None:
        return 0
    off_ms = _surely_off_ms(*bounds)
    theirs_ms = now_ms - off_ms
    if abs(off_ms) < _FAR_OFF_MS or ist_date(theirs_ms) != ist_date(now_ms):
        return 0
    over_by_ours_only = close_ms is not None and theirs_ms < close_ms <= now_ms
    return -off_ms if off_ms < 0 or over_by_ours_only else 0


def slept_ms(answers: Iterable[Dated], now_ms: int, machine_ahead_ms: int) -> int:
    """By how many milliseconds to put our clock on during a day: the machine slept, and ours with it.

    Only where the machine's own time, so far ahead of ours, and the gateway's both say that it is later
    by a minute or more; one of them alone may have been set wrong.
    """
    by_ms = min(clock_to_go_by(answers, now_ms, None), machine_ahead_ms)
    return by_ms if by_ms >= _FAR_OFF_MS else 0


def _off_between_ms(answers: Iterable[Dated]) -> tuple[int, int] | None:
    bounds = [
        (a.received_ms - a.took_ms - a.date_ms - 999, a.received_ms - a.date_ms) for a in answers
    ]
    if not bounds:
        return None
    return max(low for low, _ in bounds), min(high for _, high in bounds)


def _surely_off_ms(low: int, high: int) -> int:
    return max(low, 0) or min(high, 0)


def check_cutoff(
    *,
    paper: bool,
    force_exit: dt.time,
    last_entry: dt.time,
    broker_cutoff: dt.time | None,
) -> Check:
    """Whether our square-off is over before the broker, or the analyzer, starts its own."""
    name = "cut-off"
    if broker_cutoff is None and not paper:
        return Check(
            name,
            Verdict.FAIL,
            "BROKER_MIS_CUTOFF is not set",
            "ask your broker when it closes intraday positions, and set it; live trading does not "
            "start without it",
        )
    cutoff = broker_cutoff or ANALYZER_CUTOFF
    if paper:
        cutoff = min(cutoff, ANALYZER_CUTOFF)
    whose = "the analyzer's" if paper and cutoff == ANALYZER_CUTOFF else "the broker's"
    latest = _earlier(cutoff, CUTOFF_MARGIN_S)
    start = min(force_exit, latest)
    seen = f"square-off starts at {start:%H:%M}, {whose} own is at {cutoff:%H:%M}"
    if force_exit > latest:
        seen += (
            f"; FORCE_EXIT_TIME {force_exit:%H:%M} leaves less than {CUTOFF_MARGIN_S // 60} minutes"
        )
    if last_entry > start:
        return Check(
            name,
            Verdict.WARN,
            f"{seen}; LAST_ENTRY_TIME is {last_entry:%H:%M}",
            f"set LAST_ENTRY_TIME to {start:%H:%M} or earlier",
        )
    return Check(name, Verdict.PASS, seen)


def _earlier(time: dt.time, seconds: int) -> dt.time:
    minutes = time.hour * 60 + time.minute - seconds // 60
    return dt.time(minutes // 60, minutes % 60)


def usual_expiry(
    today: dt.date, closed: Callable[[dt.date], bool], *, weekly: bool
) -> tuple[dt.date, dt.date]:
    """The nearest expiry by the exchange's rule: (its usual Tuesday, the day that it is moved to).

    Every Tuesday, or the last one of the month where there are no weekly contracts; on a closed day
    it moves to the trading day before. A move may put it behind ``today``: then the next one counts.
    """
    usual = today + dt.timedelta(days=(EXPIRY_WEEKDAY - today.weekday()) % 7)
    while True:
        moved = usual
        while closed(moved):
            moved -= dt.timedelta(days=1)
        last_of_month = (usual + dt.timedelta(days=7)).month != usual.month
        if moved >= today and (weekly or last_of_month):
            return usual, moved
        usual += dt.timedelta(days=7)


def check_expiry_day(
    chosen: dt.date,
    nearest: dt.date,
    usual: dt.date,
    moved: dt.date,
    holidays: dict[dt.date, str],
) -> Check:
    """The chosen expiry against the nearest one that is listed, and that against the calendar."""
    name = "expiry"
    seen = day_text(chosen)
    if chosen != nearest:
        return Check(
            name, Verdict.WARN, f"{seen}, but {day_text(nearest)} is nearer", "is that meant?"
        )
    if nearest != moved:
        return Check(
            name,
            Verdict.WARN,
            f"{seen} is the nearest one listed; by the calendar it would be {day_text(moved)}",
            "compare with the exchange's own list: the gateway's contracts or holidays may be old",
        )
    if usual != moved:
        why = f" ({holidays[usual]})" if holidays.get(usual) else ""
        seen += f", moved from {day_text(usual)}{why}"
    return Check(name, Verdict.PASS, seen)


def day_text(date: dt.date) -> str:
    """``Mon 23 Nov 2026``."""
    return f"{date:%a} {date.day} {date:%b %Y}"
