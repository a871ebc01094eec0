"""What must hold at the healed end: flat, nothing works, tables equal the books, no secret is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.simulate.check_account import Ledger, is_ours
from baseline_v1_live.simulate.check_base import Findings
from baseline_v1_live.simulate.check_known import Answers, Loss
from baseline_v1_live.simulate.check_tables import Stored, Tables, differences
from baseline_v1_live.simulate.world import World

FLAT, NOTHING_WORKS = "flat at the end", "nothing works at the end"
DAY_OVER, CONVERGES = "the day is over", "converges"
ORDERS_EQUAL = "orders equal the books"
SECRET, OWN_LIMITS = "no secret is told", "the gateway never had to hold us back"
_PAGE = 0


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
        self._tables = Tables(world, findings, ledger, folder, answers=answers, loss=loss)

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
        self._tables.look(engine)
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
                different = differences(ours, row)
                self._findings.hold(ORDERS_EQUAL, not different, f"{row.orderid} {different}")
            else:
                what = f"{order.order_id} {order.state} filled {order.filled_quantity} in no book"
                ended = order.broker_order_id is None and not order.live
                fits = ended and not order.filled_quantity
                self._findings.hold(ORDERS_EQUAL, fits, what)

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
