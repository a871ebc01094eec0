"""The bot's clock on a simulated loop: the loop's own seconds, from a given instant on."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

# By how much somebody has set a machine's time away; each simulated machine has its own loop.
_SET_BY_MS: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()


def set_time(loop: asyncio.AbstractEventLoop, by_ms: int) -> None:
    """Set a machine's time so far away from the truth; 0 sets it right."""
    _SET_BY_MS[loop] = by_ms


class SimulatedClock:
    """A Clock (runtime/clock.py) whose seconds are those of the running simulated loop.

    Like the real one it begins at the machine's time, right or wrong, and does not follow when somebody
    sets that.
    """

    real = True

    def __init__(self, start_ms: int) -> None:
        self.speed = 1.0
        self._loop = asyncio.get_running_loop()
        self._wrong_ms = _SET_BY_MS.get(self._loop, 0)
        self._start_ms = start_ms + self._wrong_ms
        self._mark_s = self._loop.time()

    def now_ms(self) -> int:
        """Epoch milliseconds."""
        # Half a microsecond more, because sums of seconds fall a little short of whole milliseconds.
        return self._start_ms + int((self._loop.time() - self._mark_s) * 1000 + 0.0005)

    def off_by_ms(self) -> int:
        """How far the machine's time is from this clock."""
        return _SET_BY_MS.get(self._loop, 0) - self._wrong_ms

    def go_by(self, by_ms: int) -> None:
        """Put it on, or back."""
        self._start_ms += by_ms
        self._wrong_ms += by_ms

    def real_s(self, duration_ms: int) -> float:
        """The duration itself."""
        return max(duration_ms, 0) / 1000

    def pace_ms(self) -> int:
        """Milliseconds of the loop."""
        return int(self._loop.time() * 1000 + 0.0005)

    async def sleep(self, seconds: float) -> None:
        """Pause."""
        await asyncio.sleep(seconds)

    async def sleep_until(self, at_ms: int) -> None:
        """Wait until this clock shows an instant."""
        while (left_ms := at_ms - self.now_ms()) > 0:
            await asyncio.sleep(left_ms / 1000)
