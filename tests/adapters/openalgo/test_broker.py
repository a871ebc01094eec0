"""The gateway as broker and price source: answers are events, nothing is raised, modes are heard."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from baseline_v1_live.adapters.openalgo.broker import OpenAlgoBroker, OpenAlgoPrices
from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient
from baseline_v1_live.adapters.openalgo.wire.stream import OrderPush
from baseline_v1_live.adapters.openalgo.wire.values import Mode
from baseline_v1_live.core.messages import (
    BarsLoaded,
    BrokerStatus,
    CheckMargin,
    Event,
    FetchQuote,
    HistoryFailed,
    LoadHistory,
    MarginChecked,
    OrderAccepted,
    OrderRefused,
    OrderUpdated,
    OutcomeUnknown,
    Request,
    SnapshotFailed,
    SnapshotTaken,
    TakeSnapshot,
    Tick,
)
from baseline_v1_live.core.session import MINUTE_MS, Session, ist_date
from baseline_v1_live.runtime.ports import ToBroker
from tests.adapters.openalgo.client_desk import CANCEL, MODIFY, NOW_MS, OK, PLACE, QUERY, SYMBOL
from tests.adapters.openalgo.client_desk import run as run_client
from tests.adapters.openalgo.gateway import HANG, RESET, Answer, Gateway

ANALYZE = {"mode": "analyze"}
LOOK = TakeSnapshot(reason="test")
BOOKS = ("orderbook", "tradebook", "positionbook")
BAD_KEY: Answer = (403, {"status": "error", "message": "Invalid openalgo apikey"})
OPEN_MS = NOW_MS - 45 * MINUTE_MS
SESSION = Session(
    date=ist_date(NOW_MS),
    open_ms=OPEN_MS,
    close_ms=OPEN_MS + 385 * MINUTE_MS,
    first_entry_ms=OPEN_MS + MINUTE_MS,
    last_entry_ms=OPEN_MS + 345 * MINUTE_MS,
    square_off_ms=OPEN_MS + 360 * MINUTE_MS,
    hard_cut_ms=OPEN_MS + 365 * MINUTE_MS,
)

ResultT = TypeVar("ResultT")


class Desk:
    """A broker and a price source at a scripted gateway, and what they told about it."""

    def __init__(self, server: Gateway, client: OpenAlgoClient, expected: Mode | None) -> None:
        self.server, self.client = server, client
        self.modes: list[Mode] = []
        self.blocked: list[str] = []
        self.sent: list[str] = []
        self.broker = OpenAlgoBroker(
            client, self.modes.append, self.blocked.append, expected, self.sent.append, 0.02
        )
        self.prices = OpenAlgoPrices(client, SESSION, self.blocked.append)

    def say_books(self, *bodies: dict[str, Any]) -> None:
        for book, body in zip(BOOKS, bodies * 3 if len(bodies) == 1 else bodies, strict=True):
            self.server.say(book, (200, {**OK, "data": [], **body}))


def run(
    scenario: Callable[[Desk], Awaitable[ResultT]], expected: Mode | None = Mode.ANALYZE
) -> ResultT:
    async def with_desk(server: Gateway, client: OpenAlgoClient) -> ResultT:
        return await scenario(Desk(server, client, expected))

    return run_client(with_desk)


# ---------------------------------------------------------------- orders


@pytest.mark.parametrize(
    ("command", "path", "request_kind"),
    [
        (PLACE, "placeorder", Request.PLACE),
        (MODIFY, "modifyorder", Request.MODIFY),
        (CANCEL, "cancelorder", Request.CANCEL),
    ],
)
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((200, {**OK, "orderid": "7"}), OrderAccepted),
        ((400, {"status": "error", "message": "no"}), OrderRefused),
        (RESET, OutcomeUnknown),
        (HANG, OutcomeUnknown),
        ((200, "<html>"), OutcomeUnknown),
    ],
)
def test_every_outcome_is_the_event_of_its_request(
    command: ToBroker, path: str, request_kind: Request, answer: Answer, kind: type
) -> None:
    """It names our order and which question was answered."""

    async def scenario(desk: Desk) -> Event:
        desk.server.say(path, answer)
        return await desk.broker.send(command)

    event = run(scenario)
    assert isinstance(event, kind)
    assert isinstance(event, OrderAccepted | OrderRefused | OutcomeUnknown)
    assert (event.order_id, event.request) == ("a", request_kind)


def test_a_placement_that_left_and_is_not_answered_is_told() -> None:
    """Not while the limiter holds it back, and not when the answer comes in time."""

    async def scenario(desk: Desk) -> tuple[list[str], list[str], list[str]]:
        desk.server.say("placeorder", HANG, (200, {**OK, "orderid": "7"}))
        desk.client.limiter.hold(100)
        placing = asyncio.ensure_future(desk.broker.send(PLACE))
        await asyncio.sleep(0.06)
        held_back = list(desk.sent)
        await placing
        after_silence = list(desk.sent)
        await desk.broker.send(PLACE)
        return held_back, after_silence, desk.sent

    assert run(scenario) == ([], ["a"], ["a"])


def test_the_mode_of_every_answer_is_heard() -> None:
    """Of acceptances, refusals and unknowns; an answer that says nothing of it is silent."""

    async def scenario(desk: Desk) -> list[Mode]:
        desk.server.say(
            "placeorder",
            (200, {**OK, "orderid": "7", **ANALYZE}),
            (200, {**OK, "orderid": "8"}),
            (400, {"status": "error", "message": "no", **ANALYZE}),
            (200, {**OK, "mode": "semi_auto", "pending_order_id": 3}),
            (400, {"status": "error", "message": "no"}),
            RESET,
        )
        for _ in range(6):
            await desk.broker.send(PLACE)
        return desk.modes

    assert run(scenario) == [Mode.ANALYZE, Mode.LIVE, Mode.ANALYZE, Mode.SEMI_AUTO]


@pytest.mark.parametrize("status", [401, 403])
def test_a_gateway_that_takes_no_order_is_said(status: int) -> None:
    """Besides the refusal itself; an ordinary refusal is not."""

    async def scenario(desk: Desk) -> tuple[Event, list[str]]:
        desk.server.say(
            "placeorder",
            (400, {"status": "error", "message": "margin"}),
            (status, {"status": "error", "message": "Invalid openalgo apikey"}),
        )
        await desk.broker.send(PLACE)
        assert desk.blocked == []
        return await desk.broker.send(PLACE), desk.blocked

    event, blocked = run(scenario)
    assert isinstance(event, OrderRefused)
    assert len(blocked) == 1
    assert "Invalid openalgo apikey" in blocked[0]


def test_an_acceptance_survives_a_listener_that_fails() -> None:
    """The order's id must reach the core, whatever becomes of the news of its mode."""

    def broken(said: object) -> None:
        raise RuntimeError("no")

    async def scenario(desk: Desk) -> Event:
        desk.server.say("placeorder", (200, {**OK, "orderid": "7"}))
        return await OpenAlgoBroker(desk.client, broken, broken).send(PLACE)

    assert run(scenario) == OrderAccepted(order_id="a", request=Request.PLACE, broker_order_id="7")


def test_being_cancelled_is_the_only_thing_raised() -> None:
    """The caller must then take the outcome for unknown."""

    async def scenario(desk: Desk) -> None:
        desk.server.say("placeorder", HANG)
        sending = asyncio.ensure_future(desk.broker.send(PLACE))
        while not desk.server.asked:
            await asyncio.sleep(0.001)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending

    run(scenario)


def test_a_bug_below_is_an_unknown_outcome() -> None:
    """Nothing is raised, and nothing is taken for a failure that may have happened."""

    async def scenario(desk: Desk) -> tuple[list[Event], list[Event | None]]:
        await desk.client.close()
        desk.client._transport = None  # type: ignore[assignment]
        events = [await desk.broker.send(c) for c in (PLACE, MODIFY, CANCEL, QUERY, LOOK)]
        asks = (FetchQuote(symbol=SYMBOL), LoadHistory(symbol=SYMBOL), CHECK)
        answers = [await desk.prices.ask(ask) for ask in asks]
        desk.client._transport = _Closed()  # type: ignore[assignment]
        return events, answers

    events, answers = run(scenario)
    assert [type(event) for event in events] == [OutcomeUnknown] * 4 + [SnapshotFailed]
    assert [e.request for e in events if isinstance(e, OutcomeUnknown)] == list(Request)
    assert [type(answer) for answer in answers] == [type(None), HistoryFailed, MarginChecked]


class _Closed:
    async def close(self) -> None:
        pass


# ---------------------------------------------------------------- books


def test_a_snapshot_is_passed_on_with_its_mode() -> None:
    """Whole, and stamped with the instant before it was asked for."""

    async def scenario(desk: Desk) -> tuple[Event, list[Mode]]:
        desk.say_books(ANALYZE)
        return await desk.broker.send(LOOK), desk.modes

    event, modes = run(scenario)
    assert event == SnapshotTaken(asked_at_ms=NOW_MS, orders=(), trades=(), positions=())
    assert modes == [Mode.ANALYZE]


@pytest.mark.parametrize("bodies", [({},), ({}, ANALYZE, ANALYZE), (ANALYZE, ANALYZE, {})])
def test_books_of_another_mode_are_no_snapshot(bodies: tuple[dict[str, str], ...]) -> None:
    """All of them or only some: they are of another account, and nothing is reconciled with them."""

    async def scenario(desk: Desk) -> Event:
        desk.say_books(*bodies)
        return await desk.broker.send(LOOK)

    event = run(scenario)
    assert isinstance(event, SnapshotFailed)
    assert "mode" in event.message


def test_whole_books_of_another_mode_are_heard() -> None:
    """The shell learns which mode the gateway is in."""

    async def scenario(desk: Desk) -> list[Mode]:
        desk.say_books({})
        await desk.broker.send(LOOK)
        return desk.modes

    assert run(scenario) == [Mode.LIVE]


def test_books_of_a_mode_nobody_knows_are_no_snapshot() -> None:
    """Whatever mode is ours."""

    async def scenario(desk: Desk) -> tuple[Event, list[Mode]]:
        desk.say_books({"mode": "demo"})
        return await desk.broker.send(LOOK), desk.modes

    event, modes = run(scenario, expected=None)
    assert isinstance(event, SnapshotFailed)
    assert modes == []


@pytest.mark.parametrize("path", BOOKS)
def test_a_snapshot_that_cannot_be_read_says_why(path: str) -> None:
    """An error and never empty books; a gateway that takes no request is said besides."""

    async def scenario(desk: Desk) -> tuple[Event, list[str]]:
        desk.say_books(ANALYZE)
        desk.server.say(path, (500, "x"), BAD_KEY)
        assert isinstance(await desk.broker.send(LOOK), SnapshotFailed)
        assert desk.blocked == []
        return await desk.broker.send(LOOK), desk.blocked

    event, blocked = run(scenario)
    assert isinstance(event, SnapshotFailed)
    assert "Invalid openalgo apikey" in event.message
    assert blocked == [event.message]


def test_a_query_is_answered_with_a_proof() -> None:
    """The order's status and its fills."""
    row = {
        "orderid": "7", "symbol": SYMBOL, "exchange": "NFO", "action": "BUY", "quantity": 65,
        "price": 133.1, "trigger_price": 130.05, "pricetype": "SL", "product": "MIS",
        "order_status": "trigger pending",
    }  # fmt: skip

    async def scenario(desk: Desk) -> Event:
        desk.server.say("orderstatus", (200, {**OK, **ANALYZE, "data": row}))
        desk.server.say("tradebook", (200, {**OK, **ANALYZE, "data": []}))
        return await desk.broker.send(QUERY)

    event = run(scenario)
    assert isinstance(event, OrderUpdated)
    assert (event.status, event.proven) == (BrokerStatus.TRIGGER_PENDING, True)


def test_fills_of_another_mode_answer_no_query() -> None:
    """The gateway was switched in between: its trade book is another account's, and is heard of."""
    row = {
        "orderid": "7", "symbol": SYMBOL, "exchange": "NFO", "action": "BUY", "quantity": 65,
        "price": 133.1, "trigger_price": 130.05, "pricetype": "SL", "product": "MIS",
        "order_status": "trigger pending",
    }  # fmt: skip

    async def scenario(desk: Desk) -> tuple[Event, list[Mode]]:
        desk.server.say("orderstatus", (200, {**OK, "data": row}))
        desk.server.say("tradebook", (200, {**OK, "data": []}))
        desk.server.say("analyzer", (200, {**OK, "data": {"analyze_mode": False}}))
        return await desk.broker.send(QUERY), desk.modes

    event, modes = run(scenario)
    assert isinstance(event, OutcomeUnknown)
    assert modes == [Mode.LIVE]


def test_an_order_that_is_not_found_asks_for_the_mode() -> None:
    """The gateway was switched to the other account, where nobody knows our order."""

    async def scenario(desk: Desk) -> tuple[Event, list[Mode]]:
        desk.server.say("orderstatus", (404, {"status": "error", "message": "Order 7 not found"}))
        desk.server.say("analyzer", (200, {**OK, "data": {"analyze_mode": False}}))
        return await desk.broker.send(QUERY), desk.modes

    event, modes = run(scenario)
    assert isinstance(event, OrderRefused)
    assert event.request is Request.QUERY
    assert modes == [Mode.LIVE]


@pytest.mark.parametrize(
    ("mode", "passes"),
    [(Mode.ANALYZE, True), (Mode.UNSAID, True), (Mode.LIVE, False)],
)
def test_an_order_update_is_a_claim_of_our_own_mode(mode: Mode, passes: bool) -> None:
    """It is never a proof, and one of another mode is not for us, but its mode is heard."""
    update = OrderUpdated(
        broker_order_id="7", symbol=SYMBOL, status=BrokerStatus.COMPLETE, filled_quantity=65
    )

    async def scenario(desk: Desk) -> tuple[OrderUpdated | None, list[Mode]]:
        return desk.broker.push_event(OrderPush(update, mode)), desk.modes

    event, modes = run(scenario)
    assert event == (update if passes else None)
    assert event is None or not event.proven
    assert modes == ([] if mode is Mode.UNSAID else [mode])


# ---------------------------------------------------------------- prices

CHECK = CheckMargin(
    symbol=SYMBOL, quantity=650, trigger_price_paise=12_995, limit_price_paise=12_695
)
QUOTE = {"ltp": 129.95, "bid": 129.9, "ask": 130.05, "volume": 6500}


def _bar(minutes_after_open: int) -> dict[str, Any]:
    at_s = (OPEN_MS + minutes_after_open * MINUTE_MS) // 1000
    return {
        "timestamp": at_s, "open": 130, "high": 131, "low": 129, "close": 130.5, "volume": 650,
    }  # fmt: skip


def test_a_quote_is_a_tick_that_is_quoted() -> None:
    """It makes no bar; a quote that cannot be had is nothing at all."""

    async def scenario(desk: Desk) -> list[Event | None]:
        desk.server.say("quotes", (200, {**OK, "data": QUOTE}), (500, "x"), BAD_KEY)
        answers = [await desk.prices.ask(FetchQuote(symbol=SYMBOL)) for _ in range(3)]
        assert len(desk.blocked) == 1
        return answers

    assert run(scenario) == [
        Tick(
            symbol=SYMBOL,
            ltp_paise=12_995,
            bid_paise=12_990,
            ask_paise=13_005,
            volume=6500,
            quoted=True,
        ),
        None,
        None,
    ]


def test_history_is_the_session_s_closed_bars() -> None:
    """Oldest first: without the day before, the pre-open and the minute that is forming."""
    day_before, pre_open, first, second, closed, forming = -1440, -7, 0, 1, 44, 45

    async def scenario(desk: Desk) -> tuple[Event | None, dict[str, Any]]:
        rows = [_bar(m) for m in (second, day_before, pre_open, forming, first, closed)]
        desk.server.say("history", (200, {**OK, "data": rows}))
        return await desk.prices.ask(LoadHistory(symbol=SYMBOL)), desk.server.bodies("history")[0]

    event, asked = run(scenario)
    assert isinstance(event, BarsLoaded)
    assert event.symbol == SYMBOL
    minutes = [(bar.minute_ms - OPEN_MS) // MINUTE_MS for bar in event.bars]
    assert minutes == [first, second, closed]
    assert asked["start_date"] == asked["end_date"] == SESSION.date.isoformat()


@pytest.mark.parametrize("answer", [HANG, (500, "broker text"), (200, {**OK, "data": [{}]})])
def test_history_that_cannot_be_had_says_why(answer: Answer) -> None:
    """It is an event too: the core asks again."""

    async def scenario(desk: Desk) -> Event | None:
        desk.server.say("history", answer)
        return await desk.prices.ask(LoadHistory(symbol=SYMBOL))

    event = run(scenario)
    assert isinstance(event, HistoryFailed)
    assert event.symbol == SYMBOL
    assert event.message


def test_a_margin_check_has_both_numbers() -> None:
    """What the sale would block, asked as the order that would be sent, and what is free."""

    async def scenario(desk: Desk) -> tuple[Event | None, dict[str, Any]]:
        desk.server.say("margin", (200, {**OK, "data": {"total_margin_required": 150000.5}}))
        funds = {"availablecash": "900000.25", "utiliseddebits": "0"}
        desk.server.say("funds", (200, {**OK, "data": funds}))
        return await desk.prices.ask(CHECK), desk.server.bodies("margin")[0]["positions"][0]

    event, asked = run(scenario)
    assert event == MarginChecked(
        symbol=SYMBOL, quantity=650, required_paise=15_000_050, available_paise=90_000_025
    )
    assert (asked["action"], asked["pricetype"], asked["quantity"]) == ("SELL", "SL", "650")
    assert (asked["trigger_price"], asked["price"]) == ("129.95", "126.95")


@pytest.mark.parametrize(("path", "known"), [("margin", "available"), ("funds", "required")])
def test_a_margin_number_that_is_not_told_is_not_known(path: str, known: str) -> None:
    """None, with the reason; the other number is still there."""

    async def scenario(desk: Desk) -> Event | None:
        desk.server.say("margin", (200, {**OK, "data": {"total_margin_required": 1}}))
        desk.server.say("funds", (200, {**OK, "data": {"availablecash": 1, "utiliseddebits": 0}}))
        desk.server.say(path, (404, {"status": "error", "message": "no margin api"}))
        return await desk.prices.ask(CHECK)

    event = run(scenario)
    assert isinstance(event, MarginChecked)
    numbers = {"required": event.required_paise, "available": event.available_paise}
    assert {name for name, number in numbers.items() if number is not None} == {known}
    assert "no margin api" in event.message
