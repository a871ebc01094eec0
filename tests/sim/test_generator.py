"""Generated days: repeatable, free of arbitrage, and shaped like days of the market."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from baseline_v1_live.core.instruments import OptionType, option_symbol
from baseline_v1_live.core.session import MINUTE_MS, at_ist
from baseline_v1_live.sim.day import MarketDay
from baseline_v1_live.sim.day_file import write_day
from baseline_v1_live.sim.generator import RATE, carry_years, generate_day, next_expiry

DATE = dt.date(2026, 11, 26)
COLUMNS = [f.name for f in dataclasses.fields(MarketDay) if "NDArray" in str(f.type)]


@pytest.fixture(scope="module")
def day() -> MarketDay:
    return generate_day(7, strikes_each_side=12)


@pytest.fixture(scope="module")
def sparse_day() -> MarketDay:
    return generate_day(11, ticks_per_second=0.1)


def _of(day: MarketDay, symbol: str) -> npt.NDArray[np.intp]:
    """Rows of a symbol."""
    return np.flatnonzero(day.symbol_index == day.symbols.index(symbol))


def _last(day: MarketDay, symbol: str, at_ms: int) -> int:
    """The symbol's newest row at an instant."""
    rows = _of(day, symbol)
    return int(rows[np.searchsorted(day.at_ms[rows], at_ms, side="right") - 1])


def _option(day: MarketDay, strike_paise: int, option_type: OptionType) -> str:
    return option_symbol("NIFTY", day.expiry, strike_paise, option_type)


def _mid(day: MarketDay, row: int) -> float:
    return float(day.bid_paise[row] + day.ask_paise[row]) / 2


def _forward(day: MarketDay, at_ms: int) -> tuple[float, float]:
    """(forward in paise by the newest index tick, discount factor)."""
    growth = math.exp(RATE * float(carry_years(at_ms, day.expiry)))
    return float(day.ltp_paise[_last(day, "NIFTY", at_ms)]) * growth, 1 / growth


def _index_range(day: MarketDay, oldest_row: int, at_ms: int) -> int:
    """Paise that the index covered since a row, with two seconds on either side.

    A quote is as old as its tick and the index between two ticks is not seen; a forward that lags
    by this much moves C - P by no more than this much.
    """
    rows = _of(day, "NIFTY")
    from_ms, to_ms = day.at_ms[oldest_row] - 2000, at_ms + 2000
    seen = day.ltp_paise[rows[(day.at_ms[rows] >= from_ms) & (day.at_ms[rows] <= to_ms)]]
    return int(seen.max() - seen.min())


def _time_value(day: MarketDay, time: dt.time) -> float:
    """Paise by which the straddle nearest the money exceeds its intrinsic value."""
    at_ms = at_ist(day.date, time)
    forward, _ = _forward(day, at_ms)
    strike = round(forward / 5000) * 5000
    rows = [_last(day, _option(day, strike, kind), at_ms) for kind in OptionType]
    return sum(_mid(day, row) for row in rows) - abs(forward - strike)


def _instants(day: MarketDay) -> list[int]:
    first = at_ist(day.date, dt.time(9, 20))
    return list(range(first, at_ist(day.date, dt.time(15, 30)), 10 * MINUTE_MS + 7_777))


def test_the_same_seed_makes_the_same_bytes() -> None:
    """Two days of one seed are equal in every column, byte for byte."""
    first, second = (generate_day(3, strikes_each_side=2, ticks_per_second=0.3) for _ in range(2))
    for name in COLUMNS:
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes(), name
    assert (first.symbols, first.atm_paise) == (second.symbols, second.atm_paise)


def test_another_seed_makes_another_day() -> None:
    """No column of another seed's day has the same bytes."""
    first, second = (generate_day(s, strikes_each_side=2, ticks_per_second=0.3) for s in (3, 4))
    for name in COLUMNS:
        assert getattr(first, name).tobytes() != getattr(second, name).tobytes(), name


def test_the_default_day_is_a_full_chain_at_a_tick_a_second(sparse_day: MarketDay) -> None:
    """82 options around ATM and the index; the mean tick rate is the one asked for."""
    assert len(sparse_day.symbols) == 83
    assert sparse_day.symbols[0] == sparse_day.index_symbol == "NIFTY"
    assert (sparse_day.date, sparse_day.expiry) == (DATE, dt.date(2026, 12, 1))
    assert tuple(sparse_day.contracts) == sparse_day.symbols[1:]
    assert {c.lot_size for c in sparse_day.contracts.values()} == {65}
    assert (sparse_day.cadence_ms, sparse_day.from_bars) == (0, False)
    assert sparse_day.source == "generated day, seed 11"
    assert len(sparse_day) == pytest.approx(83 * 23_100 * 0.1, rel=0.01)
    assert set(np.unique(sparse_day.symbol_index)) == set(range(83))


def test_the_columns_have_the_types_of_a_market_day(day: MarketDay) -> None:
    """Every column is of the declared type and as long as the day."""
    for field in dataclasses.fields(MarketDay):
        if field.name in COLUMNS:
            column = getattr(day, field.name)
            assert f"np.{column.dtype.name}" in str(field.type), field.name
            assert column.shape == (len(day),), field.name


def test_atm_is_the_index_after_the_first_minute(day: MarketDay) -> None:
    """ATM is the strike nearest to the last index tick before 09:16, in the middle of the chain."""
    row = _last(day, "NIFTY", at_ist(DATE, dt.time(9, 16)) - 1)
    assert abs(day.atm_paise - day.ltp_paise[row]) <= 2500
    strikes = [contract.strike_paise for contract in day.contracts.values()]
    assert day.atm_paise == (min(strikes) + max(strikes)) // 2


@pytest.mark.parametrize(
    ("date", "close"), [(DATE, dt.time(15, 40)), (dt.date(2026, 7, 30), dt.time(15, 30))]
)
def test_ticks_lie_within_the_session_in_order(date: dt.date, close: dt.time) -> None:
    """No tick lies before 09:15 or at or after the close of that date; time never runs back."""
    day = generate_day(2, date=date, strikes_each_side=3, ticks_per_second=0.5)
    assert day.at_ms[0] >= at_ist(date, dt.time(9, 15))
    assert day.at_ms[-1] < at_ist(date, close)
    assert day.at_ms[-1] > at_ist(date, close) - 10_000
    step = np.diff(day.at_ms)
    assert np.all(step >= 0)
    assert np.all(np.diff(day.symbol_index)[step == 0] >= 0)
    assert len(np.unique(day.at_ms % 1000)) > 900


def test_quotes_hold_around_the_trade_on_the_grid(day: MarketDay) -> None:
    """0.05 ≤ bid ≤ last trade ≤ ask, bid < ask, all of them multiples of 0.05."""
    option = day.symbol_index > 0
    bid, ask, ltp = day.bid_paise[option], day.ask_paise[option], day.ltp_paise[option]
    assert bid.min() >= 5
    assert np.all(bid < ask)
    assert np.all((bid <= ltp) & (ltp <= ask))
    for price in (bid, ask, day.ltp_paise):
        assert not np.any(price % 5)


def test_the_index_has_no_quotes_and_no_volume(day: MarketDay) -> None:
    """Index ticks carry a level and nothing else."""
    index = day.symbol_index == 0
    assert np.all(day.ltp_paise[index] > 0)
    for name in ("bid_paise", "ask_paise", "bid_quantity", "ask_quantity", "volume"):
        assert not np.any(getattr(day, name)[index]), name


def test_sizes_and_volumes_are_whole_lots(day: MarketDay) -> None:
    """Sizes are multiples of the lot; volume is too, and every trade adds to it."""
    option = day.symbol_index > 0
    for quantity in (day.bid_quantity[option], day.ask_quantity[option]):
        assert quantity.min() >= 65
        assert not np.any(quantity % 65)
    for name in day.symbols[1:]:
        volume = day.volume[_of(day, name)]
        assert not np.any(volume % 65)
        assert np.all(np.diff(volume, prepend=0) >= 65)


def test_ten_lots_at_the_best_price_are_usual_and_not_certain(sparse_day: MarketDay) -> None:
    """At 100 to 300 rupees a sale of 650 sometimes finds less than 650 bid, mostly it does not."""
    tradable = (sparse_day.ltp_paise >= 10_000) & (sparse_day.ltp_paise <= 30_000)
    bids = sparse_day.bid_quantity[tradable & (sparse_day.symbol_index > 0)]
    assert 0.05 < np.mean(bids < 650) < 0.5


def test_put_call_parity_holds_within_the_spreads(day: MarketDay) -> None:
    """Mid C - mid P = D (F - K) near the money, within half of both spreads.

    Allowed on top: what the index covered since the oldest of the three ticks.
    """
    checked = 0
    for at_ms in _instants(day):
        forward, discount = _forward(day, at_ms)
        nearest = round(forward / 5000) * 5000
        for strike in range(nearest - 15_000, nearest + 15_001, 5000):
            call, put = (_last(day, _option(day, strike, kind), at_ms) for kind in OptionType)
            spreads = sum(int(day.ask_paise[r] - day.bid_paise[r]) for r in (call, put))
            stale = _index_range(day, min(call, put, _last(day, "NIFTY", at_ms)), at_ms)
            gap = _mid(day, call) - _mid(day, put) - (forward - strike) * discount
            assert abs(gap) <= spreads / 2 + stale, (at_ms, strike)
            checked += 1
    assert checked > 200


def test_a_better_strike_never_costs_less(day: MarketDay) -> None:
    """No call is bid above the ask of a lower strike, no put above that of a higher strike.

    Allowed on top: what the index covered since the older of the two quotes.
    """
    strikes = sorted({contract.strike_paise for contract in day.contracts.values()})
    for at_ms in _instants(day)[::4]:
        for low, high in itertools.pairwise(strikes):
            for kind, better, worse in ((OptionType.CE, low, high), (OptionType.PE, high, low)):
                dear, cheap = (_last(day, _option(day, k, kind), at_ms) for k in (better, worse))
                stale = _index_range(day, min(dear, cheap), at_ms)
                assert day.bid_paise[cheap] <= day.ask_paise[dear] + stale, (at_ms, kind, low)


def test_time_value_melts_on_the_expiry_day() -> None:
    """Over some expiry days the ATM straddle has less time value at 15:00 than at 10:00."""
    days = [
        generate_day(s, expiry=DATE, strikes_each_side=14, ticks_per_second=0.1) for s in range(4)
    ]
    morning = np.mean([_time_value(day, dt.time(10, 0)) for day in days])
    afternoon = np.mean([_time_value(day, dt.time(15, 0)) for day in days])
    assert afternoon < 0.5 * morning


def test_at_the_expiry_only_intrinsic_value_is_left() -> None:
    """After 15:30 of the expiry day the straddle is worth its distance from the strike."""
    day = generate_day(1, expiry=DATE, strikes_each_side=14)
    at_ms = at_ist(DATE, dt.time(15, 35))
    forward, _ = _forward(day, at_ms)
    strike = round(forward / 5000) * 5000
    rows = [_last(day, _option(day, strike, kind), at_ms) for kind in OptionType]
    spreads = sum(int(day.ask_paise[r] - day.bid_paise[r]) for r in rows)
    assert _time_value(day, dt.time(15, 35)) <= spreads + _index_range(day, min(rows), at_ms)


def test_a_nearer_expiry_is_cheaper_on_the_same_path() -> None:
    """One seed has one index path, and the ATM straddle costs less, the nearer its expiry."""
    days = [
        generate_day(5, expiry=expiry, strikes_each_side=10, ticks_per_second=0.2)
        for expiry in (DATE, dt.date(2026, 12, 1), dt.date(2026, 12, 29))
    ]
    paths = [day.ltp_paise[_of(day, "NIFTY")].tobytes() for day in days]
    assert paths[0] == paths[1] == paths[2]
    values = [_time_value(day, dt.time(10, 0)) for day in days]
    assert 0 < values[0] < values[1] < values[2]


def test_the_first_and_the_last_hour_are_the_busiest() -> None:
    """More is traded in the first and in the last hour than from 12:00 to 13:00."""
    for seed in range(4):
        day = generate_day(seed, strikes_each_side=8, ticks_per_second=0.1)
        hours = [(dt.time(9, 15), dt.time(10, 15)), (dt.time(14, 40), dt.time(15, 40))]
        lunch, *busy = (
            sum(
                int(day.volume[_last(day, name, at_ist(DATE, end) - 1)])
                - int(day.volume[_last(day, name, at_ist(DATE, start) + 30_000)])
                for name in day.symbols[1:]
            )
            for start, end in [(dt.time(12, 0), dt.time(13, 0)), *hours]
        )
        assert min(busy) > 1.1 * lunch, seed


def test_trading_gathers_around_the_money(sparse_day: MarketDay) -> None:
    """The strikes next to ATM trade more than far ones, and deep in the money least of all."""
    atm = sparse_day.atm_paise
    total = [
        int(sparse_day.volume[_of(sparse_day, _option(sparse_day, strike, OptionType.CE))[-1]])
        for strike in (atm, atm + 90_000, atm - 90_000)
    ]
    assert total[0] > 3 * total[1] > 9 * total[2]


def test_the_index_moves_like_an_index_and_in_both_directions() -> None:
    """Over many seeds: 0.3 to 2 % of volatility a day, and closes on both sides of the open."""
    moves = []
    for seed in range(40):
        day = generate_day(seed, strikes_each_side=0, ticks_per_second=0.05)
        level = day.ltp_paise[_of(day, "NIFTY")].astype(float)
        returns = np.diff(np.log(level[::3]))  # about a minute apart
        assert 0.003 < float(np.sqrt(np.sum(returns**2))) < 0.02, seed
        moves.append(level[-1] / level[0] - 1)
    assert 10 <= sum(move > 0 for move in moves) <= 30


def test_days_hold_lows_above_vwap_at_tradable_prices() -> None:
    """Each day has several lows of one-minute bars at 100 to 300 rupees, 4 % above VWAP.

    A low here is the lowest bar of the three minutes on either side.
    """
    for seed in (1, 2, 3):
        day = generate_day(seed, strikes_each_side=8, ticks_per_second=0.5)
        found = 0
        for name in day.symbols[1:]:
            rows = _of(day, name)
            minute = day.at_ms[rows] // MINUTE_MS
            start = np.flatnonzero(np.diff(minute, prepend=-1))
            low = np.minimum.reduceat(day.ltp_paise[rows], start).astype(float)
            traded = np.diff(day.volume[rows], prepend=day.volume[rows][0]).astype(float)
            turnover = np.cumsum(np.add.reduceat(traded * day.ltp_paise[rows], start))
            vwap = turnover / np.maximum(np.cumsum(np.add.reduceat(traded, start)), 1.0)
            windows = np.lib.stride_tricks.sliding_window_view(low, 7)
            middle, above = low[3:-3], low[3:-3] / vwap[3:-3] - 1
            is_low = middle == windows.min(axis=1)
            found += int(np.sum(is_low & (middle >= 1e4) & (middle <= 3e4) & (above >= 0.04)))
        assert found >= 10, seed


def test_other_underlyings_steps_and_rates_are_possible() -> None:
    """The underlying's lots, the strike step, the open, the width and the rate are arguments."""
    day = generate_day(
        1,
        underlying="BANKNIFTY",
        strikes_each_side=3,
        step_paise=10_000,
        ticks_per_second=2.0,
        spot=58_000.0,
        expiry=dt.date(2026, 12, 29),
    )
    strikes = sorted({contract.strike_paise for contract in day.contracts.values()})
    assert [b - a for a, b in itertools.pairwise(strikes)] == [10_000] * 6
    assert {contract.lot_size for contract in day.contracts.values()} == {30}
    assert abs(day.atm_paise - 5_800_000) < 100_000
    assert len(day) == pytest.approx(15 * 23_100 * 2.0, rel=0.01)


def test_the_expiry_is_the_next_tuesday() -> None:
    """Without an expiry the day trades the contract of the next Tuesday, on a Tuesday its own."""
    assert next_expiry(DATE) == dt.date(2026, 12, 1)
    assert next_expiry(dt.date(2026, 12, 1)) == dt.date(2026, 12, 1)
    assert next_expiry(dt.date(2026, 12, 2)) == dt.date(2026, 12, 8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"expiry": dt.date(2026, 11, 25)}, "before the day"),
        ({"strikes_each_side": -1}, "strikes_each_side"),
        ({"step_paise": 0}, "step_paise"),
        ({"ticks_per_second": 0.0}, "ticks_per_second"),
        ({"spot": float("nan")}, "spot"),
        ({"spot": 500.0}, "below 0"),
        ({"underlying": "SENSEX"}, "contract table"),
    ],
)
def test_arguments_of_which_no_day_can_be_made_are_refused(
    arguments: dict[str, object], message: str
) -> None:
    """Each impossible argument is an error that names it."""
    with pytest.raises(ValueError, match=message):
        generate_day(1, **arguments)  # type: ignore[arg-type]


def test_a_written_day_has_the_layout_of_recorded_days(tmp_path: Path) -> None:
    """The file holds every tick in order: IST instants, rupees, NaN for no quote, oi 0."""
    day = generate_day(1, strikes_each_side=1, ticks_per_second=0.1)
    path = tmp_path / "day.parquet"
    write_day(day, path)
    table = pq.read_table(path)
    names = ["ts", "symbol", "ltp", "bid", "ask", "bid_qty", "ask_qty", "volume", "oi"]
    types = [pa.timestamp("ms", tz="Asia/Kolkata"), pa.string()]
    types += [pa.float64()] * 3 + [pa.int64()] * 4
    assert [(f.name, f.type) for f in table.schema] == list(zip(names, types, strict=True))
    columns = {name: table[name].to_numpy() for name in names[2:]}
    assert table["ts"].cast(pa.int64()).to_pylist() == day.at_ms.tolist()
    assert table["symbol"].to_pylist() == [day.symbols[i] for i in day.symbol_index]
    np.testing.assert_array_equal(np.rint(columns["ltp"] * 100), day.ltp_paise)
    quoted = day.symbol_index > 0
    for name, paise in (("bid", day.bid_paise), ("ask", day.ask_paise)):
        np.testing.assert_array_equal(np.isnan(columns[name]), ~quoted)
        np.testing.assert_array_equal(np.rint(columns[name][quoted] * 100), paise[quoted])
    np.testing.assert_array_equal(columns["bid_qty"], day.bid_quantity)
    np.testing.assert_array_equal(columns["ask_qty"], day.ask_quantity)
    np.testing.assert_array_equal(columns["volume"], day.volume)
    assert not columns["oi"].any()


def test_a_day_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    """A write replaces the old file; a failed one leaves it as it was, with nothing beside it."""
    day = generate_day(1, strikes_each_side=0, ticks_per_second=0.02)
    path = tmp_path / "day.parquet"
    path.write_bytes(b"old")
    broken = dataclasses.replace(day, volume=day.volume[:-1])
    with pytest.raises(pa.ArrowInvalid):
        write_day(broken, path)
    assert path.read_bytes() == b"old"
    write_day(day, path)
    assert pq.read_metadata(path).num_rows == len(day)
    assert [p.name for p in tmp_path.iterdir()] == ["day.parquet"]
    with pytest.raises(OSError, match="missing"):
        write_day(day, tmp_path / "missing" / "day.parquet")
