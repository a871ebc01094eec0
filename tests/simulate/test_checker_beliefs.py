"""The checker on the bot's beliefs: drift that stays, money that is not the books', closing that lags."""

from __future__ import annotations

from typing import Any

import pytest

from baseline_v1_live.core.messages import Level, Notify, OperatorSaid
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.simulate.check_closing import ClosingLeaves, HardCut
from baseline_v1_live.simulate.check_drift import Drift, ProfitAndLoss
from tests.simulate.checker_scene import CALL, LOT, Scene, played


class Order:
    """What the bot knows of an order."""

    def __init__(self, **known: Any) -> None:
        self.state = OrderState.TRIGGER_PENDING
        self.filled_quantity = self.filled_value_paise = 0
        self.quantity = 650
        self.live = self.resting = True
        self.unanswered = False
        self.change = self.query_due_ms = self.question_at_ms = None
        self.__dict__.update(known)


class Position:
    """What the bot knows of a position."""

    def __init__(self, short: int, **money: int) -> None:
        self.symbol, self.short, self.adopted = CALL, short, False
        self.entry_value_paise = money.get("sold", 0)
        self.correction_value_paise = 0
        self.exit_value_paise = money.get("bought", 0)
        self.external_value_paise = money.get("outside", 0)


class Believer:
    """As much of an engine as is looked at, believing whatever a test says."""

    def __init__(self) -> None:
        self.known: dict[str, Order] = {}
        self.held: list[Position] = []
        self.doubtful: dict[str, int] = {}
        self.looked_at: set[str] = set()
        self.unknown = False
        self.reason: str | None = None
        self.pnl_paise = 0
        self.day_exit_reason: str | None = None
        self.entries_stopped_by: str | None = None
        self.reconciled = True
        self.orders: Any = self
        self.positions: Any = self
        self.reconciler = self.strays = self

    def by_broker_id(self, orderid: str) -> Order | None:
        return self.known.get(orderid)

    def live(self, symbol: str = "") -> list[Order]:
        return [order for order in self.known.values() if order.live]

    def has_unknown(self, symbol: str) -> bool:
        return self.unknown

    def gate(self) -> str | None:
        return self.reason

    @property
    def open(self) -> dict[str, Position]:
        return {str(n): p for n, p in enumerate(self.held) if p.short}

    def open_short(self, symbol: str) -> int:
        return sum(position.short for position in self.held)


async def _drift(scene: Scene, bot: Any, seconds: int) -> None:
    """The bot's beliefs are looked at each second."""
    drift = scene.checker._drift
    for _ in range(seconds):
        drift.look(bot)
        await scene.wait(1)


def test_a_fill_that_the_bot_misses_is_said_after_ten_seconds() -> None:
    """And after thirty that it was not resolved."""
    bot = Believer()

    async def story(scene: Scene) -> None:
        order = scene.entry()
        bot.known[order.orderid] = Order()
        scene.fill(order)
        scene.order("BUY", "LIMIT", 10, price=80.0, strategy="by hand")
        await _drift(scene, bot, 9)
        assert Drift.FOUND not in scene.said()
        await _drift(scene, bot, 4)
        assert Drift.FOUND in scene.said()
        assert Drift.RESOLVED not in scene.said()
        await _drift(scene, bot, 20)

    assert {Drift.FOUND, Drift.RESOLVED} <= played(story)


@pytest.mark.parametrize(
    "doubt",
    [
        {"query_due_ms": 1},
        {"question_at_ms": 1},
        {"change": object()},
        {"state": OrderState.UNKNOWN},
        {"state": OrderState.CLAIMED},
    ],
)
def test_a_difference_that_is_being_asked_about_is_found(doubt: dict[str, Any]) -> None:
    """The bot shows that it is not sure; yet it must be over, or have stopped entries, in thirty."""
    bot = Believer()

    async def story(scene: Scene) -> None:
        order = scene.entry()
        bot.known[order.orderid] = Order(**doubt)
        scene.fill(order, 1)
        await _drift(scene, bot, 28)
        assert not scene.said() & {Drift.FOUND, Drift.RESOLVED}
        await _drift(scene, bot, 5)

    assert Drift.RESOLVED in played(story)
    assert Drift.FOUND not in played(story)


def test_an_order_that_nobody_knows_is_said_unless_entries_have_stopped() -> None:
    """A pause of the operator is not such a stop, and neither is the time of the day; entries that were
    stopped for the day stay so behind a kill.
    """
    for reason, stopped_by, lawful in (
        (None, None, False),
        ("paused", None, False),
        ("after_last_entry", None, False),
        ("day_exit", None, False),
        ("day_exit", "a start without its journal", True),
        ("entries_stopped", "an internal error", True),
        ("blocked_journal", None, True),
    ):
        bot = Believer()
        bot.reason, bot.entries_stopped_by = reason, stopped_by

        async def story(scene: Scene, bot: Believer = bot) -> None:
            scene.entry()
            await _drift(scene, bot, 40)

        assert (not played(story) & {Drift.FOUND, Drift.RESOLVED}) is lawful, reason


def test_a_position_that_the_exchange_does_not_have_is_said() -> None:
    """In doubt for a while is lawful, and what is somebody else's on top is none of ours."""
    for believed, doubtful, lawful in ((650, False, True), (715, False, False), (715, True, True)):
        bot = Believer()
        bot.held.append(Position(believed))
        if doubtful:
            bot.doubtful[CALL] = 65

        async def story(scene: Scene, bot: Believer = bot) -> None:
            order = scene.entry(10)
            bot.known[order.orderid] = Order(
                filled_quantity=650, filled_value_paise=6_500_000, live=False, resting=False
            )
            scene.fill(order)
            await _drift(scene, bot, 15)

        assert (Drift.FOUND not in played(story)) is lawful


# ---------------------------------------------------------------- money


@pytest.mark.parametrize(
    ("sold", "bought", "pnl", "lawful"),
    [
        (6_500_000, 6_500_000, 0, True),
        (6_500_000, 6_400_000, 100_000, False),
        (6_500_000, 6_500_000, 5, False),
    ],
)
def test_money_that_is_not_that_of_the_trades_is_said(
    sold: int, bought: int, pnl: int, lawful: bool
) -> None:
    """A sale and a purchase of 650 units at 100: the bot has to say the same to the paisa."""

    async def story(scene: Scene) -> None:
        scene.short()
        scene.fill(scene.order("BUY", "LIMIT", 10, price=80.0))
        checker = scene.checker
        money = ProfitAndLoss(checker.findings, checker.ledger, checker.chaos, checker._drift)
        money.compare(_engine(Position(0, sold=sold, bought=bought), pnl))

    assert (ProfitAndLoss.NAME not in played(story)) is lawful


def test_a_close_by_somebody_else_that_looks_like_a_lost_exit_counts_as_it() -> None:
    """Its money is in the position either way; unless the bot has taken it up, it is not the bot's."""
    for taken_up in (True, False):

        async def story(scene: Scene, taken_up: bool = taken_up) -> None:
            scene.short()
            scene.by_hand("BUY", 10)
            checker = scene.checker
            money = ProfitAndLoss(checker.findings, checker.ledger, checker.chaos, checker._drift)
            bot = _engine(Position(0, sold=6_500_000, bought=6_500_000), 0)
            if taken_up:
                bot.known = {order.orderid: Order() for order in checker._drift.others()}
            money.compare(bot)

        assert (ProfitAndLoss.NAME not in played(story)) is taken_up


def _engine(position: Position, pnl_paise: int) -> Any:
    bot = Believer()
    bot.pnl_paise = pnl_paise
    bot.positions = Believer()
    bot.positions.pnl_paise = pnl_paise
    bot.positions.positions = {"1": position}
    return bot


# ---------------------------------------------------------------- closing


async def _kill(scene: Scene) -> ClosingLeaves:
    closing = scene.checker._closing
    closing.hear(Believer(), OperatorSaid(verb="kill"))  # type: ignore[arg-type]
    await scene.wait(1)
    return closing


def test_after_a_kill_entries_that_rest_on_are_said() -> None:
    """Three seconds are allowed."""

    async def story(scene: Scene) -> None:
        scene.entry()
        await _kill(scene)
        await scene.wait(3)

    assert played(story) == {ClosingLeaves.CANCELS}


def test_after_a_kill_cancels_that_leave_in_time_are_lawful() -> None:
    """Whether they have their answer yet or not."""

    async def story(scene: Scene) -> None:
        order = scene.entry()
        await _kill(scene)
        scene.answer(scene.send("cancelorder", orderid=order.orderid))
        await scene.wait(3)

    assert played(story) == set()


def test_after_a_kill_a_short_that_nobody_buys_back_is_said() -> None:
    """Its stop covers, and that is not enough."""

    async def story(scene: Scene) -> None:
        scene.short()
        scene.stop()
        await _kill(scene)
        await scene.wait(3)

    assert played(story) == {ClosingLeaves.EXITS}


def test_after_a_kill_an_exit_that_leaves_in_time_is_lawful() -> None:
    """So is a gateway that could not be had."""

    async def sells(scene: Scene) -> None:
        scene.short()
        stop = scene.stop()
        await _kill(scene)
        scene.cancel(stop)
        body = {"symbol": CALL, "action": "BUY", "pricetype": "MARKET", "quantity": "650"}
        scene.answer(scene.send("placeorder", **body))
        scene.fill(scene.order("BUY", "LIMIT", 10, price=80.0))
        await scene.wait(3)

    async def cannot(scene: Scene) -> None:
        scene.short()
        scene.stop()
        await _kill(scene)
        scene.answer(scene.send("cancelorder", orderid="1"), 429, {"message": "10 per 1 second"})
        await scene.wait(3)

    assert ClosingLeaves.EXITS not in played(sells)
    assert played(cannot) == set()


@pytest.mark.parametrize(("lots", "lawful"), [(10, True), (9, False)])
def test_after_a_kill_an_exit_that_was_lost_before_is_not_sent_again(
    lots: int, lawful: bool
) -> None:
    """Its quantity is reserved until the gateway's horizon; what it leaves is to be bought."""

    async def story(scene: Scene) -> None:
        scene.short()
        body = {"symbol": CALL, "action": "BUY", "pricetype": "MARKET", "quantity": lots * LOT}
        scene.checker.ended(scene.send("placeorder", lost=True, **body), None)
        await scene.wait(20)
        await _kill(scene)
        await scene.wait(3)

    assert (ClosingLeaves.EXITS not in played(story)) is lawful


# ---------------------------------------------------------------- the hard cut


@pytest.mark.parametrize(("held", "reachable", "lawful"), [
    (False, True, True), (True, True, False), (True, False, True),
])  # fmt: skip
def test_a_position_at_the_hard_cut_is_said(held: bool, reachable: bool, lawful: bool) -> None:
    """Unless the gateway could not be had within the minute before."""

    async def story(scene: Scene) -> None:
        if held:
            scene.short()
            scene.stop()
        await scene.wait(30)
        if not reachable:
            scene.answer(scene.send("orderbook"), 429, {"message": "10 per 1 second"})
        await scene.wait(20)
        scene.checker._cut.look(scene.world.now_ms)

    assert (HardCut.FLAT not in played(story)) is lawful


def test_nobody_is_flat_at_a_hard_cut_in_a_halt() -> None:
    """The market stood still within the minute before: nothing could be closed."""

    async def story(scene: Scene) -> None:
        scene.short()
        scene.stop()
        cut, cut_ms = scene.checker._cut, scene.world.now_ms + 50_000
        await scene.wait(30)
        scene.world.venue.trades = lambda: False
        cut.look(cut_ms)
        scene.world.venue.trades = lambda: True
        await scene.wait(25)
        cut.look(cut_ms)

    assert played(story) == set()


def test_an_order_of_ours_that_works_at_the_hard_cut_is_said() -> None:
    """Flat is not enough; somebody else's order may stay."""

    async def ours(scene: Scene) -> None:
        scene.entry()
        await scene.wait(61)
        scene.checker._cut.look(scene.world.now_ms)

    async def theirs(scene: Scene) -> None:
        scene.order("SELL", "SL", strategy="by hand")
        await scene.wait(61)
        scene.checker._cut.look(scene.world.now_ms)

    assert played(ours) == {HardCut.FLAT}
    assert played(theirs) == set()


@pytest.mark.parametrize("told", [False, True])
def test_whoever_is_not_flat_at_the_hard_cut_says_so(told: bool) -> None:
    """With a critical notice, within ten seconds."""

    async def story(scene: Scene) -> None:
        scene.short()
        scene.stop()
        await scene.wait(61)
        cut, cut_ms = scene.checker._cut, scene.world.now_ms
        cut.look(cut_ms)
        if told:
            cut.hear((Notify(level=Level.CRITICAL, tag="EXIT", text="", key="hard_cut"),))
        await scene.wait(11)
        cut.look(cut_ms)

    assert (HardCut.SAID not in played(story)) is told
