"""Hand-made surroundings of a live driver: a clock moved by hand, a scripted engine, a disk, a broker."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

from msgspec.structs import replace

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.messages import (
    CancelOrder,
    Command,
    Event,
    ModifyOrder,
    Notify,
    OrderAccepted,
    PlaceOrder,
    Purpose,
    QueryOrder,
    Request,
    Side,
    SnapshotTaken,
    Started,
    TakeSnapshot,
    Tick,
)
from baseline_v1_live.runtime.live import LiveDriver
from baseline_v1_live.runtime.ports import ToBroker, ToPriceSource
from baseline_v1_live.runtime.records import StateRecord, Step
from tests.harness_market import C260, at, day
from tests.harness_orders import ENTRY, STOP, change_of

NEVER_MS = 1 << 62
START_MS = at("10:00:00")
PATIENCE_S = 5.0
SHORT_PATIENCE_S = 0.005
TICK = Tick(symbol=C260, ltp_paise=13_000)
STARTED = Started(mode="test")
_LOOK_S = 0.001
_REQUESTS = {
    PlaceOrder: Request.PLACE,
    ModifyOrder: Request.MODIFY,
    CancelOrder: Request.CANCEL,
    QueryOrder: Request.QUERY,
}


async def settle() -> None:
    """Let everything happen that waits for nothing but its turn."""
    for _ in range(30):
        await asyncio.sleep(0)


async def until(
    reached: Callable[[], object], what: str = "it", *, look_s: float = _LOOK_S
) -> None:
    """Wait for what comes from a thread, or after a few milliseconds."""
    deadline = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < deadline, f"{what} did not happen"
        await asyncio.sleep(look_s)


class HandClock:
    """Its time is set by a test; whoever waits for it looks every ``look_s`` real seconds.
    ``wanted_ms`` is what was waited for last.
    """

    real = False

    def __init__(self, now_ms: int = START_MS, speed: float = 1.0, look_s: float = _LOOK_S) -> None:
        self.speed = speed
        self._look_s = look_s
        self.ms = now_ms
        self.wanted_ms = NEVER_MS

    def now_ms(self) -> int:
        return self.ms

    def off_by_ms(self) -> int:
        return 0

    def pace_ms(self) -> int:
        return self.ms

    def real_s(self, duration_ms: int) -> float:
        self.wanted_ms = self.ms + max(duration_ms, 0)
        return self._look_s if duration_ms > 0 else 0.0

    async def sleep(self, seconds: float) -> None:
        await self.sleep_until(self.ms + round(seconds * 1000))

    async def sleep_until(self, at_ms: int) -> None:
        while self.ms < at_ms:
            await asyncio.sleep(_LOOK_S)


class ScriptedEngine:
    """Answers the next event of a kind with given commands, or breaks; remembers every event."""

    def __init__(self) -> None:
        self.session = day()
        self.taken_back: set[str] = set()
        self.orders = SimpleNamespace(
            orders={}, changed={}, commands=[], taken_back=self.taken_back.__contains__
        )
        self.positions = SimpleNamespace(positions={}, changed={})
        self.heard: list[Event] = []
        self._script: dict[type[Event], deque[tuple[Command, ...] | Exception]] = {}

    def on(self, kind: type[Event], *commands: Command) -> None:
        self._script.setdefault(kind, deque()).append(commands)

    def break_on(self, kind: type[Event], error: Exception) -> None:
        self._script.setdefault(kind, deque()).append(error)

    def handle(self, event: Event) -> tuple[Command, ...]:
        self.heard.append(event)
        script = self._script.get(type(event))
        answer = script.popleft() if script else ()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.heard if isinstance(event, kind)]


class DiskError(Exception):
    """The disk does not want it."""


class Disk:
    """Where steps go. While it is well they are stored at once; ``busy`` keeps them waiting, ``bad``
    is what it says no with.
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.busy = False
        self.bad: Exception | None = None
        self._waiting: deque[asyncio.Future[None]] = deque()

    def put(self, step: Step) -> asyncio.Future[None]:
        future = asyncio.get_running_loop().create_future()
        self.steps.append(step)
        self._waiting.append(future)
        if not self.busy:
            self.write(self.bad)
        return future

    def write(self, error: Exception | None = None, count: int | None = None) -> None:
        """End the oldest ``count`` steps, or all of them, well or with an error."""
        for _ in range(len(self._waiting) if count is None else count):
            future = self._waiting.popleft()
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

    @property
    def events(self) -> list[str]:
        return [type(step.event).__name__ for step in self.steps]


class Keeper:
    """Gives the records it is told to; counts how often everything is to be stored again."""

    def __init__(self) -> None:
        self.fresh: list[StateRecord] = []
        self.forgot = 0

    def changes(self, engine: Engine) -> list[StateRecord]:
        fresh, self.fresh = self.fresh, []
        return fresh

    def store_all_again(self, engine: Engine) -> None:
        self.forgot += 1


class Taker:
    """A broker that takes everything, or breaks, or does not answer while ``mute``."""

    def __init__(self) -> None:
        self.sent: list[ToBroker] = []
        self.breaks: Exception | None = None
        self.mute = False

    async def send(self, command: ToBroker) -> Event:
        self.sent.append(command)
        if self.breaks is not None:
            raise self.breaks
        while self.mute:
            await asyncio.sleep(_LOOK_S)
        if isinstance(command, TakeSnapshot):
            return SnapshotTaken(asked_at_ms=0, orders=(), trades=(), positions=())
        return OrderAccepted(
            order_id=command.order_id, request=_REQUESTS[type(command)], broker_order_id="7"
        )


class Prices:
    """A price source with one answer to everything."""

    def __init__(self) -> None:
        self.asked: list[ToPriceSource] = []
        self.answer: Event | Exception | None = None

    async def ask(self, command: ToPriceSource) -> Event | None:
        self.asked.append(command)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Notices:
    """What people were told."""

    def __init__(self) -> None:
        self.said: list[Notify] = []

    def notify(self, notice: Notify, at_ms: int) -> None:
        self.said.append(notice)


class LiveDesk:
    """A driver with all of these around it. Make it inside a running loop."""

    def __init__(self, *, engine: Any = None, **options: Any) -> None:
        self.engine = ScriptedEngine() if engine is None else engine
        self.clock = HandClock()
        self.disk = Disk()
        self.keeper = Keeper()
        self.broker = Taker()
        self.prices = Prices()
        self.notices = Notices()
        self.driver = LiveDriver(
            cast(Engine, self.engine),
            self.broker,
            self.prices,
            self.clock,
            journal=self.disk,
            keeper=self.keeper,
            notifier=self.notices,
            **{"patience_s": PATIENCE_S, "calm_s": 0.0, **options},
        )


# ---------------------------------------------------------------- orders


def place(order_id: str, purpose: Purpose = Purpose.ENTRY) -> PlaceOrder:
    """A stop-limit order, to sell for an entry and to buy for all else."""
    kind = ENTRY if purpose is Purpose.ENTRY else STOP
    return replace(kind, order_id=order_id, purpose=purpose)


def modify(order_id: str, side: Side = Side.SELL) -> ModifyOrder:
    return change_of(ENTRY if side is Side.SELL else STOP, "7", order_id=order_id)


def cancel(order_id: str) -> CancelOrder:
    return CancelOrder(order_id=order_id, broker_order_id="7")


def ids(commands: Sequence[Any]) -> list[str]:
    return [command.order_id for command in commands if hasattr(command, "order_id")]
