"""What a person or a test may ask of the simulation itself, under ``/sim/``; no gateway has this."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from baseline_v1_live.core.session import at_ist, iso
from baseline_v1_live.sim.contract_table import SESSION_OPEN, session_close
from baseline_v1_live.sim.openalgo_server.faults import FAULTS, STREAM_FAULTS

if TYPE_CHECKING:
    from baseline_v1_live.sim.openalgo_server.server import OpenAlgoServer


class Control:
    """Clock, faults, the exchange's own books and their history."""

    def __init__(self, server: OpenAlgoServer) -> None:
        self._server = server
        day = server.venue.day
        self._session = {
            "date": day.date.isoformat(),
            "open_ms": at_ist(day.date, SESSION_OPEN),
            "close_ms": at_ist(day.date, session_close(day.date)),
            "expiry": day.expiry.isoformat(),
            "atm": day.atm_paise / 100,
        }

    def add_to(self, app: web.Application) -> None:
        """Put the routes into an application."""
        app.router.add_get("/sim/clock", self._clock)
        app.router.add_get("/sim/books", self._books)
        app.router.add_get("/sim/audit", self._audit)
        app.router.add_post("/sim/pause", self._pause)
        app.router.add_post("/sim/resume", self._resume)
        app.router.add_post("/sim/speed", self._speed)
        app.router.add_post("/sim/advance", self._advance)
        app.router.add_post("/sim/fault", self._fault)
        app.router.add_get("/sim/fault", self._faults)

    async def _clock(self, _: web.Request) -> web.Response:
        return _json(self._clock_state())

    async def _pause(self, _: web.Request) -> web.Response:
        self._server.pause()
        return _json(self._clock_state())

    async def _resume(self, _: web.Request) -> web.Response:
        self._server.resume()
        return _json(self._clock_state())

    async def _speed(self, request: web.Request) -> web.Response:
        try:
            order = await request.json()
            self._server.clock.set_speed(float(order["speed"]))
        except (ValueError, KeyError, TypeError) as error:
            return _refused(error)
        return _json(self._clock_state())

    async def _advance(self, request: web.Request) -> web.Response:
        try:
            order = await request.json()
            await self._server.advance_to(int(order["to_ms"]))
        except (ValueError, KeyError, TypeError) as error:
            return _refused(error)
        return _json(self._clock_state())

    async def _fault(self, request: web.Request) -> web.Response:
        try:
            order = await request.json()
            if not isinstance(order, dict):
                raise ValueError("a fault is an object with a name")
            if order.get("name") in STREAM_FAULTS:
                self._spoil_stream(order)
                return web.json_response({"status": "success", "fault": order})
            if order.get("name") == "none":
                self._server.faults.waiting.clear()
                self._server.troubles.clear()
                return web.json_response({"status": "success", "fault": order})
            if order.get("name") in FAULTS:
                made = vars(self._server.faults.add(order))
            else:
                made = self._server.troubles.order(order)
        except (ValueError, TypeError) as error:
            return _refused(error)
        return web.json_response({"status": "success", "fault": made})

    async def _faults(self, _: web.Request) -> web.Response:
        next_calls = {"next_calls": list(FAULTS), "stream": list(STREAM_FAULTS)}
        return _json(self._server.troubles.state() | next_calls)

    def _spoil_stream(self, order: dict[str, Any]) -> None:
        if order["name"] == "drop_stream":
            self._server.stream.drop_all()
        else:
            self._server.stream.silence(float(order.get("seconds", 1.0)))

    async def _books(self, _: web.Request) -> web.Response:
        self._server.catch_up()
        snapshot = self._server.exchange_books()
        books = json.loads(msgspec.json.encode(snapshot))
        ours = {
            order.exchange_id: order.orderid for order in self._server.venue.books.orders.values()
        }
        for row in [*books["orders"], *books["trades"]]:
            row["orderid"] = ours.get(row["broker_order_id"])
        return web.json_response({key: books[key] for key in ("orders", "trades", "positions")})

    async def _audit(self, request: web.Request) -> web.Response:
        try:
            since = int(request.query.get("since", "0"))
        except ValueError as error:
            return _refused(error)
        self._server.catch_up()
        return _json(self._server.venue.audit.page(since))

    def _clock_state(self) -> dict[str, Any]:
        clock, venue = self._server.clock, self._server.venue
        now_ms = clock.now_ms()
        return {
            "now_ms": now_ms,
            "now": iso(now_ms),
            "played_to_ms": venue.now_ms,
            "speed": clock.speed,
            "running": clock.running,
            "holds": list(clock.holds),
            "over": venue.over,
            "session": self._session,
            "profile": venue.profile.name,
            "analyze": venue.analyze,
            "clients": len(self._server.stream.clients),
            "faults_waiting": [vars(fault) for fault in self._server.faults.waiting],
            "faults_known": [*FAULTS, *STREAM_FAULTS],
        }


def _json(body: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


def _refused(error: Exception) -> web.Response:
    return web.json_response({"status": "error", "message": str(error)}, status=400)
