"""What a replayed day came to, as plain rows: the object behind ``--json`` and the HTML report.

Prices are rupees and times ISO 8601 with the IST offset, because people and tools read these rows.
"""

from __future__ import annotations

import msgspec

from baseline_v1_live.core.messages import Bar


class SwingRow(msgspec.Struct, frozen=True, kw_only=True):
    """A swing: ``at`` is its own bar's minute, ``confirmed`` the minute of the bar that confirmed it.

    ``verdict`` is ``pass`` or the reason of refusal for lows, None for highs.
    """

    symbol: str
    kind: str
    price: float
    at: str
    confirmed: str
    update: bool
    vwap: float | None
    verdict: str | None


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """An order of ours at the end of the day; ``trigger``/``price`` are None where it has none."""

    id: str
    symbol: str
    side: str
    type: str
    purpose: str
    trigger: float | None
    price: float | None
    quantity: int
    state: str
    filled_quantity: int
    average_price: float | None
    placed_at: str
    closed_at: str | None
    reason: str


class TradeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A position from its first fill to flat; ``stop`` is the trigger it was protected with.

    ``pnl`` is in rupees before charges, ``r`` is its own R multiple.
    """

    symbol: str
    quantity: int
    entry_price: float
    entry_at: str
    stop: float
    exit_price: float | None
    exit_at: str | None
    exit_reason: str
    pnl: float
    r: float


class DayRow(msgspec.Struct, frozen=True, kw_only=True):
    """The day: R and P&L before charges, why it ended, whether all is flat, whether entries were
    stopped by a safety rule (kill, stop failures, churn, an unexpected long).
    """

    r: float
    pnl: float
    exit_reason: str | None
    flat: bool
    halted: bool


class DayResult(msgspec.Struct, frozen=True, kw_only=True):
    """The five keys of ``replay --json``."""

    swings: list[SwingRow]
    orders: list[OrderRow]
    trades: list[TradeRow]
    day: DayRow
    rejections: dict[str, int]


class ReportData(msgspec.Struct, frozen=True, kw_only=True):
    """All that the HTML report draws, besides the result itself.

    ``r_curve`` holds (epoch ms, R x 1000) in time order; ``bars`` the closed one-minute bars of each
    option that was traded; ``notes`` what a reader must know about the data (one line each).
    ``target_r`` is the profit of the day from which all may be closed, ``target_name`` what it is.
    """

    title: str
    date: str
    expiry: str
    source: str
    target_r: float
    stop_r: float
    r_value: float
    charges: float
    session_open_ms: int
    session_close_ms: int
    square_off_ms: int
    result: DayResult
    r_curve: list[tuple[int, int]]
    bars: dict[str, list[Bar]]
    notes: list[str]
    target_name: str = "day target"
    policy: str = "market"


def to_json(result: DayResult) -> bytes:
    """The result as indented JSON with a newline at its end; the same result gives the same bytes."""
    encoded = msgspec.json.encode(result, order="deterministic")
    return msgspec.json.format(encoded, indent=2) + b"\n"
