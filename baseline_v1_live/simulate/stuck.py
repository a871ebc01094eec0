"""Notices that a simulated day stands still: its time does not go on, however long it computes."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STUCK_S = 120.0
_LOOKS = 8


class StuckError(KeyboardInterrupt):
    """Simulated time stands still. What asyncio takes for an interruption ends its loop from anywhere;
    an ordinary exception would end only the task that it struck.
    """


@contextmanager
def watched(now_s: Callable[[], float], stuck_s: float) -> Iterator[None]:
    """Raise StuckError in what runs inside when ``now_s``, simulated seconds, is the same for about
    ``stuck_s`` real seconds. Only a main thread can be interrupted: elsewhere nothing is watched.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return
    seen, since_s = now_s(), time.monotonic()

    def look(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        nonlocal seen, since_s
        now, real_s = now_s(), time.monotonic()
        if now != seen:
            seen, since_s = now, real_s
        elif real_s - since_s >= stuck_s:
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise StuckError(f"time stands at {now:.3f} s for {real_s - since_s:.0f} real seconds")

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, stuck_s / _LOOKS, stuck_s / _LOOKS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
