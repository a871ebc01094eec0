"""One look at the gateway's stream: does it take the key, the symbol and the order updates, and does
it tick? The connection is made once and closed again.
"""

from __future__ import annotations

import asyncio
import contextlib

import msgspec

from baseline_v1_live.adapters.openalgo.feed import Feed, FeedState, FeedTimes
from baseline_v1_live.adapters.openalgo.problems import Cause, Problem
from baseline_v1_live.core.messages import Tick

_KEY_REFUSED = ("the key", "AUTHENTICATION_ERROR", "NOT_AUTHENTICATED")


class StreamSeen(msgspec.Struct, frozen=True):
    """A stream that took key and symbol. ``tick`` None: none was waited for."""

    tick: Tick | None
    orders_pushed: bool


async def look_at_stream(
    url: str, api_key: str, symbol: str, *, tick_s: float, answer_s: float = 10.0
) -> StreamSeen | Problem:
    """Connect, subscribe ``symbol``, and wait ``tick_s`` real seconds for a tick of it (0: do not)."""
    settled, ticked = asyncio.Event(), asyncio.Event()
    ticks: list[Tick] = []
    reasons: list[str] = []

    def on_tick(tick: Tick) -> None:
        ticks.append(tick)
        ticked.set()

    def on_state(state: FeedState, reason: str) -> None:
        if state is FeedState.DOWN:
            reasons.append(reason)
        if state in (FeedState.LIVE, FeedState.DOWN):
            settled.set()

    feed = Feed(
        url,
        api_key,
        on_tick=on_tick,
        on_order=lambda _: None,
        on_state=on_state,
        times=FeedTimes(answer_s=answer_s),
    )
    await feed.watch([symbol])
    running = asyncio.get_running_loop().create_task(feed.run())
    running.add_done_callback(lambda _: settled.set())
    try:
        await settled.wait()
        if not reasons and not feed.refused and tick_s:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ticked.wait(), tick_s)
    finally:
        await feed.close()
        await asyncio.gather(running, return_exceptions=True)
    if reasons:
        return _down(url, reasons[0])
    if feed.refused:
        return Problem(
            cause=Cause.BROKER,
            seen=f"the stream at {url} does not give {symbol} ({feed.refused[symbol]})",
            todo="log in at the broker in the gateway's web page, then restart the gateway",
            permanent=True,
        )
    if tick_s and not ticks:
        return Problem(
            cause=Cause.BROKER,
            seen=f"{url} connects, but {symbol} does not tick in {tick_s:g} s",
            todo="log in at the broker and restart the gateway: a stream of yesterday stays silent",
            permanent=True,
        )
    return StreamSeen(ticks[0] if ticks else None, feed.orders_pushed)


def _down(url: str, reason: str) -> Problem:
    if any(word in reason for word in _KEY_REFUSED):
        return Problem(
            cause=Cause.KEY,
            seen=f"the stream at {url} refuses the key ({reason})",
            todo="compare the key with the API key page of that gateway, and log in at the broker "
            "there",
            permanent=True,
        )
    return Problem(
        cause=Cause.DOWN,
        seen=f"no stream at {url} ({reason})",
        todo="start the gateway's stream, or correct the address of the stream in the settings",
        permanent=False,
    )
