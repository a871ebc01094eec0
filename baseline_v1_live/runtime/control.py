"""The running bot's own door on this machine: state, orders and positions to read, and words to say.

An HTTP server on the loopback address, on a port that is free. Where it is and the token that it
wants stand in ``control.json`` in the state folder, which only the bot's user can read.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Protocol

import msgspec
from aiohttp import web

from baseline_v1_live.runtime.answers import VERBS, answer, taken
from baseline_v1_live.runtime.control_client import CONTROL_NAME, Address
from baseline_v1_live.runtime.instance import write_whole
from baseline_v1_live.runtime.status import OrderView, PositionView, Status

HOST = "127.0.0.1"
_BODY_MAX = 4_096
_CLOSE_WITHIN_S = 1.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Bot(Protocol):
    """What the door needs of the bot behind it; all of it is called on the bot's own loop."""

    def status(self) -> Status:
        """The bot now."""

    def orders(self) -> list[OrderView]:
        """All orders of the day, those that may still fill first."""

    def positions(self) -> list[PositionView]:
        """The positions that are open or not proven closed."""

    def say(self, verb: str, by: str) -> None:
        """Give an operator's word to the engine; on return the engine has taken it."""

    async def kept(self) -> bool:
        """Whether all that the engine has taken is on the disk; waited for, but not for long."""


class _Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a word. ``by`` gets into logs, so it is short and printable."""

    verb: str
    by: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[\x20-\x7e]+$")] = (
        "operator"
    )


class ControlServer:
    """The door of one bot, from ``start`` to ``stop``."""

    def __init__(self, folder: Path, bot: Bot) -> None:
        self._path = folder / CONTROL_NAME
        self._bot = bot
        self._token = secrets.token_urlsafe(32)
        self._runner: web.AppRunner | None = None

    async def start(self) -> Address:
        """Open the door and write where it is; the folder must exist. Raises OSError if it cannot."""
        app = web.Application(middlewares=[self._guard], client_max_size=_BODY_MAX)
        app.router.add_get("/status", self._status)
        app.router.add_get("/orders", self._orders)
        app.router.add_get("/positions", self._positions)
        app.router.add_post("/say", self._say)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CLOSE_WITHIN_S)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, 0).start()
        address = Address(pid=os.getpid(), port=self._runner.addresses[0][1], token=self._token)
        write_whole(self._path, msgspec.json.encode(address), mode=0o600)
        return address

    async def stop(self) -> None:
        """Close the door and remove the file. Twice is harmless."""
        if self._runner is not None:
            self._path.unlink(missing_ok=True)
            await self._runner.cleanup()
            self._runner = None

    # ---------------------------------------------------------------- requests

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        if not secrets.compare_digest(given, f"Bearer {self._token}".encode()):
            return _refused(401, "the token is missing or wrong")
        return await handler(request)

    async def _status(self, _: web.Request) -> web.Response:
        return _json(self._bot.status())

    async def _orders(self, _: web.Request) -> web.Response:
        return _json(self._bot.orders())

    async def _positions(self, _: web.Request) -> web.Response:
        return _json(self._bot.positions())

    async def _say(self, request: web.Request) -> web.Response:
        try:
            said = msgspec.json.decode(await request.read(), type=_Said)
        except msgspec.DecodeError as error:
            return _refused(400, f"not a word to say: {error}")
        if said.verb not in VERBS:
            return _refused(400, f"verb {said.verb!r} is not one of {', '.join(VERBS)}")
        before = self._bot.status()
        self._bot.say(said.verb, said.by)
        after = self._bot.status()
        if not taken(said.verb, after):
            return _refused(
                503, f"{said.verb} had no effect: it is ending, or has a fault of its own"
            )
        text = answer(said.verb, before, after, self._bot.orders(), self._bot.positions())
        if not await self._bot.kept() and said.verb != "kill":
            text += "\nThe disk has not taken this yet: a restart may forget it. Say it again then."
        return _json({"verb": said.verb, "text": text, "status": after})


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json"
    )


def _refused(status: int, why: str) -> web.Response:
    return _json({"error": why}, status)
