"""The OpenAlgo-compatible server at a distance: requests, replies and pushed updates take their way.

It runs as a process of its own, so that the bot that is measured shares neither interpreter nor event
loop with it. It prints its addresses as one JSON line and ends when its standard input is closed.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from aiohttp import web

from baseline_v1_live.core.instruments import Contract, OptionType
from baseline_v1_live.core.session import at_ist
from baseline_v1_live.sim.day import MarketDay
from baseline_v1_live.sim.openalgo_server.profiles import named_profile
from baseline_v1_live.sim.openalgo_server.server import OpenAlgoServer

ROOT = Path(__file__).resolve().parents[1]
KEY = "k" * 32
DATE = dt.date(2026, 12, 29)
START_MS = at_ist(DATE, dt.time(10, 0))
INDEX, LOT = "NIFTY", 65
INDEX_PAISE, OPTION_PAISE = 2_600_000, 15_000
_STRIKES = (
    (25_900, OptionType.PE),
    (25_950, OptionType.PE),
    (26_000, OptionType.CE),
    (26_050, OptionType.CE),
    (26_100, OptionType.CE),
)
CONTRACTS = {
    f"NIFTY29DEC26{strike}{kind}": Contract(
        symbol=f"NIFTY29DEC26{strike}{kind}",
        underlying=INDEX,
        expiry=DATE,
        strike_paise=strike * 100,
        option_type=kind,
        lot_size=LOT,
    )
    for strike, kind in _STRIKES
}


class Gateway(NamedTuple):
    """Where a running gateway is."""

    url: str
    ws_url: str


class DistantServer(OpenAlgoServer):
    """Half the round trip lies before each request, half before each reply and each update."""

    def __init__(self, one_way_s: float, **settings: Any) -> None:
        super().__init__(_quiet_day(), **settings)
        self._one_way_s = one_way_s
        publish = self.stream.publish_orders

        def publish_later(updates: list[dict[str, Any]]) -> None:
            asyncio.get_running_loop().call_later(one_way_s, publish, updates)

        if one_way_s:
            self.stream.publish_orders = publish_later  # type: ignore[method-assign]

    async def _listen(self, app: web.Application, port: int) -> int:
        @web.middleware
        async def travel(request: web.Request, handler: Any) -> web.StreamResponse:
            if not request.path.startswith("/api/v1/"):
                return await handler(request)
            await asyncio.sleep(self._one_way_s)
            response = await handler(request)
            await asyncio.sleep(self._one_way_s)
            return response

        if self._one_way_s:
            app.middlewares.append(travel)
        return await super()._listen(app, port)


def _quiet_day() -> MarketDay:
    """A day with one quote for each symbol, which then stands."""
    symbols = (INDEX, *CONTRACTS)
    ltp = np.array([INDEX_PAISE] + [OPTION_PAISE] * len(CONTRACTS), dtype=np.int32)
    option = np.array([0] + [1] * len(CONTRACTS), dtype=np.int32)
    return MarketDay(
        date=DATE,
        expiry=DATE,
        atm_paise=INDEX_PAISE,
        symbols=symbols,
        contracts=CONTRACTS,
        index_symbol=INDEX,
        at_ms=np.full(len(symbols), at_ist(DATE, dt.time(9, 15)), dtype=np.int64),
        symbol_index=np.arange(len(symbols), dtype=np.int16),
        ltp_paise=ltp,
        bid_paise=(ltp - 10) * option,
        ask_paise=(ltp + 10) * option,
        bid_quantity=option * 1_000_000,
        ask_quantity=option * 1_000_000,
        volume=np.full(len(symbols), -1, dtype=np.int64),
    )


@contextmanager
def running(round_trip_ms: float = 0.0, *, rate_limits: bool = True) -> Iterator[Gateway]:
    """A gateway in a process of its own."""
    command = [sys.executable, "-m", "bench.gateway", "--round-trip-ms", str(round_trip_ms)]
    if not rate_limits:
        command.append("--no-rate-limits")
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield Gateway(**json.loads(process.stdout.readline()))
    finally:
        process.communicate()


async def _serve(round_trip_ms: float, rate_limits: bool) -> None:
    # Live shapes, as a broker's own; a market order fills before the reply.
    profile = replace(named_profile("zerodha"), fills_at_placement=True, transit_ms=0)
    server = DistantServer(
        round_trip_ms / 2_000,
        port=0,
        ws_port=0,
        api_key=KEY,
        profile=profile,
        wait_for_client=False,
        start_ms=START_MS,
        rate_limits=rate_limits,
    )
    await server.start()
    print(json.dumps({"url": server.url, "ws_url": server.ws_url}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.stop()


def main() -> None:
    """Serve until standard input is closed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--round-trip-ms", type=float, default=0.0)
    parser.add_argument("--no-rate-limits", action="store_true")
    given = parser.parse_args()
    # A bot that ends in the middle of a question is no news here.
    logging.disable()
    asyncio.run(_serve(given.round_trip_ms, not given.no_rate_limits))


if __name__ == "__main__":
    main()
