"""The phases of a start at a gateway on loopback: what is waited for, what ends it, what is chosen."""

from __future__ import annotations

import datetime as dt
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from baseline_v1_live import live_start
from baseline_v1_live.adapters.journal import Journal
from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient
from baseline_v1_live.adapters.openalgo.problems import Problem, check_gateway, check_mode
from baseline_v1_live.baseline_v1_live import run_live
from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.session import at_ist, clock_text, ist_datetime
from baseline_v1_live.live_start import RunOptions, StartError, wake_ms
from baseline_v1_live.runtime.modes import ExitCode, RunMode
from baseline_v1_live.runtime.recovery import read_universe
from tests.adapters.openalgo.client_desk import OK, REFUSED
from tests.adapters.openalgo.gateway import Answer, gateway
from tests.live.start_desk import PAUSES, Pauses, StartDesk, start_settings
from tests.sim.openalgo_server.gateway import KEY, Gateway, at, play, small_day

DATE = small_day().date
CHRISTMAS, SATURDAY = dt.date(2026, 12, 25), dt.date(2026, 11, 28)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Pauses:
    made = Pauses()
    monkeypatch.setattr(live_start, "asyncio", SimpleNamespace(sleep=made.sleep))
    return made


Question = Callable[[OpenAlgoClient, str], Awaitable[Any]]


async def _line(desk: StartDesk, question: Question, key: str = KEY) -> str:
    """The problem's own words."""
    async with desk.client(key) as client:
        problem = await question(client, desk.server.url)
    assert isinstance(problem, Problem)
    assert problem.permanent
    return problem.line


# ---------------------------------------------------------------- reaching the gateway


def test_what_passes_by_itself_is_waited_for(pauses: Pauses) -> None:
    """Each try says what is wrong; the pauses grow to ten seconds."""

    async def story(g: Gateway) -> None:
        desk = StartDesk(g)
        await g.sim("fault", name="http_500", endpoint="quotes", count=len(PAUSES))
        await desk.reach()
        assert pauses.seconds == PAUSES
        assert desk.phases() == ["gateway"] * (len(PAUSES) + 1)
        assert "Trying again in 10 s" in desk.said[4][1]
        assert "is there" in desk.said[-1][1]

    play(story)


def test_a_gateway_that_is_not_there_yet_is_waited_for(pauses: Pauses) -> None:
    """As after the start of the whole machine."""

    async def story(g: Gateway) -> None:
        desk = StartDesk(g)
        ping = {"data": {"broker": "demo", "message": "pong"}}
        async with gateway() as other, OpenAlgoClient(other.url, KEY) as client:
            other.say("ping", "reset", (502, "<html>bad gateway</html>"), (200, {**OK, **ping}))
            quote = {"ltp": 26000.0, "bid": 0, "ask": 0, "volume": 0}
            other.say("quotes", (200, {**OK, "data": quote}))
            other.say("analyzer", (200, {**OK, "data": {"mode": "analyze", "analyze_mode": True}}))
            await desk.start.reach(client, patient=False)
        assert pauses.seconds == [1.0, 2.0]

    play(story)


def test_a_refused_key_ends_the_start(pauses: Pauses) -> None:
    """In the problem's own words, and without another try."""

    async def story(g: Gateway) -> None:
        desk = StartDesk(g)
        line = await _line(desk, lambda c, host: check_gateway(c, host, "NIFTY"), "x" * 32)
        with pytest.raises(StartError) as caught:
            await desk.reach(key="x" * 32)
        assert str(caught.value) == line
        assert caught.value.code is ExitCode.FAILED
        assert (pauses.seconds, desk.said) == ([], [])

    play(story)


def test_a_refused_key_is_named_before_a_wrong_mode(pauses: Pauses) -> None:
    """A gateway that refuses the key is told as that, whatever its mode."""

    async def story(g: Gateway) -> None:
        async with gateway() as other, OpenAlgoClient(other.url, KEY) as client:
            other.say("ping", REFUSED)
            other.say("analyzer", (200, {**OK, "data": {"mode": "live", "analyze_mode": False}}))
            with pytest.raises(StartError, match="refuses the key"):
                await StartDesk(g).start.reach(client, patient=False)

    play(story)


@pytest.mark.parametrize(
    ("mode", "analyze", "starts"),
    [
        (RunMode.PAPER, True, True),
        (RunMode.PAPER, False, False),
        (RunMode.LIVE, False, True),
        (RunMode.LIVE, True, False),
        (RunMode.BUILTIN, False, True),
        (RunMode.BUILTIN, True, True),
        (RunMode.DRY_RUN, False, True),
        (RunMode.DRY_RUN, True, True),
    ],
)
def test_the_gateways_mode_must_be_ours_where_orders_go_there(
    pauses: Pauses, mode: RunMode, analyze: bool, starts: bool
) -> None:
    """In both directions; a mode that sends nothing does not ask."""

    async def story(g: Gateway) -> None:
        g.server.venue.analyze = analyze
        desk = StartDesk(g, mode)
        if starts:
            await desk.reach()
            return
        paper = mode is RunMode.PAPER
        line = await _line(desk, lambda c, host: check_mode(c, host, paper=paper))
        with pytest.raises(StartError) as caught:
            await desk.reach()
        assert str(caught.value) == line
        async with desk.client() as client:
            assert await desk.start.pre_open(client) == line

    play(story)


def test_who_holds_something_never_gives_up(pauses: Pauses) -> None:
    """What would end another start is tried again until a person has put it right."""

    async def story(g: Gateway) -> None:
        g.server.venue.analyze = False
        desk = StartDesk(g)
        pauses.before[7] = lambda: setattr(g.server.venue, "analyze", True)
        await desk.reach(patient=True)
        assert pauses.seconds == PAUSES[:7]
        assert all("analyzer mode" in line for _, line in desk.said[:-1])

    play(story)


def test_the_check_before_the_open_says_nothing_when_all_is_well(pauses: Pauses) -> None:
    """And asks once: it does not wait for anything."""

    async def story(g: Gateway) -> None:
        desk = StartDesk(g)
        async with desk.client() as client:
            assert await desk.start.pre_open(client) is None
            await g.sim("fault", name="http_500", endpoint="quotes", count=1)
            assert await desk.start.pre_open(client) is not None
        assert (pauses.seconds, desk.said) == ([], [])

    play(story)


# ---------------------------------------------------------------- the day


@pytest.mark.parametrize(
    ("date", "minute", "opens"),
    [(DATE, (9, 30), True), (DATE, (15, 39), True), (DATE, (15, 40), False),
     (SATURDAY, (9, 30), False), (CHRISTMAS, (9, 30), False)],
)  # fmt: skip
def test_a_day_opens_when_it_has_an_ordinary_session_that_is_not_over(
    pauses: Pauses, date: dt.date, minute: tuple[int, int], opens: bool
) -> None:
    """Not at a weekend, on a holiday, or after the close; the day is said in any case."""

    async def story(g: Gateway) -> None:
        desk = StartDesk(g)
        assert await desk.opens(date) is opens
        assert desk.phases() == ["session"]

    play(story, open_at=minute)


@pytest.mark.parametrize(
    ("times", "opens"),
    [((dt.time(9, 15), dt.time(15, 40)), True), ((dt.time(18, 0), dt.time(19, 15)), False)],
)
def test_a_special_session_is_no_day_to_trade(
    pauses: Pauses, times: tuple[dt.time, dt.time], opens: bool
) -> None:
    """Such as Muhurat, an hour in the evening."""

    async def story(g: Gateway) -> None:
        desk = StartDesk(g)
        hours = {
            "exchange": "NFO",
            "start_time": at_ist(DATE, times[0]),
            "end_time": at_ist(DATE, times[1]),
        }
        answers: dict[str, Answer] = {
            "market/timings": (200, {**OK, "data": [hours]}),
            "market/holidays": (200, {**OK, "data": []}),
        }
        async with gateway() as other, OpenAlgoClient(other.url, KEY) as client:
            for path, answer in answers.items():
                other.say(path, answer)
            assert desk.start.opens(await desk.start.trading_day(client, DATE)) is opens

    play(story)


def test_a_calendar_that_cannot_be_read_is_asked_for_again(pauses: Pauses) -> None:
    """Nothing is assumed of the day."""

    async def story(g: Gateway) -> None:
        desk = StartDesk(g)
        await g.sim("fault", name="http_500", endpoint="market/timings", count=2)
        assert await desk.opens(DATE)
        assert pauses.seconds == [1.0, 2.0]

    play(story)


@pytest.mark.parametrize(
    ("mode", "cutoff", "square_off"),
    [
        (RunMode.PAPER, "", "15:10:00"),
        (RunMode.PAPER, "15:25", "15:10:00"),
        (RunMode.PAPER, "15:12", "15:07:00"),
        (RunMode.LIVE, "15:25", "15:15:00"),
        (RunMode.LIVE, "15:18", "15:13:00"),
        (RunMode.BUILTIN, "", "15:15:00"),
        (RunMode.DRY_RUN, "", "15:15:00"),
    ],
)
def test_square_off_is_over_before_the_cut_off(
    pauses: Pauses, mode: RunMode, cutoff: str, square_off: str
) -> None:
    """Five minutes before the broker's own, and in the gateway's paper trading before the analyzer's
    at 15:15 too, whichever is earlier.
    """

    async def story(g: Gateway) -> None:
        desk = StartDesk(g, mode, environ={"BROKER_MIS_CUTOFF": cutoff})
        async with desk.client() as client:
            session = desk.start.session(await desk.start.trading_day(client, DATE))
        assert clock_text(session.square_off_ms) == square_off
        assert (session.open_ms, session.close_ms) == (at(9, 15), at(15, 40))

    play(story)


@pytest.mark.parametrize(
    ("following", "wakes"),
    [
        (dt.date(2026, 11, 30), dt.date(2026, 11, 30)),
        (dt.date(2026, 11, 27), dt.date(2026, 11, 27)),
        (None, dt.date(2026, 11, 27)),
        (DATE, dt.date(2026, 11, 27)),
    ],
)
def test_the_next_look_is_in_the_morning_of_the_next_session(
    following: dt.date | None, wakes: dt.date
) -> None:
    """Before its open, with time for the phases; where that is not known, at the next date."""
    found = ist_datetime(wake_ms(DATE, following))

    assert found.date() == wakes
    assert found.time() < dt.time(9, 0)


# ---------------------------------------------------------------- expiry, ATM and contracts


def test_auto_takes_the_spot_after_the_first_minute_rounded_to_the_step(pauses: Pauses) -> None:
    """The day is waited for until a quarter of an hour before its open, and the gateway asked again;
    then the first minute, with a stream open; expiry and strikes follow.
    """

    async def story(g: Gateway) -> None:
        desk = StartDesk(g, auto=True)
        universe = await desk.choose()
        quote = await g.ok("quotes", symbol="NIFTY", exchange="NSE_INDEX")
        spot_paise = round(quote["data"]["ltp"] * 100)
        assert desk.server.now_ms == at(9, 16)
        assert universe.atm_paise % 5_000 == 0
        assert abs(universe.atm_paise - spot_paise) <= 2_500
        assert (universe.date, universe.expiry) == (DATE, small_day().expiry)
        assert universe.underlying == "NIFTY"
        strikes = sorted({contract.strike_paise for contract in universe.contracts})
        assert strikes == [universe.atm_paise + 5_000 * n for n in range(-2, 3)]
        assert len(universe.contracts) == 10
        assert desk.phases() == ["session", "waiting", "gateway", "waiting", "contracts"]
        assert desk.stream.opened_ms == [at(9, 0)]
        assert not desk.stream.open

    play(story, open_at=None, start_ms=at(8, 40))


@pytest.mark.parametrize(
    ("spot", "atm"),
    [(26_024.95, 26_000), (26_025.0, 26_050), (25_975.0, 26_000), (25_974.95, 25_950)],
)
def test_the_spot_is_rounded_to_the_nearest_strike(pauses: Pauses, spot: float, atm: int) -> None:
    """Half a step goes up."""

    async def story(g: Gateway) -> None:
        desk = StartDesk(g, auto=True)
        async with gateway() as other, OpenAlgoClient(other.url, KEY) as client:
            other.say("quotes", (200, {**OK, "data": {"ltp": spot, "bid": 0, "ask": 0}}))
            session = desk.settings.session(DATE, dt.time(9, 15), dt.time(15, 40))
            assert await desk.start._spot_atm(client, session) == atm * 100

    play(story)


def test_a_given_atm_and_expiry_are_taken_at_once(pauses: Pauses) -> None:
    """Nothing is waited for, not even the first minute."""

    async def story(g: Gateway) -> None:
        day = small_day()
        desk = StartDesk(g, expiry=day.expiry, atm_paise=day.atm_paise + 5_000,
                         environ={"STRIKES_EACH_SIDE": "1"})  # fmt: skip
        universe = await desk.choose()
        assert (universe.expiry, universe.atm_paise) == (day.expiry, day.atm_paise + 5_000)
        assert desk.phases() == ["session", "contracts"]
        assert desk.server.now_ms == at(9, 5)

    play(story, open_at=(9, 5), start_ms=at(9, 4))


@pytest.mark.parametrize(
    ("options", "environ"),
    [
        ({"expiry": dt.date(2026, 12, 2)}, {}),
        ({"atm_paise": 2_601_000}, {}),
        ({"atm_paise": 3_000_000}, {}),
        ({}, {"LOT_SIZE": "75"}),
    ],
)
def test_contracts_that_are_not_there_end_the_start(
    pauses: Pauses, options: dict[str, Any], environ: dict[str, str]
) -> None:
    """No such expiry, no such strike, another lot size: each is permanent, and the stream is closed."""

    async def story(g: Gateway) -> None:
        desk = StartDesk(g, environ=environ, **{"atm_paise": small_day().atm_paise, **options})
        with pytest.raises(StartError):
            await desk.choose()
        assert pauses.seconds == []
        assert not desk.stream.open

    play(story)


# ---------------------------------------------------------------- the day's universe is kept


def _run(g: Gateway, folder: Path, atm_paise: int) -> Callable[[], Awaitable[list[str]]]:
    """One process of the bot, told to stop as soon as it has an engine; its symbols."""

    async def story() -> list[str]:
        engines: list[Engine] = []

        def ready(engine: Engine) -> None:
            engines.append(engine)
            signal.raise_signal(signal.SIGTERM)

        options = RunOptions(mode=RunMode.PAPER, atm_paise=atm_paise, sim_clock=g.server.url)
        given = start_settings(g.server, STRIKES_EACH_SIDE="1", STATE_DIR=str(folder))
        code = await run_live(given, options, lambda _: None, on_engine=ready)
        assert code is ExitCode.DONE
        return sorted(engines[0].market.symbols)

    return story


def test_the_days_contracts_stay_those_of_its_first_start(tmp_path: Path) -> None:
    """A second start of the day takes what was stored, whatever it is told, and asks for no contract."""
    atm_paise = small_day().atm_paise

    async def story(g: Gateway) -> None:
        first = await _run(g, tmp_path, atm_paise)()
        asked = len(await _contract_calls(g))
        assert len(first) == asked == 6
        with Journal.open_read_only(tmp_path / "paper" / "journal.db") as journal:
            stored = read_universe(journal.state(DATE.isoformat()))
        assert stored is not None
        assert stored.atm_paise == atm_paise
        assert sorted(contract.symbol for contract in stored.contracts) == first

        assert await _run(g, tmp_path, atm_paise + 5_000)() == first
        assert len(await _contract_calls(g)) == asked

    play(story)


async def _contract_calls(g: Gateway) -> list[Any]:
    rows = (await g.sim("audit"))["rows"]
    return [row for row in rows if row["kind"] == "call" and row["endpoint"] == "symbol"]
