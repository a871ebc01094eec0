"""Whole days through the engine and the built-in exchange: what must hold at every step and the end."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from baseline_v1_live.adapters.journal import Journal
from baseline_v1_live.core.instruments import parse_expiry
from baseline_v1_live.core.messages import PlaceOrder, Purpose, SaveSummary
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import SECOND_MS, Session, make_session
from baseline_v1_live.research.replay import Replay
from baseline_v1_live.research.result import to_json
from baseline_v1_live.sim.contract_table import SESSION_OPEN, session_close
from baseline_v1_live.sim.day import MarketDay
from baseline_v1_live.sim.exchange import ExchangeModel
from baseline_v1_live.sim.generator import generate_day
from baseline_v1_live.sim.recorded import read_day

NAKED_MAX_MS = 5 * SECOND_MS


def session_of(date: dt.date) -> Session:
    return make_session(
        date,
        open_time=SESSION_OPEN,
        close_time=session_close(date),
        first_entry=dt.time(9, 16),
        last_entry=dt.time(15, 0),
        force_exit=dt.time(15, 15),
        broker_cutoff=None,
    )


class Watch:
    """Checks after every step what the trading rules promise at any time."""

    def __init__(self) -> None:
        self.replay: Replay | None = None
        self._naked_since: dict[str, int] = {}

    def look(self) -> None:
        assert self.replay is not None
        engine = self.replay.engine
        now = engine.orders.now_ms
        self._every_short_is_covered(now)
        types = [position.option_type for position in engine.positions.open.values()]
        types += [
            kind
            for kind, working in engine.desk.working.items()
            if working.order.position_id not in engine.positions.open
        ]
        assert len(types) <= 5
        assert types.count("CE") <= 3
        assert types.count("PE") <= 3

    def _every_short_is_covered(self, now: int) -> None:
        assert self.replay is not None
        engine = self.replay.engine
        for position in engine.positions.open.values():
            stops = engine.orders.live_of(position.position_id, Purpose.STOP)
            resting = sum(stop.remaining for stop in stops if stop.resting)
            exiting = bool(position.exit_wanted or position.trim_quantity)
            naked = position.open_quantity > resting and not exiting
            if not naked:
                self._naked_since.pop(position.position_id, None)
                continue
            since = self._naked_since.setdefault(position.position_id, now)
            assert now - since <= NAKED_MAX_MS


def play(day: MarketDay, **options: object) -> Replay:
    watch = Watch()
    replay = Replay(
        day,
        Rules(),
        session_of(day.date),
        ExchangeModel(),
        after_step=watch.look,
        **options,  # type: ignore[arg-type]
    )
    watch.replay = replay
    replay.run()
    return replay


def assert_day_is_whole(replay: Replay) -> None:
    """Flat, nothing working, money equal to the exchange's own, no order after the last entry."""
    engine, exchange = replay.engine, replay.exchange
    cash = sum(
        order.filled_value_paise if order.side == "SELL" else -order.filled_value_paise
        for order in exchange.orders.values()
    )

    assert engine.positions.flat
    assert not any(exchange.positions.values())
    assert engine.positions.pnl_paise == cash
    for order in engine.orders.orders.values():
        theirs = exchange.orders.get(order.broker_order_id or "")
        assert (theirs.filled_quantity if theirs else 0) == order.filled_quantity
        if order.purpose is Purpose.ENTRY:
            assert (
                replay.session.first_entry_ms <= order.placed_at_ms < replay.session.last_entry_ms
            )


@pytest.mark.parametrize("seed", [2, 9, 19])
def test_generated_days_end_flat_and_covered(seed: int) -> None:
    """On a generated day every short is covered within 5 s, limits hold, and the day ends flat."""
    replay = play(generate_day(seed, strikes_each_side=8))

    assert_day_is_whole(replay)
    assert replay.engine.positions.positions
    assert replay.engine.day_over


def test_replay_is_deterministic() -> None:
    """The same day gives the same bytes."""
    day = generate_day(5, strikes_each_side=5, ticks_per_second=0.3)

    assert to_json(play(day).result()) == to_json(play(day).result())


def test_journal_holds_what_the_engine_holds() -> None:
    """After a day the journal's tables equal the engine's orders, positions and summary."""
    day = generate_day(9, strikes_each_side=8, ticks_per_second=0.5)
    with Journal.in_memory() as journal:
        replay = play(day, journal=journal)
        engine = replay.engine

        orders = {record.order_id: record for record in journal.orders()}
        assert orders.keys() == engine.orders.orders.keys()
        for order_id, order in engine.orders.orders.items():
            assert orders[order_id].state == order.state
            assert orders[order_id].filled_quantity == order.filled_quantity
        positions = {record.position_id: record for record in journal.positions()}
        assert positions.keys() == engine.positions.positions.keys()
        assert all(record.quantity == 0 for record in positions.values())
        assert len(journal.trades()) == len(engine.positions.positions)
        commands = list(journal.commands())
        placed = [command for command in commands if isinstance(command, PlaceOrder)]
        assert [command.order_id for command in placed] == list(engine.orders.orders)
        (summary,) = [command for command in commands if isinstance(command, SaveSummary)]
        assert journal.summary(replay.session.date.isoformat()) == summary


@pytest.mark.parametrize(
    ("name", "expiry", "atm"),
    [
        ("nifty-2025-08-29.parquet", "02SEP25", 24_550),
        ("nifty-2026-08-18-expiry.parquet", "18AUG26", 24_200),
        ("nifty-2025-03-12-bars-partial.parquet", "13MAR25", 22_450),
    ],
)
def test_recorded_days_trade_and_end_flat(
    shared_data: Path, name: str, expiry: str, atm: int
) -> None:
    """The recorded days trade, end flat, and give the same bytes on each run."""
    day = read_day(
        shared_data / name,
        underlying="NIFTY",
        expiry=parse_expiry(expiry),
        atm_paise=atm * 100,
        step_paise=5_000,
        strikes_each_side=20,
    )
    first, second = play(day), play(day)

    assert_day_is_whole(first)
    assert first.engine.positions.positions
    assert to_json(first.result()) == to_json(second.result())
