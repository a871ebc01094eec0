"""Market days for trials by the thousand: ten options, sparse ticks, less than an hour long; and now and
then a whole one.

No model of prices to draw conclusions from: waves that make swing lows and break them, noise, and now and
then a jump that leaps over stops. Open, close, quotes, sizes and volumes are there as on a whole day.
What goes wrong with prices comes from elsewhere.
"""

from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import numpy.typing as npt

from baseline_v1_live.core.instruments import universe
from baseline_v1_live.core.session import MINUTE_MS, SECOND_MS, at_ist
from baseline_v1_live.sim.contract_table import SESSION_OPEN, recorded_contract
from baseline_v1_live.sim.day import MarketDay
from baseline_v1_live.sim.generator import generate_day

Floats = npt.NDArray[np.float64]

DATE = dt.date(2026, 11, 26)
EXPIRY = dt.date(2026, 12, 1)
ATM_PAISE = 2_600_000
_STEP_PAISE = 5_000
_STRIKES_EACH_SIDE = 2
_TICK_PAISE = 5
# A tick of each option in so many seconds: a whole day's cost, not its truth, is what ticks decide here.
_WHOLE_DAY_TICKS_S = 20
_JUMPS_MEAN = 0.5
_DELTA = 0.2


def whole_day(seed: int, minutes: int) -> MarketDay:
    """A generated day of all strikes, sparse in ticks, cut off after so many minutes."""
    day = generate_day(seed, ticks_per_second=1 / _WHOLE_DAY_TICKS_S)
    close_ms = at_ist(day.date, SESSION_OPEN) + minutes * MINUTE_MS
    played = int(np.searchsorted(day.at_ms, close_ms))
    return dataclasses.replace(
        day,
        at_ms=day.at_ms[:played],
        symbol_index=day.symbol_index[:played],
        ltp_paise=day.ltp_paise[:played],
        bid_paise=day.bid_paise[:played],
        ask_paise=day.ask_paise[:played],
        bid_quantity=day.bid_quantity[:played],
        ask_quantity=day.ask_quantity[:played],
        volume=day.volume[:played],
    )


def small_day(seed: int, *, minutes: int = 45, seconds_a_tick: float = 4.0) -> MarketDay:
    """A day of ``minutes`` from 09:15 on; ``seconds_a_tick`` is the mean time between two ticks of a
    symbol. The same arguments give the same day.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
    names = universe("NIFTY", EXPIRY, ATM_PAISE, _STEP_PAISE, _STRIKES_EACH_SIDE)
    symbols = ("NIFTY", *names)
    open_ms, seconds = at_ist(DATE, SESSION_OPEN), minutes * 60
    index = 26_000 * np.exp(np.cumsum(rng.normal(0, 0.00006, seconds)))
    columns = [_ticks(rng, open_ms, index, seconds_a_tick / 2, quoted=False)]
    for name in names:
        prices = _option_path(rng, index, rises=name.endswith("CE"))
        columns.append(_ticks(rng, open_ms, prices, seconds_a_tick, quoted=True))
    at_ms = np.concatenate([column[0] for column in columns])
    owner = np.repeat(np.arange(len(symbols), dtype=np.int16), [len(c[0]) for c in columns])
    order = np.argsort(at_ms, kind="stable")
    rest = [np.concatenate([c[n] for c in columns])[order] for n in range(1, 7)]
    ltp, bid, ask, bid_quantity, ask_quantity = (part.astype(np.int32) for part in rest[:5])
    return MarketDay(
        date=DATE,
        expiry=EXPIRY,
        atm_paise=ATM_PAISE,
        symbols=symbols,
        contracts={name: recorded_contract(name) for name in names},
        index_symbol="NIFTY",
        at_ms=at_ms[order],
        symbol_index=owner[order],
        ltp_paise=ltp,
        bid_paise=bid,
        ask_paise=ask,
        bid_quantity=bid_quantity,
        ask_quantity=ask_quantity,
        volume=rest[5],
        source=f"small day, seed {seed}",
    )


def _option_path(rng: np.random.Generator, index: Floats, *, rises: bool) -> Floats:
    """A price for each second, rupees: what the index does to it, a wave of its own, noise and jumps."""
    seconds = len(index)
    # Swings of a few percent, because wider ones lie beyond the longest stop that is traded.
    moved = (index - index[0]) * (_DELTA if rises else -_DELTA)
    base = rng.uniform(120, 230)
    period_s, share = rng.uniform(120, 400), rng.uniform(0.01, 0.035)
    turns = np.cumsum(rng.uniform(0.5, 1.5, seconds)) / period_s
    wave = base * share * np.sin(2 * np.pi * (turns + rng.uniform()))
    drift = base * rng.uniform(-0.25, 0.25) * np.arange(seconds) / seconds
    noise = np.cumsum(rng.normal(0, base * 0.0009, seconds))
    jumps = np.zeros(seconds)
    for _ in range(int(rng.poisson(_JUMPS_MEAN))):
        jumps[rng.integers(60, seconds)] += base * rng.choice((-1, 1)) * rng.uniform(0.03, 0.35)
    return np.maximum(base + moved + wave + drift + noise + np.cumsum(jumps), 3.0)


def _ticks(
    rng: np.random.Generator, open_ms: int, path: Floats, mean_s: float, *, quoted: bool
) -> tuple[npt.NDArray[np.int64], ...]:
    """(at_ms, ltp, bid, ask, bid quantity, ask quantity, volume) of one symbol's ticks."""
    seconds = len(path)
    gaps = rng.exponential(mean_s, int(seconds / mean_s * 1.5) + 10)
    at_s = np.cumsum(gaps)
    at_s = at_s[at_s < seconds - 1]
    price = path[at_s.astype(np.int64)]
    ltp = np.maximum(np.rint(price * 100 / _TICK_PAISE).astype(np.int64), 1) * _TICK_PAISE
    count = len(ltp)
    at_ms = open_ms + (at_s * SECOND_MS).astype(np.int64)
    if not quoted:
        zero = np.zeros(count, dtype=np.int64)
        return at_ms, ltp, zero, zero, zero, zero, zero - 1
    half = np.maximum(np.rint(ltp * rng.uniform(0.0005, 0.004, count) / 5), 1).astype(np.int64) * 5
    lots = rng.integers(1, 40, (2, count)) * 65
    volume = np.cumsum(rng.integers(0, 60, count) * 65)
    bid = np.maximum(ltp - half, _TICK_PAISE)
    return at_ms, ltp, bid, ltp + half, lots[0], lots[1], volume
