"""How fast order messages may leave: exits before entries, and room kept for exits.

Brokers and the exchange count order messages per second and per minute over all kinds. Entries may use
8 of a second and leave a share of each minute; exits, stops and cancellations may use 10 and all of it.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections import deque
from collections.abc import Awaitable, Callable

import msgspec

from baseline_v1_live.core.messages import CancelOrder, ModifyOrder, PlaceOrder, Purpose, Side

SECOND_MS = 1_000
MINUTE_MS = 60_000
_TURN_MS = 5  # How soon somebody who is not at the front of the queue looks again.


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Order messages allowed in any second and any minute; ``reserved`` of a minute is for exits."""

    entries_per_second: int = 8
    exits_per_second: int = 10
    per_minute: int = 100
    reserved: int = 30


def is_urgent(command: PlaceOrder | ModifyOrder | CancelOrder) -> bool:
    """Whether a command protects or reduces: everything but opening a short or moving its order."""
    match command:
        case PlaceOrder():
            return command.purpose is not Purpose.ENTRY
        case ModifyOrder():
            return command.side is Side.BUY
    return True


class SlidingWindow:
    """The messages of the last minute, and when the next may leave. Times are given, never read."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._sent: deque[int] = deque()
        self._held_until_ms: int | None = None

    def wait_ms(self, now_ms: int, *, urgent: bool) -> int:
        """Milliseconds until a message may leave; 0 for now."""
        while self._sent and self._sent[0] <= now_ms - MINUTE_MS:
            self._sent.popleft()
        limits = self.limits
        a_second = limits.exits_per_second if urgent else limits.entries_per_second
        a_minute = limits.per_minute if urgent else limits.per_minute - limits.reserved
        held = 0 if self._held_until_ms is None else self._held_until_ms - now_ms
        return max(
            held,
            self._room_in(a_second, SECOND_MS, now_ms),
            self._room_in(a_minute, MINUTE_MS, now_ms),
            0,
        )

    def take(self, now_ms: int) -> None:
        """A message leaves now."""
        self._sent.append(now_ms)

    def hold(self, now_ms: int, for_ms: int) -> None:
        """Nothing leaves for a while: the gateway has just said that it was too much."""
        self._held_until_ms = max(self._held_until_ms or 0, now_ms + for_ms)

    def _room_in(self, count: int, window_ms: int, now_ms: int) -> int:
        """Until fewer than ``count`` messages lie within the window."""
        if len(self._sent) < count:
            return 0
        return self._sent[-count] + window_ms - now_ms


class OrderLimiter:
    """Lets callers wait for their turn: urgent ones first, then in the order they came.

    ``now_ms`` is a clock that never goes back, ``sleep`` takes seconds; both are injected by tests.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        now_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.window = SlidingWindow(limits)
        self._now_ms = now_ms
        self._sleep = sleep
        self._queue: list[tuple[bool, int]] = []
        self._numbers = itertools.count()

    async def acquire(self, *, urgent: bool, patience_ms: int | None = None) -> bool:
        """Wait until one message may leave; False when that takes longer than ``patience_ms``.

        Being cancelled gives the place in the queue up.
        """
        ticket = (not urgent, next(self._numbers))
        heapq.heappush(self._queue, ticket)
        since_ms = self._now_ms()
        try:
            while True:
                now_ms = self._now_ms()
                wait = self.window.wait_ms(now_ms, urgent=urgent)
                first = self._queue[0] == ticket
                if first and wait == 0:
                    self.window.take(now_ms)
                    return True
                pause_ms = max(wait, 1 if first else _TURN_MS)
                if patience_ms is not None:
                    left_ms = since_ms + patience_ms - now_ms
                    if left_ms <= 0:
                        return False
                    pause_ms = min(pause_ms, left_ms)
                await self._sleep(pause_ms / 1000)
        finally:
            self._queue.remove(ticket)
            heapq.heapify(self._queue)

    def hold(self, for_ms: int) -> None:
        """Nothing leaves for a while."""
        self.window.hold(self._now_ms(), for_ms)
