"""Plays one market day through the engine and the built-in exchange, and gathers what came of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import msgspec

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.instruments import expiry_code, rupees
from baseline_v1_live.core.market import SwingRecord
from baseline_v1_live.core.messages import OrderType, Purpose
from baseline_v1_live.core.order import Order
from baseline_v1_live.core.position import Position
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import MINUTE_MS, SECOND_MS, Session, clock_text, iso
from baseline_v1_live.research.result import (
    DayResult,
    DayRow,
    OrderRow,
    ReportData,
    SwingRow,
    TradeRow,
)
from baseline_v1_live.runtime.ports import Notifier, StepJournal
from baseline_v1_live.runtime.simulated import SimulatedDriver
from baseline_v1_live.sim.day import MarketDay
from baseline_v1_live.sim.exchange import Exchange, ExchangeModel
from baseline_v1_live.sim.tape import rows

_PRE_OPEN_MS = 60 * SECOND_MS


class Replay:
    """One day's run. ``progress`` is called with the simulated instant at most once a second of it,
    ``after_step`` after every step of the engine.
    """

    def __init__(
        self,
        day: MarketDay,
        rules: Rules,
        session: Session,
        model: ExchangeModel,
        *,
        journal: StepJournal | None = None,
        notifier: Notifier | None = None,
        progress: Callable[[int], None] | None = None,
        after_step: Callable[[], None] | None = None,
    ) -> None:
        self.day = day
        self.session = session
        self.rules = msgspec.structs.replace(
            rules,
            snapshot_cadence_ms=day.cadence_ms,
            index_checks=rules.index_checks and day.index_symbol is not None,
            history_required=False,
        )
        self.engine = Engine(
            rules=self.rules,
            session=session,
            contracts=day.contracts,
            index_symbol=day.index_symbol,
        )
        self.exchange = Exchange(
            day.contracts,
            dataclasses.replace(model, open_ms=session.open_ms, close_ms=session.close_ms),
        )
        self.r_curve: list[tuple[int, int]] = []
        self._progress = progress
        self._observe = after_step
        self._sample_due_ms = 0
        self.driver = SimulatedDriver(
            self.engine,
            self.exchange,
            journal=journal,
            notifier=notifier,
            after_step=self._after_step,
        )

    def run(self) -> DayResult:
        """Play the whole day."""
        first_ms = int(self.day.at_ms[0])
        self.driver.start(min(first_ms, self.session.open_ms) - _PRE_OPEN_MS, "replay")
        self.driver.play(rows(self.day))
        self.driver.end()
        return self.result()

    def result(self) -> DayResult:
        """The day so far as rows."""
        engine = self.engine
        positions = engine.positions
        flat = positions.flat and not any(self.exchange.positions.values())
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

    def report_data(self, title: str) -> ReportData:
        """All that the HTML report draws."""
        traded = sorted({p.symbol for p in self.engine.positions.positions.values()})
        quarantined = sum(self.engine.market.quarantined.values())
        notes = [*self.day.notes]
        first_ms, last_ms = int(self.day.at_ms[0]), int(self.day.at_ms[-1])
        if first_ms >= self.session.open_ms + MINUTE_MS:
            notes.append(
                f"The data begins at {clock_text(first_ms)}, after the open: VWAP and swings start "
                "there, and what traded before is not known."
            )
        if last_ms < self.session.square_off_ms:
            notes.append(
                f"The data ends at {clock_text(last_ms)}, before the square-off at "
                f"{clock_text(self.session.square_off_ms)}: what was open then stays open."
            )
        if quarantined:
            counts = ", ".join(
                f"{k} {v}" for k, v in sorted(self.engine.market.quarantined.items())
            )
            notes.append(f"{quarantined} ticks were quarantined and not used ({counts}).")
        return ReportData(
            title=title,
            date=self.day.date.isoformat(),
            expiry=expiry_code(self.day.expiry),
            source=self.day.source,
            target_r=self.rules.day_target_r_milli / 1000,
            stop_r=self.rules.day_stop_r_milli / 1000,
            r_value=rupees(self.rules.r_value_paise),
            charges=rupees(self.engine.charges_paise),
            session_open_ms=self.session.open_ms,
            session_close_ms=self.session.close_ms,
            square_off_ms=self.session.square_off_ms,
            result=self.result(),
            r_curve=self.r_curve,
            bars={name: self.engine.market.symbols[name].series.bars for name in traded},
            notes=notes,
        )

    def _after_step(self, at_ms: int) -> None:
        if self._observe is not None:
            self._observe()
        if at_ms < self._sample_due_ms:
            return
        self._sample_due_ms = at_ms + SECOND_MS
        if at_ms >= self.session.open_ms:
            self.r_curve.append((at_ms, self.engine.r_milli))
        if self._progress is not None:
            self._progress(at_ms)


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
