"""The clock that everything asks: the machine's own, or a simulator's that is followed.

Durations given to it are its own seconds, so a day that a simulator plays at many times its speed is
waited for at that speed.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Protocol

import aiohttp

_LOOK_S = 0.5
_LOOK_FAST_S = 0.05
_FAST = 20
_ANSWER_S = 5.0


def wall_ms() -> int:
    """The machine's time in epoch milliseconds, which somebody may set at any moment."""
    return time.time_ns() // 1_000_000


class ClockError(Exception):
    """A clock cannot be followed; the message is one line."""


class Clock(Protocol):
    """What the time is, and waiting. ``speed``: its seconds in a real one; ``real``: it is the machine's,
    which can be compared with other people's.
    """

    speed: float
    real: bool

    def now_ms(self) -> int:
        """Epoch milliseconds; never goes back."""

    def off_by_ms(self) -> int:
        """How far the machine's time is from this clock: it was set since the start, or this was."""

    def go_by(self, by_ms: int) -> None:
        """Put this clock on, or back, before anything goes by it."""

    def real_s(self, duration_ms: int) -> float:
        """Real seconds after which it is worth looking whether a duration has passed."""

    def pace_ms(self) -> int:
        """Milliseconds for counting messages by: at this clock's speed, but it never stands."""

    async def sleep(self, seconds: float) -> None:
        """Pause for so many seconds of this clock, and never longer than so many real ones."""

    async def sleep_until(self, at_ms: int) -> None:
        """Wait until this clock shows an instant, however long it stands before that."""


class RealClock:
    """The machine's time when the process started, carried on by a clock that nobody sets."""

    real = True

    def __init__(self) -> None:
        self.speed = 1.0
        self._start_ms = wall_ms()
        self._mark = time.monotonic_ns()

    def now_ms(self) -> int:
        """Epoch milliseconds."""
        return self._start_ms + (time.monotonic_ns() - self._mark) // 1_000_000

    def off_by_ms(self) -> int:
        """How far the machine's time is from this clock."""
        return wall_ms() - self.now_ms()

    def go_by(self, by_ms: int) -> None:
        """Put it on, or back."""
        self._start_ms += by_ms

    def real_s(self, duration_ms: int) -> float:
        """The duration itself."""
        return max(duration_ms, 0) / 1000

    def pace_ms(self) -> int:
        """Milliseconds of the machine's own count."""
        return time.monotonic_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        """Pause."""
        await asyncio.sleep(seconds)

    async def sleep_until(self, at_ms: int) -> None:
        """Wait."""
        while (left_ms := at_ms - self.now_ms()) > 0:
            await asyncio.sleep(self.real_s(left_ms))


class FollowedClock:
    """Follows the clock that a simulator publishes under ``<url>/sim/clock``.

    Between two looks its time is carried on at the published speed; it never goes back, so after a
    simulator has fallen behind it stands until that has caught up.
    """

    real = False

    def __init__(self, url: str) -> None:
        self.session: dict[str, object] = {}
        self.over = False
        self.speed = 1.0
        self._url = url.rstrip("/") + "/sim/clock"
        self._running = False
        self._base_ms = 0.0
        self._mark = 0.0
        self._pace_ms = 0.0
        self._newest_ms = 0
        self._http: aiohttp.ClientSession | None = None
        self._follower: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look for the first time, and go on looking.

        Raises ClockError when nothing there publishes a clock.
        """
        timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
        self._http = aiohttp.ClientSession(timeout=timeout, trust_env=False)
        try:
            await self._look()
        except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError) as error:
            await self.stop()
            raise ClockError(
                f"no clock at {self._url}: {type(error).__name__}; --sim-clock wants the REST "
                "address of a running openalgo-sim"
            ) from None
        self._follower = asyncio.get_running_loop().create_task(self._follow())

    async def stop(self) -> None:
        """Stop looking; the time goes on as it went."""
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)
            self._follower = None
        if self._http is not None:
            await self._http.close()
            self._http = None

    def now_ms(self) -> int:
        """The simulated instant in epoch milliseconds."""
        passed_s = time.monotonic() - self._mark if self._running else 0.0
        now_ms = int(self._base_ms + passed_s * self.speed * 1000)
        self._newest_ms = max(self._newest_ms, now_ms)
        return self._newest_ms

    def off_by_ms(self) -> int:
        """Nobody sets a simulator's time."""
        return 0

    def go_by(self, by_ms: int) -> None:
        """It goes by the simulator's."""

    def real_s(self, duration_ms: int) -> float:
        """The duration at the published speed, at most until the next look."""
        look_s = self._look_s
        if not self._running:
            return look_s
        return min(max(duration_ms, 0) / 1000 / self.speed, look_s)

    def pace_ms(self) -> int:
        """Milliseconds at the published speed, at that of the machine while the clock is held."""
        return int(self._pace_ms + (time.monotonic() - self._mark) * 1000 * self._rate)

    async def sleep(self, seconds: float) -> None:
        """Pause for so many simulated seconds; while the clock is held, for real ones."""
        due_ms = self.pace_ms() + seconds * 1000
        while (left_ms := due_ms - self.pace_ms()) > 0:
            await asyncio.sleep(min(left_ms / 1000 / self._rate + 0.000_1, self._look_s))

    @property
    def _rate(self) -> float:
        return max(self.speed, 1.0) if self._running else 1.0

    async def sleep_until(self, at_ms: int) -> None:
        """Wait until the simulator's clock shows an instant."""
        while (left_ms := at_ms - self.now_ms()) > 0:
            await asyncio.sleep(self.real_s(left_ms + 1))

    @property
    def _look_s(self) -> float:
        return _LOOK_FAST_S if self.speed > _FAST or not self._running else _LOOK_S

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._look_s)
            # A simulator that does not answer now: its time is carried on until it does.
            with contextlib.suppress(aiohttp.ClientError, OSError, ValueError, KeyError, TypeError):
                await self._look()

    async def _look(self) -> None:
        assert self._http is not None
        async with self._http.get(self._url) as response:
            told = await response.json()
        self._pace_ms = float(self.pace_ms())
        self._base_ms = float(told["now_ms"])
        self._mark = time.monotonic()
        self._running = bool(told["running"])
        self.speed = float(told["speed"]) or 1.0
        self.over = bool(told.get("over"))
        self.session = dict(told.get("session") or {})
