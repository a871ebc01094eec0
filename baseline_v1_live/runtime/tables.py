"""What status.py shows, as rows of words for a terminal or a message."""

from __future__ import annotations

from collections.abc import Sequence

from baseline_v1_live.core.instruments import rupee_text
from baseline_v1_live.core.session import clock_text
from baseline_v1_live.runtime.status import (
    OrderView,
    PositionView,
    Status,
    StoredStatus,
    age_text,
    gate_text,
    r_text,
)

Rows = list[tuple[str, ...]]


def status_rows(value: Status | StoredStatus) -> Rows:
    """Names and values, without a head."""
    return _running_rows(value) if isinstance(value, Status) else _left_rows(value)


def _running_rows(now: Status) -> Rows:
    atm = "" if now.atm_paise is None else f"  ATM {now.atm_paise / 100:g}"
    entries = "entries allowed" if now.gate is None else f"no entries: {gate_text(now.gate)}"
    rows: Rows = [
        ("mode", f"{now.mode}  {now.date}  expiry {now.expiry}{atm}"),
        ("trading", f"{now.state}, {entries}"),
    ]
    rows += _flag_rows(now)
    if now.churn_tripped:
        rows.append(("stopped", "too many re-placements; resume lifts it"))
    if now.flattening:
        rows.append(("flatten", "closing all positions"))
    unknown = f", {now.unknown_orders} of unknown outcome" if now.unknown_orders else ""
    charges = rupee_text(now.charges_paise)
    return [
        *rows,
        ("R", r_text(now.r_milli)),
        ("P&L", f"{_signed(now.pnl_paise)} before estimated charges of {charges}"),
        ("positions", f"{now.positions} of {now.positions_max}"),
        ("working orders", f"{now.working_orders}{unknown}"),
        ("newest tick", _ago(now.feed_age_ms, "none yet")),
        ("books read", _ago(now.reconcile_age_ms, "not yet")),
        ("up", age_text(now.uptime_ms, "")),
    ]


def _left_rows(left: StoredStatus) -> Rows:
    unknown = f", {left.unknown_orders} of unknown outcome" if left.unknown_orders else ""
    return [
        ("session", left.date + (", over" if left.day_over else "")),
        *_flag_rows(left),
        ("trades", f"{left.trades}, P&L {_signed(left.realised_pnl_paise)} before charges"),
        ("positions", str(left.positions)),
        ("working orders", f"{left.working_orders}{unknown}"),
    ]


def _flag_rows(value: Status | StoredStatus) -> Rows:
    rows: Rows = []
    if value.day_exit_reason:
        rows.append(("day's exit", value.day_exit_reason))
    if value.entries_stopped_by:
        rows.append(("stopped", f"entries, for the day: {value.entries_stopped_by}"))
    if value.paused:
        rows.append(("paused", "yes"))
    return rows


def order_rows(views: Sequence[OrderView]) -> Rows:
    """Orders, the first row being the head."""
    head = (
        "sent",
        "order",
        "symbol",
        "side",
        "type",
        "filled",
        "trigger",
        "limit",
        "state",
        "message",
    )
    rows: Rows = [
        (
            clock_text(view.placed_at_ms),
            view.order_id,
            view.symbol,
            view.side,
            view.order_type,
            f"{view.filled_quantity}/{view.quantity}",
            _price(view.trigger_price_paise),
            _price(view.limit_price_paise),
            view.state + (", being cancelled" if view.cancelling else ""),
            view.message,
        )
        for view in views
    ]
    return [head, *rows]


def position_rows(views: Sequence[PositionView]) -> Rows:
    """Positions, the first row being the head."""
    head = ("symbol", "quantity", "entry", "now", "stop", "covered by", "P&L", "R")
    rows: Rows = [
        (
            view.symbol,
            str(view.quantity),
            _price(view.entry_average_paise),
            _price(view.mark_paise),
            _price(view.stop_trigger_paise),
            f"{view.cover.text} (stops {view.stop_quantity}, exits {view.exit_quantity})",
            "-" if view.pnl_paise is None else _signed(view.pnl_paise),
            "-" if view.r_milli is None else r_text(view.r_milli),
        )
        for view in views
    ]
    return [head, *rows]


def _ago(age_ms: int | None, none: str) -> str:
    return none if age_ms is None else f"{age_text(age_ms, none)} ago"


def _price(price_paise: int | None) -> str:
    return rupee_text(price_paise) if price_paise else "-"


def _signed(amount_paise: int) -> str:
    return f"{'+' if amount_paise >= 0 else ''}{rupee_text(amount_paise)}"
