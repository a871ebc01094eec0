"""The page on simulated days says what is looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from baseline_v1_live.simulate.seed import ENDS, RUNS
from tests.mutants.invariants import invariants

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "simulate.md").read_text()


@pytest.mark.parametrize("name", [*invariants(ROOT / "baseline_v1_live" / "simulate"), RUNS, ENDS])
def test_every_invariant_is_on_the_page(name: str) -> None:
    """By the name that a finding has."""
    assert name in " ".join(PAGE.split())
