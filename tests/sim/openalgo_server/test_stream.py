"""The WebSocket conversation, message by message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.sim.openalgo_server.gateway import KEY, Gateway, at, play


class Ear:
    """One socket that sends requests and hears the next message."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def say(self, **message: Any) -> Any:
        await self.socket.send_json(message)
        return await self.next()

    async def next(self) -> Any:
        return await asyncio.wait_for(self.socket.receive_json(), 2)

    async def waiting(self) -> list[Any]:
        """What has been sent so far: everything before the answer to a ping."""
        await self.socket.send_json({"action": "ping"})
        heard = []
        while (message := await self.next()).get("type") != "pong":
            heard.append(message)
        return heard


@asynccontextmanager
async def ear(gateway: Gateway, key: str | None = KEY) -> AsyncIterator[Ear]:
    async with gateway.http.ws_connect(gateway.server.ws_url) as socket:
        listener = Ear(socket)
        if key is not None:
            assert (await listener.say(action="authenticate", api_key=key))["type"] == "auth"
        yield listener


def test_authentication_comes_first() -> None:
    """Ping works before; everything else is an error frame without a type until the key is right."""

    async def story(gateway: Gateway) -> None:
        async with ear(gateway, None) as client:
            pong = await client.say(action="ping", timestamp=1)
            early = await client.say(action="subscribe", symbols=[], mode=1)
            bad = await client.say(action="authenticate", api_key="bad")
            good = await client.say(type="auth", apikey=KEY)
            await client.socket.send_str("{")
            broken = await client.next()
            unknown = await client.say(action="dance")

        assert pong.keys() == {"type", "status", "server_timestamp", "client_timestamp"}
        assert early == {
            "status": "error", "code": "NOT_AUTHENTICATED", "message": "You must authenticate first",
        }  # fmt: skip
        assert (bad["code"], "type" in bad) == ("AUTHENTICATION_ERROR", False)
        assert good == {
            "type": "auth", "status": "success", "message": "Authentication successful",
            "broker": "simbroker", "user_id": "trader",
            "supported_features": {"ltp": True, "quote": True, "depth": True},
        }  # fmt: skip
        assert (broken["code"], unknown["code"]) == ("INVALID_JSON", "INVALID_ACTION")

    play(story)


def test_a_stranger_is_closed() -> None:
    """A socket that does not authenticate in time is closed with 4401."""

    async def story(gateway: Gateway) -> None:
        async with gateway.http.ws_connect(gateway.server.ws_url) as socket:
            closing = await asyncio.wait_for(socket.receive(), 2)

        assert (closing.type, closing.data) == (aiohttp.WSMsgType.CLOSE, 4401)
        assert closing.extra == "auth timeout"

    play(story, auth_timeout_s=0.05)


def test_subscriptions_are_answered_symbol_by_symbol() -> None:
    """Unknown symbols make the answer partial; the request id comes back."""

    async def story(gateway: Gateway) -> None:
        one = {"symbol": gateway.call, "exchange": "NFO"}
        async with ear(gateway) as client:
            reply = await client.say(
                action="subscribe", symbols=[one, one | {"symbol": "X"}], mode="quote",
                request_id="r1",
            )  # fmt: skip
            nothing = await client.say(action="subscribe", instruments=[one], mode=1)
            mode = await client.say(action="subscribe", symbols=[one], mode=9)
            left = await client.say(
                action="unsubscribe", symbols=[one | {"mode": 2}, one | {"mode": 3}]
            )

        assert reply == {
            "type": "subscribe", "status": "partial", "broker": "simbroker", "request_id": "r1",
            "message": "Subscription processing complete",
            "subscriptions": [
                one | {"status": "success", "mode": "Quote", "depth": 5, "broker": "simbroker"},
                {"symbol": "X", "exchange": "NFO", "status": "error", "broker": "simbroker",
                 "message": "Symbol X not found for exchange NFO"},
            ],
        }  # fmt: skip
        assert (nothing["code"], mode["code"]) == ("INVALID_PARAMETERS", "INVALID_MODE")
        assert left["type"] == "unsubscribe"
        assert (len(left["successful"]), len(left["failed"])) == (1, 1)

    play(story)


def test_market_data_has_the_fields_of_its_mode() -> None:
    """A quote has no bid and ask, depth has five levels; no snapshot comes on subscribing."""

    async def story(gateway: Gateway) -> None:
        one = [{"symbol": gateway.call, "exchange": "NFO"}]
        last = {"symbol", "exchange", "mode", "ltp", "ltt", "timestamp"}
        quote = last | {
            "volume", "last_quantity", "average_price", "total_buy_quantity",
            "total_sell_quantity", "open", "high", "low", "close", "oi", "open_interest",
        }  # fmt: skip
        for mode, keys in ((1, last), (2, quote), (3, quote | {"depth"})):
            async with ear(gateway) as client:
                await client.say(action="subscribe", symbols=one, mode=mode)
                assert await client.waiting() == []
                await gateway.server.advance_to(gateway.server.now_ms + 60_000)
                heard = await client.waiting()

            assert heard
            assert heard[-1].keys() == {"type", "symbol", "exchange", "mode", "data", "broker"}
            assert (heard[-1]["type"], heard[-1]["mode"]) == ("market_data", mode)
            assert heard[-1]["data"].keys() == keys
            assert heard[-1]["data"]["ltp"] == (await gateway.quote())["ltp"]
        sides = heard[-1]["data"]["depth"]
        assert [len(sides["buy"]), len(sides["sell"])] == [5, 5]
        assert sides["buy"][0].keys() == {"price", "quantity", "orders"}

    play(story)


def test_every_tick_is_sent_in_manual_stepping() -> None:
    """The index's messages are the tape's ticks, one by one, with the tape's stamps."""

    async def story(gateway: Gateway) -> None:
        day = gateway.server.venue.day
        async with ear(gateway) as client:
            await client.say(action="subscribe", symbol="NIFTY", exchange="NSE_INDEX", mode=1)
            await gateway.advance(9, 35)
            heard = await client.waiting()
        index = day.at_ms[day.symbol_index == 0]
        due = index[(index > at(9, 30)) & (index <= at(9, 35))]

        assert [message["data"]["timestamp"] for message in heard] == due.tolist()

    play(story)


def test_a_higher_mode_elsewhere_reaches_lower_ones() -> None:
    """An LTP client gets a second message with the quote's payload, tagged with its own mode."""

    async def story(gateway: Gateway) -> None:
        one = [{"symbol": gateway.call, "exchange": "NFO"}]
        async with ear(gateway) as low, ear(gateway) as high:
            await low.say(action="subscribe", symbols=one, mode=1)
            await high.say(action="subscribe", symbols=one, mode=2)
            await gateway.server.advance_to(gateway.server.now_ms + 60_000)
            got_low, got_high = await low.waiting(), await high.waiting()

        assert {message["mode"] for message in got_low} == {1}
        assert len(got_low) == 2 * len(got_high)
        assert {message["data"]["mode"] for message in got_low} == {"ltp", "quote"}

    play(story)


def test_order_updates_come_only_to_those_who_asked() -> None:
    """Placed, filled and cancelled orders are told with the sandbox's fields; changes are not."""

    async def story(gateway: Gateway) -> None:
        async with ear(gateway) as client, ear(gateway) as other:
            assert await client.say(action="subscribe_orders") == {
                "type": "subscribe_orders", "status": "success",
                "message": "Subscribed to order updates",
            }  # fmt: skip
            await gateway.placed()
            stop = await gateway.placed("BUY", pricetype="SL", trigger_price=800, price=810)
            await gateway.modify(stop, "BUY", trigger_price=810, price=820)
            await gateway.post("cancelorder", strategy="s", orderid=stop)
            heard = await client.waiting()
            assert await other.waiting() == []

        assert [message["order_status"] for message in heard] == [
            "open", "complete", "trigger pending", "cancelled",
        ]  # fmt: skip
        assert heard[1].keys() == {
            "type", "user_id", "mode", "broker", "orderid", "symbol", "exchange", "action",
            "quantity", "price", "trigger_price", "pricetype", "product", "order_status",
            "filled_quantity", "pending_quantity", "average_price", "rejection_reason",
        }  # fmt: skip
        assert heard[1]["price"] == heard[1]["average_price"] > 0
        assert (heard[0]["mode"], heard[0]["broker"]) == ("analyze", "sandbox")
        assert {message["pending_quantity"] for message in heard} == {0}

    play(story)


def test_a_running_clock_waits_for_its_first_client_and_conflates() -> None:
    """Time stands without a client; with one it runs, and a symbol's newest state is sent."""

    async def story(gateway: Gateway) -> None:
        server = gateway.server
        start = server.now_ms
        await asyncio.sleep(0.05)
        assert server.now_ms == start
        async with ear(gateway) as client:
            await client.say(action="subscribe", symbol="NIFTY", exchange="NSE_INDEX", mode=1)
            await asyncio.sleep(0.2)
            await gateway.sim("pause")
            heard = await client.waiting()
            played = server.now_ms - start
            state = await gateway.sim("clock")
            await asyncio.sleep(0.03)
            assert server.now_ms - start == played

        ticks = played / 1000 * 0.2  # what the tape has in that time, about
        assert 0 < len(heard) <= 15 < ticks
        assert (state["running"], state["speed"]) == (False, 6000)

    play(story, open_at=None, speed=6000, wait_for_client=True, start_ms=at(9, 20))
