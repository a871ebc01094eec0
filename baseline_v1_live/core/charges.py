"""Estimated charges of option orders by date: STT, exchange, SEBI, stamp duty, GST, brokerage.

Rates for NSE index options on premium turnover, in parts per ten million (1e-7):
STT on sales 0.0625 %, 0.10 % from 1 Oct 2024 and 0.15 % from 1 Apr 2026 (Finance Acts 2024 and 2026);
exchange 0.03503 % and investor protection fund 0.0005 % (NSE, from 1 Oct 2024); SEBI ₹10 per crore;
stamp duty 0.003 % on purchases; GST 18 % on brokerage, exchange, fund and SEBI fees.
An estimate to look at beside the P&L: the contract note decides.
"""

from __future__ import annotations

import datetime as dt

from baseline_v1_live.core.messages import Side

_PARTS = 10_000_000
_STT_SELL = ((dt.date(2026, 4, 1), 15_000), (dt.date(2024, 10, 1), 10_000), (dt.date.min, 6_250))
_EXCHANGE = 3_503 + 50
_SEBI = 10
_STAMP_BUY = 300
_GST_PCT = 18


def order_charges(date: dt.date, side: Side, filled_value_paise: int, brokerage_paise: int) -> int:
    """Charges in paise of one executed order of a turnover (Σ price x quantity, in paise).

    An order without a fill costs nothing.
    """
    if filled_value_paise <= 0:
        return 0
    fees = filled_value_paise * (_EXCHANGE + _SEBI) // _PARTS + brokerage_paise
    total = fees + fees * _GST_PCT // 100
    stt = next(rate for since, rate in _STT_SELL if date >= since)
    return total + filled_value_paise * (stt if side is Side.SELL else _STAMP_BUY) // _PARTS
