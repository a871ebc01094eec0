"""A client at a scripted gateway, and the orders it sends in the tests."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from typing import TypeVar

from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient, Timeouts
from baseline_v1_live.adapters.openalgo.transport import Exchanged
from baseline_v1_live.core.messages import (
    CancelOrder,
    ModifyOrder,
    OrderType,
    PlaceOrder,
    Purpose,
    QueryOrder,
    Side,
)
from baseline_v1_live.core.session import at_ist
from tests.adapters.openalgo.gateway import (
    KEY,
    Gateway,
    gateway,
)

SYMBOL = "NIFTY23NOV2626000CE"
NOW_MS = at_ist(dt.date(2026, 11, 23), dt.time(10, 0))
OK = {"status": "success"}
TIMEOUTS = Timeouts(order_s=0.15, read_s=0.15, history_s=0.15)
PLACE = PlaceOrder(
    order_id="a",
    symbol=SYMBOL,
    side=Side.BUY,
    order_type=OrderType.SL,
    purpose=Purpose.STOP,
    quantity=65,
    trigger_price_paise=13005,
    limit_price_paise=13310,
)
MODIFY = ModifyOrder(
    order_id="a",
    broker_order_id="7",
    symbol=SYMBOL,
    side=Side.BUY,
    order_type=OrderType.LIMIT,
    quantity=65,
    trigger_price_paise=0,
    limit_price_paise=13310,
)
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
