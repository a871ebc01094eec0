"""The WebSocket side: authentication, subscriptions, market data and order updates.

Each client has its own queue, so that a slow one delays nobody. Market data of a symbol is published
at every mode somebody subscribed; like the gateway, a client also gets what others' higher modes
bring, tagged with its own highest mode below.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from baseline_v1_live.sim.openalgo_server.clock import Deadline, ServerClock
from baseline_v1_live.sim.openalgo_server.rows import stream_data
from baseline_v1_live.sim.openalgo_server.venue import Venue

MODES = {"LTP": 1, "QUOTE": 2, "DEPTH": 3}
MODE_NAMES = {1: "LTP", 2: "Quote", 3: "Depth"}
AUTH_TIMEOUT_S = 15.0
AUTH_TIMEOUT_CODE = 4401
HEARTBEAT_S = 20.0
QUEUE_MAX = 20_000
_Key = tuple[str, str]
_encode = msgspec.json.Encoder().encode
Carry = Callable[[bytes, Callable[[bytes], None]], None]


class Client:
    """One that has connected: what it is allowed and has asked for.

    ``post`` takes each encoded message for it, ``cut`` ends the connection without a word, as a
    network does.
    """

    def __init__(self, post: Callable[[bytes], None], cut: Callable[[], None]) -> None:
        self.authenticated = False
        self.wants_orders = False
        self.modes: dict[_Key, set[int]] = {}
        self.post = post
        self.cut = cut

    def send(self, message: dict[str, Any]) -> None:
        """Send a message."""
        self.post(_encode(message))

    def error(self, code: str, text: str) -> None:
        """Send an error frame; these have no ``type``."""
        self.send({"status": "error", "code": code, "message": text})


class _Line:
    """One socket with a queue of its own, so that a slow client delays nobody."""

    def __init__(
        self, socket: web.WebSocketResponse, transport: asyncio.Transport | None, carry: Carry
    ) -> None:
        self.socket = socket
        self.queue: asyncio.Queue[bytes] = asyncio.Queue()
        self.client = Client(lambda message: carry(message, self.queue.put_nowait), self._cut)
        self._transport = transport

    def _cut(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def write(self) -> None:
        """Send what is queued, until the socket is gone."""
        try:
            while True:
                await self.socket.send_frame(await self.queue.get(), WSMsgType.TEXT)
        except (ConnectionError, RuntimeError):
            return


def mode_number(raw: Any) -> int | None:
    """1, 2 or 3 for a mode by number or name in any case, else None."""
    if isinstance(raw, str) and not raw.isdigit():
        return MODES.get(raw.upper())
    try:
        number = int(raw)
    except (TypeError, ValueError):
        return None
    return number if number in MODE_NAMES else None


class Stream:
    """All sockets of the server. ``changed`` is called when a client has come or gone."""

    def __init__(
        self,
        venue: Venue,
        clock: ServerClock,
        api_key: str,
        auth_timeout_s: float,
        changed: Callable[[], None],
    ) -> None:
        self.venue = venue
        self.clients: dict[Client, None] = {}
        self._lines: dict[Client, _Line] = {}
        self._clock = clock
        self._changed = changed
        # How a message reaches a socket, and whether a subscription in a mode is refused.
        self.carry: Carry = lambda message, post: post(message)
        self.refuses_mode: Callable[[int], bool] = lambda _: False
        self._silent: Deadline | None = None
        self._api_key = api_key
        self._auth_timeout_s = auth_timeout_s
        self._actions = {
            "authenticate": self._authenticate,
            "auth": self._authenticate,
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "unsubscribe_all": self._unsubscribe,
            "ping": self._ping,
            "subscribe_orders": self._orders,
            "unsubscribe_orders": self._orders,
            "get_broker_info": self._broker_info,
            "get_supported_brokers": self._supported_brokers,
        }

    # ------------------------------------------------------------ sockets

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Talk with one client until it leaves."""
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S)
        await socket.prepare(request)
        line = _Line(socket, request.transport, self.carry)
        client = line.client
        self._lines[client] = line
        self.enter(client)
        loop = asyncio.get_running_loop()
        writer = loop.create_task(line.write())
        closer = loop.create_task(self._close_stranger(line))
        try:
            async for message in socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    self.hear(client, message.data)
        finally:
            self.leave(client)
            writer.cancel()
            closer.cancel()
        return socket

    async def close(self) -> None:
        """Close all sockets."""
        for line in list(self._lines.values()):
            await line.socket.close(code=1001, message=b"server stops")

    def drop_all(self) -> None:
        """Cut all connections."""
        for client in list(self.clients):
            client.cut()

    def enter(self, client: Client) -> None:
        """A client has connected."""
        self.clients[client] = None
        self._tell("connected")

    def leave(self, client: Client) -> None:
        """A client is gone; harmless when it was before."""
        self._lines.pop(client, None)
        if client in self.clients:
            del self.clients[client]
            self._tell("gone")

    def _tell(self, what: str) -> None:
        self._changed()
        self.venue.audit.stream(self.venue.now_ms, what)

    async def _close_stranger(self, line: _Line) -> None:
        await asyncio.sleep(self._auth_timeout_s)
        if not line.client.authenticated:
            await line.socket.close(code=AUTH_TIMEOUT_CODE, message=b"auth timeout")

    # ------------------------------------------------------------ publishing

    def silence(self, seconds: float) -> None:
        """Publish no ticks for so long, by the gateway's time."""
        self._silent = self._clock.deadline(seconds)

    @property
    def silent(self) -> bool:
        """Whether no ticks are published now."""
        return self._silent is not None and not self._clock.passed(self._silent)

    def publish_tick(self, symbol: str) -> None:
        """Send a symbol's newest state to those who subscribed it."""
        instrument = self.venue.market.by_symbol[symbol]
        key = (symbol, instrument.exchange)
        listeners = [client for client in self.clients if client.modes.get(key)]
        if not listeners or self.silent:
            return
        texts: dict[tuple[int, int], bytes] = {}
        for mode in sorted(set().union(*(client.modes[key] for client in listeners))):
            data = stream_data(instrument, mode)
            for client in listeners:
                below = [own for own in client.modes[key] if own <= mode]
                if not below:
                    continue
                tag = max(below)
                if (mode, tag) not in texts:
                    message = {
                        "type": "market_data",
                        "symbol": symbol,
                        "exchange": instrument.exchange,
                        "mode": tag,
                        "data": data,
                        "broker": self.venue.profile.broker,
                    }
                    texts[mode, tag] = _encode(message)
                client.post(texts[mode, tag])

    def publish_orders(self, updates: list[dict[str, Any]]) -> None:
        """Send order updates to those who asked for them."""
        for update in updates:
            text = _encode(update)
            for client in self.clients:
                if client.wants_orders:
                    client.post(text)

    def drop_slow(self) -> None:
        """Cut off clients that do not read."""
        for client, line in list(self._lines.items()):
            if line.queue.qsize() > QUEUE_MAX:
                self.leave(client)
                client.cut()

    # ------------------------------------------------------------ requests

    def hear(self, client: Client, text: str | bytes) -> None:
        """Take one message of a client."""
        try:
            message = json.loads(text)
        except ValueError:
            client.error("INVALID_JSON", "Invalid JSON message")
            return
        if not isinstance(message, dict):
            client.error("SERVER_ERROR", "message is not an object")
            return
        action = message.get("action") or message.get("type")
        handler = self._actions.get(action) if isinstance(action, str) else None
        if handler is None:
            client.error("INVALID_ACTION", f"Invalid action: {action}")
        elif not client.authenticated and action not in ("authenticate", "auth", "ping"):
            client.error("NOT_AUTHENTICATED", "You must authenticate first")
        else:
            handler(client, message)

    def _authenticate(self, client: Client, message: dict[str, Any]) -> None:
        key = message.get("api_key") or message.get("apikey")
        if not key:
            client.error("AUTHENTICATION_ERROR", "API key is required")
        elif key != self._api_key:
            client.error("AUTHENTICATION_ERROR", "Invalid API key")
        else:
            client.authenticated = True
            client.send(
                {
                    "type": "auth",
                    "status": "success",
                    "message": "Authentication successful",
                    "broker": self.venue.profile.broker,
                    "user_id": self.venue.user,
                    "supported_features": {"ltp": True, "quote": True, "depth": True},
                }
            )

    @staticmethod
    def _ping(client: Client, message: dict[str, Any]) -> None:
        pong = {
            "type": "pong",
            "status": "success",
            "server_timestamp": int(time.time() * 1000),
        }
        if message.get("timestamp") is not None:
            pong["client_timestamp"] = message["timestamp"]
        client.send(pong)

    @staticmethod
    def _orders(client: Client, message: dict[str, Any]) -> None:
        action = message.get("action") or message.get("type")
        client.wants_orders = action == "subscribe_orders"
        done = "Subscribed to" if client.wants_orders else "Unsubscribed from"
        client.send({"type": action, "status": "success", "message": f"{done} order updates"})

    def _broker_info(self, client: Client, _: dict[str, Any]) -> None:
        client.send(
            {
                "type": "broker_info",
                "status": "success",
                "broker": self.venue.profile.broker,
                "adapter_status": "connected",
                "user_id": self.venue.user,
            }
        )

    def _supported_brokers(self, client: Client, _: dict[str, Any]) -> None:
        brokers = [self.venue.profile.broker]
        client.send(
            {"type": "supported_brokers", "status": "success", "brokers": brokers, "count": 1}
        )

    def _subscribe(self, client: Client, message: dict[str, Any]) -> None:
        raw = message.get("mode", "Quote")
        mode = mode_number(raw)
        if mode is None:
            client.error("INVALID_MODE", f"Invalid mode: {raw!r}")
            return
        wanted = _wanted(message)
        if not wanted:
            client.error("INVALID_PARAMETERS", "At least one symbol must be specified")
            return
        broker = self.venue.profile.broker
        made = []
        refused = self.refuses_mode(mode)
        for key in wanted:
            row: dict[str, Any] = {"symbol": key[0], "exchange": key[1]}
            if self.venue.market.find(*key) is None:
                text = f"Symbol {key[0]} not found for exchange {key[1]}"
                row |= {"status": "error", "message": text, "broker": broker}
            elif refused:
                text = f"{MODE_NAMES[mode]} is not supported"
                row |= {"status": "error", "message": text, "broker": broker}
            else:
                client.modes.setdefault(key, set()).add(mode)
                depth = message.get("depth", 5)
                name = MODE_NAMES[mode]
                row |= {"status": "success", "mode": name, "depth": depth, "broker": broker}
            made.append(row)
        failed = any(row["status"] == "error" for row in made)
        reply = {
            "type": "subscribe",
            "status": "partial" if failed else "success",
            "subscriptions": made,
            "message": "Subscription processing complete",
            "broker": broker,
        }
        if message.get("request_id") is not None:
            reply["request_id"] = message["request_id"]
        client.send(reply)

    def _unsubscribe(self, client: Client, message: dict[str, Any]) -> None:
        broker = self.venue.profile.broker
        successful: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        if "unsubscribe_all" in (message.get("action"), message.get("type")):
            for key, modes in client.modes.items():
                successful += [_row(key, mode, broker) for mode in sorted(modes)]
            client.modes.clear()
        else:
            rows = message.get("symbols") or [message]
            for row in (row for row in rows if isinstance(row, dict)):
                key = (str(row.get("symbol")), str(row.get("exchange")))
                mode = mode_number(row.get("mode", 2))
                if mode is not None and mode in client.modes.get(key, ()):
                    client.modes[key].discard(mode)
                    successful.append(_row(key, mode, broker))
                else:
                    text = "Not subscribed"
                    failed.append(_row(key, mode, broker) | {"status": "error", "message": text})
        status = ("partial" if failed else "success") if successful or not failed else "error"
        reply = {
            "type": "unsubscribe",
            "status": status,
            "message": "Unsubscription processing complete",
            "successful": successful,
            "failed": failed,
            "broker": broker,
        }
        if message.get("request_id") is not None:
            reply["request_id"] = message["request_id"]
        client.send(reply)


def _wanted(message: dict[str, Any]) -> list[_Key]:
    symbols = message.get("symbols") or []
    if not symbols and message.get("symbol") and message.get("exchange"):
        symbols = [message]
    return [
        (str(row["symbol"]), str(row["exchange"]))
        for row in symbols
        if isinstance(row, dict) and row.get("symbol") and row.get("exchange")
    ]


def _row(key: _Key, mode: int | None, broker: str) -> dict[str, Any]:
    return {
        "symbol": key[0],
        "exchange": key[1],
        "mode": mode,
        "status": "success",
        "broker": broker,
    }
