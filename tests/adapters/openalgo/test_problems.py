"""What is wrong with a gateway is named with its cause, in one line that says what to do."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient
from baseline_v1_live.adapters.openalgo.problems import (
    Cause,
    GatewayUp,
    Problem,
    check_expiry,
    check_gateway,
    check_mode,
    load_contracts,
    trouble,
)
from baseline_v1_live.adapters.openalgo.wire.values import Mode, Unreadable
from baseline_v1_live.core.instruments import Contract
from tests.adapters.openalgo.client_desk import DATE, OK, PAGE, PONG, REFUSED, asked, holding, run
from tests.adapters.openalgo.gateway import HANG, KEY, RESET, TRUNCATED, Answer, Gateway, serving

PRICE: Answer = (200, {**OK, "data": {"ltp": 26012.35}})


def _gateway(ping: Answer, quote: Answer = PRICE) -> GatewayUp | Problem:
    return asked(
        {"ping": [ping], "quotes": [quote]},
        lambda client, host: check_gateway(client, host, "NIFTY"),
    )


def test_a_gateway_that_answers_a_quote_is_up() -> None:
    """Broker and index price are what it says; before the first trade there is no price."""
    assert _gateway(PONG) == GatewayUp("zerodha", 2_601_235)
    assert _gateway(PONG, holding({"ltp": 0})) == GatewayUp("zerodha", None)


@pytest.mark.parametrize(
    ("ping", "quote", "cause", "permanent", "words"),
    [
        (HANG, PRICE, Cause.DOWN, False, ["does not answer in time"]),
        (RESET, PRICE, Cause.DOWN, False, ["breaks off"]),
        (TRUNCATED, PRICE, Cause.DOWN, False, ["breaks off"]),
        ((200, PAGE), PRICE, Cause.STRANGER, True, ["page", "OPENALGO_HOST"]),
        ((403, PAGE), PRICE, Cause.STRANGER, True, ["page", "OPENALGO_HOST"]),
        ((502, PAGE), PRICE, Cause.DOWN, False, ["502", "start the gateway"]),
        ((404, {"message": "Not found"}), PRICE, Cause.STRANGER, True, ["OPENALGO_HOST"]),
        (REFUSED, PRICE, Cause.KEY, True, ["Invalid openalgo apikey", "session", "KEY is wrong"]),
        ((429, {"message": "50 per 1 second"}), PRICE, Cause.ANSWER, False, ["rate limit"]),
        ((500, {"status": "error", "message": "x"}), PRICE, Cause.ANSWER, False, ["log"]),
        (PONG, REFUSED, Cause.KEY, True, ["session has ended", "OPENALGO_API_KEY"]),
        (
            PONG,
            (500, {"status": "error", "message": "Token is invalid or has expired."}),
            Cause.BROKER,
            False,
            ["zerodha", "Token is invalid or has expired.", "log in at the broker"],
        ),
        (
            PONG,
            (401, {"status": "error", "message": "TokenException"}),
            Cause.KEY,
            True,
            ["TokenException", "log in at the broker"],
        ),
        (
            PONG,
            (400, {"status": "error", "message": "Incorrect session"}),
            Cause.BROKER,
            True,
            ["Incorrect session", "log in at the broker"],
        ),
        (PONG, HANG, Cause.BROKER, False, ["no quote", "slow"]),
        (
            PONG,
            (400, {"status": "error", "message": "Symbol 'NIFTY' not found for exchange"}),
            Cause.CONTRACTS,
            True,
            ["master contract"],
        ),
    ],
)
def test_each_state_of_a_gateway_has_its_cause(
    ping: Answer, quote: Answer, cause: Cause, permanent: bool, words: list[str]
) -> None:
    """One line with what was seen and what to do; what may pass by itself is not permanent."""
    problem = _gateway(ping, quote)

    assert isinstance(problem, Problem)
    assert (problem.cause, problem.permanent) == (cause, permanent)
    assert [word for word in words if word not in problem.line] == []
    assert "\n" not in problem.line
    assert problem.todo


def test_a_gateway_that_is_not_there_is_down() -> None:
    """A refused connection names the address and may pass."""

    async def main() -> GatewayUp | Problem:
        async with OpenAlgoClient("http://127.0.0.1:9", KEY) as client:
            return await check_gateway(client, "http://127.0.0.1:9", "NIFTY")

    problem = asyncio.run(main())
    assert isinstance(problem, Problem)
    assert (problem.cause, problem.permanent) == (Cause.DOWN, False)
    assert problem.line == (
        "nothing answers at http://127.0.0.1:9; start the gateway, or correct OPENALGO_HOST"
    )


def test_a_secure_address_of_a_plain_gateway_is_told() -> None:
    """https:// where only http:// is spoken is named as that."""

    async def scenario(server: Gateway, _: OpenAlgoClient) -> GatewayUp | Problem:
        url = server.url.replace("http:", "https:")
        async with OpenAlgoClient(url, KEY) as client:
            return await check_gateway(client, url, "NIFTY")

    problem = run(scenario)
    assert isinstance(problem, Problem)
    assert "secure connection" in problem.seen
    assert "http:// or https://" in problem.todo


@pytest.mark.parametrize(
    ("analyzing", "paper", "words"),
    [
        (True, True, None),
        (False, False, None),
        (False, True, ["PAPER_TRADING is true", "trades live", "analyzer mode on"]),
        (True, False, ["PAPER_TRADING is false", "analyzer mode off"]),
    ],
)
def test_both_modes_must_agree(analyzing: bool, paper: bool, words: list[str] | None) -> None:
    """Paper wants the analyzer on and live wants it off; anything else says what to switch."""
    answers = {"analyzer": [holding({"analyze_mode": analyzing})]}
    found = asked(answers, lambda client, host: check_mode(client, host, paper=paper))

    if words is None:
        assert found is (Mode.ANALYZE if analyzing else Mode.LIVE)
        return
    assert isinstance(found, Problem)
    assert (found.cause, found.permanent) == (Cause.MODE, True)
    assert [word for word in words if word not in found.line] == []


def test_a_mode_that_cannot_be_read_is_no_mode() -> None:
    """Without an answer about the mode there is a problem, never a guess."""
    found = asked(
        {"analyzer": [(500, {"status": "error", "message": "x"})]},
        lambda client, host: check_mode(client, host, paper=True),
    )

    assert isinstance(found, Problem)
    assert not found.permanent


# ---------------------------------------------------------------- expiry and contracts

LISTED = holding(["23-NOV-26", "01-DEC-26"])


@pytest.mark.parametrize(
    ("listed", "wanted", "today", "expected"),
    [
        (LISTED, None, DATE, DATE),
        (LISTED, None, dt.date(2026, 11, 24), dt.date(2026, 12, 1)),
        (LISTED, dt.date(2026, 12, 1), DATE, dt.date(2026, 12, 1)),
        (
            LISTED,
            dt.date(2026, 11, 24),
            DATE,
            "24NOV26 is not an expiry of NIFTY at the gateway; the nearest is 23NOV26; "
            "give --expiry 23NOV26",
        ),
        (
            LISTED,
            DATE,
            dt.date(2026, 11, 24),
            "23NOV26 is past; the nearest is 01DEC26; give --expiry 01DEC26",
        ),
        (
            holding([]),
            None,
            DATE,
            "the gateway lists no expiry of NIFTY; download the master contract in the gateway's "
            "web page, then try again",
        ),
        (
            LISTED,
            None,
            dt.date(2026, 12, 2),
            "the gateway's last expiry of NIFTY is past (01DEC26); download the master contract in "
            "the gateway's web page, then try again",
        ),
    ],
)
def test_the_expiry_is_a_listed_one(
    listed: Answer, wanted: dt.date | None, today: dt.date, expected: object
) -> None:
    """The nearest one that is not past unless one is given; an unknown one names the nearest."""
    found = asked(
        {"expiry": [listed]},
        lambda client, host: check_expiry(client, host, "NIFTY", wanted, today),
    )

    assert (found.line if isinstance(found, Problem) else found) == expected


def _record(symbol: str, **change: Any) -> Answer:
    strike = float(symbol.removeprefix("NIFTY23NOV26")[:-2])
    record = {
        "symbol": symbol, "expiry": "23-NOV-26", "strike": strike, "lotsize": 65,
        "tick_size": 0.05, "freeze_qty": 1800,
    }  # fmt: skip
    return holding(record | change)


def _contracts(
    answer: Callable[[str], Answer], atm_paise: int = 2_600_000
) -> dict[str, Contract] | Problem:
    """The universe of one strike on each side at a gateway that answers so about each symbol."""

    async def main() -> dict[str, Contract] | Problem:

        async def handle(request: web.Request) -> web.StreamResponse:
            status, body = answer((await request.json())["symbol"])  # type: ignore[misc]
            return web.json_response(body, status=int(status))

        async with serving(handle, "/api/v1/symbol") as where:
            host = f"http://{where}"
            async with OpenAlgoClient(host, KEY) as client:
                return await load_contracts(
                    client, host, "NIFTY", DATE,
                    atm_paise=atm_paise, step_paise=5_000, strikes_each_side=1, lot_size=65,
                )  # fmt: skip

    return asyncio.run(main())


def test_contracts_are_the_whole_universe_in_order() -> None:
    """Every strike and type, lowest strike first, as the gateway records them."""
    found = _contracts(_record)

    assert isinstance(found, dict)
    assert list(found) == [
        f"NIFTY23NOV26{strike}{kind}" for strike in (25950, 26000, 26050) for kind in ("CE", "PE")
    ]
    assert {(c.lot_size, c.tick_paise, c.freeze_quantity) for c in found.values()} == {
        (65, 5, 1800)
    }


@pytest.mark.parametrize(
    ("answer", "words", "permanent"),
    [
        (lambda s: _record(s, lotsize=75), ["is 75 units", "LOT_SIZE is 65", "LOT_SIZE=75"], True),
        (
            lambda s: _record(s, lotsize=75 if "25950" in s else 65),
            ["65 and 75", "master contract"],
            True,
        ),
        (
            lambda s: (404, {"status": "error", "message": "no"}) if "26050" in s else _record(s),
            ["2 of 6", "NIFTY23NOV2626050CE", "STRIKES_EACH_SIDE"],
            True,
        ),
        (
            lambda _: (404, {"status": "error", "message": "no"}),
            ["6 of 6", "--atm and --expiry"],
            True,
        ),
        (lambda _: (500, {"status": "error", "message": "busy"}), ["busy"], False),
        (lambda _: REFUSED, ["OPENALGO_API_KEY"], True),
    ],
)
def test_contracts_that_do_not_fit_are_told(
    answer: Callable[[str], Answer], words: list[str], permanent: bool
) -> None:
    """Another lot size, missing strikes and a gateway that fails each say what to do."""
    found = _contracts(answer)

    assert isinstance(found, Problem)
    assert [word for word in words if word not in found.line] == []
    assert found.permanent is permanent


def test_an_atm_between_strikes_is_told_before_anything_is_asked() -> None:
    """An ATM that is no multiple of the step names the nearest one that is."""
    found = _contracts(_record, atm_paise=2_601_000)

    assert isinstance(found, Problem)
    assert found.line == "ATM 26010 is not a multiple of the strike step 50; give --atm 26000"


def test_a_gateway_that_fails_is_not_asked_for_the_rest() -> None:
    """After an answer that is neither yes nor no the remaining symbols are left out."""
    asked: list[str] = []

    def answer(symbol: str) -> Answer:
        asked.append(symbol)
        return 500, {"status": "error"}

    assert isinstance(_contracts(answer), Problem)
    assert len(asked) <= 4


def test_a_record_that_contradicts_its_symbol_is_told() -> None:
    """An answer without a status is a problem that does not pass by itself."""
    problem = trouble(Unreadable("contract X: the record is of another symbol"), "http://h")

    assert (problem.cause, problem.permanent) == (Cause.ANSWER, True)
