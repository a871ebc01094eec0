"""Writes the tables of docs/reliability.md: what is promised and what tries it, and what was measured.

Run from the root of the repository: .venv/bin/python -m tools.write_reliability

The tables come from docs/reliability/, the words between them stand in the page itself. Options take in
the results of runs first, each in the place of the one before: ``--all``, ``--none`` and ``--alone``
files that ``simulate`` wrote, ``--places`` and ``--random`` those of killed processes, ``--mutants`` that
of the planted bugs.
"""

from __future__ import annotations

import argparse
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from baseline_v1_live.sim.fault_catalogue import TROUBLES
from tools import reliability_numbers as numbers

PAGE = numbers.ROOT / "docs" / "reliability.md"
COVERED = numbers.FOLDER / "covered.toml"
_KINDS = {
    "all": "any faults, several a day",
    "none": "no fault: the control",
    "alone": "one fault a day, at every chance it gets",
}

_KILLS = {
    "places": "a kill before and after each commit and each order message, also of some restarts",
    "random": "one to three kills each, at random instants",
}


# ------------------------------------------------------------ what is covered


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """What the bot promises, its figure, and what checks it: invariants of simulated days, and tests."""

    what: str
    figure: str
    tests: tuple[str, ...]
    invariants: tuple[str, ...] = ()


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Something that goes wrong, what the bot does, and what tries it."""

    id: str
    what: str
    does: str = ""
    tests: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    gap: str = ""

    @property
    def tried(self) -> bool:
        """Whether anything tries it."""
        return bool(self.tests or self.faults)


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one subject; ``kind`` is the table they belong to, ``fault`` or ``field``."""

    title: str
    kind: str
    row: tuple[Row, ...]


class Covered(msgspec.Struct, frozen=True, kw_only=True):
    """All of covered.toml."""

    promise: tuple[Promise, ...]
    group: tuple[Group, ...]

    def rows(self, kind: str) -> list[Row]:
        """All rows of a kind."""
        return [row for group in self.group if group.kind == kind for row in group.row]


def covered() -> Covered:
    """What the file says; a field that is not known raises ValidationError."""
    with COVERED.open("rb") as file:
        return msgspec.convert(tomllib.load(file), Covered, strict=True)


def promises(every: Covered) -> str:
    """The table of promises."""
    text = "| | promise | figure | invariants of simulated days | tests |\n|---|---|---|---|---|\n"
    for number, promise in enumerate(every.promise, start=1):
        looked_at = "<br>".join(promise.invariants)
        tests = _links(promise.tests)
        text += f"| {number} | {promise.what} | {promise.figure} | {looked_at} | {tests} |\n"
    return text


def rows(every: Covered, kind: str) -> str:
    """The tables of one kind, with what they come to."""
    found = every.rows(kind)
    gaps = sum(1 for row in found if row.tried and row.gap)
    not_tried = sum(1 for row in found if not row.tried)
    text = (
        f"{len(found)} rows: {len(found) - gaps - not_tried} tried, {gaps} tried with a stated gap, "
        f"{not_tried} not covered.\n"
    )
    for group in every.group:
        if group.kind == kind:
            text += f"\n### {group.title}\n\n"
            text += "| | what happens | what the bot does | tried by |\n|---|---|---|---|\n"
            text += "".join(_row(row) for row in group.row)
    return text


def _row(row: Row) -> str:
    parts = []
    if row.faults:
        parts.append(", ".join(f"`{fault}`" for fault in row.faults))
    if row.tests:
        parts.append(_links(row.tests))
    if row.gap:
        parts.append(f"{'Not tried' if row.tried else '**Not covered**'}: {row.gap}")
    return f"| {row.id} | {row.what} | {row.does} | {'<br>'.join(parts)} |\n"


def _links(tests: Sequence[str]) -> str:
    pairs = [test.split("::") for test in tests]
    return "<br>".join(f"[`{name}`](../tests/{file})" for file, name in pairs)


# ------------------------------------------------------------ what was measured


def measured(every: Covered) -> str:
    """All tables of numbers, from what is kept."""
    days = numbers.load(numbers.DAYS, dict[str, numbers.DaysRun]) or {}
    parts = [
        _days(every, days),
        _killed(numbers.load(numbers.KILLS, dict[str, numbers.KillsRun]) or {}),
        _planted(numbers.load(numbers.MUTANTS, numbers.Mutants)),
    ]
    return "\n".join(parts)


def _days(every: Covered, runs: dict[str, numbers.DaysRun]) -> str:
    if not runs:
        return "### Simulated days\n\nNot measured yet.\n"
    text = (
        "### Simulated days\n\n"
        "| days of | measured | first seed | days | with trades | starts of the bot | faults struck "
        "| checks | days with a finding |\n|---|---|---|---|---|---|---|---|---|\n"
    )
    for kind, words in _KINDS.items():
        if kind in runs:
            run = runs[kind]
            text += (
                f"| {words} | {_stamp(run.stamp)} | {run.first_seed} | {run.days:,} | {run.traded:,} "
                f"| {run.starts:,} | {run.struck:,} | {run.looks:,} | {run.bad_days:,} |\n"
            )
    if "all" in runs:
        text += _drawn(runs["all"]) + bound(runs["all"])
    text += _findings(runs)
    text += _invariants(every, runs)
    return text + _struck(runs) + _states(runs)


def _drawn(run: numbers.DaysRun) -> str:
    policies = ", ".join(f"{name} {days:,}" for name, days in run.policies.items())
    exits = ", ".join(f"{name} {times:,}" for name, times in run.exits.items())
    return (
        f"\nOf the days of any faults {run.full_size:,} were whole sessions of all strikes. Days by exit "
        f"policy: {policies}. Shorts were held for {run.short_s / 3600:,.1f} hours, each counted. "
        f"Purchases by reason: {exits}. Digest of the event logs: `{run.digest}`.\n"
    )


def bound(run: numbers.DaysRun) -> str:
    """What the days without a finding say of the rate of findings: nothing where there was one."""
    if run.bad_days:
        return (
            f"\n{run.bad_days:,} of {run.days:,} days full of faults had a finding, so nothing can be "
            "said of how seldom one is.\n"
        )
    return (
        f"\nNo finding in {run.days:,} days full of faults: at 95 % confidence fewer than "
        f"{min(300 / run.days, 100):.3g} % of such days have one (the rule of three: the rate is below "
        "3/N). That holds for these faults in this mixture, and says nothing about any other.\n"
    )


def _findings(runs: dict[str, numbers.DaysRun]) -> str:
    found = [finding for kind in _KINDS if kind in runs for finding in runs[kind].findings]
    if not found:
        return ""
    text = "\nWhat was found, and the command that shows the first of each:\n\n"
    text += "| invariant | days | for example | repeat |\n|---|---|---|---|\n"
    for finding in found:
        command = (
            "python -m baseline_v1_live simulate --seeds 1 "
            f"--start {finding.seed} --faults {finding.faults}"
        )
        example = finding.example.replace("|", "/")
        text += f"| {finding.invariant} | {finding.days:,} | {example} | `{command}` |\n"
    return text


def _invariants(every: Covered, runs: dict[str, numbers.DaysRun]) -> str:
    """How often each invariant was looked at, by promise; those that are no promise's come last."""
    checks: Counter[str] = Counter()
    excused: Counter[str] = Counter()
    for run in runs.values():
        checks.update(run.checks)
        excused.update(run.excused)
    if not checks:
        return ""
    text = (
        "\nExcused are looks at what nobody could have mended by then, because nobody could reach the "
        "gateway, or could know; they do not count. [simulate.md](simulate.md) lists every excuse.\n\n"
        "| promise | invariant | looked at | excused |\n|---|---|---|---|\n"
    )
    promised = {
        name: str(number)
        for number, promise in enumerate(every.promise, start=1)
        for name in promise.invariants
    }
    for name in [*promised, *sorted(checks.keys() - promised.keys())]:
        number = promised.get(name, "")
        text += f"| {number} | {name} | {checks[name]:,} | {excused[name]:,} |\n"
    return text


def _struck(runs: dict[str, numbers.DaysRun]) -> str:
    text = (
        "\nHow often each fault struck, and in how many different states of orders and positions, at the "
        "least:\n\n| fault | what it is | struck | on days | in states |\n|---|---|---|---|---|\n"
    )
    for trouble in TROUBLES:
        found = [run.faults.get(trouble.name, (0, 0, 0)) for run in runs.values()]
        times, days = sum(one[0] for one in found), sum(one[1] for one in found)
        states = max(one[2] for one in found)
        text += f"| `{trouble.name}` | {trouble.what} | {times:,} | {days:,} | {states:,} |\n"
    return text


def _states(runs: dict[str, numbers.DaysRun]) -> str:
    """What was going on when faults struck; what a fault never met was not tried together with it."""
    text = ""
    for what in ("orders", "positions"):
        counts: Counter[str] = Counter()
        for run in runs.values():
            counts.update(getattr(run, what))
        if counts:
            told = ", ".join(f"{state} {times:,}" for state, times in counts.most_common())
            text += f"\nStrikes by the {what} that were there: {told}.\n"
    return text


def _killed(runs: dict[str, numbers.KillsRun]) -> str:
    if not runs:
        return "### Killed processes\n\nNot measured yet.\n"
    text = (
        "### Killed processes\n\n"
        "| days of | measured | places of a day | days | kills | not reached | from a start after a kill "
        "until it may trade | violations |\n|---|---|---|---|---|---|---|---|\n"
    )
    for kind, words in _KILLS.items():
        if kind in runs:
            run = runs[kind]
            took = f"median {run.restart_p50_s} s, longest {run.restart_max_s} s"
            text += (
                f"| {words} | {_stamp(run.stamp)} | {run.places or 'any'} | {run.days:,} "
                f"| {run.kills:,} | {run.not_reached:,} "
                f"| {took if run.restart_p50_s is not None else ''} | {len(run.violations):,} |\n"
            )
    troubles = {name: came for run in runs.values() for name, came in run.troubles.items()}
    if troubles:
        text += "\n| what else was done to a real process | how it went |\n|---|---|\n"
        text += "".join(f"| {name} | {came} |\n" for name, came in troubles.items())
    return text + "".join(f"\n- {line}" for run in runs.values() for line in run.violations)


def _planted(mutants: numbers.Mutants | None) -> str:
    if mutants is None:
        return "### Planted bugs\n\nNot measured yet.\n"
    text = (
        "### Planted bugs\n\n"
        f"{mutants.caught} of {len(mutants.bugs)} bugs were caught, {mutants.by_days} of them by "
        f"simulated days alone. Measured: {_stamp(mutants.stamp)}.\n\n"
        f"They made {len(mutants.spoke)} of {len(mutants.spoke) + len(mutants.silent)} invariants speak. "
        f"{_silent(mutants)} "
        f"Tests that fail without any bug: {', '.join(mutants.control) or 'none'}.\n\n"
        "| bug | what it once did to others | the day that found it | the first test that failed |\n"
        "|---|---|---|---|\n"
    )
    for bug in mutants.bugs:
        days = f"not in {bug.played} days" if bug.played else "not asked"
        if bug.invariant is not None:
            days = f"day {bug.after}: {bug.invariant}"
        test = (
            f"`{bug.test}`" if bug.test else bug.problem or ("none" if bug.tested else "not asked")
        )
        text += f"| {bug.name} | {bug.field} | {days} | {test} |\n"
    return text


def _silent(mutants: numbers.Mutants) -> str:
    """What is said of the invariants that no bug made speak: each must, so any is a shortfall."""
    if not mutants.silent:
        return "None was silent."
    return f"Each has to speak; **these did not**: {', '.join(mutants.silent)}."


def _stamp(stamp: numbers.Stamp) -> str:
    return f"version {stamp.version}, `{stamp.commit}`, {stamp.date}"


# ------------------------------------------------------------ the page


def page(text: str) -> str:
    """The page with everything between its markers written anew.

    Raises ValueError when a marker is missing.
    """
    every = covered()
    parts = {
        "promises": promises(every),
        "measured": measured(every),
        "faults": rows(every, "fault"),
        "field": rows(every, "field"),
    }
    for name, body in parts.items():
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        if start not in text or end not in text:
            raise ValueError(f"{PAGE.name} has no {start} with its {end}")
        before, _, rest = text.partition(start)
        text = f"{before}{start}\n{body}{end}{rest.partition(end)[2]}"
    return text


def take_in(options: argparse.Namespace) -> None:
    """Keep the results of the runs that are named."""
    stamp = numbers.stamp_now(options.commit)
    runs = numbers.load(numbers.DAYS, dict[str, numbers.DaysRun]) or {}
    for kind in _KINDS:
        paths: list[Path] | None = getattr(options, kind)
        if paths:
            days, commit = numbers.read_days(paths)
            run_stamp = numbers.stamp_now(options.commit or commit)
            runs[kind] = numbers.summed_days(kind, days, run_stamp)
            numbers.keep(numbers.DAYS, runs)
    killed = numbers.load(numbers.KILLS, dict[str, numbers.KillsRun]) or {}
    for kind in _KILLS:
        path: Path | None = getattr(options, kind)
        if path:
            killed[kind] = numbers.read_kills(path, stamp)
            numbers.keep(numbers.KILLS, killed)
    if options.mutants:
        numbers.keep(numbers.MUTANTS, numbers.read_mutants(options.mutants, stamp))


def main() -> None:
    """Take in what is given, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m tools.write_reliability")
    for kind, words in _KINDS.items():
        parser.add_argument(f"--{kind}", type=Path, nargs="+", metavar="FILE", help=words)
    for kind, words in _KILLS.items():
        parser.add_argument(f"--{kind}", type=Path, metavar="FILE", help=words)
    parser.add_argument("--mutants", type=Path, metavar="FILE", help="of the planted bugs")
    parser.add_argument(
        "--commit", default="", help="of what was measured, if that is not what lies here"
    )
    take_in(parser.parse_args())
    PAGE.write_text(page(PAGE.read_text("utf-8")), encoding="utf-8", newline="\n")
    print(f"{PAGE.name} is written.")


if __name__ == "__main__":
    main()
