"""How fast order messages may leave, and which of them first: what protects before what opens.

Brokers and the exchange count order messages per second and per minute over all kinds. Entries may use
8 of a second, everything else 10. Of a minute's 100, 30 are kept from entries, and half of those from
the chase too: a falling market that has every stop chased once a second must not use up the messages
of the exits that follow.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections import deque
from collections.abc import Awaitable, Callable
from enum import IntEnum

import msgspec

from baseline_v1_live.core.messages import CancelOrder, ModifyOrder, PlaceOrder, Purpose, Side

SECOND_MS = 1_000
MINUTE_MS = 60_000
_TURN_MS = 5  # How soon somebody who is not at the front of the queue looks again.


class Urgency(IntEnum):
    """What leaves before what, the smallest first.

    None starves the next: there is one message on its way for an order, and a chase is one a second.
    """

    PROTECT = 0  # new stops, exits and corrections, and their orders brought to another quantity
    CANCEL = 1
    CHASE = 2  # a stop, exit or correction that rests gets another price
    ENTRY = 3  # an entry, or another price or quantity of one


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Order messages allowed in any second and any minute.

    ``reserved`` of a minute are not for entries, and half of them not for the chase.
    """

    entries_per_second: int = 8
    exits_per_second: int = 10
    per_minute: int = 100
    reserved: int = 30

    def in_a_second(self, urgency: Urgency) -> int:
        """How many messages a second may hold for one of this kind to be among them."""
        return self.entries_per_second if urgency is Urgency.ENTRY else self.exits_per_second

    def in_a_minute(self, urgency: Urgency) -> int:
        """The same of a minute."""
        kept = {Urgency.ENTRY: self.reserved, Urgency.CHASE: self.reserved // 2}
        return self.per_minute - kept.get(urgency, 0)


def urgency_of(command: PlaceOrder | ModifyOrder | CancelOrder) -> Urgency:
    """How urgent an order message is.

    A change that does not name its order's purpose is taken for an entry's when it sells.
    """
    match command:
        case PlaceOrder():
            return Urgency.ENTRY if command.purpose is Purpose.ENTRY else Urgency.PROTECT
        case ModifyOrder():
            sells = command.side is Side.SELL
            if sells if command.purpose is None else command.purpose is Purpose.ENTRY:
                return Urgency.ENTRY
            return Urgency.PROTECT if command.resizes else Urgency.CHASE
    return Urgency.CANCEL


class SlidingWindow:
    """The messages of the last minute, and when the next may leave. Times are given, never read."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._sent: deque[int] = deque()
        self._held_until_ms: int | None = None

    def wait_ms(self, now_ms: int, urgency: Urgency) -> int:
        """Milliseconds until a message may leave; 0 for now."""
        while self._sent and self._sent[0] <= now_ms - MINUTE_MS:
            self._sent.popleft()
        held = 0 if self._held_until_ms is None else self._held_until_ms - now_ms
        return max(
            held,
            self._room_in(self.limits.in_a_second(urgency), SECOND_MS, now_ms),
            self._room_in(self.limits.in_a_minute(urgency), MINUTE_MS, now_ms),
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
    """Lets callers wait for their turn: the most urgent first, then in the order they came.

    Whoever is first waits for the room of its own kind. That holds nobody up: what comes after has no
    more room than that. ``now_ms`` is a clock that never goes back, ``sleep`` takes seconds; both are
    injected by tests.
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
        self._queue: list[tuple[Urgency, int]] = []
        self._numbers = itertools.count()

    async def acquire(self, urgency: Urgency, *, patience_ms: int | None = None) -> bool:
        """Wait until one message may leave; False when that takes longer than ``patience_ms``.

        Being cancelled gives the place in the queue up.
        """
        ticket = (urgency, next(self._numbers))
        heapq.heappush(self._queue, ticket)
        since_ms = self._now_ms()
        try:
            while True:
                now_ms = self._now_ms()
                wait = self.window.wait_ms(now_ms, urgency)
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
