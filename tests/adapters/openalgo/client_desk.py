"""A client at a scripted gateway, what it asks and is answered, and the orders that it sends."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from msgspec.structs import replace

from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient, Timeouts
from baseline_v1_live.adapters.openalgo.transport import Exchanged
from baseline_v1_live.core.messages import CancelOrder, OrderType, QueryOrder
from baseline_v1_live.core.session import at_ist
from tests.adapters.openalgo.gateway import KEY, Answer, Gateway, gateway
from tests.harness_orders import STOP, change_of

DATE = dt.date(2026, 11, 23)
SYMBOL = "NIFTY23NOV2626000CE"
NOW_MS = at_ist(DATE, dt.time(10, 0))
OK = {"status": "success"}
PONG: Answer = (200, {**OK, "data": {"broker": "zerodha", "message": "pong"}})
REFUSED: Answer = (403, {"status": "error", "message": "Invalid openalgo apikey"})
PAGE = "<!doctype html>\n<html>hello</html>"
TIMEOUTS = Timeouts(order_s=0.15, read_s=0.15, history_s=0.15)
PLACE = replace(
    STOP,
    order_id="a",
    symbol=SYMBOL,
    quantity=65,
    trigger_price_paise=13005,
    limit_price_paise=13310,
)
MODIFY = change_of(PLACE, "7", order_type=OrderType.LIMIT, trigger_price_paise=0)
CANCEL = CancelOrder(order_id="a", broker_order_id="7")
QUERY = QueryOrder(order_id="a", broker_order_id="7")

ResultT = TypeVar("ResultT")


class Sleeps:
    """Sleeps that take no time and are remembered."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


def run(
    scenario: Callable[[Gateway, OpenAlgoClient], Awaitable[ResultT]],
    *,
    sleep: Callable[[float], Awaitable[None]] | None = None,
    observer: Callable[[Exchanged], None] | None = None,
    now_ms: Callable[[], int] = lambda: NOW_MS,
) -> ResultT:
    async def main() -> ResultT:
        async with (
            gateway() as server,
            OpenAlgoClient(
                server.url,
                KEY,
                timeouts=TIMEOUTS,
                sleep=sleep or Sleeps(),
                observer=observer,
                now_ms=now_ms,
            ) as client,
        ):
            return await scenario(server, client)

    return asyncio.run(main())


def holding(content: Any) -> Answer:
    """A success with this content."""
    return 200, {**OK, "data": content}


def asked(
    answers: dict[str, list[Answer]],
    question: Callable[[OpenAlgoClient, str], Awaitable[ResultT]],
) -> ResultT:
    """What a question, given the client and the gateway's address, makes of these answers."""

    async def scenario(server: Gateway, client: OpenAlgoClient) -> ResultT:
        server.script.update(answers)
        return await question(client, server.url)

    return run(scenario)
