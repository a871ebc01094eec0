"""The queue between the event loop and the disk: one thread writes, the loop never waits for it.

Steps are stored in the order they are given. All that wait while the disk is busy go into the next
transaction together, so a slow disk makes larger groups and not a longer queue.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple, Protocol

from baseline_v1_live.runtime.records import RequestRecord, Step

_log = logging.getLogger(__name__)

REQUESTS_WAITING_MAX = 10_000
REQUESTS_WAIT_S = 0.5
CLOSE_S = 5.0


class CommitError(Exception):
    """A step was given after the end, or was not stored by then. Its text is one line."""


class GroupJournal(Protocol):
    """What the queue needs of a journal; only its own thread calls it."""

    def commit_steps(self, steps: Sequence[Step]) -> None:
        """Store several steps in their order: all or none; on return they are on the disk."""

    def save_requests(self, records: Sequence[RequestRecord]) -> None:
        """Store questions to the gateway."""


class _Waiting(NamedTuple):
    step: Step
    future: asyncio.Future[None]


_Outcome = tuple[asyncio.Future[None], Exception | None]


class CommitQueue:
    """Owns a journal from its making, inside the running loop, until ``close`` has returned True.

    The journal must be open for any thread. ``monotonic`` counts seconds, and ``requests_wait_s`` is
    how long a question to the gateway may wait for a step to be stored with.
    """

    def __init__(
        self,
        journal: GroupJournal,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        requests_wait_s: float = REQUESTS_WAIT_S,
    ) -> None:
        self._journal = journal
        self._monotonic = monotonic
        self._requests_wait_s = requests_wait_s
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        self._news = threading.Condition()
        self._steps: deque[_Waiting] = deque()
        self._group: deque[_Waiting] = deque()
        self._requests: deque[RequestRecord] = deque(maxlen=REQUESTS_WAITING_MAX)
        self._requests_since_s = 0.0
        self._closing = False
        # A daemon, so that a disk that never answers does not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    # ------------------------------------------------------------ the loop's side

    def put(self, step: Step) -> asyncio.Future[None]:
        """Have a step stored; done when it is on the disk, failed when nothing of it is.

        Who stops waiting, or cancels the future, does not take the step back.
        """
        future = self._loop.create_future()
        with self._news:
            if self._closing:
                number = step.event.seq
                future.set_exception(CommitError(f"step {number} came after the journal's end"))
            else:
                self._steps.append(_Waiting(step, future))
                self._news.notify()
        return future

    def put_requests(self, record: RequestRecord) -> None:
        """Have a question to the gateway stored with the next step, or soon; nobody is told.

        When too many wait, the oldest are dropped: no order depends on them.
        """
        with self._news:
            if self._closing:
                return
            if not self._requests:
                self._requests_since_s = self._monotonic()
                self._news.notify()
            self._requests.append(record)

    async def close(self, timeout_s: float = CLOSE_S) -> bool:
        """Store all that waits and end the thread; True when that was done in time.

        After False the disk still holds the thread: the futures of what it has not stored have
        failed, though it may yet store them, and the journal must not be touched, not even closed.
        """
        with self._news:
            self._closing = True
            self._news.notify()
        await asyncio.wait([self._ended], timeout=timeout_s)
        if self._ended.done():
            self._thread.join()
            return True
        with self._news:
            left = [*self._group, *self._steps]
        for step, future in left:
            problem = f"step {step.event.seq} was not stored within {timeout_s:g} s of the end"
            _tell([(future, CommitError(problem))])
        return False

    # ------------------------------------------------------------ the thread's side

    def _run(self) -> None:
        ended = False
        while not ended:
            requests, ended = self._take()
            self._commit()
            if requests:
                self._save(requests)
        self._in_loop(self._end)

    def _take(self) -> tuple[list[RequestRecord], bool]:
        """Wait for something to write; all waiting steps become the group."""
        with self._news:
            while not self._steps and not self._closing:
                wait_s = None
                if self._requests:
                    waited_s = self._monotonic() - self._requests_since_s
                    wait_s = self._requests_wait_s - waited_s
                    if wait_s <= 0:
                        break
                self._news.wait(wait_s)
            self._group, self._steps = self._steps, deque()
            requests = list(self._requests)
            self._requests.clear()
            return requests, self._closing

    def _commit(self) -> None:
        """Store the group as a whole, or else each step alone, so that one bad step fails alone."""
        group = list(self._group)
        if not group:
            return
        error = self._try(group)
        if error is None or len(group) == 1:
            self._done([(waiting.future, error) for waiting in group])
            return
        for waiting in group:
            self._done([(waiting.future, self._try([waiting]))])

    def _try(self, group: Sequence[_Waiting]) -> Exception | None:
        try:
            self._journal.commit_steps([waiting.step for waiting in group])
        except Exception as error:
            # Whatever it is, the thread must live: the next step may be a stop.
            return error
        return None

    def _done(self, outcomes: list[_Outcome]) -> None:
        with self._news:
            for _ in outcomes:
                self._group.popleft()
        self._in_loop(_tell, outcomes)

    def _save(self, requests: Sequence[RequestRecord]) -> None:
        try:
            self._journal.save_requests(requests)
        except Exception as error:
            _log.warning("%d requests to the gateway were not stored: %s", len(requests), error)

    def _in_loop(self, call: Callable[..., None], *values: object) -> None:
        # The loop may be gone when the disk answers at last.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, *values)

    def _end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)


def _tell(outcomes: Sequence[_Outcome]) -> None:
    for future, error in outcomes:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
