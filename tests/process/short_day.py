"""A trading day of fifteen minutes, all over at 09:27: what a bot is killed in, again and again.

Two swing lows are sold at once, one of them is stopped out, the other one is bought back by the
square-off, and an entry that rests is made smaller and taken back. Quotes carry less than an order, so
orders fill in parts. Each minute has four prices of a quarter of a minute each.
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
STOPPED_OUT, RESTING = "NIFTY01DEC2626000CE", "NIFTY01DEC2626050CE"
SQUARED_OFF = "NIFTY01DEC2626000PE"
IDLE = ("NIFTY01DEC2625950CE", "NIFTY01DEC2625950PE", "NIFTY01DEC2626050PE")
MINUTES = 15
QUOTED = 260
# The day's times, as settings of the bot.
SETTINGS = {
    "STRIKES_EACH_SIDE": "1",
    "LAST_ENTRY_TIME": "09:26",
    "FORCE_EXIT_TIME": "09:27",
}


def _at(hour: int, minute: int, second: int) -> int:
    return at_ist(DATE, dt.time(hour, minute, second))


STARTS_MS = _at(9, 22, 0)
ENTRIES_MS = _at(9, 23, 40)
SOLD_MS, STOPPED_MS = _at(9, 24, 30), _at(9, 25, 45)
SQUARE_OFF_MS, HARD_CUT_MS = _at(9, 27, 0), _at(9, 32, 0)
CLOSED_MS = _at(15, 40, 30)
# Around these instants a short must be covered in time, so a second of the market must be told apart.
BUSY_MS = tuple((at_ms - 3_000, at_ms + 4_000) for at_ms in (SOLD_MS, STOPPED_MS, SQUARE_OFF_MS))

Minute = tuple[float, float, float, float]
# A swing low at 130.00, far above VWAP, that 09:22 confirms; the highest price after it is in 09:22.
_SWING: tuple[Minute, ...] = (
    (120, 121, 119, 120),
    (121, 124, 121, 123),
    (124, 128, 124, 127),
    (134, 136, 134, 135),
    (134, 134, 132, 132.5),
    (132, 132, 130, 131),
    (131, 134, 131, 133),
)
_FLAT: Minute = (136, 136.5, 135.5, 136)
_STOPPED_OUT = ((133, 138.5, 133, 137.5), _FLAT, (136, 135, 129.9, 128), (128, 128.5, 134, 141.5))
_RESTING = ((133, 138.0, 133, 137.0), _FLAT, _FLAT, (136, 138, 141, 137))
_SQUARED_OFF = ((133, 138.0, 133, 137.0), _FLAT, (136, 135, 129.9, 128), (128, 128, 127.5, 128))
_LAST = {STOPPED_OUT: 141.0, RESTING: 136.0, SQUARED_OFF: 128.0}


def write_short_day(path: Path) -> None:
    """Write the day as a file that openalgo-sim plays."""
    tails = {STOPPED_OUT: _STOPPED_OUT, RESTING: _RESTING, SQUARED_OFF: _SQUARED_OFF}
    symbols = (INDEX, *tails, *IDLE)
    index = [26_000 + (quarter % 4) * 2.5 for quarter in range(MINUTES * 4)]
    paths = [index]
    paths += [_quarters((*_SWING, *tail), last=_LAST[name]) for name, tail in tails.items()]
    paths += [_quarters([(120, 120.5, 119.5, 120)] * MINUTES, last=120) for _ in IDLE]
    seconds = MINUTES * 60
    paise = np.rint(np.array([np.repeat(path, 15) for path in paths]) * 100)
    # A heavy first minute keeps VWAP where the day began.
    volume = np.where(np.arange(seconds) < 60, 6_500, 65).cumsum() * np.ones((len(symbols), 1))
    quoted = np.array([[0], *([[1]] * (len(symbols) - 1))])
    size = quoted * np.full(paise.shape, QUOTED)

    def column(values: np.ndarray, kind: type) -> np.ndarray:
        return values.T.astype(kind).ravel()

    day = MarketDay(
        date=DATE,
        expiry=EXPIRY,
        atm_paise=26_000_00,
        symbols=symbols,
        contracts={name: recorded_contract(name) for name in symbols[1:]},
        index_symbol=INDEX,
        at_ms=np.repeat(_at(9, 15, 0) + np.arange(seconds, dtype=np.int64) * 1_000, len(symbols)),
        symbol_index=np.tile(np.arange(len(symbols), dtype=np.int16), seconds),
        ltp_paise=column(paise, np.int32),
        bid_paise=column((paise - 5) * quoted, np.int32),
        ask_paise=column((paise + 5) * quoted, np.int32),
        bid_quantity=column(size, np.int32),
        ask_quantity=column(size, np.int32),
        volume=column(volume * quoted, np.int64),
    )
    write_day(day, path)


def _quarters(minutes: list[Minute] | tuple[Minute, ...], *, last: float) -> list[float]:
    prices = [price for minute in minutes for price in minute]
    return prices + [last] * (MINUTES * 4 - len(prices))
