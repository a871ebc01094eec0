"""The command that plays seeded days full of troubles and says whether anything went wrong."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from baseline_v1_live.cli_shared import fail
from baseline_v1_live.core.rules import ExitPolicy
from baseline_v1_live.sim.fault_catalogue import BY_NAME
from baseline_v1_live.simulate.plan import Plan, draw
from baseline_v1_live.simulate.seed import SeedResult, play
from baseline_v1_live.simulate.summary import Run, Summary, summed, thin

_DAYS_A_WORKER, _GARBAGE_AFTER = 50, 20_000
_LINES = 10
_WIDTH, _NUMBER = 100, 6
_ALL, _NONE = "all", "none"


app = typer.Typer(add_completion=False)


@app.command()
def simulate(
    seeds: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many days.")] = 20,
    start: Annotated[int, typer.Option(min=0, help="The first seed.")] = 0,
    faults: Annotated[
        str, typer.Option(help="all, none, or names with commas between them.")
    ] = _ALL,
    always: Annotated[
        bool, typer.Option("--always", help="One named fault, at every chance that it gets.")
    ] = False,
    exit_policy: Annotated[
        ExitPolicy | None, typer.Option(help="How profits are taken.", show_default="drawn")
    ] = None,
    full_size: Annotated[
        bool, typer.Option("--full-size", help="Whole sessions of all strikes; slow.")
    ] = False,
    stop_at_first: Annotated[
        bool, typer.Option("--stop-at-first", help="End with the first day that has a finding.")
    ] = False,
    thorough: Annotated[
        bool,
        typer.Option("--thorough", help="End with 1 also when faults or trades were too few."),
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Days side by side.", show_default="all cores")
    ] = None,
    log: Annotated[Path | None, typer.Option(help="Write the event log of one seed here.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write all results here as JSON.")] = None,
) -> None:
    """Play days full of faults in simulated time, and check that nothing ever goes wrong.

    Each seed is a small market day, a random choice of faults and a random rate of each. The live loop
    runs through it against the simulated gateway; in the end everything is healed and must agree.
    Ends with 1 when an invariant did not hold.
    """
    allowed = _allowed(faults)
    if always and (allowed is None or len(allowed) != 1):
        fail(f"--always wants one fault by name; --faults was {faults!r}")
    if log is not None and seeds != 1:
        fail(f"--log is for one seed; --seeds was {seeds}")
    alone = next(iter(allowed)) if always and allowed else None
    plans = [
        draw(seed, allowed, alone=alone, exit_policy=exit_policy, full_size=full_size)
        for seed in range(start, start + seeds)
    ]
    console = _console()
    if log is not None:
        results = [_logged(plans[0], log)]
    else:
        cores = jobs or os.cpu_count() or 1
        results = list(_played(plans, cores, console, stop_at_first=stop_at_first))
    summary = summed(results, _commit())
    if json is not None:
        run = Run(summary=summary, days=results)
        json.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=1))
    policy = f" --exit-policy {exit_policy}" if exit_policy else ""
    flags = f"{' --always' if always else ''}{policy}{' --full-size' if full_size else ''}"
    _tell(summary, results, console, f"--faults {faults}{flags}")
    too_thin = thin(summary) if thorough else []
    for line in too_thin:
        console.print(line, markup=False, soft_wrap=True)
    if summary.days_with_violations or too_thin:
        raise typer.Exit(1)


def _console() -> Console:
    """Of the terminal's width; a file has room for the table."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH)


def _allowed(faults: str) -> frozenset[str] | None:
    if faults == _ALL:
        return None
    names = frozenset() if faults == _NONE else frozenset(faults.split(","))
    unknown = sorted(names - BY_NAME.keys())
    if unknown:
        known = ", ".join(BY_NAME)
        fail(f"--faults {faults}: {', '.join(unknown)} is no fault; give all, none or of {known}")
    return names


def _logged(plan: Plan, path: Path) -> SeedResult:
    lines: list[str] = []
    _be_quiet()
    result = play(plan, keep=lines)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
    return result


def _played(
    plans: list[Plan], jobs: int, console: Console, *, stop_at_first: bool
) -> Iterator[SeedResult]:
    """The results in order. A terminal sees a bar, a file about ten lines that show life."""
    found, every = 0, max(len(plans) // _LINES, 1)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("days", total=len(plans))
        for number, result in enumerate(_results(plans, jobs), 1):
            progress.advance(task)
            found += bool(result.violations)
            if not console.is_terminal and number % every == 0 and len(plans) >= _LINES:
                console.print(f"{number} of {len(plans)} days, {found} with violations")
                console.file.flush()
            yield result
            if stop_at_first and result.violations:
                return


def _results(plans: list[Plan], jobs: int) -> Iterable[SeedResult]:
    # Processes of their own, made anew now and then: a day leaves dead tasks behind.
    context = multiprocessing.get_context("spawn")
    with context.Pool(jobs, _begin, maxtasksperchild=_DAYS_A_WORKER) as pool:
        yield from pool.imap(play, plans)


def _begin() -> None:
    """In a process that only simulates, what a day makes is thrown away with it, so that looking for
    garbage as often as usual would only take time (a sixth of it).
    """
    _be_quiet()
    gc.freeze()
    gc.set_threshold(_GARBAGE_AFTER, 20, 20)


def _be_quiet() -> None:
    """The log of a simulated day is its event log."""
    logging.disable(logging.CRITICAL)


def _tell(summary: Summary, results: list[SeedResult], console: Console, how: str) -> None:
    for result in results:
        _tell_found(result, console, how)
    if summary.faults_struck:
        console.print(_table(summary, min(console.width, _WIDTH)))
    # One day's digest is that of its event log: what begins the SHA-256 of the file of --log.
    digest = results[0].digest if len(results) == 1 else summary.digest
    console.print(
        f"{summary.seeds} days, {summary.days_with_trades} with trades, "
        f"{summary.faults_struck} faults struck, {summary.checks_made} checks, "
        f"{summary.days_with_violations} with violations; digest {digest}",
        markup=False,
        soft_wrap=True,
    )


def _tell_found(result: SeedResult, console: Console, how: str) -> None:
    for violation in result.violations:
        console.print(
            f"seed {result.seed}: {violation.invariant}: {violation.what} at {violation.at}",
            markup=False,
            soft_wrap=True,
        )
    if result.violations:
        for line in result.last:
            console.out(line, highlight=False)  # Whole, and as it is: others read it as JSON.
        console.print(f"digest of the event log: {result.digest}", markup=False)
        console.print(
            "repeat: python -m baseline_v1_live simulate --seeds 1 "
            f"--start {result.seed} {how} --log seed-{result.seed}.log",
            markup=False,
            soft_wrap=True,
        )


def _table(summary: Summary, width: int) -> Table:
    """How often each fault struck, and where most."""
    widths = (max(map(len, BY_NAME)), *[_NUMBER] * 3)
    # Two blanks between columns; the states take what is left.
    left = max(width - sum(widths) - 2 * len(widths), _NUMBER)
    table = Table(box=None, pad_edge=False)
    for name, size in zip(("fault", "times", "days", "states"), widths, strict=True):
        table.add_column(name, justify="left" if name == "fault" else "right", width=size)
    title = "most often while (orders | positions)"
    table.add_column(title, no_wrap=True, overflow="ellipsis", width=left)
    for name, fault in summary.faults.items():
        if fault.times:
            state, times = next(iter(fault.states.items()), ("", 0))
            table.add_row(
                name,
                str(fault.times),
                str(fault.days),
                str(len(fault.states)),
                Text(f"{times / fault.times:.0%} {state}"),
            )
    return table


def _commit() -> str:
    """Which code this is; a plus behind it says that it was changed since. Empty where nobody knows."""
    try:
        ran = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ""
    return ran.stdout.strip()
