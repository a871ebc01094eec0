"""Troubles of the catalogue on real sockets: what a client of a troubled gateway sees, and the truth."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from baseline_v1_live.sim.fault_catalogue import BY_NAME, TROUBLES, Place
from tests.sim.openalgo_server.gateway import KEY, Gateway, at, play

PATIENCE = aiohttp.ClientTimeout(total=0.4)


async def booked(gateway: Gateway) -> int:
    """How many orders the exchange has, whatever a reply said."""
    return len((await gateway.sim("books"))["orders"])


async def sell(gateway: Gateway) -> tuple[int, str]:
    """Sell one lot; status and text of what comes back."""
    body = {
        "apikey": KEY, "strategy": "s", "exchange": "NFO", "symbol": gateway.call,
        "action": "SELL", "quantity": gateway.lot,
    }  # fmt: skip
    url = f"{gateway.server.url}/api/v1/placeorder"
    async with gateway.http.post(url, json=body, timeout=PATIENCE) as reply:
        return reply.status, await reply.text()


@pytest.mark.parametrize("name", [t.name for t in TROUBLES if t.place is Place.GATEWAY])
def test_every_trouble_outside_the_bot_can_be_ordered(name: str) -> None:
    """The server takes each by its name in the catalogue, and says what it has made of it."""

    async def story(gateway: Gateway) -> None:
        await gateway.placed()
        told = await gateway.sim("fault", name=name, chance=0.5, seconds=60)

        assert told["status"] == "success"
        assert told["fault"]["name"] == name
        assert "struck" in told["fault"] or told["fault"]["seconds"] == 60

    play(story)


@pytest.mark.parametrize("name", [t.name for t in TROUBLES if t.place is Place.BOT])
def test_troubles_of_the_bots_own_machine_are_refused(name: str) -> None:
    """One line says what is wrong and where such a fault is tried."""

    async def story(gateway: Gateway) -> None:
        told = await gateway.sim("fault", name=name)

        assert told["status"] == "error"
        assert f"simulate --faults {name}" in told["message"]
        assert "\n" not in told["message"]

    play(story)


@pytest.mark.parametrize(
    "order",
    [
        {"name": "refused", "chance": 2},
        {"name": "refused", "chance": "often"},
        {"name": "refused", "seconds": 0},
        {"name": "refused", "count": 0},
        {"name": "sunshine"},
        {},
    ],
)
def test_impossible_orders_are_refused(order: dict[str, Any]) -> None:
    """Unknown names and numbers that mean nothing change nothing."""

    async def story(gateway: Gateway) -> None:
        assert (await gateway.sim("fault", **order))["status"] == "error"
        assert (await sell(gateway))[0] == 200

    play(story)


def test_the_server_lists_what_it_can_do_and_what_is_on() -> None:
    """The two lists together are the catalogue; what was ordered and what struck is there, too."""

    async def story(gateway: Gateway) -> None:
        await gateway.sim("fault", name="refused", count=2)
        await sell(gateway)
        async with gateway.http.get(f"{gateway.server.url}/sim/fault") as reply:
            told = await reply.json()

        names = {row["name"] for row in told["faults"]}
        assert names | set(told["elsewhere"]) == BY_NAME.keys()
        assert not names & set(told["elsewhere"])
        assert told["running"] == [{"name": "refused", "chance": 1.0, "count": 1}]
        assert told["fired"] == {"refused": 1}
        assert "drop_reply_after_accept" in told["next_calls"]

    play(story)


@pytest.mark.parametrize(
    ("name", "statuses"),
    [
        ("refused", {400}),
        ("margin_short", {400}),
        ("orders_forbidden", {403}),
        ("login_over", {403}),
        ("rate_limited", {429}),
        ("token_dead", {200, 401, 500}),
    ],
)
def test_a_refused_order_is_in_no_book(name: str, statuses: set[int]) -> None:
    """The client gets a definite no with its status, and the exchange never saw the order."""

    async def story(gateway: Gateway) -> None:
        await gateway.sim("fault", name=name)
        status, text = await sell(gateway)

        assert status in statuses
        assert "orderid" not in text
        assert await booked(gateway) == 0
        await gateway.sim("fault", name=name, chance=0)
        assert (await sell(gateway))[0] == 200

    play(story)


def test_a_stop_is_refused_where_an_entry_is_not() -> None:
    """Only what protects is struck."""

    async def story(gateway: Gateway) -> None:
        await gateway.sim("fault", name="stop_refused")
        await gateway.placed()
        trigger = round((await gateway.quote())["ltp"] + 10)
        status, _ = await gateway.order(
            "BUY", pricetype="SL", trigger_price=trigger, price=trigger + 1
        )

        assert (status, await booked(gateway)) == (400, 1)

    play(story)


@pytest.mark.parametrize(
    ("name", "carried_out"),
    [("answer_lost", True), ("request_lost", False), ("gateway_down", False)],
)
def test_what_the_wire_loses_looks_the_same_to_the_client(name: str, *, carried_out: bool) -> None:
    """A broken connection or none at all: only the books know whether the order is there."""

    async def story(gateway: Gateway) -> None:
        await gateway.sim("fault", name=name)
        with pytest.raises((aiohttp.ClientConnectionError, TimeoutError)):
            await sell(gateway)

        assert await booked(gateway) == carried_out

    play(story)


def test_a_late_acceptance_comes_after_the_client_has_given_up() -> None:
    """The order is not there when the client gives up, and there later."""

    async def story(gateway: Gateway) -> None:
        await gateway.sim("fault", name="acceptance_late", count=1)
        await gateway.sim("pause")  # so that seconds are real ones at first
        with pytest.raises(TimeoutError):
            await sell(gateway)
        before = await booked(gateway)
        await gateway.sim("resume")
        for _ in range(300):
            await asyncio.sleep(0.02)
            if await booked(gateway):
                break

        assert (before, await booked(gateway)) == (0, 1)

    play(story, speed=200, open_at=None, start_ms=at(9, 30))


def test_a_gateway_that_is_down_ends_its_streams_and_takes_none() -> None:
    """Who is connected loses the connection, who comes is turned away, the control stays."""

    async def story(gateway: Gateway) -> None:
        async with gateway.http.ws_connect(gateway.server.ws_url) as socket:
            await gateway.sim("fault", name="gateway_down")
            end = await asyncio.wait_for(socket.receive(), 2)
        with pytest.raises(aiohttp.ClientError):
            await gateway.http.ws_connect(gateway.server.ws_url)
        await gateway.sim("fault", name="none")
        async with gateway.http.ws_connect(gateway.server.ws_url) as socket:
            await socket.send_json({"action": "ping"})
            assert (await socket.receive_json())["type"] == "pong"

        assert end.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)

    play(story)


def test_a_chance_is_the_same_story_for_the_same_seed() -> None:
    """Half of the calls are struck, and the same ones in every run."""

    def struck() -> list[int]:
        seen: list[int] = []

        async def story(gateway: Gateway) -> None:
            await gateway.sim("fault", name="refused", chance=0.5)
            seen.extend([(await sell(gateway))[0] for _ in range(20)])

        play(story, seed=5)
        return seen

    first = struck()

    assert set(first) == {200, 400}
    assert struck() == first


def test_a_trouble_ends_after_its_seconds_or_its_count() -> None:
    """Whichever was given."""

    async def story(gateway: Gateway) -> None:
        await gateway.sim("fault", name="refused", count=2)
        by_count = [(await sell(gateway))[0] for _ in range(3)]
        await gateway.sim("fault", name="refused", seconds=0.2)
        by_time = [(await sell(gateway))[0]]
        await asyncio.sleep(0.25)
        by_time.append((await sell(gateway))[0])

        assert by_count == [400, 400, 200]
        assert by_time == [400, 200]

    play(story)


def test_a_cut_answer_is_no_json_and_the_order_is_there() -> None:
    """Half of an answer can be read by nobody."""

    async def story(gateway: Gateway) -> None:
        await gateway.sim("fault", name="cut_json")
        _, text = await sell(gateway)
        with pytest.raises(json.JSONDecodeError):
            json.loads(text)

        assert await booked(gateway) == 1

    play(story)
