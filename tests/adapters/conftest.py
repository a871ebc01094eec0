"""What the tests of the journal begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from baseline_v1_live.adapters.journal import Journal


@pytest.fixture
def journal() -> Iterator[Journal]:
    with Journal.in_memory() as opened:
        yield opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"
