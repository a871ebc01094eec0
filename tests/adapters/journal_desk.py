"""Records and messages that the tests of the journal store."""

from __future__ import annotations

import datetime as dt
import sqlite3
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from baseline_v1_live.adapters.journal import OrderRecord, PositionRecord, TradeRecord
from baseline_v1_live.core.instruments import OptionType
from baseline_v1_live.core.messages import (
    OrderType,
    Purpose,
    SaveSummary,
    Side,
    Tick,
    TimerDue,
)
from baseline_v1_live.core.session import at_ist
from tests import harness_orders

ROOT = Path(__file__).resolve().parents[2]
DAY = "2026-12-29"
AT = at_ist(dt.date(2026, 12, 29), dt.time(9, 30))
CALL = "NIFTY29DEC2626000CE"

ENTRY = OrderRecord(
    order_id=f"{DAY}-entry-1",
    session=DAY,
    symbol=CALL,
    side=Side.SELL,
    order_type=OrderType.SL,
    purpose=Purpose.ENTRY,
    quantity=650,
    trigger_price_paise=12_995,
    limit_price_paise=12_695,
    state="working",
)
SHORT = PositionRecord(
    position_id=f"{DAY}-position-1",
    session=DAY,
    symbol=CALL,
    option_type=OptionType.CE,
    lot_size=65,
    quantity=-650,
    sold_quantity=650,
    sold_value_paise=8_446_750,
    bought_quantity=0,
    bought_value_paise=0,
    stop_trigger_paise=14_000,
    swing_low_paise=13_000,
    risk_per_unit_paise=1_000,
    opened_at_ms=AT,
)
TRADE = TradeRecord(
    position_id=SHORT.position_id,
    session=DAY,
    symbol=CALL,
    quantity=650,
    entry_value_paise=8_446_750,
    exit_value_paise=7_800_000,
    entry_at_ms=AT,
    exit_at_ms=AT + 60_000,
    stop_trigger_paise=14_000,
    exit_reason="EOD_EXIT",
    pnl_paise=646_750,
    r_milli=995,
)
SUMMARY = SaveSummary(
    date=DAY, exit_reason="EOD_EXIT", r_milli=995, pnl_paise=646_750, charges_paise=9_900, trades=1
)
PLACE = replace(harness_orders.ENTRY, order_id=ENTRY.order_id, symbol=CALL)


def due(seq: int) -> TimerDue:
    return TimerDue(seq=seq, at_ms=AT + seq)


def tick(seq: int) -> Tick:
    return Tick(seq=seq, at_ms=AT + seq, symbol=CALL, ltp_paise=13_000)


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    """What another program sees in the file."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()
