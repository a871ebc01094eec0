"""The recorder's file: every tick of a session, also after a kill, and never a reason to stop trading."""

from __future__ import annotations

import datetime as dt
import os
import resource
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from baseline_v1_live.adapters.recorder import BUFFER_BYTES, TickRecorder, read_ticks, tick_file
from baseline_v1_live.core.messages import Tick
from baseline_v1_live.core.session import at_ist
from baseline_v1_live.runtime.records import TICK_HEADER, tick_line

ROOT = Path(__file__).resolve().parents[2]
AT = at_ist(dt.date(2026, 12, 29), dt.time(9, 15))
CALL = "NIFTY29DEC2626000CE"


def tick(seq: int, **more: object) -> Tick:
    bare = Tick(seq=seq, at_ms=AT + seq, symbol=CALL, ltp_paise=13_000 + seq)
    return msgspec.structs.replace(bare, **more)


FULL = tick(
    2, exchange_at_ms=AT - 3, bid_paise=12_995, ask_paise=13_005, bid_quantity=65,
    ask_quantity=130, volume=10_000,
)  # fmt: skip


class Desk:
    """A folder with a recorder, and what the recorder has complained of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = tick_file(folder, AT)
        self.complaints: list[str] = []

    def recorder(self) -> TickRecorder:
        return TickRecorder(self.folder, self.complaints.append)

    def record(self, *ticks: Tick) -> None:
        """A run of the bot that takes these ticks and ends."""
        recorder = self.recorder()
        for each in ticks:
            recorder.record(each)
        recorder.close()

    def read(self) -> list[Tick]:
        return list(read_ticks(self.path))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


# ---------------------------------------------------------------- what is in the file


def test_ticks_come_back_as_they_were(desk: Desk) -> None:
    """Every field of a tick is read back equal, known or not, in the order of recording."""
    ticks = [tick(1), FULL, tick(3, symbol="NIFTY", quoted=True), tick(4, volume=0)]
    desk.record(*ticks)

    assert desk.read() == ticks
    assert desk.path.name == "ticks-2026-12-29.jsonl"
    assert desk.complaints == []


def test_a_line_has_every_field_of_a_tick() -> None:
    """The header names exactly the fields that a tick has, so none can be forgotten."""
    assert set(msgspec.json.decode(TICK_HEADER)) == set(Tick.__struct_fields__)


def test_a_session_has_its_own_file(desk: Desk) -> None:
    """Ticks of the next day go to the next file, and both are whole."""
    next_day = tick(3, at_ms=AT + 24 * 3_600_000)
    desk.record(tick(1), tick(2), next_day, msgspec.structs.replace(next_day, seq=4))

    assert [each.seq for each in desk.read()] == [1, 2]
    other = desk.folder / "ticks-2026-12-30.jsonl"
    assert [each.seq for each in read_ticks(other)] == [3, 4]


def test_a_folder_is_made(tmp_path: Path) -> None:
    """A folder that does not exist yet is made with the first tick."""
    desk = Desk(tmp_path / "state" / "ticks")
    desk.record(tick(1))

    assert desk.read() == [tick(1)]


def test_a_flush_gives_everything_to_the_system(desk: Desk) -> None:
    """What was flushed can be read while the recorder goes on; what waits is not written yet."""
    recorder = desk.recorder()
    recorder.record(tick(1))
    recorder.flush()
    recorder.record(tick(2))
    assert desk.read() == [tick(1)]

    recorder.close()
    assert desk.read() == [tick(1), tick(2)]


def test_a_large_buffer_is_flushed_by_itself(desk: Desk) -> None:
    """However long no flush comes, no more than a buffer of ticks waits."""
    recorder = desk.recorder()
    line = len(tick_line(FULL))
    for _ in range(3 * BUFFER_BYTES // line):
        recorder.record(FULL)

    written = desk.path.stat().st_size - len(TICK_HEADER)
    assert 3 * BUFFER_BYTES - written <= BUFFER_BYTES + 2 * line
    recorder.close()


# ---------------------------------------------------------------- kills


def test_the_next_run_goes_on_in_the_same_file(desk: Desk) -> None:
    """A second run of the same day appends."""
    desk.record(tick(1))
    desk.record(tick(2))

    assert desk.read() == [tick(1), tick(2)]
    assert desk.path.read_bytes().count(TICK_HEADER) == 1


def test_a_file_cut_anywhere_is_read_and_continued(desk: Desk) -> None:
    """Cut at any byte, the file gives its whole lines, and the next run appends after them."""
    desk.record(tick(1), FULL)
    whole = desk.path.read_bytes()
    for length in range(len(whole) + 1):
        desk.path.write_bytes(whole[:length])
        left = desk.read()
        assert left == [tick(1), FULL][: max(whole[:length].count(b"\n") - 1, 0)]

        desk.record(tick(3))
        assert desk.read() == [*left, tick(3)]
    assert desk.complaints == []


def test_a_long_torn_line_is_cut_off(desk: Desk) -> None:
    """The rest of a write that a power cut left without line ends goes, whatever its length."""
    desk.record(tick(1))
    with desk.path.open("ab") as file:
        file.write(b"\0" * 10_000)
    assert desk.read() == [tick(1)]

    desk.record(tick(2))
    assert desk.read() == [tick(1), tick(2)]


def record_until_killed(folder: Path) -> None:
    """What the child does: record ticks, flush, say so, and again."""
    recorder = TickRecorder(folder, print)
    for seq in range(1, 10**9):
        recorder.record(tick(seq))
        if seq % 10 == 0:
            recorder.flush()
            sys.stdout.write(f"{seq}\n")
            sys.stdout.flush()


def test_a_kill_loses_nothing_that_was_flushed(desk: Desk) -> None:
    """After a kill at any moment every tick that was flushed is there, in order."""
    child = subprocess.Popen(
        [sys.executable, __file__, str(desk.folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    said = [int(child.stdout.readline()) for _ in range(40)]
    child.kill()
    child.communicate()

    stored = [each.seq for each in desk.read()]
    assert stored == list(range(1, len(stored) + 1))
    assert len(stored) >= said[-1]


# ---------------------------------------------------------------- what cannot be recorded or read


def test_an_unusable_folder_is_said_once(tmp_path: Path) -> None:
    """Where no file can be made, one line says so, and ticks go by without an error."""
    (tmp_path / "state").write_text("a file")
    desk = Desk(tmp_path / "state")
    desk.record(tick(1), tick(2))

    (line,) = desk.complaints
    assert line.startswith(f"{desk.path}: ticks are not recorded any more: ")
    assert "\n" not in line


def test_a_full_disk_is_said_once(desk: Desk) -> None:
    """A disk that takes no more ends the recording with one line; what fitted is whole, and a later
    run goes on after it.
    """
    most = 20_000
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        recorder = desk.recorder()
        for seq in range(1, 3_000):
            recorder.record(tick(seq))
            if seq % 100 == 0:
                recorder.flush()
        recorder.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    (line,) = desk.complaints
    assert line == f"{desk.path}: ticks are not recorded any more: File too large"
    assert desk.path.stat().st_size == most
    stored = desk.read()
    assert [each.seq for each in stored] == list(range(1, len(stored) + 1))

    desk.record(tick(9_999))
    assert desk.read() == [*stored, tick(9_999)]


def test_another_file_is_not_touched(desk: Desk) -> None:
    """A file of the same name that is no file of ticks stays as it is."""
    desk.path.write_text("something else\n")
    desk.record(tick(1), tick(2))

    assert len(desk.complaints) == 1
    assert "move it away" in desk.complaints[0]
    assert desk.path.read_text() == "something else\n"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"something else\n", "line 1 is not the header"),
        (TICK_HEADER + tick_line(FULL) + b"[1,2]\n" + tick_line(FULL), "line 3 is not a tick"),
        (TICK_HEADER + b"\n", "line 2 is not a tick"),
    ],
)
def test_a_broken_line_is_named(desk: Desk, content: bytes, line: str) -> None:
    """Only the end of a file may be torn: any other line that is no tick is an error of one line."""
    desk.path.write_bytes(content)

    with pytest.raises(ValueError, match=line) as caught:
        desk.read()
    assert "\n" not in str(caught.value)


if __name__ == "__main__":
    record_until_killed(Path(sys.argv[1]))
