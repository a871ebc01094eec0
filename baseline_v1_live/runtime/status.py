"""What an operator is shown of a bot: its state, its orders, its positions and what covers them.

Pure functions of an engine, or of what was stored of one. They change nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.instruments import expiry_code
from baseline_v1_live.core.messages import OrderType, Purpose, Side
from baseline_v1_live.core.order import Order
from baseline_v1_live.core.position import Position
from baseline_v1_live.core.session import MINUTE_MS, SECOND_MS
from baseline_v1_live.core.session_state import SessionState

BOOKS_NOT_READ = "the broker's books have not been read yet"
_GATES = {
    "state_starting": "the bot is still starting",
    "state_reconciling": BOOKS_NOT_READ,
    "state_exit_only": "the day's exit was reached",
    "state_halted": "the day is over",
    "day_exit": "the day's exit was reached",
    "entries_stopped": "entries are stopped for the day",
    "before_first_entry": "it is before the first entry time",
    "after_last_entry": "it is after the last entry time",
    "feed_silent": "the price feed is silent",
    "stopping": "the process is stopping",
    "blocked_journal": "the journal does not keep up",
    "blocked_mode": "the gateway's mode is not ours",
    "blocked_session": "the gateway refuses us",
    "blocked_clock": "the clocks do not agree",
}


class Cover(StrEnum):
    """What stands between an open position and the market."""

    RESTING = "resting"
    TRIGGERED = "triggered"
    SENT = "sent"
    PARTLY = "partly"
    EXITING = "exiting"
    NAKED = "naked"
    LONG = "long"
    FLAT = "flat"

    @property
    def text(self) -> str:
        """In words."""
        return _COVERS[self]


_COVERS = {
    Cover.RESTING: "stop resting",
    Cover.TRIGGERED: "stop triggered, not filled yet",
    Cover.SENT: "stop sent, not confirmed",
    Cover.PARTLY: "partly covered",
    Cover.EXITING: "being closed",
    Cover.NAKED: "naked",
    Cover.LONG: "long by our own orders, being sold",
    Cover.FLAT: "flat, its orders not proven over",
}


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The bot at one instant. Money is paise, R thousandths, ages and ``uptime_ms`` milliseconds.

    ``gate`` is why no entry may rest now, None when entries are allowed. ``pnl_paise`` is before
    charges. Ages are None where there was no tick, or no reading of the broker's books, yet.
    """

    mode: str
    date: str
    at_ms: int
    uptime_ms: int
    expiry: str
    atm_paise: int | None
    state: str
    reconciled: bool
    gate: str | None
    paused: bool
    flattening: bool
    churn_tripped: bool
    entries_stopped_by: str | None
    day_exit_reason: str | None
    day_over: bool
    r_milli: int
    pnl_paise: int
    charges_paise: int
    positions: int
    positions_max: int
    working_orders: int
    unknown_orders: int
    feed_age_ms: int | None
    reconcile_age_ms: int | None


class StoredStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a bot that does not run: what it stored of a session. Money is paise."""

    date: str
    paused: bool
    entries_stopped_by: str | None
    day_exit_reason: str | None
    day_over: bool
    trades: int
    realised_pnl_paise: int
    positions: int
    working_orders: int
    unknown_orders: int


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    """One order of ours; ``live`` until its end is proven, ``cancelling`` once it is unwanted."""

    order_id: str
    position_id: str
    symbol: str
    side: Side
    order_type: OrderType
    purpose: Purpose
    quantity: int
    filled_quantity: int
    trigger_price_paise: int
    limit_price_paise: int
    average_price_paise: int | None
    state: str
    live: bool
    resting: bool
    cancelling: bool
    triggered: bool
    broker_order_id: str | None
    placed_at_ms: int
    reason: str
    message: str

    @property
    def remaining(self) -> int:
        """Units that may still fill."""
        return max(self.quantity - self.filled_quantity, 0) if self.live else 0


class PositionView(msgspec.Struct, frozen=True, kw_only=True):
    """One position that is open, or not proven closed; ``quantity`` is negative when short.

    ``stop_quantity`` is what stops resting at the broker would buy back, ``exit_quantity`` what exits
    on their way or resting would. Mark, P&L and R are None where no price is known.
    """

    position_id: str
    symbol: str
    quantity: int
    entry_average_paise: int | None
    mark_paise: int | None
    stop_trigger_paise: int
    cover: Cover
    stop_quantity: int
    exit_quantity: int
    pnl_paise: int | None
    r_milli: int | None
    opened_at_ms: int


# ---------------------------------------------------------------- looking


def status(
    engine: Engine,
    *,
    mode: str,
    now_ms: int,
    started_at_ms: int,
    feed_age_ms: int | None = None,
    atm_paise: int | None = None,
) -> Status:
    """The engine's state at ``now_ms``.

    ``started_at_ms`` is when the process began, ``feed_age_ms`` the age of the newest tick of any
    symbol.
    """
    contract = next(iter(engine.orders.contracts.values()), None)
    books_ms = engine.reconciler.completed_ms
    return Status(
        mode=mode,
        date=engine.session.date.isoformat(),
        at_ms=now_ms,
        uptime_ms=now_ms - started_at_ms,
        expiry=expiry_code(contract.expiry) if contract else "",
        atm_paise=atm_paise,
        state=engine.state,
        reconciled=engine.reconciled,
        gate=engine.gate(),
        paused=engine.paused,
        flattening=engine.positions.flattening,
        churn_tripped=engine.desk.churn_tripped,
        entries_stopped_by=engine.positions.entries_stopped_by,
        day_exit_reason=engine.positions.day_exit_reason,
        day_over=engine.day_over,
        r_milli=engine.r_milli,
        pnl_paise=engine.positions.pnl_paise,
        charges_paise=engine.charges_paise,
        positions=len(engine.positions.open),
        positions_max=engine.rules.positions_max,
        working_orders=sum(1 for _ in engine.orders.live()),
        unknown_orders=len(engine.open_unknowns()),
        feed_age_ms=feed_age_ms,
        reconcile_age_ms=None if books_ms is None else now_ms - books_ms,
    )


def stored_status(session: SessionState) -> StoredStatus:
    """A session as it was stored."""
    live = [order for order in session.orders if order.live]
    closed = [position for position in session.positions if position.closed]
    return StoredStatus(
        date=session.date,
        paused=session.paused,
        entries_stopped_by=session.entries_stopped_by,
        day_exit_reason=session.day_exit_reason,
        day_over=session.day_over,
        trades=len(closed),
        realised_pnl_paise=sum(position.pnl_paise for position in closed),
        positions=len(session.positions) - len(closed),
        working_orders=len(live),
        # What was on its way when the bot ended is as unknown as what had no answer.
        unknown_orders=sum(1 for order in live if order.unanswered),
    )


def orders(engine: Engine) -> list[OrderView]:
    """All orders of the day: those that may still fill, oldest first, then the others, newest first."""
    return order_views(engine.orders.orders.values())


def positions(engine: Engine) -> list[PositionView]:
    """All positions that are open or not proven closed, oldest first."""
    return position_views(engine.positions.open.values(), engine.orders.live())


def order_views(every: Iterable[Order]) -> list[OrderView]:
    """As ``orders``, of orders that come oldest first, such as those that were stored."""
    views = [_order_view(order) for order in every]
    return [v for v in views if v.live] + [v for v in reversed(views) if not v.live]


def position_views(
    every: Iterable[Position], all_orders: Iterable[Order], *, running: bool = True
) -> list[PositionView]:
    """As ``positions``, of any positions and orders. Without a bot ``running`` their marks are not of
    now, and a position that was to be closed is closed by nobody.
    """
    live: defaultdict[str, list[OrderView]] = defaultdict(list)
    for order in all_orders:
        if order.live:
            live[order.position_id].append(_order_view(order))
    return [
        _position_view(position, live[position.position_id], running)
        for position in every
        if not position.closed
    ]


def _position_view(position: Position, live: Sequence[OrderView], running: bool) -> PositionView:
    return PositionView(
        position_id=position.position_id,
        symbol=position.symbol,
        quantity=-position.open_quantity,
        entry_average_paise=_average(position.entry_value_paise, position.entry_quantity),
        mark_paise=position.mark_paise if running else None,
        stop_trigger_paise=position.stop_trigger_paise,
        cover=cover(position.open_quantity, live, closing=running and bool(position.exit_wanted)),
        stop_quantity=_under_stop(live),
        exit_quantity=_in_exits(live),
        pnl_paise=position.pnl_paise if running else None,
        r_milli=position.r_milli if running else None,
        opened_at_ms=position.opened_at_ms,
    )


def _order_view(order: Order) -> OrderView:
    return OrderView(
        order_id=order.order_id,
        position_id=order.position_id,
        symbol=order.symbol,
        side=order.side,
        order_type=order.order_type,
        purpose=order.purpose,
        quantity=order.quantity,
        filled_quantity=order.filled_quantity,
        trigger_price_paise=order.trigger_price_paise,
        limit_price_paise=order.limit_price_paise,
        average_price_paise=_average(order.filled_value_paise, order.filled_quantity),
        state=order.state,
        live=order.live,
        resting=order.resting,
        cancelling=order.live and order.cancel_wanted,
        triggered=order.triggered_at_ms is not None,
        broker_order_id=order.broker_order_id,
        placed_at_ms=order.placed_at_ms,
        reason=order.reason,
        message=order.message,
    )


def cover(open_quantity: int, live: Sequence[OrderView], *, closing: bool) -> Cover:
    """What covers so many open units (negative: long), given the position's live orders.

    ``closing`` says that the whole position is to be bought back.
    """
    if open_quantity < 0:
        return Cover.LONG
    if open_quantity == 0:
        return Cover.FLAT
    stops = [order for order in live if order.purpose is Purpose.STOP]
    exits = _in_exits(live)
    sent = sum(stop.remaining for stop in stops)
    if closing:
        return Cover.EXITING if exits or sent else Cover.NAKED
    if any(stop.resting and stop.triggered for stop in stops):
        return Cover.TRIGGERED
    if _under_stop(live) + exits >= open_quantity:
        return Cover.RESTING if stops else Cover.EXITING
    if sent + exits >= open_quantity:
        return Cover.SENT
    return Cover.PARTLY if sent + exits else Cover.NAKED


def _under_stop(live: Sequence[OrderView]) -> int:
    return sum(o.remaining for o in live if o.purpose is Purpose.STOP and o.resting)


def _in_exits(live: Sequence[OrderView]) -> int:
    return sum(o.remaining for o in live if o.purpose is Purpose.EXIT)


def _average(value_paise: int, quantity: int) -> int | None:
    return round(value_paise / quantity) if quantity else None


# ---------------------------------------------------------------- saying


def heartbeat(now: Status) -> str:
    """The line of each minute."""
    parts = [
        f"R {r_text(now.r_milli)}",
        f"positions {now.positions}",
        f"working orders {now.working_orders}",
        f"feed {age_text(now.feed_age_ms, 'no tick yet')}",
        f"books {age_text(now.reconcile_age_ms, 'not read yet')}",
    ]
    if now.unknown_orders:
        parts.append(f"of unknown outcome {now.unknown_orders}")
    if now.gate is not None:
        parts.append(f"no entries: {gate_text(now.gate)}")
    return "  ".join(parts)


def r_text(r_milli: int) -> str:
    """``+1.25``, from thousandths."""
    return f"{r_milli / 1000:+.2f}"


def age_text(age_ms: int | None, none: str) -> str:
    """``0.4 s``, ``12 s`` or ``3 min``, or ``none`` where there is no age."""
    if age_ms is None:
        return none
    if age_ms < 10 * SECOND_MS:
        return f"{max(age_ms, 0) / SECOND_MS:.1f} s"
    if age_ms < 2 * MINUTE_MS:
        return f"{age_ms // SECOND_MS} s"
    return f"{age_ms // MINUTE_MS} min"


def gate_text(gate: str) -> str:
    """Why no entry may rest, in words."""
    return _GATES.get(gate, gate.replace("_", " "))
