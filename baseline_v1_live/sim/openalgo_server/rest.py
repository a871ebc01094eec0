"""The REST side: every call from the rate limit to the reply, faults included.

Order of checks, as at the gateway: known path, rate limit, JSON, schema, key, then the endpoint.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from aiohttp import web

from baseline_v1_live.sim.openalgo_server.clock import ServerClock
from baseline_v1_live.sim.openalgo_server.endpoints import ACCOUNT_HANDLERS, DATA_HANDLERS
from baseline_v1_live.sim.openalgo_server.faults import Fault, Faults
from baseline_v1_live.sim.openalgo_server.limits import RateLimits
from baseline_v1_live.sim.openalgo_server.orders import ORDER_HANDLERS, Answer
from baseline_v1_live.sim.openalgo_server.rows import MapperError
from baseline_v1_live.sim.openalgo_server.schemas import SchemaError, load
from baseline_v1_live.sim.openalgo_server.stream import Stream
from baseline_v1_live.sim.openalgo_server.venue import RefusedError, Venue

_log = logging.getLogger(__name__)
HANDLERS = {**ORDER_HANDLERS, **ACCOUNT_HANDLERS, **DATA_HANDLERS}
# Their answers and errors carry "mode" while the analyzer is on; the others come from the broker.
_WITH_MODE = ORDER_HANDLERS.keys() | ACCOUNT_HANDLERS.keys()
# Those that change orders; the others only ask.
ORDER_REQUESTS = ORDER_HANDLERS.keys() - {"orderstatus", "openposition"}
_CAN_STALL = frozenset({"placeorder", "placesmartorder", "closeposition"})
_NOT_JSON = "The browser (or proxy) sent a request that this server could not understand."
_BROKEN = "An unexpected error occurred"
_HTML = "<!doctype html>\n<html><head><title>502 Bad Gateway</title></head></html>\n"


class Served(NamedTuple):
    """One answer as it leaves; ``cut`` ends the connection instead, without a word."""

    status: int
    text: str
    content_type: str = "application/json"
    cut: bool = False


Answering = Callable[[str, str, str], Awaitable[Served]]


def _json(status: int, body: Any) -> Served:
    return Served(status, json.dumps(body))


class Rest:
    """Answers ``POST /api/v1/<endpoint>``."""

    def __init__(
        self,
        venue: Venue,
        clock: ServerClock,
        stream: Stream,
        faults: Faults,
        limits: RateLimits | None,
        api_key: str,
        catch_up: Callable[[], None],
    ) -> None:
        self._venue = venue
        self._clock = clock
        self._stream = stream
        self._faults = faults
        self._limits = limits
        self._api_key = api_key
        self._catch_up = catch_up
        self._history_turn = asyncio.Lock()
        self._seen: set[str] = set()
        # Where a call that came over HTTP goes: straight to ``answer`` unless somebody troubles it.
        self.front: Answering = self.answer

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One call that came over HTTP."""
        endpoint = request.match_info["endpoint"].rstrip("/")
        if request.method != "POST" or endpoint not in HANDLERS:
            return not_found(request)
        served = await self.front(endpoint, await request.text(), request.remote or "")
        if served.cut and request.transport is not None:
            request.transport.close()
        return web.Response(
            text=served.text, status=served.status, content_type=served.content_type
        )

    async def answer(self, endpoint: str, text: str, remote: str) -> Served:
        """One call of a known endpoint with its body, from its rate limit to its answer."""
        self._bring_up_to_date()
        if self._limits is not None:
            refusal = self._limits.refusal(remote, endpoint)
            if refusal is not None:
                self._note(endpoint, None, limited=True)
                return _json(429, {"message": refusal})
        try:
            body = json.loads(text)
        except ValueError:
            self._note(endpoint, None)
            return _json(400, {"message": _NOT_JSON})
        self._note(endpoint, body)
        fault = self._faults.take(endpoint)
        if fault is not None and not fault.after:
            return await self._spoil(fault, 200, {"status": "success"})
        status, reply = await self._answer(endpoint, body)
        if fault is not None:
            return await self._spoil(fault, status, reply)
        return _json(status, reply)

    async def _answer(self, endpoint: str, body: Any) -> Answer:
        with_mode = endpoint in _WITH_MODE and self._venue.analyze
        mode = {"mode": "analyze"} if with_mode else {}
        try:
            checked = load(endpoint, body)
        except SchemaError as error:
            texts: Any = str(error.errors) if endpoint in ORDER_HANDLERS else error.errors
            return 400, {"status": "error", "message": texts, **mode}
        if checked.pop("apikey") != self._api_key:
            return 403, {"status": "error", "message": "Invalid openalgo apikey"}
        if endpoint == "history" and self._limits is not None:
            async with self._history_turn:
                await self._clock.wait(self._venue.profile.history_gap_s)
        self._bring_up_to_date()
        flat_before = self._flat()
        try:
            status, reply = HANDLERS[endpoint](self._venue, checked)
        except RefusedError as refusal:
            status, reply = refusal.status, {"status": "error", "message": refusal.message}
        except MapperError as error:
            status, reply = 500, {"status": "error", "message": str(error)}
        except Exception:  # as the gateway: whatever breaks inside is a 500 with this text
            _log.exception("%s broke", endpoint)
            status, reply = 500, {"status": "error", "message": _BROKEN}
        updates = self._venue.take_updates()
        if endpoint in _CAN_STALL and updates and self._venue.analyze:
            await self._clock.wait(self._stall_s(updates, self._flat() - flat_before))
        self._stream.publish_orders(updates)
        return status, reply | mode

    def _bring_up_to_date(self) -> None:
        """Up to now the tape has played without this call: its ticks and fills come first."""
        self._catch_up()
        self._stream.publish_orders(self._venue.take_updates())

    def _note(self, endpoint: str, body: Any, *, limited: bool = False) -> None:
        order = body if endpoint in ORDER_REQUESTS and isinstance(body, dict) else None
        self._venue.audit.call(self._venue.now_ms, endpoint, order, limited=limited)

    def _flat(self) -> set[str]:
        return {key[0] for key, held in self._venue.books.positions.items() if not held.quantity}

    def _stall_s(self, updates: list[dict[str, Any]], flattened: set[str]) -> float:
        """How long the gateway blocks this request: once for each new or flattened symbol."""
        new = {update["symbol"] for update in updates} - self._seen
        self._seen |= new
        return self._venue.profile.stall_s * len(new | flattened)

    async def _spoil(self, fault: Fault, status: int, reply: dict[str, Any]) -> Served:
        if fault.name.startswith("drop_"):
            return Served(status, "", cut=True)
        if fault.name == "http_500":
            return _json(500, {"status": "error", "message": _BROKEN})
        if fault.name == "html_reply":
            return Served(502, _HTML, "text/html")
        if fault.name == "truncated_json":
            text = json.dumps(reply)
            return Served(status, text[: len(text) // 2])
        if fault.name == "success_without_id":
            reply = {key: value for key, value in reply.items() if key != "orderid"}
        else:
            await self._clock.wait(fault.seconds)
        return _json(status, reply)


def not_found(request: web.Request) -> web.Response:
    """The gateway's 404; it is also the answer to a GET on an endpoint."""
    body = {"status": "error", "message": "Not found", "path": request.path}
    return web.json_response(body, status=404)
