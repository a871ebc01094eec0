"""Every endpoint that we use, through the real SDK, against the reference field by field."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.sim.openalgo_server.gateway import KEY, STRATEGY, Gateway, play
from tests.sim.openalgo_server.reference_shapes import ANALYZER, LIVE, shape

openalgo = pytest.importorskip("openalgo")
DATE = "2026-11-26"


def replies_to(sdk: Any, call: str, lot: int) -> dict[str, Any]:
    """One reply of each method, with a short position and a resting order in the books."""
    where = {"symbol": call, "exchange": "NFO"}
    order = {"strategy": STRATEGY, **where, "product": "MIS", "quantity": lot}
    margin_row = {
        **where, "action": "SELL", "product": "MIS", "pricetype": "MARKET", "quantity": lot,
    }  # fmt: skip
    stop = sdk.placeorder(**order, action="BUY", price_type="SL", price=810, trigger_price=800)
    other = sdk.placeorder(**order, action="BUY", price_type="SL", price=812, trigger_price=802)
    named = {"order_id": stop["orderid"], "strategy": STRATEGY}
    return {
        "placeorder": stop,
        "modifyorder": sdk.modifyorder(
            **named, **where, action="BUY", price_type="SL", product="MIS", quantity=lot, price=830,
            trigger_price=820,
        ),
        "orderstatus": sdk.orderstatus(**named),
        "orderbook": sdk.orderbook(),
        "cancelorder": sdk.cancelorder(order_id=other["orderid"], strategy=STRATEGY),
        "tradebook": sdk.tradebook(),
        "positionbook": sdk.positionbook(),
        "openposition": sdk.openposition(strategy=STRATEGY, **where, product="MIS"),
        "funds": sdk.funds(),
        "margin": sdk.margin(positions=[margin_row]),
        "quotes": sdk.quotes(**where),
        "multiquotes": sdk.multiquotes(
            symbols=[where, {"symbol": "NIFTY", "exchange": "NSE_INDEX"}]
        ),
        "depth": sdk.depth(**where),
        "intervals": sdk.intervals(),
        "symbol": sdk.symbol(**where),
        "search": sdk.search(query="NIFTY CE", exchange="NFO"),
        "expiry": sdk.expiry(symbol="NIFTY", exchange="NFO", instrumenttype="options"),
        "holidays": sdk.holidays(year=2026),
        "timings": sdk.timings(date=DATE),
        "analyzerstatus": sdk.analyzerstatus(),
    }  # fmt: skip


@pytest.mark.parametrize(("profile", "expected"), [("threaded", ANALYZER), ("zerodha", LIVE)])
def test_every_reply_has_the_references_fields(profile: str, expected: dict[str, Any]) -> None:
    """Names and types of each reply are the reference's, in analyzer mode and from a live broker."""

    async def story(gateway: Gateway) -> None:
        await gateway.placed()
        await gateway.advance(9, 32)  # at the live broker an order needs a tick
        sdk = openalgo.api(api_key=KEY, host=gateway.server.url, timeout=5.0)
        replies = await asyncio.to_thread(replies_to, sdk, gateway.call, gateway.lot)

        assert {name: shape(reply) for name, reply in replies.items()} == expected
        assert {reply["status"] for reply in replies.values()} == {"success"}
        modes = {reply["mode"] for reply in replies.values() if "mode" in reply}
        assert modes == ({"analyze"} if expected is ANALYZER else set())

    play(story, profile=profile)


@pytest.mark.parametrize("profile", ["threaded", "zerodha"])
def test_history_is_a_frame_of_numbers_by_time(profile: str) -> None:
    """The SDK makes bars into a frame: prices, whole volumes, IST minutes in order, once each."""

    async def story(gateway: Gateway) -> None:
        sdk = openalgo.api(api_key=KEY, host=gateway.server.url, timeout=5.0)
        ask = {"symbol": gateway.call, "exchange": "NFO", "start_date": DATE, "end_date": DATE}
        frame = await asyncio.to_thread(lambda: sdk.history(**ask, interval="1m"))
        assert {name: kind.kind for name, kind in frame.dtypes.items()} == {
            "open": "f", "high": "f", "low": "f", "close": "f", "volume": "i", "oi": "i",
        }  # fmt: skip
        assert frame.index.is_monotonic_increasing
        assert frame.index.is_unique
        assert str(frame.index.tz) == "Asia/Kolkata"
        assert str(frame.index[0]) == f"{DATE} 09:15:00+05:30"

    play(story, profile=profile)


def test_an_order_of_the_index_is_refused_over_the_sdk() -> None:
    """A refusal reaches the SDK's caller as an error with the code and the gateway's words."""

    async def story(gateway: Gateway) -> None:
        sdk = openalgo.api(api_key=KEY, host=gateway.server.url, timeout=5.0)
        order = {"strategy": STRATEGY, "symbol": "NIFTY", "exchange": "NSE_INDEX", "quantity": 65}
        reply = await asyncio.to_thread(lambda: sdk.placeorder(**order, action="SELL"))
        assert (reply["status"], reply["error_type"], reply["code"]) == ("error", "http_error", 400)
        assert "not found" in reply["message"]

    play(story)
