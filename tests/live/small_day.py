"""A short day of seven symbols for tests of the process: one entry fills at 09:24:30, two keep resting.

Each minute has four prices of a quarter of a minute each, so that a fast clock loses none of them.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np

from baseline_v1_live.core.session import at_ist
from baseline_v1_live.sim.contract_table import recorded_contract
from baseline_v1_live.sim.day import MarketDay
from baseline_v1_live.sim.day_file import write_day

DATE = dt.date(2026, 11, 26)
EXPIRY = dt.date(2026, 12, 1)
EXPIRY_CODE, ATM = "01DEC26", "26000"
INDEX = "NIFTY"
SOLD = "NIFTY01DEC2626000CE"
NEXT_CALL, PUT = "NIFTY01DEC2626050CE", "NIFTY01DEC2626000PE"
IDLE = ("NIFTY01DEC2625950CE", "NIFTY01DEC2625950PE", "NIFTY01DEC2626050PE")
FILL_MS = at_ist(DATE, dt.time(9, 24, 30))
MINUTES = 60

Minute = tuple[float, float, float, float]
# A swing low at 130.00, far above VWAP, confirmed at 09:23; the highest price after it is ``top``.
_BEFORE: tuple[Minute, ...] = (
    (120, 121, 119, 120),
    (121, 124, 121, 123),
    (124, 128, 124, 127),
    (134, 136, 134, 135),
    (134, 134, 132, 132.5),
    (132, 132, 130, 131),
    (131, 134, 131, 133),
)
_REST: Minute = (136, 136.5, 135.5, 136)
_BREAK: Minute = (136, 135, 129.9, 128)
_SOLD: Minute = (128, 128.5, 127.5, 128)
_IDLE: Minute = (120, 120.5, 119.5, 120)


def write_small_day(path: Path) -> None:
    """Write the day as a file that openalgo-sim plays."""
    symbols = (INDEX, SOLD, NEXT_CALL, PUT, *IDLE)
    paths = [_index(), _swing(138.5, sold=True), _swing(138.0), _swing(138.0), *([_idle()] * 3)]
    seconds = MINUTES * 60
    prices = np.array([np.repeat(path, 15) for path in paths])
    lots = np.where(np.arange(seconds) < 60, 6_500, 65)
    volume = np.array([lots.cumsum()] * len(symbols))
    volume[0] = 0
    quoted = np.array([[0], *([[1]] * (len(symbols) - 1))])

    def column(values: np.ndarray, kind: type) -> np.ndarray:
        return values.T.astype(kind).ravel()

    opened = at_ist(DATE, dt.time(9, 15))
    places = np.tile(np.arange(len(symbols), dtype=np.int16), seconds)
    paise = np.rint(prices * 100)
    size = quoted * np.full(prices.shape, 6_500)
    day = MarketDay(
        date=DATE,
        expiry=EXPIRY,
        atm_paise=26_000_00,
        symbols=symbols,
        contracts={name: recorded_contract(name) for name in symbols[1:]},
        index_symbol=INDEX,
        at_ms=np.repeat(opened + np.arange(seconds, dtype=np.int64) * 1_000, len(symbols)),
        symbol_index=places,
        ltp_paise=column(paise, np.int32),
        bid_paise=column((paise - 5) * quoted, np.int32),
        ask_paise=column((paise + 5) * quoted, np.int32),
        bid_quantity=column(size, np.int32),
        ask_quantity=column(size, np.int32),
        volume=column(volume, np.int64),
    )
    write_day(day, path)


def _flat(minutes: list[Minute]) -> list[float]:
    return [price for minute in minutes for price in minute]


def _swing(top: float, *, sold: bool = False) -> list[float]:
    minutes = [*_BEFORE, (133, top, 133, top - 1), _REST]
    if sold:
        minutes.append(_BREAK)
    rest = MINUTES - len(minutes)
    return _flat(minutes + [_SOLD if sold else _REST] * rest)


def _idle() -> list[float]:
    return _flat([_IDLE] * MINUTES)


def _index() -> list[float]:
    return [26_000 + (quarter % 4) * 2.5 for quarter in range(MINUTES * 4)]
