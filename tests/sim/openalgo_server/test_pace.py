"""A fast clock: order updates in time, the clock with the tape, and a client that dies."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

from baseline_v1_live.sim.openalgo_server.clock import LAG_MAX_S
from tests.sim.openalgo_server.gateway import KEY, Gateway, at, play

SPEED = 300
LAG_MAX_MS = LAG_MAX_S * SPEED * 1000
_CLIENT = """
import asyncio, sys, aiohttp

async def run():
    async with aiohttp.ClientSession() as http, http.ws_connect(sys.argv[1]) as socket:
        await socket.send_json({"action": "authenticate", "api_key": sys.argv[2]})
        print(await socket.receive_str(), flush=True)
        await asyncio.sleep(60)

asyncio.run(run())
"""


def test_a_killed_client_stops_the_clock() -> None:
    """After SIGKILL simulated time stands at once, and goes on only with the next client."""

    async def story(gateway: Gateway) -> None:
        server, loop = gateway.server, asyncio.get_running_loop()
        client = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _CLIENT, server.ws_url, KEY, stdout=asyncio.subprocess.PIPE
        )
        assert client.stdout is not None
        assert b"Authentication successful" in await client.stdout.readline()
        assert server.clock.running
        client.send_signal(signal.SIGKILL)
        killed_s, killed_ms = loop.time(), server.now_ms
        while server.clock.running:
            assert loop.time() < killed_s + 5
            await asyncio.sleep(0.001)
        stood_ms = server.now_ms
        await client.wait()
        await asyncio.sleep(0.03)

        assert server.now_ms == stood_ms
        assert stood_ms - killed_ms <= (loop.time() - killed_s) * SPEED * 1000
        assert (await gateway.sim("clock"))["holds"] == ["waiting for a client"]
        async with gateway.http.ws_connect(server.ws_url):
            while not server.clock.running:
                await asyncio.sleep(0.001)

    play(story, open_at=None, speed=SPEED, wait_for_client=True, start_ms=at(9, 30))


def test_a_blocked_server_does_not_jump() -> None:
    """When the process has no time for the tape, the clock stops instead of running ahead."""

    async def story(gateway: Gateway) -> None:
        server = gateway.server
        before_ms = server.now_ms
        loop = asyncio.get_running_loop()
        blocked_until = loop.time() + 3 * LAG_MAX_S
        while loop.time() < blocked_until:
            pass  # a process that is busy with something else
        assert server.now_ms - before_ms <= LAG_MAX_MS
        state = await gateway.sim("clock")
        # The turn that is being played now, and what has passed since it began.
        assert state["now_ms"] - state["played_to_ms"] <= 2 * LAG_MAX_MS

    play(story, open_at=None, speed=SPEED, start_ms=at(9, 30))


def test_order_updates_do_not_wait_for_the_ticks_publication() -> None:
    """At high speed a fill of a resting order is told within a turn of the clock."""

    async def story(gateway: Gateway) -> None:
        server = gateway.server
        await gateway.sim("pause")
        quote = await gateway.quote()
        async with gateway.http.ws_connect(server.ws_url) as socket:
            await socket.send_json({"action": "authenticate", "api_key": KEY})
            await socket.send_json({"action": "subscribe_orders"})
            for _ in range(2):
                await socket.receive_json()
            stop = await gateway.placed(
                "BUY", pricetype="SL", trigger_price=round(quote["ltp"] + 0.5, 2),
                price=round(quote["ltp"] * 1.3 // 0.05 * 0.05, 2),
            )  # fmt: skip
            await gateway.sim("resume")
            while (heard := await told(socket)).get("order_status") != "complete":
                assert heard["orderid"] == stop
            now_ms = server.now_ms
        rows = (await gateway.sim("audit"))["rows"]
        filled_ms = next(row["at_ms"] for row in rows if row["kind"] == "fill")

        # Ticks alone would be up to 20 ms late; a loaded machine gets the lag limit on top.
        assert now_ms - filled_ms <= 2 * LAG_MAX_MS

    play(story, open_at=None, speed=SPEED, start_ms=at(9, 30))


async def told(socket: Any) -> dict[str, Any]:
    heard: dict[str, Any] = await asyncio.wait_for(socket.receive_json(), 30)
    return heard


def test_the_end_of_the_tape_is_said() -> None:
    """The clock's answer tells that nothing is left to play."""

    async def story(gateway: Gateway) -> None:
        assert (await gateway.sim("clock"))["over"] is False
        await gateway.advance(15, 41)
        assert (await gateway.sim("clock"))["over"] is True

    play(story)
