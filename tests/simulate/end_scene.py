"""The end of a day for the checker: a bot that has concluded it, and the journal that it has kept."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from baseline_v1_live.adapters.journal.store import Journal
from baseline_v1_live.core.instruments import OptionType
from baseline_v1_live.core.messages import OrderType, Purpose, SaveSummary, Side, TimerDue
from baseline_v1_live.core.position import Position
from baseline_v1_live.runtime.records import OrderRecord, Step, take_changes
from baseline_v1_live.sim.openalgo_server.books import BookOrder
from tests.simulate.checker_scene import CALL, Scene, end_of, played

DATE = dt.date(2026, 11, 26)


def bot(positions: Iterable[Position] = (), **known: Any) -> Any:
    """A bot at the end of its day, with its day over and nothing known unless a test says so."""
    held = {position.position_id: position for position in positions}
    values = {
        "day_over": True,
        "state": "halted",
        "reconciled": True,
        "session": SimpleNamespace(date=DATE),
        "r_milli": 0,
        "charges_paise": 0,
        "orders": SimpleNamespace(orders={}, changed={}),
        "positions": SimpleNamespace(
            positions=held,
            changed=dict(held),
            day_exit_reason="EOD_EXIT",
            pnl_paise=sum(position.pnl_paise for position in held.values()),
        ),
    }
    return SimpleNamespace(**(values | known))


def journal(folder: Path) -> Journal:
    """The journal of a paper day."""
    (folder / "paper").mkdir(parents=True, exist_ok=True)
    return Journal.open(folder / "paper" / "journal.db")


def keep(folder: Path, engine: Any, *steps: list[OrderRecord]) -> None:
    """Store orders, in a step for each list, and in the last step how the bot has concluded its day."""
    _, positions, trades = take_changes(engine)
    summary = SaveSummary(
        date=DATE.isoformat(),
        exit_reason="EOD_EXIT",
        r_milli=0,
        pnl_paise=engine.positions.pnl_paise,
        charges_paise=0,
        trades=len(trades),
    )
    stored = [
        Step(TimerDue(seq=number, at_ms=1_000 * number), orders=orders)
        for number, orders in enumerate(steps, start=1)
    ]
    end = TimerDue(seq=len(steps) + 1, at_ms=1_000_000)
    stored.append(Step(end, (summary,), positions=positions, trades=trades))
    with journal(folder) as book:
        book.commit_steps(stored)


def looked(
    folder: Path, act: Callable[[Scene], list[OrderRecord] | None], **known: Any
) -> set[str]:
    """The end of a day on which something was done, with the orders that it returns in the journal."""

    async def story(scene: Scene) -> None:
        orders = act(scene) or []
        await scene.wait(1)
        engine = bot(**known)
        keep(folder, engine, orders)
        end_of(scene, folder).look(engine)

    return played(story)


def record(order: BookOrder, **values: Any) -> OrderRecord:
    """An order of the exchange as the bot has it, as far as a test does not say otherwise."""
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


def closed(name: str, symbol: str = CALL, **values: Any) -> Position:
    """A position that is over, sold and bought back by the lot at the same price unless a test says
    otherwise.
    """
    known: dict[str, Any] = {
        "position_id": name,
        "symbol": symbol,
        "option_type": OptionType.CE,
        "lot_size": 65,
        "swing_low_paise": 9_000,
        "stop_trigger_paise": 10_000,
        "opened_at_ms": 1_000,
        "mark_paise": 9_500,
        "entry_quantity": 65,
        "entry_value_paise": 617_500,
        "exit_quantity": 65,
        "exit_value_paise": 617_500,
        "closed_at_ms": 2_000,
        "exit_reason": "EOD_EXIT",
    }
    return Position(**(known | values))
