"""The checker on the journal's tables: each of them says what the exchange's books say."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from baseline_v1_live.core.messages import OrderAccepted, OrderType, Purpose, Request
from baseline_v1_live.core.order import STRAY
from baseline_v1_live.core.position import Position
from baseline_v1_live.runtime.records import OrderRecord, Step
from baseline_v1_live.sim.openalgo_server.books import BookOrder
from baseline_v1_live.simulate.check_tables import TABLES_EQUAL
from tests.simulate.checker_scene import CALL, LOT, PUT, Scene, end_of, played
from tests.simulate.end_scene import bot, closed, journal, keep, looked, record

# ---------------------------------------------------------------- orders


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

    def act(scene: Scene) -> list[OrderRecord]:
        order = scene.entry()
        scene.fill(order)
        return [] if stored is None else [record(order, **stored)]

    assert (TABLES_EQUAL not in looked(tmp_path, act)) is lawful


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

    assert (TABLES_EQUAL not in looked(tmp_path, act)) is lawful


@pytest.mark.parametrize("forgotten", [True, False])
def test_after_a_lost_journal_what_came_after_it_is_compared(
    tmp_path: Path, forgotten: bool
) -> None:
    """An order of before need not be in the new table; one that was placed since must be."""

    def act(scene: Scene) -> None:
        loss = scene.checker._loss
        if not forgotten:
            loss.begin()
        scene.short()
        if forgotten:
            loss.begin()

    assert (TABLES_EQUAL not in looked(tmp_path, act)) is forgotten


# ---------------------------------------------------------------- fills

_PART, _WHOLE = (5 * LOT, 3_250_000), (10 * LOT, 6_500_000)


@pytest.mark.parametrize(
    ("steps", "lawful"),
    [
        ([_PART, _WHOLE], True),
        ([_WHOLE], True),
        # The price was not known yet, and an estimate stood for it.
        ([(5 * LOT, 3_250_001), _WHOLE], True),
        ([(10 * LOT, 6_500_001), _WHOLE], True),
        ([(4 * LOT, 2_600_000), _WHOLE], False),
        ([_WHOLE, _PART, _WHOLE], False),
    ],
)
def test_fills_are_known_as_they_came(
    tmp_path: Path, steps: list[tuple[int, int]], lawful: bool
) -> None:
    """In one or more steps, none of a number of units at which the order never stood, none backwards;
    money may be an estimate until it is known.
    """

    async def story(scene: Scene) -> None:
        order = scene.entry()
        scene.fill(order, 5)
        scene.fill(order, 5)
        assert (order.filled_quantity, order.filled_value_paise) == _WHOLE
        known = [
            [record(order, filled_quantity=units, filled_value_paise=paise)]
            for units, paise in steps
        ]
        engine = bot()
        keep(tmp_path, engine, *known)
        end_of(scene, tmp_path).look(engine)

    assert (TABLES_EQUAL not in played(story)) is lawful


# ---------------------------------------------------------------- all tables of a trade

_TWICE = """
    CREATE TABLE copy AS SELECT * FROM {0};
    DROP TABLE {0};
    ALTER TABLE copy RENAME TO {0};
    INSERT INTO {0} SELECT * FROM {0};
"""


def _trade(scene: Scene, folder: Path, **changed: Any) -> Any:
    """Ten lots were sold and bought back: the bot that has done it, and its journal."""
    entry = scene.entry()
    scene.fill(entry)
    exit_ = scene.order("BUY", "LIMIT", 10, price=80.0)
    scene.fill(exit_)
    position = closed(
        "entry-1",
        entry_quantity=entry.filled_quantity,
        entry_value_paise=entry.filled_value_paise,
        exit_quantity=exit_.filled_quantity,
        exit_value_paise=exit_.filled_value_paise,
    )
    position = msgspec.structs.replace(position, **changed)
    engine = bot([position])
    reason = changed.get("exit_reason", "")
    keep(folder, engine, [_ours(entry, Purpose.ENTRY, reason), _ours(exit_, Purpose.EXIT, reason)])
    return engine


def _ours(order: BookOrder, purpose: Purpose, reason: str) -> OrderRecord:
    return record(
        order,
        purpose=purpose,
        position_id="entry-1",
        order_type=OrderType.LIMIT,
        reason=reason if reason == STRAY else "",
    )


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "DELETE FROM daily_summary",
        "UPDATE daily_summary SET session = '2026-11-25'",
        "INSERT INTO daily_summary SELECT '2026-11-25', '', 0, 0, 0, 0, 0",
        "UPDATE daily_summary SET pnl_paise = 1",
        "UPDATE daily_summary SET charges_paise = 1",
        "UPDATE daily_summary SET r_milli = 1",
        "UPDATE daily_summary SET trades = 2",
        "UPDATE daily_summary SET exit_reason = 'KILL_SWITCH'",
        "DELETE FROM fills WHERE rowid = 1",
        "UPDATE fills SET filled_quantity = 585 WHERE rowid = 2",
        "UPDATE fills SET filled_value_paise = 1 WHERE rowid = 1",
        _TWICE.format("fills"),
        "INSERT INTO fills SELECT 'entry-9', 65, 1, 1",
        "DELETE FROM trades",
        "UPDATE trades SET position_id = 'entry-9'",
        "UPDATE trades SET pnl_paise = pnl_paise + 1",
        "UPDATE trades SET entry_value_paise = 1",
        "UPDATE trades SET exit_value_paise = 1",
        "UPDATE trades SET quantity = 585",
        "UPDATE trades SET r_milli = r_milli + 1",
        "UPDATE trades SET exit_at_ms = 3000",
        "DELETE FROM positions",
        "UPDATE positions SET quantity = -65",
        "UPDATE positions SET sold_value_paise = 1",
        "DELETE FROM position_legs",
        "UPDATE position_legs SET side = 'BUY'",
        "UPDATE position_legs SET ratio = 2",
        "INSERT INTO position_legs SELECT position_id, 2, symbol, side, ratio FROM position_legs",
    ],
)
def test_a_change_of_any_table_is_said(tmp_path: Path, sql: str) -> None:
    """Summary, fills, trades, positions and legs are compared; as they are stored they are right."""

    async def story(scene: Scene) -> None:
        engine = _trade(scene, tmp_path)
        with closing(sqlite3.connect(tmp_path / "paper" / "journal.db")) as book:
            book.executescript(sql)
        end_of(scene, tmp_path).look(engine)

    assert played(story) == ({TABLES_EQUAL} if sql else set())


@pytest.mark.parametrize(
    ("changed", "lawful"),
    [
        # Bot and tables agree, and both are wrong.
        ({"entry_value_paise": 1}, False),
        ({"exit_quantity": 585, "external_quantity": 65}, False),
        # A short that was taken over has no order of ours that sold it.
        ({"entry_value_paise": 1, "adopted": True}, True),
        ({"exit_value_paise": 1, "exit_reason": STRAY}, True),
    ],
)
def test_a_position_is_what_its_orders_filled(
    tmp_path: Path, changed: dict[str, Any], lawful: bool
) -> None:
    """By the exchange's own fills, unless it or one of its orders was taken over."""

    async def story(scene: Scene) -> None:
        end_of(scene, tmp_path).look(_trade(scene, tmp_path, **changed))

    assert played(story) == (set() if lawful else {TABLES_EQUAL})


def test_what_others_closed_is_in_no_order(tmp_path: Path) -> None:
    """It is the bot's own word, at the price that it knew."""

    async def story(scene: Scene) -> None:
        entry = scene.entry()
        scene.fill(entry)
        scene.by_hand("BUY", 10)
        outside = {"external_quantity": entry.quantity, "external_value_paise": 6_000_000}
        sold = {"entry_quantity": entry.quantity, "entry_value_paise": entry.filled_value_paise}
        position = closed("entry-1", **sold, exit_quantity=0, exit_value_paise=0, **outside)
        engine = bot([position])
        keep(tmp_path, engine, [_ours(entry, Purpose.ENTRY, "")])
        end_of(scene, tmp_path).look(engine)

    assert played(story) == set()


# ---------------------------------------------------------------- symbols and the day


def _two(call: Position, put: Position) -> list[Position]:
    return [
        msgspec.structs.replace(position, adopted=True, entry_value_paise=617_500 + paise)
        for position, paise in ((call, 700), (put, -700))
    ]


@pytest.mark.parametrize(
    ("symbols", "proven", "lawful"),
    [((CALL, PUT), True, True), ((PUT, CALL), True, False), ((CALL, PUT), False, False)],
)
def test_positions_are_compared_symbol_by_symbol(
    tmp_path: Path, symbols: tuple[str, str], proven: bool, lawful: bool
) -> None:
    """Two errors that make up for each other are two errors; and each position is proven closed."""

    async def story(scene: Scene) -> None:
        keep(tmp_path, bot(_two(closed("1", CALL), closed("2", PUT))))
        closed_ms = None if not proven else 2_000
        held = _two(closed("1", symbols[0], closed_at_ms=closed_ms), closed("2", symbols[1]))
        end_of(scene, tmp_path).look(bot(held))

    assert (TABLES_EQUAL not in played(story)) is lawful


def test_a_day_without_a_journal_is_said(tmp_path: Path) -> None:
    """Also a day without a trade has its summary, once it is over."""

    async def story(scene: Scene) -> None:
        end_of(scene, tmp_path).look(bot())

    assert played(story) == {TABLES_EQUAL}
    assert looked(tmp_path, lambda _: None) == set()


def test_the_file_that_the_day_is_in_is_read(tmp_path: Path) -> None:
    """One that was set aside is not the day's journal."""

    async def story(scene: Scene) -> None:
        with journal(tmp_path):
            pass
        (tmp_path / "paper" / "journal.db").rename(tmp_path / "paper" / "journal-damaged.db")
        keep(tmp_path, bot())
        end_of(scene, tmp_path).look(bot())

    assert played(story) == set()
