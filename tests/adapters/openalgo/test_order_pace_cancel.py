"""A cancellation does not queue behind what opens, and nothing else in the client holds it up."""

from __future__ import annotations

import asyncio

import msgspec

from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient
from baseline_v1_live.adapters.openalgo.limiter import OrderLimiter
from baseline_v1_live.adapters.openalgo.wire.outcomes import Accepted
from baseline_v1_live.core.messages import Purpose, Side
from tests.adapters.openalgo.client_desk import CANCEL, OK, PLACE
from tests.adapters.openalgo.gateway import KEY, gateway

ENTRY = msgspec.structs.replace(PLACE, side=Side.SELL, purpose=Purpose.ENTRY)


def slept_for_cancels(entries: int, cancels: int) -> list[float]:
    """How long the client wanted to sleep, of whatever kind, while it carried out ``cancels`` after so
    many entries: seconds of each pause. Time stands still between them.
    """
    slept: list[float] = []
    now = [0]

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += round(seconds * 1000)
        await asyncio.sleep(0)

    async def main() -> None:
        limiter = OrderLimiter(now_ms=lambda: now[0], sleep=sleep)
        async with (
            gateway() as server,
            OpenAlgoClient(server.url, KEY, limiter=limiter, sleep=sleep) as client,
        ):
            for path in ("placeorder", "cancelorder"):
                server.say(path, (200, {**OK, "orderid": "7"}))
            for _ in range(entries):
                assert isinstance(await client.place(ENTRY), Accepted)
            slept.clear()
            for _ in range(cancels):
                assert isinstance(await client.cancel(CANCEL), Accepted)

    asyncio.run(main())
    return slept


def test_a_cancel_leaves_at_once() -> None:
    """On an idle client neither the limiter nor anything else waits."""
    assert slept_for_cancels(entries=0, cancels=1) == []


def test_a_cancel_leaves_at_once_when_entries_have_used_up_their_share() -> None:
    """Eight entries have left in this second: the two messages kept from entries are there for it."""
    assert slept_for_cancels(entries=8, cancels=2) == []


def test_only_the_exchanges_own_limit_holds_a_cancel() -> None:
    """The eleventh message of a second waits until the first is a second old, and no longer."""
    assert sum(slept_for_cancels(entries=8, cancels=3)) == 1.0
