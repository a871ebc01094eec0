"""The planted bugs fit the tree, and what is said to catch them does."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from baseline_v1_live.sim.fault_catalogue import BY_NAME
from tests.mutants.bug import Bug, Edit, EditError, edited, plant
from tests.mutants.bugs import BUGS
from tests.mutants.invariants import invariants
from tests.mutants.play import Played
from tests.mutants.run import (
    ALONE_MIN,
    PACKAGE,
    ROOT,
    SEEDS_MAX,
    ByDays,
    Result,
    Workshop,
    environment,
    shortfalls,
    try_bug,
)

BY_TESTS = ("late word reopens a finished order", "no lane for exits at the limiter")
BY_DAYS = "market over before the exit"


def named(name: str) -> Bug:
    """The bug of a name."""
    return next(bug for bug in BUGS if bug.name == name)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_every_edit_fits_the_tree(bug: Bug) -> None:
    """What is replaced stands there exactly once, and what comes of it is Python."""
    texts: dict[str, str] = {}
    for edit in bug.edits:
        text = texts.get(edit.file) or (ROOT / PACKAGE / edit.file).read_text()
        texts[edit.file] = edited(text, edit)

    assert texts
    for text in texts.values():
        ast.parse(text)


def test_names_are_unique_and_there_are_enough() -> None:
    """Each bug has a name and a story of its own."""
    assert len({bug.name for bug in BUGS}) == len({bug.field for bug in BUGS}) == len(BUGS)
    assert len(BUGS) >= 28
    assert sum(1 for bug in BUGS if bug.days is not None) >= 12


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_every_catcher_exists(bug: Bug) -> None:
    """The tests that are named stand in their files, and the simulator knows the faults."""
    assert bug.tests or bug.days is not None
    for test in bug.tests:
        file, _, name = test.partition("::")
        assert f"def {name.partition('[')[0]}" in (ROOT / file).read_text()
    if bug.days is not None:
        names = set(bug.days.faults.split(",")) - {"all", "none"}
        assert names <= set(BY_NAME)
        assert not bug.days.always or len(names) == 1
        assert 0 < bug.days.seeds <= SEEDS_MAX


@pytest.mark.parametrize("text", ["", "pause pause"])
def test_an_edit_that_does_not_fit_once_is_refused(tmp_path: Path, text: str) -> None:
    """Neither a place that is gone nor one of two is guessed."""
    (tmp_path / "day.py").write_text(text)
    bug = Bug(name="x", field="x", edits=(Edit("day.py", "pause", "go on"),))

    with pytest.raises(EditError, match=r"day\.py: found . times instead of once"):
        plant(bug, tmp_path)


def test_the_invariants_are_read_from_the_simulators_source() -> None:
    """Whatever its checks can say is in the list, by its name."""
    names = invariants(ROOT / PACKAGE / "simulate")

    assert {"every short is covered", "flat at the end", "limits hold"} <= set(names)
    assert len(set(names)) == len(names)


def test_cheap_bugs_are_caught_by_tests_that_pass_without_them(tmp_path: Path) -> None:
    """The machinery works: a copy without a bug passes, one with a bug does not."""
    shop = Workshop(tmp_path)
    bugs = [named(name) for name in BY_TESTS]
    shop.control(bugs)

    assert shop.broken == []
    for bug in bugs:
        result = try_bug(shop, bug, tests=True, seeds_max=0)
        assert result.problem == ""
        assert result.failed is not None
        assert result.failed.startswith(bug.tests[0])


def test_a_bug_is_caught_by_a_simulated_day_that_is_clean_without_it(tmp_path: Path) -> None:
    """The simulator alone tells the two apart, on the same day."""
    result = try_bug(Workshop(tmp_path), named(BY_DAYS), tests=False, seeds_max=3)

    assert result.problem == ""
    assert result.days is not None
    said = {name for name, _ in result.days.violations}
    assert said & {"flat at the end", "the day is over"}


def result(name: str, *, days: bool = True, test: str | None = "test_x") -> Result:
    """What came of a bug."""
    caught = ByDays(0, 1, (("flat at the end", "x"),)) if days else None
    return Result(name=name, field="", how="--faults none", days=caught, failed=test)


def test_a_bug_that_nobody_catches_fails_the_run_and_so_does_a_broken_control() -> None:
    """In a part of a run as well."""
    caught, survivor = result("one"), result("two", days=False, test=None)

    assert shortfalls([caught], {}, [], whole=False) == []
    assert shortfalls([caught, survivor], {}, [], whole=False) == ["two survived"]
    assert len(shortfalls([caught], {}, ["tests/test_a.py::test_b"], whole=False)) == 1


def test_a_whole_run_has_to_show_more() -> None:
    """Ten bugs caught by days alone, and no invariant that never spoke; it is said which."""
    spoke = {"flat at the end": ["one (0)"], "limits hold": []}
    days = [result(f"{number}") for number in range(ALONE_MIN)]

    assert shortfalls(days, {"flat at the end": ["one (0)"]}, [], whole=True) == []
    assert shortfalls(days, spoke, [], whole=False) == []
    (said,) = shortfalls(days, spoke, [], whole=True)
    assert "limits hold" in said
    few = [*days[1:], result("by tests alone", days=False)]
    (said,) = shortfalls(few, {}, [], whole=True)
    assert str(ALONE_MIN - 1) in said


_ENDLESS = """
from baseline_v1_live.simulate import seed
from tests.mutants import play

async def run(trial):
    trial.checker.blame("flat at the end", "C260 +65")
    while True:
        pass

seed.Trial.run = run
play.DAY_MAX_S = 0.2
play.main("none", False, 0, 1)
"""


def test_a_day_that_is_cut_tells_what_was_wrong_before() -> None:
    """A day that never ends has its findings all the same."""
    ran = subprocess.run(
        [sys.executable, "-c", _ENDLESS],
        cwd=ROOT,
        env=environment(ROOT),
        capture_output=True,
        check=True,
    )
    played = msgspec.json.decode(ran.stdout, type=Played)

    assert [name for name, _ in played.violations] == ["flat at the end", "the day ends"]
