"""Plays one market day through the engine and the built-in exchange, and gathers what came of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import msgspec

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import SECOND_MS, Session
from baseline_v1_live.research.gather import day_result, report_data
from baseline_v1_live.research.result import DayResult, ReportData
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
        positions = self.engine.positions
        flat = positions.flat and not any(self.exchange.positions.values())
        return day_result(self.engine, flat=flat)

    def report_data(self, title: str) -> ReportData:
        """All that the HTML report draws."""
        return report_data(self.engine, self.day, self.result(), title, self.r_curve)

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
