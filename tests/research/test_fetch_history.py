"""Bars downloaded through the gateway's own SDK: whole day files that a replay plays, or none."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow.parquet as pq
import pytest

from baseline_v1_live.core.instruments import parse_expiry
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import MINUTE_MS, at_ist, make_session
from baseline_v1_live.research.fetch_history import (
    DayState,
    FetchError,
    FetchResult,
    Pace,
    fetch_history,
)
from baseline_v1_live.research.replay import Replay
from baseline_v1_live.sim.contract_table import SESSION_OPEN, session_close
from baseline_v1_live.sim.day import MarketDay
from baseline_v1_live.sim.exchange import ExchangeModel
from baseline_v1_live.sim.recorded import read_day
from tests.adapters.openalgo.gateway import gateway as scripted_gateway
from tests.sim.openalgo_server.gateway import KEY, Gateway, play, small_day

pytest.importorskip("openalgo")
# The SDK's own, about pandas.
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")

DAY = small_day().date
DAY_AFTER = DAY + dt.timedelta(days=1)
ONE_DAY = dt.timedelta(days=1)
EXPIRY = small_day().expiry
ATM = small_day().atm_paise
STEP = 5_000
CALLS = 11  # the index, and two options at five strikes
CALL_AT_THE_MONEY = f"NIFTY{EXPIRY:%d%b%y}{ATM // 100}CE".upper()

ResultT = TypeVar("ResultT")


class Waits:
    """A pace that takes no time; ``seconds`` has what was waited for at its turns and retries."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.seconds: list[float] = []
        self.pace = Pace(0.34, sleep=self._sleep, clock=lambda: self.now_s)

    def _sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.seconds.append(seconds)


def fetch(url: str, out: Path, **change: Any) -> FetchResult:
    settings: dict[str, Any] = {
        "api_key": KEY, "underlying": "NIFTY", "expiry": EXPIRY, "atm_paise": ATM,
        "step_paise": STEP, "strikes_each_side": 2, "start": DAY, "end": DAY, "out": out,
        "now_ms": lambda: at_ist(DAY_AFTER, dt.time(20, 0)), "pace": Waits().pace,
    }  # fmt: skip
    return fetch_history(url, **(settings | change))


def at_gateway(drive: Callable[[Gateway], ResultT], **settings: Any) -> ResultT:
    """Let the SDK, which blocks, talk from a thread to a gateway whose day is over."""
    results: list[ResultT] = []

    async def story(gateway: Gateway) -> None:
        results.append(await asyncio.to_thread(drive, gateway))

    play(story, open_at=(15, 40), **settings)
    return results[0]


def at_script(answer: Any, drive: Callable[[str, list[dict[str, Any]]], ResultT]) -> ResultT:
    """The same with a gateway that answers every history call with ``answer(body)``."""

    async def main() -> ResultT:
        async with scripted_gateway() as server:
            server.say("history", *answer if isinstance(answer, list) else [(200, answer)])
            asked = _Bodies(server.asked)
            return await asyncio.to_thread(drive, server.url, asked)

    return asyncio.run(main())


class _Bodies(list[dict[str, Any]]):
    """The bodies of the requests so far."""

    def __init__(self, asked: list[tuple[str, dict[str, Any]]]) -> None:
        super().__init__()
        self._asked = asked

    @property
    def symbols(self) -> list[str]:
        return [body["symbol"] for _, body in self._asked]


def bar(minute: int = 0, date: dt.date = DAY, **change: Any) -> dict[str, Any]:
    at_s = (at_ist(date, SESSION_OPEN) + minute * MINUTE_MS) // 1000
    row = {"timestamp": at_s, "open": 130, "high": 131, "low": 129, "close": 130.5, "volume": 65}
    return row | change


def bars(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"status": "success", "data": list(rows)}


def read(path: Path) -> MarketDay:
    return read_day(
        path,
        underlying="NIFTY",
        expiry=EXPIRY,
        atm_paise=ATM,
        step_paise=STEP,
        strikes_each_side=2,
    )


# ---------------------------------------------------------------- what is written


def test_a_downloaded_day_is_the_gateway_s_and_a_replay_plays_it(tmp_path: Path) -> None:
    """The index and every option of the universe, minute by minute, from the open to the close."""

    def drive(gateway: Gateway) -> FetchResult:
        return fetch(gateway.server.url, tmp_path)

    result = at_gateway(drive)
    assert result.complete
    (day,) = result.days
    assert (day.state, day.symbols, day.empty) == (DayState.WRITTEN, CALLS, ())
    assert day.path == tmp_path / f"{DAY}.parquet"

    read_back, original = read(day.path), small_day()
    assert read_back.index_symbol == "NIFTY"
    assert read_back.from_bars
    assert set(read_back.symbols) == set(original.symbols)
    for name in original.symbols:
        mine, theirs = _ohlc(read_back, name), _ohlc(original, name)
        assert mine == theirs, name
    assert day.bars == sum(len(_ohlc(original, name)) for name in original.symbols)

    session = make_session(
        DAY,
        open_time=SESSION_OPEN,
        close_time=session_close(DAY),
        first_entry=dt.time(9, 16),
        last_entry=dt.time(15, 0),
        force_exit=dt.time(15, 15),
        broker_cutoff=None,
    )
    replay = Replay(read_back, Rules(), session, ExchangeModel())
    replay.run()
    assert replay.engine.day_over
    series = replay.engine.market.symbols[CALL_AT_THE_MONEY].series
    played = {b.minute_ms // MINUTE_MS: b for b in series.bars}
    assert {
        minute: (b.open_paise, b.high_paise, b.low_paise, b.close_paise)
        for minute, b in played.items()
    } == _ohlc(original, CALL_AT_THE_MONEY)


def _ohlc(day: MarketDay, name: str) -> dict[int, tuple[int, int, int, int]]:
    """By minute: open, high, low, close of the session."""
    mine = day.symbol_index == day.symbols.index(name)
    times, prices = day.at_ms[mine], day.ltp_paise[mine]
    opened, closed = at_ist(DAY, SESSION_OPEN), at_ist(DAY, session_close(DAY))
    inside = (times >= opened) & (times < closed)
    minutes, prices = times[inside] // MINUTE_MS, prices[inside]
    found = {}
    for minute in np.unique(minutes):
        part = prices[minutes == minute].tolist()
        found[int(minute)] = (part[0], max(part), min(part), part[-1])
    return found


def test_the_file_has_the_layout_of_a_recorded_day(tmp_path: Path) -> None:
    """Its columns, and nothing of it outside the session: no pre-open, no other date."""
    rows = [bar(0), bar(1), bar(-7), bar(385), bar(0, DAY - ONE_DAY)]

    def drive(url: str, asked: object) -> FetchResult:
        return fetch(url, tmp_path, strikes_each_side=0)

    result = at_script(bars(*rows), drive)
    table = pq.read_table(result.days[0].path)
    assert table.column_names == ["ts", "symbol", "open", "high", "low", "close", "volume"]
    assert str(table.schema.field("ts").type) == "timestamp[ms, tz=Asia/Kolkata]"
    assert table.num_rows == result.days[0].bars == 6
    assert table.column("symbol").to_pylist()[:3] == [
        "NIFTY", CALL_AT_THE_MONEY, CALL_AT_THE_MONEY[:-2] + "PE",
    ]  # fmt: skip


def test_a_bar_without_a_volume_has_none(tmp_path: Path) -> None:
    """As the index's, which nobody trades."""

    def drive(url: str, asked: object) -> FetchResult:
        return fetch(url, tmp_path, strikes_each_side=0)

    result = at_script(bars(bar(volume=None)), drive)
    assert pq.read_table(result.days[0].path).column("volume").to_pylist() == [0, 0, 0]


# ---------------------------------------------------------------- which days


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    """Nothing is asked for it; ``force`` writes it anew."""
    path = tmp_path / f"{DAY}.parquet"
    path.write_text("mine")

    def drive(gateway: Gateway) -> tuple[FetchResult, str, FetchResult]:
        kept = fetch("http://127.0.0.1:9", tmp_path)
        text = path.read_text()
        return kept, text, fetch(gateway.server.url, tmp_path, force=True)

    kept, text, forced = at_gateway(drive)
    assert ([day.state for day in kept.days], text) == ([DayState.KEPT], "mine")
    assert [day.state for day in forced.days] == [DayState.WRITTEN]
    assert read(path).from_bars


def test_a_day_on_which_nothing_traded_has_no_file(tmp_path: Path) -> None:
    """Three calls show it: the index and both options at the money."""

    def drive(url: str, asked: Any) -> tuple[FetchResult, list[str]]:
        return fetch(url, tmp_path), asked.symbols

    result, asked = at_script(bars(), drive)
    assert [day.state for day in result.days] == [DayState.CLOSED]
    assert result.complete
    assert len(asked) == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("clock", "state"),
    [((15, 39), DayState.NOT_OVER), ((15, 41), DayState.NOT_OVER), ((15, 45), DayState.CLOSED)],
)
def test_a_day_that_is_not_over_is_not_a_day(
    tmp_path: Path, clock: tuple[int, int], state: DayState
) -> None:
    """Its last bars are still to come, for a moment after the close too."""

    def drive(url: str, asked: object) -> FetchResult:
        return fetch(url, tmp_path, now_ms=lambda: at_ist(DAY, dt.time(*clock)))

    assert [day.state for day in at_script(bars(), drive).days] == [state]


def test_every_date_of_the_range_is_looked_at(tmp_path: Path) -> None:
    """Both ends included, each with its own dates in the question."""

    def drive(url: str, asked: Any) -> tuple[FetchResult, set[tuple[str, str]]]:
        result = fetch(url, tmp_path, start=DAY - 2 * ONE_DAY, now_ms=lambda: 1 << 50)
        return result, {(b["start_date"], b["end_date"]) for _, b in asked._asked}

    result, asked = at_script(bars(), drive)
    dates = [DAY - 2 * ONE_DAY, DAY - ONE_DAY, DAY]
    assert [day.date for day in result.days] == dates
    assert asked == {(date.isoformat(), date.isoformat()) for date in dates}


# ---------------------------------------------------------------- troubles


def test_a_trouble_that_passes_is_not_noticed(tmp_path: Path) -> None:
    """An error of the gateway is asked again after a pause."""

    def drive(gateway: Gateway) -> FetchResult:
        gateway.server.faults.add({"name": "http_500", "endpoint": "history", "count": 3})
        return fetch(gateway.server.url, tmp_path)

    assert at_gateway(drive).complete


def test_a_day_that_is_not_whole_is_not_written_and_can_be_had_later(tmp_path: Path) -> None:
    """One symbol's history fails for good: no file, the reason in one line; the next run gets it."""

    def drive(gateway: Gateway) -> tuple[FetchResult, list[Path], FetchResult]:
        gateway.server.faults.add({"name": "html_reply", "endpoint": "history", "count": 4})
        first = fetch(gateway.server.url, tmp_path)
        return first, list(tmp_path.iterdir()), fetch(gateway.server.url, tmp_path)

    first, files, second = at_gateway(drive)
    (day,) = first.days
    assert (day.state, files) == (DayState.FAILED, [])
    assert not first.complete
    assert day.message.startswith("NIFTY: ")
    assert "\n" not in day.message
    assert second.complete


def test_a_wrong_key_ends_the_download(tmp_path: Path) -> None:
    """At the first answer, without repeating the key."""

    def drive(gateway: Gateway) -> FetchResult:
        return fetch(gateway.server.url, tmp_path, api_key="wrong-key", end=DAY_AFTER)

    result = at_gateway(drive)
    assert "does not take the key" in result.error
    assert "wrong-key" not in result.error
    assert (result.days, result.complete) == ((), False)


def test_a_key_that_the_gateway_repeats_is_not_shown(tmp_path: Path) -> None:
    """Its words are given without it."""

    def drive(url: str, asked: object) -> FetchResult:
        return fetch(url, tmp_path)

    echo = (403, {"status": "error", "message": f"no such key: {KEY}"})
    result = at_script([echo], drive)
    assert "no such key" in result.error
    assert KEY not in result.error


def test_a_gateway_that_is_not_there_ends_the_download(tmp_path: Path) -> None:
    """The error names the address; what was done before stays done."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    (tmp_path / f"{DAY}.parquet").touch()

    result = fetch(url, tmp_path, end=DAY_AFTER)
    assert url in result.error
    assert [day.state for day in result.days] == [DayState.KEPT]


def test_a_strike_that_is_not_listed_is_noted(tmp_path: Path) -> None:
    """The day is whole without it."""

    def drive(gateway: Gateway) -> FetchResult:
        return fetch(gateway.server.url, tmp_path, strikes_each_side=3)

    result = at_gateway(drive)
    assert result.complete
    assert (result.days[0].symbols, result.days[0].empty) == (CALLS, ())
    assert len(result.unknown) == 4


def test_an_unknown_symbol_is_asked_once(tmp_path: Path) -> None:
    """Not again for each date."""

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        return bars(bar(date=dt.date.fromisoformat(body["start_date"])))

    def drive(url: str, asked: Any) -> tuple[FetchResult, list[str]]:
        result = fetch(url, tmp_path, strikes_each_side=0, end=DAY_AFTER, now_ms=lambda: 1 << 50)
        return result, asked.symbols

    no_index = (404, {"status": "error", "message": "unknown symbol"})
    result, asked = at_script([no_index, (200, answer)], drive)
    assert list(result.unknown) == ["NIFTY"]
    assert asked.count("NIFTY") == 1
    assert [day.symbols for day in result.days] == [2, 2]


def test_symbols_without_bars_are_noted(tmp_path: Path) -> None:
    """They did not trade that day; the others are written."""
    quiet = f"NIFTY{EXPIRY:%d%b%y}{(ATM - STEP) // 100}PE".upper()

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        return bars() if body["symbol"] == quiet else bars(bar())

    def drive(url: str, asked: object) -> FetchResult:
        return fetch(url, tmp_path, strikes_each_side=1)

    result = at_script(answer, drive)
    assert result.complete
    assert result.days[0].empty == (quiet,)


def test_a_day_without_its_strike_at_the_money_is_of_no_use(tmp_path: Path) -> None:
    """A replay would refuse the file, so none is written."""

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        return bars() if str(ATM // 100) in body["symbol"] else bars(bar())

    def drive(url: str, asked: object) -> FetchResult:
        return fetch(url, tmp_path, strikes_each_side=1)

    result = at_script(answer, drive)
    assert result.days[0].state is DayState.FAILED
    assert CALL_AT_THE_MONEY in result.days[0].message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "row",
    [
        bar(low=132),
        bar(close=0, low=0),
        bar(high=None),
        bar(volume=-1),
        {"timestamp": bar()["timestamp"]},
    ],
)
def test_bars_that_cannot_be_are_not_written(tmp_path: Path, row: dict[str, Any]) -> None:
    """The day fails, and the message names the symbol."""

    def drive(url: str, asked: object) -> FetchResult:
        return fetch(url, tmp_path)

    result = at_script(bars(bar(1), row), drive)
    assert result.days[0].state is DayState.FAILED
    assert result.days[0].message.startswith("NIFTY: ")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"end": DAY - ONE_DAY}, "before the first"),
        ({"end": EXPIRY + ONE_DAY}, "after the expiry"),
    ],
)
def test_dates_that_make_no_sense_are_refused(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    """Before anything is asked, in one line."""
    with pytest.raises(FetchError, match=words):
        fetch("http://127.0.0.1:9", tmp_path, **change)


def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    """A file stands where it should be; a folder that is missing is made."""
    taken = tmp_path / "taken"
    taken.touch()
    with pytest.raises(FetchError, match="taken"):
        fetch("http://127.0.0.1:9", taken)

    fetch("http://127.0.0.1:9", tmp_path / "new" / "folder", now_ms=lambda: 0)
    assert (tmp_path / "new" / "folder").is_dir()


# ---------------------------------------------------------------- pace and progress


def test_calls_keep_their_distance(tmp_path: Path) -> None:
    """About three a second, and a pause before a call is repeated."""
    waits = Waits()

    def drive(url: str, asked: object) -> FetchResult:
        return fetch(url, tmp_path, pace=waits.pace)

    error = (500, {"status": "error", "message": "broker"})
    at_script([error, (200, bars())], drive)
    assert waits.seconds == pytest.approx([0, 1.0, 0, 0.34, 0.34])


def test_progress_goes_forward_to_the_end(tmp_path: Path) -> None:
    """Never back, and to its total, whatever became of the days."""
    heard: list[tuple[int, int, str]] = []

    def drive(gateway: Gateway) -> FetchResult:
        return fetch(
            gateway.server.url,
            tmp_path,
            start=DAY - ONE_DAY,
            end=DAY_AFTER,
            progress=lambda *said: heard.append(said),
        )

    result = at_gateway(drive)
    assert [day.state for day in result.days] == [
        DayState.CLOSED, DayState.WRITTEN, DayState.CLOSED,
    ]  # fmt: skip
    done = [said[0] for said in heard]
    assert done == sorted(done)
    assert heard[-1][:2] == (3 * CALLS, 3 * CALLS)
    assert any(CALL_AT_THE_MONEY in said[2] for said in heard)


def test_the_expiry_of_the_day_is_its_symbols(tmp_path: Path) -> None:
    """The options asked for are named as the gateway names them."""

    def drive(url: str, asked: Any) -> list[str]:
        fetch(url, tmp_path, strikes_each_side=0)
        return list(asked.symbols)

    asked = at_script(bars(bar()), drive)
    assert asked == ["NIFTY", CALL_AT_THE_MONEY, CALL_AT_THE_MONEY[:-2] + "PE"]
    assert parse_expiry(CALL_AT_THE_MONEY[5:12]) == EXPIRY
