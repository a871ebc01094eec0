"""The brokers that the contract is tried on, behind one small interface of the core's own words.

A desk has one option whose price the case moves. Commands go in and events come out, as the live loop
exchanges them with any broker; what the broker says unasked gathers in ``heard``.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import ClassVar

import numpy as np

from baseline_v1_live.adapters.openalgo.broker import OpenAlgoBroker
from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient, Timeouts
from baseline_v1_live.adapters.openalgo.feed import Feed, FeedState
from baseline_v1_live.adapters.openalgo.limiter import Limits, OrderLimiter
from baseline_v1_live.adapters.openalgo.wire.stream import OrderPush
from baseline_v1_live.core.messages import BrokerStatus, Event, OrderUpdated, Tick
from baseline_v1_live.core.session import at_ist
from baseline_v1_live.runtime.ports import ToBroker
from baseline_v1_live.sim.day import MarketDay
from baseline_v1_live.sim.exchange import Exchange, ExchangeModel
from baseline_v1_live.sim.openalgo_server.rows import order_update
from baseline_v1_live.sim.openalgo_server.server import OpenAlgoServer
from baseline_v1_live.sim.paper_broker import PaperBroker
from tests.harness_market import C260, make_contract

DATE = dt.date(2026, 12, 29)
SYMBOL = C260
LOT = 65
START_MS = at_ist(DATE, dt.time(10, 0))
STEP_MS = 1_000
KEY = "k" * 32
ANSWER_S = 5.0
CONTRACT = make_contract(SYMBOL)
_NO_NETWORK = "it is called directly, so no connection lies between"


class ContractDesk(ABC):
    """One broker. ``lacks`` maps what it cannot show to the reason."""

    lacks: ClassVar[dict[str, str]] = {}

    def __init__(self) -> None:
        self.heard: list[OrderUpdated] = []
        self._news = asyncio.Event()

    @abstractmethod
    async def send(self, command: ToBroker) -> Event:
        """Send a command once; the broker's answer."""

    @abstractmethod
    async def move_price(self, ltp: int, *, bid: int, ask: int, size: int) -> None:
        """A second passes and the option trades; ``size`` units are offered on either side."""

    async def told(self, broker_order_id: str, status: BrokerStatus) -> OrderUpdated:
        """Wait until the broker has said this of an order unasked."""
        async with asyncio.timeout(ANSWER_S):
            while True:
                for event in reversed(self.heard):
                    if (event.broker_order_id, event.status) == (broker_order_id, status):
                        return event
                self._news.clear()
                await self._news.wait()

    def hear(self, event: Event | None) -> None:
        """Take what the broker says unasked."""
        if isinstance(event, OrderUpdated):
            self.heard.append(event)
            self._news.set()

    # What follows only brokers behind a network have.

    def stream_down(self) -> AbstractAsyncContextManager[None]:
        """Inside, the broker's stream is gone; at the end it is back."""
        raise NotImplementedError

    async def repeat(self, broker_order_id: str) -> None:
        """Let the broker say its last word on an order once more."""
        raise NotImplementedError

    async def lose_reply(self, request: str) -> None:
        """Let the next such request be carried out and its reply be lost."""
        raise NotImplementedError

    async def shut_down(self) -> None:
        """Take the broker away."""
        raise NotImplementedError


class ExchangeDesk(ContractDesk):
    """The built-in exchange as replay drives it, without latency."""

    lacks: ClassVar[dict[str, str]] = {
        "stream": _NO_NETWORK,
        "replies": _NO_NETWORK,
        "rates": "it has no rate limit",
    }

    def __init__(self) -> None:
        super().__init__()
        self.exchange = Exchange({SYMBOL: CONTRACT}, ExchangeModel(latency_ms=0))
        self.now_ms = START_MS

    async def send(self, command: ToBroker) -> Event:
        self.exchange.send(command, self.now_ms)
        (_, answer), *others = self.exchange.advance(self.now_ms)
        for _, event in others:
            self.hear(event)
        return answer

    async def move_price(self, ltp: int, *, bid: int, ask: int, size: int) -> None:
        self.now_ms += STEP_MS
        self.exchange.on_tick(tick_of(self.now_ms, ltp, bid, ask, size))
        for _, event in self.exchange.advance(self.now_ms):
            self.hear(event)


class PaperDesk(ContractDesk):
    """The paper broker on ticks of a feed."""

    lacks = ExchangeDesk.lacks

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.now_ms = START_MS
        self.broker = PaperBroker(
            {SYMBOL: CONTRACT},
            ExchangeModel(),
            path=folder / "books.json",
            date=DATE,
            now_ms=lambda: self.now_ms,
            on_event=self.hear,
        )

    async def send(self, command: ToBroker) -> Event:
        return await self.broker.send(command)

    async def move_price(self, ltp: int, *, bid: int, ask: int, size: int) -> None:
        self.now_ms += STEP_MS
        self.broker.on_tick(tick_of(self.now_ms, ltp, bid, ask, size))


class OpenAlgoDesk(ContractDesk):
    """Our OpenAlgo adapter against the compatible server, over sockets."""

    def __init__(self, server: OpenAlgoServer, client: OpenAlgoClient) -> None:
        super().__init__()
        self.server = server
        self.broker = OpenAlgoBroker(client, lambda mode: None, lambda words: None)
        self._may_connect = asyncio.Event()
        self._may_connect.set()
        self._state_changed = asyncio.Event()
        self.feed = Feed(
            server.ws_url,
            KEY,
            on_tick=lambda tick: None,
            on_order=self._pushed,
            on_state=lambda state, reason: self._state_changed.set(),
            sleep=self._sleep,
        )

    async def send(self, command: ToBroker) -> Event:
        return await self.broker.send(command)

    async def move_price(self, ltp: int, *, bid: int, ask: int, size: int) -> None:
        server = self.server
        now_ms = server.now_ms + STEP_MS
        await server.advance_to(now_ms)
        server.venue.tick((now_ms, SYMBOL, ltp, bid, ask, size, size, -1))
        server.stream.publish_orders(server.venue.take_updates())

    async def reach(self, state: FeedState) -> None:
        """Wait until the stream is so far."""
        async with asyncio.timeout(ANSWER_S):
            while self.feed.state is not state:
                self._state_changed.clear()
                await self._state_changed.wait()

    @asynccontextmanager
    async def stream_down(self) -> AsyncIterator[None]:
        self._may_connect.clear()
        self.server.stream.drop_all()
        await self.reach(FeedState.DOWN)
        yield
        self._may_connect.set()
        await self.reach(FeedState.LIVE)

    async def repeat(self, broker_order_id: str) -> None:
        venue = self.server.venue
        order = venue.books.orders[broker_order_id]
        self.server.stream.publish_orders([order_update(order, venue.analyze, venue)])

    async def lose_reply(self, request: str) -> None:
        self.server.faults.add({"name": "drop_reply_after_accept", "endpoint": f"{request}order"})

    async def shut_down(self) -> None:
        await self.server.stop()

    def _pushed(self, push: OrderPush) -> None:
        self.hear(self.broker.push_event(push))

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 100)
        await self._may_connect.wait()


def tick_of(at_ms: int, ltp: int, bid: int, ask: int, size: int) -> Tick:
    """A tick of the option with the same size on both sides."""
    return Tick(
        at_ms=at_ms,
        symbol=SYMBOL,
        ltp_paise=ltp,
        bid_paise=bid,
        ask_paise=ask,
        bid_quantity=size,
        ask_quantity=size,
    )


def quiet_day() -> MarketDay:
    """A day whose tape ends with its first second: afterwards prices are the case's own."""
    opened = at_ist(DATE, dt.time(9, 15))
    nothing = np.zeros(2, dtype=np.int32)
    return MarketDay(
        date=DATE,
        expiry=DATE,
        atm_paise=2_600_000,
        symbols=("NIFTY", SYMBOL),
        contracts={SYMBOL: CONTRACT},
        index_symbol="NIFTY",
        at_ms=np.array([opened, opened], dtype=np.int64),
        symbol_index=np.array([0, 1], dtype=np.int16),
        ltp_paise=np.array([2_600_000, 13_000], dtype=np.int32),
        bid_paise=nothing,
        ask_paise=nothing,
        bid_quantity=nothing,
        ask_quantity=nothing,
        volume=np.full(2, -1, dtype=np.int64),
    )


@asynccontextmanager
async def exchange_desk() -> AsyncIterator[ContractDesk]:
    yield ExchangeDesk()


@asynccontextmanager
async def paper_desk() -> AsyncIterator[ContractDesk]:
    with tempfile.TemporaryDirectory() as folder:
        yield PaperDesk(Path(folder))


@asynccontextmanager
async def openalgo_desk(profile: str) -> AsyncIterator[ContractDesk]:
    async with AsyncExitStack() as stack:
        server = OpenAlgoServer(
            quiet_day(), port=0, ws_port=0, speed=0, api_key=KEY, profile=profile,
            wait_for_client=False, start_ms=START_MS,
        )  # fmt: skip
        await server.start()
        stack.push_async_callback(server.stop)
        # The gateway's own limits are what is tried; waiting for them takes no real time.
        limiter = OrderLimiter(
            Limits(entries_per_second=1_000, exits_per_second=1_000, per_minute=60_000),
            now_ms=lambda: time.monotonic_ns() // 10_000,
            sleep=lambda seconds: asyncio.sleep(seconds / 100),
        )
        client = await stack.enter_async_context(
            OpenAlgoClient(
                server.url,
                KEY,
                timeouts=Timeouts(order_s=ANSWER_S, read_s=ANSWER_S),
                limiter=limiter,
                now_ms=lambda: server.now_ms,
                sleep=lambda seconds: asyncio.sleep(seconds / 100),
            )
        )
        desk = OpenAlgoDesk(server, client)
        running = asyncio.ensure_future(desk.feed.run())
        stack.push_async_callback(_finish, desk.feed, running)
        await desk.reach(FeedState.LIVE)
        yield desk


async def _finish(feed: Feed, running: asyncio.Task[None]) -> None:
    await feed.close()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


DeskMaker = Callable[[], AbstractAsyncContextManager[ContractDesk]]
DESKS: dict[str, tuple[type[ContractDesk], DeskMaker]] = {
    "exchange": (ExchangeDesk, exchange_desk),
    "paper": (PaperDesk, paper_desk),
    "openalgo-analyzer": (OpenAlgoDesk, lambda: openalgo_desk("threaded")),
    "openalgo-live": (OpenAlgoDesk, lambda: openalgo_desk("zerodha")),
}
