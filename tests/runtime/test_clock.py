"""The clocks and the day's jobs: whichever clock rules, everything waits by it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from baseline_v1_live.runtime.clock import ClockError, FollowedClock, RealClock
from baseline_v1_live.runtime.scheduler import DayJobs

START_MS = 1_798_514_100_000


class Published:
    """A simulator's clock as a page on loopback."""

    def __init__(self, speed: float = 1_000.0, *, running: bool = True) -> None:
        self.start_ms = START_MS
        self.speed, self.running = speed, running
        self.url = ""
        self._mark = time.monotonic()

    @property
    def now_ms(self) -> int:
        passed_s = time.monotonic() - self._mark if self.running else 0.0
        return self.start_ms + int(passed_s * self.speed * 1000)

    async def _clock(self, _: web.Request) -> web.Response:
        told: dict[str, Any] = {"now_ms": self.now_ms, "speed": self.speed, "over": False}
        return web.json_response(told | {"running": self.running, "session": {"atm": 26000}})

    async def __aenter__(self) -> Published:
        app = web.Application()
        app.router.add_get("/sim/clock", self._clock)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


def follow(story: Callable[[Published, FollowedClock], Awaitable[None]], **told: Any) -> None:
    async def run() -> None:
        async with Published(**told) as published:
            clock = FollowedClock(published.url)
            await clock.start()
            try:
                async with asyncio.timeout(10):
                    await story(published, clock)
            finally:
                await clock.stop()

    asyncio.run(run())


def test_a_followed_clock_runs_at_the_published_speed() -> None:
    """An hour of a day played at ten million times its speed is over in a moment."""

    async def story(published: Published, clock: FollowedClock) -> None:
        assert clock.now_ms() >= START_MS
        await clock.sleep_until(START_MS + 3_600_000)
        assert clock.now_ms() >= START_MS + 3_600_000

    follow(story, speed=10_000_000.0)


def test_a_followed_clock_never_goes_back() -> None:
    """A simulator that fell behind what was told is waited for."""

    async def story(published: Published, clock: FollowedClock) -> None:
        await clock.sleep_until(START_MS + 10_000)
        newest = clock.now_ms()
        published.running = False
        await asyncio.sleep(0.2)
        assert clock.now_ms() >= newest

    follow(story)


def test_a_held_clock_stands_and_goes_on() -> None:
    """While the simulator is held, no time passes; moved on, a sleeper wakes up."""

    async def story(published: Published, clock: FollowedClock) -> None:
        assert clock.now_ms() == START_MS
        sleeper = asyncio.ensure_future(clock.sleep_until(START_MS + 1_000))
        await asyncio.sleep(0.1)
        assert not sleeper.done()
        assert clock.now_ms() == START_MS
        published.start_ms += 60_000
        await sleeper

    follow(story, running=False)


def test_a_pause_does_not_wait_for_a_held_clock() -> None:
    """Who asks again after a moment is not kept waiting by a simulator that stands."""

    async def story(published: Published, clock: FollowedClock) -> None:
        paced = clock.pace_ms()
        await clock.sleep(0.05)
        assert clock.now_ms() == START_MS
        assert clock.pace_ms() > paced

    follow(story, running=False)


def test_nothing_to_follow_is_one_line() -> None:
    """An address without a simulator is named at the start, with what is wanted there."""

    async def story() -> None:
        with pytest.raises(ClockError, match="openalgo-sim"):
            await FollowedClock("http://127.0.0.1:9").start()

    asyncio.run(story())


def test_jobs_follow_the_clock() -> None:
    """A job six simulated hours ahead runs in simulated time and in the loop's own thread; one that has
    passed is left out.
    """

    async def story(published: Published, clock: FollowedClock) -> None:
        ran: list[str] = []
        threads: list[int] = []
        done = asyncio.Event()

        def square_off() -> None:
            ran.append("square-off")
            threads.append(threading.get_ident())
            asyncio.get_running_loop().call_soon(done.set)

        jobs = DayJobs(clock)
        jobs.add("early", START_MS - 1, lambda: ran.append("early"))
        jobs.add("square-off", START_MS + 6 * 3_600_000, square_off)
        assert jobs.waiting == ["square-off"]
        jobs.start()
        await done.wait()
        assert clock.now_ms() >= START_MS + 6 * 3_600_000
        assert ran == ["square-off"]
        assert threads == [threading.get_ident()]
        await jobs.stop()

    follow(story, speed=100_000.0)


def test_jobs_run_by_the_real_clock() -> None:
    """The same jobs by the machine's time; a coroutine is a job too."""

    async def story() -> None:
        clock = RealClock()
        done = asyncio.Event()

        async def job() -> None:
            done.set()

        jobs = DayJobs(clock)
        jobs.add("soon", clock.now_ms() + 20, job)
        jobs.start()
        async with asyncio.timeout(5):
            await done.wait()
        await jobs.stop()

    asyncio.run(story())


class StandingClock(RealClock):
    """Stands until it is put on, and nobody who waits by it is woken."""

    at_ms = START_MS

    def now_ms(self) -> int:
        return self.at_ms

    def real_s(self, duration_ms: int) -> float:
        return 3_600.0


def test_a_job_that_is_due_when_the_day_ends_is_run() -> None:
    """The end may come in the very turn of the loop in which the day's last words are due."""

    async def story() -> None:
        ran: list[str] = []

        async def second() -> None:
            await asyncio.sleep(0)
            ran.append("second")

        clock = StandingClock()
        jobs = DayJobs(clock)
        jobs.add("first", START_MS + 1, lambda: ran.append("first"))
        jobs.add("second", START_MS + 1, second)
        jobs.add("tomorrow", START_MS + 24 * 3_600_000, lambda: ran.append("tomorrow"))
        jobs.start()
        clock.at_ms = START_MS + 10
        await jobs.stop()
        assert sorted(ran) == ["first", "second"]

    asyncio.run(story())


def test_a_job_that_hangs_does_not_keep_the_end_waiting() -> None:
    """It is given up after a second, without a word of an error in the job."""

    async def story() -> None:
        clock = RealClock()
        began, errors = asyncio.Event(), []
        asyncio.get_running_loop().set_exception_handler(lambda _, told: errors.append(told))

        async def job() -> None:
            began.set()
            await asyncio.Event().wait()

        jobs = DayJobs(clock)
        jobs.add("hangs", clock.now_ms() + 20, job)
        jobs.start()
        async with asyncio.timeout(5):
            await began.wait()
            await jobs.stop()
        assert errors == []

    asyncio.run(story())
