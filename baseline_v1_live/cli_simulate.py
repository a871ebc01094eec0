"""The command that plays seeded days full of troubles and says whether anything went wrong."""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from baseline_v1_live.cli_shared import fail
from baseline_v1_live.sim.fault_catalogue import BY_NAME, TROUBLES
from baseline_v1_live.simulate.plan import Plan, draw
from baseline_v1_live.simulate.seed import SeedResult, play

_DAYS_A_WORKER = 25
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
    plans = [draw(seed, allowed, alone=alone) for seed in range(start, start + seeds)]
    console = Console(highlight=False)
    if log is not None:
        results = [_logged(plans[0], log)]
    else:
        results = list(_played(plans, jobs or os.cpu_count() or 1, console))
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1))
    _tell(results, console, f"--faults {faults}{' --always' if always else ''}")
    if any(result.violations for result in results):
        raise typer.Exit(1)


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
    path.write_text("\n".join(lines) + "\n")
    return result


def _played(plans: list[Plan], jobs: int, console: Console) -> Iterator[SeedResult]:
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("days", total=len(plans))
        for result in _results(plans, jobs):
            progress.advance(task)
            yield result


def _results(plans: list[Plan], jobs: int) -> Iterable[SeedResult]:
    # Processes of their own, made anew now and then: a day leaves dead tasks behind.
    context = multiprocessing.get_context("spawn")
    with context.Pool(jobs, _be_quiet, maxtasksperchild=_DAYS_A_WORKER) as pool:
        yield from pool.imap(play, plans)


def _be_quiet() -> None:
    """In a process that only simulates, the log is the event log."""
    logging.disable(logging.CRITICAL)
    sys.unraisablehook = lambda _: None


def _tell(results: list[SeedResult], console: Console, how: str) -> None:
    for result in results:
        for violation in result.violations:
            console.print(
                f"[bold]seed {result.seed}[/]: {violation.invariant}: {violation.what} "
                f"at {violation.at}"
            )
        if result.violations:
            console.print("\n".join(result.last), markup=False)
            console.print(
                "repeat: python -m baseline_v1_live simulate --seeds 1 "
                f"--start {result.seed} {how} --log seed-{result.seed}.log",
                markup=False,
            )
    fired: Counter[str] = Counter()
    days: Counter[str] = Counter()
    for result in results:
        fired.update(result.fired)
        days.update(result.fired.keys())
    table = Table("fault", "times", "days", box=None)
    for trouble in TROUBLES:
        if fired[trouble.name]:
            table.add_row(trouble.name, str(fired[trouble.name]), str(days[trouble.name]))
    console.print(table)
    digest = hashlib.sha256("".join(result.digest for result in results).encode()).hexdigest()
    traded = sum(1 for result in results if result.trades)
    bad = sum(1 for result in results if result.violations)
    console.print(
        f"{len(results)} days, {traded} with trades, {sum(fired.values())} faults struck, "
        f"{bad} with violations; digest {digest[:16]}",
        markup=False,
    )
