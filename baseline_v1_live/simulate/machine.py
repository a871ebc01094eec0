"""The machine that a simulated bot runs on: its clock, its wire, its disk, and who has its folder."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextvars import copy_context
from pathlib import Path
from typing import Any, cast

from baseline_v1_live.live_machine import Control, Machine, Queue
from baseline_v1_live.runtime.clock import Clock
from baseline_v1_live.runtime.commits import GroupJournal
from baseline_v1_live.runtime.control import Bot
from baseline_v1_live.runtime.instance import InstanceLocked
from baseline_v1_live.simulate.clock import SimulatedClock
from baseline_v1_live.simulate.network import Gateway, SimulatedSession, Wire
from baseline_v1_live.simulate.observe import observers_of
from baseline_v1_live.simulate.queue import Disk, SimulatedQueue
from baseline_v1_live.simulate.world import World


class SimulatedMachine(Machine):
    """One host. It stays when a process on it dies; ``start_ms`` is its time at the loop's 0."""

    records_ticks = False

    def __init__(
        self, world: World, gateway: Gateway, wire: Wire, disk: Disk, start_ms: int
    ) -> None:
        self._world, self._gateway = world, gateway
        self._wire, self._disk = wire, disk
        self._start_ms = start_ms
        self._loop = asyncio.get_running_loop()
        self._held: set[Path] = set()
        self.on_end: Callable[[], None] = lambda: None
        self._heard: Callable[[signal.Signals], None] | None = None
        self.clocks: list[SimulatedClock] = []
        self.bot: Speech | None = None
        self.open_session = self._open_session

    def _open_session(self) -> Any:
        world = self._world
        return SimulatedSession(self._gateway, self._wire, world.date_header, observers_of(world))

    def clock(self) -> Clock:
        """A clock that begins at the machine's time of now."""
        clock = SimulatedClock(self._start_ms + round(self._loop.time() * 1000))
        self.clocks.append(clock)
        return clock

    def queue(self, journal: GroupJournal) -> Queue:
        """What stores steps in a journal."""
        return cast(Queue, SimulatedQueue(journal, self._disk, observers_of(self._world)))

    def lock(self, folder: Path, now_ms: int) -> Callable[[], None]:  # noqa: ARG002
        """Take a state folder.

        Raises InstanceLocked when another process of this machine has it.
        """
        if folder in self._held:
            raise InstanceLocked(f"{folder} is held by another simulated process")
        self._held.add(folder)
        return lambda: self._held.discard(folder)

    def control(self, folder: Path, bot: Bot) -> Control:  # noqa: ARG002
        """Nobody needs a socket here: ``bot`` is spoken to directly while its door is open."""
        return _Door(self, bot)

    def catch_signals(self, heard: Callable[[signal.Signals], None]) -> None:
        """Have signals heard that ``send_signal`` sends."""
        context = copy_context()
        self._heard = lambda number: context.run(heard, number)

    def end_at_once(self, code: int) -> None:  # noqa: ARG002
        """The process is gone."""
        self.on_end()

    def send_signal(self, number: signal.Signals) -> None:
        """A signal to the process that runs."""
        if self._heard is not None:
            self._heard(number)

    def forget_process(self) -> None:
        """The process is dead: the system has taken back what it held."""
        self._held.clear()
        for client in list(self._world.stream.clients):
            self._world.stream.leave(client)
        self._heard = None
        self.bot = None


class Speech:
    """What people say to a bot. It is heard within the bot's own process: all that comes of it dies with
    that, and not with who spoke.
    """

    def __init__(self, bot: Bot) -> None:
        self._bot, self._context = bot, copy_context()

    def say(self, verb: str, by: str) -> None:
        """Give an operator's word to the engine."""
        self._context.run(self._bot.say, verb, by)


class _Door:
    def __init__(self, machine: SimulatedMachine, bot: Bot) -> None:
        self._machine, self._bot = machine, bot

    async def start(self) -> None:
        self._machine.bot = Speech(self._bot)

    async def stop(self) -> None:
        self._machine.bot = None
