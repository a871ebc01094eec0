"""What is kept of a session: rows of the journal, one value a row, and lines of recorded ticks.

A row's fields are the columns of its table. Prices are paise, values are Σ price x quantity in
paise, instants are epoch milliseconds; a session is its date, such as ``2026-12-29``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.instruments import OptionType
from baseline_v1_live.core.messages import Command, Event, OrderType, Purpose, Side, Tick
from baseline_v1_live.core.order import Order
from baseline_v1_live.core.position import Position


class OrderRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One order of ours as it stands now. Fields are the columns of ``orders``."""

    order_id: str
    session: str
    symbol: str
    side: Side
    order_type: OrderType
    purpose: Purpose
    quantity: int
    trigger_price_paise: int
    limit_price_paise: int
    state: str
    broker_order_id: str | None = None
    position_id: str | None = None
    filled_quantity: int = 0
    filled_value_paise: int = 0
    placed_at_ms: int | None = None
    closed_at_ms: int | None = None
    reason: str = ""
    message: str = ""


class PositionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One position as it stands now; ``quantity`` is what is open, negative when short."""

    position_id: str
    session: str
    symbol: str
    option_type: OptionType
    lot_size: int
    quantity: int
    sold_quantity: int
    sold_value_paise: int
    bought_quantity: int
    bought_value_paise: int
    stop_trigger_paise: int
    swing_low_paise: int
    risk_per_unit_paise: int
    opened_at_ms: int
    closed_at_ms: int | None = None
    exit_reason: str | None = None


class TradeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One position from its entry to its exit; values are Σ price x quantity."""

    position_id: str
    session: str
    symbol: str
    quantity: int
    entry_value_paise: int
    exit_value_paise: int
    entry_at_ms: int
    exit_at_ms: int
    stop_trigger_paise: int
    exit_reason: str
    pnl_paise: int
    r_milli: int


class StateRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of what a restart needs: the newest one of a (session, kind, key) counts.

    ``body`` is JSON; see runtime/recovery.py for the kinds.
    """

    session: str
    kind: str
    key: str
    body: bytes


class RequestRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One question to the gateway and its answer. Fields are columns of ``requests``.

    ``request_id`` counts on over restarts; ``status`` is the HTTP status, None where no
    answer came; ``failure`` says in one word what went wrong, None when nothing did. ``sent`` and
    ``received`` are the two bodies, without the key and possibly cut.
    """

    request_id: int
    at_ms: int
    path: str
    status: int | None
    took_ms: int
    failure: str | None
    sent: str
    received: str


class Step(msgspec.Struct, frozen=True):
    """One step of the engine as a journal stores it: an event and all that came of it."""

    event: Event
    commands: Sequence[Command] = ()
    orders: Sequence[OrderRecord] = ()
    positions: Sequence[PositionRecord] = ()
    trades: Sequence[TradeRecord] = ()
    state: Sequence[StateRecord] = ()


Changes = tuple[list[OrderRecord], list[PositionRecord], list[TradeRecord]]


def take_changes(engine: Engine) -> Changes:
    """The orders, positions and finished trades that changed since the last call."""
    session = engine.session.date.isoformat()
    orders = [_order(order, session) for order in engine.orders.changed.values()]
    changed = list(engine.positions.changed.values())
    engine.orders.changed.clear()
    engine.positions.changed.clear()
    positions = [_position(position, session) for position in changed]
    trades = [_trade(position, session) for position in changed if position.closed]
    return orders, positions, trades


def _order(order: Order, session: str) -> OrderRecord:
    return OrderRecord(
        order_id=order.order_id,
        session=session,
        symbol=order.symbol,
        side=order.side,
        order_type=order.order_type,
        purpose=order.purpose,
        quantity=order.quantity,
        trigger_price_paise=order.trigger_price_paise,
        limit_price_paise=order.limit_price_paise,
        state=order.state,
        broker_order_id=order.broker_order_id,
        position_id=order.position_id,
        filled_quantity=order.filled_quantity,
        filled_value_paise=order.filled_value_paise,
        placed_at_ms=order.placed_at_ms,
        closed_at_ms=order.closed_at_ms,
        reason=order.reason,
        message=order.message,
    )


def _position(position: Position, session: str) -> PositionRecord:
    return PositionRecord(
        position_id=position.position_id,
        session=session,
        symbol=position.symbol,
        option_type=position.option_type,
        lot_size=position.lot_size,
        quantity=-position.open_quantity,
        sold_quantity=position.entry_quantity + position.correction_quantity,
        sold_value_paise=position.entry_value_paise + position.correction_value_paise,
        bought_quantity=position.exit_quantity + position.external_quantity,
        bought_value_paise=position.exit_value_paise + position.external_value_paise,
        stop_trigger_paise=position.stop_trigger_paise,
        swing_low_paise=position.swing_low_paise,
        risk_per_unit_paise=position.risk_per_unit_paise,
        opened_at_ms=position.opened_at_ms,
        closed_at_ms=position.closed_at_ms,
        exit_reason=position.exit_reason or None,
    )


def _trade(position: Position, session: str) -> TradeRecord:
    assert position.closed_at_ms is not None
    return TradeRecord(
        position_id=position.position_id,
        session=session,
        symbol=position.symbol,
        quantity=position.entry_quantity,
        entry_value_paise=position.entry_value_paise,
        exit_value_paise=position.exit_value_paise + position.external_value_paise,
        entry_at_ms=position.opened_at_ms,
        exit_at_ms=position.closed_at_ms,
        stop_trigger_paise=position.stop_trigger_paise,
        exit_reason=position.exit_reason,
        pnl_paise=position.pnl_paise,
        r_milli=position.r_milli,
    )


# ---------------------------------------------------------------- recorded ticks

# A tick is one line, a JSON array. The columns are the first line of a file of ticks.
_TICK_COLUMNS = (
    "seq",
    "at_ms",
    "exchange_at_ms",
    "symbol",
    "ltp_paise",
    "bid_paise",
    "ask_paise",
    "bid_quantity",
    "ask_quantity",
    "volume",
    "quoted",
)
TICK_HEADER = msgspec.json.encode(_TICK_COLUMNS) + b"\n"
_TickLine = tuple[
    int, int, int | None, str, int, int | None, int | None, int | None, int | None, int | None, bool
]
_tick_encoder = msgspec.json.Encoder()
_tick_decoder = msgspec.json.Decoder(_TickLine)


def tick_line(tick: Tick) -> bytes:
    """A tick as one line with its line end."""
    values = (
        tick.seq,
        tick.at_ms,
        tick.exchange_at_ms,
        tick.symbol,
        tick.ltp_paise,
        tick.bid_paise,
        tick.ask_paise,
        tick.bid_quantity,
        tick.ask_quantity,
        tick.volume,
        tick.quoted,
    )
    return _tick_encoder.encode(values) + b"\n"


def ticks_of(lines: Iterable[bytes]) -> Iterator[Tick]:
    """The ticks of a file's lines, its header first; a last line that a kill cut short is left out.

    Raises ValueError naming the line when the header is another or a whole line is no tick.
    """
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"\n"):
            return
        if number == 1:
            if line != TICK_HEADER:
                raise ValueError("line 1 is not the header of a file of ticks")
            continue
        try:
            values = _tick_decoder.decode(line)
        except msgspec.DecodeError as error:
            raise ValueError(f"line {number} is not a tick: {error}") from None
        yield Tick(**dict(zip(_TICK_COLUMNS, values, strict=True)))
