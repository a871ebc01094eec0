"""What must hold at the healed end: flat, nothing works, tables equal the books, no secret is told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.messages import BrokerStatus
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.sim.openalgo_server.books import BookOrder
from baseline_v1_live.simulate.check_account import Ledger, is_ours
from baseline_v1_live.simulate.check_base import Findings
from baseline_v1_live.simulate.check_known import Answers, Loss
from baseline_v1_live.simulate.world import World

FLAT, NOTHING_WORKS = "flat at the end", "nothing works at the end"
DAY_OVER, CONVERGES = "the day is over", "converges"
ORDERS_EQUAL, TABLES_EQUAL = "orders equal the books", "tables equal the books"
SECRET, OWN_LIMITS = "no secret is told", "the gateway never had to hold us back"
_PAGE = 0
_STATUS: dict[str, str] = {
    OrderState.FILLED: BrokerStatus.COMPLETE,
    OrderState.CANCELLED: BrokerStatus.CANCELLED,
    OrderState.REJECTED: BrokerStatus.REJECTED,
}


class Stored(NamedTuple):
    """A row of the journal's table of orders."""

    order_id: str
    state: str
    quantity: int
    filled_quantity: int
    filled_value_paise: int


class End:
    """Looks once, when nothing goes wrong any more and the day is over."""

    def __init__(
        self,
        world: World,
        findings: Findings,
        ledger: Ledger,
        folder: Path,
        *,
        answers: Answers,
        loss: Loss,
    ) -> None:
        self._world, self._findings = world, findings
        self._ledger, self._folder = ledger, folder
        self._answers, self._loss = answers, loss

    def look(self, engine: Engine | None) -> None:
        """After the end of the day."""
        if not self._findings.hold(CONVERGES, engine is not None, "no bot runs at the end"):
            return
        assert engine is not None
        self._findings.hold(CONVERGES, engine.reconciled, "bot has not read the books at the end")
        for symbol, held in sorted(self._ledger.symbols.items()):
            self._findings.hold(FLAT, not held.left, f"{symbol} {-held.left:+d}")
            working = [order.orderid for order in held.live.values() if is_ours(order)]
            self._findings.hold(NOTHING_WORKS, not working, f"{symbol} {', '.join(working)}")
        why = f"{engine.state} {engine.positions.day_exit_reason}"
        self._findings.hold(DAY_OVER, engine.day_over, why)
        self._compare_orders(engine)
        self._compare_tables(engine)
        self._look_at_calls()

    def look_for_secret(self, secret: str, told: Iterator[tuple[str, bytes]] | None = None) -> None:
        """In every file of the state folder, and in what else was ``told`` (name, bytes)."""
        needle = secret.encode()
        for name, data in [*_files(self._folder), *(told or ())]:
            self._findings.hold(SECRET, needle not in data, f"{name} has the key")

    # ------------------------------------------------------------ inside

    def _compare_orders(self, engine: Engine) -> None:
        """Each order of the bot's own memory with its row: how it ended, and what it filled."""
        rows = self._world.venue.books.orders
        for order in engine.orders.orders.values():
            row = rows.get(order.broker_order_id or "")
            ours = Stored(
                order.order_id,
                order.state,
                order.quantity,
                order.filled_quantity,
                order.filled_value_paise,
            )
            if row is not None:
                self._hold_alike(ORDERS_EQUAL, ours, row)
            else:
                what = f"{order.order_id} {order.state} filled {order.filled_quantity} in no book"
                ended = order.broker_order_id is None and not order.live
                fits = ended and not order.filled_quantity
                self._findings.hold(ORDERS_EQUAL, fits, what)

    def _compare_tables(self, engine: Engine) -> None:
        """The journal's tables, as a person would query them, against the exchange's books."""
        rows, stored = self._world.venue.books.orders, dict(_stored_orders(self._folder))
        for orderid, ours in stored.items():
            there = orderid in rows
            if self._findings.hold(TABLES_EQUAL, there, f"{orderid} is in no book"):
                self._hold_alike(TABLES_EQUAL, ours, rows[orderid])
        for row in rows.values():
            if is_ours(row) and row.orderid not in stored:
                what = f"{row.orderid} of {row.filled_quantity} filled is not in the table"
                self._findings.hold(TABLES_EQUAL, not self._could_know(row), what)
        self._compare_positions(engine)

    def _could_know(self, row: BookOrder) -> bool:
        """Whether the bot could know an order of ours: it filled, or its answer was heard and kept."""
        if self._loss.forgot(row.orderid) or row.orderid in self._ledger.forgotten:
            return False
        return bool(row.filled_quantity) or self._answers.has_named(row.orderid)

    def _compare_positions(self, engine: Engine) -> None:
        """Symbol by symbol; what nobody remembers the books of after a lost journal is the bot's word."""
        positions = engine.positions.positions.values()
        stored = dict(_stored_positions(self._folder))
        for symbol in sorted(stored.keys() | {position.symbol for position in positions}):
            believed = [position for position in positions if position.symbol == symbol]
            ours = (sum(p.pnl_paise for p in believed), sum(p.open_quantity for p in believed))
            value, quantity = stored.get(symbol, (0, 0))
            what = f"{symbol} has {value / 100:.2f} and {quantity:+d} open in the table"
            same = (value, -quantity) == ours
            self._findings.hold(TABLES_EQUAL, same, f"{what}, the bot {ours[0] / 100:.2f}")
            unproven = sum(not position.closed for position in believed)
            what = f"{symbol} has {unproven} positions that are not proven closed"
            self._findings.hold(TABLES_EQUAL, not unproven, what)
        pnl = engine.positions.pnl_paise
        for (stored_paise,) in _asked(self._folder, "SELECT pnl_paise FROM daily_summary"):
            what = f"summary says {int(stored_paise) / 100:.2f}, the bot {pnl / 100:.2f}"
            self._findings.hold(TABLES_EQUAL, stored_paise == pnl, what)

    def _hold_alike(self, invariant: str, ours: Stored, row: BookOrder) -> None:
        """Whether an order of ours and its row of the books say the same."""
        theirs = Stored(
            ours.order_id, row.status, row.quantity, row.filled_quantity, row.filled_value_paise
        )
        ours = ours._replace(state=_STATUS.get(ours.state, ours.state))
        different = [
            f"{name} {here} here, {there} in the books"
            for name, here, there in zip(Stored._fields, ours, theirs, strict=True)
            if here != there
        ]
        self._findings.hold(invariant, not different, f"{row.orderid} {', '.join(different)}")

    def _look_at_calls(self) -> None:
        """429 by the gateway's own limits is our doing; a simulated trouble never gets there."""
        since, more, limited = _PAGE, True, 0
        while more:
            page = self._world.venue.audit.page(since)
            limited += sum(1 for row in page["rows"] if row.get("limited"))
            since, more = page["next"], page["more"]
        self._findings.hold(OWN_LIMITS, not limited, f"{limited} calls were too many")


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path), path.read_bytes()


def _asked(folder: Path, query: str) -> Iterator[tuple[int | str, ...]]:
    for path in sorted(folder.glob("*/journal.db")):
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as journal:
            yield from journal.execute(query)


def _stored_orders(folder: Path) -> Iterator[tuple[str, Stored]]:
    query = (
        "SELECT broker_order_id, order_id, state, quantity, filled_quantity, filled_value_paise "
        "FROM orders WHERE broker_order_id IS NOT NULL"
    )
    for broker_order_id, name, state, *numbers in _asked(folder, query):
        yield str(broker_order_id), Stored(str(name), str(state), *map(int, numbers))


def _stored_positions(folder: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    """By symbol: the money of the table of positions, and what is open in it."""
    query = (
        "SELECT symbol, SUM(sold_value_paise - bought_value_paise), SUM(quantity) FROM positions "
        "GROUP BY symbol"
    )
    for symbol, value, quantity in _asked(folder, query):
        yield str(symbol), (int(value), int(quantity))
