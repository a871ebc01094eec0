"""The live driver with the real core, journal and paper exchange: an hour of one option, whole and with
the process killed at any step.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from baseline_v1_live.adapters.journal import Journal
from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.instruments import paise
from baseline_v1_live.core.messages import (
    BrokerStatus,
    Event,
    HistoryFailed,
    OrderAccepted,
    OrderUpdated,
    Purpose,
    Started,
    Tick,
)
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import MINUTE_MS
from baseline_v1_live.core.session_state import SessionState, capture, restore
from baseline_v1_live.runtime.commits import CommitQueue
from baseline_v1_live.runtime.live import LiveDriver
from baseline_v1_live.runtime.ports import ToPriceSource
from baseline_v1_live.runtime.records import Step
from baseline_v1_live.runtime.recovery import SessionKeeper, read_session
from baseline_v1_live.sim.exchange import ExchangeModel
from baseline_v1_live.sim.paper_broker import PaperBroker
from tests.harness_market import C260, DATE, INDEX, at, day, make_contract, swing_bars
from tests.runtime.live_desk import NEVER_MS, HandClock, Notices, until

SESSION = DATE.isoformat()
REST = (136.0, 136.5, 135.5, 136.0)
BREAK = (134.0, 132.0, 129.95, 128.0)
HELD = (128.0, 128.5, 127.5, 128.0)
STOPPED = (132.0, 136.0, 140.10, 138.0)
MINUTES = [*swing_bars(130.0, 139.0), REST, REST, BREAK, HELD, HELD, STOPPED, REST, REST, REST]
# A stop that nobody has seen is looked for through the gateway's horizon.
AFTERWARDS_MS = 5 * MINUTE_MS


def tape() -> Iterator[tuple[int, Tick]]:
    """Four prices a minute; nearly all volume in the first."""
    volume = 0
    for number, minute in enumerate(MINUTES):
        for quarter, price in enumerate(minute):
            volume += 100 if number else 250_000
            tick = Tick(
                symbol=C260,
                ltp_paise=paise(price),
                bid_paise=paise(price) - 5,
                ask_paise=paise(price) + 5,
                volume=volume,
            )
            yield at("09:15:00") + number * MINUTE_MS + 5_000 + quarter * 10_000, tick


class NoHistory:
    """A price source that has nothing."""

    async def ask(self, command: ToPriceSource) -> HistoryFailed:
        return HistoryFailed(symbol=command.symbol, message="none")


class Bot:
    """One process: an engine with what the journal has of it, its driver, and the exchange's books."""

    def __init__(self, folder: Path, clock: HandClock) -> None:
        self.clock = clock
        # Only processes are lost here, never the power.
        self.journal = Journal.open(folder / "journal.db", any_thread=True)
        self.journal._db.execute("PRAGMA synchronous = OFF")
        contracts = {C260: make_contract(C260)}
        self.engine = Engine(
            rules=Rules(history_required=False),
            session=day(),
            contracts=contracts,
            index_symbol=INDEX,
        )
        stored = self.journal.state(SESSION)
        state = read_session(stored)
        if state is not None:
            restore(self.engine, state)
        self.keeper = SessionKeeper(stored)
        self.broker = PaperBroker(
            contracts,
            ExchangeModel(),
            path=folder / "books.json",
            date=DATE,
            now_ms=clock.now_ms,
            on_event=lambda event: self.driver.hear(event),
        )
        self.driver: LiveDriver

    def drive(self, queue: Any) -> None:
        self.clock.wanted_ms = NEVER_MS
        self.driver = LiveDriver(
            self.engine,
            self.broker,
            NoHistory(),
            self.clock,
            journal=queue,
            keeper=self.keeper,
            notifier=Notices(),
            first_seq=self.journal.last_seq(),
            patience_s=60.0,
        )
        self.driver.hear(Started(mode="test"))

    async def play(self, ticks: Iterator[tuple[int, Tick]], queue: Any) -> None:
        """Until the tape's end, or the process's."""
        for at_ms, tick in ticks:
            await self.advance(at_ms, queue)
            if queue.dead:
                return
            self.broker.on_tick(tick)
            self.driver.hear(tick)
            await self.quiet(queue)
            if queue.dead:
                return
        await self.advance(self.clock.ms + AFTERWARDS_MS, queue)

    async def advance(self, to_ms: int, queue: Any) -> None:
        """Let time pass, stopping at each instant that the driver waits for."""
        await self.quiet(queue)
        while self.clock.wanted_ms <= to_ms and not queue.dead:
            self.clock.ms = max(self.clock.ms, self.clock.wanted_ms)
            self.clock.wanted_ms = NEVER_MS
            await until(lambda: self.clock.wanted_ms != NEVER_MS, "the next timer", look_s=0)
            await self.quiet(queue)
        self.clock.ms = max(self.clock.ms, to_ms)

    async def quiet(self, queue: Any) -> None:
        """Until nothing is on its way; a dead process's orders wait for ever."""
        await until(lambda: queue.dead or (len(asyncio.all_tasks()) == 1 and queue.idle), look_s=0)

    def shorts(self) -> dict[str, int]:
        positions = self.engine.positions.open.values()
        return {position.symbol: -position.open_quantity for position in positions}


class MortalQueue:
    """Stores each step at once until the process dies at one: before it is stored, or after that and
    before anybody hears of it. ``alive`` is what the engine was when a step was stored last.
    """

    idle = True

    def __init__(self, bot: Bot, dies_at: int = 10_000, *, stores_last: bool = True) -> None:
        self._journal, self._engine = bot.journal, bot.engine
        self._dies_at, self._stores_last = dies_at, stores_last
        self.steps: list[Event] = []
        self.alive = b""

    @property
    def dead(self) -> bool:
        return len(self.steps) >= self._dies_at

    def put(self, step: Step) -> asyncio.Future[None]:
        future = asyncio.get_running_loop().create_future()
        was_dead = self.dead
        self.steps.append(step.event)
        if not was_dead and (not self.dead or self._stores_last):
            self._journal.commit_steps([step])
            self.alive = msgspec.json.encode(capture(self._engine))
        if not self.dead:
            future.set_result(None)
        return future


class Counted:
    """The real queue, and whether all that it was given is stored; its process does not die."""

    dead = False

    def __init__(self, queue: CommitQueue) -> None:
        self._queue = queue
        self._waiting = 0

    def put(self, step: Step) -> asyncio.Future[None]:
        future = self._queue.put(step)
        self._waiting += 1
        future.add_done_callback(self._stored)
        return future

    def _stored(self, _: asyncio.Future[None]) -> None:
        self._waiting -= 1

    @property
    def idle(self) -> bool:
        return self._waiting == 0


# ---------------------------------------------------------------- the whole hour


async def whole_hour(folder: Path) -> None:
    bot = Bot(folder, HandClock(at("09:14:00"), look_s=0))
    real = CommitQueue(bot.journal)
    queue = Counted(real)
    bot.drive(queue)
    await bot.play(tape(), queue)
    await bot.driver.close()
    assert await real.close()

    entry, stop = bot.engine.orders.orders.values()
    assert (entry.purpose, stop.purpose) == (Purpose.ENTRY, Purpose.STOP)
    assert (entry.state, stop.state) == (OrderState.FILLED, OrderState.FILLED)
    assert entry.filled_quantity == stop.filled_quantity == 650
    assert entry.filled_value_paise == 650 * 12_990
    assert stop.trigger_price_paise == 14_000
    assert bot.engine.positions.flat
    assert_stored(bot)
    bot.journal.close()


def assert_stored(bot: Bot) -> None:
    """The journal's rows and its restart records are the engine's own orders and positions."""
    engine, journal = bot.engine, bot.journal
    rows = {
        row.order_id: (row.state, row.broker_order_id, row.filled_quantity, row.filled_value_paise)
        for row in journal.orders(SESSION)
    }
    assert rows == {
        name: (order.state, order.broker_order_id, order.filled_quantity, order.filled_value_paise)
        for name, order in engine.orders.orders.items()
    }
    quantities = {row.position_id: row.quantity for row in journal.positions(SESSION)}
    ours = engine.positions.positions
    assert quantities == {name: -position.open_quantity for name, position in ours.items()}
    assert sum(t.pnl_paise for t in journal.trades(SESSION)) == engine.positions.pnl_paise
    state = read_session(journal.state(SESSION))
    assert state is not None
    assert {order.order_id: order.state for order in state.orders} == {
        name: order.state for name, order in engine.orders.orders.items()
    }
    events = [event.seq for event in journal.events()]
    assert events == sorted(set(events))


def test_an_hour_leads_to_an_entry_its_fill_and_its_stop(tmp_path: Path) -> None:
    """Sold at the break, covered at once, bought back by the stop, and all of it is in the journal."""
    asyncio.run(whole_hour(tmp_path))


# ---------------------------------------------------------------- killed at a step


def expected(written: bytes) -> tuple[dict[str, Any], dict[str, int]]:
    """What a fresh process must know of a state: requests without an answer are unknown."""
    if not written:
        return {}, {}
    state = msgspec.json.decode(written, type=SessionState)
    orders = {
        order.order_id: (
            OrderState.UNKNOWN if order.state is OrderState.IN_FLIGHT else order.state,
            order.broker_order_id,
            order.filled_quantity,
        )
        for order in state.orders
    }
    held = {p.symbol: -p.open_quantity for p in state.positions if p.closed_at_ms is None}
    return orders, held


def known(engine: Engine) -> dict[str, Any]:
    return {
        name: (order.state, order.broker_order_id, order.filled_quantity)
        for name, order in engine.orders.orders.items()
    }


async def killed(folder: Path, dies_at: int, *, stores_last: bool) -> None:
    """An hour whose process dies at a step and is followed by another, which lives."""
    clock = HandClock(at("09:14:00"), look_s=0)
    ticks = tape()
    first = Bot(folder, clock)
    mortal = MortalQueue(first, dies_at, stores_last=stores_last)
    first.drive(mortal)
    await first.play(ticks, mortal)
    assert mortal.dead
    await first.driver.close()
    first.journal.close()

    clock.ms += 2_000
    second = Bot(folder, clock)
    orders, held = expected(mortal.alive)
    assert known(second.engine) == orders
    assert second.shorts() == held

    queue = MortalQueue(second)
    second.drive(queue)
    await second.play(((at_ms, tick) for at_ms, tick in ticks if at_ms > clock.ms), queue)
    await second.driver.close()
    assert_same_books(second)
    assert_stored(second)
    second.journal.close()


def assert_same_books(bot: Bot) -> None:
    """What the exchange has, we have: each order once, the same fills, the same short, covered."""
    exchange = bot.broker._exchange
    theirs = {order.broker_order_id: order.filled_quantity for order in exchange.orders.values()}
    ours = {
        order.broker_order_id: order.filled_quantity
        for order in bot.engine.orders.orders.values()
        if order.broker_order_id is not None
    }
    assert theirs == ours
    net = {symbol: quantity for symbol, quantity in exchange.positions.items() if quantity}
    assert net == bot.shorts()
    cover = {
        order.symbol: -order.quantity
        for order in exchange.orders.values()
        if order.side == "BUY" and order.status is BrokerStatus.TRIGGER_PENDING
    }
    assert cover == net


async def steps_of_the_hour(folder: Path) -> list[Event]:
    bot = Bot(folder, HandClock(at("09:14:00"), look_s=0))
    queue = MortalQueue(bot)
    bot.drive(queue)
    await bot.play(tape(), queue)
    await bot.driver.close()
    bot.journal.close()
    return queue.steps


@pytest.mark.parametrize("stores_last", [False, True])
def test_a_bot_killed_at_any_step_is_taken_up_again(tmp_path: Path, stores_last: bool) -> None:
    """What was stored is known again, with its open questions; then nothing is lost or doubled.

    Killed at each step around news of an order, and at some others.
    """
    steps = asyncio.run(steps_of_the_hour(tmp_path))
    news = [
        n for n, event in enumerate(steps, 1) if isinstance(event, OrderAccepted | OrderUpdated)
    ]
    assert len(news) >= 6
    chosen = {near for number in news for near in (number - 1, number, number + 1)}
    chosen |= {1, 2, *random.Random(1).sample(range(3, len(steps)), 4)}
    for dies_at in sorted(chosen):
        folder = tmp_path / str(dies_at)
        folder.mkdir()
        asyncio.run(killed(folder, dies_at, stores_last=stores_last))
