"""The bot as the live loop wires it (engine, driver, broker, stream, journal), with its steps timed."""

from __future__ import annotations

import asyncio
import contextvars
import datetime as dt
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from baseline_v1_live.adapters.journal import Journal
from baseline_v1_live.adapters.openalgo.broker import OpenAlgoBroker, OpenAlgoPrices
from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient
from baseline_v1_live.adapters.openalgo.feed import Feed, FeedState
from baseline_v1_live.adapters.openalgo.limiter import Limits, OrderLimiter, Urgency
from baseline_v1_live.adapters.openalgo.wire.requests import Body
from baseline_v1_live.adapters.openalgo.wire.stream import OrderPush
from baseline_v1_live.adapters.openalgo.wire.values import Mode, Reply
from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.messages import (
    CancelOrder,
    Command,
    Event,
    Notify,
    PlaceOrder,
    QueryOrder,
)
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import make_session
from baseline_v1_live.core.session_state import SessionState, restore
from baseline_v1_live.runtime.clock import RealClock
from baseline_v1_live.runtime.commits import CommitQueue
from baseline_v1_live.runtime.live import LiveDriver
from baseline_v1_live.runtime.ports import ToBroker
from baseline_v1_live.runtime.records import Step
from baseline_v1_live.runtime.recovery import SessionKeeper
from bench.gateway import CONTRACTS, DATE, INDEX, KEY, START_MS, Gateway

PATIENCE_S = 20.0
_command: contextvars.ContextVar[str] = contextvars.ContextVar("order_id", default="")


@dataclass(frozen=True)
class Span:
    """Something that took time; instants are ``time.perf_counter`` seconds."""

    name: str
    order_id: str
    start_s: float
    end_s: float

    @property
    def ms(self) -> float:
        return (self.end_s - self.start_s) * 1000


@dataclass
class Trace:
    """Everything that took time since the last ``clear``, by kind."""

    requests: list[Span] = field(default_factory=list)
    limits: list[Span] = field(default_factory=list)
    commits: list[Span] = field(default_factory=list)
    decisions: list[Span] = field(default_factory=list)
    sends: list[Span] = field(default_factory=list)

    def clear(self) -> None:
        for spans in (self.requests, self.limits, self.commits, self.decisions, self.sends):
            spans.clear()


class BenchClock(RealClock):
    """The machine's pace, on the gateway's day."""

    def __init__(self) -> None:
        super().__init__()
        self._start_ms = START_MS


class TimedEngine(Engine):
    """Tells how long each event took to decide on."""

    trace: Trace

    def handle(self, event: Event) -> tuple[Command, ...]:
        start_s = time.perf_counter()
        commands = super().handle(event)
        name = type(event).__name__
        self.trace.decisions.append(Span(name, "", start_s, time.perf_counter()))
        return commands


class TimedLimiter(OrderLimiter):
    """Tells how long each message waited for its turn."""

    def __init__(self, trace: Trace, limits: Limits | None) -> None:
        super().__init__(limits)
        self._trace = trace

    async def acquire(self, urgency: Urgency, patience_ms: int | None = None) -> bool:
        start_s = time.perf_counter()
        done = await super().acquire(urgency, patience_ms=patience_ms)
        self._trace.limits.append(Span("limiter", _command.get(), start_s, time.perf_counter()))
        return done


class TimedQueue:
    """Tells how long each step with orders took to reach the disk, as the waiting order sees it."""

    def __init__(self, queue: CommitQueue, trace: Trace) -> None:
        self._queue, self._trace = queue, trace

    def put(self, step: Step) -> asyncio.Future[None]:
        start_s = time.perf_counter()
        stored = self._queue.put(step)
        orders = [c.order_id for c in step.commands if isinstance(c, PlaceOrder | CancelOrder)]

        def done(_: asyncio.Future[None]) -> None:
            end_s = time.perf_counter()
            self._trace.commits.extend(Span("commit", name, start_s, end_s) for name in orders)

        if orders:
            stored.add_done_callback(done)
        return stored


class TimedBroker:
    """Tells how long each command was on its way, and lets the layers below know which one it is."""

    def __init__(self, broker: OpenAlgoBroker, trace: Trace) -> None:
        self._broker, self._trace = broker, trace

    async def send(self, command: ToBroker) -> Event:
        named = isinstance(command, PlaceOrder | CancelOrder | QueryOrder)
        order_id = command.order_id if named else ""
        _command.set(order_id)
        start_s = time.perf_counter()
        event = await self._broker.send(command)
        name = type(command).__name__
        self._trace.sends.append(Span(name, order_id, start_s, time.perf_counter()))
        return event


class Quiet:
    """Keeps what the bot has to say, in case something goes wrong."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def notify(self, notice: Notify, at_ms: int) -> None:  # noqa: ARG002
        self.said.append(f"[{notice.level}] {notice.text}")


@dataclass
class Bot:
    """A running bot. ``watch`` is called after every step of the engine."""

    engine: TimedEngine
    driver: LiveDriver
    client: OpenAlgoClient
    trace: Trace
    notices: Quiet
    watch: Callable[[], None] | None = None

    async def until(self, reached: Callable[[], bool]) -> float:
        """Wait until a step of the engine has brought something about; its perf_counter seconds."""
        done: asyncio.Future[float] = asyncio.get_running_loop().create_future()

        def look() -> None:
            if not done.done() and reached():
                done.set_result(time.perf_counter())

        self.watch = look
        look()
        try:
            return await asyncio.wait_for(done, PATIENCE_S)
        except TimeoutError:
            raise SystemExit("\n".join(["not reached:", *self.notices.said])) from None
        finally:
            self.watch = None

    async def settle(self) -> None:
        """Wait until nothing is on its way."""
        async with asyncio.timeout(PATIENCE_S):
            while self.driver._tasks:
                await asyncio.sleep(0.002)


@contextmanager
def new_journal() -> Iterator[Journal]:
    """A journal on the disk where temporary files are (TMPDIR); gone afterwards."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Journal.open(Path(folder) / "journal.db", any_thread=True) as journal,
    ):
        yield journal


@asynccontextmanager
async def running(
    gateway: Gateway,
    *,
    rules: Rules,
    state: SessionState | None = None,
    limits: Limits | None = None,
    updates: bool = True,
    journal: Journal | None = None,
) -> AsyncIterator[Bot]:
    """A bot connected to a gateway, not yet started. ``updates`` False: no order update is pushed;
    ``journal`` None: a new one.
    """
    trace, notices = Trace(), Quiet()
    async with AsyncExitStack() as stack:
        if journal is None:
            journal = stack.enter_context(new_journal())
        first_seq = journal.last_seq()
        queue = CommitQueue(journal)
        stack.push_async_callback(queue.close)
        engine = _engine(rules, state)
        engine.trace = trace
        clock = BenchClock()
        client = OpenAlgoClient(
            gateway.url, KEY, limiter=TimedLimiter(trace, limits), now_ms=clock.now_ms
        )
        stack.push_async_callback(client.close)
        _time_requests(client, trace)
        broker = OpenAlgoBroker(client, lambda _: None, lambda _: None, Mode.LIVE)
        driver = LiveDriver(
            engine,
            TimedBroker(broker, trace),
            OpenAlgoPrices(client, engine.session, lambda _: None),
            clock,
            journal=TimedQueue(queue, trace),
            keeper=SessionKeeper(),
            notifier=notices,
            first_seq=first_seq,
            on_step=lambda: bot.watch() if bot.watch is not None else None,
        )
        bot = Bot(engine, driver, client, trace, notices)
        stack.push_async_callback(driver.close)
        await _stream(stack, gateway, broker, driver, updates)
        yield bot


async def _stream(
    stack: AsyncExitStack,
    gateway: Gateway,
    broker: OpenAlgoBroker,
    driver: LiveDriver,
    updates: bool,
) -> None:
    """The stream of prices and order updates, connected."""
    live = asyncio.Event()

    def on_order(push: OrderPush) -> None:
        event = broker.push_event(push) if updates else None
        if event is not None:
            driver.hear(event)

    def on_state(state: FeedState, _: str) -> None:
        if state is FeedState.LIVE:
            live.set()

    feed = Feed(gateway.ws_url, KEY, on_tick=driver.hear, on_order=on_order, on_state=on_state)
    await feed.watch([INDEX, *CONTRACTS])
    running = asyncio.ensure_future(feed.run())

    async def stop() -> None:
        await feed.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    stack.push_async_callback(stop)
    await asyncio.wait_for(live.wait(), PATIENCE_S)


def _engine(rules: Rules, state: SessionState | None) -> TimedEngine:
    engine = TimedEngine(
        rules=rules,
        session=make_session(
            DATE,
            open_time=dt.time(9, 15),
            close_time=dt.time(15, 40),
            first_entry=dt.time(9, 20),
            last_entry=dt.time(15, 0),
            force_exit=dt.time(15, 15),
            broker_cutoff=None,
        ),
        contracts=CONTRACTS,
        index_symbol=INDEX,
    )
    if state is not None:
        restore(engine, state)
    return engine


def _time_requests(client: OpenAlgoClient, trace: Trace) -> None:
    post = client._transport.post

    async def timed(path: str, body: Body, timeout_s: float) -> Reply:
        start_s = time.perf_counter()
        reply = await post(path, body, timeout_s)
        trace.requests.append(Span(path, _command.get(), start_s, time.perf_counter()))
        return reply

    client._transport.post = timed  # type: ignore[method-assign]
