"""Measures how reliable the bot is, and writes docs/reliability.md: simulated days, kills, planted bugs.

Run from the root of the repository: .venv/bin/python -m tools.measure_reliability (or: make reliability)

``small`` takes about three hours, most of them for the kills, and ``full``, what a release wants, many
more. It ends with 1 when anything was found, with everything that was measured on the page.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from baseline_v1_live.sim.fault_catalogue import BY_NAME
from tools.reliability_numbers import stamp_now


class Size(NamedTuple):
    """Days of any faults, of none, of each fault alone, for each bug; days with kills at random. Both
    sizes have a kill at every place.
    """

    days: int
    control: int
    alone: int
    mutant_days: int
    random_kills: int


SIZES = {
    "small": Size(days=200, control=20, alone=1, mutant_days=40, random_kills=5),
    "full": Size(days=5_000, control=200, alone=5, mutant_days=200, random_kills=200),
}
# So that no file of results becomes too large.
_DAYS_A_FILE = 1_000


class Runner:
    """Runs one tool after the other; ``ok`` is whether none of them has found anything."""

    def __init__(self, folder: Path, jobs: int) -> None:
        self.ok = True
        self._folder, self._jobs = folder, jobs
        self._number = 0

    def run(self, module: str, *arguments: str) -> Path:
        """Run a module that writes its results as JSON; the file.

        Raises SystemExit when it has written none.
        """
        self._number += 1
        path = self._folder / f"{self._number}.json"
        command = [sys.executable, "-m", module, *arguments, "--jobs", str(self._jobs)]
        print(f"{module} {' '.join(arguments)}", flush=True)
        ran = subprocess.run([*command, "--json", str(path)], check=False)
        self.ok &= ran.returncode == 0
        if not path.is_file():
            raise SystemExit(f"error: {module} ended with {ran.returncode} and wrote no results")
        return path

    def days(self, many: int, *arguments: str) -> list[str]:
        """So many simulated days from seed 0 on."""
        return [
            str(self._days(start, min(_DAYS_A_FILE, many - start), *arguments))
            for start in range(0, many, _DAYS_A_FILE)
        ]

    def _days(self, start: int, many: int, *arguments: str) -> Path:
        seeds = ("--start", str(start), "--seeds", str(many))
        return self.run("baseline_v1_live", "simulate", *seeds, *arguments)


def measure_days(runner: Runner, size: Size) -> list[str]:
    """Simulated days; the arguments that have them taken in, here and below."""
    results = ["--all", *runner.days(size.days)]
    results += ["--none", *runner.days(size.control, "--faults", "none"), "--alone"]
    for fault in BY_NAME:
        results += runner.days(size.alone, "--faults", fault, "--always")
    return results


def measure_kills(runner: Runner, size: Size) -> list[str]:
    """Killed processes."""
    module = "tools.reliability_process"
    places = runner.run(module, "--all")
    chance = runner.run(module, "--random", str(size.random_kills))
    return ["--places", str(places), "--random", str(chance)]


def measure_mutants(runner: Runner, size: Size) -> list[str]:
    """Planted bugs."""
    return ["--mutants", str(runner.run("tests.mutants.run", "--seeds", str(size.mutant_days)))]


PARTS = {"days": measure_days, "kills": measure_kills, "mutants": measure_mutants}


def main() -> int:
    """Measure, write the page, and say whether anything was found."""
    parser = argparse.ArgumentParser(prog="make reliability", description=__doc__.splitlines()[0])
    parser.add_argument("size", choices=SIZES, nargs="?", default="small")
    parser.add_argument("--only", choices=PARTS, help="just this part")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="side by side")
    options = parser.parse_args()
    size: Size = SIZES[options.size]
    commit = stamp_now().commit
    with tempfile.TemporaryDirectory(prefix="reliability-") as name:
        runner = Runner(Path(name), options.jobs)
        for part in (options.only,) if options.only else PARTS:
            write = [sys.executable, "-m", "tools.write_reliability", "--commit", commit]
            subprocess.run([*write, *PARTS[part](runner, size)], check=True)
    return 0 if runner.ok else 1


if __name__ == "__main__":
    sys.exit(main())
