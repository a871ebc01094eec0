"""What may befall the process besides a kill, each on a short day that is traded to its end.

The days wait more than they work, so they are played side by side before the first test looks at its own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.live.process_desk import ROOT
from tests.process.short_desk import SIDE_BY_SIDE
from tests.process.troubles import (
    LOCK_S,
    ZONES,
    NotHere,
    damaged,
    full_disk,
    locked,
    starts_at_once,
    told_to_stop,
    zones,
)

pytestmark = pytest.mark.slow
Days = dict[str, Future[list[str]]]
DAYS: dict[str, Callable[[Path], list[str]]] = {
    "zones": partial(zones, names=ZONES[1:]),
    "stop": partial(told_to_stop, hangs=False),
    "stop, hangs": partial(told_to_stop, hangs=True),
    "starts": partial(starts_at_once, count=3),
    "limit": partial(full_disk, how="limit"),
    "tmpfs": partial(full_disk, how="tmpfs"),
    "locked": partial(locked, seconds=0.1),
    "locked for long": partial(locked, seconds=LOCK_S),
    "bytes flipped": partial(damaged, damage="bytes flipped"),
    "file truncated": partial(damaged, damage="file truncated"),
}


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Days]:
    folder = tmp_path_factory.mktemp("days")
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        yield {name: pool.submit(play, folder / name) for name, play in DAYS.items()}


def test_of_starts_at_once_one_trades(days: Days) -> None:
    """The others end with code 3 and one line each, and the day of the one is as ever."""
    assert days["starts"].result() == []


@pytest.mark.parametrize("how", ["limit", "tmpfs"])
def test_a_full_disk_stops_entries_and_nothing_else(days: Days, how: str) -> None:
    """On a disk that takes nothing the resting entry is taken back and nothing is sold, the stop and the
    square-off do their work, an alert says so; with room again the journal has everything.
    """
    try:
        assert days[how].result() == []
    except NotHere as error:
        pytest.skip(str(error))


def test_a_journal_that_is_locked_for_a_moment_changes_nothing(days: Days) -> None:
    """Another process keeps it for a tenth of a second at the sales and at the square-off: all is covered
    and stored.
    """
    assert days["locked"].result() == []


def test_a_journal_that_is_locked_for_long_stops_entries_and_nothing_else(days: Days) -> None:
    """Another process keeps it longer than any write waits: nothing more is sold and what rests is taken
    back, while stops grow with what fills and, at the square-off, all is bought back. Afterwards the
    journal has everything.
    """
    assert days["locked for long"].result() == []


@pytest.mark.parametrize("name", ["stop", "stop, hangs"])
def test_a_bot_that_is_told_to_stop_ends_within_ten_seconds(days: Days, name: str) -> None:
    """What it holds stays covered by its stops, and the next one brings the day to its end."""
    assert days[name].result() == []


@pytest.mark.parametrize("damage", ["bytes flipped", "file truncated"])
def test_a_damaged_journal_does_not_leave_shorts_alone(days: Days, damage: str) -> None:
    """A restart without what was held covers both shorts, sells nothing and ends the day flat."""
    assert days[damage].result() == []


def test_the_machines_zone_changes_nothing_of_a_day(days: Days) -> None:
    """Real processes under other time zones send the same orders and store the same journal."""
    assert days["zones"].result() == []


def test_the_machines_zone_changes_no_event(tmp_path: Path) -> None:
    """In simulated time, where the same day gives the same bytes, all events are equal in every zone."""
    played = [_simulated(tmp_path / f"{number}.json", tz) for number, tz in enumerate(ZONES)]
    codes = [process.wait(timeout=120) for _, process in played]
    told = [path.read_text() for path, _ in played]

    # Whether a day was well is not asked here.
    assert set(codes) <= {0, 1}
    assert max(int(count) for count in re.findall(r'"trades": (\d+)', told[0])) > 0
    assert len({tuple(re.findall(r'"digest": "(\w+)"', text)) for text in told}) == 1
    assert '"digest": "' in told[0]


def _simulated(path: Path, tz: str) -> tuple[Path, subprocess.Popen[bytes]]:
    command = ["simulate", "--seeds", "1", "--start", "1", "--faults", "none", "--json", str(path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "baseline_v1_live", *command, "--jobs", "1"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TZ": tz},
        stdout=subprocess.DEVNULL,
    )
    return path, process
