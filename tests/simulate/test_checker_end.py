"""The checker at the end: what is left over, tables that differ, secrets told, and calls held back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from baseline_v1_live.adapters.journal.store import Journal
from baseline_v1_live.core.instruments import OptionType
from baseline_v1_live.core.messages import (
    OrderAccepted,
    OrderType,
    Purpose,
    Request,
    SaveSummary,
    Side,
    TimerDue,
)
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.runtime.records import OrderRecord, PositionRecord, Step
from baseline_v1_live.sim.openalgo_server.books import BookOrder
from baseline_v1_live.simulate import check_end
from tests.simulate.checker_scene import CALL, PUT, Scene, end_of, played

KEY = "a-secret-key"


def engine(**known: Any) -> Any:
    """A bot at the end of its day, with its day over and nothing known unless a test says so."""
    positions = SimpleNamespace(pnl_paise=0, positions={}, day_exit_reason="EOD_EXIT")
    orders = SimpleNamespace(orders={})
    values = {"day_over": True, "state": "halted", "positions": positions, "orders": orders}
    values["reconciled"] = True
    return SimpleNamespace(**(values | known))


def journal(folder: Path) -> Journal:
    (folder / "paper").mkdir(exist_ok=True)
    return Journal.open(folder / "paper" / "journal.db")


def looked(folder: Path, act: Callable[[Scene], None], **known: Any) -> set[str]:
    """The end of a day on which something was done."""

    async def story(scene: Scene) -> None:
        act(scene)
        await scene.wait(1)
        end_of(scene, folder).look(engine(**known))

    return played(story)


def record(order: BookOrder, **values: Any) -> OrderRecord:
    known: dict[str, Any] = {
        "order_id": f"2026-11-26-entry-{order.orderid}",
        "session": "2026-11-26",
        "symbol": CALL,
        "side": Side(order.action),
        "order_type": OrderType.SL,
        "purpose": Purpose.ENTRY,
        "quantity": order.quantity,
        "trigger_price_paise": 0,
        "limit_price_paise": 0,
        "state": "filled" if order.status == "complete" else str(order.status),
        "broker_order_id": order.orderid,
        "filled_quantity": order.filled_quantity,
        "filled_value_paise": order.filled_value_paise,
    }
    return OrderRecord(**(known | values))


def test_a_flat_account_with_nothing_left_is_lawful(tmp_path: Path) -> None:
    """Bought back, and somebody else's position and order are his."""

    def act(scene: Scene) -> None:
        book = journal(tmp_path)
        entry = scene.entry()
        scene.fill(entry)
        exit_ = scene.order("BUY", "LIMIT", 10, price=80.0)
        scene.fill(exit_)
        scene.by_hand("BUY", 5)
        scene.order("SELL", "SL", strategy="by hand")
        records = [record(order) for order in (entry, exit_)]
        book.commit_steps([Step(TimerDue(seq=1, at_ms=scene.open_ms), orders=records)])

    assert looked(tmp_path, act) == set()


def test_no_bot_at_the_end_is_said(tmp_path: Path) -> None:
    """There must be one."""

    async def story(scene: Scene) -> None:
        end_of(scene, tmp_path).look(None)

    assert played(story) == {check_end.CONVERGES}


def test_a_bot_that_has_not_read_the_books_at_the_end_is_said(tmp_path: Path) -> None:
    """One that runs and compares itself with nothing has not converged."""
    assert looked(tmp_path, lambda _: None, reconciled=False) == {check_end.CONVERGES}


def test_a_day_that_is_not_over_is_said(tmp_path: Path) -> None:
    """The bot itself must know it."""
    assert looked(tmp_path, lambda _: None, day_over=False) == {check_end.DAY_OVER}


def test_a_position_of_ours_at_the_end_is_said(tmp_path: Path) -> None:
    """And so is a long that our stop made of what somebody had closed, although it looks like his."""

    def short(scene: Scene) -> None:
        scene.short()

    def long(scene: Scene) -> None:
        scene.short()
        stop = scene.stop()
        scene.by_hand("BUY", 5)
        scene.fill(stop)

    assert check_end.FLAT in looked(tmp_path, short)
    assert check_end.FLAT in looked(tmp_path, long)


def test_an_order_of_ours_at_the_end_is_said(tmp_path: Path) -> None:
    """It may yet fill."""

    def act(scene: Scene) -> None:
        scene.entry()

    assert looked(tmp_path, act) == {check_end.NOTHING_WORKS}


@pytest.mark.parametrize(
    ("known", "lawful"),
    [
        ({}, True),
        ({"filled_quantity": 585}, False),
        ({"filled_value_paise": 1}, False),
        ({"state": OrderState.CANCELLED}, False),
        ({"state": OrderState.OPEN}, False),
        ({"quantity": 715}, False),
    ],
)
def test_an_order_that_the_bot_has_otherwise_is_said(
    tmp_path: Path, known: dict[str, Any], lawful: bool
) -> None:
    """Its end, its quantity, its fills and their value are the exchange's."""

    async def story(scene: Scene) -> None:
        order = scene.entry()
        scene.fill(order)
        ours = remembered(order, **known)
        end_of(scene, tmp_path).look(engine(orders=SimpleNamespace(orders={"entry-1": ours})))

    assert (check_end.ORDERS_EQUAL not in played(story)) is lawful


@pytest.mark.parametrize(
    ("known", "lawful"),
    [
        ({"broker_order_id": None, "state": OrderState.NOT_PLACED, "live": False}, True),
        ({"broker_order_id": None, "state": OrderState.UNKNOWN}, False),
        ({"broker_order_id": "made-up", "state": OrderState.CANCELLED, "live": False}, False),
    ],
)
def test_an_order_that_is_in_no_book_is_said_unless_it_never_was(
    tmp_path: Path, known: dict[str, Any], lawful: bool
) -> None:
    """One that the broker never had has no name, and is over."""

    async def story(scene: Scene) -> None:
        order = scene.entry()
        scene.cancel(order)
        ours = remembered(order, **known)
        end_of(scene, tmp_path).look(engine(orders=SimpleNamespace(orders={"entry-1": ours})))

    assert (check_end.ORDERS_EQUAL not in played(story)) is lawful


def remembered(order: BookOrder, **known: Any) -> Any:
    """What the bot knows of an order that has filled whole, as far as a test does not say otherwise."""
    values = {
        "order_id": "entry-1",
        "broker_order_id": order.orderid,
        "state": OrderState.FILLED,
        "live": True,
        "quantity": order.quantity,
        "filled_quantity": order.filled_quantity,
        "filled_value_paise": order.filled_value_paise,
    }
    return SimpleNamespace(**(values | known))


@pytest.mark.parametrize(
    ("stored", "lawful"),
    [
        (None, False),
        ({}, True),
        ({"filled_quantity": 585}, False),
        ({"filled_value_paise": 1}, False),
        ({"state": "cancelled"}, False),
        ({"broker_order_id": "made-up"}, False),
    ],
)
def test_a_table_that_is_not_the_books_is_said(
    tmp_path: Path, stored: dict[str, Any] | None, lawful: bool
) -> None:
    """An order that filled must be in the table of orders, with its end, its quantity and its money."""

    def act(scene: Scene) -> None:
        order = scene.entry()
        scene.fill(order)
        records = [] if stored is None else [record(order, **stored)]
        step = Step(TimerDue(seq=1, at_ms=scene.open_ms), orders=records)
        journal(tmp_path).commit_steps([step])

    assert (check_end.TABLES_EQUAL not in looked(tmp_path, act)) is lawful


@pytest.mark.parametrize(
    ("answered", "stored", "killed", "lawful"),
    [
        (False, False, False, True),
        (True, False, False, False),
        (True, False, True, True),
        (True, True, True, False),
    ],
)
def test_an_order_without_a_fill_is_missing_only_where_its_answer_got_lost(
    tmp_path: Path, answered: bool, stored: bool, killed: bool, lawful: bool
) -> None:
    """On the way, or with the process that had heard it and could not store it."""

    def act(scene: Scene) -> None:
        journal(tmp_path)
        order, answers = scene.entry(), scene.checker._answers
        answer = OrderAccepted(
            seq=2, order_id="entry-1", request=Request.PLACE, broker_order_id=order.orderid
        )
        if answered:
            answers.hear(answer, ())
        if stored:
            answers.stored([Step(answer)])
        if killed:
            answers.new_process()
        scene.cancel(order)

    assert (check_end.TABLES_EQUAL not in looked(tmp_path, act)) is lawful


@pytest.mark.parametrize("forgotten", [True, False])
def test_after_a_lost_journal_what_came_after_it_is_compared(
    tmp_path: Path, forgotten: bool
) -> None:
    """An order of before need not be in the new table; one that was placed since must be."""

    def act(scene: Scene) -> None:
        journal(tmp_path)
        loss = scene.checker._loss
        if not forgotten:
            loss.begin()
        scene.short()
        if forgotten:
            loss.begin()

    assert (check_end.TABLES_EQUAL not in looked(tmp_path, act)) is forgotten


@pytest.mark.parametrize(
    ("symbols", "closed", "lawful"),
    [((CALL, PUT), True, True), ((PUT, CALL), True, False), ((CALL, PUT), False, False)],
)
def test_positions_are_compared_symbol_by_symbol(
    tmp_path: Path, symbols: tuple[str, str], closed: bool, lawful: bool
) -> None:
    """Two errors that make up for each other are two errors; and each position is proven closed."""
    held = {
        str(paise): SimpleNamespace(symbol=symbol, pnl_paise=paise, open_quantity=0, closed=closed)
        for symbol, paise in zip(symbols, (700, -700), strict=True)
    }
    known = SimpleNamespace(pnl_paise=0, positions=held, day_exit_reason="EOD_EXIT")
    records = [
        PositionRecord(
            position_id=symbol,
            session="2026-11-26",
            symbol=symbol,
            option_type=OptionType.CE,
            lot_size=65,
            quantity=0,
            sold_quantity=65,
            sold_value_paise=6_500 + paise,
            bought_quantity=65,
            bought_value_paise=6_500,
            stop_trigger_paise=0,
            swing_low_paise=0,
            risk_per_unit_paise=0,
            opened_at_ms=1,
        )
        for symbol, paise in ((CALL, 700), (PUT, -700))
    ]

    def act(scene: Scene) -> None:
        step = Step(TimerDue(seq=1, at_ms=scene.open_ms), positions=records)
        journal(tmp_path).commit_steps([step])

    assert (check_end.TABLES_EQUAL not in looked(tmp_path, act, positions=known)) is lawful


@pytest.mark.parametrize("pnl", [0, 100])
def test_a_summary_that_is_not_the_days_money_is_said(tmp_path: Path, pnl: int) -> None:
    """The table of summaries has the P&L that the bot has."""
    summary = SaveSummary(
        date="2026-11-26",
        exit_reason="EOD_EXIT",
        r_milli=0,
        pnl_paise=pnl,
        charges_paise=0,
        trades=0,
    )

    def act(scene: Scene) -> None:
        journal(tmp_path).commit_steps([Step(TimerDue(seq=1, at_ms=scene.open_ms), (summary,))])

    assert (check_end.TABLES_EQUAL in looked(tmp_path, act)) is bool(pnl)


def test_a_key_in_a_file_or_a_notice_is_said(tmp_path: Path) -> None:
    """In any file of the state folder, or in what was told."""
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper" / "bot.log").write_text("connected with ***")

    async def clean(scene: Scene) -> None:
        end_of(scene, tmp_path).look_for_secret(KEY, iter([("notice", b"all is well")]))
        assert scene.checker.checks[check_end.SECRET] == 2

    async def told(scene: Scene) -> None:
        end_of(scene, tmp_path).look_for_secret(KEY, iter([("notice", KEY.encode())]))

    async def written(scene: Scene) -> None:
        (tmp_path / "paper" / "journal.db-wal").write_bytes(b"\0\1" + KEY.encode() + b"\0")
        end_of(scene, tmp_path).look_for_secret(KEY)

    assert played(clean) == set()
    assert played(told) == {check_end.SECRET}
    assert played(written) == {check_end.SECRET}


def test_calls_that_the_gateway_had_to_hold_back_are_said(tmp_path: Path) -> None:
    """A 429 of its own limits is our doing."""

    def act(scene: Scene) -> None:
        audit = scene.world.venue.audit
        audit.call(scene.open_ms, "orderbook", None)
        assert not scene.said()
        audit.call(scene.open_ms, "orderbook", None, limited=True)

    assert looked(tmp_path, act) == {check_end.OWN_LIMITS}
    assert looked(tmp_path, lambda _: None) == set()
