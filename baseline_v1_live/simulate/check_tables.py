"""Whether the journal's tables say at the end of the day what the exchange's books say.

They are read as a person would query them. Each order is compared with its row of the books, how it came
to be filled with the exchange's fills, each position and trade with all that its orders filled, and the
day's summary with the trades.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from baseline_v1_live.adapters.journal.files import journal_file
from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.messages import BrokerStatus, Side
from baseline_v1_live.core.order import STRAY
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.core.position import Position
from baseline_v1_live.sim.openalgo_server.books import BookOrder
from baseline_v1_live.simulate.check_account import Ledger, is_ours
from baseline_v1_live.simulate.check_base import Findings
from baseline_v1_live.simulate.check_known import Answers, Loss
from baseline_v1_live.simulate.world import World

TABLES_EQUAL = "tables equal the books"
_STATUS: dict[str, str] = {
    OrderState.FILLED: BrokerStatus.COMPLETE,
    OrderState.CANCELLED: BrokerStatus.CANCELLED,
    OrderState.REJECTED: BrokerStatus.REJECTED,
}
_Row = dict[str, Any]


class Stored(NamedTuple):
    """An order as the bot has it."""

    order_id: str
    state: str
    quantity: int
    filled_quantity: int
    filled_value_paise: int


class Filled(NamedTuple):
    """Units and money of some fills together."""

    quantity: int = 0
    value_paise: int = 0

    def plus(self, row: BookOrder) -> Filled:
        """These and an order's."""
        return Filled(
            self.quantity + row.filled_quantity, self.value_paise + row.filled_value_paise
        )


def differences(ours: Stored, row: BookOrder) -> str:
    """In what an order of ours is not its row of the books; empty where both say the same."""
    theirs = Stored(
        ours.order_id, row.status, row.quantity, row.filled_quantity, row.filled_value_paise
    )
    ours = ours._replace(state=_STATUS.get(ours.state, ours.state))
    return ", ".join(
        f"{name} {here} here, {there} in the books"
        for name, here, there in zip(Stored._fields, ours, theirs, strict=True)
        if here != there
    )


class Tables:
    """Looks once, when the day is over and all is stored."""

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
        self._rows = world.venue.books.orders
        self._findings, self._ledger, self._folder = findings, ledger, folder
        self._answers, self._loss = answers, loss

    def look(self, engine: Engine) -> None:
        """Compare table by table."""
        orders = self._read("orders")
        self._compare_orders(orders)
        self._compare_fills(orders)
        positions, trades = self._read("positions"), self._read("trades")
        self._compare_symbols(engine, positions)
        self._compare_parts(engine, orders, positions)
        self._compare_trades(engine, positions, trades)
        self._compare_legs(positions)
        self._compare_summary(engine, trades)

    def _hold(self, ok: bool, what: str) -> bool:
        return self._findings.hold(TABLES_EQUAL, ok, what)

    def _read(self, table: str) -> list[_Row]:
        """The rows of a table in the order in which they were stored first."""
        found: list[_Row] = []
        for path in sorted({journal_file(file.parent) for file in self._folder.glob("*/*.db")}):
            uri = f"{path.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True)) as journal:
                asked = journal.execute(f"SELECT * FROM {table} ORDER BY rowid")
                names = [column[0] for column in asked.description]
                found += [dict(zip(names, row, strict=True)) for row in asked]
        return found

    # ------------------------------------------------------------ orders and how they filled

    def _compare_orders(self, orders: list[_Row]) -> None:
        stored = {row["broker_order_id"]: row for row in orders if row["broker_order_id"]}
        for orderid, ours in stored.items():
            if self._hold(orderid in self._rows, f"{orderid} is in no book"):
                values = Stored(*(ours[name] for name in Stored._fields))
                different = differences(values, self._rows[orderid])
                self._hold(not different, f"{orderid} {different}")
        for row in self._rows.values():
            if is_ours(row) and row.orderid not in stored:
                what = f"{row.orderid} of {row.filled_quantity} filled is not in the table"
                self._hold(not self._could_know(row), what)

    def _could_know(self, row: BookOrder) -> bool:
        """Whether the bot could know an order of ours: it filled, or its answer was heard and kept."""
        if self._loss.forgot(row.orderid) or row.orderid in self._ledger.forgotten:
            return False
        return bool(row.filled_quantity) or self._answers.has_named(row.orderid)

    def _compare_fills(self, orders: list[_Row]) -> None:
        """A row each time that more was known. On the way it may have an estimate of the money; it ends
        with what the exchange has, and no number of units is one that the order never stood at.
        """
        known: defaultdict[str, list[Filled]] = defaultdict(list)
        for fill in self._read("fills"):
            step = Filled(fill["filled_quantity"], fill["filled_value_paise"])
            known[fill["order_id"]].append(step)
        for order in orders:
            name, orderid = order["order_id"], order["broker_order_id"]
            row = self._rows.get(orderid or "")
            steps, end, stood = known.pop(name, []), Filled(), {0}
            for part in row.fills if row is not None else ():
                end = Filled(end.quantity + part.quantity, end.value_paise + part.value_paise)
                stood.add(end.quantity)
            last = steps[-1] if steps else Filled()
            told = f"{name} fills end with {last.quantity} for {last.value_paise / 100:.2f}"
            what = f"{told}, the books with {end.quantity} for {end.value_paise / 100:.2f}"
            self._hold(last == end, what)
            grows = all(one.quantity <= two.quantity for one, two in pairwise(steps))
            once = len(set(steps)) == len(steps)
            real = all(step.quantity in stood for step in steps)
            numbers = ", ".join(str(step.quantity) for step in steps)
            self._hold(grows and once and real, f"{name}'s fills are stored as {numbers}")
        self._hold(not known, f"{', '.join(sorted(known))} have fills and no order")

    # ------------------------------------------------------------ positions and trades

    def _compare_symbols(self, engine: Engine, positions: list[_Row]) -> None:
        """Symbol by symbol; what nobody remembers the books of after a lost journal is the bot's word."""
        held = engine.positions.positions.values()
        pnl: Counter[str] = Counter()
        open_: Counter[str] = Counter()
        for row in positions:
            pnl[row["symbol"]] += row["sold_value_paise"] - row["bought_value_paise"]
            open_[row["symbol"]] -= row["quantity"]
        for symbol in sorted(pnl.keys() | {position.symbol for position in held}):
            believed = [position for position in held if position.symbol == symbol]
            ours = (sum(p.pnl_paise for p in believed), sum(p.open_quantity for p in believed))
            value, quantity = pnl[symbol], open_[symbol]
            what = f"{symbol} has {value / 100:.2f} and {-quantity:+d} open in the table"
            self._hold((value, quantity) == ours, f"{what}, the bot {ours[0] / 100:.2f}")
            unproven = sum(not position.closed for position in believed)
            self._hold(not unproven, f"{symbol} has {unproven} positions not proven closed")

    def _compare_parts(self, engine: Engine, orders: list[_Row], positions: list[_Row]) -> None:
        """What a position sold and bought is what the exchange's rows of its orders filled, and what
        others have closed of it, at the price that the bot knew. Not where a position or an order was
        taken over: what that had filled before is not known by its fills.
        """
        filled: defaultdict[tuple[str, bool], Filled] = defaultdict(Filled)
        taken = {row["position_id"] for row in orders if row["reason"] == STRAY}
        for order in orders:
            row = self._rows.get(order["broker_order_id"] or "")
            if row is not None:
                key = order["position_id"], order["side"] == Side.SELL
                filled[key] = filled[key].plus(row)
        for stored in positions:
            name = stored["position_id"]
            position = engine.positions.positions.get(name)
            if not self._hold(position is not None, f"{name} is not known to the bot"):
                continue
            assert position is not None
            if position.adopted or name in taken:
                continue
            sold = Filled(stored["sold_quantity"], stored["sold_value_paise"])
            bought = Filled(
                stored["bought_quantity"] - position.external_quantity,
                stored["bought_value_paise"] - position.external_value_paise,
            )
            for word, ours, sells in (("sold", sold, True), ("bought", bought, False)):
                theirs = filled[name, sells]
                what = f"{name} {word} {ours.quantity} for {ours.value_paise / 100:.2f}"
                what += f", its orders {theirs.quantity} for {theirs.value_paise / 100:.2f}"
                self._hold(ours == theirs, what)

    def _compare_trades(self, engine: Engine, positions: list[_Row], trades: list[_Row]) -> None:
        """Each position is a trade by now, with the position's own numbers."""
        stored = {row["position_id"]: row for row in trades}
        held = {row["position_id"]: row for row in positions}
        for name in sorted(stored.keys() | held.keys() | engine.positions.positions.keys()):
            position = engine.positions.positions.get(name)
            there = name in stored and name in held and position is not None
            if not self._hold(there, f"{name} is not a position and a trade"):
                continue
            assert position is not None
            trade, row = stored[name], held[name]
            expected = _trade(position, row)
            different = [key for key, value in expected.items() if trade[key] != value]
            self._hold(not different, f"{name} differs from its trade in {', '.join(different)}")

    def _compare_legs(self, positions: list[_Row]) -> None:
        """A plain position has one leg, a sale of its own symbol."""
        columns = ("position_id", "leg", "symbol", "side", "ratio")
        legs = sorted(tuple(row[name] for name in columns) for row in self._read("position_legs"))
        due = sorted((row["position_id"], 1, row["symbol"], "SELL", 1) for row in positions)
        wrong = {str(leg[0]) for leg in set(legs) ^ set(due)}
        self._hold(legs == due, f"{', '.join(sorted(wrong)) or 'legs'} have other legs than one")

    def _compare_summary(self, engine: Engine, trades: list[_Row]) -> None:
        """The day has one row, of its trades."""
        date = engine.session.date.isoformat()
        rows = self._read("daily_summary")
        days = ", ".join(row["session"] for row in rows) or "none"
        if not self._hold([row["session"] for row in rows] == [date], f"summaries are of {days}"):
            return
        due = {
            "exit_reason": engine.positions.day_exit_reason,
            "pnl_paise": sum(row["pnl_paise"] for row in trades),
            "r_milli": engine.r_milli,
            "charges_paise": engine.charges_paise,
            "trades": len(trades),
        }
        for name, value in due.items():
            what = f"summary has {name} {rows[0][name]} instead of {value}"
            self._hold(rows[0][name] == value, what)


def _trade(position: Position, row: _Row) -> _Row:
    """A position's trade, of the table's own row of it; what it has corrected is in its result alone."""
    pnl_paise = row["sold_value_paise"] - row["bought_value_paise"]
    risk_paise = row["risk_per_unit_paise"] * position.entry_quantity
    return {
        "session": row["session"],
        "symbol": row["symbol"],
        "quantity": row["sold_quantity"] - position.correction_quantity,
        "entry_value_paise": row["sold_value_paise"] - position.correction_value_paise,
        "exit_value_paise": row["bought_value_paise"],
        "entry_at_ms": row["opened_at_ms"],
        "exit_at_ms": row["closed_at_ms"],
        "stop_trigger_paise": row["stop_trigger_paise"],
        "exit_reason": row["exit_reason"] or "",
        "pnl_paise": pnl_paise,
        "r_milli": round(pnl_paise * 1000 / risk_paise) if risk_paise else 0,
    }
