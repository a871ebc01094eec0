"""The planted bugs fit the tree, and what is said to catch them does."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from baseline_v1_live.sim.fault_catalogue import BY_NAME
from tests.mutants.bug import Bug, Edit, EditError, edited, plant
from tests.mutants.bugs import BUGS
from tests.mutants.invariants import invariants
from tests.mutants.run import PACKAGE, ROOT, SEEDS_MAX, Workshop, try_bug

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
