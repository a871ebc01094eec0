"""What a run takes from the machine it runs on: time, sockets, signals, the disk's queue, the lock.

The live loop asks a ``Machine`` for these and for nothing else of the kind, so the very same loop also
runs where all of them are simulated (simulate/).
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from baseline_v1_live.adapters.openalgo.transport import OpenSession
from baseline_v1_live.runtime.clock import Clock, RealClock
from baseline_v1_live.runtime.commits import CommitQueue, GroupJournal
from baseline_v1_live.runtime.control import Bot, ControlServer
from baseline_v1_live.runtime.instance import InstanceLock
from baseline_v1_live.runtime.live import StepQueue
from baseline_v1_live.runtime.records import RequestRecord


class Queue(StepQueue, Protocol):
    """Stores steps and questions in the background."""

    def put_requests(self, record: RequestRecord) -> None:
        """Have a question to the gateway stored soon."""

    async def close(self, timeout_s: float = ...) -> bool:
        """Store all that waits; whether that was done in time."""


class Control(Protocol):
    """A door that is open from ``start`` to ``stop``."""

    async def start(self) -> object:
        """Open it. Raises OSError when that cannot be."""

    async def stop(self) -> None:
        """Close it."""


class Machine:
    """The real one. ``open_session`` None: the adapters open their own aiohttp sessions."""

    open_session: OpenSession | None = None
    records_ticks = True

    def clock(self) -> Clock:
        """A clock that begins at the machine's time of now."""
        return RealClock()

    def queue(self, journal: GroupJournal) -> Queue:
        """What stores steps in a journal, inside the running loop."""
        return CommitQueue(journal)

    def lock(self, folder: Path, now_ms: int) -> Callable[[], None]:
        """Take a state folder; what is given back gives it up.

        Raises InstanceLocked when another bot has it.
        """
        return InstanceLock(folder).acquire(now_ms).release

    def control(self, folder: Path, bot: Bot) -> Control:
        """The door through which people speak to the bot."""
        return ControlServer(folder, bot)

    def catch_signals(self, heard: Callable[[signal.Signals], None]) -> None:
        """Have SIGTERM and SIGINT heard inside the running loop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, heard, number)

    def end_at_once(self, code: int) -> None:
        """End the process without anything further: somebody asked twice."""
        os._exit(code)
