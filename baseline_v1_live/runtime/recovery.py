"""What of a running session is stored for a restart, and how it is read back.

A journal keeps records of these kinds, the newest of each key:

``order``     one Order, its key the order's id
``position``  one Position, its key the position's id
``flags``     everything else of a SessionState, with empty lists of orders and positions
``universe``  the contracts of the day
``loss``      why the day's journal is not the one that the day began with

Records of other kinds are somebody else's and are left alone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.instruments import Contract
from baseline_v1_live.core.order import Order
from baseline_v1_live.core.position import Position
from baseline_v1_live.core.session_state import SessionState, capture
from baseline_v1_live.runtime.records import StateRecord

ORDER = "order"
POSITION = "position"
FLAGS = "flags"
UNIVERSE = "universe"
LOSS = "loss"


class RecoveryError(Exception):
    """What was stored of a session cannot be taken up again. Its text is one line."""


class Universe(msgspec.Struct, frozen=True, kw_only=True):
    """What is traded on a date and when; fixed for the day, so that a restart does not choose anew, and
    need not ask before it can look after what is held. Instants are epoch ms, 0 where not known.
    """

    date: dt.date
    underlying: str
    expiry: dt.date
    atm_paise: int
    contracts: list[Contract]
    open_ms: int = 0
    close_ms: int = 0


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """Why the day's journal is not the one that the day began with: nothing is sold until the next day.

    ``state`` False: what an earlier run of the day held is not known, so what the broker shows in our
    contracts is taken for ours. Order ids then begin at 1 again, in a file that has none of the old ones.
    """

    why: str
    state: bool = False


StoredT = TypeVar("StoredT", Order, Position, SessionState, Universe)


class SessionKeeper:
    """Remembers what of an engine has been given away for storing, and gives what is new of it.

    ``stored`` is what the engine was restored from: it need not be stored again.
    """

    def __init__(self, stored: Iterable[StateRecord] = ()) -> None:
        self._last: dict[tuple[str, str], bytes] = {}
        for record in stored:
            if record.kind in _LASTING:
                self._last[record.kind, record.key] = _LASTING[record.kind](record)

    def changes(self, engine: Engine) -> list[StateRecord]:
        """The records that differ from those given before.

        A position's price and the time of its newest tick alone make no record: the market tells
        them again.
        """
        # All orders and positions are looked at, a few microseconds each: also what is over may
        # still change, such as by a late word of the broker.
        session = engine.session.date.isoformat()
        found: list[StateRecord] = []
        for name, order in engine.orders.orders.items():
            if self._is_new(ORDER, name, _lasting_order(order)):
                found.append(_record(session, ORDER, name, order))
        for name, position in engine.positions.positions.items():
            if self._is_new(POSITION, name, _lasting_position(position)):
                found.append(_record(session, POSITION, name, position))
        flags = msgspec.structs.replace(capture(engine), orders=[], positions=[])
        if self._is_new(FLAGS, "", msgspec.json.encode(flags)):
            found.append(_record(session, FLAGS, "", flags))
        return found

    def store_all_again(self, engine: Engine) -> None:
        """A step was not stored, so nothing is known to be: the next step carries everything, the
        journal's own rows of orders, positions and the day's result included.
        """
        self._last.clear()
        engine.orders.changed.update(engine.orders.orders)
        engine.positions.changed.update(engine.positions.positions)
        engine.day_end.save_again()

    def _is_new(self, kind: str, key: str, lasting: bytes) -> bool:
        if self._last.get((kind, key)) == lasting:
            return False
        self._last[kind, key] = lasting
        return True


def read_session(records: Sequence[StateRecord]) -> SessionState | None:
    """The state that one session's records make up; None when nothing of it was stored.

    Raises RecoveryError, naming the record, when one cannot be read, lies under a wrong name or is
    missing: a session is taken up whole or not at all.
    """
    orders = [_read(r, Order) for r in records if r.kind == ORDER]
    positions = [_read(r, Position) for r in records if r.kind == POSITION]
    flags = [_read(r, SessionState) for r in records if r.kind == FLAGS]
    if not orders and not positions and not flags:
        return None
    if len({record.session for record in records}) > 1 or len(flags) > 1:
        raise RecoveryError("the stored state is of more than one session")
    session = records[0].session
    if not flags:
        raise RecoveryError(f"the stored state of {session} has no flags record")
    if len(orders) > flags[0].order_counter:
        raise RecoveryError(
            f"the stored state of {session} has {len(orders)} orders, but its flags record has "
            f"counted {flags[0].order_counter}"
        )
    # A step that was not stored at once leaves its records behind younger ones.
    orders.sort(key=lambda order: order.placed_at_ms)
    positions.sort(key=lambda position: position.opened_at_ms)
    return msgspec.structs.replace(flags[0], orders=orders, positions=positions)


def universe_record(universe: Universe) -> StateRecord:
    """The day's universe as it is stored."""
    return _record(universe.date.isoformat(), UNIVERSE, "", universe)


def read_universe(records: Iterable[StateRecord]) -> Universe | None:
    """The universe among one session's records; None when there is none.

    Raises RecoveryError when it cannot be read.
    """
    return next((_read(r, Universe) for r in records if r.kind == UNIVERSE), None)


def loss_record(session: str, loss: Loss) -> StateRecord:
    """The loss as it is stored."""
    return _record(session, LOSS, "", loss)


def read_loss(records: Iterable[StateRecord]) -> Loss | None:
    """The loss among one session's records; None when there was none. One that cannot be read is one."""
    for record in records:
        if record.kind == LOSS:
            try:
                return msgspec.json.decode(record.body, type=Loss)
            except (msgspec.DecodeError, UnicodeDecodeError):
                return Loss(why="an earlier start found the journal lost")
    return None


def _record(
    session: str, kind: str, key: str, value: Order | Position | SessionState | Universe | Loss
) -> StateRecord:
    return StateRecord(session=session, kind=kind, key=key, body=msgspec.json.encode(value))


def _read(record: StateRecord, kind: type[StoredT]) -> StoredT:
    name = f"the stored {record.kind} {record.key}".strip() + f" of {record.session}"
    try:
        value = msgspec.json.decode(record.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecoveryError(f"{name} cannot be read: {error}") from error
    match value:
        case Order():
            place = (record.session, value.order_id)
        case Position():
            place = (record.session, value.position_id)
        case _:
            place = (str(value.date), "")
    if place != (record.session, record.key):
        raise RecoveryError(f"{name} lies in the wrong place: it is {' '.join(place).strip()}")
    return value


# What of a value has to be stored when it changes; the rest is stored along with it.


def _lasting_order(order: Order) -> bytes:
    # A restart forgets when an order last moved, because it compares everything with the books.
    return msgspec.json.encode(msgspec.structs.replace(order, changed_at_ms=0))


def _lasting_position(position: Position) -> bytes:
    return msgspec.json.encode(
        msgspec.structs.replace(position, mark_paise=0, last_tick_ms=0, silent_alerted=False)
    )


_LASTING = {
    ORDER: lambda record: _lasting_order(_read(record, Order)),
    POSITION: lambda record: _lasting_position(_read(record, Position)),
    FLAGS: lambda record: msgspec.json.encode(_read(record, SessionState)),
}
