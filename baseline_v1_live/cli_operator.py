"""Commands that look at a bot on this machine, and that speak to it: status, pause, kill and the like.

They work beside the running bot. Where none runs, what it stored is shown; ``kill`` needs none.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from baseline_v1_live.adapters.journal import Journal, JournalError
from baseline_v1_live.adapters.journal.files import journal_file
from baseline_v1_live.config import ConfigError, load_settings
from baseline_v1_live.core.messages import Event
from baseline_v1_live.core.session import clock_text, iso, ist_date
from baseline_v1_live.core.session_state import SessionState
from baseline_v1_live.runtime.clock import wall_ms
from baseline_v1_live.runtime.control_client import ControlClient, ControlError, NotRunning
from baseline_v1_live.runtime.instance import KillFile, is_locked
from baseline_v1_live.runtime.modes import RunMode
from baseline_v1_live.runtime.recovery import RecoveryError, read_session
from baseline_v1_live.runtime.status import order_views, position_views, stored_status
from baseline_v1_live.runtime.tables import Rows, order_rows, position_rows, status_rows

EXIT_NOT_DONE = 1
EXIT_BAD_INPUT = 2
_BY = "command line"

StateDirOption = Annotated[
    Path | None, typer.Option(help="Folder of the state of all modes; STATE_DIR if not given.")
]
ModeOption = Annotated[
    str | None,
    typer.Option(help=f"Which bot: {', '.join(RunMode)}; by PAPER_TRADING if not given."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Stored(msgspec.Struct, frozen=True):
    """The newest session in a journal, and the instant of the last event in it."""

    at_ms: int
    session: SessionState


def register(app: typer.Typer) -> None:
    """Add the commands to an application."""
    for command in (status, orders, positions, pause, resume, flatten, kill):
        app.command()(command)


# ---------------------------------------------------------------- commands


def status(
    state_dir: StateDirOption = None, mode: ModeOption = None, as_json: JsonOption = False
) -> None:
    """Show whether the bot trades, R, positions, orders, and how fresh feed and books are."""
    _look(
        _folder(state_dir, mode),
        as_json,
        "status",
        ask=ControlClient.status,
        recall=stored_status,
        rows=status_rows,
    )


def orders(
    state_dir: StateDirOption = None, mode: ModeOption = None, as_json: JsonOption = False
) -> None:
    """Show the orders of the day, those that may still fill first."""
    _look(
        _folder(state_dir, mode),
        as_json,
        "orders",
        ask=ControlClient.orders,
        recall=lambda session: order_views(session.orders),
        rows=order_rows,
    )


def positions(
    state_dir: StateDirOption = None, mode: ModeOption = None, as_json: JsonOption = False
) -> None:
    """Show the open positions and what covers each of them."""
    _look(
        _folder(state_dir, mode),
        as_json,
        "positions",
        ask=ControlClient.positions,
        recall=lambda session: position_views(session.positions, session.orders, running=False),
        rows=position_rows,
    )


def pause(
    state_dir: StateDirOption = None, mode: ModeOption = None, as_json: JsonOption = False
) -> None:
    """No new entries: resting ones are cancelled, positions stay open with their stops."""
    _tell(_folder(state_dir, mode), as_json, "pause")


def resume(
    state_dir: StateDirOption = None, mode: ModeOption = None, as_json: JsonOption = False
) -> None:
    """Lift a pause, and the stop after too many re-placements."""
    _tell(_folder(state_dir, mode), as_json, "resume")


def flatten(
    state_dir: StateDirOption = None,
    mode: ModeOption = None,
    as_json: JsonOption = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Close all positions at market, then pause; the day goes on after resume."""
    folder = _folder(state_dir, mode)
    if not yes:
        if not sys.stdin.isatty():
            _fail(
                EXIT_BAD_INPUT, "flatten closes every position; without a terminal it needs --yes"
            )
        if not typer.confirm(f"Close every position of {folder} at market, then pause?", err=True):
            _fail(EXIT_NOT_DONE, "nothing was done")
    _tell(folder, as_json, "flatten")


def kill(
    state_dir: StateDirOption = None,
    mode: ModeOption = None,
    as_json: JsonOption = False,
    _yes: Annotated[bool, typer.Option("--yes", help="Not needed: kill never asks.")] = False,
) -> None:
    """Close all positions and end the day, also after a restart; needs no running bot."""
    folder = _folder(state_dir, mode)
    today = ist_date(wall_ms())
    # First the file: it counts even when the bot hangs, or is down and started again.
    try:
        KillFile(folder).set(today, _BY)
    except OSError as error:
        problem = f"{folder}: the kill file cannot be written ({error.strerror})"
        _tell(folder, as_json, "kill", problem=problem)
    else:
        _tell(folder, as_json, "kill", killed=today)


# ---------------------------------------------------------------- looking


def _look(
    folder: Path,
    as_json: bool,
    name: str,
    *,
    ask: Callable[[ControlClient], Any],
    recall: Callable[[SessionState], Any],
    rows: Callable[[Any], Rows],
) -> None:
    """Print what the running bot answers, or else what the last one stored."""
    value, at_ms, running = None, None, True
    try:
        value, at_ms = ask(ControlClient(folder)), wall_ms()
    except NotRunning:
        running = False
        stored = _stored_or_fail(folder)
        if stored is not None:
            value, at_ms = recall(stored.session), stored.at_ms
    except ControlError as error:
        _fail(EXIT_NOT_DONE, str(error))
    if as_json:
        as_of = None if at_ms is None else iso(at_ms)
        _print_json({"running": running, "as_of": as_of, name: value})
    else:
        if not running:
            _say_not_running(folder, at_ms)
        if value is not None:
            _print_table(rows(value), headed=name != "status")
    if not running:
        raise typer.Exit(EXIT_NOT_DONE)


def _say_not_running(folder: Path, at_ms: int | None) -> None:
    if at_ms is None:
        text = f"nothing is stored in {folder}"
    elif ist_date(at_ms) == ist_date(wall_ms()):
        text = f"as of {clock_text(at_ms)}"
    else:
        text = f"as of {clock_text(at_ms)} on {ist_date(at_ms)}"
    typer.echo(f"not running; {text}{_elsewhere(folder)}")


def _stored_or_fail(folder: Path) -> Stored | None:
    try:
        return _stored(folder)
    except (JournalError, RecoveryError) as error:
        _fail(EXIT_NOT_DONE, f"not running, and {error}")


def _stored(folder: Path) -> Stored | None:
    """The newest session in the folder's journal, None when there is none.

    Raises JournalError or RecoveryError when it cannot be read.
    """
    path = journal_file(folder)
    if not path.is_file():
        return None
    with Journal.open_read_only(path) as journal:
        event = _last_event(journal)
        if event is None:
            return None
        session = read_session(journal.state(ist_date(event.at_ms).isoformat()))
    return None if session is None else Stored(event.at_ms, session)


def _last_event(journal: Journal) -> Event | None:
    """The newest event stored. Numbers have gaps where ticks were, hence the growing steps back."""
    last, back = journal.last_seq(), 1
    while True:
        events = list(journal.events(last - back))
        if events:
            return events[-1]
        if back > last:
            return None
        back *= 100


# ---------------------------------------------------------------- speaking


def _tell(
    folder: Path, as_json: bool, verb: str, *, killed: dt.date | None = None, problem: str = ""
) -> None:
    """Give the running bot a word and print what it says; exit 1 when it could not be told.

    ``killed`` is the date for which the kill file was set, ``problem`` why it could not be.
    """
    running: bool | None = True
    failed = [problem] if problem else []
    said = []
    if killed:
        said.append(f"kill is set for {killed} in {folder}: nothing is sold there today")
    try:
        said.append(ControlClient(folder).say(verb, _BY).text)
    except NotRunning as error:
        running = False
        failed.append(f"{error}{_elsewhere(folder)}; {_untouched(folder)}")
    except ControlError as error:
        # Whether it runs, and whether it heard, is not known.
        running = None
        failed.append(str(error))
    if as_json:
        kill_set = {"kill_set": killed is not None} if verb == "kill" else {}
        answer = {"running": running, "verb": verb, "done": not failed, "text": "; ".join(said)}
        _print_json(answer | kill_set | {"errors": failed})
    else:
        for line in said:
            typer.echo(line)
        for line in failed:
            typer.echo(f"error: {line}", err=True)
    if failed:
        raise typer.Exit(EXIT_NOT_DONE)


def _untouched(folder: Path) -> str:
    """What nobody looks after while no bot runs."""
    text = "orders and positions at the broker are not touched by this"
    try:
        stored = _stored(folder)
    except (JournalError, RecoveryError):
        return text
    if stored is None:
        return text
    left = stored_status(stored.session)
    when = f"{clock_text(stored.at_ms)} on {left.date}"
    return (
        f"{text}; at {when} open positions: {left.positions}, working orders: {left.working_orders}"
    )


def _elsewhere(folder: Path) -> str:
    """Bots of other modes that run on the same state, so that the wrong one is not taken for all."""
    others = []
    for mode in RunMode:
        try:
            if is_locked(folder.parent / mode):
                others.append(f"--mode {mode}")
        except OSError:
            continue
    return f" (but a bot is running with {' and '.join(others)})" if others else ""


# ---------------------------------------------------------------- tables


def _print_table(rows: Rows, *, headed: bool) -> None:
    if headed and len(rows) == 1:
        typer.echo("none")
        return
    if not sys.stdout.isatty():
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            typer.echo("  ".join(cells).rstrip())
        return
    table = Table(show_header=headed)
    for name in rows[0]:
        table.add_column(name if headed else "")
    for row in rows[1:] if headed else rows:
        # As Text, because a broker's message may look like markup.
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def _print_json(value: Any) -> None:
    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


# ---------------------------------------------------------------- helpers


def _folder(state_dir: Path | None, mode: str | None) -> Path:
    """The state folder of one mode. The settings are read only for what was not given."""
    if mode is not None and mode not in tuple(RunMode):
        _fail(EXIT_BAD_INPUT, f"--mode {mode!r} is not one of {', '.join(RunMode)}")
    if state_dir is None or mode is None:
        try:
            settings, _ = load_settings()
        except ConfigError as error:
            _fail(EXIT_BAD_INPUT, *error.lines)
        state_dir = state_dir or settings.state_dir
        mode = mode or (RunMode.PAPER if settings.paper_trading else RunMode.LIVE)
    return state_dir / mode


def _fail(code: int, *lines: str) -> NoReturn:
    for line in lines:
        typer.echo(f"error: {line}", err=True)
    raise typer.Exit(code)
