"""Checks of the clocks, the square-off and the expiry: all is well, or the line says why not."""

from __future__ import annotations

import datetime as dt

import pytest

from baseline_v1_live.runtime.checks import Verdict
from baseline_v1_live.runtime.checks_time import (
    Dated,
    check_clock,
    check_cutoff,
    check_expiry_day,
    clock_to_go_by,
    slept_ms,
    usual_expiry,
)

PASS, WARN, FAIL, SKIP = Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.SKIP


# ---------------------------------------------------------------- clocks


@pytest.mark.parametrize(
    ("off_ms", "verdict", "words"),
    [
        (0, PASS, ""),
        (2_900, PASS, ""),
        (-2_000, PASS, ""),
        (3_200, FAIL, "2.1 s ahead of"),
        (-2_200, FAIL, "2.1 s behind"),
        (86_400_000, FAIL, "ahead of"),
    ],
)
def test_the_clocks_agree_as_far_as_they_can_be_compared(
    off_ms: int, verdict: Verdict, words: str
) -> None:
    """More than 2 s that neither the whole second nor the time of the answer explains fails."""
    answer = Dated(date_ms=1_000_000, received_ms=1_000_000 + off_ms + 100, took_ms=200)

    check = check_clock([answer])

    assert check.verdict is verdict
    assert words in check.seen


def test_more_answers_narrow_the_difference() -> None:
    """Each answer bounds the difference, and a slow one proves nothing against a quick one."""
    slow = Dated(date_ms=1_000_000, received_ms=1_030_000, took_ms=30_000)
    quick = Dated(date_ms=1_000_000, received_ms=1_005_000, took_ms=10)

    assert check_clock([slow]).verdict is PASS
    assert check_clock([slow, quick]).verdict is FAIL
    assert check_clock([]).verdict is SKIP


HOUR_MS = 3_600_000
NOON_MS = 1_798_525_800_000  # 12:00 IST on 29 December 2026
CLOSE_MS = NOON_MS + 3 * HOUR_MS + HOUR_MS // 2


@pytest.mark.parametrize(
    ("ours_ms", "theirs_ms", "by_ms"),
    [
        (NOON_MS, NOON_MS + HOUR_MS, HOUR_MS),
        (NOON_MS, NOON_MS + 70_000, 70_000),
        (NOON_MS, NOON_MS + 50_000, 0),
        (NOON_MS + HOUR_MS, NOON_MS, 0),
        (CLOSE_MS + 60_000, CLOSE_MS - HOUR_MS, -HOUR_MS - 60_000),
        (CLOSE_MS + 2 * HOUR_MS, CLOSE_MS + HOUR_MS, 0),
        (NOON_MS, NOON_MS + 24 * HOUR_MS, 0),
        (NOON_MS, NOON_MS - 24 * HOUR_MS, 0),
    ],
)
def test_the_later_of_two_clocks_counts_and_a_session_ends_by_both(
    ours_ms: int, theirs_ms: int, by_ms: int
) -> None:
    """Far apart, on one date: ours is put on; back only where by ours alone the session is over."""
    bounds_ms = 1_000
    answer = Dated(date_ms=theirs_ms, received_ms=ours_ms, took_ms=0)

    by = clock_to_go_by([answer], ours_ms, CLOSE_MS)

    assert by == 0 if by_ms == 0 else abs(by - by_ms) <= bounds_ms
    assert clock_to_go_by([], ours_ms, CLOSE_MS) == 0


def test_a_machine_that_slept_is_told_by_its_own_time_and_the_gateways() -> None:
    """Answers of before and after the sleep, and the time that the machine woke up to, say the same."""
    before = Dated(date_ms=NOON_MS, received_ms=NOON_MS + 100, took_ms=100)
    now_ms = NOON_MS + 5_000
    after = Dated(date_ms=now_ms + 600_000, received_ms=now_ms, took_ms=100)

    assert 598_000 <= slept_ms([before, after], now_ms, 600_000) <= 600_000


@pytest.mark.parametrize(
    ("theirs_ms", "machine_ahead_ms"),
    [(0, 600_000), (600_000, 0), (600_000, -600_000), (-600_000, 600_000), (50_000, 50_000)],
)
def test_one_clock_alone_shows_no_sleep(theirs_ms: int, machine_ahead_ms: int) -> None:
    """Somebody may have set it; and what is less than a minute is NTP's matter."""
    answer = Dated(date_ms=NOON_MS + theirs_ms, received_ms=NOON_MS, took_ms=0)

    assert slept_ms([answer], NOON_MS, machine_ahead_ms) == 0


# ---------------------------------------------------------------- the square-off


@pytest.mark.parametrize(
    ("paper", "cutoff", "last_entry", "verdict", "words"),
    [
        (True, None, "15:00", PASS, "15:10, the analyzer's own is at 15:15"),
        (True, "15:10", "15:00", PASS, "15:05, the broker's own is at 15:10"),
        (True, "15:25", "15:00", PASS, "15:10, the analyzer's own is at 15:15"),
        (True, None, "15:12", WARN, "LAST_ENTRY_TIME is 15:12"),
        (False, None, "15:00", FAIL, "BROKER_MIS_CUTOFF is not set"),
        (False, "15:20", "15:00", PASS, "15:15, the broker's own is at 15:20"),
        (False, "15:15", "15:00", PASS, "15:10, the broker's own is at 15:15"),
    ],
)
def test_our_square_off_comes_before_the_brokers(
    paper: bool, cutoff: str | None, last_entry: str, verdict: Verdict, words: str
) -> None:
    """It starts 5 minutes before whichever cut-off is first; live does not start without one."""
    check = check_cutoff(
        paper=paper,
        force_exit=dt.time(15, 15),
        last_entry=dt.time.fromisoformat(last_entry),
        broker_cutoff=dt.time.fromisoformat(cutoff) if cutoff else None,
    )

    assert (check.verdict, words in check.seen) == (verdict, True)
    assert bool(check.todo) is (verdict is not PASS)


# ---------------------------------------------------------------- the expiry

# NSE's holidays of 2026 that fall on a Tuesday or beside one.
HOLIDAYS = {
    dt.date(2026, 3, 3): "Holi",
    dt.date(2026, 3, 31): "Mahavir Jayanti",
    dt.date(2026, 10, 20): "Dussehra",
    dt.date(2026, 11, 10): "Balipratipada",
    dt.date(2026, 11, 24): "Guru Nanak Jayanti",
}


def _closed(date: dt.date) -> bool:
    return date.weekday() >= 5 or date in HOLIDAYS


@pytest.mark.parametrize(
    ("today", "weekly", "usual", "moved"),
    [
        ("2026-11-12", True, "2026-11-17", "2026-11-17"),
        ("2026-11-17", True, "2026-11-17", "2026-11-17"),
        ("2026-11-18", True, "2026-11-24", "2026-11-23"),
        ("2026-11-23", True, "2026-11-24", "2026-11-23"),
        ("2026-11-24", True, "2026-12-01", "2026-12-01"),
        ("2026-02-25", True, "2026-03-03", "2026-03-02"),
        ("2026-11-02", False, "2026-11-24", "2026-11-23"),
        ("2026-11-25", False, "2026-12-29", "2026-12-29"),
        ("2026-03-25", False, "2026-03-31", "2026-03-30"),
    ],
)
def test_the_usual_expiry_moves_before_holidays(
    today: str, weekly: bool, usual: str, moved: str
) -> None:
    """Tuesday, or the last one of the month; on a closed day the trading day before it."""
    found = usual_expiry(dt.date.fromisoformat(today), _closed, weekly=weekly)

    assert found == (dt.date.fromisoformat(usual), dt.date.fromisoformat(moved))


def test_the_expiry_moves_over_several_closed_days() -> None:
    """A Tuesday and a Monday that are closed move it to the Friday before."""
    closed = {dt.date(2026, 11, 23), dt.date(2026, 11, 24)}
    found = usual_expiry(
        dt.date(2026, 11, 18), lambda date: date.weekday() >= 5 or date in closed, weekly=True
    )

    assert found == (dt.date(2026, 11, 24), dt.date(2026, 11, 20))


MON, TUE = dt.date(2026, 11, 23), dt.date(2026, 11, 24)
NEXT = dt.date(2026, 12, 1)


@pytest.mark.parametrize(
    ("chosen", "nearest", "usual", "moved", "verdict", "seen"),
    [
        (NEXT, NEXT, NEXT, NEXT, PASS, "Tue 1 Dec 2026"),
        (
            MON,
            MON,
            TUE,
            MON,
            PASS,
            "Mon 23 Nov 2026, moved from Tue 24 Nov 2026 (Guru Nanak Jayanti)",
        ),
        (NEXT, MON, TUE, MON, WARN, "Tue 1 Dec 2026, but Mon 23 Nov 2026 is nearer"),
        (
            TUE,
            TUE,
            TUE,
            MON,
            WARN,
            "Tue 24 Nov 2026 is the nearest one listed; by the calendar it would be Mon 23 Nov 2026",
        ),
    ],
)
def test_an_expiry_on_another_day_is_said(
    chosen: dt.date,
    nearest: dt.date,
    usual: dt.date,
    moved: dt.date,
    verdict: Verdict,
    seen: str,
) -> None:
    """A move by a holiday is named; another list than the calendar's, and a later expiry, warn."""
    check = check_expiry_day(chosen, nearest, usual, moved, HOLIDAYS)

    assert (check.verdict, check.seen) == (verdict, seen)
