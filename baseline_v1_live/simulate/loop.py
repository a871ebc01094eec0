"""An event loop without waiting: when nothing is ready, its clock jumps to the next timer.

So a day of a real program, tasks, timeouts and all, runs as fast as the machine computes it, and in the
same order each time. Nothing that waits for the outside world works in it: no sockets, no threads.
"""

from __future__ import annotations

import asyncio
from asyncio import base_events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVar

# Which simulated process a task or callback belongs to; 0 is the world, which outlives them all.
PROCESS: ContextVar[int] = ContextVar("PROCESS", default=0)

_ENDS_MAX = 100

ResultT = TypeVar("ResultT")


class NothingLeftError(RuntimeError):
    """Every task waits for something that will never happen."""


class SimulatedLoop(base_events.BaseEventLoop):
    """``time()`` begins at 0 and counts simulated seconds."""

    # BaseEventLoop's own: a heap of timers, and what runs next.
    _scheduled: list[asyncio.TimerHandle]
    _ready: deque[asyncio.Handle]

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        self._dead: set[int] = set()
        # BaseEventLoop asks its selector for what has happened outside: that is, for how long to wait.
        self._selector = self
        self._clock_resolution = 1e-9

    def time(self) -> float:
        """Simulated seconds since the loop was made."""
        return self._now_s

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """As any loop, but nothing of a dead process is ever called."""
        handle = super().call_soon(callback, *args, context=context)
        if self._dead and _process_of(context) in self._dead:
            handle.cancel()
        return handle

    def kill(self, process: int) -> None:
        """Stop a process between two of its steps, as SIGKILL does: none of its code runs any more."""
        self._dead.add(process)
        for handle in [*self._ready, *self._scheduled]:
            if handle._context.get(PROCESS, 0) == process:  # type: ignore[attr-defined]
                handle.cancel()

    def select(self, timeout: float | None) -> list[Any]:
        """Nothing ever comes from outside; time passes instead.

        Raises NothingLeftError when no timer is set: a real loop would wait for ever.
        """
        if timeout is None:
            raise NothingLeftError("every task waits, and no timer is set")
        if timeout > 0:
            # Not a sum of timeouts: rounding would add up, and the timer be just not due.
            self._now_s = max(self._now_s + timeout, self._scheduled[0].when())
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


def _process_of(context: Context | None) -> int:
    return PROCESS.get() if context is None else context.get(PROCESS, 0)


def process_context(process: int) -> Context:
    """A context for the tasks of a process."""
    context = copy_context()
    context.run(PROCESS.set, process)
    return context


def run_simulated(main: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run a coroutine to its end on a loop of its own; what still waits in it then is thrown away.

    Raises what the coroutine raises.
    """
    loop = SimulatedLoop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main)
    finally:
        for task in asyncio.all_tasks(loop):
            _throw_away(task)
        asyncio.set_event_loop(None)
        loop.close()


def _throw_away(task: asyncio.Task[Any]) -> None:
    """End a task that will never run again, without a word: what it would do at its end can fail."""
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    coroutine = task.get_coro()
    assert coroutine is not None
    for _ in range(_ENDS_MAX):
        try:
            coroutine.close()
        except BaseException:
            continue  # It waits at its end, too: for nothing.
        return
