"""The simulated clock: real elapsed time times a speed, standing while anything holds it."""

from __future__ import annotations

import time
from collections.abc import Callable

SECOND_MS = 1_000


class ServerClock:
    """Simulated now = start + real elapsed x speed.

    ``speed`` 0 is manual stepping: the clock moves by ``set_ms`` only. Holds have names, so that a
    pause by an operator and a wait for the first client do not undo each other.
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
        return int(self._base_ms + self._elapsed_ms())

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

    def _elapsed_ms(self) -> float:
        return (self._monotonic() - self._mark) * self.speed * SECOND_MS if self.running else 0.0

    def _settle(self) -> None:
        self._base_ms += self._elapsed_ms()
        self._mark = self._monotonic()
