"""The day's jobs at their times, on APScheduler, by the clock that everything else asks.

Each of them is a second string: what must not be missed is a deadline in the core as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import Awaitable, Callable

from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_SUBMITTED,
    JobExecutionEvent,
    JobSubmissionEvent,
)
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger

from baseline_v1_live.core.session import IST
from baseline_v1_live.runtime.clock import Clock

Job = Callable[[], None] | Callable[[], Awaitable[None]]

_STOP_WAIT_S = 1.0


class _ClockZone(dt.tzinfo):
    """IST by a given clock. ``datetime.now(zone)`` is the only way in which APScheduler asks for the
    time, so with this zone it follows the clock. Nothing may be converted into this zone.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def utcoffset(self, _: dt.datetime | None) -> dt.timedelta:
        return IST.utcoffset(None)

    def dst(self, _: dt.datetime | None) -> dt.timedelta:
        return dt.timedelta(0)

    def tzname(self, _: dt.datetime | None) -> str:
        return "Asia/Kolkata"

    def fromutc(self, _: dt.datetime) -> dt.datetime:
        return self.at(self._clock.now_ms())

    def at(self, at_ms: int) -> dt.datetime:
        return dt.datetime.fromtimestamp(at_ms / 1000, IST).replace(tzinfo=self)


class _ClockedScheduler(AsyncIOScheduler):
    """Waits as long as its clock says; wakes up early where that is not known for sure."""

    def __init__(self, clock: Clock, zone: _ClockZone) -> None:
        # Misfire grace off: a job that is late by any time is run, once.
        super().__init__(timezone=zone, job_defaults={"misfire_grace_time": None, "coalesce": True})
        self._clock = clock

    def _start_timer(self, wait_seconds: float | None) -> None:
        if wait_seconds is not None:
            wait_seconds = self._clock.real_s(int(wait_seconds * 1000) + 1)
        super()._start_timer(wait_seconds)


class DayJobs:
    """One-off jobs of a day. ``start`` and ``stop`` inside a running loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._zone = _ClockZone(clock)
        self._scheduler = _ClockedScheduler(clock, self._zone)
        self._running: set[str] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._scheduler.add_listener(self._began, EVENT_JOB_SUBMITTED)
        self._scheduler.add_listener(self._ended, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)

    def add(self, name: str, at_ms: int, job: Job) -> None:
        """Run a job at an instant, in the event loop; one whose instant has passed is left out."""
        if at_ms < self._clock.now_ms():
            return

        # APScheduler gives plain functions to other threads; the engine belongs to this one.
        async def run() -> None:
            done = job()
            if done is not None:
                # Only the stop cancels a job, and then nobody waits for what it had to say.
                with contextlib.suppress(asyncio.CancelledError):
                    await done

        self._scheduler.add_job(run, DateTrigger(self._zone.at(at_ms)), id=name, name=name)

    @property
    def waiting(self) -> list[str]:
        """Names of the jobs that have not run."""
        return [job.id for job in self._scheduler.get_jobs()]

    def start(self) -> None:
        """Begin to run jobs."""
        self._scheduler.start()

    async def stop(self) -> None:
        """Run what is due by now, so that the day's last words are said; then no more jobs. One that
        takes longer than a second is given up.
        """
        if not self._scheduler.running:
            return
        # It looks for what is due in the loop's next turn; a day that is slow may be late with that.
        self._scheduler.wakeup()
        await asyncio.sleep(0)
        self._scheduler.pause()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_WAIT_S):
                await self._idle.wait()
        self._scheduler.shutdown(wait=False)

    def _began(self, event: JobSubmissionEvent) -> None:
        self._running.add(event.job_id)
        self._idle.clear()

    def _ended(self, event: JobExecutionEvent) -> None:
        self._running.discard(event.job_id)
        if not self._running:
            self._idle.set()
