"""The checker on orders that the disk never took before their process died: nobody can know them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from baseline_v1_live.core.messages import OrderType, PlaceOrder, Purpose, Side, TimerDue
from baseline_v1_live.runtime.records import OrderRecord, Step
from baseline_v1_live.sim.openalgo_server.books import BookOrder
from baseline_v1_live.simulate import check_tables
from baseline_v1_live.simulate.check_account import Cover
from baseline_v1_live.simulate.check_drift import Drift, ProfitAndLoss
from baseline_v1_live.simulate.check_flips import Purchases
from tests.simulate.checker_scene import CALL, LOT, Scene, end_of, played
from tests.simulate.end_scene import bot, keep

NAME = "2026-11-26-exit-0004"
DIES, STORED = "dies", "stored"


def _command(lots: int) -> PlaceOrder:
    return PlaceOrder(
        order_id=NAME,
        symbol=CALL,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        purpose=Purpose.EXIT,
        quantity=lots * LOT,
        trigger_price_paise=0,
        limit_price_paise=8_000,
    )


def _stored(scene: Scene, name: str) -> None:
    """The journal says that it has a step with an order."""
    record = OrderRecord(
        order_id=name,
        session="2026-11-26",
        symbol=CALL,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        purpose=Purpose.EXIT,
        quantity=10 * LOT,
        trigger_price_paise=0,
        limit_price_paise=8_000,
        state="in_flight",
    )
    step = Step(TimerDue(seq=1, at_ms=scene.world.now_ms), orders=[record])
    scene.checker.ledger.forgotten.stored([step])


def _exit(scene: Scene, *happens: str, sent_lots: int = 10) -> BookOrder:
    """A short is bought back by an order that left; ``happens`` says what became of its process."""
    forgotten = scene.checker.ledger.forgotten
    scene.short(10)
    forgotten.leaves(_command(sent_lots))
    order = scene.order("BUY", "LIMIT", 10, price=80.0)
    scene.fill(order)
    for what in happens:
        if what == STORED:
            _stored(scene, NAME)
        else:
            forgotten.new_process()
    return order


def _bot(sold_paise: int = 6_500_000, outside_paise: int = 6_500_000) -> Any:
    """A bot that takes the purchase for somebody else's."""
    position = SimpleNamespace(
        symbol=CALL,
        adopted=False,
        entry_value_paise=sold_paise,
        correction_value_paise=0,
        exit_value_paise=0,
        external_value_paise=outside_paise,
        open_quantity=0,
        pnl_paise=sold_paise - outside_paise,
        closed=True,
    )
    positions = SimpleNamespace(
        positions={"1": position},
        open={},
        doubtful={},
        entries_stopped_by=None,
        day_exit_reason="EOD_EXIT",
        pnl_paise=sold_paise - outside_paise,
    )
    orders = SimpleNamespace(orders={}, by_broker_id=lambda _: None, live=lambda *_: [])
    return SimpleNamespace(
        orders=orders,
        positions=positions,
        reconciler=SimpleNamespace(strays=SimpleNamespace(looked_at=set()), halt=None),
        blocked={},
        reconciled=True,
        state="enabled",
        day_over=True,
    )


KNOWABLE = pytest.mark.parametrize(
    ("happens", "lawful"),
    [
        ((DIES,), True),  # The disk never took it.
        ((), False),  # Its process lives, and knows it.
        ((STORED, DIES), False),
        ((DIES, STORED), True),  # Another order of the same name, of the next process.
        ((DIES, DIES), True),
    ],
)


@KNOWABLE
def test_an_order_that_the_disk_never_took_is_no_drift(
    happens: tuple[str, ...], lawful: bool
) -> None:
    """Only when its process is dead, and only when no stored step has it."""

    async def story(scene: Scene) -> None:
        order = _exit(scene, *happens)
        drift = scene.checker._drift
        drift._watched = {order.orderid}
        for _ in range(40):
            drift.look(_bot())
            await scene.wait(1)

    assert (not played(story) & {Drift.FOUND, Drift.RESOLVED}) is lawful


@pytest.mark.parametrize("arrives_late", [False, True])
def test_a_lost_journal_forgets_what_is_still_on_its_way(arrives_late: bool) -> None:
    """It was stored; then the disk lost everything, and the order came to the exchange after that. What
    the exchange had by then can be seen in its books.
    """

    async def story(scene: Scene) -> None:
        forgotten = scene.checker.ledger.forgotten
        scene.short(10)
        forgotten.leaves(_command(10))
        _stored(scene, NAME)
        if arrives_late:
            forgotten.lose_journal()
            forgotten.new_process()
        order = scene.order("BUY", "LIMIT", 10, price=80.0)
        if not arrives_late:
            forgotten.lose_journal()
            forgotten.new_process()
        assert (order.orderid in forgotten) is arrives_late

    played(story)


@KNOWABLE
def test_such_an_order_is_in_no_table(
    tmp_path: Path, happens: tuple[str, ...], lawful: bool
) -> None:
    """Any other must be in it once it has filled."""

    async def story(scene: Scene) -> None:
        order = _exit(scene, *happens)
        others = [o for o in scene.world.venue.books.orders.values() if o is not order]
        for other in others:
            del scene.world.venue.books.orders[other.orderid]
        keep(tmp_path, bot())
        end_of(scene, tmp_path).look(bot())

    assert (check_tables.TABLES_EQUAL not in played(story)) is lawful


@KNOWABLE
def test_the_money_of_such_an_order_is_somebody_elses(
    happens: tuple[str, ...], lawful: bool
) -> None:
    """The bot has booked a close from outside, at what it thinks that cost."""

    async def story(scene: Scene) -> None:
        _exit(scene, *happens)
        scene.checker._money.compare(_bot(outside_paise=6_400_000))

    assert (ProfitAndLoss.NAME not in played(story)) is lawful


def test_an_order_that_is_not_what_was_sent_is_not_excused() -> None:
    """A dead process sent an order for five lots; the one for ten is not that one."""

    async def story(scene: Scene) -> None:
        order = _exit(scene, DIES, sent_lots=5)
        assert order.orderid not in scene.checker.ledger.forgotten

    played(story)


def test_an_order_that_arrives_after_the_death_is_one_of_them() -> None:
    """It was on its way when its process died."""

    async def story(scene: Scene) -> None:
        forgotten = scene.checker.ledger.forgotten
        forgotten.leaves(_command(10))
        forgotten.new_process()
        order = scene.order("BUY", "LIMIT", 10, price=80.0)
        assert order.orderid in forgotten
        again = scene.order("BUY", "LIMIT", 10, price=80.0)
        assert again.orderid not in forgotten

    played(story)


@pytest.mark.parametrize(
    ("dies", "moved", "lawful"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_such_a_stop_that_somebody_moved_is_not_ours_to_take_away(
    dies: bool, moved: bool, lawful: bool
) -> None:
    """It is nowhere on the disk and does not stand where ours would; one that does is taken over."""

    async def story(scene: Scene) -> None:
        forgotten = scene.checker.ledger.forgotten
        scene.short(10)
        stop = msgspec.structs.replace(
            _command(10),
            order_type=OrderType.SL,
            trigger_price_paise=10_100,
            limit_price_paise=10_400,
        )
        forgotten.leaves(stop)
        lost = scene.stop(10)
        if dies:
            forgotten.new_process()
        if moved:
            change = {"pricetype": "SL", "quantity": 650, "price": 106.0, "trigger_price": 103.0}
            scene.world.venue.modify({"orderid": lost.orderid, **change})
        scene.stop(10)
        await scene.wait(7)

    assert played(story) == (set() if lawful else {Cover.STACKED, Cover.NO_POSITION})


@KNOWABLE
@pytest.mark.parametrize("others_lots", [0, 20])
def test_such_a_purchase_may_be_made_again_beside_shorts_of_others(
    happens: tuple[str, ...], lawful: bool, others_lots: int
) -> None:
    """The books show a short that is large enough, and somebody's purchase. Where nobody else is short
    they show that the position is gone.
    """

    async def story(scene: Scene) -> None:
        _exit(scene, *happens)
        scene.by_hand("SELL", others_lots) if others_lots else None
        await scene.wait(3)
        scene.send("placeorder", symbol=CALL, action="BUY", quantity=10 * LOT, pricetype="MARKET")

    assert (Purchases.NAME not in played(story)) is (lawful and others_lots > 0)
