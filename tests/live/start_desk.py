"""A start of the bot at a served day: its clock moves the day on, and its pauses take no time."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient
from baseline_v1_live.config import Settings
from baseline_v1_live.live_start import RunOptions, Start
from baseline_v1_live.runtime.modes import RunMode
from baseline_v1_live.runtime.recovery import Universe
from baseline_v1_live.sim.openalgo_server.server import OpenAlgoServer
from tests.config_desk import settings
from tests.runtime.live_desk import HandClock
from tests.sim.openalgo_server.gateway import KEY, Gateway, small_day

DATE = small_day().date
PAUSES = [1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0, 10.0]


class ServerClock(HandClock):
    """The served day's own clock; whoever waits for it moves the day on."""

    def __init__(self, server: OpenAlgoServer) -> None:
        super().__init__()
        self._server = server

    def now_ms(self) -> int:
        return self._server.now_ms

    async def sleep_until(self, at_ms: int) -> None:
        if at_ms > self.now_ms():
            await self._server.advance_to(at_ms)


class NoStream:
    """A wiring of which only the early stream is asked for; ``opened_ms`` is when that was."""

    def __init__(self, clock: HandClock) -> None:
        self._clock = clock
        self.opened_ms: list[int] = []
        self.open = False

    @asynccontextmanager
    async def early_feed(self) -> AsyncIterator[None]:
        self.opened_ms.append(self._clock.now_ms())
        self.open = True
        try:
            yield
        finally:
            self.open = False


class StartDesk:
    """A start of a mode at a gateway, and what it said, a (phase, line) each."""

    def __init__(self, g: Gateway, mode: RunMode = RunMode.PAPER, **options: Any) -> None:
        self.server = g.server
        self.clock = ServerClock(g.server)
        self.said: list[tuple[str, str]] = []
        self.settings = start_settings(g.server, **options.pop("environ", {}))
        self.start = Start(
            self.settings,
            RunOptions(mode=mode, **options),
            self.clock,
            lambda name, line: self.said.append((name, line)),
        )
        self.stream = NoStream(self.clock)

    @asynccontextmanager
    async def client(self, key: str = KEY) -> AsyncIterator[OpenAlgoClient]:
        async with OpenAlgoClient(
            self.server.url, key, now_ms=self.clock.now_ms, sleep=_no_time
        ) as client:
            yield client

    async def reach(self, *, patient: bool = False, key: str = KEY) -> None:
        async with self.client(key) as client:
            await self.start.reach(client, patient=patient)

    async def opens(self, date: dt.date) -> bool:
        async with self.client() as client:
            return self.start.opens(await self.start.trading_day(client, date))

    async def choose(self) -> Universe:
        async with self.client() as client:
            day = await self.start.trading_day(client, DATE)
            session = self.start.session(day)
            return await self.start.choose(client, cast(Any, self.stream), session)

    def phases(self) -> list[str]:
        return [name for name, _ in self.said]


def start_settings(server: OpenAlgoServer, **environ: str) -> Settings:
    return settings(
        OPENALGO_HOST=server.url,
        OPENALGO_WS_URL=server.ws_url,
        OPENALGO_API_KEY=KEY,
        **{"STRIKES_EACH_SIDE": "2", **environ},
    )


async def _no_time(_: float) -> None:
    await asyncio.sleep(0)


class Pauses:
    """Stands in for waiting: remembers the seconds, and does what a test wants before a try."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.before: dict[int, Callable[[], object]] = {}

    async def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)
        assert len(self.seconds) < 50, "tried again and again"
        self.before.get(len(self.seconds), lambda: None)()
