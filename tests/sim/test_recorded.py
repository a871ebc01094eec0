"""Reading a recorded day: what is checked, what is kept, what is said (sim/recorded.py)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from baseline_v1_live.core.session import at_ist
from baseline_v1_live.sim.day import MarketDay
from baseline_v1_live.sim.recorded import DayFileError, read_day

DATE, EXPIRY = dt.date(2026, 12, 28), dt.date(2026, 12, 29)
T0 = at_ist(DATE, dt.time(9, 15))
NAN = float("nan")
CALL, PUT = "NIFTY29DEC2626000CE", "NIFTY29DEC2626000PE"
TIMESTAMP = pa.timestamp("ms", tz="Asia/Kolkata")
Row = Mapping[str, Any]


def tick(at: float, symbol: str = CALL, ltp: float | None = 130.0, **more: Any) -> Row:
    """A row of a tick file, ``at`` seconds after the open."""
    row = {"ts": T0 + round(at * 1000), "symbol": symbol, "ltp": ltp, "bid": NAN, "ask": NAN,
           "bid_qty": 0, "ask_qty": 0, "volume": 0}  # fmt: skip
    return row | more


def bar(
    minute: int, prices: tuple[float, float, float, float], volume: int, symbol: str = CALL
) -> Row:
    """A row of a bar file: open, high, low, close."""
    names = ("open", "high", "low", "close")
    return {"ts": T0 + minute * 60_000, "symbol": symbol, "volume": volume} | dict(
        zip(names, prices, strict=True)
    )


INDEX = tick(0, "NIFTY", 26_010.5)


def table_of(*rows: Row, kind: pa.DataType = TIMESTAMP) -> pa.Table:
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    columns["ts"] = pa.array(columns["ts"], pa.int64()).cast(TIMESTAMP).cast(kind)
    return pa.table(columns)


class Shelf:
    """Writes tables to a file and reads them as days."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "day.parquet"

    def read(self, table: pa.Table | None = None, **asked: Any) -> MarketDay:
        if table is not None:
            pq.write_table(table, self.path)
        defaults = {"underlying": "NIFTY", "expiry": EXPIRY, "atm_paise": 2_600_000,
                    "step_paise": 5_000, "strikes_each_side": 20}  # fmt: skip
        return read_day(self.path, **(defaults | asked))

    def complaint(self, table: pa.Table | None = None, **asked: Any) -> str:
        """The error's message, which must be one line that names the file."""
        with pytest.raises(DayFileError) as error:
            self.read(table, **asked)
        message = str(error.value)
        assert len(message.splitlines()) == 1
        assert message.startswith(str(self.path))
        return message


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


# ---------------------------------------------------------------- files that cannot be played


def test_a_missing_file_is_said_in_one_line(shelf: Shelf) -> None:
    """A path without a file is an error of one line."""
    assert "no such file" in shelf.complaint()


@pytest.mark.parametrize("content", [b"", b"ts,symbol,ltp\n1,2,3\n", b"PAR1 and nothing else PAR1"])
def test_an_unreadable_file_is_said_in_one_line(shelf: Shelf, content: bytes) -> None:
    """A file that is not Parquet, or broken, is an error of one line."""
    shelf.path.write_bytes(content)

    assert "not a readable Parquet file" in shelf.complaint()


def test_a_truncated_file_is_said_in_one_line(shelf: Shelf) -> None:
    """A file whose end was cut off is an error of one line."""
    shelf.read(table_of(INDEX, tick(1)))
    whole = shelf.path.read_bytes()
    shelf.path.write_bytes(whole[: len(whole) // 2])

    assert "not a readable Parquet file" in shelf.complaint()


def test_a_file_without_rows_is_refused(shelf: Shelf) -> None:
    """A day of no ticks cannot be played."""
    assert "no rows" in shelf.complaint(table_of(INDEX).slice(0, 0))


def test_unsorted_rows_are_refused(shelf: Shelf) -> None:
    """Rows out of the order of time are refused, and the first that goes back is named."""
    table = table_of(INDEX, tick(5), tick(4), tick(6))

    assert "row 3" in shelf.complaint(table)


def test_rows_of_the_same_instant_are_sorted(shelf: Shelf) -> None:
    """Several rows of one instant are in order, and stay in the file's order."""
    day = shelf.read(table_of(tick(5, ltp=131.0), tick(5, ltp=129.0), tick(5, ltp=130.0)))

    assert day.ltp_paise.tolist() == [13100, 12900, 13000]


@pytest.mark.parametrize(
    "name", ["ts", "symbol", "ltp", "bid", "ask", "bid_qty", "ask_qty", "volume"]
)
def test_a_missing_column_is_named(shelf: Shelf, name: str) -> None:
    """A tick file without one of its columns is refused and told which columns there must be."""
    table = table_of(INDEX, tick(1))
    message = shelf.complaint(table.drop_columns([name]))

    assert "missing column" in message
    assert name in message


@pytest.mark.parametrize("name", ["ts", "symbol", "open", "high", "low", "close", "volume"])
def test_a_missing_column_of_a_bar_file_is_named(shelf: Shelf, name: str) -> None:
    """A bar file without one of its columns is refused."""
    table = table_of(bar(0, (130, 131, 129, 130), 65))

    assert name in shelf.complaint(table.drop_columns([name]))


@pytest.mark.parametrize("kind", [pa.timestamp("ms"), pa.int64(), pa.date64()])
def test_times_must_have_a_zone(shelf: Shelf, kind: pa.DataType) -> None:
    """A ts column that is no timestamp with a time zone is refused, never guessed."""
    assert "time zone" in shelf.complaint(table_of(INDEX, tick(1), kind=kind))


@pytest.mark.parametrize("name", ["ltp", "bid", "ask", "bid_qty", "ask_qty", "volume"])
def test_text_is_no_number(shelf: Shelf, name: str) -> None:
    """Text in a column of numbers is refused, even if it reads like numbers."""
    table = table_of(INDEX, tick(1))
    place = table.column_names.index(name)
    message = shelf.complaint(table.set_column(place, name, pa.array(["130.0", "131.0"])))

    assert f"column {name} must be a number" in message


def test_a_symbol_column_of_no_text_is_refused(shelf: Shelf) -> None:
    """A symbol column that cannot be read as text is an error of the same kind."""
    table = table_of(INDEX, tick(1))
    lists = pa.array([["NIFTY"], [CALL]], pa.list_(pa.string()))
    message = shelf.complaint(table.set_column(1, "symbol", lists))

    assert "symbol" in message


def test_an_empty_time_is_refused(shelf: Shelf) -> None:
    """A row without a time is refused."""
    table = table_of(INDEX, tick(1))
    times = pa.array([T0, None], pa.int64()).cast(TIMESTAMP)

    assert "empty" in shelf.complaint(table.set_column(0, "ts", times))


def test_two_days_in_one_file_are_refused(shelf: Shelf) -> None:
    """A file holds one day of IST; both dates are named when it holds more."""
    message = shelf.complaint(table_of(INDEX, tick(1), tick(86_400)))

    assert "2026-12-28" in message
    assert "2026-12-29" in message


def test_the_day_is_a_day_of_ist(shelf: Shelf) -> None:
    """Times in UTC on both sides of its midnight are one day when they are one in IST."""
    early = at_ist(DATE, dt.time(5, 0)) - T0
    table = table_of(tick(early / 1000), tick(3600), kind=pa.timestamp("ns", tz="UTC"))

    assert shelf.read(table).date == DATE


def test_an_expiry_that_is_not_in_the_file_is_refused(shelf: Shelf) -> None:
    """An unknown expiry is refused, and the expiries that the file has are named."""
    message = shelf.complaint(
        table_of(INDEX, tick(1), tick(2, "NIFTY05JAN2726000CE")), expiry=dt.date(2026, 12, 22)
    )

    assert "22DEC26" in message
    assert "29DEC26, 05JAN27" in message


def test_a_file_of_another_underlying_is_refused(shelf: Shelf) -> None:
    """Options of another underlying do not count for the expiry that was asked."""
    table = table_of(tick(1, "BANKNIFTY29DEC2659000CE"), tick(2, "NIFTY"), tick(3, "junk"))

    assert "none" in shelf.complaint(table)


def test_an_atm_that_is_not_in_the_file_is_refused(shelf: Shelf) -> None:
    """An ATM strike without a symbol in the file is refused by its strike and expiry."""
    message = shelf.complaint(table_of(INDEX, tick(1)), atm_paise=2_602_500)

    assert "26025" in message
    assert "29DEC26" in message


@pytest.mark.parametrize("symbol", [CALL, PUT])
def test_one_option_at_the_atm_strike_is_enough(shelf: Shelf, symbol: str) -> None:
    """A call or a put at the ATM strike shows that the strike is listed."""
    assert shelf.read(table_of(tick(1, symbol))).symbols == (symbol,)


# ---------------------------------------------------------------- what is kept


def test_ticks_become_columns_in_paise(shelf: Shelf) -> None:
    """Prices become paise, times instants, sizes and volume whole numbers."""
    quote = {"bid": 129.95, "ask": 130.05, "bid_qty": 65, "ask_qty": 130, "volume": 6500}
    day = shelf.read(table_of(INDEX, tick(1.25, **quote)))

    assert (day.date, day.expiry, day.atm_paise) == (DATE, EXPIRY, 2_600_000)
    assert (day.symbols, day.index_symbol) == (("NIFTY", CALL), "NIFTY")
    assert day.at_ms.tolist() == [T0, T0 + 1250]
    assert day.symbol_index.tolist() == [0, 1]
    assert day.ltp_paise.tolist() == [2_601_050, 13_000]
    assert (day.bid_paise[1], day.ask_paise[1]) == (12_995, 13_005)
    assert (day.bid_quantity[1], day.ask_quantity[1], day.volume[1]) == (65, 130, 6500)
    assert (day.from_bars, day.source) == (False, "day.parquet")


@pytest.mark.parametrize("value", [NAN, None, 0.0, -1.0, float("inf"), 1e12])
def test_a_quote_that_is_none_is_zero(shelf: Shelf, value: float | None) -> None:
    """NaN, empty, zero, negative and absurd prices are no quote, and no last price either."""
    day = shelf.read(table_of(tick(1, ltp=value, bid=value, ask=130.05), tick(2)))

    assert day.ltp_paise.tolist() == [0, 13_000]
    assert day.bid_paise.tolist() == [0, 0]
    assert day.ask_paise.tolist() == [13_005, 0]


@pytest.mark.parametrize("value", [NAN, None, -65.0])
def test_a_quantity_that_is_none_is_zero(shelf: Shelf, value: float | None) -> None:
    """NaN, empty and negative sizes are not recorded."""
    day = shelf.read(table_of(tick(1, bid_qty=value, ask_qty=value), tick(2)))

    assert day.bid_quantity.tolist() == day.ask_quantity.tolist() == [0, 0]


@pytest.mark.parametrize("value", [NAN, None])
def test_a_volume_that_is_none_is_not_known(shelf: Shelf, value: float | None) -> None:
    """An empty volume is not a volume of nothing."""
    day = shelf.read(table_of(tick(1, volume=value), tick(2, volume=75)))

    assert day.volume.tolist() == [-1, 75]


def test_whole_rupees_may_be_integers(shelf: Shelf) -> None:
    """A price column of integers is a column of numbers."""
    assert shelf.read(table_of(tick(1, ltp=130))).ltp_paise.tolist() == [13_000]


def test_only_the_universe_is_kept(shelf: Shelf) -> None:
    """Rows of other strikes, expiries, underlyings and of no symbol are dropped, order kept."""
    strangers = ["NIFTY29DEC2625950CE", "NIFTY29DEC2626100CE", "NIFTY29DEC2626050CE",
                 "NIFTY29DEC2626025CE", "NIFTY05JAN2726000CE", "BANKNIFTY29DEC2626000CE",
                 "INDIAVIX", None, "NIFTY29DEC26FUT"]  # fmt: skip
    rows = [tick(number, symbol) for number, symbol in enumerate(strangers)]
    day = shelf.read(table_of(*rows, tick(10, PUT), tick(11, "NIFTY", 26_000.0)),
                     strikes_each_side=1)  # fmt: skip

    assert day.symbols == ("NIFTY", "NIFTY29DEC2625950CE", PUT, "NIFTY29DEC2626050CE")
    assert [day.symbols[index] for index in day.symbol_index] == [
        "NIFTY29DEC2625950CE", "NIFTY29DEC2626050CE", PUT, "NIFTY",
    ]  # fmt: skip
    assert set(day.contracts) == set(day.symbols) - {"NIFTY"}


def test_contracts_are_those_of_their_expiry(shelf: Shelf) -> None:
    """Lot size follows the expiry: 75 until December 2025, 65 after."""
    old = "NIFTY30DEC2526000CE"
    a_year_before = tick(-365 * 24 * 3600, old)
    before = shelf.read(table_of(a_year_before), expiry=dt.date(2025, 12, 30))
    after = shelf.read(table_of(tick(1, CALL)))

    assert before.contracts[old].lot_size == 75
    assert after.contracts[CALL].lot_size == 65
    assert after.contracts[CALL].freeze_quantity == 1800


@pytest.mark.parametrize("row", [tick(1, ltp=NAN), tick(12 * 3600)])
def test_a_day_without_a_price_in_its_session_is_refused(shelf: Shelf, row: Row) -> None:
    """A file whose prices are all missing, or all from the evening, is nothing to play."""
    with pytest.raises(DayFileError, match="no price between"):
        shelf.read(table_of(row))


def test_a_day_after_its_expiry_is_refused(shelf: Shelf) -> None:
    """Options that have expired are not traded."""
    with pytest.raises(DayFileError, match="after the expiry"):
        shelf.read(table_of(tick(1, "NIFTY22DEC2626000CE")), expiry=dt.date(2026, 12, 22))


def test_absurd_counts_are_kept_within_bounds(shelf: Shelf) -> None:
    """A quantity or volume beyond any market's does not wrap around to nothing."""
    day = shelf.read(table_of(tick(1, bid_qty=3_000_000_000, volume=10**17)))

    assert day.bid_quantity[0] == 2**31 - 1
    assert day.volume[0] == 2**53


def test_symbols_may_be_a_dictionary_column(shelf: Shelf) -> None:
    """A symbol column stored as categories reads like one of text."""
    table = table_of(INDEX, tick(1), tick(2))
    coded = table.set_column(1, "symbol", table.column("symbol").dictionary_encode())

    assert shelf.read(coded).symbol_index.tolist() == [0, 1, 1]


# ---------------------------------------------------------------- cadence and notes


@pytest.mark.parametrize(("seconds", "cadence"), [(1, 0), (19.999, 0), (20, 20_000), (60, 60_000)])
def test_a_snapshot_file_is_known_by_its_cadence(
    shelf: Shelf, seconds: float, cadence: int
) -> None:
    """Ticks of one symbol that usually lie 20 s or more apart are snapshots."""
    rows = [tick(seconds * n, symbol) for n in range(10) for symbol in ("NIFTY", CALL, PUT)]
    day = shelf.read(table_of(*rows))

    assert day.cadence_ms == cadence
    assert any("Snapshot" in note for note in day.notes) is bool(cadence)


def test_without_an_index_the_file_runs_and_says_what_is_off(shelf: Shelf) -> None:
    """A file without the index is read; a note says that index and silence checks are off."""
    day = shelf.read(table_of(tick(1), tick(2)))
    (note,) = [note for note in day.notes if "no index" in note]

    assert day.index_symbol is None
    assert day.symbols == (CALL,)
    assert "index prices" in note
    assert "silence checks" in note
    assert note.endswith("off.")


def test_missing_quotes_and_options_are_said(shelf: Shelf) -> None:
    """Notes say that there are no quotes, and how many of the universe's options there are."""
    bare = shelf.read(table_of(INDEX, tick(1)))
    quoted = shelf.read(table_of(INDEX, tick(1, bid=129.0), tick(1, PUT)), strikes_each_side=0)

    assert any("no quotes" in note for note in bare.notes)
    assert any("1 of the universe's 82" in note for note in bare.notes)
    assert quoted.notes == ()


# ---------------------------------------------------------------- bars


def test_a_bar_becomes_open_high_low_close(shelf: Shelf) -> None:
    """Each bar is played as four ticks inside its minute: open, high, low, close."""
    day = shelf.read(table_of(bar(0, (130, 132, 128, 129), 650), bar(1, (129, 131, 127, 128), 65)))

    assert day.from_bars
    assert day.cadence_ms == 60_000
    assert day.ltp_paise.tolist() == [13000, 13200, 12800, 12900, 12900, 13100, 12700, 12800]
    assert (day.at_ms - T0).tolist() == [0, 15_000, 30_000, 45_000, 60_000, 75_000, 90_000, 105_000]
    assert not day.bid_paise.any()
    assert not day.ask_paise.any()
    assert any("Bar replay" in note for note in day.notes)


def test_a_bars_volume_is_the_volume_of_its_ticks(shelf: Shelf) -> None:
    """The cumulative volume rises by a bar's volume after its first tick, for the first bar too."""
    day = shelf.read(table_of(bar(0, (1, 1, 1, 1), 650), bar(2, (1, 1, 1, 1), 65)))

    assert day.volume.tolist() == [0, 650, 650, 650, 650, 715, 715, 715]


def test_bars_of_several_symbols_are_played_in_time(shelf: Shelf) -> None:
    """Ticks of bars of the same minute come in order of time, with volumes of their own symbol."""
    prices = (130.0, 132.0, 128.0, 129.0)
    day = shelf.read(table_of(bar(0, prices, 650), bar(0, prices, 65, PUT)))

    assert (day.at_ms - T0).tolist() == [at for at in (0, 15_000, 30_000, 45_000) for _ in "ab"]
    assert [day.symbols[i] for i in day.symbol_index] == [CALL, PUT] * 4
    assert day.volume.tolist() == [0, 0, 650, 65, 650, 65, 650, 65]
