"""What a restart needs of a session: orders, positions and the day's flags, as one plain value.

``capture`` takes it from an engine at any step, ``restore`` puts it into a fresh one. Nothing is
believed of the time in between: requests without an answer are unknown, and the engine sends nothing
before it has compared itself with the broker's books.
"""

from __future__ import annotations

import msgspec

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.messages import SaveSummary
from baseline_v1_live.core.order import Order
from baseline_v1_live.core.position import Position


class SessionState(msgspec.Struct, frozen=True, kw_only=True):
    """A session's state; msgspec writes and reads it.

    ``spent`` holds by symbol the minutes (epoch ms) of swings that must not be sold again. The two after
    ``day_over`` belong to the exit policy: stages of the day that were reached, and the peak of R that
    is trailed. ``summary`` is the day's result as it was stored last. ``books_read_ms`` is when the books
    that were read last had been asked for: what they showed is no surprise after a restart.
    ``replacements`` (when, symbol) and ``entries_cancelled`` (by symbol, when) are what the churn breaker
    counts.
    """

    date: str
    order_counter: int
    orders: list[Order]
    positions: list[Position]
    failures_seen: list[str]
    stop_failures: int
    no_reentry: list[str]
    spent: dict[str, list[int]]
    day_exit_reason: str | None
    entries_stopped_by: str | None
    churn_tripped: bool
    flattening: bool
    paused: bool
    day_over: bool
    stages_reached: int = 0
    peak_r_milli: int | None = None
    summary: SaveSummary | None = None
    books_read_ms: int = 0
    replacements: list[tuple[int, str]] = []
    entries_cancelled: dict[str, int] = {}


def capture(engine: Engine) -> SessionState:
    """The engine's state now. Its orders and positions are the engine's own objects: write the value
    out before the next step.
    """
    tracker = engine.positions
    return SessionState(
        date=engine.session.date.isoformat(),
        order_counter=engine.orders.counter,
        orders=list(engine.orders.orders.values()),
        positions=list(tracker.positions.values()),
        failures_seen=sorted(tracker.failures_seen),
        stop_failures=tracker.stop_failures,
        no_reentry=sorted(tracker.no_reentry),
        spent=engine.market.spent_swings(),
        day_exit_reason=tracker.day_exit_reason,
        entries_stopped_by=tracker.entries_stopped_by,
        churn_tripped=engine.desk.churn_tripped,
        flattening=tracker.flattening,
        paused=engine.paused,
        day_over=engine.day_over,
        stages_reached=engine.exits.limits.stages_reached,
        peak_r_milli=engine.exits.limits.peak_r_milli,
        summary=engine.day_end.saved,
        books_read_ms=tracker.books_read_ms,
        replacements=list(engine.desk.replacements),
        entries_cancelled=dict(engine.desk.cancelled_at),
    )


def restore(engine: Engine, state: SessionState) -> None:
    """Put a captured state into an engine that has handled nothing yet.

    Raises ValueError when the state is of another day.
    """
    if state.date != engine.session.date.isoformat():
        raise ValueError(f"the state is of {state.date}, the session of {engine.session.date}")
    tracker = engine.positions
    engine.orders.restore(state.orders, state.order_counter)
    tracker.restore(state.positions)
    tracker.failures_seen.update(state.failures_seen)
    tracker.stop_failures = state.stop_failures
    tracker.no_reentry.update(state.no_reentry)
    tracker.day_exit_reason = state.day_exit_reason
    tracker.entries_stopped_by = state.entries_stopped_by
    tracker.flattening = state.flattening
    engine.market.remember_spent(state.spent)
    engine.desk.churn_tripped = state.churn_tripped
    engine.paused = state.paused
    engine.day_over = state.day_over
    engine.exits.limits.stages_reached = state.stages_reached
    engine.exits.limits.peak_r_milli = state.peak_r_milli
    engine.day_end.restore(state.summary)
    tracker.books_read_ms = state.books_read_ms
    engine.desk.replacements = list(state.replacements)
    engine.desk.cancelled_at = dict(state.entries_cancelled)
    engine.count_charges()
