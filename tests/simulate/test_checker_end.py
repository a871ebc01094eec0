"""The checker at the end: what is left over, tables that differ, secrets told, and calls held back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from baseline_v1_live.adapters.journal.store import Journal
from baseline_v1_live.core.messages import OrderType, Purpose, SaveSummary, Side, TimerDue
from baseline_v1_live.runtime.records import OrderRecord, Step
from baseline_v1_live.sim.openalgo_server.books import BookOrder
from baseline_v1_live.simulate import check_end
from baseline_v1_live.simulate.check_end import End
from tests.simulate.checker_scene import CALL, Scene, played

KEY = "a-secret-key"


def engine(**known: Any) -> Any:
    """A bot at the end of its day, with its day over and nothing known unless a test says so."""
    positions = SimpleNamespace(pnl_paise=0, positions={}, day_exit_reason="EOD_EXIT")
    orders = SimpleNamespace(orders={})
    values = {"day_over": True, "state": "halted", "positions": positions, "orders": orders}
    return SimpleNamespace(**(values | known))


def end_of(scene: Scene, folder: Path) -> End:
    checker = scene.checker
    return End(scene.world, scene.chaos, checker.findings, checker.ledger, folder)


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
        "state": "filled",
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


@pytest.mark.parametrize("missing", [0, 65])
def test_an_order_that_the_bot_has_otherwise_is_said(tmp_path: Path, missing: int) -> None:
    """Its fills and their value are the exchange's."""

    async def story(scene: Scene) -> None:
        order = scene.entry()
        scene.fill(order)
        known = SimpleNamespace(
            order_id="entry-1",
            broker_order_id=order.orderid,
            filled_quantity=650 - missing,
            filled_value_paise=order.filled_value_paise,
        )
        end_of(scene, tmp_path).look(engine(orders=SimpleNamespace(orders={"entry-1": known})))

    assert (check_end.ORDERS_EQUAL in played(story)) is bool(missing)


@pytest.mark.parametrize(
    ("stored", "lawful"),
    [
        (None, False),
        ({}, True),
        ({"filled_quantity": 585}, False),
        ({"filled_value_paise": 1}, False),
    ],
)
def test_a_table_that_is_not_the_books_is_said(
    tmp_path: Path, stored: dict[str, Any] | None, lawful: bool
) -> None:
    """An order that filled must be in the table of orders, with its quantity and its money."""

    def act(scene: Scene) -> None:
        order = scene.entry()
        scene.fill(order)
        records = [] if stored is None else [record(order, **stored)]
        step = Step(TimerDue(seq=1, at_ms=scene.open_ms), orders=records)
        journal(tmp_path).commit_steps([step])

    assert (check_end.TABLES_EQUAL not in looked(tmp_path, act)) is lawful


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
