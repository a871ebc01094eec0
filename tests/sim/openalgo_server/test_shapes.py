"""Every endpoint answers with the gateway's own keys and types, in analyzer mode."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest

from baseline_v1_live.sim.openalgo_server import reference
from tests.sim.openalgo_server.gateway import KEY, STRATEGY, Gateway, at, play, small_day
from tests.sim.openalgo_server.reference_shapes import (
    FUNDS,
    ONE_ORDER,
    ORDER,
    POSITION,
    QUOTE,
    RECORD,
    TRADE,
    shape,
)

STAMP = re.compile(r"2026-11-26 \d\d:\d\d:\d\d")


def test_account_endpoints_have_the_analyzers_shapes() -> None:
    """Order, trade and position books and funds carry all columns and say mode analyze."""

    async def story(gateway: Gateway) -> None:
        await gateway.placed("SELL")
        await gateway.placed("BUY", pricetype="SL", trigger_price=900, price=910)

        book = await gateway.ok("orderbook")
        trades = await gateway.ok("tradebook")
        held = await gateway.ok("positionbook")
        money = await gateway.ok("funds")

        assert all(body["mode"] == "analyze" for body in (book, trades, held, money))
        assert book.keys() == trades.keys() == money.keys() == {"data", "mode", "status"}
        assert [shape(row) for row in book["data"]["orders"]] == [ORDER, ORDER]
        assert [row["order_status"] for row in book["data"]["orders"]] == [
            "trigger pending", "complete",
        ]  # fmt: skip
        assert book["data"]["statistics"] == {
            "total_buy_orders": 1, "total_sell_orders": 1, "total_completed_orders": 1,
            "total_open_orders": 0, "total_rejected_orders": 0, "total_trigger_pending_orders": 1,
        }  # fmt: skip
        assert all(STAMP.fullmatch(row["timestamp"]) for row in book["data"]["orders"])
        assert all(re.fullmatch(r"261126\d{8}", r["orderid"]) for r in book["data"]["orders"])
        assert [shape(row) for row in trades["data"]] == [TRADE]
        assert trades["data"][0]["tradeid"].startswith("TRADE-20261126-093000-")
        assert [shape(row) for row in held["data"]] == [POSITION]
        assert held.keys() == {
            "data", "mode", "status", "total_pnl", "total_unrealized_pnl",
            "total_today_realized_pnl", "total_pnl_today",
        }  # fmt: skip
        assert shape(money["data"]) == FUNDS

    play(story)


def test_one_order_names_its_type_with_an_underscore() -> None:
    """orderstatus in the analyzer says price_type and has no rejection_reason."""

    async def story(gateway: Gateway) -> None:
        row = await gateway.status(await gateway.placed())

        assert shape(row) == ONE_ORDER

    play(story)


def test_data_endpoints_have_their_shapes_and_no_mode() -> None:
    """Quotes, depth, bars and contract records come as the gateway sends them."""

    async def story(gateway: Gateway) -> None:
        day, where = small_day(), {"symbol": gateway.call, "exchange": "NFO"}
        index = {"symbol": "NIFTY", "exchange": "NSE_INDEX"}
        quote = await gateway.ok("quotes", **where)
        spot = await gateway.ok("quotes", **index)
        many = await gateway.ok("multiquotes", symbols=[index, where, where | {"symbol": "X"}])
        depth = (await gateway.ok("depth", **where))["data"]
        bars = await gateway.ok(
            "history", **where, interval="1m", start_date="2026-11-20", end_date="2026-11-26"
        )
        record = (await gateway.ok("symbol", **where))["data"]
        found = await gateway.ok("search", query=gateway.call, exchange="NFO")
        dates = await gateway.ok("expiry", symbol="NIFTY", exchange="NFO", instrumenttype="options")

        assert quote.keys() == {"data", "status"}
        assert shape(quote["data"]) == QUOTE
        assert (spot["data"]["bid"], spot["data"]["ask"]) == (0, 0)
        assert many.keys() == {"results", "status"}
        assert [row.keys() - {"symbol", "exchange"} for row in many["results"]] == [
            {"error"}, {"data"}, {"data"},
        ]  # fmt: skip
        assert depth.keys() == {
            "bids", "asks", "ltp", "ltq", "open", "high", "low", "prev_close", "volume", "oi",
            "totalbuyqty", "totalsellqty",
        }  # fmt: skip
        assert len(depth["bids"]) == len(depth["asks"]) == 5
        assert depth["bids"][0]["price"] == quote["data"]["bid"]
        assert bars["data"][0].keys() == {
            "timestamp", "open", "high", "low", "close", "volume", "oi",
        }  # fmt: skip
        assert bars["data"][0]["timestamp"] == at(9, 15) // 1000
        assert len(bars["data"]) == 15
        assert shape(record) == RECORD
        assert (record["lotsize"], record["instrumenttype"]) == (gateway.lot, "CE")
        assert found["data"] == [record]
        assert dates["data"] == ["01-DEC-26"]
        assert day.expiry.isoformat() == "2026-12-01"

    play(story)


def test_the_forming_bar_is_part_of_history() -> None:
    """Half a minute into a minute, its bar is the last one."""

    async def story(gateway: Gateway) -> None:
        await gateway.advance(9, 30, 30)
        body = await gateway.ok(
            "history", symbol="NIFTY", exchange="NSE_INDEX", interval="5m",
            start_date="2026-11-26", end_date="2026-11-26",
        )  # fmt: skip

        assert body["data"][-1]["timestamp"] == at(9, 30) // 1000
        assert (
            body["data"][-1]["close"]
            == (await gateway.ok("quotes", symbol="NIFTY", exchange="NSE_INDEX"))["data"]["ltp"]
        )

    play(story)


def test_reference_and_switch_endpoints_have_their_shapes() -> None:
    """Ping, analyzer, margin, holidays and timings come as the gateway sends them."""

    async def story(gateway: Gateway) -> None:
        pong = await gateway.ok("ping")
        state = await gateway.ok("analyzer")
        row = {
            "symbol": gateway.call, "exchange": "NFO", "action": "SELL", "product": "MIS",
            "pricetype": "MARKET", "quantity": str(gateway.lot),
        }  # fmt: skip
        needed = await gateway.ok("margin", positions=[row])
        closed = await gateway.ok("market/holidays", year=2026)
        open_day = await gateway.ok("market/timings", date="2026-11-26")
        sunday = await gateway.ok("market/timings", date="2026-11-29")

        assert pong == {"data": {"broker": "simbroker", "message": "pong"}, "status": "success"}
        assert state["data"] == {"analyze_mode": True, "mode": "analyze", "total_logs": 0}
        assert needed["data"].keys() == {"total_margin_required", "span_margin", "exposure_margin"}
        assert closed["data"][0].keys() == {
            "date", "description", "holiday_type", "closed_exchanges", "open_exchanges",
        }  # fmt: skip
        times = {row["exchange"]: row for row in open_day["data"]}
        assert times["NFO"] == {
            "exchange": "NFO", "start_time": at(9, 15), "end_time": at(15, 40),
        }  # fmt: skip
        assert times["NSE"]["end_time"] == at(15, 30)
        assert [row["exchange"] for row in sunday["data"]] == ["CRYPTO"]

    play(story)


def test_before_the_open_quotes_show_the_previous_close() -> None:
    """Index and options have a last price before their first tick, and it is the day's first one."""

    async def story(gateway: Gateway) -> None:
        index = {"symbol": "NIFTY", "exchange": "NSE_INDEX"}
        where = {"symbol": gateway.call, "exchange": "NFO"}
        early = await gateway.ok("multiquotes", symbols=[index, where])
        depth = (await gateway.ok("depth", **where))["data"]
        await gateway.advance(9, 15, 30)
        late = await gateway.ok("multiquotes", symbols=[index, where])

        for before, after in zip(early["results"], late["results"], strict=True):
            assert shape(before["data"]) == QUOTE
            assert before["data"]["ltp"] == before["data"]["prev_close"] > 0
            assert before["data"]["volume"] == before["data"]["open"] == 0
            assert after["data"]["prev_close"] == before["data"]["ltp"] == after["data"]["open"]
        assert depth["ltp"] == early["results"][1]["data"]["ltp"]
        assert early["results"][0]["data"]["ltp"] > 20_000 > early["results"][1]["data"]["ltp"]

    play(story, open_at=None)


@pytest.mark.parametrize("date", [dt.date(2026, 11, 29), dt.date(2026, 12, 25)])
def test_the_played_day_is_open_whatever_its_date(date: dt.date) -> None:
    """A Sunday or a holiday that is played has times and is no holiday; others stay closed."""
    closed = [row["date"] for row in reference.holidays(2026, date)]
    played = [row["exchange"] for row in reference.timings(date, date)]
    other = [row["exchange"] for row in reference.timings(dt.date(2026, 10, 2), date)]

    assert date.isoformat() not in closed
    assert "2026-10-02" in closed
    assert "NFO" in played
    assert other == ["CRYPTO"]


def test_the_switch_changes_the_shapes_for_everyone() -> None:
    """Toggled to live, rows lose the analyzer's columns; what breaks inside is a bare 500."""

    async def story(gateway: Gateway) -> None:
        await gateway.placed()
        switched = await gateway.ok("analyzer/toggle", mode=False)
        row = (await gateway.ok("orderbook"))["data"]["orders"][0]
        broken = await gateway.post("market/holidays", year=123_456)

        assert switched["data"]["analyze_mode"] is False
        assert "filled_quantity" not in row
        assert broken == (500, {"status": "error", "message": "An unexpected error occurred"})

    play(story)


@pytest.mark.parametrize(
    ("endpoint", "fields", "status", "message"),
    [
        ("orderbook", {"extra": 1}, 400, {"extra": ["Unknown field."]}),
        ("placeorder", {"target": 1}, 400, "Unknown field."),
        ("placeorder", {"quantity": "many"}, 400, "{'quantity': ['Not a valid number.']}"),
        ("placeorder", {"quantity": 32.5}, 400, "Fractional quantity (32.5)"),
        ("placeorder", {"pricetype": "ICEBERG"}, 400, "Must be one of: MARKET, LIMIT, SL, SL-M."),
        ("placeorder", {"quantity": 64}, 400, "Quantity must be in multiples of lot size 65"),
        ("placeorder", {"symbol": "NIFTY01DEC261CE"}, 400, "not found on NFO"),
        ("placeorder", {"pricetype": "LIMIT"}, 400, "LIMIT orders require price"),
        ("placeorder", {"apikey": "bad"}, 403, "Invalid openalgo apikey"),
        ("orderstatus", {"orderid": "1"}, 400, "'strategy': ['Missing data for required field.']"),
        ("orderstatus", {"orderid": "1", "strategy": "s"}, 404, "Order 1 not found"),
        ("cancelorder", {"orderid": "1", "strategy": "s"}, 404, "Order 1 not found"),
        ("quotes", {"symbol": "NIFTY", "exchange": "nfo"}, 400, {"exchange": None}),
        ("quotes", {"symbol": "X", "exchange": "NFO"}, 400, "not found"),
        ("symbol", {"symbol": "X", "exchange": "NFO"}, 404, "not found"),
        ("analyzer/toggle", {"mode": "yes"}, 400, {"mode": ["Not a valid boolean."]}),
        ("margin", {"positions": [{"quantity": 65}]}, 400, {"positions": None}),
    ],
)
def test_refusals_have_the_gateways_status_and_text(
    endpoint: str, fields: dict[str, Any], status: int, message: Any
) -> None:
    """Order endpoints put schema errors into one text, the others give a mapping."""

    async def story(gateway: Gateway) -> None:
        if endpoint == "placeorder":
            answer = await gateway.order(**fields)
        else:
            answer = await gateway.post(endpoint, **fields)
        body = answer[1]
        assert (answer[0], body["status"]) == (status, "error")
        if isinstance(message, str):
            assert message in body["message"]
            assert isinstance(body["message"], str)
        else:
            key = next(iter(message))
            assert body["message"][key] == (message[key] or body["message"][key])
        moded = endpoint in ("placeorder", "orderbook", "orderstatus", "cancelorder")
        assert ("mode" in body) is (moded and status != 403)
        assert (await gateway.ok("orderbook"))["data"]["orders"] == []

    play(story)


def test_paths_and_bodies_that_are_not_calls() -> None:
    """GET and unknown paths are 404 with the path; a body that is not JSON is 400 without status."""

    async def story(gateway: Gateway) -> None:
        url = f"{gateway.server.url}/api/v1/"
        async with gateway.http.get(url + "funds") as reply:
            assert reply.status == 404
            assert await reply.json() == {
                "status": "error", "message": "Not found", "path": "/api/v1/funds",
            }  # fmt: skip
        async with gateway.http.post(url + "nothing", json={"apikey": KEY}) as reply:
            assert reply.status == 404
        async with gateway.http.post(url + "quotes", data=b"{") as reply:
            assert reply.status == 400
            assert (await reply.json()).keys() == {"message"}

    play(story)


def test_rate_limits_refuse_the_call_too_many() -> None:
    """The 11th order call and the 51st other call of a second get 429 with the bare message."""

    async def story(gateway: Gateway) -> None:
        replies = [await gateway.order(quantity=1) for _ in range(11)]
        others = [await gateway.post("ping") for _ in range(51)]

        assert [status for status, _ in replies] == [400] * 10 + [429]
        assert replies[-1][1] == {"message": "10 per 1 second"}
        assert [status for status, _ in others] == [200] * 50 + [429]
        assert others[-1][1] == {"message": "50 per 1 second"}

    play(story, rate_limits=True)


def test_the_minimal_endpoints_answer_honestly() -> None:
    """Basket, split, smart, cancel-all and close-all orders work and have the gateway's keys."""

    async def story(gateway: Gateway) -> None:
        one = {"exchange": "NFO", "symbol": gateway.call, "quantity": gateway.lot, "product": "MIS"}
        named = {"strategy": STRATEGY}
        legs = [one | {"action": "SELL"}, one | {"action": "BUY", "symbol": gateway.put}]
        basket = await gateway.ok("basketorder", **named, orders=legs)
        split = await gateway.ok(
            "splitorder", **named, **one | {"action": "SELL", "quantity": 200}, splitsize=65
        )
        smart = await gateway.ok(
            "placesmartorder", **named, **one | {"action": "BUY"}, position_size=-4 * gateway.lot
        )
        await gateway.placed("BUY", pricetype="LIMIT", price=1)
        stop = await gateway.placed("BUY", pricetype="SL", trigger_price=900, price=910)
        cancelled = await gateway.ok("cancelallorder", **named)
        closed = await gateway.ok("closeposition", **named)
        held = await gateway.ok(
            "openposition", **named, symbol=gateway.call, exchange="NFO", product="MIS"
        )

        assert [row["symbol"] for row in basket["results"]] == [gateway.put, gateway.call]
        assert [row["status"] for row in split["results"]] == ["success"] * 3 + ["error"]
        assert smart["message"] == "Positions Already Matched. No Action needed."
        assert "orderid" not in smart
        assert len(cancelled["canceled_orders"]) == 1
        assert (await gateway.status(stop))["order_status"] == "trigger pending"
        assert closed["message"] == "Closed 2 positions"
        assert held == {"quantity": 0, "status": "success", "mode": "analyze"}

    play(story)
