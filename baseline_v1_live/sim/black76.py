"""European options on a forward: the Black-76 price of whole arrays, with numpy only.

Source of the formula: F. Black, "The pricing of commodity contracts", Journal of Financial
Economics 3 (1976) 167-179: call = D [F N(d1) - K N(d2)], put = D [K N(-d2) - F N(-d1)],
D = exp(-r T), d1 = ln(F/K) / (s sqrt T) + s sqrt(T) / 2, d2 = d1 - s sqrt(T).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def normal_cdf(x: npt.ArrayLike) -> Floats:
    """Distribution function of the standard normal, N(x) = erfc(-x / sqrt 2) / 2.

    ``x``: any shape. Returns float64 of the same shape. The C library's ``erfc`` is asked element
    by element: it is exact to about 1e-15 of the value also far out in the tail, while the usual
    1e-7 polynomials, times an index level of 26000, would be off by a quarter of a paisa or more.
    """
    scaled = np.asarray(x, dtype=np.float64) * -math.sqrt(0.5)
    flat = np.fromiter(map(math.erfc, scaled.ravel().tolist()), np.float64, scaled.size)
    return (0.5 * flat).reshape(scaled.shape)


def black76_price(
    forward: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    volatility: npt.ArrayLike,
    *,
    is_call: bool,
    discount: npt.ArrayLike = 1.0,
) -> Floats:
    """Black-76 price of calls or puts.

    ``forward`` and ``strike`` in the same currency unit (> 0), ``years`` to expiry (>= 0),
    ``volatility`` per square root of a year (>= 0; 0.12 is 12 %), ``discount`` = exp(-r T), 1 for
    the undiscounted price. It stands apart from ``years`` because variance may be counted in
    trading time while money costs interest in calendar time. All broadcast against each other.
    Returns the price in the forward's unit, float64, in the broadcast shape; with no time or no
    volatility left it is the discounted intrinsic value.
    Raises ValueError for a forward or strike that is not above 0, or negative time or volatility.
    """
    f, k, t, v, d = np.broadcast_arrays(
        *(np.asarray(a, dtype=np.float64) for a in (forward, strike, years, volatility, discount))
    )
    if not (np.all(f > 0) and np.all(k > 0)):
        raise ValueError("forward and strike must be above 0")
    if not (np.all(t >= 0) and np.all(v >= 0)):
        raise ValueError("years and volatility must not be negative")
    deviation = v * np.sqrt(t)
    alive = deviation > 0
    log_moneyness = np.log(f / k)
    d1 = log_moneyness / np.where(alive, deviation, 1.0) + deviation / 2
    d2 = d1 - deviation
    sign = 1.0 if is_call else -1.0
    value = sign * (f * normal_cdf(sign * d1) - k * normal_cdf(sign * d2))
    intrinsic = np.maximum(sign * (f - k), 0.0)
    # Far out of the money the two terms cancel to a rounding error, which may be below zero.
    price: Floats = d * np.where(alive, np.maximum(value, 0.0), intrinsic)
    return price
