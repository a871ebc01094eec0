"""A scripted gateway on loopback: answers what the test says, broken in every way a gateway breaks."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import WSMsgType, web

KEY = "CANARY-key-9f31c7"

# What a path answers: (status, JSON or text), or one of the breakages below.
Answer = tuple[int, Any] | str
RESET, HANG, TRUNCATED, REDIRECT = "reset", "hang", "truncated", "redirect"


class Gateway:
    """``script`` maps a path to its answers in turn; the last one stays. ``asked`` has all requests,
    ``peers`` the connections they came over.
    """

    def __init__(self) -> None:
        self.script: dict[str, list[Answer]] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.peers: list[object] = []
        self.url = ""

    def say(self, path: str, *answers: Answer) -> None:
        self.script[path] = list(answers)

    def bodies(self, path: str) -> list[dict[str, Any]]:
        return [body for asked, body in self.asked if asked == path]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/api/v1/")
        body = await request.json()
        self.asked.append((path, body))
        self.peers.append(request.transport and request.transport.get_extra_info("peername"))
        answers = self.script.get(path) or [(404, {"status": "error", "message": "Not found"})]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer == HANG:
            await asyncio.sleep(5)
        if answer == RESET:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if answer == TRUNCATED:
            response = web.StreamResponse(headers={"Content-Length": "500"})
            await response.prepare(request)
            await response.write(b'{"status": "succ')
            assert request.transport is not None
            request.transport.close()
            return response
        if answer == REDIRECT:
            raise web.HTTPTemporaryRedirect("/api/v1/elsewhere")
        status, content = answer  # type: ignore[misc]
        if callable(content):
            content = content(body)
        text = content if isinstance(content, str) else json.dumps(content)
        return web.Response(status=int(status), text=text)


@contextlib.asynccontextmanager
async def serving(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]], path: str, method: str = "POST"
) -> AsyncIterator[str]:
    """A server on a free port of loopback; gives ``host:port``."""
    app = web.Application()
    app.router.add_route(method, path, handler)
    runner = web.AppRunner(app, shutdown_timeout=0.05, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"{host}:{port}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def gateway() -> AsyncIterator[Gateway]:
    made = Gateway()
    async with serving(made.handle, "/api/v1/{tail:.*}") as where:
        made.url = f"http://{where}"
        yield made


class StreamGateway:
    """A scripted stream. ``heard`` has every message of every connection, ``sockets`` the open ones.

    ``refuse`` maps symbols to reasons, ``forget`` are left out of answers; with ``mute`` it takes
    messages and answers none of them.
    """

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.connections = 0
        self.refuse: dict[str, str] = {}
        self.forget: set[str] = set()
        self.mute = False
        self.takes_key = True
        self.answers_pings = True
        self.url = ""

    def actions(self, action: str) -> list[dict[str, Any]]:
        return [message for message in self.heard if message.get("action") == action]

    async def push(self, message: Any) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        for socket in self.sockets:
            await socket.send_str(text)

    async def drop(self) -> None:
        for socket in list(self.sockets):
            await socket.close()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(timeout=0.1)
        await socket.prepare(request)
        self.connections += 1
        self.sockets.append(socket)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    body = json.loads(message.data)
                    self.heard.append(body)
                    if not self.mute:
                        await self._answer(socket, body)
        finally:
            self.sockets.remove(socket)
        return socket

    async def _answer(self, socket: web.WebSocketResponse, body: dict[str, Any]) -> None:
        match body["action"]:
            case "authenticate" if self.takes_key and body["api_key"] == KEY:
                await socket.send_json({"type": "auth", "status": "success", "message": "ok"})
            case "authenticate":
                error = {"status": "error", "code": "AUTHENTICATION_ERROR"}
                await socket.send_json({**error, "message": f"Invalid API key {KEY}"})
            case "subscribe":
                rows = [self._row(r) for r in body["symbols"] if r["symbol"] not in self.forget]
                reply = {"type": "subscribe", "status": "partial", "subscriptions": rows}
                await socket.send_json({**reply, "request_id": body["request_id"]})
            case "subscribe_orders":
                await socket.send_json({"type": "subscribe_orders", "status": "success"})
            case "ping" if self.answers_pings:
                await socket.send_json({"type": "pong", "status": "success"})

    def _row(self, row: dict[str, Any]) -> dict[str, Any]:
        reason = self.refuse.get(row["symbol"])
        if reason is not None:
            return {**row, "status": "error", "message": reason}
        return {**row, "status": "success", "mode": "Quote"}


@contextlib.asynccontextmanager
async def stream_gateway() -> AsyncIterator[StreamGateway]:
    made = StreamGateway()
    async with serving(made.handle, "/", "GET") as where:
        made.url = f"ws://{where}"
        yield made
