"""Runs the server until it is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from baseline_v1_live.sim.day import MarketDay
from baseline_v1_live.sim.openalgo_server.server import OpenAlgoServer

_LOOK_EVERY_S = 0.2


async def run_server(
    day: MarketDay,
    *,
    stop: asyncio.Event | None = None,
    until_over: bool = False,
    started: Callable[[OpenAlgoServer], None] | None = None,
    **settings: Any,
) -> None:
    """Serve a day until ``stop`` is set, the task is cancelled, or (``until_over``) the tape ends.

    ``settings`` go to OpenAlgoServer. ``started`` hears of the server once both sockets are open:
    its ``url`` and ``ws_url`` then hold the real ports. Raises OSError when a port is taken.
    """
    stop = stop or asyncio.Event()
    server = OpenAlgoServer(day, **settings)
    await server.start()
    try:
        if started is not None:
            started(server)
        while not stop.is_set() and not (until_over and server.over):
            try:
                await asyncio.wait_for(stop.wait(), _LOOK_EVERY_S)
            except TimeoutError:
                continue
    finally:
        await server.stop()
