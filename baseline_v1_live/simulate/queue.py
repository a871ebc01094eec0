"""The journal's queue on a simulated loop; its disk is slow or full, or the process dies at it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from baseline_v1_live.runtime.commits import CommitError, GroupJournal
from baseline_v1_live.runtime.records import RequestRecord, Step
from baseline_v1_live.simulate.observe import Observer


class Disk(Protocol):
    """How the disk behaves now."""

    def commit_s(self) -> float:
        """How long the next group of steps takes, simulated seconds."""

    def error(self) -> str | None:
        """Why it takes nothing now, None when it does."""

    def at_boundary(self, number: int, *, stored: bool) -> None:
        """The process is just before (``stored`` False) or after its commit of this number."""


class SimulatedQueue:
    """As runtime/commits.CommitQueue, without a thread: everything that waits is one group."""

    def __init__(
        self, journal: GroupJournal, disk: Disk, observers: Sequence[Observer] = ()
    ) -> None:
        self._journal, self._disk, self._observers = journal, disk, observers
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[Step, asyncio.Future[None]]] = deque()
        self._requests: list[RequestRecord] = []
        self._commits = 0
        self._writer: asyncio.Task[None] | None = None
        self._closing = False

    def put(self, step: Step) -> asyncio.Future[None]:
        """Have a step stored; done when it is on the disk, failed when it is not."""
        future = self._loop.create_future()
        if self._closing:
            future.set_exception(CommitError(f"step {step.event.seq} came after the journal's end"))
            return future
        self._waiting.append((step, future))
        if self._writer is None or self._writer.done():
            self._writer = self._loop.create_task(self._write())
        return future

    def put_requests(self, record: RequestRecord) -> None:
        """Have a question to the gateway stored with the next group."""
        self._requests.append(record)

    async def close(self, timeout_s: float = 5.0) -> bool:
        """Store all that waits; whether that was done in time."""
        self._closing = True
        if self._writer is not None:
            await asyncio.wait([self._writer], timeout=timeout_s)
            return self._writer.done()
        return True

    async def _write(self) -> None:
        while self._waiting:
            await asyncio.sleep(self._disk.commit_s())
            group, self._waiting = self._waiting, deque()
            self._commits += 1
            self._disk.at_boundary(self._commits, stored=False)
            error = self._store([step for step, _ in group])
            self._disk.at_boundary(self._commits, stored=True)
            for _, future in group:
                if not future.done():
                    _finish(future, error)

    def _store(self, steps: list[Step]) -> Exception | None:
        why = self._disk.error()
        if why is not None:
            return CommitError(why)
        try:
            self._journal.commit_steps(steps)
            for observer in self._observers:
                observer.stored(steps)
            if self._requests:
                self._journal.save_requests(self._requests)
                self._requests = []
        except Exception as error:
            return error
        return None


def _finish(future: asyncio.Future[None], error: Exception | None) -> None:
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
