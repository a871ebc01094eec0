"""Commands on market days rather than on the market: replay, demo, measurements, the simulated gateway.

They load tables, plots and the gateway's SDK, which the trading process never does.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress

from baseline_v1_live.adapters.journal import Journal
from baseline_v1_live.cli_shared import (
    AtmOption,
    ExpiryOption,
    atm_or_fail,
    expiry_or_fail,
    fail,
    settings_or_fail,
)
from baseline_v1_live.config import Settings
from baseline_v1_live.core.instruments import expiry_code
from baseline_v1_live.core.session import Session, at_ist
from baseline_v1_live.live_demo import demo_bot
from baseline_v1_live.live_start import StartError
from baseline_v1_live.research.demo import DemoError, play_demo, print_day
from baseline_v1_live.research.exit_accuracy import markdown, measure_days
from baseline_v1_live.research.fetch_history import FetchError, fetch_history
from baseline_v1_live.research.replay import Replay
from baseline_v1_live.research.report import write_report
from baseline_v1_live.research.result import to_json
from baseline_v1_live.runtime.console import ConsoleNotifier
from baseline_v1_live.sim.contract_table import SESSION_OPEN, TYPICAL_SPOT, session_close
from baseline_v1_live.sim.day import MarketDay
from baseline_v1_live.sim.exchange import ExchangeModel
from baseline_v1_live.sim.generator import DEFAULT_DATE, generate_day
from baseline_v1_live.sim.openalgo_server.profiles import PROFILES
from baseline_v1_live.sim.openalgo_server.run import run_server
from baseline_v1_live.sim.recorded import DayFileError, read_day

_SEED_MAX = 2**63 - 1
DEMO_SEED = 3
_MORE_STRIKES = 5

SeedOption = Annotated[int, typer.Option(min=0, max=_SEED_MAX, help="Seed of the generated day.")]
LatencyOption = Annotated[
    int, typer.Option(min=0, max=60_000, help="One-way latency to the exchange in milliseconds.")
]
SpeedOption = Annotated[
    float, typer.Option(min=0.01, max=1000, help="Simulated seconds a real second.")
]


app = typer.Typer()
Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")


def one_line(command: Callable[Asked, Answer]) -> Callable[Asked, Answer]:
    """A command whose foreseeable failures are one line and exit code 2."""

    @functools.wraps(command)
    def run(*args: Asked.args, **kwargs: Asked.kwargs) -> Answer:
        try:
            return command(*args, **kwargs)
        except (DayFileError, DemoError, FetchError, StartError) as error:
            fail(str(error))

    return run


@app.command()
@one_line
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
    settings = settings_or_fail()
    _check_outputs(file, [path for path in (json_out, report, journal) if path is not None])
    if journal is not None and journal.exists():
        fail(f"--journal {journal}: the file exists already; name a new one")
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
@one_line
def demo(
    seed: SeedOption = DEMO_SEED,
    file: Annotated[
        Path | None, typer.Option(help="Play this recorded day instead of a generated one.")
    ] = None,
    expiry: ExpiryOption = None,
    atm: AtmOption = None,
    out: Annotated[Path, typer.Option(help="Folder that gets a folder for this run.")] = Path(
        "runs"
    ),
    speed: SpeedOption = 300.0,
) -> None:
    """Watch the live loop trade a whole day against openalgo-sim; no account, no money."""
    settings = settings_or_fail()
    serve = [sys.executable, "-m", "baseline_v1_live", "openalgo-sim", "--port", "0"]
    serve += ["--ws-port", "0", "--wait-for-client", "--speed", str(speed)]
    if file is None:
        day = _served_day(settings, seed)
        name = f"demo-seed-{seed}"
        serve += ["--seed", str(seed)]
    else:
        day = _recorded(settings, file, expiry, atm)
        name = f"demo-{file.stem}"
        serve += ["--day", str(file), "--expiry", str(expiry), "--atm", str(atm)]
    raise SystemExit(play_demo(day, serve, demo_bot(day, settings), out / name, _console()))


@app.command()
def exits(
    seeds: Annotated[int, typer.Option(min=1, help="How many generated days.")] = 20,
    start: Annotated[int, typer.Option(min=0, max=_SEED_MAX, help="First seed.")] = 1,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
) -> None:
    """Measure how near day exits and stops come to their limits, on generated days; Markdown."""
    settings = settings_or_fail()
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
@one_line
def openalgo_sim(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="REST port; 0 = any free.")] = 5000,
    ws_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="WebSocket port; 0 = any free.")
    ] = 8765,
    seed: SeedOption = DEMO_SEED,
    day: Annotated[Path | None, typer.Option(help="Serve this recorded day instead.")] = None,
    expiry: ExpiryOption = None,
    atm: AtmOption = None,
    speed: SpeedOption = 1.0,
    profile: Annotated[
        str, typer.Option(help="Which gateway to be like: threaded, docker or zerodha.")
    ] = "threaded",
    api_key: Annotated[str, typer.Option(help="The key it accepts.")] = "simulated-key",
    wait_for_client: Annotated[
        bool, typer.Option(help="Hold the clock while no stream is connected.")
    ] = False,
) -> None:
    """Serve a day behind OpenAlgo's REST and WebSocket contract, on this machine only."""
    if profile not in PROFILES:
        fail(f"--profile {profile!r} is not one of {', '.join(PROFILES)}")
    settings = settings_or_fail()
    served = _served_day(settings, seed) if day is None else _recorded(settings, day, expiry, atm)
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
        fail(f"port {port} or {ws_port} cannot be opened: {error.strerror or error}")
    except KeyboardInterrupt:
        typer.echo("stopped")


@app.command("fetch-history")
@one_line
def fetch(
    start: Annotated[dt.datetime, typer.Option(formats=["%Y-%m-%d"], help="First date.")],
    expiry: ExpiryOption = None,
    atm: AtmOption = None,
    end: Annotated[
        dt.datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Last date; the first one if not given."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder that gets a file for each day.")] = Path(
        "history"
    ),
    force: Annotated[
        bool, typer.Option("--force", help="Write files anew that are there.")
    ] = False,
) -> None:
    """Download one-minute bars from the gateway as files that replay plays."""
    settings = settings_or_fail()
    if expiry is None or atm is None:
        fail("the universe needs --expiry and --atm, e.g. --expiry 29DEC26 --atm 26000")
    if settings.openalgo_api_key is None:
        fail("OPENALGO_API_KEY is not set: make a key on the gateway's API key page")
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("bars", total=None)

        def told(done: int, total: int, text: str) -> None:
            bar.update(task, completed=done, total=total, description=text)

        result = fetch_history(
            settings.openalgo_host,
            settings.openalgo_api_key.get_secret_value(),
            underlying=settings.underlying,
            expiry=expiry_or_fail(expiry),
            atm_paise=atm_or_fail(atm),
            step_paise=settings.strike_step_paise,
            strikes_each_side=settings.strikes_each_side,
            start=start.date(),
            end=(end or start).date(),
            out=out,
            progress=told,
            force=force,
        )
    for day in result.days:
        counted = f"{day.symbols} symbols, {day.bars} bars" if day.bars else day.message
        typer.echo(f"{day.date} {day.state}: {counted or day.path}")
    if not result.complete:
        fail(result.error or "not every day was written; the same command goes on with the rest")


# ---------------------------------------------------------------- helpers


def _recorded(settings: Settings, file: Path, expiry: str | None, atm: str | None) -> MarketDay:
    if expiry is None or atm is None:
        fail("a recorded day needs --expiry and --atm, e.g. --expiry 02SEP25 --atm 24550")
    return read_day(
        file,
        underlying=settings.underlying,
        expiry=expiry_or_fail(expiry),
        atm_paise=atm_or_fail(atm),
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


def _generator(settings: Settings) -> Callable[..., MarketDay]:
    """What makes the day of a seed with these settings."""
    return partial(
        generate_day,
        underlying=settings.underlying,
        strikes_each_side=settings.strikes_each_side,
        step_paise=settings.strike_step_paise,
        spot=TYPICAL_SPOT[settings.underlying],
    )


def _served_day(settings: Settings, seed: int) -> MarketDay:
    """The day of a seed with a few strikes more than a bot wants: the spot may have moved by the time
    that it chooses its ATM, and an exchange lists them too.
    """
    return _generator(settings)(seed, strikes_each_side=settings.strikes_each_side + _MORE_STRIKES)


def _check_outputs(source: Path, outputs: list[Path]) -> None:
    """Refuse outputs that cannot be written, or would destroy the input or each other."""
    seen = {source.resolve(): source}
    for path in outputs:
        if path.exists() and not path.is_file():
            fail(f"{path}: is not a file; name a file")
        if not path.parent.is_dir():
            fail(f"{path}: the folder {path.parent} does not exist")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            fail(f"{path}: cannot be written")
        if path.resolve() in seen:
            fail(f"{path}: is the same file as {seen[path.resolve()]}; name another")
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
