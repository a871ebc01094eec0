"""Which order messages wait for their turn at the client, which give up, and which go on waiting."""

from __future__ import annotations

import asyncio

import msgspec

from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient
from baseline_v1_live.adapters.openalgo.limiter import Limits, OrderLimiter
from baseline_v1_live.adapters.openalgo.wire.outcomes import Accepted, NotSent, Outcome
from baseline_v1_live.core.messages import (
    CancelOrder,
    ModifyOrder,
    OrderType,
    PlaceOrder,
    Purpose,
    Side,
)
from tests.adapters.openalgo.client_desk import CANCEL, MODIFY, OK, PLACE
from tests.adapters.openalgo.gateway import KEY, gateway

ENTRY = msgspec.structs.replace(PLACE, side=Side.SELL, purpose=Purpose.ENTRY)
MOVED = msgspec.structs.replace(MODIFY, side=Side.SELL, purpose=Purpose.ENTRY)
CORRECTION = msgspec.structs.replace(MODIFY, side=Side.SELL, purpose=Purpose.CORRECTION)
CHASED = msgspec.structs.replace(
    MODIFY, order_type=OrderType.SL, trigger_price_paise=13_005, purpose=Purpose.STOP
)
RESIZED = msgspec.structs.replace(CHASED, quantity=650, resizes=True)


def sent(
    *commands: PlaceOrder | ModifyOrder | CancelOrder, per_minute: int, reserved: int
) -> tuple[list[type[Outcome]], int]:
    """What became of commands that are given one after the other, and how long that took (ms)."""
    now = [0]

    async def sleep(seconds: float) -> None:
        now[0] += round(seconds * 1000)
        await asyncio.sleep(0)

    async def main() -> list[type[Outcome]]:
        limits = Limits(per_minute=per_minute, reserved=reserved)
        limiter = OrderLimiter(limits, now_ms=lambda: now[0], sleep=sleep)
        async with gateway() as server, OpenAlgoClient(server.url, KEY, limiter=limiter) as client:
            for path in ("placeorder", "modifyorder", "cancelorder"):
                server.say(path, (200, {**OK, "orderid": "7"}))
            outcomes = [await send(client, command) for command in commands]
            assert len(server.asked) == outcomes.count(Accepted)
            return outcomes

    return asyncio.run(main()), now[0]


async def send(
    client: OpenAlgoClient, command: PlaceOrder | ModifyOrder | CancelOrder
) -> type[Outcome]:
    match command:
        case PlaceOrder():
            return type(await client.place(command))
        case ModifyOrder():
            return type(await client.modify(command))
    return type(await client.cancel(command))


def test_the_chase_of_a_correction_uses_the_share_of_exits() -> None:
    """It sells a long of our own back: it leaves where an entry, or a change of one, does not."""
    outcomes, _ = sent(ENTRY, ENTRY, ENTRY, MOVED, CORRECTION, per_minute=4, reserved=2)

    assert outcomes == [Accepted, Accepted, NotSent, NotSent, Accepted]


def test_a_chase_gives_up_after_a_second_and_leaves_room_for_the_exit() -> None:
    """A price of a second ago is worth nothing; what protects, closes or takes back still leaves."""
    outcomes, took_ms = sent(
        CHASED, CHASED, CHASED, CORRECTION, PLACE, RESIZED, CANCEL, per_minute=6, reserved=6
    )

    assert outcomes == [Accepted] * 3 + [NotSent] + [Accepted] * 3
    assert took_ms == 1_000


def test_what_protects_waits_as_long_as_it_takes() -> None:
    """With a minute's messages used up, a new stop leaves when the first of them is a minute old."""
    outcomes, took_ms = sent(CANCEL, RESIZED, PLACE, per_minute=2, reserved=1)

    assert outcomes == [Accepted] * 3
    assert 60_000 <= took_ms < 60_100
