"""One bot a folder, and a kill switch that outlives it: real processes, real files."""

from __future__ import annotations

import datetime as dt
import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from baseline_v1_live.runtime.instance import (
    InstanceLock,
    InstanceLocked,
    KillFile,
    is_locked,
    lock_holder,
    write_whole,
)
from tests.harness_market import DATE, at

ROOT = Path(__file__).resolve().parents[2]
_HOLD = """
import sys, pathlib
from baseline_v1_live.runtime.instance import InstanceLock
with InstanceLock(pathlib.Path(sys.argv[1])).acquire(int(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_bot(folder: Path, since: str = "09:05:12") -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the folder's lock until it is killed or the block ends."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(folder), str(at(since))],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_bot_is_refused_with_one_line(tmp_path: Path) -> None:
    """The second bot on a folder is told the first one's process, since when, and what to do."""
    with another_bot(tmp_path) as first, pytest.raises(InstanceLocked) as refused:
        InstanceLock(tmp_path).acquire(at("09:10:00"))

    text = str(refused.value)
    assert len(text.splitlines()) == 1
    assert f"process {first.pid} on " in text
    assert "since 28 Dec 09:05:12" in text
    assert "stop it first" in text


def test_a_killed_bot_leaves_the_folder_free(tmp_path: Path) -> None:
    """SIGKILL releases the lock; the stale content is in nobody's way and is replaced."""
    with another_bot(tmp_path) as first:
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert not is_locked(tmp_path)
        with InstanceLock(tmp_path).acquire(at("09:10:00")):
            holder = lock_holder(tmp_path)

    assert holder is not None
    assert (holder.pid, holder.since_ms) == (os.getpid(), at("09:10:00"))


def test_the_lock_is_free_again_after_release(tmp_path: Path) -> None:
    """A lock that was released can be taken by another, and releasing twice is harmless."""
    lock = InstanceLock(tmp_path / "new" / "paper").acquire(1)
    lock.release()
    lock.release()

    with InstanceLock(tmp_path / "new" / "paper").acquire(2):
        assert is_locked(tmp_path / "new" / "paper")


def test_two_folders_do_not_disturb_each_other(tmp_path: Path) -> None:
    """A bot on one mode's folder does not keep one off another's."""
    with InstanceLock(tmp_path / "live").acquire(1), InstanceLock(tmp_path / "paper").acquire(1):
        assert is_locked(tmp_path / "live")
        assert is_locked(tmp_path / "paper")
    assert not is_locked(tmp_path / "dry-run")
    assert lock_holder(tmp_path / "dry-run") is None


@pytest.mark.parametrize("content", [b"", b'{"pid": "x"}', b"\xff\xfe", b"old" * 1_000])
def test_whatever_the_file_says_only_the_lock_counts(tmp_path: Path, content: bytes) -> None:
    """Stale or damaged content of the lock file keeps nobody from starting."""
    (tmp_path / "lock").write_bytes(content)

    assert not is_locked(tmp_path)
    with InstanceLock(tmp_path).acquire(at("09:10:00")):
        assert is_locked(tmp_path)
        holder = lock_holder(tmp_path)
        assert holder is not None
        assert holder.pid == os.getpid()


def test_a_lock_of_an_unreadable_holder_is_still_refused(tmp_path: Path) -> None:
    """A held lock whose content cannot be read refuses the second bot all the same."""
    with InstanceLock(tmp_path).acquire(1):
        (tmp_path / "lock").write_bytes(b"?")
        with pytest.raises(InstanceLocked, match="not known which"):
            InstanceLock(tmp_path).acquire(2)


def test_asking_whether_it_is_held_keeps_nobody_from_starting(tmp_path: Path) -> None:
    """A bot that starts while somebody asks whether the lock is held waits for that moment."""
    (tmp_path / "lock").touch()
    asking = (tmp_path / "lock").open("rb")
    fcntl.flock(asking, fcntl.LOCK_SH)
    threading.Timer(0.1, asking.close).start()

    with InstanceLock(tmp_path).acquire(1):
        assert is_locked(tmp_path)


# ---------------------------------------------------------------- the kill switch


def test_the_kill_switch_counts_for_its_date_only(tmp_path: Path) -> None:
    """Set for a date, the switch is set on that date and on no other."""
    switch = KillFile(tmp_path / "not" / "yet")
    assert not switch.is_set(DATE)
    switch.set(DATE, "somebody")

    assert KillFile(tmp_path / "not" / "yet").is_set(DATE)
    assert not switch.is_set(DATE + dt.timedelta(days=1))
    assert switch.path.read_text() == "2026-12-28 somebody\n"


def test_setting_it_again_replaces_an_older_date(tmp_path: Path) -> None:
    """A switch left over from another day does not survive the next kill."""
    switch = KillFile(tmp_path)
    switch.set(DATE - dt.timedelta(days=3), "somebody")
    switch.set(DATE, "another")

    assert switch.is_set(DATE)
    assert not switch.is_set(DATE - dt.timedelta(days=3))
    assert [path.name for path in tmp_path.iterdir()] == ["KILL"]


@pytest.mark.parametrize("content", ["", "stop!!", "28.12.2026"])
def test_a_file_made_by_hand_counts_on_its_day(tmp_path: Path, content: str) -> None:
    """A file without a date, made in a hurry, is a kill on the day it was made, and on no other."""
    switch = KillFile(tmp_path)
    switch.path.write_text(content)
    os.utime(switch.path, (at("11:00:00") / 1000, at("11:00:00") / 1000))

    assert switch.is_set(DATE)
    assert not switch.is_set(DATE + dt.timedelta(days=1))


def test_a_switch_that_cannot_be_read_counts(tmp_path: Path) -> None:
    """What cannot be read is not taken for absent."""
    KillFile(tmp_path).path.mkdir()

    assert KillFile(tmp_path).is_set(DATE)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    """A file that cannot be replaced leaves what was there, and no half-written neighbour."""
    (tmp_path / "name").mkdir()
    with pytest.raises(OSError, match="name"):
        write_whole(tmp_path / "name", b"new", mode=0o600)

    assert [path.name for path in tmp_path.iterdir()] == ["name"]
