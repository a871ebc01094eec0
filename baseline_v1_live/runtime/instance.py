"""One bot a state folder, and the file that ends the day: the ``lock`` and the ``KILL`` file.

The lock is the kernel's (flock): it goes with its process however that ends, and what is written in
the file only tells people who holds it.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import os
import socket
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec

from baseline_v1_live.core.session import ist_date, ist_datetime

LOCK_NAME = "lock"
KILL_NAME = "KILL"

# Who asks whether the lock is held holds a shared one for a moment; a bot that starts just then waits.
_TRIES = 10
_BETWEEN_TRIES_S = 0.05


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds a lock; ``since_ms`` is epoch milliseconds."""

    pid: int
    host: str
    since_ms: int

    def __str__(self) -> str:
        return (
            f"process {self.pid} on {self.host} since {ist_datetime(self.since_ms):%d %b %H:%M:%S}"
        )


class InstanceLocked(Exception):  # noqa: N818 - it says what is so
    """Another bot runs on the same state folder; its text is one line."""


class InstanceLock:
    """The exclusive lock of a state folder. A context manager that releases it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK_NAME
        self._file: IO[bytes] | None = None

    def acquire(self, now_ms: int) -> Self:
        """Take the lock and write who holds it, since ``now_ms``; the folder is made if need be.

        Raises InstanceLocked when another process holds it.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._open()
        try:
            if not _flock(file, fcntl.LOCK_EX, tries=_TRIES):
                who = _read(file)
                raise InstanceLocked(
                    f"{self._path.parent}: another bot runs here ({who or 'not known which'}); "
                    "stop it first, or start this one with another STATE_DIR or mode"
                )
            holder = Holder(pid=os.getpid(), host=socket.gethostname(), since_ms=now_ms)
            # On a disk that takes nothing the lock holds all the same.
            with suppress(OSError):
                file.seek(0)
                file.truncate()
                file.write(msgspec.json.encode(holder))
        except BaseException:
            file.close()
            raise
        self._file = file
        return self

    def _open(self) -> IO[bytes]:
        try:
            # Not the writing mode that empties the file: it may be another bot's.
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError:
            # Who holds something starts on a disk that can only be read, too.
            return open(self._path, "rb", buffering=0)
        return os.fdopen(handle, "r+b", buffering=0)

    def release(self) -> None:
        """Give the lock back; the file stays. Twice is harmless."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def is_locked(folder: Path) -> bool:
    """Whether a bot holds the folder's lock now."""
    try:
        with (folder / LOCK_NAME).open("rb") as file:
            return not _flock(file, fcntl.LOCK_SH, tries=1)
    except FileNotFoundError:
        return False


def lock_holder(folder: Path) -> Holder | None:
    """Who wrote himself into the folder's lock last; he may be gone (see ``is_locked``)."""
    try:
        with (folder / LOCK_NAME).open("rb") as file:
            return _read(file)
    except FileNotFoundError:
        return None


class KillFile:
    """The kill switch of a state folder: while it is set for today, nothing is sold today."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / KILL_NAME

    def is_set(self, date: dt.date) -> bool:
        """Whether the switch is set for a date.

        A file that carries no date, as a person may make one in a hurry, counts on the day it was
        last written; one that cannot be read counts always.
        """
        try:
            words = self.path.read_text("utf-8", errors="replace").split()
            changed_ms = int(self.path.stat().st_mtime * 1000)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        try:
            return dt.date.fromisoformat(words[0]) == date
        except (IndexError, ValueError):
            return ist_date(changed_ms) == date

    def set(self, date: dt.date, by: str) -> None:
        """Set the switch for a date, whole or not at all; one of another date is replaced.

        Raises OSError when the file cannot be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, f"{date.isoformat()} {by}\n".encode(), mode=0o644)


def write_whole(path: Path, content: bytes, *, mode: int) -> None:
    """Write a file so that a reader, or a crash, finds the old content or the new, never a part."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _flock(file: IO[bytes], kind: int, *, tries: int) -> bool:
    for number in range(tries):
        if number:
            time.sleep(_BETWEEN_TRIES_S)
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        return True
    return False


def _read(file: IO[bytes]) -> Holder | None:
    file.seek(0)
    try:
        return msgspec.json.decode(file.read(), type=Holder)
    except msgspec.DecodeError:
        return None
