"""Plays one day before the user's eyes: a progress line while it runs, the day's result, a report.

A run writes one folder, whole or not at all: journal.db, result.json and report.html.
"""

from __future__ import annotations

import asyncio
import errno
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from rich.box import ROUNDED
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.instruments import expiry_code
from baseline_v1_live.core.messages import Notify
from baseline_v1_live.core.session import MINUTE_MS, clock_text
from baseline_v1_live.research.gather import day_result, report_data
from baseline_v1_live.research.report import rupees_text, write_report
from baseline_v1_live.research.result import DayResult, to_json
from baseline_v1_live.runtime.console import ConsoleNotifier
from baseline_v1_live.sim.day import MarketDay

TRADING_TAGS = frozenset({"FILL", "EXIT", "R-CHECK", "MARKET-EXIT", "LIMIT-EXIT", "SUMMARY"})
_WIDE = 112
_PLAIN_EVERY_MS = 30 * MINUTE_MS
_LOOK_EVERY_S = 0.02
_ADDRESS = re.compile(r"REST (\S+)  WebSocket (\S+)")


class DemoError(Exception):
    """The demonstration cannot be given; its text is one line."""


class _Progress:
    """The live line on a terminal, a plain line each half hour elsewhere; and the day's R curve."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status("starting") if console.is_terminal else None
        self._plain_due_ms = 0
        self.engine: Engine | None = None
        self.r_curve: list[tuple[int, int]] = []

    def __enter__(self) -> _Progress:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    async def watch(self) -> None:
        """Look at the engine as long as it runs."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            engine = self.engine
            if engine is None:
                continue
            at_ms = engine.orders.now_ms
            if at_ms < engine.session.open_ms:
                continue
            if not self.r_curve or at_ms > self.r_curve[-1][0]:
                self.r_curve.append((at_ms, engine.r_milli))
            self._show(engine, at_ms)

    def _show(self, engine: Engine, at_ms: int) -> None:
        if self._status is not None:
            self._status.update(escape(_line(engine, at_ms)))
        elif at_ms >= self._plain_due_ms and not engine.day_over:
            self._plain_due_ms = at_ms - at_ms % _PLAIN_EVERY_MS + _PLAIN_EVERY_MS
            self._console.print(_line(engine, at_ms), highlight=False, markup=False)


def _line(engine: Engine, at_ms: int) -> str:
    working = sum(1 for _ in engine.orders.live())
    return (
        f"{clock_text(at_ms)}  R {engine.r_milli / 1000:+.2f}  "
        f"open positions {len(engine.positions.open)}  working orders {working}"
    )


class Gateway(msgspec.Struct, frozen=True):
    """Where a running openalgo-sim is: REST and stream."""

    url: str
    ws_url: str


RunBot = Callable[
    [Gateway, Path, Callable[[Notify, int], None], Callable[[Engine], None]], Awaitable[int]
]


def play_demo(
    day: MarketDay, serve: Sequence[str], run_bot: RunBot, out: Path, console: Console
) -> int:
    """Have a day served by another process, trade it, print it, and write its folder ``out``.

    ``serve`` is the command line that serves ``day``, ``run_bot`` the live loop: it gets the gateway,
    a folder for its state, a listener for what it says and one for its engine, and returns the
    process's exit code, which is returned here. An older folder at ``out`` is replaced. Raises OSError
    when the folder cannot be written, DemoError when the day cannot be served.
    """
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise FileExistsError(errno.EEXIST, "is not a folder of an earlier run", str(out))
    out.parent.mkdir(parents=True, exist_ok=True)
    # A folder of its own for each run: two runs of one day may go on side by side.
    part = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
    try:
        code = asyncio.run(_play(day, serve, run_bot, part, console))
        shutil.rmtree(out, ignore_errors=True)
        part.chmod(0o755)
        part.replace(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    console.print()
    for path in sorted(out.iterdir()):
        console.print(str(path), highlight=False, markup=False, soft_wrap=True)
    return code


async def _play(
    day: MarketDay, serve: Sequence[str], run_bot: RunBot, folder: Path, console: Console
) -> int:
    console.print(
        f"{day.source}: {day.date}, expiry {expiry_code(day.expiry)}, ATM {day.atm_paise // 100}, "
        f"{len(day):,} ticks of {len(day.symbols)} symbols",
        highlight=False,
    )
    for note in day.notes:
        console.print(f"note: {note}", highlight=False, markup=False)
    console_lines = ConsoleNotifier(
        lambda line: console.print(line, highlight=False, markup=False, soft_wrap=True),
        TRADING_TAGS,
    )
    with _Progress(console) as progress:

        def started(engine: Engine) -> None:
            progress.engine = engine

        watch = asyncio.get_running_loop().create_task(progress.watch())
        try:
            async with _served(serve) as gateway:
                state = folder / "state"
                code = await run_bot(gateway, state, console_lines.notify, started)
        finally:
            watch.cancel()
    engine = progress.engine
    if engine is None:
        raise DemoError("the bot did not start; see the lines above")
    result = day_result(engine, flat=engine.positions.flat)
    print_day(result, console)
    (folder / "result.json").write_bytes(to_json(result))
    data = report_data(engine, day, result, "Baseline V1 demo day", progress.r_curve)
    write_report(data, folder / "report.html")
    for path in state.glob("*/journal.db"):
        path.replace(folder / path.name)
    shutil.rmtree(state)
    return code


@asynccontextmanager
async def _served(serve: Sequence[str]) -> AsyncIterator[Gateway]:
    """The day's gateway as a process of its own, ended with the block."""
    server = await asyncio.create_subprocess_exec(
        *serve,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        # The terminal's Ctrl-C is for the bot; this process is ended below.
        start_new_session=True,
    )
    assert server.stdout is not None
    try:
        said = ""
        while line := (await server.stdout.readline()).decode():
            address = _ADDRESS.search(line)
            if address is not None:
                yield Gateway(address[1], address[2])
                return
            said = line.strip() or said
        raise DemoError(f"the day could not be served: {said or 'no reason given'}")
    finally:
        if server.returncode is None:
            server.kill()
        await server.wait()


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
