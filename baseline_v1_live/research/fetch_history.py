"""Downloads one-minute bars from the gateway, through its own SDK, as files that a replay reads.

One Parquet file a day, with the index and the options of the universe, whole or not at all. Files that
are there are kept, so a download that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from baseline_v1_live.core.instruments import OptionType, expiry_code, option_symbol, universe
from baseline_v1_live.core.session import SECOND_MS, at_ist
from baseline_v1_live.runtime.clock import wall_ms
from baseline_v1_live.sim.contract_table import SESSION_OPEN, session_close
from baseline_v1_live.sim.day_file import TIMESTAMP

_OPTIONS, _INDICES = "NFO", "NSE_INDEX"
_PRICES = ["open", "high", "low", "close"]
_CALL_EVERY_S = 0.34  # The gateway serves about three of these calls a second.
_TIMEOUT_S = 60.0
_RETRY_S = (1.0, 2.0, 5.0)
# The gateway's answer about one symbol, which asking again would not change.
_NOT_KNOWN = frozenset({400, 404})
_KEY_REFUSED = frozenset({401, 403})
_SETTLED_AFTER_MS = 120 * SECOND_MS


class FetchError(Exception):
    """Nothing can be downloaded like this; the message is one line for a person."""


class DayState(StrEnum):
    """What became of a date."""

    WRITTEN = "written"
    KEPT = "kept"  # its file was there
    CLOSED = "closed"  # nothing traded
    NOT_OVER = "not over"  # its last bars are still to come
    FAILED = "failed"  # no file, because it would not be whole


class DayFetch(msgspec.Struct, frozen=True, kw_only=True):
    """One date: ``symbols`` have bars, ``empty`` ones have none; ``message`` says why it failed."""

    date: dt.date
    state: DayState
    path: Path
    symbols: int = 0
    bars: int = 0
    empty: tuple[str, ...] = ()
    message: str = ""


class FetchResult(msgspec.Struct, frozen=True, kw_only=True):
    """All dates that were looked at, in order. ``error``: why the rest was not, empty at the end.

    ``unknown`` maps symbols that the gateway does not know to its words.
    """

    days: tuple[DayFetch, ...]
    unknown: dict[str, str]
    error: str = ""

    @property
    def complete(self) -> bool:
        """Whether nothing failed: every date has its file, needs none, or was not over."""
        return not self.error and all(day.state is not DayState.FAILED for day in self.days)


class _StopError(Exception):
    """The gateway answers nobody, or not us."""


class _DayError(Exception):
    """A day cannot be had whole."""


Progress = Callable[[int, int, str], None]


class Pace:
    """Lets a call go no sooner than ``every_s`` seconds after the one before."""

    def __init__(
        self,
        every_s: float = _CALL_EVERY_S,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.sleep = sleep
        self._every_s = every_s
        self._clock = clock
        self._next_s = clock()

    def wait(self) -> None:
        """Wait for the turn, and take it."""
        self.sleep(max(self._next_s - self._clock(), 0.0))
        self._next_s = self._clock() + self._every_s


def fetch_history(
    host: str,
    api_key: str,
    *,
    underlying: str,
    expiry: dt.date,
    atm_paise: int,
    step_paise: int,
    strikes_each_side: int,
    start: dt.date,
    end: dt.date,
    out: Path,
    progress: Progress | None = None,
    force: bool = False,
    now_ms: Callable[[], int] = wall_ms,
    pace: Pace | None = None,
) -> FetchResult:
    """Download the dates from ``start`` to ``end``, both included, into the folder ``out``.

    ``progress`` hears how many of how many calls are done, and what is being asked for; ``force`` writes
    files anew that are there. Blocks until it is done.

    Raises FetchError when the dates make no sense, the folder cannot be used or the SDK is not
    installed. What the gateway does is in the result.
    """
    if end < start:
        raise FetchError(f"the last date {end} is before the first, {start}")
    if end > expiry:
        raise FetchError(f"the last date {end} is after the expiry {expiry_code(expiry)}")
    _make_folder(out)
    names = [underlying, *universe(underlying, expiry, atm_paise, step_paise, strikes_each_side)]
    at_the_money = [option_symbol(underlying, expiry, atm_paise, kind) for kind in OptionType]
    source = _Source(_sdk(host, api_key), api_key, underlying, pace or Pace())
    dates = [start + dt.timedelta(days=n) for n in range((end - start).days + 1)]
    days: list[DayFetch] = []
    error = ""
    for number, date in enumerate(dates):
        path = out / f"{date.isoformat()}.parquet"

        def told(calls: int, text: str, number: int = number) -> None:
            if progress is not None:
                progress(number * len(names) + calls, len(dates) * len(names), text)

        if path.exists() and not force:
            days.append(DayFetch(date=date, state=DayState.KEPT, path=path))
        elif now_ms() < at_ist(date, session_close(date)) + _SETTLED_AFTER_MS:
            days.append(DayFetch(date=date, state=DayState.NOT_OVER, path=path))
        else:
            try:
                days.append(_day(source, date, path, names, at_the_money, told))
            except _StopError as stop:
                error = str(stop)
                break
        told(len(names), date.isoformat())
    return FetchResult(days=tuple(days), unknown=source.unknown, error=error)


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FetchError(f"{out}: cannot be used as a folder: {error.strerror or error}") from None


def _sdk(host: str, api_key: str) -> Any:
    try:
        from openalgo import api  # type: ignore[import-untyped]
    except ImportError:
        raise FetchError(
            "the package openalgo is not installed; install it with: pip install openalgo"
        ) from None
    return api(api_key=api_key, host=host.rstrip("/"), timeout=_TIMEOUT_S)


# ---------------------------------------------------------------- one day


def _day(
    source: _Source,
    date: dt.date,
    path: Path,
    names: list[str],
    at_the_money: list[str],
    told: Callable[[int, str], None],
) -> DayFetch:
    frames: dict[str, pd.DataFrame] = {}
    # These first: when none of them traded, nobody did.
    first = [names[0], *at_the_money]
    rest = [name for name in names if name not in first]
    try:
        for calls, name in enumerate([*first, *rest]):
            if calls == len(first) and not frames:
                return DayFetch(date=date, state=DayState.CLOSED, path=path)
            told(calls, f"{date} {name}")
            frame = source.bars(name, date)
            if frame is not None:
                frames[name] = frame
        if not frames.keys() & set(at_the_money):
            raise _DayError(
                f"no bars of the strike at the money ({' and '.join(at_the_money)}); name one that "
                "traded"
            )
        bars = _write(frames, names, path)
    except _DayError as error:
        return DayFetch(date=date, state=DayState.FAILED, path=path, message=str(error))
    except OSError as error:
        raise _StopError(f"{path}: cannot be written: {error.strerror or error}") from None
    return DayFetch(
        date=date,
        state=DayState.WRITTEN,
        path=path,
        symbols=len(frames),
        bars=bars,
        empty=tuple(n for n in names if n not in frames and n not in source.unknown),
    )


def _write(frames: dict[str, pd.DataFrame], names: list[str], path: Path) -> int:
    """Store a day's bars, sorted by time; how many. The file appears whole or not at all."""
    parts = [frames[name].assign(symbol=name) for name in names if name in frames]
    joined = pd.concat(parts).sort_index(kind="stable")
    table = pa.table(
        {
            "ts": pa.array(_epoch_ms(joined)).cast(TIMESTAMP),
            "symbol": pa.array(joined["symbol"].to_list(), pa.string()),
            **{name: pa.array(joined[name].to_numpy(np.float64)) for name in _PRICES},
            "volume": pa.array(joined["volume"].to_numpy(np.int64)),
        }
    )
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        pq.write_table(table, part, compression="zstd")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return len(joined)


def _epoch_ms(frame: pd.DataFrame) -> Any:
    return pd.DatetimeIndex(frame.index).as_unit("ms").asi8


# ---------------------------------------------------------------- the gateway


class _Source:
    """The gateway's history, one call after the other."""

    def __init__(self, sdk: Any, api_key: str, index: str, pace: Pace) -> None:
        self.unknown: dict[str, str] = {}
        self._sdk, self._key, self._index, self._pace = sdk, api_key, index, pace

    def bars(self, symbol: str, date: dt.date) -> pd.DataFrame | None:
        """A symbol's bars of a date, None when it has none."""
        if symbol in self.unknown:
            return None
        answer = self._asked(symbol, date)
        if isinstance(answer, pd.DataFrame):
            return _cleaned(answer, symbol, date)
        if answer.get("error_type") == "no_data":
            return None
        words = self._words(answer)
        if answer.get("code") in _NOT_KNOWN:
            self.unknown[symbol] = words
            return None
        if answer.get("code") in _KEY_REFUSED:
            raise _StopError(
                f"the gateway does not take the key, or its broker login is over: {words}"
            )
        if answer.get("error_type") == "connection_error":
            raise _StopError(f"no gateway answers at {self._sdk.base_url}: {words}")
        raise _DayError(f"{symbol}: {words}")

    def _asked(self, symbol: str, date: dt.date) -> Any:
        """A frame of bars or the SDK's error, after what may pass was tried again."""
        for pause_s in (*_RETRY_S, None):
            self._pace.wait()
            answer = self._sdk.history(
                symbol=symbol,
                exchange=_INDICES if symbol == self._index else _OPTIONS,
                interval="1m",
                start_date=date.isoformat(),
                end_date=date.isoformat(),
            )
            lasting = isinstance(answer, pd.DataFrame) or (
                answer.get("error_type") == "no_data"
                or answer.get("code") in _NOT_KNOWN | _KEY_REFUSED
            )
            if lasting or pause_s is None:
                break
            self._pace.sleep(pause_s)
        return answer

    def _words(self, answer: dict[str, Any]) -> str:
        words = " ".join(str(answer.get("message") or answer).split())[:200]
        return words.replace(self._key, "***") if self._key else words


def _cleaned(frame: pd.DataFrame, symbol: str, date: dt.date) -> pd.DataFrame | None:
    """The bars of the date's session; None when there are none.

    Raises _DayError for a frame that is no frame of bars.
    """
    try:
        index = pd.DatetimeIndex(frame.index).tz_convert("Asia/Kolkata").floor("min")
        prices = frame.set_axis(index)[[*_PRICES, "volume"]].astype(float)
        prices["volume"] = prices["volume"].fillna(0.0)  # An index has none.
    except (KeyError, TypeError, ValueError) as error:
        raise _DayError(f"{symbol}: unreadable bars: {error}") from None
    times = index.tz_convert("UTC").as_unit("ms").asi8
    opened, closed = at_ist(date, SESSION_OPEN), at_ist(date, session_close(date))
    prices = prices[(times >= opened) & (times < closed)]
    if prices.empty:
        return None
    low, high = prices["low"], prices["high"]
    fair = (low > 0) & (low <= prices[_PRICES].min(axis=1)) & (high >= prices[_PRICES].max(axis=1))
    if not (np.isfinite(prices.to_numpy()).all() and fair.all() and (prices["volume"] >= 0).all()):
        raise _DayError(f"{symbol}: a bar has a price or a volume that cannot be")
    return prices
