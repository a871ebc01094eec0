"""What an engine knows of its day, as the rows and drawings that people get."""

from __future__ import annotations

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.instruments import expiry_code, rupees
from baseline_v1_live.core.market import SwingRecord
from baseline_v1_live.core.messages import OrderType, Purpose
from baseline_v1_live.core.order import Order
from baseline_v1_live.core.position import Position
from baseline_v1_live.core.rules import ExitPolicy, Rules
from baseline_v1_live.core.session import MINUTE_MS, clock_text, iso
from baseline_v1_live.research.result import (
    DayResult,
    DayRow,
    OrderRow,
    ReportData,
    SwingRow,
    TradeRow,
)
from baseline_v1_live.sim.day import MarketDay


def day_result(engine: Engine, *, flat: bool) -> DayResult:
    """The day so far as rows; ``flat`` says whether the broker shows nothing open."""
    positions = engine.positions
    return DayResult(
        swings=[_swing_row(record) for record in engine.market.swings],
        orders=[_order_row(order) for order in engine.orders.orders.values()],
        trades=[_trade_row(position) for position in positions.positions.values()],
        day=DayRow(
            r=engine.r_milli / 1000,
            pnl=rupees(positions.pnl_paise),
            exit_reason=positions.day_exit_reason,
            flat=flat,
            halted=engine.entries_halted,
        ),
        rejections=dict(sorted(engine.market.rejections.items())),
    )


def report_data(
    engine: Engine,
    day: MarketDay,
    result: DayResult,
    title: str,
    r_curve: list[tuple[int, int]],
) -> ReportData:
    """All that the HTML report draws; ``r_curve`` has instants (ms) and R in thousandths."""
    rules, session = engine.rules, engine.session
    trailing = rules.exit_policy is ExitPolicy.TRAILING
    traded = sorted({p.symbol for p in engine.positions.positions.values()})
    return ReportData(
        title=title,
        date=day.date.isoformat(),
        expiry=expiry_code(day.expiry),
        source=day.source,
        target_r=(rules.trailing_arm_r_milli if trailing else rules.day_target_r_milli) / 1000,
        stop_r=rules.day_stop_r_milli / 1000,
        r_value=rupees(rules.r_value_paise),
        charges=rupees(engine.charges_paise),
        session_open_ms=session.open_ms,
        session_close_ms=session.close_ms,
        square_off_ms=session.square_off_ms,
        result=result,
        r_curve=r_curve,
        bars={name: engine.market.symbols[name].series.bars for name in traded},
        notes=_notes(engine, day),
        target_name="trailing from" if trailing else "day target",
        policy=_policy(rules),
    )


def _policy(rules: Rules) -> str:
    """The exit policy with its own limits, in a few words."""
    trailing = (
        f"trailing from {rules.trailing_arm_r_milli / 1000:+g}R by "
        f"{rules.trailing_gap_r_milli / 1000:g}R"
    )
    match rules.exit_policy:
        case ExitPolicy.STAGED:
            levels = ", ".join(f"{level / 1000:+g}R" for level in rules.staged_r_milli)
            return f"staged: {rules.staged_part_bp / 100:g} % at {levels}; {trailing}"
        case ExitPolicy.FIXED:
            return (
                f"fixed: each position at {rules.fixed_target_r_milli / 1000:+g}R of its own risk"
            )
        case ExitPolicy.TRAILING:
            return trailing
    return rules.exit_policy


def _notes(engine: Engine, day: MarketDay) -> list[str]:
    session = engine.session
    notes = [*day.notes]
    first_ms, last_ms = int(day.at_ms[0]), int(day.at_ms[-1])
    if first_ms >= session.open_ms + MINUTE_MS:
        notes.append(
            f"The data begins at {clock_text(first_ms)}, after the open: VWAP and swings start "
            "there, and what traded before is not known."
        )
    if last_ms < session.square_off_ms:
        notes.append(
            f"The data ends at {clock_text(last_ms)}, before the square-off at "
            f"{clock_text(session.square_off_ms)}: what was open then stays open."
        )
    quarantined = engine.market.quarantined
    if quarantined.total():
        counts = ", ".join(f"{k} {v}" for k, v in sorted(quarantined.items()))
        notes.append(f"{quarantined.total()} ticks were quarantined and not used ({counts}).")
    return notes


def _swing_row(record: SwingRecord) -> SwingRow:
    swing = record.swing
    return SwingRow(
        symbol=swing.symbol,
        kind=swing.kind,
        price=rupees(swing.price_paise),
        at=iso(swing.minute_ms),
        confirmed=iso(swing.confirmed_ms),
        update=swing.is_update,
        vwap=None if swing.vwap is None else round(swing.vwap.price_paise / 100, 4),
        verdict=record.verdict,
    )


def _order_row(order: Order) -> OrderRow:
    average = order.average_price_paise
    has_trigger = order.order_type is OrderType.SL
    has_limit = order.order_type is not OrderType.MARKET
    return OrderRow(
        id=order.order_id,
        symbol=order.symbol,
        side=order.side,
        type=order.order_type,
        purpose=order.purpose,
        trigger=rupees(order.trigger_price_paise) if has_trigger else None,
        price=rupees(order.limit_price_paise) if has_limit else None,
        quantity=order.quantity,
        state=order.state,
        filled_quantity=order.filled_quantity,
        average_price=None if average is None else round(average / 100, 4),
        placed_at=iso(order.placed_at_ms),
        closed_at=None if order.closed_at_ms is None else iso(order.closed_at_ms),
        reason=(order.cancel_reason or order.reason)
        if order.purpose is Purpose.ENTRY
        else order.reason,
    )


def _trade_row(position: Position) -> TradeRow:
    bought = position.exit_quantity + position.external_quantity
    paid = position.exit_value_paise + position.external_value_paise
    return TradeRow(
        symbol=position.symbol,
        quantity=position.entry_quantity,
        entry_price=round(position.entry_value_paise / position.entry_quantity / 100, 4),
        entry_at=iso(position.opened_at_ms),
        stop=rupees(position.stop_trigger_paise),
        exit_price=round(paid / bought / 100, 4) if bought else None,
        exit_at=None if position.closed_at_ms is None else iso(position.closed_at_ms),
        exit_reason=position.exit_reason,
        pnl=rupees(position.pnl_paise),
        r=position.r_milli / 1000,
    )
