"""A day's recorded ticks become a day file that is read, and played, as they were taken."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import msgspec
import pytest

from baseline_v1_live.core.messages import Tick
from baseline_v1_live.core.session import at_ist
from baseline_v1_live.research.recorded_ticks import TickFileError, ticks_to_day_file
from baseline_v1_live.runtime.records import TICK_HEADER, tick_line
from baseline_v1_live.sim.day import MarketDay
from baseline_v1_live.sim.day_file import write_day
from baseline_v1_live.sim.generator import generate_day
from baseline_v1_live.sim.recorded import read_day
from baseline_v1_live.sim.tape import rows

DATE, EXPIRY = dt.date(2026, 12, 28), dt.date(2026, 12, 29)
T0 = at_ist(DATE, dt.time(9, 15))
CALL, PUT = "NIFTY29DEC2626000CE", "NIFTY29DEC2626000PE"


def tick(at_ms: int, symbol: str = CALL, ltp: int = 13_000, **more: object) -> Tick:
    bare = Tick(seq=at_ms + 1, at_ms=T0 + at_ms, symbol=symbol, ltp_paise=ltp)
    return msgspec.structs.replace(bare, **more)


class Desk:
    """A file of ticks, and the day file made of it."""

    def __init__(self, folder: Path) -> None:
        self.ticks = folder / "ticks-2026-12-28.jsonl"
        self.day_file = folder / "day.parquet"

    def convert(self, *ticks: Tick, torn: bytes = b"") -> int:
        self.ticks.write_bytes(TICK_HEADER + b"".join(map(tick_line, ticks)) + torn)
        return ticks_to_day_file(self.ticks, self.day_file)

    def read(self, atm_paise: int = 2_600_000, expiry: dt.date = EXPIRY) -> MarketDay:
        return read_day(
            self.day_file,
            underlying="NIFTY",
            expiry=expiry,
            atm_paise=atm_paise,
            step_paise=5_000,
            strikes_each_side=20,
        )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_ticks_are_read_back_as_a_day(desk: Desk) -> None:
    """Prices, quotes, quantities and volume are those of the ticks, and what is not known stays so."""
    full = tick(
        5, bid_paise=12_995, ask_paise=13_005, bid_quantity=65, ask_quantity=130, volume=650
    )
    index = tick(0, "NIFTY", 2_601_050)

    assert desk.convert(index, full, tick(5, PUT, 9_005, volume=0), tick(9)) == 4
    assert list(rows(desk.read())) == [
        (T0, "NIFTY", 2_601_050, 0, 0, 0, 0, -1),
        (T0 + 5, CALL, 13_000, 12_995, 13_005, 65, 130, 650),
        (T0 + 5, PUT, 9_005, 0, 0, 0, 0, 0),
        (T0 + 9, CALL, 13_000, 0, 0, 0, 0, -1),
    ]


def test_a_whole_day_is_the_same_after_recording(desk: Desk, tmp_path: Path) -> None:
    """A generated day that was recorded tick by tick is the day that its own day file holds."""
    day = generate_day(3, strikes_each_side=3, ticks_per_second=0.2)
    taken = [
        Tick(
            seq=seq,
            at_ms=at_ms,
            exchange_at_ms=at_ms - 40,
            symbol=symbol,
            ltp_paise=ltp,
            bid_paise=bid or None,
            ask_paise=ask or None,
            bid_quantity=bid_quantity or None,
            ask_quantity=ask_quantity or None,
            volume=None if volume < 0 else volume,
        )
        for seq, (at_ms, symbol, ltp, bid, ask, bid_quantity, ask_quantity, volume) in enumerate(
            rows(day), 1
        )
    ]
    assert desk.convert(*taken) == len(day)
    recorded = list(rows(desk.read(day.atm_paise, day.expiry)))

    write_day(day, desk.day_file)
    assert recorded == list(rows(desk.read(day.atm_paise, day.expiry)))


def test_answers_to_questions_are_left_out(desk: Desk) -> None:
    """A quote that was asked for makes no bar live, so it is no tick of the day file."""
    assert desk.convert(tick(1), tick(2, quoted=True), tick(3)) == 2
    assert [row[0] - T0 for row in rows(desk.read())] == [1, 3]


def test_a_clock_that_was_set_back_is_sorted(desk: Desk) -> None:
    """Two runs whose times overlap give a day in the order of time, equal instants as recorded."""
    desk.convert(tick(5, ltp=1_000), tick(9, ltp=2_000), tick(5, ltp=3_000), tick(7, ltp=4_000))

    assert [row[2] for row in rows(desk.read())] == [1_000, 3_000, 4_000, 2_000]


def test_a_torn_last_line_is_left_out(desk: Desk) -> None:
    """A file that a kill cut short is converted up to its last whole line."""
    assert desk.convert(tick(1), torn=tick_line(tick(2))[:-4]) == 1


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "No such file"),
        (b"", "there are no ticks in it"),
        (TICK_HEADER, "there are no ticks in it"),
        (b"not ticks\n", "line 1 is not the header"),
        (TICK_HEADER + b"[]\n", "line 2 is not a tick"),
    ],
)
def test_a_file_without_ticks_is_refused(desk: Desk, content: bytes | None, complaint: str) -> None:
    """What cannot be converted is one line that names the file, and leaves no day file."""
    if content is not None:
        desk.ticks.write_bytes(content)

    with pytest.raises(TickFileError, match=complaint) as caught:
        ticks_to_day_file(desk.ticks, desk.day_file)
    assert str(caught.value).startswith(f"{desk.ticks}: ")
    assert "\n" not in str(caught.value)
    assert not desk.day_file.exists()
