"""What is stored for a restart: always equal to the engine, never more than what changed, read whole."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings

from baseline_v1_live.adapters.journal import Journal
from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.instruments import Contract, OptionType
from baseline_v1_live.core.messages import Event, Tick
from baseline_v1_live.core.session_state import SessionState, capture, restore
from baseline_v1_live.runtime.ports import TapeRow
from baseline_v1_live.runtime.records import StateRecord, take_changes
from baseline_v1_live.runtime.recovery import (
    Loss,
    RecoveryError,
    SessionKeeper,
    Universe,
    loss_record,
    read_loss,
    read_session,
    read_universe,
    universe_record,
)
from baseline_v1_live.runtime.simulated import SimulatedDriver
from baseline_v1_live.sim.exchange import Exchange, ExchangeModel
from baseline_v1_live.sim.generator import generate_day
from baseline_v1_live.sim.tape import rows
from tests.core.test_state_machine import OrdersAndPositions
from tests.research.test_restart import new_engine
from tests.runtime.kept_engine import KeptEngine, kept

DAY = generate_day(14, strikes_each_side=5, ticks_per_second=0.3)
SESSION = DAY.date.isoformat()
FIRST_MS = int(DAY.at_ms[0]) - 60_000


def lasting(state: SessionState) -> dict[str, Any]:
    """A state without what the market or a restart tells anew."""
    plain: dict[str, Any] = msgspec.to_builtins(state)
    for order in plain["orders"]:
        del order["changed_at_ms"]
    for position in plain["positions"]:
        for mark in ("mark_paise", "last_tick_ms", "silent_alerted"):
            del position[mark]
    return plain


def held_engine() -> Engine:
    """An engine at a moment at which it has an open position and a closed one."""
    engine = new_engine(DAY)

    def tape() -> Iterator[TapeRow]:
        for row in rows(DAY):
            held = any(position.open_quantity for position in engine.positions.open.values())
            if held and len(engine.positions.positions) > len(engine.positions.open):
                return
            yield row
        pytest.fail("the day has no such moment")

    driver = SimulatedDriver(engine, Exchange(DAY.contracts, ExchangeModel()))
    driver.start(FIRST_MS, "replay")
    driver.play(tape())
    return engine


@pytest.fixture(scope="module")
def records() -> list[StateRecord]:
    return SessionKeeper().changes(held_engine())


# ---------------------------------------------------------------- always equal


def test_what_is_stored_is_always_the_engines_state() -> None:
    """After every step that is stored, the journal's records make up exactly the engine's state."""
    with Journal.in_memory() as journal:
        engine = kept(new_engine(DAY), journal)
        seen = 0

        def look(at_ms: int) -> None:
            nonlocal seen
            if len(engine.writes) == seen:
                return
            seen = len(engine.writes)
            state = read_session(journal.state(SESSION))
            assert state is not None
            assert lasting(state) == lasting(capture(engine)), at_ms

        driver = SimulatedDriver(engine, Exchange(DAY.contracts, ExchangeModel()), after_step=look)
        driver.start(FIRST_MS, "replay")
        driver.play(rows(DAY))
        assert seen > 500
        assert engine.positions.positions
        # A step changes little, so little is written.
        assert sum(engine.writes) < 3 * seen


class KeptOrdersAndPositions(OrdersAndPositions):
    """The hostile broker's machine, with every step stored and compared."""

    def feed(self, event: Event) -> None:
        if not isinstance(self.engine, KeptEngine):
            kept(self.engine, Journal.in_memory())
        super().feed(event)
        engine = self.engine
        assert isinstance(engine, KeptEngine)
        if type(event) is not Tick:
            state = read_session(engine.journal.state(engine.session.date.isoformat()))
            assert state is not None
            assert lasting(state) == lasting(capture(engine))


KeptOrdersAndPositions.TestCase.settings = settings(
    max_examples=15,
    stateful_step_count=40,
    derandomize=True,
    deadline=None,
    database=None,
    # A failure is looked into by hand; making it smaller takes minutes.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)
TestKeptOrdersAndPositions = KeptOrdersAndPositions.TestCase


# ---------------------------------------------------------------- only what changed


def test_nothing_new_is_nothing_to_store() -> None:
    """A second look without a step between gives nothing."""
    engine, keeper = held_engine(), SessionKeeper()

    assert keeper.changes(engine)
    assert keeper.changes(engine) == []


def test_a_price_alone_is_not_stored() -> None:
    """A tick of a held position changes its mark and makes no record; a fill stores both."""
    engine, keeper = held_engine(), SessionKeeper()
    keeper.changes(engine)
    position = next(iter(engine.positions.open.values()))
    engine.positions.mark(position, position.mark_paise + 5, engine.orders.now_ms + 1)
    position.silent_alerted = True
    assert keeper.changes(engine) == []

    position.exit_quantity += 65
    (record,) = keeper.changes(engine)
    assert record.key == position.position_id
    assert msgspec.json.decode(record.body, type=type(position)) == position


def test_a_restored_session_is_not_stored_again() -> None:
    """After a restart only what the restart itself changed is written, not the whole day."""
    engine = held_engine()
    stored = SessionKeeper().changes(engine)
    state = read_session(stored)
    assert state is not None
    again = new_engine(DAY)
    restore(again, state)
    changed = {record.key for record in SessionKeeper(stored).changes(again)}

    # Each live order is asked for at once, which is a change.
    assert changed <= {order.order_id for order in again.orders.live()}
    assert len(changed) < len(stored) / 2


def test_after_a_failure_everything_is_stored_again() -> None:
    """When a step was not stored, the next one carries all records and all rows once more."""
    engine, keeper = held_engine(), SessionKeeper()
    everything = {(record.kind, record.key) for record in keeper.changes(engine)}
    take_changes(engine)
    keeper.store_all_again(engine)

    assert {(record.kind, record.key) for record in keeper.changes(engine)} == everything
    assert everything == {("flags", "")} | {("order", name) for name in engine.orders.orders} | {
        ("position", name) for name in engine.positions.positions
    }
    orders, positions, trades = take_changes(engine)
    assert len(orders) == len(engine.orders.orders)
    assert len(positions) == len(engine.positions.positions)
    assert len(trades) == sum(p.closed for p in engine.positions.positions.values())
    assert keeper.changes(engine) == []


# ---------------------------------------------------------------- read whole or not at all


def test_no_records_are_no_session() -> None:
    """A day of which nothing was stored, or only its universe, starts fresh."""
    assert read_session([]) is None
    assert read_session([universe_record(UNIVERSE)]) is None


def test_orders_and_positions_are_read_oldest_first(records: list[StateRecord]) -> None:
    """However the records lie in the file, orders and positions come back in their own order."""
    whole, turned = read_session(records), read_session(records[::-1])

    assert whole is not None
    assert turned is not None
    assert [order.placed_at_ms for order in turned.orders] == sorted(
        order.placed_at_ms for order in whole.orders
    )
    assert [p.opened_at_ms for p in turned.positions] == sorted(
        p.opened_at_ms for p in whole.positions
    )


def replaced(records: list[StateRecord], kind: str, **changes: Any) -> list[StateRecord]:
    """The records, with the first one of a kind changed."""
    index = next(number for number, record in enumerate(records) if record.kind == kind)
    changed = msgspec.structs.replace(records[index], **changes)
    return [*records[:index], changed, *records[index + 1 :]]


@pytest.mark.parametrize("kind", ["order", "position", "flags"])
@pytest.mark.parametrize("body", [b"", b"{}", b'{"order_id":', b"[]", b"\xff", b"null"])
def test_a_record_that_cannot_be_read_is_named(
    records: list[StateRecord], kind: str, body: bytes
) -> None:
    """One bad record refuses the session in one line that names it; nothing of it is taken."""
    bad = replaced(records, kind, body=body)
    record = next(record for record in bad if record.body == body)

    with pytest.raises(RecoveryError) as caught:
        read_session(bad)
    text = str(caught.value)
    assert text.startswith(f"the stored {kind} {record.key}".strip() + f" of {SESSION} cannot be")
    assert "\n" not in text
    with pytest.raises(RecoveryError):
        SessionKeeper(bad)


@pytest.mark.parametrize("kind", ["order", "position"])
def test_a_record_under_a_wrong_name_is_refused(records: list[StateRecord], kind: str) -> None:
    """A record that is of another order or position than its key says is an error."""
    with pytest.raises(RecoveryError, match=f"the stored {kind} somebody .* in the wrong place"):
        read_session(replaced(records, kind, key="somebody"))


def test_half_a_session_is_refused(records: list[StateRecord]) -> None:
    """Without its flags, with flags of another day, or with flags older than its orders, a session
    is not taken up.
    """
    flags = next(record for record in records if record.kind == "flags")
    state = msgspec.json.decode(flags.body, type=SessionState)
    early = msgspec.structs.replace(state, order_counter=state.order_counter - 1)
    other = msgspec.structs.replace(state, date="2020-01-01")

    with pytest.raises(RecoveryError, match="has no flags record"):
        read_session([record for record in records if record.kind != "flags"])
    with pytest.raises(RecoveryError, match="in the wrong place"):
        read_session(replaced(records, "flags", body=msgspec.json.encode(other)))
    with pytest.raises(RecoveryError, match="more than one session"):
        read_session(replaced(records, "order", session="2020-01-01"))
    with pytest.raises(RecoveryError, match="has counted"):
        read_session(replaced(records, "flags", body=msgspec.json.encode(early)))


def test_records_of_other_kinds_are_left_alone(records: list[StateRecord]) -> None:
    """What somebody else stores for a restart disturbs neither reading nor keeping."""
    other = StateRecord(session=SESSION, kind="else", key="", body=b"anything")

    assert read_session([other, *records]) == read_session(records)
    SessionKeeper([other, *records])


# ---------------------------------------------------------------- the universe

UNIVERSE = Universe(
    date=dt.date(2026, 12, 22),
    underlying="NIFTY",
    expiry=dt.date(2026, 12, 29),
    atm_paise=2_600_000,
    contracts=[
        Contract(
            symbol="NIFTY29DEC2626000CE",
            underlying="NIFTY",
            expiry=dt.date(2026, 12, 29),
            strike_paise=2_600_000,
            option_type=OptionType.CE,
            lot_size=65,
        )
    ],
)


def test_the_universe_comes_back_as_it_was() -> None:
    """What was fixed for the day is read back equal; a newer one takes its place."""
    newer = msgspec.structs.replace(UNIVERSE, atm_paise=2_605_000)
    with Journal.in_memory() as journal:
        journal.save_state([universe_record(UNIVERSE)])
        assert read_universe(journal.state("2026-12-22")) == UNIVERSE
        journal.save_state([universe_record(newer)])
        assert read_universe(journal.state("2026-12-22")) == newer
        assert read_universe(journal.state("2026-12-23")) is None


def test_a_broken_universe_is_named() -> None:
    """A universe that cannot be read, or of another day, is one line."""
    record = universe_record(UNIVERSE)
    with pytest.raises(RecoveryError, match="the stored universe of 2026-12-22 cannot be read"):
        read_universe([msgspec.structs.replace(record, body=b"{}")])
    with pytest.raises(RecoveryError, match="in the wrong place: it is 2026-12-22"):
        read_universe([msgspec.structs.replace(record, session="2026-12-23")])


# ---------------------------------------------------------------- a loss


@pytest.mark.parametrize("state", [True, False])
def test_a_loss_comes_back_as_it_was(records: list[StateRecord], state: bool) -> None:
    """And disturbs nothing else of the session."""
    loss = Loss(why="the file was locked", state=state)
    lost = [loss_record(SESSION, loss), *records]

    assert read_loss(lost) == loss
    assert read_loss(records) is None
    assert read_session(lost) == read_session(records)
    assert read_session([loss_record(SESSION, loss), universe_record(UNIVERSE)]) is None


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b"null"])
def test_a_loss_that_cannot_be_read_is_a_whole_one(body: bytes) -> None:
    """That it is there is enough: what was held is not known."""
    read = read_loss([StateRecord(session=SESSION, kind="loss", key="", body=body)])

    assert read is not None
    assert not read.state
