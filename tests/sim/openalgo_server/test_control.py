"""Faults, stalls and the control endpoint."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from baseline_v1_live.sim.openalgo_server.profiles import PROFILES, named_profile
from baseline_v1_live.sim.openalgo_server.run import run_server
from baseline_v1_live.sim.openalgo_server.server import OpenAlgoServer
from tests.sim.openalgo_server.gateway import KEY, Gateway, at, play, small_day


async def orders(gateway: Gateway) -> list[Any]:
    return list((await gateway.sim("books"))["orders"])


@pytest.mark.parametrize(
    ("name", "booked"), [("drop_reply_after_accept", 1), ("drop_before_accept", 0)]
)
def test_a_dropped_connection_leaves_the_outcome_open(name: str, booked: int) -> None:
    """The client sees the same broken connection whether the order was taken or not."""

    async def story(gateway: Gateway) -> None:
        await gateway.sim("fault", name=name)
        with pytest.raises(aiohttp.ClientConnectionError):
            await gateway.order()
        assert len(await orders(gateway)) == booked
        await gateway.placed()  # one fault, one call
        assert len(await orders(gateway)) == booked + 1

    play(story)


@pytest.mark.parametrize(
    ("fault", "status", "booked"),
    [
        ({"name": "http_500"}, 500, 0),
        ({"name": "http_500", "after": True}, 500, 1),
        ({"name": "html_reply"}, 502, 1),
        ({"name": "truncated_json"}, 200, 1),
        ({"name": "success_without_id"}, 200, 1),
        ({"name": "delay_reply_s", "seconds": 0.05}, 200, 1),
    ],
)
def test_spoilt_replies(fault: dict[str, Any], status: int, booked: int) -> None:
    """Each fault spoils one reply in its way, after the order was taken or before."""

    async def story(gateway: Gateway) -> None:
        await gateway.sim("fault", **fault)
        url = f"{gateway.server.url}/api/v1/placeorder"
        body = {
            "apikey": KEY, "strategy": "s", "exchange": "NFO", "symbol": gateway.call,
            "action": "SELL", "quantity": gateway.lot,
        }  # fmt: skip
        async with gateway.http.post(url, json=body) as reply:
            text = await reply.text()
            assert reply.status == status
        assert len(await orders(gateway)) == booked
        match fault["name"]:
            case "html_reply":
                assert text.startswith("<!doctype html>")
            case "truncated_json":
                with pytest.raises(json.JSONDecodeError):
                    json.loads(text)
            case "success_without_id":
                assert json.loads(text) == {"status": "success", "mode": "analyze"}
            case "delay_reply_s":
                assert json.loads(text)["orderid"]

    play(story)


def test_faults_choose_their_endpoint_and_count() -> None:
    """A fault for the order book leaves orders alone; unknown ones are refused."""

    async def story(gateway: Gateway) -> None:
        assert (await gateway.sim("fault", name="dance"))["status"] == "error"
        await gateway.sim("fault", name="http_500", endpoint="orderbook", count=2)
        await gateway.placed()
        replies = [(await gateway.post("orderbook"))[0] for _ in range(3)]

        assert replies == [500, 500, 200]

    play(story)


def test_the_stream_can_be_dropped_and_silenced() -> None:
    """A dropped stream ends the client's socket; a silent one sends no ticks."""

    async def story(gateway: Gateway) -> None:
        async with gateway.http.ws_connect(gateway.server.ws_url) as socket:
            await socket.send_json({"action": "ping"})
            await socket.receive_json()
            await gateway.sim("fault", name="drop_stream")
            end = await asyncio.wait_for(socket.receive(), 2)
        assert end.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
        await gateway.sim("fault", name="silent_stream", seconds=5)
        assert gateway.server.stream.silent

    play(story)


def test_the_docker_stall_blocks_the_reply_not_the_books() -> None:
    """The first order on a symbol answers late while the order book already shows it complete."""

    async def story(gateway: Gateway) -> None:
        first = asyncio.ensure_future(gateway.order())
        while not (book := (await gateway.ok("orderbook"))["data"]["orders"]):
            await asyncio.sleep(0)
        assert book[0]["order_status"] == "complete"
        assert not first.done()
        assert (await first)[0] == 200
        loop = asyncio.get_running_loop()
        start = loop.time()
        await gateway.placed()  # the same symbol again: no stall
        assert loop.time() - start < 0.1

    play(story, profile=replace(PROFILES["docker"], stall_s=0.15))


def test_the_control_endpoint_tells_the_truth() -> None:
    """Clock and books are the exchange's own, and stepping works over HTTP too."""

    async def story(gateway: Gateway) -> None:
        orderid = await gateway.placed()
        clock = await gateway.sim("advance", to_ms=at(9, 40))
        books = await gateway.sim("books")
        back = await gateway.sim("advance", to_ms=at(9, 35))

        assert (clock["now_ms"], clock["speed"], clock["running"]) == (at(9, 40), 0, False)
        assert clock["session"]["open_ms"] == at(9, 15)
        assert clock["session"]["close_ms"] == at(15, 40)
        assert books.keys() == {"orders", "trades", "positions"}
        assert books["orders"][0]["orderid"] == orderid
        assert books["positions"] == [{"symbol": gateway.call, "net_quantity": -gateway.lot}]
        assert back["status"] == "error"

    play(story)


def test_run_server_serves_until_it_is_told_to_stop() -> None:
    """The coroutine tells the real ports, and ends when the event is set."""

    async def story() -> None:
        stop, seen = asyncio.Event(), []

        def started(server: OpenAlgoServer) -> None:
            seen.append((server.port, server.ws_port))
            stop.set()

        await run_server(small_day(), stop=stop, started=started, port=0, ws_port=0)
        assert seen[0][0] > 0
        assert seen[0][0] != seen[0][1]

    asyncio.run(story())


def test_an_unknown_profile_is_named() -> None:
    """The error lists the profiles that there are."""
    with pytest.raises(ValueError, match="docker, threaded, zerodha"):
        named_profile("angel")
