"""The checker on the bot's beliefs: drift that stays, money that is not the books'."""

from __future__ import annotations

from typing import Any

import pytest

from baseline_v1_live.core.messages import (
    OrderAccepted,
    OrderType,
    PlaceOrder,
    Purpose,
    Request,
    Side,
    TimerDue,
)
from baseline_v1_live.core.order import STRAY
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.runtime.records import Step
from baseline_v1_live.simulate.check_drift import Drift, ProfitAndLoss
from baseline_v1_live.simulate.check_known import Answers
from tests.simulate.checker_scene import CALL, PUT, Scene, played


class Order:
    """What the bot knows of an order."""

    def __init__(self, **known: Any) -> None:
        self.order_id, self.broker_order_id = "entry-1", ""
        self.symbol, self.side, self.order_type = CALL, Side.SELL, OrderType.SL
        # As Scene.order places an entry.
        self.trigger_price_paise, self.limit_price_paise = 9_300, 9_000
        self.state = OrderState.TRIGGER_PENDING
        self.filled_quantity = self.filled_value_paise = 0
        self.quantity = 650
        self.live = self.resting = True
        self.unanswered = False
        self.reason = ""
        self.change = self.query_due_ms = self.question_at_ms = None
        self.__dict__.update(known)


class Position:
    """What the bot knows of a position."""

    def __init__(self, short: int, **money: int) -> None:
        self.symbol, self.short, self.adopted = CALL, short, False
        self.entry_value_paise = money.get("sold", 0)
        self.correction_value_paise = 0
        self.open_quantity, self.pnl_paise = short, money.get("pnl", 0)
        self.exit_value_paise = money.get("bought", 0)
        self.external_value_paise = money.get("outside", 0)


class Believer:
    """As much of an engine as is looked at, believing whatever a test says."""

    def __init__(self) -> None:
        self.known: dict[str, Order] = {}
        self.held: list[Position] = []
        self.doubtful: dict[str, int] = {}
        self.looked_at: set[str] = set()
        self.since_ms: dict[str, int] = {}
        self.blocked: dict[str, str] = {}
        self.entries_stopped_by: str | None = None
        self.halt: str | None = None
        self.pnl_paise = 0
        self.day_exit_reason: str | None = None
        self.reconciled = True
        self.orders: Any = self
        self.positions: Any = self
        self.reconciler = self.strays = self.missing = self

    def by_broker_id(self, orderid: str) -> Order | None:
        return self.known.get(orderid)

    def live(self, symbol: str = "") -> list[Order]:
        return [o for o in self.known.values() if o.live and symbol in ("", o.symbol)]

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


def test_a_difference_is_found_whether_or_not_entries_are_stopped() -> None:
    """A halt, whatever its cause, is no sign that this difference was noticed."""
    bot = Believer()
    bot.entries_stopped_by, bot.blocked, bot.halt = (
        "3 stops failed",
        {"journal": ""},
        "books_unread",
    )

    async def story(scene: Scene) -> None:
        scene.entry()
        await _drift(scene, bot, 13)

    assert played(story) == {Drift.FOUND}


@pytest.mark.parametrize(
    ("halt", "before", "lawful"),
    [
        ("entries_stopped_by", False, True),
        ("entries_stopped_by", True, False),
        ("blocked", False, True),
        ("blocked", True, False),
        ("halt", True, True),
    ],
)
def test_only_a_halt_that_came_after_a_difference_is_an_answer_to_it(
    halt: str, before: bool, lawful: bool
) -> None:
    """That of the reconciler, who looks at the books, is one as long as it lasts."""
    bot = Believer()

    def stop() -> None:
        setattr(bot, halt, {"journal": ""} if halt == "blocked" else "it is unclear")

    async def story(scene: Scene) -> None:
        if before:
            stop()
        await _drift(scene, bot, 1)
        scene.entry()
        await _drift(scene, bot, 20)
        stop()
        await _drift(scene, bot, 20)

    assert (Drift.RESOLVED not in played(story)) is lawful


@pytest.mark.parametrize("looked_at", ["mine", "another"])
def test_a_stray_that_is_looked_at_is_a_doubt_about_itself_only(looked_at: str) -> None:
    """Somebody else's order somewhere is no sign that this one was seen."""
    bot = Believer()

    async def story(scene: Scene) -> None:
        order, other = scene.entry(), scene.order("BUY", "SL", symbol=PUT, strategy="by hand")
        bot.looked_at = {(order if looked_at == "mine" else other).orderid}
        await _drift(scene, bot, 13)

    assert (Drift.FOUND not in played(story)) is (looked_at == "mine")


@pytest.mark.parametrize(
    ("unlike", "seconds", "lawful"),
    [
        ({}, 150, True),
        ({}, 185, False),
        ({"symbol": PUT}, 40, False),
        ({"side": Side.BUY}, 40, False),
        ({"quantity": 585}, 40, False),
        ({"trigger_price_paise": 9_305}, 40, False),
    ],
)
def test_an_order_of_unknown_outcome_explains_only_what_it_may_be_and_for_a_while(
    unlike: dict[str, Any], seconds: int, lawful: bool
) -> None:
    """For as long as the gateway may still carry it out, and some looks."""
    bot = Believer()
    bot.known["unnamed"] = Order(
        state=OrderState.UNKNOWN, unanswered=True, broker_order_id=None, **unlike
    )

    async def story(scene: Scene) -> None:
        scene.entry()
        await _drift(scene, bot, seconds)

    said = played(story)
    assert (Drift.RESOLVED not in said) is lawful
    assert (Drift.FOUND in said) is bool(unlike)


@pytest.mark.parametrize("side", list(Side))
def test_a_smaller_short_is_explained_by_a_purchase_of_unknown_outcome(side: Side) -> None:
    """And not by a sale."""
    bot = Believer()
    bot.held.append(Position(650))
    unknown = {"state": OrderState.UNKNOWN, "unanswered": True, "broker_order_id": None}
    bot.known["unnamed"] = Order(side=side, **unknown)

    async def story(scene: Scene) -> None:
        await _drift(scene, bot, 40)

    assert (not played(story) & {Drift.FOUND, Drift.RESOLVED}) is (side is Side.BUY)


@pytest.mark.parametrize("over", [True, False])
def test_after_a_lost_journal_only_what_is_over_is_nobodys_any_more(over: bool) -> None:
    """An order of before that still works can be seen, and has to be looked after."""
    bot = Believer()

    async def story(scene: Scene) -> None:
        order = scene.entry()
        scene.fill(order, None if over else 5)
        scene.checker._loss.begin()
        await _drift(scene, bot, 13)

    assert (Drift.FOUND in played(story)) is not over


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
        scene.checker._money.compare(_engine(Position(0, sold=sold, bought=bought, pnl=pnl)))

    assert (ProfitAndLoss.NAME not in played(story)) is lawful


def test_money_is_compared_symbol_by_symbol() -> None:
    """What one symbol lacks another does not make up for, and the day is the sum of its parts."""

    async def mixed_up(scene: Scene) -> None:
        scene.short(symbol=CALL)
        scene.short(symbol=PUT)
        there = Position(1_300, sold=13_000_000)
        scene.checker._money.compare(_engine(there, pnl_paise=0))

    async def badly_added(scene: Scene) -> None:
        scene.short()
        scene.checker._money.compare(_engine(Position(650, sold=6_500_000, pnl=5), pnl_paise=6))

    assert played(mixed_up) == {ProfitAndLoss.NAME}
    assert played(badly_added) == {ProfitAndLoss.NAME}


def test_after_a_lost_journal_the_money_of_what_came_after_is_compared() -> None:
    """What our orders traded before is not known, and neither is a symbol with a short taken over."""

    async def sells(scene: Scene, sold: int, *, adopted: bool) -> None:
        scene.short()
        scene.fill(scene.order("BUY", "LIMIT", 10, price=80.0))
        scene.checker._loss.begin()
        scene.short()
        position = Position(650, sold=sold)
        position.adopted = adopted
        scene.checker._money.compare(_engine(position))

    for sold, adopted, lawful in (
        (6_500_000, False, True),
        (13_000_000, False, False),
        (13_000_000, True, True),
    ):
        said = played(lambda s, sold=sold, adopted=adopted: sells(s, sold, adopted=adopted))  # type: ignore[misc]
        assert (ProfitAndLoss.NAME not in said) is lawful


@pytest.mark.parametrize("lost", [True, False])
def test_a_strangers_order_taken_over_after_a_lost_journal_makes_its_symbol_unknown(
    lost: bool,
) -> None:
    """Whatever works in our contracts then is taken for ours and cancelled; it may fill on the way."""

    async def story(scene: Scene) -> None:
        if lost:
            scene.checker._loss.begin()
        scene.by_hand("BUY", 2)
        row = scene.checker._drift.others()[0]
        bot = _engine(Position(0, bought=1_300_000))
        bot.known = {row.orderid: Order(broker_order_id=row.orderid, reason=STRAY)}
        scene.checker._money.compare(bot)

    assert (ProfitAndLoss.NAME not in played(story)) is lost


def test_an_order_of_before_that_fills_after_a_lost_journal_makes_its_symbol_unknown() -> None:
    """Nobody could tell the bot of its fill, apart from the position."""

    async def story(scene: Scene) -> None:
        entry = scene.entry()
        scene.checker._loss.begin()
        scene.fill(entry)
        scene.checker._money.compare(_engine())

    assert played(story) == set()


@pytest.mark.parametrize(
    ("taken_up", "answered", "quantity", "lawful"),
    [
        (True, False, 650, True),
        (False, False, 650, False),
        (True, True, 650, False),
        (True, False, 585, False),
    ],
)
def test_a_close_by_somebody_else_counts_as_the_lost_exit_that_it_looks_like(
    taken_up: bool, answered: bool, quantity: int, lawful: bool
) -> None:
    """Only while an exit of ours of the same kind and size had no answer, and only if it was taken up."""

    async def story(scene: Scene) -> None:
        scene.short()
        exit_ = PlaceOrder(
            order_id="exit-1",
            symbol=CALL,
            side=Side.BUY,
            order_type=OrderType.MARKET,
            purpose=Purpose.EXIT,
            quantity=quantity,
        )
        answers = scene.checker._answers
        answers.hear(TimerDue(seq=1), (exit_,))
        if answered:
            answer = OrderAccepted(
                seq=2, order_id="exit-1", request=Request.PLACE, broker_order_id="9"
            )
            answers.hear(answer, ())
        scene.by_hand("BUY", 10)
        bot = _engine(Position(0, sold=6_500_000, bought=6_500_000))
        if taken_up:
            row = scene.checker._drift.others()[0]
            bot.known = {row.orderid: Order(order_id="exit-1", broker_order_id=row.orderid)}
        scene.checker._money.compare(bot)

    assert (ProfitAndLoss.NAME not in played(story)) is lawful


@pytest.mark.parametrize("stored", [True, False])
def test_an_answer_that_died_with_its_process_was_not_heard(stored: bool) -> None:
    """Then a look-alike may be taken for the order all the same; an answer on the disk rules that out."""
    answers = Answers()
    exit_ = PlaceOrder(
        order_id="exit-1",
        symbol=CALL,
        side=Side.BUY,
        order_type=OrderType.MARKET,
        purpose=Purpose.EXIT,
        quantity=650,
    )
    answers.hear(TimerDue(seq=1), (exit_,))
    answer = OrderAccepted(seq=2, order_id="exit-1", request=Request.PLACE, broker_order_id="9")
    answers.hear(answer, ())
    if stored:
        answers.stored([Step(answer)])
    answers.new_process()

    assert (answers.missing("exit-1") is None) is stored
    assert answers.has_named("9") is stored


def _engine(*positions: Position, pnl_paise: int | None = None) -> Any:
    bot = Believer()
    bot.positions = Believer()
    bot.positions.positions = {str(n): position for n, position in enumerate(positions)}
    parts = sum(position.pnl_paise for position in positions)
    bot.positions.pnl_paise = parts if pnl_paise is None else pnl_paise
    return bot
