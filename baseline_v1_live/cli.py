"""Every command and its arguments, nothing else."""

from __future__ import annotations

import importlib
import io
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from baseline_v1_live import __version__, cli_operator
from baseline_v1_live.adapters.journal import JournalError
from baseline_v1_live.baseline_v1_live import run_process
from baseline_v1_live.cli_shared import (
    AtmOption,
    ExpiryOption,
    atm_or_fail,
    expiry_or_fail,
    fail,
    settings_or_fail,
)
from baseline_v1_live.config import NO_CUTOFF, ConfigError, Settings, describe
from baseline_v1_live.live_start import RunOptions
from baseline_v1_live.runtime.modes import RunMode


class _Commands(TyperGroup):
    """Loads the commands on market days when one of them, or the list of all, is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of all commands."""
        self._load()
        return super().list_commands(ctx)

    def get_command(self, ctx: Any, name: str) -> Any:
        """The command of a name, None when there is none."""
        if name not in self.commands:
            self._load()
        return super().get_command(ctx, name)

    def _load(self) -> None:
        research = importlib.import_module("baseline_v1_live.cli_research")
        for name, command in typer.main.get_group(research.app).commands.items():
            self.commands.setdefault(name, command)
        simulate = importlib.import_module("baseline_v1_live.cli_simulate")
        self.commands.setdefault("simulate", typer.main.get_command(simulate.app))


app = typer.Typer(
    name="baseline_v1_live",
    help="Sells NIFTY weekly options intraday and keeps every short covered.",
    add_completion=False,
    pretty_exceptions_enable=False,
    cls=_Commands,
)
cli_operator.register(app)


def main() -> None:
    """Run the command line; errors a user can meet are one line and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a sign gets a question mark, not a traceback.
            stream.reconfigure(errors="replace")
    try:
        app()
    except ConfigError as error:
        fail(*error.lines)
    except JournalError as error:
        fail(str(error))
    except BrokenPipeError:
        # The reader of our output went away; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        fail(f"cannot write {error.filename or 'the output'}: {error.strerror or error}")


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    expiry: ExpiryOption = None,
    atm: AtmOption = None,
    auto: Annotated[
        bool, typer.Option("--auto", help="Nearest listed expiry, ATM from the spot at 09:16.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Decide everything, send nothing.")
    ] = False,
    paper: Annotated[
        str, typer.Option(help="Whose paper trading: the gateway's analyzer, or builtin.")
    ] = "analyzer",
    live_confirmed: Annotated[
        bool, typer.Option("--live-confirmed", help="Trade real money without asking first.")
    ] = False,
    exit_when_closed: Annotated[
        bool, typer.Option("--exit-when-closed", help="End when the session is over.")
    ] = False,
    flatten_on_exit: Annotated[
        bool, typer.Option("--flatten-on-exit", help="Close everything when told to stop.")
    ] = False,
    shutdown_timeout: Annotated[
        float, typer.Option(min=1, max=600, help="Seconds that --flatten-on-exit may take.")
    ] = 30.0,
    sim_clock: Annotated[
        str | None,
        typer.Option(help="Follow the clock of an openalgo-sim at this address; never in live."),
    ] = None,
    show_config: Annotated[
        bool, typer.Option("--show-config", help="Print the effective settings and their hash.")
    ] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Trade the day, with --auto or with --expiry and --atm; the commands below do other things."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
    if show_config:
        for line in describe(settings_or_fail()):
            typer.echo(line)
        raise typer.Exit
    if context.invoked_subcommand is not None:
        return
    if not (auto or expiry or atm):
        typer.echo(context.get_help())
        raise typer.Exit
    settings = settings_or_fail()
    mode = _mode(settings, dry_run=dry_run, paper=paper)
    _check_live(settings, mode, confirmed=live_confirmed, sim_clock=sim_clock)
    options = RunOptions(
        mode=mode,
        expiry=None if expiry is None else expiry_or_fail(expiry),
        atm_paise=None if atm is None else atm_or_fail(atm),
        auto=auto,
        sim_clock=sim_clock,
        exit_when_closed=exit_when_closed,
        flatten_on_exit=flatten_on_exit,
        shutdown_timeout_s=shutdown_timeout,
    )
    if not auto and (expiry is None or atm is None):
        fail("without --auto both --expiry and --atm are needed, e.g. --expiry 29DEC26 --atm 26000")
    raise SystemExit(run_process(settings, options))


def _mode(settings: Settings, *, dry_run: bool, paper: str) -> RunMode:
    papers = {"analyzer": RunMode.PAPER, "builtin": RunMode.BUILTIN}
    if paper not in papers:
        fail(f"--paper {paper!r} is not one of {', '.join(papers)}")
    if dry_run:
        return RunMode.DRY_RUN
    return papers[paper] if settings.paper_trading else RunMode.LIVE


def _check_live(
    settings: Settings, mode: RunMode, *, confirmed: bool, sim_clock: str | None
) -> None:
    """Real money only with the broker's cut-off, the real clock, and somebody's yes."""
    if mode is not RunMode.LIVE:
        return
    if settings.broker_mis_cutoff is None:
        fail(f"{NO_CUTOFF}; ask your broker when it closes intraday positions, and set it")
    if sim_clock is not None:
        fail("--sim-clock is not for live trading: set PAPER_TRADING=true or use --dry-run")
    if confirmed:
        return
    if not sys.stdin.isatty():
        fail(
            "PAPER_TRADING=false trades real money: add --live-confirmed to start without a question"
        )
    if not typer.confirm("PAPER_TRADING=false: trade real money?", default=False):
        fail("not confirmed; nothing was started")
