"""Every command and its arguments, nothing else."""

from __future__ import annotations

import datetime as dt
import io
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import Progress

from baseline_v1_live import __version__
from baseline_v1_live.adapters.journal import Journal, JournalError
from baseline_v1_live.config import ConfigError, Settings, describe, load_settings
from baseline_v1_live.core.instruments import expiry_code, paise, parse_expiry
from baseline_v1_live.core.session import Session, at_ist
from baseline_v1_live.research.demo import play_demo, print_day
from baseline_v1_live.research.exit_accuracy import markdown, measure_days
from baseline_v1_live.research.replay import Replay
from baseline_v1_live.research.report import write_report
from baseline_v1_live.research.result import to_json
from baseline_v1_live.runtime.console import ConsoleNotifier
from baseline_v1_live.sim.contract_table import SESSION_OPEN, TYPICAL_SPOT, session_close
from baseline_v1_live.sim.day import MarketDay
from baseline_v1_live.sim.exchange import ExchangeModel
from baseline_v1_live.sim.generator import DEFAULT_DATE, generate_day
from baseline_v1_live.sim.recorded import DayFileError, read_day

EXIT_BAD_INPUT = 2
_SEED_MAX = 2**63 - 1

app = typer.Typer(
    name="baseline_v1_live",
    help="Sells NIFTY weekly options intraday and keeps every short covered.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ExpiryOption = Annotated[str | None, typer.Option(help="Expiry as DDMMMYY, e.g. 02SEP25.")]
AtmOption = Annotated[str | None, typer.Option(help="At-the-money strike, e.g. 24550.")]
LatencyOption = Annotated[
    int, typer.Option(min=0, max=60_000, help="One-way latency to the exchange in milliseconds.")
]


def main() -> None:
    """Run the command line; errors a user can meet are one line and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a sign gets a question mark, not a traceback.
            stream.reconfigure(errors="replace")
    try:
        app()
    except ConfigError as error:
        _fail(*error.lines)
    except (DayFileError, JournalError) as error:
        _fail(str(error))
    except BrokenPipeError:
        # The reader of our output went away; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        _fail(f"cannot write {error.filename or 'the output'}: {error.strerror or error}")


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    show_config: Annotated[
        bool, typer.Option("--show-config", help="Print the effective settings and their hash.")
    ] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Options that stand without a command."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
    if show_config:
        for line in describe(_settings()):
            typer.echo(line)
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="Recorded day: ticks or one-minute bars, Parquet.")],
    expiry: ExpiryOption = None,
    atm: AtmOption = None,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write the result as JSON to this file.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write the HTML report to this file.")] = None,
    journal: Annotated[
        Path | None, typer.Option(help="Write the journal (SQLite) to this new file.")
    ] = None,
    latency_ms: LatencyOption = 50,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print every line the bot would log.")
    ] = False,
) -> None:
    """Play a recorded day through the engine and the built-in exchange."""
    settings = _settings()
    _check_outputs(file, [path for path in (json_out, report, journal) if path is not None])
    if journal is not None and journal.exists():
        _fail(f"--journal {journal}: the file exists already; name a new one")
    day = _recorded(settings, file, expiry, atm)
    notifier = ConsoleNotifier(typer.echo) if verbose else None
    session = _session(settings, day.date)
    model = _model(session, settings, latency_ms)
    with ExitStack() as stack:
        store = None
        if journal is not None:
            # A journal of half a day would look like one of a whole day.
            stack.callback(_remove_journal, journal)
            store = stack.enter_context(Journal.open(journal))
        run = Replay(day, settings.rules(), session, model, journal=store, notifier=notifier)
        result = run.run()
        if store is not None:
            store.close()
        stack.pop_all()
    data = run.report_data(f"Replay of {file.name}")
    for note in data.notes:
        typer.echo(f"note: {note}")
    print_day(result, _console())
    if json_out is not None:
        _write(json_out, to_json(result))
    if report is not None:
        write_report(data, report.resolve())


@app.command()
def demo(
    seed: Annotated[int, typer.Option(min=0, max=_SEED_MAX, help="Seed of the generated day.")] = 9,
    file: Annotated[
        Path | None, typer.Option(help="Play this recorded day instead of a generated one.")
    ] = None,
    expiry: ExpiryOption = None,
    atm: AtmOption = None,
    out: Annotated[Path, typer.Option(help="Folder that gets a folder for this run.")] = Path(
        "runs"
    ),
    latency_ms: LatencyOption = 50,
) -> None:
    """Watch a whole trading day on the built-in exchange; no account, no network, no money."""
    settings = _settings()
    if file is None:
        day = _generator(settings)(seed)
        name = f"demo-seed-{seed}"
    else:
        day = _recorded(settings, file, expiry, atm)
        name = f"demo-{file.stem}"
    session = _session(settings, day.date)
    model = _model(session, settings, latency_ms)
    play_demo(day, settings.rules(), session, model, out / name, _console())


@app.command()
def exits(
    seeds: Annotated[int, typer.Option(min=1, help="How many generated days.")] = 20,
    start: Annotated[int, typer.Option(min=0, max=_SEED_MAX, help="First seed.")] = 1,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
) -> None:
    """Measure how near day exits and stops come to their limits, on generated days; Markdown."""
    settings = _settings()
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("generated days", total=seeds)
        days = measure_days(
            range(start, start + seeds),
            settings.rules(),
            _session(settings, DEFAULT_DATE),
            _generator(settings),
            jobs,
            lambda: bar.advance(task),
        )
    typer.echo(markdown(days), nl=False)


@app.command("openalgo-sim")
def openalgo_sim(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="REST port; 0 = any free.")] = 5000,
    ws_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="WebSocket port; 0 = any free.")
    ] = 8765,
    seed: Annotated[int, typer.Option(min=0, max=_SEED_MAX, help="Seed of the day.")] = 9,
    day: Annotated[Path | None, typer.Option(help="Serve this recorded day instead.")] = None,
    expiry: ExpiryOption = None,
    atm: AtmOption = None,
    speed: Annotated[
        float, typer.Option(min=0.01, max=1000, help="Simulated seconds a real second.")
    ] = 1.0,
    profile: Annotated[
        str, typer.Option(help="Which gateway to be like: threaded, docker or zerodha.")
    ] = "threaded",
    api_key: Annotated[str, typer.Option(help="The key it accepts.")] = "simulated-key",
    wait_for_client: Annotated[
        bool, typer.Option(help="Hold the clock while no stream is connected.")
    ] = False,
) -> None:
    """Serve a day behind OpenAlgo's REST and WebSocket contract, on this machine only."""
    import asyncio

    from baseline_v1_live.sim.openalgo_server.profiles import PROFILES
    from baseline_v1_live.sim.openalgo_server.run import run_server

    if profile not in PROFILES:
        _fail(f"--profile {profile!r} is not one of {', '.join(PROFILES)}")
    settings = _settings()
    served = _generator(settings)(seed) if day is None else _recorded(settings, day, expiry, atm)
    typer.echo(f"{served.source}: {served.date}, expiry {expiry_code(served.expiry)}")
    try:
        asyncio.run(
            run_server(
                served,
                port=port,
                ws_port=ws_port,
                speed=speed,
                profile=profile,
                api_key=api_key,
                wait_for_client=wait_for_client,
                seed=seed,
                started=lambda server: typer.echo(f"REST {server.url}  WebSocket {server.ws_url}"),
            )
        )
    except OSError as error:
        _fail(f"port {port} or {ws_port} cannot be opened: {error.strerror or error}")
    except KeyboardInterrupt:
        typer.echo("stopped")


# ---------------------------------------------------------------- helpers


def _settings() -> Settings:
    settings, warnings = load_settings()
    for warning in warnings:
        typer.echo(f"warning: {warning}", err=True)
    return settings


def _recorded(settings: Settings, file: Path, expiry: str | None, atm: str | None) -> MarketDay:
    if expiry is None or atm is None:
        _fail("a recorded day needs --expiry and --atm, e.g. --expiry 02SEP25 --atm 24550")
    try:
        expiry_date = parse_expiry(expiry)
    except ValueError as error:
        _fail(f"--expiry: {error}")
    try:
        atm_paise = paise(float(atm))
    except ValueError:
        _fail(f"--atm {atm!r} is not a strike such as 24550")
    return read_day(
        file,
        underlying=settings.underlying,
        expiry=expiry_date,
        atm_paise=atm_paise,
        step_paise=settings.strike_step_paise,
        strikes_each_side=settings.strikes_each_side,
    )


def _session(settings: Settings, date: dt.date) -> Session:
    return settings.session(date, SESSION_OPEN, session_close(date))


def _model(session: Session, settings: Settings, latency_ms: int) -> ExchangeModel:
    cutoff = settings.broker_mis_cutoff
    cutoff_ms = None if cutoff is None else at_ist(session.date, cutoff)
    return ExchangeModel(latency_ms=latency_ms, mis_cutoff_ms=cutoff_ms)


def _console() -> Console:
    # A pipe has no width; tables should not be cut to 80 columns there.
    terminal = sys.stdout is not None and sys.stdout.isatty()
    return Console() if terminal else Console(width=140)


def _generator(settings: Settings) -> Callable[[int], MarketDay]:
    """What makes the day of a seed with these settings."""
    return partial(
        generate_day,
        underlying=settings.underlying,
        strikes_each_side=settings.strikes_each_side,
        step_paise=settings.strike_step_paise,
        spot=TYPICAL_SPOT[settings.underlying],
    )


def _check_outputs(source: Path, outputs: list[Path]) -> None:
    """Refuse outputs that cannot be written, or would destroy the input or each other."""
    seen = {source.resolve(): source}
    for path in outputs:
        if path.exists() and not path.is_file():
            _fail(f"{path}: is not a file; name a file")
        if not path.parent.is_dir():
            _fail(f"{path}: the folder {path.parent} does not exist")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            _fail(f"{path}: cannot be written")
        if path.resolve() in seen:
            _fail(f"{path}: is the same file as {seen[path.resolve()]}; name another")
        seen[path.resolve()] = path


def _remove_journal(path: Path) -> None:
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink(missing_ok=True)


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; a link stays a link."""
    path = path.resolve()
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _fail(*lines: str) -> NoReturn:
    for line in lines:
        typer.echo(f"error: {line}", err=True)
    raise SystemExit(EXIT_BAD_INPUT)
