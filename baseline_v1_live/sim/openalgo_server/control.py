"""What a person or a test may ask of the simulation itself, under ``/sim/``; no gateway has this."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from baseline_v1_live.core.session import at_ist, iso
from baseline_v1_live.sim.contract_table import SESSION_OPEN, session_close
from baseline_v1_live.sim.openalgo_server.faults import FAULTS, STREAM_FAULTS

if TYPE_CHECKING:
    from baseline_v1_live.sim.openalgo_server.server import OpenAlgoServer


class Control:
    """Clock, faults and the exchange's own books."""

    def __init__(self, server: OpenAlgoServer) -> None:
        self._server = server

    def add_to(self, app: web.Application) -> None:
        """Put the routes into an application."""
        app.router.add_get("/sim/clock", self._clock)
        app.router.add_get("/sim/books", self._books)
        app.router.add_post("/sim/pause", self._pause)
        app.router.add_post("/sim/resume", self._resume)
        app.router.add_post("/sim/advance", self._advance)
        app.router.add_post("/sim/fault", self._fault)

    async def _clock(self, _: web.Request) -> web.Response:
        return web.json_response(self._clock_state())

    async def _pause(self, _: web.Request) -> web.Response:
        self._server.pause()
        return web.json_response(self._clock_state())

    async def _resume(self, _: web.Request) -> web.Response:
        self._server.resume()
        return web.json_response(self._clock_state())

    async def _advance(self, request: web.Request) -> web.Response:
        try:
            order = await request.json()
            await self._server.advance_to(int(order["to_ms"]))
        except (ValueError, KeyError, TypeError) as error:
            return _refused(error)
        return web.json_response(self._clock_state())

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
                return web.json_response({"status": "success", "fault": order})
            fault = self._server.faults.add(order)
        except (ValueError, TypeError) as error:
            return _refused(error)
        return web.json_response({"status": "success", "fault": vars(fault)})

    def _spoil_stream(self, order: dict[str, Any]) -> None:
        if order["name"] == "drop_stream":
            self._server.stream.drop_all()
        else:
            seconds = float(order.get("seconds", 1.0))
            self._server.stream.silent_until = time.monotonic() + seconds

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

    def _clock_state(self) -> dict[str, Any]:
        clock, venue = self._server.clock, self._server.venue
        date = venue.day.date
        return {
            "now_ms": clock.now_ms(),
            "now": iso(clock.now_ms()),
            "played_to_ms": venue.now_ms,
            "speed": clock.speed,
            "running": clock.running,
            "holds": list(clock.holds),
            "session": {
                "date": date.isoformat(),
                "open_ms": at_ist(date, SESSION_OPEN),
                "close_ms": at_ist(date, session_close(date)),
                "expiry": venue.day.expiry.isoformat(),
                "atm": venue.day.atm_paise / 100,
            },
            "profile": venue.profile.name,
            "analyze": venue.analyze,
            "clients": len(self._server.stream.clients),
            "faults_waiting": [vars(fault) for fault in self._server.faults.waiting],
            "faults_known": [*FAULTS, *STREAM_FAULTS],
        }


def _refused(error: Exception) -> web.Response:
    return web.json_response({"status": "error", "message": str(error)}, status=400)
