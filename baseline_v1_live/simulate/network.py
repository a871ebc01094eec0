"""The wire between the bot and its gateway, without sockets: what aiohttp would carry, with its delays.

``SimulatedSession`` stands where the client and the feed expect an aiohttp session. A request goes to
the gateway's own handlers, and lives on there when the caller has given up or died.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import Context
from types import TracebackType
from typing import Any, Protocol

import aiohttp
import msgspec
from aiohttp import WSMsgType
from aiohttp.client_reqrep import ConnectionKey

from baseline_v1_live.sim.openalgo_server.rest import Served
from baseline_v1_live.simulate.observe import Call, Observer


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """How one request fares on the wire. Seconds, simulated.

    ``refused``: nobody listens, so nothing leaves. ``lost``: it never arrives. ``deaf``: it arrives and
    is carried out, and its answer is lost. Both end when the caller's patience does, or with a reset
    after ``reset_s`` where that is given.
    """

    out_s: float
    back_s: float
    refused: bool = False
    lost: bool = False
    deaf: bool = False
    reset_s: float | None = None


class Wire(Protocol):
    """Decides how each request and message fares."""

    @property
    def stream_up(self) -> bool:
        """Whether the stream can be reached."""

    def passage(self, endpoint: str, body: str) -> Passage:
        """The fate of a request that leaves now."""

    def messages_s(self, message: bytes | None) -> list[float]:
        """After how long each copy of a message to the client arrives; none: it is lost."""


class Gateway(Protocol):
    """The gateway's side: REST calls by endpoint, and clients of the stream. ``context`` is that of its
    own tasks, which live on when the bot dies.
    """

    @property
    def context(self) -> Context:
        """The context of the gateway's own tasks."""

    async def answer(self, endpoint: str, text: str, remote: str) -> Served:
        """The answer to one call."""

    def join(self, deliver: Callable[[bytes | None], None]) -> Callable[[str | None], None]:
        """A client of the stream has come. ``deliver`` takes each message for it, None for the end;
        what is given back takes its messages, None when it leaves.
        """


class _Content:
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def iter_any(self) -> AsyncIterator[bytes]:
        yield self._body


class _Response:
    """What the client reads of an aiohttp response."""

    def __init__(self, served: Served, headers: dict[str, str]) -> None:
        self.status = served.status
        self.headers = headers
        self.content = _Content(served.text.encode())


class SimulatedSocket:
    """The client's end of a stream connection, as the feed uses it."""

    def __init__(self, gateway: Gateway, wire: Wire) -> None:
        self.closed = False
        self._wire = wire
        self._loop = asyncio.get_running_loop()
        self._inbox: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._say = gateway.join(self._carry)

    def _carry(self, message: bytes | None) -> None:
        """One message on its way to the client."""
        for delay_s in self._wire.messages_s(message):
            self._loop.call_later(delay_s, self._inbox.put_nowait, message)

    async def send_str(self, text: str) -> None:
        """Send one message.

        Raises ClientConnectionResetError when the connection is closed.
        """
        if self.closed:
            raise aiohttp.ClientConnectionResetError("Cannot write to closing transport")
        for delay_s in self._wire.messages_s(None) if self._wire.stream_up else ():
            self._loop.call_later(delay_s, self._say, text)

    async def close(self) -> bool:
        """Close it; the gateway hears of it at once."""
        if not self.closed:
            self.closed = True
            self._say(None)
            self._inbox.put_nowait(None)
        return True

    def __aiter__(self) -> SimulatedSocket:
        return self

    async def __anext__(self) -> aiohttp.WSMessage:
        message = None if self.closed else await self._inbox.get()
        if message is None:
            self.closed = True
            raise StopAsyncIteration
        return aiohttp.WSMessage(WSMsgType.TEXT, message.decode(), None)


class SimulatedSession:
    """What the client and the feed use of an aiohttp.ClientSession."""

    def __init__(
        self,
        gateway: Gateway,
        wire: Wire,
        now_header: Callable[[], str],
        observers: Sequence[Observer] = (),
    ) -> None:
        self._gateway, self._wire = gateway, wire
        self._now_header, self._observers = now_header, observers
        self._loop = asyncio.get_running_loop()

    async def __aenter__(self) -> SimulatedSession:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Nothing is open."""

    @asynccontextmanager
    async def post(
        self, url: str, *, data: bytes, timeout: aiohttp.ClientTimeout, **_: Any
    ) -> AsyncIterator[_Response]:
        """Send one request and wait for its answer, as long as the timeout says."""
        endpoint = url.split("/api/v1/", 1)[1]
        passage = self._wire.passage(endpoint, data.decode())
        call = Call(
            endpoint, data.decode(), refused=passage.refused, lost=passage.lost or passage.deaf
        )
        for observer in self._observers:
            observer.sent(call)
        served: Served | None = None
        try:
            served = await self._exchange(endpoint, data, passage, timeout.total)
        finally:
            for observer in self._observers:
                observer.ended(call, served)
        yield _Response(served, {"Date": self._now_header()})

    async def _exchange(
        self, endpoint: str, data: bytes, passage: Passage, timeout_s: float | None
    ) -> Served:
        if passage.refused:
            raise aiohttp.ClientConnectorError(_KEY, OSError(111, "Connection refused"))
        answered: asyncio.Future[Served] = self._loop.create_future()
        # The gateway works on a request whatever becomes of who asked.
        task = self._loop.create_task(
            self._serve(endpoint, data, passage, answered), context=self._gateway.context
        )
        _KEPT.add(task)
        task.add_done_callback(_KEPT.discard)
        async with asyncio.timeout(timeout_s):
            served = await answered
        if served.cut:
            raise aiohttp.ServerDisconnectedError
        return served

    async def _serve(
        self, endpoint: str, data: bytes, passage: Passage, answered: asyncio.Future[Served]
    ) -> None:
        await asyncio.sleep(passage.out_s)
        if not passage.lost:
            served = await self._gateway.answer(endpoint, data.decode(), "127.0.0.1")
            if not passage.deaf:
                await asyncio.sleep(passage.back_s)
                _settle(answered, served)
                return
        if passage.reset_s is not None:
            await asyncio.sleep(passage.reset_s)
            _settle(answered, Served(0, "", cut=True))

    async def ws_connect(self, url: str, **_: Any) -> SimulatedSocket:  # noqa: ARG002
        """Connect to the stream.

        Raises ClientConnectorError when it cannot be reached.
        """
        if not self._wire.stream_up:
            raise aiohttp.ClientConnectorError(_KEY, OSError(111, "Connection refused"))
        return SimulatedSocket(self._gateway, self._wire)


_KEY = ConnectionKey("127.0.0.1", 5000, False, True, None, None, None)
_KEPT: set[asyncio.Task[None]] = set()


def _settle(answered: asyncio.Future[Served], served: Served) -> None:
    if not answered.done():
        answered.set_result(served)
