"""A session killed at any step and taken up again by a fresh engine ends flat, with equal books."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Protocol

import msgspec
import pytest

from baseline_v1_live.adapters.journal import Journal
from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.messages import Command, Event, PlaceOrder, Purpose
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session_state import SessionState, capture, restore
from baseline_v1_live.runtime.recovery import SessionKeeper, read_session
from baseline_v1_live.runtime.simulated import SimulatedDriver
from baseline_v1_live.sim.day import MarketDay
from baseline_v1_live.sim.exchange import Exchange, ExchangeModel
from baseline_v1_live.sim.generator import generate_day
from baseline_v1_live.sim.tape import rows
from tests.research.test_replay import session_of
from tests.runtime.kept_engine import kept


class KilledError(Exception):
    """The process ended here."""


class MortalExchange(Exchange):
    """Counts what leaves the bot, and can end the process before or after a command is sent."""

    sent: list[Command]
    kill_at: int | None
    kill_before: bool

    def __init__(self, day: MarketDay) -> None:
        super().__init__(day.contracts, ExchangeModel())
        self.sent = []
        self.kill_at = None
        self.kill_before = False

    def send(self, command: Command, at_ms: int) -> None:
        dies = self.kill_at is not None and len(self.sent) + 1 >= self.kill_at
        if dies:
            self.kill_at = None
        if not (dies and self.kill_before):
            self.sent.append(command)
            super().send(command, at_ms)
        if dies:
            # Answers on their way to the process that died reach nobody.
            self._heap = [item for item in self._heap if not isinstance(item[2], Event)]
            raise KilledError


class Memory(Protocol):
    """What outlives the process."""

    def begin(self, day: MarketDay, exchange: Exchange) -> SimulatedDriver:
        """A fresh process: an engine with all that was stored, and its driver."""


class LastState:
    """Keeps, as a journal would, the state after the newest step, before its commands leave."""

    def __init__(self, rules: Rules | None = None) -> None:
        self._rules = rules
        self._engine: Engine | None = None
        self._written: bytes | None = None

    def begin(self, day: MarketDay, exchange: Exchange) -> SimulatedDriver:
        self._engine = new_engine(day, self._rules)
        if self._written is not None:
            restore(self._engine, msgspec.json.decode(self._written, type=SessionState))
        return SimulatedDriver(self._engine, exchange, journal=self)

    def commit(self, event: Event, commands: object, *changes: object) -> None:
        assert self._engine is not None
        self._written = msgspec.json.encode(capture(self._engine))


class JournalFile:
    """The journal itself: each process opens the file anew, and none closes it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self, day: MarketDay, exchange: Exchange) -> SimulatedDriver:
        journal = Journal.open(self._path)
        # Only the process is lost here, never the power.
        journal._db.execute("PRAGMA synchronous = OFF")
        stored = journal.state(day.date.isoformat())
        state = read_session(stored)
        engine = new_engine(day)
        if state is not None:
            restore(engine, state)
        driver = SimulatedDriver(kept(engine, journal, SessionKeeper(stored)), exchange)
        # Numbers of steps go on where the file ends.
        driver._seq = journal.last_seq()
        return driver


def new_engine(day: MarketDay, rules: Rules | None = None) -> Engine:
    rules = msgspec.structs.replace(rules or Rules(), history_required=False)
    return Engine(
        rules=rules, session=session_of(day.date), contracts=day.contracts, index_symbol="NIFTY"
    )


def play_with_kills(
    day: MarketDay, kills: list[tuple[int, bool]], memory: Memory
) -> tuple[Engine, MortalExchange]:
    """Play a day; at each kill the engine is lost and a new one goes on 3 s later."""
    exchange = MortalExchange(day)
    tape = rows(day)
    now_ms = int(day.at_ms[0]) - 60_000
    waiting = list(kills)
    while True:
        driver = memory.begin(day, exchange)
        if waiting:
            exchange.kill_at = len(exchange.sent) + waiting[0][0]
            exchange.kill_before = waiting[0][1]
            waiting.pop(0)
        try:
            driver.start(now_ms, "replay")
            driver.play(tape)
            driver.end()
        except KilledError:
            now_ms = driver.now_ms + 3_000
            tape = (row for row in tape if row[0] >= now_ms)
            continue
        return driver.engine, exchange


def assert_equal_books(engine: Engine, exchange: Exchange) -> None:
    cash = sum(
        order.filled_value_paise if order.side == "SELL" else -order.filled_value_paise
        for order in exchange.orders.values()
    )

    assert engine.positions.flat
    assert not any(exchange.positions.values())
    assert engine.positions.pnl_paise == cash
    named = {o.broker_order_id: o for o in engine.orders.orders.values() if o.broker_order_id}
    assert named.keys() == exchange.orders.keys()
    for broker_id, theirs in exchange.orders.items():
        assert named[broker_id].filled_quantity == theirs.filled_quantity


def assert_a_day_with_kills_is_whole(seed: int, memory: Memory) -> Engine:
    draw = random.Random(seed)
    day = generate_day(draw.choice((2, 9, 19)), strikes_each_side=5, ticks_per_second=0.3)
    kills = [(draw.randrange(1, 200), draw.random() < 0.5) for _ in range(4)]
    engine, exchange = play_with_kills(day, kills, memory)

    assert_equal_books(engine, exchange)
    placed = [c.order_id for c in exchange.sent if isinstance(c, PlaceOrder)]
    assert len(placed) == len(set(placed))
    return engine


@pytest.mark.parametrize("seed", range(12))
def test_a_day_with_kills_ends_flat_with_equal_books(seed: int) -> None:
    """Killed before or after a command left, several times a day: no order is lost or doubled."""
    assert_a_day_with_kills_is_whole(seed, LastState())


@pytest.mark.parametrize("seed", range(12, 15))
def test_a_day_with_kills_goes_on_from_the_journals_file(seed: int, tmp_path: Path) -> None:
    """The same holds when nothing but the journal's file is left, and at the end the file's orders
    and trades are those of the whole day.
    """
    path = tmp_path / "journal.db"
    engine = assert_a_day_with_kills_is_whole(seed, JournalFile(path))

    with Journal.open_read_only(path) as journal:
        ours = engine.orders.orders
        filled = {record.order_id: record.filled_quantity for record in journal.orders()}
        assert filled == {name: order.filled_quantity for name, order in ours.items()}
        pnl_paise = sum(trade.pnl_paise for trade in journal.trades())
        assert pnl_paise == engine.positions.pnl_paise
        state = read_session(journal.state(engine.session.date.isoformat()))
        assert state is not None
        assert [order.order_id for order in state.orders] == list(ours)
        assert state.day_over


def test_a_restored_engine_sends_nothing_before_it_has_read_the_books() -> None:
    """Even a kill switch waits for the first snapshot."""
    day = generate_day(9, strikes_each_side=5, ticks_per_second=0.3)
    exchange = MortalExchange(day)
    engine = new_engine(day)
    driver = SimulatedDriver(engine, exchange)
    driver.start(int(day.at_ms[0]) - 60_000, "replay")
    tape = rows(day)
    driver.play(row for row in tape if not engine.positions.open or row is None)
    if not engine.positions.open:
        pytest.fail("the day has no position to restore")
    written = msgspec.json.encode(capture(engine))
    again = new_engine(day)
    restore(again, msgspec.json.decode(written, type=SessionState))
    silent = MortalExchange(day)
    second = SimulatedDriver(again, silent)
    second.start(driver.now_ms, "replay")
    second.say("kill")

    assert [c for c in silent.sent if isinstance(c, PlaceOrder)] == []
    assert again.positions.open.keys() == engine.positions.open.keys()
    assert [o.purpose for o in again.orders.live(purpose=Purpose.STOP)]
