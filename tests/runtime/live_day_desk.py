"""A live day over the engine of a trading desk: its clock and its surroundings are moved by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from baseline_v1_live.core.messages import (
    Event,
    Level,
    OperatorSaid,
)
from baseline_v1_live.runtime.checks import Check, Verdict
from baseline_v1_live.runtime.clock import RealClock
from baseline_v1_live.runtime.day import LiveDay
from baseline_v1_live.runtime.instance import KillFile
from tests.harness import Desk
from tests.harness_market import at
from tests.runtime.live_desk import HandClock, settle, until

OK = Check("clock", Verdict.PASS, "together")
OFF = Check("clock", Verdict.FAIL, "3.0 s behind", "set both clocks")


class SetClock(RealClock):
    """The machine's clock as far as the day can tell, set by hand; ``off_ms`` is how far it was set."""

    def __init__(self, now_ms: int) -> None:
        super().__init__()
        self.ms = now_ms
        self.off_ms = 0

    def now_ms(self) -> int:
        return self.ms

    def off_by_ms(self) -> int:
        return self.off_ms

    def real_s(self, duration_ms: int) -> float:
        return 0.001


class DeskDriver:
    """A driver's door to the engine of a trading desk."""

    def __init__(self, desk: Desk, clock: HandClock | SetClock) -> None:
        self.desk, self.clock = desk, clock
        self.books_error = ""
        self.heard: list[Event] = []
        self.told: list[tuple[Level, str, str]] = []
        self.closed = False

    @property
    def now_ms(self) -> int:
        return self.clock.now_ms()

    def hear(self, event: Event) -> None:
        self.heard.append(event)
        self.desk.now_ms = max(self.desk.now_ms, self.clock.now_ms())
        self.desk.feed(event)

    def say(self, verb: str, by: str = "operator") -> None:
        self.hear(OperatorSaid(verb=verb, by=by))

    def notice(self, level: Level, tag: str, text: str, key: str = "") -> None:
        self.told.append((level, tag, text))

    async def close(self) -> None:
        self.closed = True

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.heard if isinstance(event, kind)]

    def tagged(self, tag: str) -> list[str]:
        return [text for _, said, text in self.told if said == tag]


class LookedAtFeeds:
    """Feeds that count how often they are looked at, and can break at it."""

    def __init__(self) -> None:
        self.looks = 0
        self.breaks: list[Exception] = []
        self.events: list[str] = []

    def start(self) -> None:
        self.events.append("start")

    def look(self, now_ms: int) -> None:
        self.looks += 1
        if self.breaks:
            raise self.breaks.pop(0)

    def age_ms(self, now_ms: int) -> int | None:
        return None

    async def close(self) -> None:
        self.events.append("close")


class Hooks:
    """The day's surroundings: ``mode`` and ``clock`` are what they find."""

    def __init__(self) -> None:
        self.mode: str | Exception | None = None
        self.clock = OK
        self.slept: Callable[[], int] = lambda: 0
        self.mode_looks = 0
        self.flushes = 0

    async def check_mode(self) -> str | None:
        self.mode_looks += 1
        if isinstance(self.mode, Exception):
            raise self.mode
        return self.mode

    def check_clock(self) -> Check:
        return self.clock

    def catch_up(self) -> int:
        return self.slept()

    def flush(self) -> None:
        self.flushes += 1


class DayDesk:
    """A day with all of these around it. Make it inside a running loop."""

    def __init__(
        self, folder: Path, *, start: str = "10:00:00", real: bool = False, **desk: Any
    ) -> None:
        self.desk = Desk(start=start, **desk)
        self.clock = (SetClock if real else HandClock)(self.desk.now_ms)
        self.driver = DeskDriver(self.desk, self.clock)
        self.feeds, self.hooks = LookedAtFeeds(), Hooks()
        self.kill_file = KillFile(folder)
        self.checked = 0
        self.problem: str | None = None
        self.day = LiveDay(
            mode="test",
            engine=self.desk.engine,
            driver=cast(Any, self.driver),
            feeds=cast(Any, self.feeds),
            clock=self.clock,
            hooks=self.hooks,
            kill_file=self.kill_file,
            pre_open=self._check,
        )

    async def _check(self) -> str | None:
        self.checked += 1
        return self.problem

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self.day.open()
        await self.look()
        yield
        await self.day.close()

    async def look(self) -> None:
        """Until it has been looked at twice more: the second look saw all that was there before."""
        looks = self.feeds.looks
        await until(lambda: self.feeds.looks >= looks + 2, "a look")
        await settle()

    async def at(self, text: str) -> None:
        self.clock.ms = at(text)
        await self.look()

    def verbs(self) -> list[str]:
        return [event.verb for event in self.driver.of(OperatorSaid)]
