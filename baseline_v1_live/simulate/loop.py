"""An event loop without waiting: when nothing is ready, its clock jumps to the next timer.

So a day of a real program, tasks, timeouts and all, runs as fast as the machine computes it, and in the
same order each time. Nothing that waits for the outside world works in it: no sockets, no threads.
"""

from __future__ import annotations

import asyncio
import sys
import warnings
from asyncio import base_events
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from typing import Any, TypeVar

# Which simulated process a task or callback belongs to; 0 is the world, which outlives them all.
PROCESS: ContextVar[int] = ContextVar("PROCESS", default=0)

_ENDS_MAX = 100

ResultT = TypeVar("ResultT")


class NothingLeftError(RuntimeError):
    """Every task waits for something that will never happen."""


class SimulatedLoop(base_events.BaseEventLoop):
    """``time()`` begins at 0 and counts simulated seconds.

    It has timers and a turn of its own: BaseEventLoop's look for news from outside each time.
    """

    # BaseEventLoop's own: what runs next, and whether it is to end.
    _ready: deque[asyncio.Handle]
    _stopping: bool

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        self._dead: set[int] = set()
        self._dead_tasks: list[asyncio.Task[Any]] = []
        # (when, number, handle): timers of one instant are called in the order in which they were set.
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timers_set = 0

    def time(self) -> float:
        """Simulated seconds since the loop was made."""
        return self._now_s

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """As any loop, but nothing of a dead process is ever called."""
        handle = asyncio.Handle(callback, args, self, context)
        if self._dead and _process_of(context) in self._dead:
            handle.cancel()
        else:
            self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """As any loop."""
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """As any loop."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        if self._dead and _process_of(context) in self._dead:
            handle.cancel()
        else:
            self._timers_set += 1
            heappush(self._timers, (when, self._timers_set, handle))
        return handle

    def kill(self, process: int) -> None:
        """Stop a process between two of its steps, as SIGKILL does: none of its code runs any more."""
        self._dead.add(process)
        # Kept until the end: a task that nothing holds any more is thrown away, which runs its end.
        self._dead_tasks += asyncio.all_tasks(self)
        for handle in [*self._ready, *(timer for _, _, timer in self._timers)]:
            if handle._context.get(PROCESS, 0) == process:  # type: ignore[attr-defined]
                handle.cancel()

    def _run_once(self) -> None:
        """All that is due now, and then what is due next, until the loop is told to stop.

        Raises NothingLeftError when no timer is set: a real loop would wait for ever.
        """
        ready, timers = self._ready, self._timers
        while not self._stopping:
            if not ready:
                while timers and timers[0][2].cancelled():
                    heappop(timers)
                if not timers:
                    raise NothingLeftError("every task waits, and no timer is set")
                self._now_s = max(self._now_s, timers[0][0])
            while timers and timers[0][0] <= self._now_s:
                ready.append(heappop(timers)[2])
            # What these make ready has its turn after what is due by then.
            for _ in range(len(ready)):
                handle = ready.popleft()
                if not handle.cancelled():
                    handle._run()

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
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
        with _unheard():
            for _ in range(_ENDS_MAX):
                # At its end a task may begin others, which will never run either.
                tasks = asyncio.all_tasks(loop)
                for task in tasks:
                    _throw_away(task)
                if not tasks:
                    break
        asyncio.set_event_loop(None)
        loop.close()


@contextmanager
def _unheard() -> Iterator[None]:
    """Nobody hears how what is thrown away here complains that it was not to end like this."""
    heard = sys.unraisablehook
    sys.unraisablehook = lambda _: None
    try:
        with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
            yield
    finally:
        sys.unraisablehook = heard


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
        break
    asyncio.tasks._unregister_task(task)
