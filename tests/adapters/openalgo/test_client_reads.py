"""Reads over HTTP: whole books or none, proofs that join status and fills, what is kept for the day."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
from typing import Any

import pytest

from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient
from baseline_v1_live.adapters.openalgo.wire.books import SnapshotRead
from baseline_v1_live.adapters.openalgo.wire.values import Mode, Unreadable
from baseline_v1_live.core.instruments import Contract
from baseline_v1_live.core.messages import (
    BrokerStatus,
    OrderRefused,
    OrderUpdated,
    OutcomeUnknown,
    Request,
    Tick,
)
from baseline_v1_live.core.session import MINUTE_MS
from tests.adapters.openalgo.client_desk import NOW_MS, OK, PLACE, QUERY, SYMBOL, Sleeps, run
from tests.adapters.openalgo.gateway import (
    HANG,
    RESET,
    TRUNCATED,
    Answer,
    Gateway,
)


def _order(status: str, **change: Any) -> dict[str, Any]:
    row = {
        "orderid": "7", "symbol": SYMBOL, "exchange": "NFO", "action": "BUY", "quantity": 65,
        "price": 133.1, "trigger_price": 130.05, "pricetype": "SL", "product": "MIS",
        "order_status": status, "timestamp": "2026-11-23 09:59:00",
    }  # fmt: skip
    return row | change


def _trade(quantity: int) -> dict[str, Any]:
    return {
        "orderid": "7", "symbol": SYMBOL, "exchange": "NFO", "action": "BUY", "quantity": quantity,
        "average_price": 131.5, "tradeid": f"t{quantity}",
    }  # fmt: skip


def _data(content: Any) -> Answer:
    return 200, {**OK, "data": content}


def test_a_snapshot_reads_three_books() -> None:
    """At the same instant, and whole."""

    async def scenario(server: Gateway, client: OpenAlgoClient) -> SnapshotRead | Unreadable:
        server.say("orderbook", _data({"orders": [_order("open")]}))
        server.say("tradebook", _data([_trade(65)]))
        server.say("positionbook", _data([]))
        return await client.snapshot()

    read = run(scenario)
    assert isinstance(read, SnapshotRead)
    assert read.taken.asked_at_ms == NOW_MS
    assert (len(read.taken.orders), len(read.taken.trades), read.taken.positions) == (1, 1, ())


@pytest.mark.parametrize("path", ["orderbook", "tradebook", "positionbook"])
@pytest.mark.parametrize(
    "answer", [RESET, HANG, TRUNCATED, (500, "x"), (403, {"status": "error"}), (200, "<html>")]
)
def test_a_snapshot_with_one_broken_book_is_none(path: str, answer: Answer) -> None:
    """Whatever breaks it: an error, never an empty book."""

    async def scenario(server: Gateway, client: OpenAlgoClient) -> SnapshotRead | Unreadable:
        for book in ("orderbook", "tradebook", "positionbook"):
            server.say(book, _data([]))
        server.say(path, answer)
        return await client.snapshot()

    assert isinstance(run(scenario), Unreadable)


def _ask(
    statuses: list[dict[str, Any]], trades: list[list[dict[str, Any]]]
) -> tuple[OrderUpdated | OrderRefused | OutcomeUnknown, list[float]]:
    sleeps = Sleeps()

    async def scenario(
        server: Gateway, client: OpenAlgoClient
    ) -> OrderUpdated | OrderRefused | OutcomeUnknown:
        server.say("orderstatus", *(_data(row) for row in statuses))
        server.say("tradebook", *(_data(rows) for rows in trades))
        return await client.query(QUERY)

    return run(scenario, sleep=sleeps), sleeps.seconds


@pytest.mark.parametrize(
    ("statuses", "fills", "status", "filled", "proven", "looks"),
    [
        (["open"], [0], BrokerStatus.OPEN, 0, True, 1),
        (["trigger pending"], [0], BrokerStatus.TRIGGER_PENDING, 0, True, 1),
        (["open"], [30], BrokerStatus.OPEN, 30, True, 1),
        (["modify pending"], [0], BrokerStatus.UNCLEAR, 0, True, 1),
        (["complete"], [65], BrokerStatus.COMPLETE, 65, True, 1),
        (["cancelled"], [65], BrokerStatus.COMPLETE, 65, True, 1),
        (["open"], [65], BrokerStatus.COMPLETE, 65, True, 1),
        (["complete"], [0, 65], BrokerStatus.COMPLETE, 65, True, 2),
        (["complete"], [0], BrokerStatus.COMPLETE, 0, False, 2),
        (["complete", "open"], [0], BrokerStatus.OPEN, 0, True, 2),
        (["cancelled"], [0], BrokerStatus.CANCELLED, 0, True, 2),
        (["cancelled"], [30], BrokerStatus.CANCELLED, 30, True, 2),
        (["cancelled"], [0, 30], BrokerStatus.CANCELLED, 30, False, 2),
        (["cancelled", "rejected"], [0], BrokerStatus.REJECTED, 0, False, 2),
        (["cancelled", "open"], [0], BrokerStatus.OPEN, 0, True, 2),
        (["rejected"], [0], BrokerStatus.REJECTED, 0, True, 2),
    ],
)
def test_a_status_is_proven_by_the_trade_book(
    statuses: list[str],
    fills: list[int],
    status: BrokerStatus,
    filled: int,
    proven: bool,
    looks: int,
) -> None:
    """Fills decide "complete"; an end without them counts when it is seen twice, half a second apart."""
    trades = [[_trade(quantity)] if quantity else [] for quantity in fills]
    answer, pauses = _ask([_order(word) for word in statuses], trades)

    assert isinstance(answer, OrderUpdated)
    assert (answer.status, answer.filled_quantity, answer.proven) == (status, filled, proven)
    assert answer.filled_value_paise == filled * 13150
    assert (answer.quantity, answer.limit_price_paise) == (65, 13310)
    assert pauses == [0.5] * (looks - 1)


def test_a_cancelled_row_that_knows_more_fills_is_no_proof() -> None:
    """The trade book is behind; the question is asked again later."""
    answer, _ = _ask([_order("cancelled", filled_quantity=30)], [[]])

    assert isinstance(answer, OrderUpdated)
    assert not answer.proven


@pytest.mark.parametrize("change", [{"quantity": 130}, {"trigger_price": 131.0}, {"price": 134.0}])
def test_an_order_that_changes_between_two_looks_is_not_over(change: dict[str, Any]) -> None:
    """Both looks have met it while it was being changed, and show its neighbour's status."""
    answer, _ = _ask([_order("cancelled"), _order("cancelled", **change)], [[]])

    assert isinstance(answer, OrderUpdated)
    assert not answer.proven


def test_more_fills_than_ordered_is_no_answer() -> None:
    """Books that contradict each other prove nothing."""
    answer, _ = _ask([_order("open")], [[_trade(130)]])

    assert isinstance(answer, OutcomeUnknown)


@pytest.mark.parametrize(
    ("path", "answer", "expected"),
    [
        ("orderstatus", (404, {"status": "error", "message": "Order 7 not found"}), OrderRefused),
        ("orderstatus", (500, {"status": "error", "message": "x"}), OutcomeUnknown),
        ("orderstatus", HANG, OutcomeUnknown),
        ("orderstatus", (200, {**OK, "data": _order("open", orderid="8")}), OutcomeUnknown),
        ("tradebook", RESET, OutcomeUnknown),
        (
            "tradebook",
            (403, {"status": "error", "message": "Invalid openalgo apikey"}),
            OutcomeUnknown,
        ),
    ],
)
def test_a_question_without_an_answer_proves_nothing(
    path: str, answer: Answer, expected: type
) -> None:
    """Not found is a refusal of the question; everything else is not known."""

    async def scenario(server: Gateway, client: OpenAlgoClient) -> object:
        server.say("orderstatus", _data(_order("open")))
        server.say("tradebook", _data([]))
        server.say(path, answer)
        return await client.query(QUERY)

    result = run(scenario)
    assert isinstance(result, OrderRefused | OutcomeUnknown)
    assert type(result) is expected
    assert (result.order_id, result.request) == ("a", Request.QUERY)


def test_reads_back_off_when_the_limiter_stops_them() -> None:
    """Three more tries, then the error."""
    sleeps = Sleeps()
    limited: Answer = (429, {"message": "50 per 1 second"})

    async def scenario(server: Gateway, client: OpenAlgoClient) -> tuple[object, object]:
        server.say("quotes", limited, limited, _data({"ltp": 130.05, "bid": 130, "ask": 130.1}))
        server.say("funds", limited)
        return await client.quotes(SYMBOL), await client.funds()

    quote, funds = run(scenario, sleep=sleeps)
    assert isinstance(quote, Tick)
    assert isinstance(funds, Unreadable)
    assert funds.status == 429
    assert sleeps.seconds == [0.25, 0.5, 0.25, 0.5, 1.0]


def test_what_is_constant_for_a_day_is_asked_once_a_day() -> None:
    """An error is not kept, and the next day asks again."""
    now = [NOW_MS]
    record = {
        "symbol": SYMBOL, "expiry": "23-NOV-26", "strike": 26000, "lotsize": 65,
        "tick_size": 0.05, "freeze_qty": 1800,
    }  # fmt: skip

    async def scenario(server: Gateway, client: OpenAlgoClient) -> int:
        server.say("symbol", (500, {"status": "error"}), _data(record))
        server.say("expiry", _data([]), _data(["23-NOV-26"]))
        assert isinstance(await client.symbol(SYMBOL), Unreadable)
        for _ in range(3):
            assert isinstance(await client.symbol(SYMBOL), Contract)
        assert [await client.expiries("NIFTY") for _ in range(3)] == [
            (), (dt.date(2026, 11, 23),), (dt.date(2026, 11, 23),),
        ]  # fmt: skip
        assert len(server.bodies("expiry")) == 2
        assert len(server.bodies("symbol")) == 2
        now[0] += 24 * 60 * MINUTE_MS
        await client.symbol(SYMBOL)
        return len(server.bodies("symbol"))

    assert run(scenario, now_ms=lambda: now[0]) == 3


def test_a_closed_day_is_kept_too() -> None:
    """None is an answer."""

    async def scenario(server: Gateway, client: OpenAlgoClient) -> int:
        server.say("market/timings", _data([]))
        date = dt.date(2026, 11, 24)
        assert await client.timings(date) is None
        assert await client.timings(date) is None
        return len(server.asked)

    assert run(scenario) == 1


def test_the_other_reads() -> None:
    """Each goes to its endpoint and comes back as its value."""

    async def scenario(server: Gateway, client: OpenAlgoClient) -> list[object]:
        bar = {
            "timestamp": NOW_MS // 1000 - 60,
            "open": 1,
            "high": 2,
            "low": 1,
            "close": 2,
            "volume": 0,
        }
        server.say("history", _data([bar, bar | {"timestamp": NOW_MS // 1000}]))
        server.say(
            "multiquotes", (200, {**OK, "results": [{"symbol": SYMBOL, "data": {"ltp": 1}}]})
        )
        server.say("margin", _data({"total_margin_required": 5}))
        server.say("market/holidays", _data([]))
        server.say("analyzer", _data({"analyze_mode": True}))
        server.say("ping", _data({"broker": "simbroker", "message": "pong"}))
        server.say("orderbook", _data([]))
        server.say("positionbook", _data([]))
        date = dt.date(2026, 11, 23)
        bars = await client.history(SYMBOL, date, date)
        quotes = await client.multiquotes([SYMBOL])
        assert not isinstance(bars, Unreadable)
        assert not isinstance(quotes, Unreadable)
        assert isinstance(await client.margin([]), Unreadable)
        assert not isinstance(await client.order_book(), Unreadable)
        assert not isinstance(await client.position_book(), Unreadable)
        return [
            len(bars), len(quotes.ticks), await client.margin([PLACE]), await client.holidays(2026),
            await client.analyzer(), await client.ping(),
        ]  # fmt: skip

    assert run(scenario) == [1, 1, 500, (), Mode.ANALYZE, "simbroker"]


@pytest.mark.parametrize("answer", [(503, {"status": "error", "message": "busy"}), (200, {**OK})])
def test_histories_that_are_refused_at_once_are_not_asked_for_at_once(answer: Answer) -> None:
    """A gateway that refuses them all would be asked for every symbol's within a moment."""
    sleeps = Sleeps()

    async def scenario(server: Gateway, client: OpenAlgoClient) -> None:
        server.say("history", answer)
        date = dt.date(2026, 11, 23)
        symbols = [f"NIFTY24NOV{strike}CE" for strike in range(26000, 26500, 50)]
        await asyncio.gather(*(client.history(symbol, date, date) for symbol in symbols))

    run(scenario, sleep=sleeps)
    assert sleeps.seconds == [0.05] * 10


def test_a_snapshot_is_of_before_its_first_question() -> None:
    """Books that came slowly may not have what happened while they were on their way."""
    times, started = itertools.count(NOW_MS, 1_000), []

    async def scenario(server: Gateway, client: OpenAlgoClient) -> SnapshotRead:
        for book in ("orderbook", "tradebook", "positionbook"):
            server.say(book, _data([]))
        read = await client.snapshot()
        assert isinstance(read, SnapshotRead)
        return read

    read = run(
        scenario,
        now_ms=lambda: next(times),
        observer=lambda exchanged: started.append(exchanged.started_at_ms),
    )
    assert read.taken.asked_at_ms <= min(started)
