"""Fixtures that every folder of tests may ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

_SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded market days; skips the test where they are not present."""
    if not _SHARED_DATA.is_dir():
        pytest.skip("recorded market data not present (../shared/data)")
    return _SHARED_DATA
