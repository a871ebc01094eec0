"""Generated market days: one seed makes one whole day of index and option ticks, byte for byte.

A random index path, an implied volatility that answers it, the chain priced by Black-76, then
quotes, sizes, trades and volumes around those prices. The model favours neither buyer nor seller:
drifts are drawn with symmetric signs, and implied variance runs down at the pace at which variance
is realised. Spreads by price, volumes by strike and the smile by standard deviations from the
forward follow an NSE chain of 29 August 2025; sizes are about twice those of its best prices.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from baseline_v1_live.core.instruments import (
    PAISE,
    Contract,
    OptionType,
    nearest_strike,
    universe,
)
from baseline_v1_live.core.session import SECOND_MS, at_ist
from baseline_v1_live.sim.black76 import black76_price
from baseline_v1_live.sim.contract_table import SESSION_OPEN, recorded_contract, session_close
from baseline_v1_live.sim.day import MarketDay

Floats = npt.NDArray[np.float64]

DEFAULT_DATE = dt.date(2026, 11, 26)
EXPIRY_TIME = dt.time(15, 30)
EXPIRY_WEEKDAY = 1  # Tuesday
RATE = 0.06  # carry of the forward and discount, a calendar year
DAYS_A_YEAR = 365.0
SESSIONS_A_YEAR = 252.0
SESSION_SHARE = 0.8  # of a day's variance happens in the session, the rest overnight
TICK_PAISE = 5
FIRST_MINUTE_S = 60

_PEAK_LOTS_A_SECOND = 200.0  # traded at the money at average activity
_SMILE_REACH = 6.0  # standard deviations at which the smile goes flat; beyond, calls could cross


class DayType(StrEnum):
    """The shape that the drift gives to the day; noise often hides it."""

    RANGE = "range day"
    TREND_UP = "trend up"
    TREND_DOWN = "trend down"
    REVERSAL_HIGH = "up, then down"
    REVERSAL_LOW = "down, then up"


_DAY_TYPE_WEIGHTS = (0.4, 0.175, 0.175, 0.125, 0.125)


@dataclass(frozen=True, eq=False)
class _Model:
    """What the whole market shares, at each full second from open to close (n + 1 points).

    ``elapsed_s`` seconds since the open; ``spot`` and ``forward`` rupees; ``atm_volatility`` per
    square root of a year of ``years`` (252 sessions); ``discount``; ``activity`` volume relative
    to the day's mean.
    """

    elapsed_s: Floats
    spot: Floats
    forward: Floats
    atm_volatility: Floats
    years: Floats
    discount: Floats
    activity: Floats
    skew: float
    curvature: float
    description: str


@dataclass(frozen=True, eq=False)
class _Ticks:
    """Ticks of one symbol in time order; columns and units as in MarketDay."""

    at_ms: npt.NDArray[np.int64]
    ltp: npt.NDArray[np.int32]
    bid: npt.NDArray[np.int32]
    ask: npt.NDArray[np.int32]
    bid_quantity: npt.NDArray[np.int32]
    ask_quantity: npt.NDArray[np.int32]
    volume: npt.NDArray[np.int64]


def next_expiry(date: dt.date) -> dt.date:
    """The Tuesday on or after a date; holidays are not known here, so name the expiry near one."""
    return date + dt.timedelta(days=(EXPIRY_WEEKDAY - date.weekday()) % 7)


def carry_years(at_ms: npt.ArrayLike, expiry: dt.date) -> Floats:
    """Calendar years (of 365 days) from instants to 15:30 of the expiry.

    ``at_ms``: epoch milliseconds, any shape. Returns float64 of that shape, 0 after the expiry.
    Interest runs over these: forward = spot x exp(RATE x years).
    """
    left_ms = at_ist(expiry, EXPIRY_TIME) - np.asarray(at_ms, dtype=np.float64)
    return np.maximum(left_ms, 0.0) / (DAYS_A_YEAR * 24 * 3600 * SECOND_MS)


def generate_day(
    seed: int,
    *,
    date: dt.date = DEFAULT_DATE,
    expiry: dt.date | None = None,
    underlying: str = "NIFTY",
    strikes_each_side: int = 20,
    step_paise: int = 5000,
    ticks_per_second: float = 1.0,
    spot: float = 26000.0,
) -> MarketDay:
    """A whole market day: the index and CE and PE of ATM ± ``strikes_each_side`` strikes.

    ``seed``: any integer from 0; the same arguments give the same bytes on the same machine.
    ``expiry``: None for the next Tuesday (the date itself, if it is one). ``spot``: index level at
    the open, rupees. ``step_paise``: distance of two strikes. ``ticks_per_second``: mean over the
    symbols; near the money there are more, far in the money fewer. The index path does not depend
    on the expiry, the strikes or the tick rate. ATM is the last index tick of the first minute,
    rounded to a strike.

    Returns the day with the index first among the symbols, then the options as ``universe`` orders
    them. Raises ValueError for arguments of which no day can be made and for an underlying without
    known lots.
    """
    expiry = next_expiry(date) if expiry is None else expiry
    _check(date, expiry, strikes_each_side, step_paise, ticks_per_second, spot)
    path_seed, index_seed, chain_seed = np.random.SeedSequence(seed).spawn(3)
    model = _model(_generator(path_seed), date, expiry, spot)
    open_ms = at_ist(date, SESSION_OPEN)
    index = _index_ticks(_generator(index_seed), model, open_ms, ticks_per_second)
    first_minute = index.at_ms < open_ms + FIRST_MINUTE_S * SECOND_MS
    reference = int(index.ltp[max(int(first_minute.sum()) - 1, 0)])
    atm_paise = nearest_strike(reference, step_paise)
    if atm_paise - strikes_each_side * step_paise <= 0:
        raise ValueError(f"{strikes_each_side} strikes of {step_paise} paise go below 0")
    names = universe(underlying, expiry, atm_paise, step_paise, strikes_each_side)
    contracts = {name: recorded_contract(name) for name in names}
    rates = _tick_rates(model, tuple(contracts.values()), ticks_per_second)
    columns = [index]
    for contract, rate, child in zip(
        contracts.values(), rates, chain_seed.spawn(len(names)), strict=True
    ):
        columns.append(_option_ticks(_generator(child), model, contract, rate, open_ms))
    order, symbol_index, at_ms = _merge(columns)
    return MarketDay(
        date=date,
        expiry=expiry,
        atm_paise=atm_paise,
        symbols=(underlying, *names),
        contracts=contracts,
        index_symbol=underlying,
        at_ms=at_ms,
        symbol_index=symbol_index,
        ltp_paise=np.concatenate([c.ltp for c in columns])[order],
        bid_paise=np.concatenate([c.bid for c in columns])[order],
        ask_paise=np.concatenate([c.ask for c in columns])[order],
        bid_quantity=np.concatenate([c.bid_quantity for c in columns])[order],
        ask_quantity=np.concatenate([c.ask_quantity for c in columns])[order],
        volume=np.concatenate([c.volume for c in columns])[order],
        source=f"generated day, seed {seed}",
        notes=(model.description,),
    )


def _check(
    date: dt.date,
    expiry: dt.date,
    strikes_each_side: int,
    step_paise: int,
    ticks_per_second: float,
    spot: float,
) -> None:
    if expiry < date:
        raise ValueError(f"expiry {expiry} lies before the day {date}")
    if strikes_each_side < 0:
        raise ValueError(f"strikes_each_side must not be negative: {strikes_each_side}")
    if step_paise <= 0 or step_paise % TICK_PAISE:
        raise ValueError(f"step_paise must be a positive multiple of {TICK_PAISE}: {step_paise}")
    if not 0 < ticks_per_second <= 1000:
        raise ValueError(f"ticks_per_second must be above 0, at most 1000: {ticks_per_second}")
    if not 0 < spot < 10_000_000:
        raise ValueError(f"spot must be a level in rupees above 0: {spot}")


def _generator(seed: np.random.SeedSequence) -> np.random.Generator:
    # PCG64 by name: default_rng may change its generator between numpy versions.
    return np.random.Generator(np.random.PCG64(seed))


def _merge(
    columns: list[_Ticks],
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int16], npt.NDArray[np.int64]]:
    """(order, symbol index, at_ms): all ticks by time, those of one instant by symbol index."""
    at_ms = np.concatenate([c.at_ms for c in columns])
    owner = np.repeat(np.arange(len(columns), dtype=np.int16), [len(c.at_ms) for c in columns])
    order = np.argsort(at_ms, kind="stable")
    return order, owner[order], at_ms[order]


def _mean_reverting(shocks: Floats, pull: float) -> Floats:
    """Ornstein-Uhlenbeck sums x[i] = sum of shocks[j] exp(-pull (i - j)), j <= i, in one pass.

    The growing weights stay finite because pull x steps is a few dozen at most.
    """
    growth = np.exp(pull * np.arange(len(shocks)))
    sums: Floats = np.cumsum(shocks * growth) / growth
    return sums


def _u_shape(x: Floats, at_open: float, at_close: float) -> Floats:
    """1 at lunch, more at the open (fading within the first hour) and into the close.

    ``x``: part of the session gone, 0..1.
    """
    shape: Floats = 1.0 + at_open * np.exp(-x / 0.08) + at_close * np.exp((x - 1.0) / 0.12)
    return shape


def _drift(rng: np.random.Generator, kind: DayType, x: Floats) -> Floats:
    """Cumulative drift at each point of ``x`` (0..1), in daily standard deviations."""
    size = rng.uniform(0.7, 1.4)
    turn = rng.uniform(0.3, 0.65)
    back = rng.uniform(0.7, 1.4)
    there_and_back = np.interp(x, [0.0, turn, 1.0], [0.0, size, size * (1.0 - back)])
    zero = np.zeros_like(x)
    shapes = (zero, size * x, -size * x, there_and_back, -there_and_back)
    drift: Floats = dict(zip(DayType, shapes, strict=True))[kind]
    return drift


def _model(rng: np.random.Generator, date: dt.date, expiry: dt.date, spot: float) -> _Model:
    """Draw the day: its type and volatility, the index path, and the implied volatility."""
    open_ms, close_ms = at_ist(date, SESSION_OPEN), at_ist(date, session_close(date))
    steps = (close_ms - open_ms) // SECOND_MS
    elapsed_s = np.arange(steps + 1, dtype=np.float64)
    x = elapsed_s / steps
    kind = tuple(DayType)[int(rng.choice(len(DayType), p=_DAY_TYPE_WEIGHTS))]
    daily = rng.uniform(0.006, 0.012)  # standard deviation of the log return from open to close
    profile = _u_shape(x[1:], at_open=1.1, at_close=0.3)
    profile *= np.sqrt(steps / np.sum(profile**2))
    # Volatility clusters: its logarithm wanders around 0 with a memory of a quarter of an hour.
    pull, spread = 1 / 900, 0.35
    wander = _mean_reverting(rng.normal(size=steps) * spread * np.sqrt(2 * pull), pull)
    noise = rng.standard_t(4, size=steps) / np.sqrt(2.0)  # variance 4 / (4 - 2)
    returns = noise * profile * np.exp(wander - spread**2) * np.sqrt(0.92 / steps)
    jumps = int(rng.poisson(2.0))  # with a mean square of 0.04 they make up the missing 8 %
    sizes = rng.choice((-1.0, 1.0), size=jumps) * rng.uniform(0.1, 0.28, size=jumps)
    np.add.at(returns, rng.integers(0, steps, size=jumps), sizes)
    log_path = _mean_reverting(returns, 4.0 / steps if kind is DayType.RANGE else 0.0)
    log_move = daily * (np.concatenate(([0.0], log_path)) + _drift(rng, kind, x))
    spots = spot * np.exp(log_move)

    variance_gone = np.concatenate(([0.0], np.cumsum(profile**2) / steps))
    years = _variance_years(variance_gone, elapsed_s, date, expiry)
    # Implied over realised lies around 1, so that neither side of an option has an edge by design.
    implied = daily * np.sqrt(SESSIONS_A_YEAR / SESSION_SHARE) * np.exp(rng.normal(0.0, 0.08))
    slow = 1 / 3600
    own_move = _mean_reverting(rng.normal(size=steps) * 0.025 * np.sqrt(2 * slow), slow)
    # An index 1 % lower makes implied volatility 3 to 5 % higher.
    answer = -rng.uniform(3.0, 5.0) * log_move
    carry = carry_years(open_ms + elapsed_s * SECOND_MS, expiry)
    activity = _u_shape(x, at_open=1.8, at_close=1.2) * np.exp(0.5 * np.append(wander, wander[-1]))
    return _Model(
        elapsed_s=elapsed_s,
        spot=spots,
        forward=spots * np.exp(RATE * carry),
        atm_volatility=implied * np.exp(answer + np.append(0.0, own_move)),
        years=years,
        discount=np.exp(-RATE * carry),
        activity=activity / activity.mean(),
        skew=-rng.uniform(0.03, 0.06),
        curvature=rng.uniform(0.7, 0.9),
        description=f"{kind.value}, daily volatility {daily:.2%}, jumps: {jumps}",
    )


def _variance_years(
    variance_gone: Floats, elapsed_s: Floats, date: dt.date, expiry: dt.date
) -> Floats:
    """Time to expiry in years of 252 sessions, run down at the pace of the day's own variance.

    ``variance_gone``: part of the session's variance behind each second, 0..1. In calendar time an
    option would decay slower in the session than its gamma earns, a gift to its buyer.
    Weekdays count as sessions.
    """
    expiry_s = (at_ist(expiry, EXPIRY_TIME) - at_ist(date, SESSION_OPEN)) / SECOND_MS
    end = float(np.interp(expiry_s, elapsed_s, variance_gone))
    later_sessions = int(np.busday_count(date, expiry))
    left = SESSION_SHARE * np.maximum(end - variance_gone, 0.0) + later_sessions
    return np.asarray(left / SESSIONS_A_YEAR)


def _fair_values(model: _Model, contract: Contract) -> Floats:
    """Theoretical price of an option in rupees at each second.

    The smile is a hyperbola in standard deviations from the forward, with puts richer than calls:
    volatility / ATM volatility = 1 + skew m + curvature (sqrt(1 + (m/3)^2) - 1).
    """
    strike = contract.strike_paise / PAISE
    # In the last seconds before expiry a deviation would go to zero; a minute's worth is kept.
    deviation = model.atm_volatility * np.sqrt(np.maximum(model.years, 1e-5))
    m = np.clip(np.log(strike / model.forward) / deviation, -_SMILE_REACH, _SMILE_REACH)
    smile = 1.0 + model.skew * m + model.curvature * (np.sqrt(1.0 + (m / 3.0) ** 2) - 1.0)
    return black76_price(
        model.forward,
        strike,
        model.years,
        model.atm_volatility * smile,
        is_call=contract.option_type is OptionType.CE,
        discount=model.discount,
    )


def _in_the_money_percent(model: _Model, contract: Contract) -> Floats:
    """How far in the money at each second, percent of spot; negative out of the money."""
    sign = 1.0 if contract.option_type is OptionType.CE else -1.0
    depth: Floats = sign * (1.0 - contract.strike_paise / PAISE / model.spot) * 100.0
    return depth


def _liquidity(depth: Floats) -> Floats:
    """Trading against ATM: thinning slowly out of the money, fast into it (depth in percent)."""
    liquidity: Floats = np.exp(-np.where(depth > 0, depth / 0.3, -depth / 1.6))
    return liquidity


def _tick_rates(
    model: _Model, contracts: tuple[Contract, ...], ticks_per_second: float
) -> list[Floats]:
    """Ticks a second of each option at each second, ``ticks_per_second`` in the mean over all."""
    busy = model.activity**0.25
    raw = [
        busy * (0.15 + _liquidity(_in_the_money_percent(model, contract)) ** 0.4)
        for contract in contracts
    ]
    scale = ticks_per_second / float(np.mean([rate.mean() for rate in raw]))
    return [rate * scale for rate in raw]


def _tick_times(rng: np.random.Generator, rate: Floats, elapsed_s: Floats) -> Floats:
    """Seconds since the open of one symbol's ticks, in order; at least one tick.

    ``rate``: ticks a second at each full second. Each tick falls at random within the span in
    which one is expected: a feed's rhythm, without the crowds and holes of independent arrivals.
    """
    expected = np.concatenate(([0.0], np.cumsum((rate[1:] + rate[:-1]) / 2)))
    count = max(int(expected[-1]), 1)
    places = (np.arange(count) + rng.random(count)) * (expected[-1] / count)
    times: Floats = np.interp(places, expected, elapsed_s)
    return times


def _stamp(open_ms: int, at_s: Floats, elapsed_s: Floats) -> npt.NDArray[np.int64]:
    """Seconds since the open to epoch milliseconds, all before the close."""
    last_ms = int(elapsed_s[-1]) * SECOND_MS - 1
    return np.minimum((at_s * SECOND_MS).astype(np.int64), last_ms) + open_ms


def _index_ticks(
    rng: np.random.Generator, model: _Model, open_ms: int, ticks_per_second: float
) -> _Ticks:
    """The index: no quotes, no volume."""
    at_s = _tick_times(rng, np.full_like(model.elapsed_s, ticks_per_second), model.elapsed_s)
    level = np.interp(at_s, model.elapsed_s, model.spot) * PAISE
    nothing = np.zeros(len(at_s), dtype=np.int32)
    return _Ticks(
        at_ms=_stamp(open_ms, at_s, model.elapsed_s),
        ltp=(np.rint(level / TICK_PAISE) * TICK_PAISE).astype(np.int32),
        bid=nothing,
        ask=nothing,
        bid_quantity=nothing,
        ask_quantity=nothing,
        volume=np.zeros(len(at_s), dtype=np.int64),
    )


def _option_ticks(
    rng: np.random.Generator, model: _Model, contract: Contract, rate: Floats, open_ms: int
) -> _Ticks:
    """One option: each tick is a trade at the bid, the ask or between, with the quote around it."""
    at_s = _tick_times(rng, rate, model.elapsed_s)
    n = len(at_s)
    depth = _in_the_money_percent(model, contract)
    fair = np.interp(at_s, model.elapsed_s, _fair_values(model, contract))
    deep = np.interp(at_s, model.elapsed_s, np.maximum(depth, 0.0))
    # Rupees: a tick when cheap, 0.2 % of the price near the money, several rupees deep in it.
    width = 0.04 + 0.002 * fair + np.minimum(0.12 * deep**3, 8.0)
    drawn_width = width * np.exp(rng.normal(0.0, 0.25, n))
    ticks_wide = np.maximum(np.rint(drawn_width * PAISE / TICK_PAISE), 1)
    middle = (fair + 0.1 * width * rng.normal(size=n)) * PAISE / TICK_PAISE
    bid = np.maximum(np.rint(middle - ticks_wide / 2), 1)
    side = rng.random(n)
    between = np.floor(rng.random(n) * (ticks_wide + 1))
    trade = bid + np.where(side < 0.45, 0.0, np.where(side < 0.9, ticks_wide, between))
    traded = _PEAK_LOTS_A_SECOND * model.activity * _liquidity(depth)
    expected = np.interp(at_s, model.elapsed_s, np.cumsum(traded) - traded[0])
    lots = np.rint(np.diff(expected, prepend=0.0) * rng.gamma(2.0, 0.5, n))
    return _Ticks(
        at_ms=_stamp(open_ms, at_s, model.elapsed_s),
        ltp=(trade * TICK_PAISE).astype(np.int32),
        bid=(bid * TICK_PAISE).astype(np.int32),
        ask=((bid + ticks_wide) * TICK_PAISE).astype(np.int32),
        bid_quantity=_book_size(rng, fair, contract.lot_size),
        ask_quantity=_book_size(rng, fair, contract.lot_size),
        volume=np.cumsum(np.maximum(lots, 1).astype(np.int64)) * contract.lot_size,
    )


def _book_size(rng: np.random.Generator, fair: Floats, lot_size: int) -> npt.NDArray[np.int32]:
    """Units at the best price: about 24 lots at ₹150, more when cheaper, at times only 1 to 4."""
    middle = 24.0 * (150.0 / np.maximum(fair, 1.0)) ** 1.1
    lots = np.rint(np.minimum(middle * np.exp(rng.normal(0.0, 0.6, len(fair))), 5000.0))
    thin = rng.random(len(fair)) < 0.08
    lots = np.where(thin, np.minimum(lots, rng.integers(1, 5, len(fair))), lots)
    return (np.maximum(lots, 1) * lot_size).astype(np.int32)
