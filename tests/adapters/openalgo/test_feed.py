"""The stream client: live only when everything is subscribed, and rebuilt whenever it breaks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from baseline_v1_live.adapters.openalgo.feed import Feed, FeedState, FeedTimes
from baseline_v1_live.adapters.openalgo.wire.stream import OrderPush
from baseline_v1_live.core.messages import Tick
from tests.adapters.openalgo.gateway import KEY, StreamGateway, stream_gateway

A, B, C = "NIFTY23NOV2626000CE", "NIFTY23NOV2626000PE", "NIFTY23NOV2626050CE"


class _Ear:
    """What a feed said."""

    def __init__(self) -> None:
        self.ticks: list[Tick] = []
        self.orders: list[OrderPush] = []
        self.states: list[FeedState] = []
        self.reasons: list[str] = []
        self.slept: list[float] = []

    def on_state(self, state: FeedState, reason: str) -> None:
        self.states.append(state)
        self.reasons.append(reason)

    async def sleep(self, seconds: float) -> None:
        """Back-offs take no time; pings come as often as the loop turns, in small real steps."""
        self.slept.append(seconds)
        await asyncio.sleep(0.01)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(3):
        while not condition():
            await asyncio.sleep(0.002)


@contextlib.asynccontextmanager
async def _feed(
    server: StreamGateway, ear: _Ear, key: str = KEY, answer_s: float = 1.0, ping_s: float = 99.0
) -> AsyncIterator[Feed]:
    async def sleep(seconds: float) -> None:
        await (asyncio.sleep(60) if seconds == 99.0 else ear.sleep(seconds))

    feed = Feed(
        server.url,
        key,
        on_tick=ear.ticks.append,
        on_order=ear.orders.append,
        on_state=ear.on_state,
        times=FeedTimes(ping_s=ping_s, answer_s=answer_s),
        sleep=sleep,
    )
    running = asyncio.create_task(feed.run())
    try:
        yield feed
    finally:
        await feed.close()
        await asyncio.wait_for(running, 2)


def _run(scenario: Callable[[StreamGateway, _Ear], Awaitable[None]]) -> _Ear:
    ear = _Ear()

    async def main() -> None:
        async with stream_gateway() as server:
            await scenario(server, ear)

    asyncio.run(main())
    return ear


def _tick(symbol: str, ltp: float = 130.05, **data: object) -> dict[str, object]:
    envelope = {"type": "market_data", "symbol": symbol, "exchange": "NFO", "mode": 2}
    return envelope | {"data": {"ltp": ltp, **data}}


def test_a_feed_asks_in_order_and_goes_live() -> None:
    """Key, order updates, all symbols in one message, depth where wanted; then ticks and orders."""

    async def scenario(server: StreamGateway, ear: _Ear) -> None:
        async with _feed(server, ear) as feed:
            await feed.watch([A, B, "NIFTY"], depth=[A])
            await until(lambda: feed.state is FeedState.LIVE)
            await server.push(_tick(A, volume=65))
            await server.push(_tick(C))
            update = {"type": "order_update", "orderid": "7", "symbol": A, "mode": "live"}
            await server.push(update | {"exchange": "NFO", "order_status": "open"})
            await until(lambda: ear.orders)
            assert [message["action"] for message in server.heard] == [
                "authenticate", "subscribe_orders", "subscribe", "subscribe",
            ]  # fmt: skip
            quotes, depth = server.actions("subscribe")
            assert quotes["mode"] == 2
            assert {row["symbol"]: row["exchange"] for row in quotes["symbols"]} == {
                A: "NFO", B: "NFO", "NIFTY": "NSE_INDEX",
            }  # fmt: skip
            assert (depth["mode"], [row["symbol"] for row in depth["symbols"]]) == (3, [A])
            assert feed.orders_pushed

    ear = _run(scenario)
    assert [tick.symbol for tick in ear.ticks] == [A]
    assert ear.orders[0].update.broker_order_id == "7"
    assert ear.states == [FeedState.CONNECTING, FeedState.LIVE, FeedState.CLOSED]


def test_refused_symbols_are_known() -> None:
    """The feed goes live with the others, and says which have no prices and why."""

    async def scenario(server: StreamGateway, ear: _Ear) -> None:
        server.refuse = {B: "unknown symbol"}
        async with _feed(server, ear) as feed:
            await feed.watch([A, B])
            await until(lambda: feed.state is FeedState.LIVE)
            assert feed.refused == {B: "unknown symbol"}
            await feed.watch([A])
            assert feed.refused == {}

    _run(scenario)


def test_a_change_of_wishes_asks_for_the_difference() -> None:
    """What is new is subscribed, what is gone is unsubscribed by its mode."""

    async def scenario(server: StreamGateway, ear: _Ear) -> None:
        async with _feed(server, ear) as feed:
            await feed.watch([A, B], depth=[B])
            await until(lambda: feed.state is FeedState.LIVE)
            await feed.watch([A, C], depth=[C])
            await until(lambda: len(server.actions("subscribe")) == 4)
            gone = [
                (row["symbol"], row["mode"])
                for m in server.actions("unsubscribe")
                for row in m["symbols"]
            ]
            new = [(m["symbols"][0]["symbol"], m["mode"]) for m in server.actions("subscribe")[2:]]
            assert gone == [(B, 2), (B, 3)]
            assert new == [(C, 2), (C, 3)]

    _run(scenario)


def test_a_broken_connection_is_rebuilt_and_subscribed_again() -> None:
    """After a second; once it was live, the waiting starts from one second again."""

    async def scenario(server: StreamGateway, ear: _Ear) -> None:
        async with _feed(server, ear) as feed:
            await feed.watch([A])
            for times in (1, 2, 3):
                await until(lambda: feed.state is FeedState.LIVE)
                assert len(server.actions("subscribe")) == times
                await server.drop()
                await until(lambda: feed.state is not FeedState.LIVE)
            await until(lambda: feed.state is FeedState.LIVE)
            await server.push(_tick(A))
            await until(lambda: ear.ticks)

    ear = _run(scenario)
    assert ear.slept == [1.0, 1.0, 1.0]


def test_a_gateway_that_is_down_is_tried_again_ever_more_slowly() -> None:
    """1, 2, 5, 10, 10 seconds."""

    async def main() -> _Ear:
        async with stream_gateway() as server:
            pass
        ear = _Ear()
        async with _feed(server, ear):
            await until(lambda: len(ear.slept) >= 6)
        return ear

    ear = asyncio.run(main())
    assert ear.slept[:6] == [1.0, 2.0, 5.0, 10.0, 10.0, 10.0]
    assert FeedState.LIVE not in ear.states


def test_a_wrong_key_never_goes_live_and_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    """The reason is the gateway's, without the key, even when the gateway repeats it."""
    caplog.set_level(logging.DEBUG)
    texts: list[str] = []

    async def scenario(server: StreamGateway, ear: _Ear) -> None:
        server.takes_key = False
        async with _feed(server, ear) as feed:
            await until(lambda: len(ear.slept) >= 2)
            texts.append(repr(feed) + repr(feed._key))

    ear = _run(scenario)
    assert FeedState.LIVE not in ear.states
    assert any("AUTHENTICATION_ERROR" in reason for reason in ear.reasons)
    assert not any(KEY in text for text in (*ear.reasons, *texts, caplog.text))


def test_a_mute_gateway_is_given_up() -> None:
    """Connected and silent to the key: the connection is rebuilt."""

    async def scenario(server: StreamGateway, ear: _Ear) -> None:
        server.mute = True
        async with _feed(server, ear, answer_s=0.05) as feed:
            await until(lambda: server.connections >= 2)
            server.mute = False
            await until(lambda: feed.state is FeedState.LIVE)

    assert "the gateway does not answer" in _run(scenario).reasons


def test_a_live_connection_that_answers_no_ping_is_given_up() -> None:
    """A dead peer behind an open socket is found by its silence."""

    async def scenario(server: StreamGateway, ear: _Ear) -> None:
        async with _feed(server, ear, answer_s=0.05, ping_s=0.01) as feed:
            await until(lambda: len(server.actions("ping")) >= 3)
            assert feed.state is FeedState.LIVE
            assert server.connections == 1
            server.answers_pings = False
            await until(lambda: server.connections >= 2)

    assert "the gateway does not answer" in _run(scenario).reasons


def test_rubbish_does_no_harm() -> None:
    """Unreadable messages and complaints are passed over; the next tick arrives."""

    async def scenario(server: StreamGateway, ear: _Ear) -> None:
        async with _feed(server, ear) as feed:
            await feed.watch([A])
            await until(lambda: feed.state is FeedState.LIVE)
            for rubbish in ("", "[]", '{"type":', {"type": "market_data"}, _tick(A, ltp=0)):
                await server.push(rubbish)
            await server.push({"status": "error", "code": "PROCESSING_ERROR", "message": "x"})
            await server.push(_tick(A))
            await until(lambda: ear.ticks)
            assert server.connections == 1

    assert len(_run(scenario).ticks) == 1


def test_a_lost_session_is_a_lost_connection() -> None:
    """The gateway no longer knows us: the key is shown again."""

    async def scenario(server: StreamGateway, ear: _Ear) -> None:
        async with _feed(server, ear) as feed:
            await until(lambda: feed.state is FeedState.LIVE)
            await server.push({"status": "error", "code": "NOT_AUTHENTICATED", "message": "x"})
            await until(lambda: server.connections == 2)

    _run(scenario)


def test_a_symbol_that_the_answer_leaves_out_is_refused() -> None:
    """No word on it is no subscription."""

    async def scenario(server: StreamGateway, ear: _Ear) -> None:
        server.forget = {B}
        async with _feed(server, ear) as feed:
            await feed.watch([A, B])
            await until(lambda: feed.state is FeedState.LIVE)
            assert list(feed.refused) == [B]

    _run(scenario)


def test_a_callback_that_fails_ends_the_feed() -> None:
    """Our own bug is not swallowed: whoever runs the feed sees it."""

    async def main() -> None:
        async with stream_gateway() as server:

            def fail(tick: Tick) -> None:
                raise RuntimeError(f"bug at {tick.symbol}")

            feed = Feed(
                server.url,
                KEY,
                on_tick=fail,
                on_order=lambda push: None,
                on_state=lambda state, reason: None,
            )
            await feed.watch([A])
            running = asyncio.create_task(feed.run())
            await until(lambda: feed.state is FeedState.LIVE)
            await server.push(_tick(A))
            with pytest.raises(RuntimeError, match="bug at"):
                await running
            assert feed.state is FeedState.CLOSED

    asyncio.run(main())


def test_closing_while_it_waits_is_quick() -> None:
    """A feed that waits for its next try does not make anybody wait."""

    async def main() -> None:
        async with stream_gateway() as server:
            pass
        feed = Feed(
            server.url, KEY, on_tick=lambda tick: None, on_order=lambda push: None,
            on_state=lambda state, reason: None,
        )  # fmt: skip
        running = asyncio.create_task(feed.run())
        await until(lambda: feed.state is FeedState.DOWN)
        await feed.close()
        await asyncio.wait_for(running, 0.5)

    asyncio.run(main())
