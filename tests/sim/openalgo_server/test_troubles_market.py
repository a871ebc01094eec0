"""Troubles of the books, the stream and the market on real sockets, by their names in the catalogue."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.sim.openalgo_server.gateway import KEY, Gateway, at, play


async def stop(gateway: Gateway, above: float = 10.0) -> str:
    """A protective stop over the last price."""
    trigger = round((await gateway.quote())["ltp"] + above)
    return await gateway.placed("BUY", pricetype="SL", trigger_price=trigger, price=trigger + 1)


# ------------------------------------------------------------ books


def test_an_empty_position_book_is_empty_look_after_look() -> None:
    """The short is at the exchange all the time, and the other books show it."""

    async def story(gateway: Gateway) -> None:
        await gateway.placed()
        await gateway.sim("fault", name="positions_empty", seconds=60)
        looks = [(await gateway.ok("positionbook"))["data"] for _ in range(3)]

        assert looks == [[], [], []]
        assert (await gateway.ok("tradebook"))["data"]
        assert (await gateway.sim("books"))["positions"][0]["net_quantity"] == -gateway.lot

    play(story)


def test_a_status_leaks_into_another_row_for_one_look() -> None:
    """A waiting stop shows the status of the entry before it, and its own at the next look."""

    async def story(gateway: Gateway) -> None:
        await gateway.placed()
        orderid = await stop(gateway)
        await gateway.sim("fault", name="status_leaks")
        shown = []
        for _ in range(2):
            rows = (await gateway.ok("orderbook"))["data"]["orders"]
            shown.append(next(r["order_status"] for r in rows if r["orderid"] == orderid))

        assert shown == ["complete", "trigger pending"]

    play(story)


def test_a_complete_row_can_have_no_trade() -> None:
    """The row says complete as often as it is read; trade book and exchange know of no fill."""

    async def story(gateway: Gateway) -> None:
        orderid = await stop(gateway)
        await gateway.sim("fault", name="complete_untraded")
        for _ in range(2):
            (row,) = (await gateway.ok("orderbook"))["data"]["orders"]
            assert (row["order_status"], row["filled_quantity"]) == ("complete", 0)
        assert (await gateway.ok("tradebook"))["data"] == []
        assert (await gateway.status(orderid))["order_status"] == "trigger pending"

    play(story)


def test_young_trades_come_late_into_the_trade_book() -> None:
    """A trade of just now is missing, and there some seconds later."""

    async def story(gateway: Gateway) -> None:
        await gateway.placed()
        await gateway.advance(9, 31)
        await gateway.sim("fault", name="trades_late")
        await gateway.placed()
        young = (await gateway.ok("tradebook"))["data"]
        await gateway.advance(9, 32)

        assert len(young) == 1
        assert len((await gateway.ok("tradebook"))["data"]) == 2

    play(story)


# ------------------------------------------------------------ the stream and the market


async def listener(gateway: Gateway) -> aiohttp.ClientWebSocketResponse:
    """A client that gets order updates and prices with depth of one option."""
    socket = await gateway.http.ws_connect(gateway.server.ws_url)
    for message in (
        {"action": "authenticate", "api_key": KEY},
        {"action": "subscribe_orders"},
        {"action": "subscribe", "symbol": gateway.call, "exchange": "NFO", "mode": 3},
    ):
        await socket.send_json(message)
        await socket.receive_json()
    return socket


async def heard(socket: aiohttp.ClientWebSocketResponse, kind: str) -> list[Any]:
    """The messages of a kind that have come up to a pong."""
    await socket.send_json({"action": "ping"})
    messages = []
    while (message := await socket.receive_json())["type"] != "pong":
        messages.append(message)
    return [message for message in messages if message["type"] == kind]


@pytest.mark.parametrize(("name", "copies"), [("updates_lost", 0), ("updates_twice", 2)])
def test_order_updates_are_lost_or_doubled(name: str, copies: int) -> None:
    """One fill, and none or two updates of it in the end."""

    async def story(gateway: Gateway) -> None:
        socket = await listener(gateway)
        await gateway.sim("fault", name=name)
        await gateway.placed()
        updates = await heard(socket, "order_update")
        while len(updates) < copies:
            await asyncio.sleep(0.02)
            updates += await heard(socket, "order_update")

        assert len(updates) == copies

    play(story, speed=60, open_at=None, start_ms=at(9, 30))


@pytest.mark.parametrize("name", ["stream_silent", "token_dead"])
def test_a_silent_stream_tells_of_no_order_either(name: str) -> None:
    """It is connected and answers a ping, and that is all."""

    async def story(gateway: Gateway) -> None:
        socket = await listener(gateway)
        await gateway.sim("fault", name=name)
        gateway.server.venue.place(_sale(gateway))
        updates = await heard(socket, "order_update")
        updates += await heard(socket, "market_data")

        assert updates == []

    play(story, speed=60, open_at=None, start_ms=at(9, 30))


def _sale(gateway: Gateway) -> dict[str, Any]:
    return {
        "strategy": "baseline", "symbol": gateway.call, "exchange": "NFO", "action": "SELL",
        "quantity": gateway.lot, "pricetype": "MARKET", "product": "MIS", "price": 0.0,
        "trigger_price": 0.0,
    }  # fmt: skip


def test_the_symbol_that_stalls_is_one_that_matters() -> None:
    """Where something works or is held, its prices stop, and those of no other symbol."""

    async def story(gateway: Gateway) -> None:
        socket = await gateway.http.ws_connect(gateway.server.ws_url)
        for message in (
            {"action": "authenticate", "api_key": KEY},
            {"action": "subscribe", "symbol": gateway.call, "exchange": "NFO", "mode": 3},
            {"action": "subscribe", "symbol": gateway.put, "exchange": "NFO", "mode": 3},
        ):
            await socket.send_json(message)
            await socket.receive_json()
        await gateway.placed()
        await gateway.sim("fault", name="symbol_stalled")
        await heard(socket, "market_data")
        seen: set[str] = set()
        for _ in range(300):
            await asyncio.sleep(0.02)
            seen |= {message["symbol"] for message in await heard(socket, "market_data")}
            if seen:
                break

        assert seen == {gateway.put}

    play(story, speed=60, open_at=None, start_ms=at(9, 30))


def test_an_option_is_shown_at_the_level_of_the_index() -> None:
    """On the stream and in a quote; the exchange goes on trading at its own price."""

    async def story(gateway: Gateway) -> None:
        socket = await listener(gateway)
        await gateway.sim("fault", name="index_on_option")
        await gateway.advance(9, 32)
        index = gateway.server.venue.market.index_paise / 100
        shown = {message["data"]["ltp"] for message in await heard(socket, "market_data")}

        assert (await gateway.quote())["ltp"] == index
        assert min(shown) > 10 * gateway.server.venue.market.by_symbol[gateway.call].ltp / 100
        await gateway.placed()
        assert (await gateway.sim("books"))["trades"][0]["filled_value_paise"] < index * 100

    play(story)


def test_prices_can_lack_their_quotes_and_depth_be_refused() -> None:
    """A price without bid and ask is still a price; a refused subscription says so."""

    async def story(gateway: Gateway) -> None:
        socket = await listener(gateway)
        await gateway.sim("fault", name="no_quotes")
        await gateway.advance(9, 32)
        messages = await heard(socket, "market_data")
        await gateway.sim("fault", name="depth_refused")
        again = {"action": "subscribe", "symbol": gateway.put, "exchange": "NFO", "mode": 3}
        await socket.send_json(again)
        refusal = await socket.receive_json()

        assert messages
        for message in messages:
            assert message["data"]["ltp"] > 0
            assert {level["price"] for level in message["data"]["depth"]["buy"]} == {0}
        assert refusal["subscriptions"][0]["status"] == "error"

    play(story)


def test_a_gap_leaves_the_stop_behind() -> None:
    """The price leaps over trigger and limit, so the stop triggers and rests unfilled."""

    async def story(gateway: Gateway) -> None:
        await gateway.placed()
        orderid = await stop(gateway)
        limit = (await gateway.status(orderid))["price"]
        told = await gateway.sim("fault", name="gap_over_stop")
        await gateway.advance(9, 32)

        assert told["fault"]["struck"]
        assert (await gateway.quote())["ltp"] > limit
        assert (await gateway.status(orderid))["order_status"] == "open"

    play(story)


def test_a_stop_can_be_thrown_out_when_it_triggers() -> None:
    """It was accepted, it triggers, and then it is rejected without a fill."""

    async def story(gateway: Gateway) -> None:
        await gateway.placed()
        orderid = await stop(gateway)
        await gateway.sim("fault", name="stop_rejected_at_trigger")
        await gateway.sim("fault", name="gap_over_stop")
        await gateway.advance(9, 32)
        row = await gateway.status(orderid)

        assert (row["order_status"], row["filled_quantity"]) == ("rejected", 0)

    play(story)


def test_a_halt_stops_every_price() -> None:
    """Time passes and nothing trades; afterwards prices move again."""

    async def story(gateway: Gateway) -> None:
        await gateway.sim("fault", name="halt")
        before = gateway.server.venue.market.by_symbol[gateway.call].at_ms
        await gateway.advance(9, 40)
        still = gateway.server.venue.market.by_symbol[gateway.call].at_ms
        await gateway.sim("fault", name="none")
        await gateway.advance(9, 50)

        assert still == before
        assert gateway.server.venue.market.by_symbol[gateway.call].at_ms > before

    play(story)


def test_an_order_in_a_halt_waits_for_the_market() -> None:
    """At a gateway that fills market orders at once, too: it rests, and fills when trade goes on."""

    async def story(gateway: Gateway) -> None:
        await gateway.sim("fault", name="halt")
        orderid = await gateway.placed()
        halted = (await gateway.status(orderid))["order_status"]
        await gateway.sim("fault", name="none")
        await gateway.advance(9, 35)

        assert halted == "open"
        assert (await gateway.status(orderid))["order_status"] == "complete"

    play(story)


def test_the_broker_cancels_first_and_closes_later() -> None:
    """At first the stop is gone and the position is there; then that is closed, too."""

    async def story(gateway: Gateway) -> None:
        await gateway.placed()
        orderid = await stop(gateway)
        await gateway.sim("fault", name="broker_sweep")
        first = (await gateway.sim("books"))["positions"][0]["net_quantity"]
        status = (await gateway.status(orderid))["order_status"]
        for _ in range(300):
            await asyncio.sleep(0.02)
            last = (await gateway.sim("books"))["positions"][0]["net_quantity"]
            if last == 0:
                break

        assert (first, status) == (-gateway.lot, "cancelled")
        assert last == 0

    play(story, speed=60, open_at=None, start_ms=at(9, 30))


def test_hands_strike_only_what_is_there() -> None:
    """Without a position there is nothing to close by hand, with one there is."""

    async def story(gateway: Gateway) -> None:
        nothing = (await gateway.sim("fault", name="closed_by_hand"))["fault"]
        await gateway.placed()
        something = (await gateway.sim("fault", name="closed_by_hand"))["fault"]

        assert not nothing["struck"]
        assert nothing["message"]
        assert something["struck"]
        assert (await gateway.sim("books"))["positions"][0]["net_quantity"] == 0

    play(story)
