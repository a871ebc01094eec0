"""docs/reliability.md says what is so: its tests and faults exist, its tables are those of its data."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import msgspec

from baseline_v1_live.sim.fault_catalogue import BY_NAME
from baseline_v1_live.simulate.check_base import Violation
from baseline_v1_live.simulate.seed import SeedResult
from tests.mutants.invariants import invariants
from tools import write_reliability
from tools.reliability_numbers import ROOT, Stamp, summed_days
from tools.write_reliability import Promise, Row, covered

TESTS = Path(__file__).parent
COVERED = covered()
ROWS = [*COVERED.rows("fault"), *COVERED.rows("field")]
EVERY: list[Promise | Row] = [*COVERED.promise, *ROWS]
STAMP = Stamp("1.0", "abc", "2026-11-21")


def names(file: Path) -> set[str]:
    """What a file of tests defines at its top."""
    found = set()
    for node in ast.parse(file.read_text("utf-8")).body if file.is_file() else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


def a_day(seed: int, *broken: str, **fields: Any) -> SeedResult:
    known: dict[str, Any] = {
        "full_size": False, "exit_policy": "market", "troubles": ("html", "jumps"), "trades": 1,
        "fired": {"html": 2}, "states": {}, "checks": {}, "starts": 1, "last": (),
    }  # fmt: skip
    violations = tuple(Violation(name, "10:00:00", "C260 short 65") for name in broken)
    return SeedResult(seed=seed, digest=f"{seed}", violations=violations, **(known | fields))


def test_the_page_is_what_its_tool_writes() -> None:
    """Between its markers the page is exactly what the data and the results kept make of it."""
    text = write_reliability.PAGE.read_text("utf-8")

    assert text == write_reliability.page(text), "run .venv/bin/python -m tools.write_reliability"


def test_every_test_that_is_named_exists() -> None:
    """Its file has a test, a case or a state machine of that name."""
    named = {test for row in EVERY for test in row.tests}
    there = {file: names(TESTS / file) for file in {test.partition("::")[0] for test in named}}
    pairs = [test.partition("::")[::2] for test in sorted(named)]

    assert [f"{file}::{name}" for file, name in pairs if name not in there[file]] == []


def test_every_fault_that_is_named_exists() -> None:
    """The catalogue of faults has it."""
    named = {fault for row in ROWS for fault in row.faults}

    assert named - BY_NAME.keys() == set()


def test_every_fault_is_in_a_row() -> None:
    """What strikes on simulated days is there to try something that the page names."""
    assert BY_NAME.keys() - {fault for row in ROWS for fault in row.faults} == set()


def test_every_invariant_belongs_to_one_promise() -> None:
    """What simulated days look at is promised, once, and what is promised there is looked at."""
    promised = [name for promise in COVERED.promise for name in promise.invariants]

    assert set(promised) ^ set(invariants(ROOT / "baseline_v1_live" / "simulate")) == set()
    assert len(promised) == len(set(promised))


def test_every_row_is_tried_or_says_why_not() -> None:
    """A row without a test and a fault has a sentence, and one that is tried says what is done."""
    assert [row.id for row in ROWS if not row.tried and not row.gap] == []
    assert [row.id for row in ROWS if row.tried and not row.does] == []


def test_every_id_is_there_once() -> None:
    """No two rows have one name, and each letter counts from one without a hole."""
    ids = [row.id for row in ROWS]
    letters = dict.fromkeys(name[0] for name in ids)
    counted = [
        f"{letter}{number}"
        for letter in letters
        for number in range(1, 1 + sum(name[0] == letter for name in ids))
    ]

    assert ids == counted


def test_days_are_summed_up() -> None:
    """Faults, checks and findings of all days are counted, a finding once a day, with its first seed."""
    days = [
        a_day(3, "flat", checks={"flat": 5}, states={"html": {"a | b": 1, "c | b": 1}}),
        a_day(4, fired={"html": 1, "jumps": 7}, trades=0, starts=3, states={"html": {"a | b": 1}}),
        a_day(5, "flat", "flat", "covered", checks={"flat": 1, "covered": 2}),
    ]
    run = summed_days("all", days, STAMP)

    assert (run.first_seed, run.days, run.traded, run.starts, run.bad_days) == (3, 3, 2, 5, 2)
    assert {name: counts for name, counts in run.faults.items() if any(counts)} == {
        "html": (5, 3, 2),
        "jumps": (7, 1, 0),
    }
    assert (run.struck, run.looks, run.checks) == (12, 8, {"covered": 2, "flat": 6})
    assert [(f.invariant, f.days, f.seed, f.faults) for f in run.findings] == [
        ("flat", 2, 3, "all"),
        ("covered", 1, 5, "all"),
    ]


def test_a_finding_of_one_fault_alone_names_it() -> None:
    """The command that repeats it has the fault by name."""
    (finding,) = summed_days("alone", [a_day(3, "flat", troubles=("html",))], STAMP).findings

    assert finding.faults == "html --always"


def test_days_without_a_finding_bound_its_rate() -> None:
    """By the rule of three ten thousand of them say less than 0.03 %; one finding says nothing of it."""
    clean = msgspec.structs.replace(summed_days("all", [a_day(3)], STAMP), days=10_000)
    found = msgspec.structs.replace(clean, bad_days=1)

    assert "0.03 %" in write_reliability.bound(clean)
    assert "%" not in write_reliability.bound(found)
