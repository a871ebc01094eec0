"""Feeds without sockets: streams moved by hand, and what the core and people hear of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from baseline_v1_live.core.messages import Event, Level, Tick
from baseline_v1_live.runtime.feeds import Feeds
from tests.harness import Desk
from tests.harness_market import C260
from tests.runtime.live_desk import HandClock

SECOND_MS = 1_000


class HandFeed:
    """A stream without a socket: what it was told to watch, and how often it was started anew."""

    def __init__(self) -> None:
        self.refused: dict[str, str] = {}
        self.depth_refused: dict[str, str] = {}
        self.watched: list[tuple[set[str], set[str]]] = []
        self.runs = 0
        self.reconnects = 0
        self.breaks: list[Exception] = []
        self.close_breaks: Exception | None = None
        self._closed = asyncio.Event()

    async def watch(self, symbols: Iterable[str], depth: Iterable[str] = ()) -> None:
        self.watched.append((set(symbols), set(depth)))

    async def run(self) -> None:
        self.runs += 1
        if self.breaks:
            raise self.breaks.pop(0)
        await self._closed.wait()

    async def reconnect(self) -> None:
        self.reconnects += 1

    async def close(self) -> None:
        self._closed.set()
        if self.close_breaks is not None:
            raise self.close_breaks


class FeedDesk:
    """Feeds ``main`` and ``backup`` of an engine at 10:00. ``heard`` is what they tell the core."""

    def __init__(self, *, speed: float = 1.0, names: tuple[str, ...] = ("main", "backup")) -> None:
        self.clock = HandClock(speed=speed)
        self.engine = Desk().engine
        self.main, self.backup = HandFeed(), HandFeed()
        self.heard: list[Event] = []
        self.said: list[tuple[Level, str]] = []
        made = {"main": self.main, "backup": self.backup}
        self.feeds = Feeds(
            self.engine,
            {name: made[name] for name in names},
            self.clock,
            self._hear,
            lambda level, tag, text, key: self.said.append((level, text)),
        )
        self.nonsense = False

    def _hear(self, event: Event) -> None:
        self.heard.append(event)
        if self.nonsense and isinstance(event, Tick):
            self.engine.market.quarantined["older"] += 1

    def tick(self, name: str, symbol: str = C260) -> bool:
        return self.feeds.on_tick(name, Tick(symbol=symbol, ltp_paise=13_000))

    def seconds(self, count: float, *ticking: str) -> None:
        """Time passes, the feeds are looked at each second, and some of them tick."""
        for _ in range(round(count)):
            self.clock.ms += SECOND_MS
            for name in ticking:
                self.tick(name)
            self.feeds.look(self.clock.ms)

    @property
    def kinds(self) -> list[type[Event]]:
        """Kinds of what was heard, several of one kind in a row told once."""
        kinds: list[type[Event]] = []
        for event in self.heard:
            if not kinds or kinds[-1] is not type(event):
                kinds.append(type(event))
        return kinds


def run(story: Any) -> None:
    asyncio.run(story())
