"""Plays one day before the user's eyes: a progress line while it runs, the day's result, a report.

A run writes one folder, whole or not at all: journal.db, result.json and report.html.
"""

from __future__ import annotations

import errno
import shutil
import tempfile
from pathlib import Path

from rich.box import ROUNDED
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from baseline_v1_live.adapters.journal import Journal
from baseline_v1_live.core.instruments import expiry_code
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import MINUTE_MS, Session, clock_text
from baseline_v1_live.research.replay import Replay
from baseline_v1_live.research.report import rupees_text, write_report
from baseline_v1_live.research.result import DayResult, to_json
from baseline_v1_live.runtime.console import ConsoleNotifier
from baseline_v1_live.sim.day import MarketDay
from baseline_v1_live.sim.exchange import ExchangeModel

TRADING_TAGS = frozenset({"FILL", "EXIT", "R-CHECK", "MARKET-EXIT", "SUMMARY"})
_WIDE = 112
_PLAIN_EVERY_MS = 30 * MINUTE_MS


class _Progress:
    """The live line on a terminal, a plain line each half hour elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status("starting") if console.is_terminal else None
        self._plain_due_ms = 0
        self.replay: Replay | None = None

    def __enter__(self) -> _Progress:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def show(self, at_ms: int) -> None:
        """Called about once a simulated second."""
        replay = self.replay
        if replay is None or at_ms < replay.session.open_ms:
            return
        if self._status is None:
            if at_ms >= self._plain_due_ms and not replay.engine.day_over:
                self._plain_due_ms = at_ms - at_ms % _PLAIN_EVERY_MS + _PLAIN_EVERY_MS
                self._console.print(self._line(replay, at_ms), highlight=False, markup=False)
        elif at_ms % MINUTE_MS < 1_000:
            self._status.update(escape(self._line(replay, at_ms)))

    @staticmethod
    def _line(replay: Replay, at_ms: int) -> str:
        engine = replay.engine
        working = sum(1 for _ in engine.orders.live())
        return (
            f"{clock_text(at_ms)}  R {engine.r_milli / 1000:+.2f}  "
            f"open positions {len(engine.positions.open)}  working orders {working}"
        )


def play_demo(
    day: MarketDay,
    rules: Rules,
    session: Session,
    model: ExchangeModel,
    out: Path,
    console: Console,
) -> DayResult:
    """Play a day, print it, and write its folder ``out``; an older folder there is replaced.

    Raises OSError when the folder cannot be written, JournalError when the journal cannot.
    """
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise FileExistsError(errno.EEXIST, "is not a folder of an earlier run", str(out))
    out.parent.mkdir(parents=True, exist_ok=True)
    # A folder of its own for each run: two runs of one day may go on side by side.
    part = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
    try:
        result = _play(day, rules, session, model, part, console)
        print_day(result, console)
        shutil.rmtree(out, ignore_errors=True)
        part.chmod(0o755)
        part.replace(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    console.print()
    for name in ("report.html", "result.json", "journal.db"):
        console.print(str(out / name), highlight=False, markup=False, soft_wrap=True)
    return result


def _play(
    day: MarketDay,
    rules: Rules,
    session: Session,
    model: ExchangeModel,
    folder: Path,
    console: Console,
) -> DayResult:
    console.print(
        f"{day.source}: {day.date}, expiry {expiry_code(day.expiry)}, ATM {day.atm_paise // 100}, "
        f"{len(day):,} ticks of {len(day.symbols)} symbols",
        highlight=False,
    )
    for note in day.notes:
        console.print(f"note: {note}", highlight=False, markup=False)
    notifier = ConsoleNotifier(
        lambda line: console.print(line, highlight=False, markup=False, soft_wrap=True),
        TRADING_TAGS,
    )
    with Journal.open(folder / "journal.db") as journal, _Progress(console) as progress:
        replay = Replay(
            day, rules, session, model, journal=journal, notifier=notifier, progress=progress.show
        )
        progress.replay = replay
        result = replay.run()
    (folder / "result.json").write_bytes(to_json(result))
    write_report(replay.report_data("Baseline V1 demo day"), folder / "report.html")
    return result


def print_day(result: DayResult, console: Console) -> None:
    """The day as tables: trades, refusals by reason, the final line."""
    console.print()
    if result.trades:
        console.print(_trade_table(result, console))
    else:
        console.print("No trade today.")
    if result.rejections:
        table = Table("why not sold", "times", title="Refusals by reason", title_justify="left")
        for reason, count in sorted(result.rejections.items(), key=lambda item: -item[1]):
            table.add_row(reason, str(count))
        console.print(table)
    day = result.day
    flat = "flat" if day.flat else "NOT FLAT"
    console.print(
        f"Final R: {day.r:+.2f}R  P&L {rupees_text(day.pnl, digits=2, sign=True)} before charges  "
        f"exit {day.exit_reason or 'none'}  {flat}",
        highlight=False,
    )


def _trade_table(result: DayResult, console: Console) -> Table:
    """Entry, stop and exit with their times where there is room, else only what a trade came to."""
    wide = console.width >= _WIDE
    table = Table(title="Trades", title_justify="left", box=None if not wide else ROUNDED)
    names = ("symbol", "qty", "entry", "at", "stop", "exit", "at", "reason", "P&L", "R")
    kept = [wide or index not in (3, 4, 6) for index in range(len(names))]
    for name, keep in zip(names, kept, strict=True):
        right = name in ("qty", "entry", "stop", "exit", "P&L", "R")
        if keep:
            table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for trade in result.trades:
        cells = (
            trade.symbol,
            str(trade.quantity),
            f"{trade.entry_price:.2f}",
            trade.entry_at[11:19],
            f"{trade.stop:.2f}",
            "" if trade.exit_price is None else f"{trade.exit_price:.2f}",
            (trade.exit_at or "")[11:19],
            trade.exit_reason,
            rupees_text(trade.pnl, sign=True),
            f"{trade.r:+.2f}",
        )
        table.add_row(*(cell for cell, keep in zip(cells, kept, strict=True) if keep))
    return table
