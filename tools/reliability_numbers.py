"""What was measured of the bot's reliability, made small enough to be kept in docs/reliability/.

The results of a run (of ``simulate``, of the killed processes, of the planted bugs) become one small JSON
each, and docs/reliability.md is rendered from those.
"""

from __future__ import annotations

import datetime as dt
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from baseline_v1_live import __version__
from baseline_v1_live.simulate.seed import SeedResult
from baseline_v1_live.simulate.summary import Run, summed

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "reliability"
DAYS, KILLS, MUTANTS = FOLDER / "days.json", FOLDER / "kills.json", FOLDER / "mutants.json"
_FINDINGS_KEPT = 20

Kept = TypeVar("Kept")


class Stamp(msgspec.Struct, frozen=True):
    """Which code was measured, and when."""

    version: str
    commit: str
    date: str


# ------------------------------------------------------------ simulated days


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """An invariant that did not hold on some days, and how to see the first of them."""

    invariant: str
    days: int
    example: str
    seed: int
    faults: str


class DaysRun(msgspec.Struct, frozen=True, kw_only=True):
    """Days of one kind: ``all`` faults, ``none``, or each ``alone`` at every chance.

    ``full_size`` counts those that were whole sessions, ``policies`` days by exit policy, ``checks`` by
    invariant how often it was looked at, ``excused`` how often something made it impossible to hold it,
    ``exits`` filled purchases by reason, ``short_s`` seconds of all shorts together. ``faults`` by fault:
    how often it struck, on how many days and in how many states; ``orders`` and ``positions`` count
    strikes by the states that were there.
    """

    stamp: Stamp
    first_seed: int
    days: int
    full_size: int
    policies: dict[str, int]
    traded: int
    starts: int
    bad_days: int
    findings: tuple[Finding, ...]
    checks: dict[str, int]
    excused: dict[str, int] = {}
    exits: dict[str, int] = {}
    short_s: int = 0
    faults: dict[str, tuple[int, int, int]]
    orders: dict[str, int]
    positions: dict[str, int]
    digest: str

    @property
    def struck(self) -> int:
        """How many faults struck in all."""
        return sum(times for times, _, _ in self.faults.values())

    @property
    def looks(self) -> int:
        """How many checks were made in all."""
        return sum(self.checks.values())


def read_days(paths: Iterable[Path]) -> tuple[list[SeedResult], str]:
    """The days of files that ``simulate`` wrote, in order, and the code that the last one is of."""
    days: list[SeedResult] = []
    commit = ""
    for path in paths:
        run = msgspec.json.decode(path.read_bytes(), type=Run)
        days += run.days
        commit = run.summary.commit
    return days, commit


def summed_days(kind: str, days: Sequence[SeedResult], stamp: Stamp) -> DaysRun:
    """Days of one kind as one small value."""
    run = summed(days, stamp.commit)
    first: dict[str, tuple[SeedResult, str]] = {}
    for day in days:
        for violation in day.violations:
            first.setdefault(violation.invariant, (day, violation.what))
    found = ((name, many, *first[name]) for name, many in run.violations.items())
    findings = [
        Finding(
            invariant=name,
            days=many,
            example=what,
            seed=day.seed,
            faults=f"{day.troubles[0]} --always" if kind == "alone" else kind,
        )
        for name, many, day, what in found
    ]
    return DaysRun(
        stamp=stamp,
        first_seed=run.first_seed,
        days=run.seeds,
        full_size=run.full_size_days,
        policies=run.exit_policies,
        traded=run.days_with_trades,
        starts=run.starts,
        bad_days=run.days_with_violations,
        findings=tuple(findings[:_FINDINGS_KEPT]),
        checks=run.checks,
        excused=run.excused,
        exits=run.exits,
        short_s=run.short_s,
        faults={
            name: (fault.times, fault.days, len(fault.states)) for name, fault in run.faults.items()
        },
        orders=run.order_states,
        positions=run.position_states,
        digest=run.digest,
    )


# ------------------------------------------------------------ planted bugs


class RawCatch(msgspec.Struct, frozen=True, kw_only=True):
    """The simulated day that caught a planted bug."""

    seed: int
    after: int
    violations: tuple[tuple[str, str], ...]


class RawMutant(msgspec.Struct, frozen=True, kw_only=True):
    """What is used of a planted bug's result."""

    name: str
    field: str
    faults: str | None = None
    played: int = 0
    days: RawCatch | None = None
    failed: str | None = None
    tested: bool = True
    problem: str = ""


class RawMutants(msgspec.Struct, frozen=True, kw_only=True):
    """A run of planted bugs; ``invariants`` has for each those bugs that made it speak, ``control`` tests
    that fail without any bug.
    """

    bugs: tuple[RawMutant, ...]
    invariants: dict[str, list[Any]]
    control: tuple[str, ...] = ()


class Mutant(msgspec.Struct, frozen=True, kw_only=True):
    """A planted bug and who caught it: an invariant after so many days, a test, both or nobody.

    ``problem`` says why it could not be planted or tried.
    """

    name: str
    field: str
    invariant: str | None
    after: int | None
    played: int
    test: str | None
    tested: bool = True
    problem: str = ""


class Mutants(msgspec.Struct, frozen=True, kw_only=True):
    """All planted bugs; ``spoke`` and ``silent`` are the invariants that they made speak, or did not."""

    stamp: Stamp
    bugs: tuple[Mutant, ...]
    spoke: tuple[str, ...]
    silent: tuple[str, ...]
    control: tuple[str, ...] = ()

    @property
    def caught(self) -> int:
        """How many were caught by anything."""
        return sum(1 for bug in self.bugs if bug.invariant or bug.test)

    @property
    def by_days(self) -> int:
        """How many simulated days alone have caught."""
        return sum(1 for bug in self.bugs if bug.invariant)


def read_mutants(path: Path, stamp: Stamp) -> Mutants:
    """The planted bugs of a file that their runner wrote."""
    run = msgspec.json.decode(path.read_bytes(), type=RawMutants)
    return Mutants(
        stamp=stamp,
        spoke=tuple(name for name, bugs in run.invariants.items() if bugs),
        silent=tuple(name for name, bugs in run.invariants.items() if not bugs),
        control=run.control,
        bugs=tuple(
            Mutant(
                name=raw.name,
                field=raw.field,
                invariant=raw.days.violations[0][0] if raw.days else None,
                after=raw.days.after if raw.days else None,
                played=raw.played,
                test=raw.failed.split("::")[-1].split("[")[0] if raw.failed else None,
                tested=raw.tested,
                problem=raw.problem,
            )
            for raw in run.bugs
        ),
    )


# ------------------------------------------------------------ killed processes


class RawDayOfKills(msgspec.Struct, frozen=True):
    """A day with a violation, as the runner of killed processes writes it."""

    day: str
    what: tuple[str, ...] = ()


class RawTrouble(msgspec.Struct, frozen=True, kw_only=True):
    """Something else that was done to a real process; ``skipped`` says why it could not be done."""

    name: str
    wrong: tuple[str, ...] = ()
    skipped: str = ""


class RawKills(msgspec.Struct, frozen=True, kw_only=True):
    """What is used of a run of killed processes."""

    days: int
    kills: int
    not_reached: int
    restart_p50_s: float | None
    restart_max_s: float | None
    violations: tuple[RawDayOfKills, ...]
    places: int = 0
    troubles: tuple[RawTrouble, ...] = ()


class KillsRun(msgspec.Struct, frozen=True, kw_only=True):
    """Days of real processes that are killed. ``restart_*``: real seconds from a start after a kill until
    the bot may trade again. ``places`` is how many different ones the day has, 0 for kills at random;
    ``troubles`` says of each what came of it.
    """

    stamp: Stamp
    days: int
    kills: int
    not_reached: int
    restart_p50_s: float | None
    restart_max_s: float | None
    violations: tuple[str, ...]
    troubles: dict[str, str]
    places: int = 0


def read_kills(path: Path, stamp: Stamp) -> KillsRun:
    """The killed processes of a file that their runner wrote."""
    raw = msgspec.json.decode(path.read_bytes(), type=RawKills)
    troubles = {
        trouble.name: f"not tried here: {trouble.skipped}"
        if trouble.skipped
        else "wrong"
        if trouble.wrong
        else "well"
        for trouble in raw.troubles
    }
    return KillsRun(
        stamp=stamp,
        days=raw.days,
        kills=raw.kills,
        not_reached=raw.not_reached,
        restart_p50_s=raw.restart_p50_s,
        restart_max_s=raw.restart_max_s,
        violations=tuple(f"{one.day}: {'; '.join(one.what)[:200]}" for one in raw.violations),
        troubles=troubles,
        places=raw.places,
    )


# ------------------------------------------------------------ files and stamps


def stamp_now(commit: str = "") -> Stamp:
    """Of the code as it lies here; a ``+`` after the commit says that it was changed since."""
    if not commit:
        commit = _git("describe", "--always", "--dirty=+", "--exclude=*") or "unknown"
    return Stamp(__version__, commit, dt.datetime.now(dt.UTC).date().isoformat())


def _git(*arguments: str) -> str:
    ran = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return ran.stdout.strip()


def load(path: Path, kind: type[Kept]) -> Kept | None:
    """What was kept in a file; None without one."""
    return msgspec.json.decode(path.read_bytes(), type=kind) if path.is_file() else None


def keep(path: Path, value: object) -> None:
    """Write a value so that a person can read it and a difference is small."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")
