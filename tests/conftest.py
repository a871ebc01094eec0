"""Fixtures that every folder of tests may ask for, and which tests need the machine to themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

_HERE = Path(__file__).resolve().parent
# What talks over real sockets or starts processes has deadlines that a busy machine misses.
_REAL_TIME = (
    "adapters/openalgo",
    "bench",
    "contract",
    "live",
    "process",
    "runtime",
    "sim/openalgo_server",
    "test_check_system.py",
    "test_cli.py",
    "test_cli_operator.py",
)
_SHARED_DATA = _HERE.parent.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded market days; skips the test where they are not present."""
    if not _SHARED_DATA.is_dir():
        pytest.skip("recorded market data not present (../shared/data)")
    return _SHARED_DATA


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the machine for itself, by its place."""
    real_time = [_HERE / place for place in _REAL_TIME]
    for item in items:
        if any(item.path.is_relative_to(place) for place in real_time):
            item.add_marker(pytest.mark.real_time)
