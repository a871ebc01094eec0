"""Orders over HTTP: every ending has its outcome, every exchange is recorded, the key is seen nowhere."""

from __future__ import annotations

import asyncio
import logging
import socket
import traceback
from typing import Any

import msgspec
import pytest

from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient
from baseline_v1_live.adapters.openalgo.limiter import Limits, OrderLimiter
from baseline_v1_live.adapters.openalgo.transport import Exchanged
from baseline_v1_live.adapters.openalgo.wire.outcomes import (
    Accepted,
    NotSent,
    Outcome,
    Refused,
    Unknown,
)
from baseline_v1_live.adapters.openalgo.wire.values import Failure
from baseline_v1_live.core.messages import (
    Purpose,
    Side,
)
from tests.adapters.openalgo.client_desk import CANCEL, MODIFY, OK, PLACE, run
from tests.adapters.openalgo.gateway import (
    HANG,
    KEY,
    REDIRECT,
    RESET,
    TRUNCATED,
    Answer,
    Gateway,
    gateway,
)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((200, {**OK, "orderid": "7"}), Accepted),
        ((200, {**OK, "orderid": "7", "mode": "analyze"}), Accepted),
        ((400, {"status": "error", "message": "no"}), Refused),
        ((403, {"status": "error", "message": "Invalid openalgo apikey"}), Refused),
        ((429, {"message": "10 per 1 second"}), NotSent),
        ((500, {"status": "error", "message": "internal"}), Unknown),
        ((200, "<html>hello</html>"), Unknown),
        (REDIRECT, Unknown),
        ((200, OK), Unknown),
        (RESET, Unknown),
        (HANG, Unknown),
        (TRUNCATED, Unknown),
    ],
)
def test_every_ending_of_an_order_has_its_outcome(answer: Answer, expected: type) -> None:
    """Also those of the transport, and each order, change and cancellation is sent exactly once."""

    async def scenario(server: Gateway, client: OpenAlgoClient) -> list[Outcome]:
        for path in ("placeorder", "modifyorder", "cancelorder"):
            server.say(path, answer)
        results = [
            await client.place(PLACE),
            await client.modify(MODIFY),
            await client.cancel(CANCEL),
        ]
        assert [path for path, _ in server.asked] == ["placeorder", "modifyorder", "cancelorder"]
        return results

    # Order messages after a 429 wait for the limiter's hold; here they need not.
    async def impatient(server: Gateway, client: OpenAlgoClient) -> list[Outcome]:
        client.limiter.hold = lambda for_ms: None  # type: ignore[method-assign]
        return await scenario(server, client)

    assert [type(result) for result in run(impatient)] == [expected] * 3


def test_a_refused_connection_sent_nothing() -> None:
    """Nobody listens: the same order may be tried again."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"

    async def main() -> Outcome:
        async with OpenAlgoClient(url, KEY) as client:
            return await client.place(PLACE)

    assert isinstance(asyncio.run(main()), NotSent)


def test_the_body_has_the_key_and_the_order() -> None:
    """The key goes in the body, beside exactly the fields of the order."""

    async def scenario(server: Gateway, client: OpenAlgoClient) -> dict[str, Any]:
        server.say("placeorder", (200, {**OK, "orderid": "7"}))
        await client.place(PLACE)
        return server.bodies("placeorder")[0]

    body = run(scenario)
    assert body.pop("apikey") == KEY
    assert body["price"] == "133.10"
    assert body["trigger_price"] == "130.05"


def test_a_connection_is_kept() -> None:
    """Requests in a row share one connection."""

    async def scenario(server: Gateway, client: OpenAlgoClient) -> list[object]:
        server.say("placeorder", (200, {**OK, "orderid": "7"}))
        for _ in range(3):
            await client.place(PLACE)
        return server.peers

    peers = run(scenario)
    assert len(peers) == 3
    assert len(set(peers)) == 1


def test_an_entry_does_not_wait_for_its_turn() -> None:
    """Beyond its patience it is not sent; exits still are."""
    entry = msgspec.structs.replace(PLACE, side=Side.SELL, purpose=Purpose.ENTRY)

    async def main() -> tuple[Outcome, Outcome]:
        clock = [0]

        async def sleep(seconds: float) -> None:
            clock[0] += round(seconds * 1000)
            await asyncio.sleep(0)

        limits = Limits(per_minute=2, reserved=1)
        limiter = OrderLimiter(limits, now_ms=lambda: clock[0], sleep=sleep)
        async with gateway() as server, OpenAlgoClient(server.url, KEY, limiter=limiter) as client:
            server.say("placeorder", (200, {**OK, "orderid": "7"}))
            await client.place(entry)
            return await client.place(entry), await client.place(PLACE)

    held, protected = asyncio.run(main())
    assert isinstance(held, NotSent)
    assert isinstance(protected, Accepted)


def test_a_command_that_makes_no_order_is_not_sent() -> None:
    """It never reaches the gateway."""

    async def scenario(server: Gateway, client: OpenAlgoClient) -> tuple[Outcome, int]:
        broken = msgspec.structs.replace(PLACE, quantity=0)
        return await client.place(broken), len(server.asked)

    result, asked = run(scenario)
    assert isinstance(result, NotSent)
    assert asked == 0


def test_orders_pass_the_limiter_and_a_429_holds_it() -> None:
    """The next order waits until the gateway has forgotten."""
    now = [0]

    async def sleep(seconds: float) -> None:
        now[0] += round(seconds * 1000)
        await asyncio.sleep(0)

    async def main() -> None:
        limiter = OrderLimiter(Limits(), now_ms=lambda: now[0], sleep=sleep)
        async with gateway() as server, OpenAlgoClient(server.url, KEY, limiter=limiter) as client:
            server.say(
                "placeorder", (429, {"message": "10 per 1 second"}), (200, {**OK, "orderid": "7"})
            )
            assert isinstance(await client.place(PLACE), NotSent)
            assert now[0] == 0
            assert isinstance(await client.place(PLACE), Accepted)

    asyncio.run(main())
    assert now[0] == 1_000


def test_every_exchange_is_recorded() -> None:
    """Path, bodies, status and failure; an observer that fails changes no answer."""
    seen: list[Exchanged] = []

    def observe(exchanged: Exchanged) -> None:
        seen.append(exchanged)
        raise RuntimeError("disk full")

    async def scenario(server: Gateway, client: OpenAlgoClient) -> Outcome:
        server.say("placeorder", (200, {**OK, "orderid": "7"}))
        server.say("cancelorder", HANG)
        assert isinstance(await client.cancel(CANCEL), Unknown)
        return await client.place(PLACE)

    assert isinstance(run(scenario, observer=observe), Accepted)
    assert [(e.request_id, e.path, e.status, e.failure) for e in seen] == [
        (1, "cancelorder", None, Failure.TIMEOUT),
        (2, "placeorder", 200, None),
    ]
    assert '"133.10"' in seen[1].sent
    assert '"7"' in seen[1].received
    assert seen[0].took_ms >= 100


@pytest.mark.parametrize("answer", ["echo", RESET, HANG, TRUNCATED])
def test_the_key_is_seen_nowhere(answer: Answer, caplog: pytest.LogCaptureFixture) -> None:
    """Not in records, results, representations, logs or tracebacks, even if the gateway echoes it."""
    caplog.set_level(logging.DEBUG)
    seen: list[Exchanged] = []
    texts: list[str] = []

    async def scenario(server: Gateway, client: OpenAlgoClient) -> None:
        echo: Answer = (400, {"status": "error", "message": f"bad key {KEY}"})
        for path in ("placeorder", "orderbook"):
            server.say(path, echo if answer == "echo" else answer)
        texts.append(repr(client))
        texts.append(repr(await client.place(PLACE)))
        texts.append(repr(await client.order_book()))
        try:
            raise RuntimeError(
                f"something with {client} {client._transport} {client._transport._key}"
            )
        except RuntimeError:
            texts.append(traceback.format_exc())

    run(scenario, observer=seen.append)
    texts += [repr(seen), caplog.text]
    assert len(seen) == 2
    assert not any(KEY in text for text in texts)
