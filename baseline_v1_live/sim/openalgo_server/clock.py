"""The simulated clock: real elapsed time times a speed, standing while anything holds it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

SECOND_MS = 1_000
# A fast clock whose owner has no time for it goes on for this long and then stands.
LAG_MAX_S = 0.05
_NAP_MIN_S = 0.001


class Deadline(NamedTuple):
    """An instant of the simulated clock, and the real one that stands for it at the latest."""

    at_ms: float
    real_s: float


class ServerClock:
    """Simulated now = start + real elapsed x speed.

    ``speed`` 0 is manual stepping: the clock moves by ``set_ms`` only. Holds have names, so that a
    pause by an operator and a wait for the first client do not undo each other.

    Above speed 1 the clock is only as fast as its owner: between two calls of ``turn`` it goes on for
    ``LAG_MAX_S`` of real time at most, so a busy machine makes simulated time slower and never makes it
    jump. ``monotonic`` gives real seconds.
    """

    def __init__(
        self, start_ms: int, speed: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        if speed < 0:
            raise ValueError(f"speed must not be negative: {speed}")
        self.speed = speed
        self._monotonic = monotonic
        self._base_ms = float(start_ms)
        self._mark = monotonic()
        self._holds: set[str] = set()

    @property
    def manual(self) -> bool:
        """Whether the clock moves only by ``set_ms``."""
        return self.speed == 0

    @property
    def running(self) -> bool:
        """Whether time passes by itself."""
        return not self._holds and not self.manual

    @property
    def holds(self) -> tuple[str, ...]:
        """Why the clock stands."""
        return tuple(sorted(self._holds))

    def now_ms(self) -> int:
        """The simulated instant in epoch milliseconds."""
        return int(self._base_ms + self._elapsed_ms(self._monotonic()))

    def turn(self) -> int:
        """The simulated instant, by whoever now plays everything until it."""
        self._settle()
        return int(self._base_ms)

    def set_speed(self, speed: float) -> None:
        """Go on at another speed, from now.

        Raises ValueError for a speed that is not above 0, and on a clock that is stepped by hand.
        """
        if self.manual or not speed > 0:
            raise ValueError(f"speed {speed} cannot be set on a clock of speed {self.speed}")
        self._settle()
        self.speed = speed

    def hold(self, reason: str) -> None:
        """Stop the clock for a reason; holding twice is harmless."""
        self._settle()
        self._holds.add(reason)

    def release(self, reason: str) -> None:
        """Take one reason away; the clock runs again when none is left."""
        self._settle()
        self._holds.discard(reason)

    def set_ms(self, at_ms: int) -> None:
        """Move the clock forward to an instant.

        Raises ValueError for an instant in the past: nothing that happened can be taken back.
        """
        if at_ms < self.now_ms():
            raise ValueError(f"the clock is at {self.now_ms()} and cannot go back to {at_ms}")
        self._base_ms = float(at_ms)
        self._mark = self._monotonic()

    # ------------------------------------------------------------ the gateway's own durations

    def deadline(self, seconds: float) -> Deadline:
        """When a duration of the gateway that begins now is over.

        Above speed 1 it is over after so many simulated seconds, or real ones while the clock stands;
        up to speed 1 they are real, so that a manual clock stalls nobody.
        """
        return Deadline(self.now_ms() + seconds * SECOND_MS, self._monotonic() + seconds)

    def passed(self, deadline: Deadline) -> bool:
        """Whether a duration is over."""
        return self._left_s(deadline) <= 0

    async def wait(self, seconds: float) -> None:
        """Wait for a duration of the gateway."""
        deadline = self.deadline(seconds)
        while (left_s := self._left_s(deadline)) > 0:
            await asyncio.sleep(max(left_s, _NAP_MIN_S))

    def _left_s(self, deadline: Deadline) -> float:
        """Real seconds until then, if the clock keeps its pace."""
        real_s = deadline.real_s - self._monotonic()
        if self.speed <= 1:
            return real_s
        return min(real_s, (deadline.at_ms - self.now_ms()) / SECOND_MS / self.speed)

    # ------------------------------------------------------------ inside

    def _elapsed_ms(self, now_s: float) -> float:
        if not self.running:
            return 0.0
        real_s = now_s - self._mark
        if self.speed > 1:
            real_s = min(real_s, LAG_MAX_S)
        return real_s * self.speed * SECOND_MS

    def _settle(self) -> None:
        now_s = self._monotonic()
        self._base_ms += self._elapsed_ms(now_s)
        self._mark = now_s
