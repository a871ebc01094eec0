"""What must hold at the healed end: flat, nothing works, tables equal the books, no secret is told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.simulate.chaos import Chaos
from baseline_v1_live.simulate.check_account import Ledger, is_ours
from baseline_v1_live.simulate.check_base import Findings
from baseline_v1_live.simulate.world import World

FLAT, NOTHING_WORKS = "flat at the end", "nothing works at the end"
DAY_OVER, CONVERGES = "the day is over", "converges"
ORDERS_EQUAL, TABLES_EQUAL = "orders equal the books", "tables equal the books"
SECRET, OWN_LIMITS = "no secret is told", "the gateway never had to hold us back"
_PAGE = 0


class End:
    """Looks once, when nothing goes wrong any more and the day is over."""

    def __init__(
        self, world: World, chaos: Chaos, findings: Findings, ledger: Ledger, folder: Path
    ) -> None:
        self._world, self._chaos = world, chaos
        self._findings, self._ledger, self._folder = findings, ledger, folder

    def look(self, engine: Engine | None) -> None:
        """After the end of the day."""
        if not self._findings.hold(CONVERGES, engine is not None, "no bot runs at the end"):
            return
        assert engine is not None
        for symbol, held in sorted(self._ledger.symbols.items()):
            self._findings.hold(FLAT, not held.sure, f"{symbol} {-held.sure:+d}")
            working = [order.orderid for order in held.live.values() if is_ours(order)]
            self._findings.hold(NOTHING_WORKS, not working, f"{symbol} {', '.join(working)}")
        why = f"{engine.state} {engine.positions.day_exit_reason}"
        self._findings.hold(DAY_OVER, engine.day_over, why)
        self._compare_orders(engine)
        if not self._chaos.fired["journal_damaged"]:
            self._compare_tables(engine)
        self._look_at_calls()

    def look_for_secret(self, secret: str, told: Iterator[tuple[str, bytes]] | None = None) -> None:
        """In every file of the state folder, and in what else was ``told`` (name, bytes)."""
        needle = secret.encode()
        for name, data in [*_files(self._folder), *(told or ())]:
            self._findings.hold(SECRET, needle not in data, f"{name} has the key")

    # ------------------------------------------------------------ inside

    def _compare_orders(self, engine: Engine) -> None:
        rows = self._world.venue.books.orders
        for order in engine.orders.orders.values():
            row = rows.get(order.broker_order_id or "")
            if row is None:
                continue
            theirs = (row.filled_quantity, row.filled_value_paise)
            equal = theirs == (order.filled_quantity, order.filled_value_paise)
            what = f"{order.order_id} {order.filled_quantity} of {row.filled_quantity}"
            self._findings.hold(ORDERS_EQUAL, equal, what)

    def _compare_tables(self, engine: Engine) -> None:
        """The journal's tables, as a person would query them, against the exchange's books."""
        stored = dict(_stored_orders(self._folder))
        for order in self._world.venue.books.orders.values():
            if not is_ours(order):
                continue
            row = stored.get(order.orderid)
            if row is None:
                unknown = not order.filled_quantity or order.orderid in self._ledger.forgotten
                equal, what = unknown, "is not in the table"
            else:
                equal = row == (order.filled_quantity, order.filled_value_paise)
                what = f"is {order.filled_quantity} at the exchange, {row[0]} in the table"
            self._findings.hold(TABLES_EQUAL, equal, f"{order.orderid} {what}")
        pnl = engine.positions.pnl_paise
        adopted = any(position.adopted for position in engine.positions.positions.values())
        for name, value in _stored_money(self._folder):
            same = value == pnl or adopted
            what = f"{name} says {value / 100:.2f}, the bot {pnl / 100:.2f}"
            self._findings.hold(TABLES_EQUAL, same, what)

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


def _stored_orders(folder: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    query = "SELECT broker_order_id, filled_quantity, filled_value_paise FROM orders"
    for orderid, filled, value in _asked(folder, query + " WHERE broker_order_id IS NOT NULL"):
        yield str(orderid), (int(filled), int(value))


def _stored_money(folder: Path) -> Iterator[tuple[str, int]]:
    """The day's P&L by the table of positions, and by the summary where there is one."""
    query = "SELECT COALESCE(SUM(sold_value_paise - bought_value_paise), 0) FROM positions"
    for (value,) in _asked(folder, query):
        yield "positions", int(value)
    for (value,) in _asked(folder, "SELECT pnl_paise FROM daily_summary"):
        yield "summary", int(value)
