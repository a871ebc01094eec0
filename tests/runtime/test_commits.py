"""The queue to the disk: steps are stored in order and together, and no trouble of one is another's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from baseline_v1_live.adapters.journal import Journal
from baseline_v1_live.core.messages import TimerDue
from baseline_v1_live.runtime import commits
from baseline_v1_live.runtime.commits import CommitError, CommitQueue
from baseline_v1_live.runtime.records import RequestRecord, Step

PATIENCE_S = 10.0


class DiskError(Exception):
    """The disk does not want it."""


class Disk:
    """A journal whose disk can be held up and can refuse steps; it remembers every call."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.requests: list[list[int]] = []
        self.bad: set[int] = set()
        self.bad_requests = False
        self.free = threading.Event()
        self.free.set()
        self.busy = threading.Event()
        self.threads: set[int] = set()

    def commit_steps(self, steps: Sequence[Step]) -> None:
        self.threads.add(threading.get_ident())
        self.busy.set()
        assert self.free.wait(PATIENCE_S)
        numbers = [step.event.seq for step in steps]
        if self.bad.intersection(numbers):
            raise DiskError(f"not {numbers}")
        self.groups.append(numbers)

    def save_requests(self, records: Sequence[RequestRecord]) -> None:
        assert self.free.wait(PATIENCE_S)
        if self.bad_requests:
            raise DiskError("no requests")
        self.requests.append([record.request_id for record in records])


def step(number: int) -> Step:
    return Step(TimerDue(seq=number, at_ms=number))


def request(number: int) -> RequestRecord:
    return RequestRecord(
        request_id=number,
        at_ms=number,
        path="quotes",
        status=200,
        took_ms=1,
        failure=None,
        sent="",
        received="",
    )


@asynccontextmanager
async def queue_on(disk: Disk, **options: float) -> AsyncIterator[CommitQueue]:
    """A queue that has closed well at the end, whatever happened meanwhile."""
    queue = CommitQueue(disk, **options)
    yield queue
    disk.free.set()
    assert await queue.close(PATIENCE_S)


async def held_up(disk: Disk, queue: CommitQueue, number: int) -> asyncio.Future[None]:
    """The disk is writing this step and does not come to an end."""
    disk.free.clear()
    disk.busy.clear()
    future = queue.put(step(number))
    await asyncio.to_thread(disk.busy.wait, PATIENCE_S)
    assert disk.busy.is_set()
    return future


async def within(future: asyncio.Future[None]) -> None:
    await asyncio.wait_for(asyncio.shield(future), PATIENCE_S)


# ---------------------------------------------------------------- steps


async def lone_step() -> None:
    disk = Disk()
    async with queue_on(disk) as queue:
        await within(queue.put(step(1)))
        assert disk.groups == [[1]]
        await within(queue.put(step(2)))
        assert disk.groups == [[1], [2]]
    assert disk.threads.isdisjoint({threading.get_ident()})


def test_a_step_is_told_when_it_is_stored() -> None:
    """A step's future is done when the journal has it, and the loop's thread never writes."""
    asyncio.run(lone_step())


async def waiting_steps() -> None:
    disk = Disk()
    async with queue_on(disk) as queue:
        first = await held_up(disk, queue, 1)
        rest = [queue.put(step(number)) for number in range(2, 8)]
        assert not first.done()
        disk.free.set()
        await within(rest[-1])
        assert disk.groups == [[1], [2, 3, 4, 5, 6, 7]]
        assert first.done()
        assert all(future.done() for future in rest)


def test_what_waits_is_stored_together_and_in_order() -> None:
    """Steps that come while the disk is busy are one group, in their order."""
    asyncio.run(waiting_steps())


async def bad_step() -> None:
    disk = Disk()
    disk.bad = {3}
    async with queue_on(disk) as queue:
        await held_up(disk, queue, 1)
        futures = [queue.put(step(number)) for number in range(2, 6)]
        disk.free.set()
        done = await asyncio.wait_for(asyncio.gather(*futures, return_exceptions=True), PATIENCE_S)
        assert disk.groups == [[1], [2], [4], [5]]
        assert [type(outcome) for outcome in done] == [
            type(None),
            DiskError,
            type(None),
            type(None),
        ]
        with pytest.raises(DiskError):
            await within(queue.put(step(3)))
        await within(queue.put(step(6)))


def test_a_bad_step_fails_alone() -> None:
    """Of a group with a bad step all others are stored, in order, and later ones too."""
    asyncio.run(bad_step())


async def impatient() -> None:
    disk = Disk()
    async with queue_on(disk) as queue:
        first = await held_up(disk, queue, 1)
        second = queue.put(step(2))
        first.cancel()
        second.cancel()
        third = queue.put(step(3))
        disk.free.set()
        await within(third)
        assert disk.groups == [[1], [2, 3]]


def test_who_stops_waiting_takes_nothing_back() -> None:
    """Steps whose futures were cancelled are stored all the same, and disturb no other."""
    asyncio.run(impatient())


# ---------------------------------------------------------------- requests


async def requests_with_a_step() -> None:
    disk = Disk()
    async with queue_on(disk, requests_wait_s=1_000) as queue:
        for number in (1, 2):
            queue.put_requests(request(number))
        assert (disk.groups, disk.requests) == ([], [])
        queue.put(step(1))
        while not disk.requests:
            await asyncio.sleep(0)
        assert (disk.groups, disk.requests) == ([[1]], [[1, 2]])


def test_requests_are_stored_with_the_next_step() -> None:
    """Requests wait for a step, and are stored after it."""
    asyncio.run(asyncio.wait_for(requests_with_a_step(), PATIENCE_S))


async def requests_alone() -> None:
    disk = Disk()
    async with queue_on(disk, requests_wait_s=0.02) as queue:
        for number in (1, 2):
            queue.put_requests(request(number))
        while not disk.requests:
            await asyncio.sleep(0)
        assert [number for group in disk.requests for number in group] == [1, 2]
        assert disk.groups == []


def test_requests_without_a_step_are_stored_soon() -> None:
    """When no step comes, requests are stored after a while by themselves."""
    asyncio.run(asyncio.wait_for(requests_alone(), PATIENCE_S))


async def too_many_requests() -> None:
    disk = Disk()
    async with queue_on(disk) as queue:
        await held_up(disk, queue, 1)
        for number in range(commits.REQUESTS_WAITING_MAX + 5):
            queue.put_requests(request(number))
    assert disk.requests == [list(range(5, commits.REQUESTS_WAITING_MAX + 5))]


def test_the_oldest_requests_are_dropped() -> None:
    """While the disk stands still, only the newest 10,000 requests are kept."""
    assert commits.REQUESTS_WAITING_MAX == 10_000
    asyncio.run(too_many_requests())


async def requests_that_fail() -> None:
    disk = Disk()
    disk.bad_requests = True
    async with queue_on(disk, requests_wait_s=0) as queue:
        queue.put_requests(request(1))
        await within(queue.put(step(1)))
        queue.put_requests(request(2))
        await within(queue.put(step(2)))
    assert disk.groups == [[1], [2]]


def test_requests_that_fail_disturb_no_step() -> None:
    """Requests that cannot be stored are lost, and steps go on."""
    asyncio.run(requests_that_fail())


# ---------------------------------------------------------------- the end


async def closing_stores() -> None:
    disk = Disk()
    queue = CommitQueue(disk, requests_wait_s=1_000)
    first = await held_up(disk, queue, 1)
    rest = [queue.put(step(number)) for number in (2, 3)]
    queue.put_requests(request(1))
    closing = asyncio.ensure_future(queue.close(PATIENCE_S))
    await asyncio.sleep(0)
    late = queue.put(step(4))
    queue.put_requests(request(2))
    with pytest.raises(CommitError, match="step 4 came after the journal's end"):
        await late
    disk.free.set()

    assert await closing
    assert all(future.done() and future.exception() is None for future in [first, *rest])
    assert disk.groups == [[1], [2, 3]]
    assert disk.requests == [[1]]
    assert await queue.close(PATIENCE_S)


def test_closing_loses_nothing() -> None:
    """What was given before the end is stored, what comes later is refused; closing twice is fine."""
    asyncio.run(closing_stores())


async def closing_while_blocked() -> None:
    disk = Disk()
    queue = CommitQueue(disk)
    futures = [await held_up(disk, queue, 1), queue.put(step(2))]

    assert not await queue.close(0.02)
    for number, future in enumerate(futures, 1):
        with pytest.raises(CommitError, match=f"step {number} was not stored within 0.02 s"):
            await future
    disk.free.set()
    assert await queue.close(PATIENCE_S)
    assert disk.groups == [[1], [2]]


def test_closing_does_not_hang_on_a_blocked_disk() -> None:
    """When the disk blocks, closing gives up in time and fails what is not stored; when it comes back
    the steps are stored after all.
    """
    asyncio.run(closing_while_blocked())


async def loop_gone(disk: Disk) -> threading.Thread:
    queue = CommitQueue(disk)
    await held_up(disk, queue, 1)
    queue.put(step(2))
    return queue._thread


def test_a_loop_that_is_gone_stops_no_step() -> None:
    """Steps are stored even when the loop that gave them has ended before."""
    disk = Disk()
    thread = asyncio.run(loop_gone(disk))
    disk.free.set()
    for _ in range(100):
        thread.join(0.01)
        if disk.groups == [[1], [2]]:
            break
    assert disk.groups == [[1], [2]]


# ---------------------------------------------------------------- with a real journal


async def real_journal(path: Path) -> None:
    with Journal.open(path, any_thread=True) as journal:
        queue = CommitQueue(journal)
        futures = [queue.put(step(number)) for number in (*range(1, 200), 7, *range(200, 300))]
        queue.put_requests(request(1))
        done = await asyncio.gather(*futures, return_exceptions=True)
        assert await queue.close(PATIENCE_S)
        assert [str(error).split(": ")[1] for error in done if error] == ["step 7 was not stored"]
        assert [event.seq for event in journal.events()] == list(range(1, 300))
        assert journal.requests() == [request(1)]


def test_a_real_journal_stores_what_the_queue_gives_it(tmp_path: Path) -> None:
    """All steps of a burst are in the file once, but the one whose number was used before."""
    asyncio.run(real_journal(tmp_path / "journal.db"))
