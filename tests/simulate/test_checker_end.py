"""The checker at the end: what is left over, orders that differ, secrets told, and calls held back."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.runtime.records import OrderRecord
from baseline_v1_live.sim.openalgo_server.books import BookOrder
from baseline_v1_live.simulate import check_end
from tests.simulate.checker_scene import Scene, end_of, played
from tests.simulate.end_scene import bot, looked, record

KEY = "a-secret-key"


def test_a_flat_account_with_nothing_left_is_lawful(tmp_path: Path) -> None:
    """Bought back, and somebody else's position and order are his."""

    def act(scene: Scene) -> list[OrderRecord]:
        entry = scene.entry()
        scene.fill(entry)
        exit_ = scene.order("BUY", "LIMIT", 10, price=80.0)
        scene.fill(exit_)
        scene.by_hand("BUY", 5)
        scene.order("SELL", "SL", strategy="by hand")
        return [record(order) for order in (entry, exit_)]

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

    assert check_end.FLAT in looked(tmp_path / "short", short)
    assert check_end.FLAT in looked(tmp_path / "long", long)


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
        end_of(scene, tmp_path).look(bot(orders=SimpleNamespace(orders={"entry-1": ours})))

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
        end_of(scene, tmp_path).look(bot(orders=SimpleNamespace(orders={"entry-1": ours})))

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

    assert looked(tmp_path / "limited", act) == {check_end.OWN_LIMITS}
    assert looked(tmp_path / "free", lambda _: None) == set()
