"""The gateway's own SDK drives the server and cannot tell."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.sim.openalgo_server.gateway import KEY, STRATEGY, Gateway, play

openalgo = pytest.importorskip("openalgo")


def client(gateway: Gateway) -> Any:
    server = gateway.server
    return openalgo.api(api_key=KEY, host=server.url, ws_port=server.ws_port, timeout=5.0)


def test_orders_and_books_over_the_sdk() -> None:
    """Place, ask, modify and cancel; read all books, funds and margin."""

    def drive(gateway: Gateway) -> None:
        sdk = client(gateway)
        order = {
            "strategy": STRATEGY, "symbol": gateway.call, "exchange": "NFO", "product": "MIS",
            "quantity": gateway.lot,
        }  # fmt: skip
        sold = sdk.placeorder(**order, action="SELL", price_type="MARKET")
        stop = sdk.placeorder(**order, action="BUY", price_type="SL", price=810, trigger_price=800)
        changed = sdk.modifyorder(
            **order, action="BUY", order_id=stop["orderid"], price_type="SL", price=830,
            trigger_price=820,
        )  # fmt: skip
        status = sdk.orderstatus(order_id=stop["orderid"], strategy=STRATEGY)
        cancelled = sdk.cancelorder(order_id=stop["orderid"], strategy=STRATEGY)
        again = sdk.cancelorder(order_id=stop["orderid"], strategy=STRATEGY)
        held = sdk.openposition(
            strategy=STRATEGY, symbol=gateway.call, exchange="NFO", product="MIS"
        )
        needed = sdk.margin(positions=[
            {"symbol": gateway.call, "exchange": "NFO", "action": "SELL", "product": "MIS",
             "pricetype": "MARKET", "quantity": gateway.lot},
        ])  # fmt: skip

        assert sold["status"] == changed["status"] == cancelled["status"] == "success"
        assert status["data"]["trigger_price"] == 820
        assert (again["error_type"], again["code"]) == ("http_error", 400)
        assert held["quantity"] == -gateway.lot
        assert [row["orderid"] for row in sdk.orderbook()["data"]["orders"]] == [
            stop["orderid"], sold["orderid"],
        ]  # fmt: skip
        assert sdk.tradebook()["data"][0]["orderid"] == sold["orderid"]
        assert sdk.positionbook()["data"][0]["quantity"] == -gateway.lot
        assert sdk.funds()["data"]["utiliseddebits"] > 0
        assert needed["data"]["total_margin_required"] > 0
        assert sdk.analyzerstatus()["data"]["analyze_mode"] is True

    async def story(gateway: Gateway) -> None:
        await asyncio.to_thread(drive, gateway)

    play(story)


def test_data_and_reference_over_the_sdk() -> None:
    """Quotes, depth, bars as a frame, contract records, holidays and times."""

    def drive(gateway: Gateway) -> None:
        sdk = client(gateway)
        where = {"symbol": gateway.call, "exchange": "NFO"}
        days = {"start_date": "2026-11-26", "end_date": "2026-11-26"}
        frame = sdk.history(**where, interval="1m", **days)
        nothing = sdk.history(
            **where, interval="1m", start_date="2026-11-20", end_date="2026-11-21"
        )

        assert sdk.quotes(**where)["data"]["ltp"] > 0
        assert sdk.multiquotes(symbols=[where])["results"][0]["data"]["ltp"] > 0
        assert len(sdk.depth(**where)["data"]["bids"]) == 5
        assert list(frame.columns) == ["open", "high", "low", "close", "volume", "oi"]
        assert str(frame.index[0]) == "2026-11-26 09:15:00+05:30"
        assert nothing["error_type"] == "no_data"
        assert sdk.symbol(**where)["data"]["lotsize"] == gateway.lot
        assert len(sdk.search(query="NIFTY CE", exchange="NFO")["data"]) == 5
        assert sdk.expiry(symbol="NIFTY", exchange="NFO", instrumenttype="options")["data"]
        assert sdk.holidays(year=2026)["data"]
        assert sdk.timings(date="2026-11-26")["data"]

    async def story(gateway: Gateway) -> None:
        await asyncio.to_thread(drive, gateway)

    play(story)


def test_the_stream_over_the_sdk() -> None:
    """connect, subscribe_ltp and subscribe_quote; callbacks hear what the tape says."""

    async def story(gateway: Gateway) -> None:
        sdk, heard = client(gateway), []
        index = [{"exchange": "NSE_INDEX", "symbol": "NIFTY"}]
        call = [{"exchange": "NFO", "symbol": gateway.call}]
        assert await asyncio.to_thread(sdk.connect)
        assert await asyncio.to_thread(sdk.subscribe_ltp, index, heard.append)
        assert await asyncio.to_thread(sdk.subscribe_quote, call, heard.append)
        assert await asyncio.to_thread(sdk.subscribe_depth, call)
        await gateway.advance(9, 32)
        quote = await gateway.quote()
        spot = (await gateway.ok("quotes", symbol="NIFTY", exchange="NSE_INDEX"))["data"]
        depth: Any = {}
        for _ in range(100):
            last = sdk.get_quotes()["quote"].get("NFO", {}).get(gateway.call, {})
            depth = sdk.get_depth()["depth"].get("NFO", {}).get(gateway.call, {})
            ltp = sdk.get_ltp()["ltp"].get("NSE_INDEX", {}).get("NIFTY", {})
            if last.get("ltp") == quote["ltp"] and ltp.get("ltp") == spot["ltp"] and depth:
                break
            await asyncio.sleep(0.02)

        assert (last["ltp"], last["volume"], last["close"]) == (
            quote["ltp"], quote["volume"], quote["prev_close"],
        )  # fmt: skip
        assert ltp["ltp"] == spot["ltp"]
        assert depth["buyBook"]["1"]["price"] == quote["bid"]
        assert {message["mode"] for message in heard} == {1, 2}
        await asyncio.to_thread(sdk.disconnect)

    play(story)


def test_a_bad_key_over_the_sdk() -> None:
    """The SDK turns the 403 into its own error and gets no data."""

    def drive(gateway: Gateway) -> None:
        stranger = openalgo.api(api_key="wrong-key-wrong-key", host=gateway.server.url)
        reply = stranger.funds()
        assert (reply["status"], reply["code"]) == ("error", 403)
        assert "Invalid openalgo apikey" in reply["message"]

    async def story(gateway: Gateway) -> None:
        await asyncio.to_thread(drive, gateway)

    play(story)
