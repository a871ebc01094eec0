"""Symbols that the stream refuses: of which no prices come, and of which only no bid and ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from baseline_v1_live.adapters.openalgo.feed import Feed, FeedState
from tests.adapters.openalgo.gateway import KEY, StreamGateway, stream_gateway

A, B = "NIFTY23NOV2626000CE", "NIFTY23NOV2626000PE"
NO = {A: "depth not supported"}


def at_a_stream(story: Callable[[StreamGateway, Feed], Awaitable[None]]) -> None:
    async def main() -> None:
        async with stream_gateway() as server:
            feed = Feed(
                server.url,
                KEY,
                on_tick=lambda tick: None,
                on_order=lambda push: None,
                on_state=lambda state, reason: None,
                sleep=lambda seconds: asyncio.sleep(0.01 if seconds < 10 else 60),
            )
            running = asyncio.create_task(feed.run())
            try:
                await feed.watch([A, B])
                await until(lambda: feed.state is FeedState.LIVE)
                await story(server, feed)
            finally:
                await feed.close()
                await asyncio.wait_for(running, 2)

    asyncio.run(main())


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(3):
        while not condition():
            await asyncio.sleep(0.002)


def test_a_refused_depth_is_no_refused_price() -> None:
    """A symbol that is held now gets no bid and ask; its prices come as before."""

    async def story(server: StreamGateway, feed: Feed) -> None:
        server.refuse = NO
        await feed.watch([A, B], depth=[A])
        await until(lambda: feed.depth_refused)
        assert feed.depth_refused == NO
        assert feed.refused == {}

    at_a_stream(story)


def test_an_accepted_depth_does_not_hide_a_refused_price() -> None:
    """The two are asked for in two messages, and each has its own answer."""

    async def story(server: StreamGateway, feed: Feed) -> None:
        server.refuse = {B: "unknown symbol"}
        await feed.reconnect()
        await until(lambda: feed.refused)
        server.refuse = {}
        await feed.watch([A, B], depth=[B])
        await until(lambda: len(server.actions("subscribe")) == 3)
        await until(lambda: not feed._asked)
        assert feed.refused == {B: "unknown symbol"}
        assert feed.depth_refused == {}

    at_a_stream(story)


def test_a_depth_that_is_wanted_no_more_is_not_refused() -> None:
    """The position is closed: nothing is missing any more."""

    async def story(server: StreamGateway, feed: Feed) -> None:
        server.refuse = NO
        await feed.watch([A, B], depth=[A])
        await until(lambda: feed.depth_refused)
        await feed.watch([A, B])
        assert feed.depth_refused == {}

    at_a_stream(story)


def test_after_a_reconnect_depth_is_asked_for_again() -> None:
    """What was refused then may be given now."""

    async def story(server: StreamGateway, feed: Feed) -> None:
        server.refuse = NO
        await feed.watch([A, B], depth=[A])
        await until(lambda: feed.depth_refused)
        server.refuse = {}
        await server.drop()
        await until(lambda: server.connections == 2 and feed.state is FeedState.LIVE)
        assert feed.depth_refused == {}
        assert [m["mode"] for m in server.actions("subscribe")] == [2, 3, 2, 3]

    at_a_stream(story)
