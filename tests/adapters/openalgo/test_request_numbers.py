"""Requests are numbered, and a later client of the day goes on where an earlier one ended."""

from __future__ import annotations

import asyncio

from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient
from baseline_v1_live.adapters.openalgo.transport import Exchanged
from tests.adapters.openalgo.client_desk import PONG
from tests.adapters.openalgo.gateway import KEY, gateway


def test_numbers_go_on_from_the_first_that_is_given() -> None:
    """From 1 unless told; whoever knows the highest number of before gives the one after it."""
    numbers: list[int] = []

    def observe(exchanged: Exchanged) -> None:
        numbers.append(exchanged.request_id)

    async def main() -> None:
        async with gateway() as server:
            server.say("ping", PONG)
            earlier = OpenAlgoClient(server.url, KEY, observer=observe)
            later = OpenAlgoClient(server.url, KEY, observer=observe, first_request_id=3)
            for client in (earlier, later):
                await client.ping()
                await client.ping()
                await client.close()

    asyncio.run(main())
    assert numbers == [1, 2, 3, 4]
