"""Reads a recorded day from Parquet: ticks or one-minute bars, checked before anything is played.

Layout (docs/replay.md): ``ts`` (timestamp with time zone), ``symbol``, then for ticks ``ltp``, ``bid``,
``ask`` (rupees, NaN = none), ``bid_qty``, ``ask_qty``, ``volume`` (cumulative for the day), and for bars
``open``, ``high``, ``low``, ``close``, ``volume`` (of the minute).
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from baseline_v1_live.core.instruments import (
    OptionType,
    expiry_code,
    option_symbol,
    parse_symbol,
    rupees,
    universe,
)
from baseline_v1_live.core.session import at_ist, ist_date
from baseline_v1_live.sim.contract_table import (
    SESSION_OPEN,
    lot_size_notes,
    recorded_contract,
    session_close,
)
from baseline_v1_live.sim.day import MarketDay

TICK_COLUMNS = ("ts", "symbol", "ltp", "bid", "ask", "bid_qty", "ask_qty", "volume")
BAR_COLUMNS = ("ts", "symbol", "open", "high", "low", "close", "volume")
SNAPSHOT_CADENCE_MS = 20_000
BAR_CADENCE_MS = 60_000
_EARLIEST_MS = 946_684_800_000  # 1 January 2000, UTC
_QUANTITY_MAX = 2**31 - 1
_VOLUME_MAX = 2**53
# A bar becomes four ticks inside its minute, on the path that is worse for a short: O, H, L, C.
_BAR_OFFSETS_MS = np.array([0, 15_000, 30_000, 45_000], dtype=np.int64)


class DayFileError(ValueError):
    """A file that cannot be played; the message is one line for a person."""


def read_day(
    path: Path,
    *,
    underlying: str,
    expiry: dt.date,
    atm_paise: int,
    step_paise: int,
    strikes_each_side: int,
) -> MarketDay:
    """Read and check a recorded day; keep the universe's symbols and the index.

    Raises DayFileError when the file cannot be read, is empty, unsorted or of another layout, or when
    it has no symbol of the expiry or none at the ATM strike.
    """
    table = _read(path)
    from_bars = "ltp" not in table.column_names
    _check_columns(path, table, BAR_COLUMNS if from_bars else TICK_COLUMNS)
    if table.num_rows == 0:
        raise DayFileError(f"{path}: the file has no rows")
    at_ms = _times(path, table)
    date = _one_date(path, at_ms)
    names, codes = _symbols(table)
    wanted = _choose(path, names, underlying, expiry, atm_paise, step_paise, strikes_each_side)
    if date > expiry:
        raise DayFileError(f"{path}: its day {date} is after the expiry {expiry_code(expiry)}")
    table, at_ms, places = _keep(table, at_ms, names, codes, wanted)
    index_symbol = underlying if underlying in wanted else None
    columns = (
        _bar_columns(table, at_ms, places) if from_bars else _tick_columns(table, at_ms, places)
    )
    _check_prices(path, date, columns)
    options = [name for name in wanted if name != underlying]
    cadence_ms = BAR_CADENCE_MS if from_bars else _cadence(columns[0], columns[1])
    return MarketDay(
        date=date,
        expiry=expiry,
        atm_paise=atm_paise,
        symbols=tuple(wanted),
        contracts={name: recorded_contract(name) for name in options},
        index_symbol=index_symbol,
        at_ms=columns[0],
        symbol_index=columns[1],
        ltp_paise=columns[2],
        bid_paise=columns[3],
        ask_paise=columns[4],
        bid_quantity=columns[5],
        ask_quantity=columns[6],
        volume=columns[7],
        cadence_ms=cadence_ms,
        from_bars=from_bars,
        source=path.name,
        notes=_notes(
            from_bars, cadence_ms, index_symbol, len(options), strikes_each_side, columns[3]
        )
        + lot_size_notes(underlying, expiry),
    )


# ---------------------------------------------------------------- checks


def _read(path: Path) -> pa.Table:
    if path.is_dir():
        raise DayFileError(f"{path}: is a folder; name one Parquet file")
    try:
        return pq.read_table(path)
    except FileNotFoundError:
        raise DayFileError(f"{path}: no such file") from None
    except (OSError, pa.ArrowException) as error:
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DayFileError(f"{path}: not a readable Parquet file ({first_line})") from None


def _check_columns(path: Path, table: pa.Table, wanted: tuple[str, ...]) -> None:
    twice = sorted({name for name in wanted if table.column_names.count(name) > 1})
    if twice:
        raise DayFileError(f"{path}: column(s) {', '.join(twice)} stand in it twice")
    missing = [name for name in wanted if name not in table.column_names]
    if missing:
        raise DayFileError(
            f"{path}: missing column(s) {', '.join(missing)}; a tick file has "
            f"{', '.join(TICK_COLUMNS)}, a bar file {', '.join(BAR_COLUMNS)}"
        )
    kind = table.schema.field("ts").type
    if not pa.types.is_timestamp(kind) or kind.tz is None:
        raise DayFileError(f"{path}: column ts must be a timestamp with a time zone, not {kind}")
    kind = table.schema.field("symbol").type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise DayFileError(f"{path}: column symbol must be text, not {kind}")
    for name in wanted[2:]:
        kind = table.schema.field(name).type
        if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
            raise DayFileError(f"{path}: column {name} must be a number, not {kind}")


def _check_prices(path: Path, date: dt.date, columns: Columns) -> None:
    opened, closed = at_ist(date, SESSION_OPEN), at_ist(date, session_close(date))
    at_ms, prices = columns[0], columns[2]
    if not np.any((prices > 0) & (at_ms >= opened) & (at_ms <= closed)):
        raise DayFileError(
            f"{path}: no price between {SESSION_OPEN:%H:%M} and {session_close(date):%H:%M} on {date}"
        )


def _times(path: Path, table: pa.Table) -> npt.NDArray[np.int64]:
    column = table.column("ts")
    if column.null_count:
        raise DayFileError(f"{path}: column ts has {column.null_count} empty value(s)")
    at_ms: npt.NDArray[np.int64] = (
        column.cast(pa.timestamp("ms", tz="UTC"), safe=False).cast(pa.int64()).to_numpy()
    )
    backwards = np.flatnonzero(np.diff(at_ms) < 0)
    if len(backwards):
        raise DayFileError(f"{path}: not sorted by ts (row {int(backwards[0]) + 2} goes back)")
    return at_ms


def _one_date(path: Path, at_ms: npt.NDArray[np.int64]) -> dt.date:
    if at_ms[0] < _EARLIEST_MS:
        raise DayFileError(f"{path}: times before the year 2000 are no market data")
    first, last = ist_date(int(at_ms[0])), ist_date(int(at_ms[-1]))
    if first != last:
        raise DayFileError(f"{path}: holds more than one day ({first} to {last})")
    return first


def _symbols(table: pa.Table) -> tuple[list[str], npt.NDArray[np.int64]]:
    encoded = table.column("symbol").cast(pa.string()).combine_chunks().dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return encoded.dictionary.to_pylist(), codes


def _choose(
    path: Path,
    names: list[str],
    underlying: str,
    expiry: dt.date,
    atm_paise: int,
    step_paise: int,
    strikes_each_side: int,
) -> list[str]:
    """The universe's symbols that the file has, in the universe's order, the index first."""
    expiries: set[dt.date] = set()
    for name in names:
        try:
            parsed = parse_symbol(name)
        except ValueError:
            continue
        if parsed[0] == underlying:
            expiries.add(parsed[1])
    if expiry not in expiries:
        has = ", ".join(expiry_code(date) for date in sorted(expiries)) or "none"
        raise DayFileError(
            f"{path}: no {underlying} option of expiry {expiry_code(expiry)} in it (it has: {has})"
        )
    present = set(names)
    if not any(
        option_symbol(underlying, expiry, atm_paise, kind) in present for kind in OptionType
    ):
        raise DayFileError(
            f"{path}: no {underlying} option of strike {rupees(atm_paise):g} and expiry "
            f"{expiry_code(expiry)} in it; --atm must be a listed strike"
        )
    wanted = [underlying] if underlying in present else []
    wanted += [
        name
        for name in universe(underlying, expiry, atm_paise, step_paise, strikes_each_side)
        if name in present
    ]
    return wanted


def _keep(
    table: pa.Table,
    at_ms: npt.NDArray[np.int64],
    names: list[str],
    codes: npt.NDArray[np.int64],
    wanted: list[str],
) -> tuple[pa.Table, npt.NDArray[np.int64], npt.NDArray[np.int16]]:
    place = {name: number for number, name in enumerate(wanted)}
    # One more place at the end serves rows without a symbol, whose code is -1.
    recode = np.array([place.get(name, -1) for name in names] + [-1], dtype=np.int16)
    new_codes = recode[codes]
    keep = new_codes >= 0
    return table.filter(pa.array(keep)), at_ms[keep], new_codes[keep]


# ---------------------------------------------------------------- columns

Columns = tuple[
    npt.NDArray[np.int64],
    npt.NDArray[np.int16],
    npt.NDArray[np.int32],
    npt.NDArray[np.int32],
    npt.NDArray[np.int32],
    npt.NDArray[np.int32],
    npt.NDArray[np.int32],
    npt.NDArray[np.int64],
]


def _paise(table: pa.Table, name: str) -> npt.NDArray[np.int32]:
    """A rupee column in paise; empty, not finite and absurd values become 0, which no rule uses."""
    prices = np.asarray(
        table.column(name).cast(pa.float64(), safe=False).fill_null(0.0).to_numpy(),
        dtype=np.float64,
    )
    usable = np.isfinite(prices) & (prices > 0) & (prices < 1e7)
    return np.rint(np.where(usable, prices, 0.0) * 100).astype(np.int32)


def _quantity(table: pa.Table, name: str, most: int = _QUANTITY_MAX) -> npt.NDArray[np.int64]:
    """A count; empty, not finite and negative values become 0, absurd ones the most there can be."""
    values = np.asarray(
        table.column(name).cast(pa.float64(), safe=False).fill_null(0.0).to_numpy(),
        dtype=np.float64,
    )
    counted = np.where(np.isfinite(values) & (values > 0), values, 0.0)
    return np.minimum(counted, most).astype(np.int64)


def _known_volume(table: pa.Table) -> npt.NDArray[np.int64]:
    """The day's cumulative volume, -1 where the file has none."""
    known = table.column("volume").cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy()
    volume = _quantity(table, "volume", _VOLUME_MAX)
    return np.where(np.isfinite(known), volume, -1)


def _tick_columns(
    table: pa.Table, at_ms: npt.NDArray[np.int64], codes: npt.NDArray[np.int16]
) -> Columns:
    return (
        at_ms,
        codes,
        _paise(table, "ltp"),
        _paise(table, "bid"),
        _paise(table, "ask"),
        _quantity(table, "bid_qty").astype(np.int32),
        _quantity(table, "ask_qty").astype(np.int32),
        _known_volume(table),
    )


def _bar_columns(
    table: pa.Table, at_ms: npt.NDArray[np.int64], codes: npt.NDArray[np.int16]
) -> Columns:
    """Four ticks a bar; its volume comes with the second, as a day-cumulative count."""
    prices = np.stack([_paise(table, name) for name in ("open", "high", "low", "close")], axis=1)
    volume = _quantity(table, "volume")
    cumulative = np.zeros((len(at_ms), 4), dtype=np.int64)
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        total = np.cumsum(volume[rows])
        cumulative[rows, 0] = total - volume[rows]
        cumulative[rows, 1:] = total[:, None]
    times = (at_ms[:, None] + _BAR_OFFSETS_MS).ravel()
    order = np.argsort(times, kind="stable")
    none = np.zeros(len(times), dtype=np.int32)
    return (
        times[order],
        np.repeat(codes, 4)[order],
        prices.ravel()[order],
        none,
        none,
        none,
        none,
        cumulative.ravel()[order],
    )


def _cadence(at_ms: npt.NDArray[np.int64], codes: npt.NDArray[np.int16]) -> int:
    """The usual distance of two ticks of one symbol, if it is a snapshot's; 0 for a tick stream."""
    distances = [np.diff(at_ms[codes == code]) for code in np.unique(codes)]
    joined = np.concatenate(distances) if distances else np.array([], dtype=np.int64)
    if len(joined) == 0:
        return 0
    usual = int(np.median(joined))
    return usual if usual >= SNAPSHOT_CADENCE_MS else 0


def _notes(
    from_bars: bool,
    cadence_ms: int,
    index_symbol: str | None,
    options: int,
    strikes_each_side: int,
    bids: npt.NDArray[np.int32],
) -> tuple[str, ...]:
    notes = []
    if from_bars:
        notes.append(
            "Bar replay: each one-minute bar is played as open, high, low, close, the order that is "
            "worse for a short; the true path inside a minute is not known."
        )
    elif cadence_ms:
        notes.append(
            f"Snapshot replay: one price per symbol about every {cadence_ms / 1000:.0f} s; the path "
            "between two snapshots is not known and not invented. The 30 % jump check is off and "
            "silence limits are three times the cadence at least."
        )
    if index_symbol is None:
        notes.append(
            "The file has no index: the check for index prices on options and the silence checks "
            "are off."
        )
    if not bids.any():
        notes.append("The file has no quotes: orders fill at the last price, without a spread.")
    universe_size = 2 * (2 * strikes_each_side + 1)
    if options < universe_size:
        notes.append(f"The file has {options} of the universe's {universe_size} options.")
    return tuple(notes)
