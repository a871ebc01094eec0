"""A gateway on free ports with a small day, stepped by hand, and short ways to talk to it."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from baseline_v1_live.core.session import at_ist
from baseline_v1_live.sim.day import MarketDay
from baseline_v1_live.sim.generator import generate_day
from baseline_v1_live.sim.openalgo_server.server import OpenAlgoServer

KEY = "k" * 32
STRATEGY = "baseline"


@functools.cache
def small_day() -> MarketDay:
    return generate_day(9, strikes_each_side=2, ticks_per_second=0.2)


def at(hour: int, minute: int, second: int = 0) -> int:
    """Epoch milliseconds of a time of the day in IST."""
    return at_ist(small_day().date, dt.time(hour, minute, second))


class Gateway:
    """The server and one HTTP client."""

    def __init__(self, server: OpenAlgoServer, http: aiohttp.ClientSession) -> None:
        self.server = server
        self.http = http
        day = small_day()
        self.call = next(name for name in day.symbols if name.endswith(f"{day.atm_paise // 100}CE"))
        self.put = self.call.replace("CE", "PE")
        self.lot = day.contracts[self.call].lot_size

    async def post(self, endpoint: str, **fields: Any) -> tuple[int, Any]:
        url = f"{self.server.url}/api/v1/{endpoint}"
        async with self.http.post(url, json={"apikey": KEY} | fields) as reply:
            return reply.status, await reply.json(content_type=None)

    async def ok(self, endpoint: str, **fields: Any) -> Any:
        status, body = await self.post(endpoint, **fields)
        assert (status, body["status"]) == (200, "success"), body
        return body

    async def order(self, action: str = "SELL", **fields: Any) -> tuple[int, Any]:
        request = {
            "strategy": STRATEGY, "exchange": "NFO", "symbol": self.call, "action": action,
            "quantity": self.lot, "pricetype": "MARKET", "product": "MIS",
        }  # fmt: skip
        return await self.post("placeorder", **request | fields)

    async def placed(self, action: str = "SELL", **fields: Any) -> str:
        status, body = await self.order(action, **fields)
        assert (status, body["status"]) == (200, "success"), body
        return str(body["orderid"])

    async def modify(self, orderid: str, action: str = "SELL", **fields: Any) -> tuple[int, Any]:
        request = {
            "strategy": STRATEGY, "exchange": "NFO", "symbol": self.call, "orderid": orderid,
            "action": action, "product": "MIS", "pricetype": "SL", "price": 0, "quantity": self.lot,
            "disclosed_quantity": 0, "trigger_price": 0,
        }  # fmt: skip
        return await self.post("modifyorder", **request | fields)

    async def status(self, orderid: str) -> Any:
        return (await self.ok("orderstatus", strategy=STRATEGY, orderid=orderid))["data"]

    async def quote(self, symbol: str | None = None) -> Any:
        return (await self.ok("quotes", symbol=symbol or self.call, exchange="NFO"))["data"]

    async def sim(self, path: str, **fields: Any) -> Any:
        url = f"{self.server.url}/sim/{path}"
        call = self.http.post(url, json=fields) if path in POSTS else self.http.get(url)
        async with call as reply:
            return await reply.json()

    async def advance(self, hour: int, minute: int, second: int = 0) -> None:
        await self.server.advance_to(at(hour, minute, second))


POSTS = {"pause", "resume", "fault", "advance"}
Story = Callable[[Gateway], Awaitable[None]]


def play(story: Story, *, open_at: tuple[int, int] | None = (9, 30), **settings: Any) -> None:
    """Run a story against a gateway whose clock stands at ``open_at`` (None: before the open)."""

    async def run() -> None:
        given = {
            "port": 0, "ws_port": 0, "speed": 0, "api_key": KEY, "wait_for_client": False,
            "seed": 3, "rate_limits": False,
        }  # fmt: skip
        server = OpenAlgoServer(small_day(), **given | settings)
        await server.start()
        try:
            async with aiohttp.ClientSession() as http:
                if open_at is not None:
                    await server.advance_to(at(*open_at))
                await story(Gateway(server, http))
        finally:
            await server.stop()

    asyncio.run(run())
