"""A session killed at any step and taken up again by a fresh engine ends flat, with equal books."""

from __future__ import annotations

import random

import msgspec
import pytest

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.messages import Command, Event, PlaceOrder, Purpose
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session_state import SessionState, capture, restore
from baseline_v1_live.runtime.simulated import SimulatedDriver
from baseline_v1_live.sim.day import MarketDay
from baseline_v1_live.sim.exchange import Exchange, ExchangeModel
from baseline_v1_live.sim.generator import generate_day
from baseline_v1_live.sim.tape import rows
from tests.research.test_replay import session_of


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


class LastState:
    """Keeps, as a journal would, the state after the newest step, before its commands leave."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.written = msgspec.json.encode(capture(engine))

    def commit(self, event: Event, commands: object, *changes: object) -> None:
        self.written = msgspec.json.encode(capture(self._engine))


def new_engine(day: MarketDay) -> Engine:
    rules = Rules(history_required=False)
    return Engine(
        rules=rules, session=session_of(day.date), contracts=day.contracts, index_symbol="NIFTY"
    )


def play_with_kills(day: MarketDay, kills: list[tuple[int, bool]]) -> tuple[Engine, MortalExchange]:
    """Play a day; at each kill the engine is lost and a new one goes on 3 s later."""
    exchange = MortalExchange(day)
    tape = rows(day)
    engine = new_engine(day)
    now_ms = int(day.at_ms[0]) - 60_000
    waiting = list(kills)
    written: bytes | None = None
    while True:
        if written is not None:
            engine = new_engine(day)
            restore(engine, msgspec.json.decode(written, type=SessionState))
        state = LastState(engine)
        driver = SimulatedDriver(engine, exchange, journal=state)
        if waiting:
            exchange.kill_at = len(exchange.sent) + waiting[0][0]
            exchange.kill_before = waiting[0][1]
            waiting.pop(0)
        try:
            driver.start(now_ms, "replay")
            driver.play(tape)
            driver.end()
        except KilledError:
            written = state.written
            now_ms = driver.now_ms + 3_000
            tape = (row for row in tape if row[0] >= now_ms)
            continue
        return engine, exchange


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


@pytest.mark.parametrize("seed", range(12))
def test_a_day_with_kills_ends_flat_with_equal_books(seed: int) -> None:
    """Killed before or after a command left, several times a day: no order is lost or doubled."""
    draw = random.Random(seed)
    day = generate_day(draw.choice((2, 9, 19)), strikes_each_side=5, ticks_per_second=0.3)
    kills = [(draw.randrange(1, 200), draw.random() < 0.5) for _ in range(4)]
    engine, exchange = play_with_kills(day, kills)

    assert_equal_books(engine, exchange)
    placed = [c.order_id for c in exchange.sent if isinstance(c, PlaceOrder)]
    assert len(placed) == len(set(placed))


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
