"""Money, calendar and stream as they are asked for before the start, and what transports tell."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest
from aiohttp import web

from baseline_v1_live.adapters.openalgo.calendar import TradingDay, read_day
from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient
from baseline_v1_live.adapters.openalgo.money import check_funds, check_margin
from baseline_v1_live.adapters.openalgo.probe import StreamSeen, look_at_stream
from baseline_v1_live.adapters.openalgo.problems import Cause, Problem
from baseline_v1_live.adapters.openalgo.transport import Exchanged
from baseline_v1_live.adapters.openalgo.wire.data import Funds
from baseline_v1_live.adapters.openalgo.wire.values import Failure, Mode, Unreadable
from baseline_v1_live.core.messages import Tick
from baseline_v1_live.core.session import at_ist
from tests.adapters.openalgo.client_desk import (
    DATE,
    NOW_MS,
    OK,
    PAGE,
    PONG,
    REFUSED,
    SYMBOL,
    asked,
    holding,
    run,
)
from tests.adapters.openalgo.gateway import HANG, KEY, Answer, Gateway, serving, stream_gateway
from tests.harness_market import make_contract

# ---------------------------------------------------------------- money

CONTRACT = make_contract(SYMBOL)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"availablecash": "500.00", "utiliseddebits": "1.50"}, Funds(50_000, 150, Mode.LIVE)),
        ({"availablecash": 0, "utiliseddebits": 0}, "0.00 free"),
    ],
)
def test_funds_are_there_or_missing(answer: dict[str, Any], expected: object) -> None:
    """Free money is a value, none is a problem."""
    found = asked({"funds": [holding(answer)]}, check_funds)

    assert (found.seen if isinstance(found, Problem) else found) == expected


def test_orders_that_wait_for_approval_are_told() -> None:
    """A gateway that shows its semi-automatic mode does not pass."""
    body = {**OK, "mode": "semi_auto", "data": {"availablecash": 5, "utiliseddebits": 0}}
    found = asked({"funds": [(200, body)]}, check_funds)

    assert isinstance(found, Problem)
    assert (found.cause, "approves" in found.seen) == (Cause.MODE, True)


@pytest.mark.parametrize(
    ("answer", "free_paise", "expected"),
    [
        (holding({"total_margin_required": 1000}), 115_000, 100_000),
        (holding({"total_margin_required": 1000}), 114_999, "with headroom 1150.00"),
        ((404, {"status": "error", "message": "no margin api"}), 1, "MARGIN_CHECK"),
        ((500, {"status": "error", "message": "broker is busy"}), 1, "broker is busy"),
    ],
)
def test_margin_of_a_lot_must_fit_with_headroom(
    answer: Answer, free_paise: int, expected: object
) -> None:
    """The margin times its headroom must be free; where it cannot be had, the reason is told."""
    found = asked(
        {"margin": [answer]},
        lambda client, host: check_margin(
            client, host, CONTRACT, free_paise,
            trigger_paise=10_000, limit_paise=9_700, headroom_bp=11_500,
        ),
    )  # fmt: skip

    if isinstance(found, Problem):
        assert str(expected) in found.line
    else:
        assert found == expected


# ---------------------------------------------------------------- the calendar


def _span(date: dt.date, opens: dt.time, closes: dt.time) -> dict[str, Any]:
    return {
        "exchange": "NFO",
        "start_time": at_ist(date, opens),
        "end_time": at_ist(date, closes),
    }


def _read(date: dt.date, holidays: list[dict[str, Any]], *timings: Any) -> TradingDay | Problem:
    answers = {
        "market/holidays": [holding(holidays)],
        "market/timings": [holding(rows) for rows in timings],
    }
    return asked(answers, lambda client, host: read_day(client, host, date))


GURPURB = {
    "date": "2026-11-24",
    "description": "Guru Nanak Jayanti",
    "holiday_type": "TRADING_HOLIDAY",
    "closed_exchanges": ["NSE", "NFO"],
    "open_exchanges": [],
}
OPEN, CLOSE = dt.time(9, 15), dt.time(15, 40)


def test_a_day_before_a_holiday_knows_the_next_session() -> None:
    """The following session skips the holiday; before the open the day has not begun."""
    wednesday = dt.date(2026, 11, 25)
    day = _read(DATE, [GURPURB], [_span(DATE, OPEN, CLOSE)], [], [_span(wednesday, OPEN, CLOSE)])

    assert isinstance(day, TradingDay)
    assert (day.ordinary, day.following) == (True, wednesday)
    assert day.closed_on(dt.date(2026, 11, 24))
    before, within, after = (at_ist(DATE, dt.time(hour)) for hour in (9, 10, 16))
    assert [day.trading_at(at_ms) for at_ms in (before, within, after)] == [False, True, False]
    assert day.next_open_text(before) == "09:15"
    assert day.next_open_text(after) == "Wed 25 Nov 2026"
    assert day.text(within) == "Mon 23 Nov 2026: 09:15 to 15:40; next session Wed 25 Nov 2026"
    assert day.text(after).startswith("Mon 23 Nov 2026: 09:15 to 15:40, over")


def test_a_holiday_says_its_name() -> None:
    """A closed day has the calendar's description."""
    day = _read(dt.date(2026, 11, 24), [GURPURB], [])

    assert isinstance(day, TradingDay)
    assert not day.ordinary
    assert day.text(NOW_MS) == "Tue 24 Nov 2026: no session (Guru Nanak Jayanti)"


@pytest.mark.parametrize(
    ("date", "opens", "holidays"),
    [
        (dt.date(2026, 11, 8), dt.time(18, 0), []),
        (dt.date(2026, 2, 1), OPEN, []),
        (DATE, dt.time(13, 45), []),
        (
            DATE,
            OPEN,
            [
                {
                    "date": "2026-11-23",
                    "description": "Muhurat",
                    "holiday_type": "SPECIAL_SESSION",
                    "closed_exchanges": [],
                    "open_exchanges": [_span(DATE, OPEN, CLOSE)],
                }
            ],
        ),
    ],
)
def test_other_hours_are_a_special_session(
    date: dt.date, opens: dt.time, holidays: list[dict[str, Any]]
) -> None:
    """Weekend hours, another opening time and hours of a special day are no day to trade."""
    day = _read(date, holidays, [_span(date, opens, dt.time(19, 15))], [])

    assert isinstance(day, TradingDay)
    assert (day.special, day.ordinary) == (True, False)
    assert not day.trading_at(at_ist(date, dt.time(18, 30)))
    assert "special session" in day.text(NOW_MS)


@pytest.mark.parametrize("path", ["market/timings", "market/holidays"])
def test_a_calendar_that_cannot_be_read_is_a_problem(path: str) -> None:
    """Nothing is assumed of a day whose hours or holidays are not known."""
    answers = {"market/holidays": [holding([])], "market/timings": [holding([])]}
    answers[path] = [(500, {"status": "error", "message": "locked"})]
    day = asked(answers, lambda client, host: read_day(client, host, DATE))

    assert isinstance(day, Problem)
    assert "locked" in day.seen


# ---------------------------------------------------------------- the stream


def _stream(
    *,
    takes_key: bool = True,
    refuse: str = "",
    tick: bool = False,
    tick_s: float = 0.0,
    url: str = "",
) -> StreamSeen | Problem:
    async def main() -> StreamSeen | Problem:
        async with stream_gateway() as server:
            server.takes_key = takes_key
            if refuse:
                server.refuse["NIFTY"] = refuse
            looking = asyncio.create_task(
                look_at_stream(url or server.url, KEY, "NIFTY", tick_s=tick_s, answer_s=2.0)
            )
            while tick and not looking.done():
                data = {"symbol": "NIFTY", "ltp": 26012.35, "ltt": NOW_MS, "timestamp": NOW_MS}
                envelope = {"symbol": "NIFTY", "exchange": "NSE_INDEX", "mode": 2}
                await server.push({"type": "market_data", **envelope, "data": data})
                await asyncio.sleep(0.01)
            return await looking

    return asyncio.run(main())


def test_a_stream_that_ticks_is_seen() -> None:
    """Key, symbol and order updates are taken, and the tick is the index's."""
    seen = _stream(tick=True, tick_s=5.0)

    assert isinstance(seen, StreamSeen)
    assert isinstance(seen.tick, Tick)
    assert (seen.tick.ltp_paise, seen.orders_pushed) == (2_601_235, True)
    assert _stream() == StreamSeen(None, True)


@pytest.mark.parametrize(
    ("given", "cause", "words"),
    [
        ({"tick_s": 0.05}, Cause.BROKER, ["does not tick in 0.05 s", "restart the gateway"]),
        ({"takes_key": False}, Cause.KEY, ["refuses the key", "API key page"]),
        ({"refuse": "no token"}, Cause.BROKER, ["no token", "log in at the broker"]),
        ({"url": "ws://127.0.0.1:9"}, Cause.DOWN, ["no stream at ws://127.0.0.1:9"]),
    ],
)
def test_a_stream_that_is_of_no_use_says_why(
    given: dict[str, Any], cause: Cause, words: list[str]
) -> None:
    """Silence in the session, a refused key, a refused symbol and no stream are told apart."""
    problem = _stream(**given)

    assert isinstance(problem, Problem)
    assert problem.cause is cause
    assert [word for word in words if word not in problem.line] == []
    assert KEY not in problem.line


# ---------------------------------------------------------------- what the transport tells


def test_unusable_answers_say_how_they_failed() -> None:
    """No answer has its failure, a page is marked as one, and a refusal in JSON is neither."""

    async def scenario(server: Gateway, client: OpenAlgoClient) -> list[Unreadable]:
        server.say("ping", HANG, (502, PAGE), (200, "{"), REFUSED)
        answers = [await client.ping() for _ in range(4)]
        return [answer for answer in answers if isinstance(answer, Unreadable)]

    assert [(a.status, a.failure, a.page) for a in run(scenario)] == [
        (None, Failure.TIMEOUT, False),
        (502, None, True),
        (200, None, True),
        (403, None, False),
    ]


def test_an_exchange_has_the_gateways_own_time() -> None:
    """The date of an answer is read to the second, and is not there where there was no answer."""
    seen: list[Exchanged] = []

    async def scenario(server: Gateway, client: OpenAlgoClient) -> None:
        server.say("ping", PONG, HANG)
        await client.ping()
        await client.ping()

    run(scenario, observer=seen.append)
    told = seen[0].date_ms
    assert told is not None
    assert told % 1000 == 0
    assert seen[1].date_ms is None


@pytest.mark.parametrize(
    ("header", "date_ms"),
    [
        ("Thu, 26 Nov 2026 04:00:00 GMT", at_ist(dt.date(2026, 11, 26), dt.time(9, 30))),
        ("yesterday", None),
        (None, None),
    ],
)
def test_a_date_that_makes_no_sense_is_none(header: str | None, date_ms: int | None) -> None:
    """A header that is missing or no date says nothing of the time."""

    seen: list[Exchanged] = []

    async def handle(_: web.Request) -> web.StreamResponse:
        # The server writes a header of its own where there is none; an empty one is no date.
        return web.json_response({}, headers={"Date": header or ""})

    async def main() -> None:
        async with (
            serving(handle, "/api/v1/ping") as where,
            OpenAlgoClient(f"http://{where}", KEY, observer=seen.append) as client,
        ):
            await client.ping()

    asyncio.run(main())
    assert seen[0].date_ms == date_ms
