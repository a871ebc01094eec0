"""Plants every bug of bugs.py into a copy of the tree, and looks who catches it.

Run from the root of the repository: .venv/bin/python -m tests.mutants.run (or: make mutants)

A bug is caught by simulated days when an invariant breaks on a day on which it holds in the unchanged
copy, and by tests when one fails that passes in the unchanged copy.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from tests.mutants.bug import Bug, Days, EditError, plant
from tests.mutants.bugs import BUGS
from tests.mutants.invariants import invariants
from tests.mutants.play import Played

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "baseline_v1_live"
SEEDS_MAX = 200
# A day leaves dead tasks behind, so a process plays only so many.
_DAYS_A_PROCESS = 25
_TESTS_MAX_S = 600
# So many bugs have to be caught by simulated days without any test.
ALONE_MIN = 10
_FAILED = ("FAILED ", "ERROR ")


class ControlError(Exception):
    """The unchanged copy does not pass what is to catch the bugs. Its text is one line."""


class ByDays(msgspec.Struct, frozen=True):
    """A day that caught a bug: what broke, and how many days it took to come to it."""

    seed: int
    after: int
    violations: tuple[tuple[str, str], ...]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Who has caught a bug. ``failed`` is the first test that failed, ``played`` counts days."""

    name: str
    field: str
    how: str | None
    played: int = 0
    days: ByDays | None = None
    failed: str | None = None
    tested: bool = False
    problem: str = ""

    @property
    def caught(self) -> bool:
        """Whether anything has caught it."""
        return self.days is not None or self.failed is not None


class Workshop:
    """Makes the copies. The first one stays unchanged, and the others are made of it, so that all are
    of the same tree although that may be changed meanwhile. ``broken`` are tests that fail in it: they
    catch nothing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._lock = threading.Lock()
        self.broken: list[str] = []
        self.plain = folder / "plain"
        self.plain.mkdir()
        for name in (PACKAGE, "tests"):
            shutil.copytree(ROOT / name, self.plain / name)
        shutil.copy2(ROOT / "pyproject.toml", self.plain)

    def control(self, bugs: Sequence[Bug]) -> None:
        """Run what is to catch the bugs in the unchanged copy."""
        catchers = sorted({test for bug in bugs for test in bug.tests})
        self.broken = failures(self.plain, catchers) if catchers else []

    def copy(self, bug: Bug) -> Path:
        """A copy with a bug planted."""
        with self._lock:
            self._count += 1
            number = self._count
        copy = self._folder / f"bug-{number}"
        shutil.copytree(self.plain, copy)
        plant(bug, copy / PACKAGE)
        return copy


def environment(copy: Path) -> dict[str, str]:
    """That of a process that is to use a copy's package and nothing of the checkout."""
    return {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}


def play(copy: Path, days: Days, start: int, seeds: int) -> Iterator[Played]:
    """Days in turn up to the first with a finding, in processes of their own."""
    how = [days.faults, "always" if days.always else "sometimes"]
    at, end = start, start + seeds
    while at < end:
        many = min(_DAYS_A_PROCESS, end - at)
        command = [sys.executable, "-m", "tests.mutants.play", *how, str(at), str(many)]
        ran = subprocess.run(
            command, cwd=copy, env=environment(copy), capture_output=True, text=True, check=False
        )
        lines = ran.stdout.splitlines()
        if ran.returncode or not lines:
            last = (ran.stderr.strip().splitlines() or ["nothing was said"])[-1]
            yield Played(at + len(lines), (("the simulation runs", last),))
            return
        for line in lines:
            played = msgspec.json.decode(line, type=Played)
            yield played
            if played.violations:
                return
        at += many


def first_catch(copy: Path, plain: Path, days: Days, seeds_max: int) -> tuple[ByDays | None, int]:
    """The first day on which an invariant breaks that holds without the bug, and the days played."""
    at, count = days.start, 0
    seeds = min(days.seeds, seeds_max)
    while count < seeds:
        for played in play(copy, days, at, seeds - count):
            count, at = count + 1, played.seed + 1
            if not played.violations:
                continue
            broken = broken_anyway(plain, days, played.seed)
            found = tuple(it for it in played.violations if it[0] not in broken)
            if found:
                return ByDays(played.seed, count, found), count
    return None, count


def broken_anyway(plain: Path, days: Days, seed: int) -> frozenset[str]:
    """The invariants that break on a day without any bug: there they prove nothing."""
    return frozenset(name for played in play(plain, days, seed, 1) for name, _ in played.violations)


def failures(copy: Path, tests: Sequence[str], *options: str) -> list[str]:
    """The tests that fail, by node id.

    Raises ControlError when they cannot be run.
    """
    quiet = ["-q", "-rfE", "--no-header", "--tb=no", "-p", "no:cacheprovider"]
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", *quiet, *options, *tests],
            cwd=copy,
            env=environment(copy),
            capture_output=True,
            text=True,
            timeout=_TESTS_MAX_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [f"not through after {_TESTS_MAX_S} s"]
    if ran.returncode == 0:
        return []
    lines = ran.stdout.splitlines()
    named = [line.split(" ", 1)[1].split(" - ")[0] for line in lines if line.startswith(_FAILED)]
    if ran.returncode != 1 or not named:
        said = (ran.stdout + ran.stderr).strip().splitlines()
        raise ControlError(f"pytest {' '.join(tests)}: {said[-1] if said else 'said nothing'}")
    return named


def try_bug(shop: Workshop, bug: Bug, *, tests: bool, seeds_max: int) -> Result:
    """Plant one bug and let its catchers at it: tests, and days unless there may be none."""
    wanted = bug.days if seeds_max else None
    result = Result(name=bug.name, field=bug.field, how=wanted.how if wanted else None)
    try:
        copy = shop.copy(bug)
    except EditError as error:
        return msgspec.structs.replace(result, problem=str(error))
    try:
        if wanted is not None:
            caught, count = first_catch(copy, shop.plain, wanted, seeds_max)
            result = msgspec.structs.replace(result, days=caught, played=count)
        if tests and bug.tests:
            known = [f"--deselect={test}" for test in shop.broken]
            failed = failures(copy, bug.tests, "-x", *known)
            first = failed[0] if failed else None
            result = msgspec.structs.replace(result, failed=first, tested=True)
    except ControlError as error:
        result = msgspec.structs.replace(result, problem=str(error))
    finally:
        shutil.rmtree(copy)
    return result


def by_days(result: Result) -> str:
    """What the simulated days say of a bug, for the table."""
    if result.days is None:
        return f"not in {result.played} days" if result.how else "not asked"
    names = ", ".join(dict.fromkeys(name for name, _ in result.days.violations))
    return f"{names}: seed {result.days.seed}, day {result.days.after}"


def by_tests(result: Result) -> str:
    """What the tests say of a bug."""
    if result.failed:
        return result.failed.split("::")[-1]
    return "no" if result.tested else "not asked"


def who_spoke(results: Sequence[Result]) -> dict[str, list[str]]:
    """By invariant, the bugs that broke it, each with the seed of its day."""
    spoke: dict[str, list[str]] = {name: [] for name in invariants(ROOT / PACKAGE / "simulate")}
    for result in results:
        if result.days is not None:
            for name in dict.fromkeys(name for name, _ in result.days.violations):
                spoke.setdefault(name, []).append(f"{result.name} ({result.days.seed})")
    return spoke


def tell(results: Sequence[Result], spoke: dict[str, list[str]], console: Console) -> None:
    """The two tables: by bug, and by invariant."""
    table = Table("bug", "simulate alone", "tests", title="Planted bugs")
    for result in results:
        name = result.name if result.caught else f"[bold]SURVIVED: {result.name}[/]"
        table.add_row(name, by_days(result), result.problem or by_tests(result))
    console.print(table)
    heard = Table("invariant", "made to speak by (seed)", title="Invariants")
    for name, bugs in spoke.items():
        heard.add_row(name, ", ".join(bugs) or "[bold]never[/]")
    console.print(heard)
    alone = sum(1 for result in results if result.days is not None)
    caught = sum(1 for result in results if result.caught)
    console.print(
        f"{caught} of {len(results)} bugs caught, {alone} of them by simulate alone; "
        f"{len(spoke) - len(silent(spoke))} of {len(spoke)} invariants spoke"
    )


def silent(spoke: dict[str, list[str]]) -> list[str]:
    """The invariants that no bug made speak."""
    return [name for name, bugs in spoke.items() if not bugs]


def shortfalls(
    results: Sequence[Result], spoke: dict[str, list[str]], broken: Sequence[str], *, whole: bool
) -> list[str]:
    """What is not as it has to be, a line each. ``broken`` are tests that fail without any bug. Whether
    days alone catch enough, and every invariant speaks, only a ``whole`` run can show.
    """
    found = [f"{test} fails without any bug" for test in broken]
    found += [f"{result.name} survived" for result in results if not result.caught]
    if whole:
        alone = sum(1 for result in results if result.days is not None)
        if alone < ALONE_MIN:
            found.append(f"simulate alone caught {alone}, at least {ALONE_MIN} are demanded")
        found += [f"no bug made {name!r} speak" for name in silent(spoke)]
    return found


def main() -> int:
    """Try every bug; 1 when one survives or the control fails, or when a whole run shows too little."""
    parser = argparse.ArgumentParser(
        prog="make mutants", description="Plant every bug, and look who catches it."
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="bugs side by side")
    parser.add_argument("--only", default="", help="bugs whose name contains one of these, with |")
    parser.add_argument("--by", choices=("both", "tests", "simulate"), default="both")
    parser.add_argument("--seeds", type=int, default=SEEDS_MAX, help="days a bug, at most")
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    tests = options.by != "simulate"
    seeds_max = min(options.seeds, SEEDS_MAX) if options.by != "tests" else 0
    asked = [bug for bug in BUGS if any(part in bug.name for part in options.only.split("|"))]
    bugs = [bug for bug in asked if (tests and bug.tests) or (seeds_max and bug.days is not None)]
    if not bugs:
        sys.stderr.write(f"error: no bug has {options.only!r} in its name and that to catch it\n")
        return 2
    console = Console(highlight=False)
    results: dict[str, Result] = {}
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        shop = Workshop(Path(folder))
        if tests:
            console.print("control: the same tests with the unchanged copy …")
            try:
                shop.control(bugs)
            except ControlError as error:
                sys.stderr.write(f"error: the control cannot be run: {error}\n")
                return 1
        with ThreadPoolExecutor(max(options.jobs, 1)) as pool:
            tried = {
                pool.submit(try_bug, shop, bug, tests=tests, seeds_max=seeds_max) for bug in bugs
            }
            for number, done in enumerate(as_completed(tried), start=1):
                result = done.result()
                results[result.name] = result
                mark = "caught" if result.caught else "SURVIVED"
                said = f"simulate: {by_days(result)}; tests: {result.problem or by_tests(result)}"
                console.print(f"{number}/{len(bugs)} {mark} {result.name}: {said}", markup=False)
    ordered = [results[bug.name] for bug in bugs]
    spoke = who_spoke(ordered)
    tell(ordered, spoke, console)
    if options.json is not None:
        told = {"bugs": ordered, "invariants": spoke, "control": shop.broken}
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=1))
    wanted = max((bug.days.seeds for bug in bugs if bug.days is not None), default=0)
    whole = options.by == "both" and not options.only and seeds_max >= wanted
    missing = shortfalls(ordered, spoke, shop.broken, whole=whole)
    for line in missing:
        console.print(f"FAILED: {line}", markup=False)
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main())
