"""The exchange's own history under /sim/audit, as a checker reads it."""

from __future__ import annotations

import contextlib
from typing import Any

import aiohttp
import pytest

from baseline_v1_live.core.messages import BrokerStatus, OrderType, OrderUpdated, Side
from baseline_v1_live.sim.openalgo_server import audit
from baseline_v1_live.sim.openalgo_server.cover import duplicate_entries, naked_intervals
from tests.sim.openalgo_server.gateway import KEY, STRATEGY, Gateway, at, play


async def history(gateway: Gateway, since: int = 0) -> list[dict[str, Any]]:
    """All rows after a number, page by page."""
    rows: list[dict[str, Any]] = []
    while True:
        page = await gateway.sim(f"audit?since={since}")
        rows += page["rows"]
        since = page["next"]
        if not page["more"]:
            return rows


def of_kind(rows: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["kind"] == kind]


def test_each_change_of_an_order_is_a_row() -> None:
    """Placed, changed and cancelled are three rows, with what was asked before each."""

    async def story(gateway: Gateway) -> None:
        stop = await gateway.placed("BUY", pricetype="SL", trigger_price=800, price=810)
        await gateway.modify(stop, "BUY", trigger_price=820, price=830)
        await gateway.ok("cancelorder", strategy=STRATEGY, orderid=stop)
        rows = await history(gateway)

        kinds = [(row["kind"], row.get("endpoint") or row["status"]) for row in rows]
        assert kinds == [
            ("request", "placeorder"), ("order", "trigger pending"),
            ("request", "modifyorder"), ("order", "trigger pending"),
            ("request", "cancelorder"), ("order", "cancelled"),
        ]  # fmt: skip
        assert [row["n"] for row in rows] == [1, 2, 3, 4, 5, 6]
        assert {row["at_ms"] for row in rows} == {at(9, 30)}
        assert rows[3] == {
            "n": 4, "at_ms": at(9, 30), "kind": "order", "orderid": stop, "symbol": gateway.call,
            "side": "BUY", "pricetype": "SL", "quantity": gateway.lot, "trigger_paise": 82_000,
            "limit_paise": 83_000, "status": "trigger pending", "filled_quantity": 0,
            "filled_value_paise": 0, "message": "",
        }  # fmt: skip
        assert rows[0]["body"]["trigger_price"] == 800
        assert KEY not in str(rows)

    play(story)


def test_fills_are_rows_of_their_own() -> None:
    """A large order's fills add up to it, each with its value, before the order's new state."""

    async def story(gateway: Gateway) -> None:
        orderid = await gateway.placed(quantity=1755)
        while (await gateway.status(orderid))["order_status"] != "complete":
            await gateway.server.advance_to(gateway.server.now_ms + 10_000)
        rows = await history(gateway)
        fills, states = of_kind(rows, "fill"), of_kind(rows, "order")
        truth = (await gateway.sim("books"))["trades"][0]

        assert {row["orderid"] for row in fills + states} == {orderid}
        assert sum(row["quantity"] for row in fills) == 1755
        assert sum(row["value_paise"] for row in fills) == truth["filled_value_paise"]
        assert [row["filled_quantity"] for row in states][-1] == 1755
        assert [row["at_ms"] for row in rows] == sorted(row["at_ms"] for row in rows)

    play(story)


@pytest.mark.parametrize("fault", ["drop_reply_after_accept", "html_reply", "truncated_json"])
def test_a_lost_reply_is_in_the_history_all_the_same(fault: str) -> None:
    """What the client never heard of happened at the exchange, and a checker sees it."""

    async def story(gateway: Gateway) -> None:
        await gateway.sim("fault", name=fault)
        with contextlib.suppress(aiohttp.ClientError, ValueError):
            await gateway.order()
        rows = await history(gateway)

        assert [row["status"] for row in of_kind(rows, "order")] == ["open", "complete"]

    play(story)


def test_calls_are_kept_to_a_limit_and_orders_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Old calls go, order rows stay, and pages follow each other without a gap in what is kept."""
    monkeypatch.setattr(audit, "CALLS_MAX", 3)
    monkeypatch.setattr(audit, "PAGE_ROWS", 2)

    async def story(gateway: Gateway) -> None:
        await gateway.placed()
        for _ in range(5):
            await gateway.ok("ping")
        rows = await history(gateway)

        assert [row["kind"] for row in rows] == ["request", "order", "fill", "order", *["call"] * 3]
        assert [row["n"] for row in rows] == [1, 2, 3, 4, 7, 8, 9]
        assert await history(gateway, 8) == [
            {"n": 9, "at_ms": at(9, 30), "kind": "call", "endpoint": "ping", "limited": False}
        ]
        assert (await gateway.sim("audit?since=x"))["status"] == "error"

    play(story)


def test_limited_calls_and_streams_are_noted() -> None:
    """A call with a 429 says so, and a WebSocket's coming and going are rows."""

    async def story(gateway: Gateway) -> None:
        for _ in range(51):
            await gateway.post("ping")
        async with gateway.http.ws_connect(gateway.server.ws_url) as socket:
            await socket.send_json({"action": "ping"})
            await socket.receive_json()
        await gateway.sim("clock")
        rows = await history(gateway)

        limited = [row["limited"] for row in of_kind(rows, "call")]
        assert limited == [False] * 50 + [True]
        assert [row["what"] for row in of_kind(rows, "stream")] == ["connected", "gone"]

    play(story, rate_limits=True)


def test_the_history_feeds_the_checker() -> None:
    """A short is bare from its fill to its stop, by the rows as they come over the socket."""

    async def story(gateway: Gateway) -> None:
        await gateway.placed()
        await gateway.advance(9, 30, 40)
        await gateway.placed("BUY", pricetype="SL", trigger_price=800, price=810)
        rows = await history(gateway)

        assert naked_intervals(rows) == [(gateway.call, at(9, 30), at(9, 30, 40), gateway.lot)]
        assert duplicate_entries(rows) == []

    play(story)


def test_a_repeated_word_is_no_row() -> None:
    """The exchange saying the same again changes nothing."""
    kept = audit.Audit()
    event = OrderUpdated(
        broker_order_id="X1", symbol="S", status=BrokerStatus.OPEN, quantity=65,
        filled_quantity=0, filled_value_paise=0, trigger_price_paise=0, limit_price_paise=0,
    )  # fmt: skip
    for _ in range(2):
        kept.order(event, 1, "1", Side.BUY, OrderType.MARKET)

    assert len(kept.page(0)["rows"]) == 1
