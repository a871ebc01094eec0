"""One trading day in real time: the engine with its driver, feeds, jobs and watches, start to end.

It knows no brand: brokers, prices and feeds come through ports. What it waits for and what it looks at
while it runs is here; what is decided about orders is the core's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.messages import (
    EntriesAllowed,
    EntriesBlocked,
    Level,
    Started,
    TimerDue,
)
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.core.session import MINUTE_MS, ist_date
from baseline_v1_live.runtime.checks import Check, Verdict
from baseline_v1_live.runtime.checks_time import CLOCK_OFF_MAX_MS
from baseline_v1_live.runtime.clock import Clock, wall_ms
from baseline_v1_live.runtime.feeds import Feeds
from baseline_v1_live.runtime.instance import KillFile
from baseline_v1_live.runtime.live import LiveDriver
from baseline_v1_live.runtime.scheduler import DayJobs
from baseline_v1_live.runtime.status import (
    Cover,
    OrderView,
    PositionView,
    Status,
    heartbeat,
    orders,
    positions,
    status,
)

_log = logging.getLogger(__name__)

STOP_WAIT_S = 1.5
_LOOK_REAL_S = 0.25
_BOOKS_SAID_EVERY_S = 15.0
_PRE_OPEN_MS = 5 * MINUTE_MS


class DayHooks(Protocol):
    """What the day needs of its surroundings, besides ports."""

    async def check_mode(self) -> str | None:
        """Why the gateway's mode does not fit ours, None when it does or cannot be told now."""

    def check_clock(self) -> Check:
        """Our clock against the gateway's, by its newest answers."""

    def catch_up(self) -> int:
        """Put our clock on where the machine has slept; by how many milliseconds, 0 where it has not."""

    def flush(self) -> None:
        """Give to the operating system what recorders hold back."""


class LiveDay:
    """``reconcile`` reads the books and protects, ``open`` starts prices, jobs and watches; then it runs
    by itself until ``close``. ``stop_entries`` and ``flatten`` are the two ways to end it well.
    """

    def __init__(
        self,
        *,
        mode: str,
        engine: Engine,
        driver: LiveDriver,
        feeds: Feeds,
        clock: Clock,
        hooks: DayHooks,
        kill_file: KillFile,
        atm_paise: int | None = None,
        pre_open: Callable[[], Awaitable[str | None]],
    ) -> None:
        self.mode = mode
        self.engine, self.driver, self.feeds = engine, driver, feeds
        self._clock, self._hooks, self._kill_file = clock, hooks, kill_file
        self._atm_paise = atm_paise
        self._pre_open = pre_open
        self._jobs = DayJobs(clock)
        self._watch: asyncio.Task[None] | None = None
        self._started_ms = clock.now_ms()
        self._minute = 0
        self._mode_blocked = False
        self._mode_look: asyncio.Task[None] | None = None
        self._killed = False
        self._clock_off = False

    # ------------------------------------------------------------ the start

    async def reconcile(self, said: Callable[[str], object]) -> None:
        """Read the broker's books, and protect what they show; until they are read it goes on trying."""
        self.driver.hear(Started(mode=self.mode))
        # Before the first answer, so that a kill of before the start comes before any entry.
        self._look_for_kill()
        waited_s = 0.0
        while not self.engine.reconciled:
            await asyncio.sleep(0.01)
            waited_s += 0.01
            if waited_s >= _BOOKS_SAID_EVERY_S:
                waited_s = 0.0
                why = self.driver.books_error or "no answer yet"
                said(f"the broker's books cannot be read: {why}; no order leaves before that")

    def open(self) -> None:
        """Open the feeds, and begin with the jobs and watches."""
        self.feeds.start()
        session = self.engine.session
        jobs = self._jobs
        jobs.add("pre-open check", session.open_ms - _PRE_OPEN_MS, self._check_pre_open)
        jobs.add("square-off", session.square_off_ms, self._square_off)
        jobs.add("summary", session.close_ms, self._summary)
        jobs.add("token reminder", session.close_ms - MINUTE_MS, self._remind)
        jobs.start()
        self._watch = asyncio.get_running_loop().create_task(self._look_after())

    # ------------------------------------------------------------ while it runs

    @property
    def closed(self) -> bool:
        """Whether the exchange's session is over."""
        return self._clock.now_ms() >= self.engine.session.close_ms

    @property
    def flat(self) -> bool:
        """Whether nothing of ours is open or working, and the books have been read."""
        return self.engine.reconciled and self.engine.positions.flat

    @property
    def proven_over(self) -> bool:
        """Whether the day's exit is done and the broker's books have shown zero since."""
        return self.engine.day_over and self.flat

    def status(self) -> Status:
        """The day at a glance."""
        now_ms = self._clock.now_ms()
        return status(
            self.engine,
            mode=self.mode,
            now_ms=now_ms,
            feed_age_ms=self.feeds.age_ms(now_ms),
            started_at_ms=self._started_ms,
            atm_paise=self._atm_paise,
        )

    def orders(self) -> list[OrderView]:
        """All orders of the day, those that may still fill first."""
        return orders(self.engine)

    def positions(self) -> list[PositionView]:
        """The positions that are open or not proven closed."""
        return positions(self.engine)

    def say(self, verb: str, by: str) -> None:
        """An operator's word; a kill is written down first, so that nothing can forget it."""
        if verb == "kill":
            self._killed = True
            with contextlib.suppress(OSError):
                self._kill_file.set(self.engine.session.date, by)
        self.driver.say(verb, by)

    async def kept(self) -> bool:
        """Whether all that the engine has taken is on the disk; waited for, but not for long."""
        return await self.driver.kept()

    async def _look_after(self) -> None:
        """Four looks a real second: feeds, kill switch, and each minute of the clock the rest."""
        while True:
            await asyncio.sleep(_LOOK_REAL_S)
            try:
                self._look()
            except Exception as error:
                # The next look may go well, and nobody else looks for a silent feed or a kill.
                _log.exception("looking after the day broke")
                self.driver.notice(
                    Level.CRITICAL, "BUG", f"internal error in the watch: {error!r}", "bug:watch"
                )

    def _look(self) -> None:
        # First of all, so that nothing else that breaks can hide it.
        self._look_for_kill()
        now_ms = self.driver.now_ms
        self.feeds.look(now_ms)
        self._hooks.flush()
        minute = now_ms // MINUTE_MS
        if minute == self._minute:
            return
        self._minute = minute
        self._catch_up()
        self._look_at_clock()
        if not self.closed:
            self.driver.notice(Level.LOG, "HEARTBEAT", heartbeat(self.status()))
        if self._mode_look is None or self._mode_look.done():
            self._mode_look = asyncio.get_running_loop().create_task(self._look_at_mode())

    def _look_for_kill(self) -> None:
        dates = {self.engine.session.date}
        if not self._clock.real:
            # Who sets the switch without asking the bot knows the machine's date only.
            dates.add(ist_date(wall_ms()))
        if self._killed or not any(self._kill_file.is_set(date) for date in dates):
            return
        self._killed = True
        self.driver.say("kill", "the kill switch file")

    def _catch_up(self) -> None:
        by_ms = self._hooks.catch_up() if self._clock.real else 0
        if by_ms:
            self.driver.notice(
                Level.CRITICAL,
                "CLOCK",
                f"the machine stood still for {by_ms // 1000} s; the bot's clock is put on by that",
                "slept",
            )
            # A deadline, such as the square-off's, may have passed meanwhile.
            self.driver.hear(TimerDue())

    def _look_at_clock(self) -> None:
        """Our time and the gateway's, or the machine's, have parted: deadlines cannot be trusted."""
        problem = self._clock_problem()
        if problem is not None and not self._clock_off:
            self.driver.hear(
                EntriesBlocked(
                    cause="clock", message=f"{problem}; nothing is sold until they agree"
                )
            )
        elif problem is None and self._clock_off:
            self.driver.hear(EntriesAllowed(cause="clock"))
        self._clock_off = problem is not None

    def _clock_problem(self) -> str | None:
        if not self._clock.real:
            return None
        off_ms = self._clock.off_by_ms()
        if abs(off_ms) > CLOCK_OFF_MAX_MS:
            return (
                f"the machine's time is {off_ms / 1000:+.1f} s off the time that the bot goes by; "
                "set it by NTP (timedatectl set-ntp true), or restart the bot if it is right"
            )
        check = self._hooks.check_clock()
        return f"{check.seen}; {check.todo}" if check.verdict is Verdict.FAIL else None

    async def _look_at_mode(self) -> None:
        problem = await self._hooks.check_mode()
        if problem is not None:
            self.block_mode(problem)

    def block_mode(self, problem: str) -> None:
        """The gateway's mode is not ours: nothing is sold until somebody has looked and restarted."""
        if not self._mode_blocked:
            self._mode_blocked = True
            self.driver.hear(EntriesBlocked(cause="mode", message=problem))

    # ------------------------------------------------------------ jobs

    async def _check_pre_open(self) -> None:
        problem = await self._pre_open()
        level = Level.LOG if problem is None else Level.CRITICAL
        text = problem or "gateway, key, broker session and mode are well"
        self.driver.notice(level, "PRE-OPEN", text, "pre_open")

    def _square_off(self) -> None:
        # The core's own deadline does the same; whichever comes first is enough.
        self.driver.hear(TimerDue())

    def _summary(self) -> None:
        text = heartbeat(self.status())
        self.driver.notice(Level.INFO, "SUMMARY", f"session closed: {text}")

    def _remind(self) -> None:
        self.driver.notice(
            Level.INFO,
            "TOKEN",
            "the broker session ends at 03:00; log in at the gateway before tomorrow's open",
        )

    # ------------------------------------------------------------ the end

    async def stop_entries(self) -> list[str]:
        """Cancel what rests to open; ids of the entries whose end is not proven in time."""
        self.driver.say("stop", "the process")
        await self._until(self._settled, STOP_WAIT_S)
        return self.engine.unproven_entries()

    def _settled(self) -> bool:
        """Whether no entry is left, every order sent has its answer, and every short is covered."""
        in_flight = any(o.state is OrderState.IN_FLIGHT for o in self.engine.orders.live())
        return self.engine.entries_proven_over and not in_flight and not self.uncovered()

    def uncovered(self) -> list[str]:
        """Symbols of open positions that no resting stop covers whole. A triggered stop and an exit on
        its way are no cover for a process that ends: nobody chases them any more.
        """
        safe = (Cover.RESTING, Cover.FLAT)
        return [view.symbol for view in self.positions() if view.cover not in safe]

    async def flatten(self, timeout_s: float) -> bool:
        """Close everything; whether the broker showed zero within so many real seconds."""
        self.driver.say("flatten", "the process")
        since_ms = self.driver.now_ms

        def proven() -> bool:
            read_ms = self.engine.reconciler.completed_ms
            return self.flat and read_ms is not None and read_ms > since_ms

        return await self._until(proven, timeout_s)

    async def close(self) -> None:
        """End everything that runs; orders that rest at the broker stay as they are."""
        await self._jobs.stop()
        for task in (self._watch, self._mode_look):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await self.feeds.close()
        await self.driver.close()

    async def _until(self, reached: Callable[[], bool], timeout_s: float) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while not reached():
            if loop.time() >= deadline:
                return False
            await asyncio.sleep(0.01)
        return True
