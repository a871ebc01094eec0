"""The gateway's stream: prices and order updates, over one WebSocket that is rebuilt when it breaks.

After every connection the key is shown, everything wanted is subscribed again, and only then the feed
is LIVE. Whether a live feed is silent is not judged here: the shell has its own clock for that.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
from collections.abc import Awaitable, Callable, Iterable
from enum import StrEnum

import aiohttp
import msgspec

from baseline_v1_live.adapters.openalgo.transport import OpenSession, Secret
from baseline_v1_live.adapters.openalgo.wire import stream
from baseline_v1_live.adapters.openalgo.wire.stream import (
    DEPTH,
    QUOTE,
    AuthReply,
    OrderPush,
    OrdersReply,
    Pong,
    StreamError,
    SubscribeReply,
)
from baseline_v1_live.adapters.openalgo.wire.values import Unreadable
from baseline_v1_live.core.messages import Tick
from baseline_v1_live.runtime.clock import wall_ms

_log = logging.getLogger(__name__)

_BACK_OFF_S = (1.0, 2.0, 5.0, 10.0)
_SYMBOLS_PER_MESSAGE = 200
_MESSAGE_BYTES_MAX = 4 * 1024 * 1024
_REASONS_MAX = 100
_SESSION_ERRORS = {"AUTHENTICATION_ERROR", "NOT_AUTHENTICATED"}


class FeedState(StrEnum):
    """How far the feed is."""

    CONNECTING = "connecting"
    LIVE = "live"  # authenticated, and every subscription answered
    DOWN = "down"  # waits before it tries again
    CLOSED = "closed"


class FeedTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds: between pings, and how long any answer may take before the connection is given up."""

    ping_s: float = 10.0
    answer_s: float = 10.0


class _BrokenError(Exception):
    """The connection is of no use any more; the reason is its text."""


class Feed:
    """Call ``watch`` with what is wanted, run ``run`` as a task, ``close`` at the end.

    ``on_tick`` and ``on_order`` get Tick and OrderPush, ``on_state`` the state and a reason for people.
    Callbacks must be quick; what they raise ends ``run``. ``refused`` maps symbols that the gateway
    would not subscribe to its reasons, ``depth_refused`` those that it would not with bid and ask; they
    are asked for again after each reconnect. ``orders_pushed`` says whether it sends order updates.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        on_tick: Callable[[Tick], None],
        on_order: Callable[[OrderPush], None],
        on_state: Callable[[FeedState, str], None],
        times: FeedTimes | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        open_session: OpenSession | None = None,
    ) -> None:
        self.state = FeedState.CLOSED
        self.refused: dict[str, str] = {}
        self.depth_refused: dict[str, str] = {}
        self.orders_pushed = False
        self._url = url
        self._key = Secret(api_key)
        self._on_tick, self._on_order, self._on_state = on_tick, on_order, on_state
        self._times = times or FeedTimes()
        self._sleep = sleep
        self._open_session = open_session or _open_session
        self._wanted: dict[int, set[str]] = {QUOTE: set(), DEPTH: set()}
        self._asked: dict[str, tuple[int, tuple[str, ...]]] = {}
        self._orders_asked = False
        self._asking = False  # this connection has been told what is wanted
        self._mute = False  # this connection owed an answer for too long
        self._live_before = False  # this connection was live once
        self._numbers = itertools.count(1)
        self._unreadable: set[str] = set()
        self._closing = asyncio.Event()
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._answer_due: float | None = None

    def __repr__(self) -> str:
        return f"Feed({self._url!r}, {self.state})"

    async def watch(self, symbols: Iterable[str], depth: Iterable[str] = ()) -> None:
        """Want these symbols from now on, and no others; ``depth`` ones also with bid, ask and sizes.

        May be called at any time; a running feed asks for the difference only.
        """
        deep = set(depth)
        wanted = {QUOTE: set(symbols) | deep, DEPTH: deep}
        before, self._wanted = self._wanted, wanted
        socket = self._socket
        self.refused = {s: why for s, why in self.refused.items() if s in wanted[QUOTE]}
        self.depth_refused = {s: why for s, why in self.depth_refused.items() if s in deep}
        if socket is None or not self._asking:
            return  # It is all asked for after the connection is made.
        # A connection that is gone is no matter: the next one asks for everything.
        with contextlib.suppress(aiohttp.ClientError, OSError):
            for mode in (QUOTE, DEPTH):
                gone = before[mode] - wanted[mode]
                if gone:
                    await self._send(socket, stream.unsubscribe(sorted(gone), mode))
                await self._subscribe(socket, wanted[mode] - before[mode], mode)

    async def run(self) -> None:
        """Keep the stream up until ``close``. Raises only what a callback raises."""
        try:
            async with self._open_session() as session:
                await self._keep_up(session)
        finally:
            self._tell(FeedState.CLOSED, "")

    async def _keep_up(self, session: aiohttp.ClientSession) -> None:
        failures = 0
        while not self._closing.is_set():
            self._tell(FeedState.CONNECTING, "")
            self._live_before = False
            reason = "closed by the gateway"
            try:
                await self._connection(session)
            except _BrokenError as error:
                reason = str(error)
            except (aiohttp.ClientError, OSError) as error:
                reason = self._key.scrub(f"{type(error).__name__} {error}".strip())
            finally:
                self._socket = None
            if self._closing.is_set():
                return
            failures = 0 if self._live_before else failures
            self._tell(FeedState.DOWN, reason)
            await self._pause(_BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)])
            failures += 1

    async def reconnect(self) -> None:
        """Give up a connection that is of no use; ``run`` makes another one."""
        if self._socket is not None:
            await self._socket.close()

    async def close(self) -> None:
        """Close the socket and let ``run`` return."""
        self._closing.set()
        if self._socket is not None:
            await self._socket.close()

    # ------------------------------------------------------------ one connection

    async def _connection(self, session: aiohttp.ClientSession) -> None:
        timeout = aiohttp.ClientWSTimeout(ws_close=min(2.0, self._times.answer_s))
        async with asyncio.timeout(self._times.answer_s):
            socket = await session.ws_connect(
                self._url, timeout=timeout, max_msg_size=_MESSAGE_BYTES_MAX
            )
        self._socket = socket
        self._asked.clear()
        self._orders_asked = self._asking = self._mute = False
        watch: asyncio.Future[None] | None = None
        try:
            if self._closing.is_set():
                return
            await self._send(socket, stream.authenticate(self._key.reveal()))
            self._answer_due = self._deadline()
            watch = asyncio.ensure_future(self._keep_alive(socket))
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    await self._hear(socket, message.data)
            if self._mute:
                raise _BrokenError("the gateway does not answer")
        finally:
            if watch is not None:
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)
            await socket.close()

    async def _hear(self, socket: aiohttp.ClientWebSocketResponse, text: str) -> None:
        match stream.message(self._key.scrub(text)):
            case Tick() as tick:
                if tick.symbol in self._wanted[QUOTE]:
                    self._on_tick(tick)
            case OrderPush() as push:
                self._on_order(push)
            case AuthReply(accepted, said):
                if not accepted:
                    raise _BrokenError(f"the gateway does not take the key: {said}")
                await self._ask_for_everything(socket)
            case SubscribeReply() as reply:
                self._hear_subscribed(reply)
            case OrdersReply(accepted, said):
                if not accepted:
                    # Prices are of use without them; the shell polls the books anyway.
                    _log.warning("the gateway pushes no order updates: %s", said)
                self.orders_pushed = accepted
                self._orders_asked = False
                self._settle()
            case Pong():
                if self.state is FeedState.LIVE:
                    self._answer_due = None
            case StreamError(code, said):
                if code in _SESSION_ERRORS or self.state is not FeedState.LIVE:
                    raise _BrokenError(f"{code} {said}".strip())
                _log.warning("the stream complains: %s %s", code, said)
            case Unreadable(reason):
                self._say_unreadable(reason)

    def _say_unreadable(self, reason: str) -> None:
        """Once for each reason: a broker may send the same nonsense with every tick."""
        if reason not in self._unreadable and len(self._unreadable) < _REASONS_MAX:
            self._unreadable.add(reason)
            _log.warning("%s", reason)

    def _hear_subscribed(self, reply: SubscribeReply) -> None:
        mode, asked = self._asked.pop(reply.request_id, (QUOTE, ()))
        refused = self.depth_refused if mode == DEPTH else self.refused
        for symbol in reply.accepted:
            refused.pop(symbol, None)
        refused.update(reply.refused)
        for symbol in set(asked) - set(reply.accepted) - reply.refused.keys():
            refused[symbol] = "not mentioned in the gateway's answer"
        self._settle()

    async def _ask_for_everything(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.refused.clear()
        self.depth_refused.clear()
        self._orders_asked = self._asking = True
        self._answer_due = self._deadline()
        await self._send(socket, stream.subscribe_orders())
        for mode in (QUOTE, DEPTH):
            await self._subscribe(socket, self._wanted[mode], mode)

    async def _subscribe(
        self, socket: aiohttp.ClientWebSocketResponse, symbols: Iterable[str], mode: int
    ) -> None:
        names = sorted(symbols)
        for start in range(0, len(names), _SYMBOLS_PER_MESSAGE):
            part = tuple(names[start : start + _SYMBOLS_PER_MESSAGE])
            request_id = f"s{next(self._numbers)}"
            self._asked[request_id] = (mode, part)
            await self._send(socket, stream.subscribe(part, mode, request_id))

    def _settle(self) -> None:
        """LIVE once everything asked for at the start of the connection is answered."""
        if self._asked or self._orders_asked or self.state is FeedState.LIVE:
            return
        self._answer_due = None
        self._live_before = True
        self._tell(FeedState.LIVE, "")

    async def _keep_alive(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Ask for a sign of life when nothing is owed, and close a connection that owes one too long."""
        while not socket.closed:
            if self._answer_due is None:
                await self._sleep(self._times.ping_s)
                if self._answer_due is None:
                    self._answer_due = self._deadline()
                    await self._send(socket, stream.ping(wall_ms()))
            elif (left_s := self._answer_due - asyncio.get_running_loop().time()) > 0:
                await asyncio.sleep(left_s)
            else:
                self._mute = True
                await socket.close()

    async def _send(self, socket: aiohttp.ClientWebSocketResponse, body: dict[str, object]) -> None:
        await socket.send_str(json.dumps(body))

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._times.answer_s

    async def _pause(self, seconds: float) -> None:
        """Wait, but not past ``close``."""
        waits = [
            asyncio.ensure_future(self._sleep(seconds)),
            asyncio.ensure_future(self._closing.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _tell(self, state: FeedState, reason: str) -> None:
        self.state = state
        self._on_state(state, reason)


def _open_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(trust_env=False)
