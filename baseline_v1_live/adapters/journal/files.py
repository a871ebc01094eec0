"""The files of a state folder's journal: which one a day is in, how far it got, and what is set aside.

The mark is one line beside the journal that says how far it got. It is written after each group of
steps, in place and without waiting for the disk, so it may be behind the journal and is never ahead
of it: a journal that is behind its mark has lost steps, with its write-ahead log or as a whole.
"""

from __future__ import annotations

import datetime as dt
import os
from contextlib import suppress
from pathlib import Path

import msgspec

from baseline_v1_live.core.session import ist_datetime

JOURNAL_NAME = "journal.db"
MARK_NAME = "journal.mark"
_MARK_LENGTH = 160
# What SQLite keeps beside a file, and needs to read it.
_COMPANIONS = ("-wal", "-shm")


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """How far the journal of a date got: the file that has it, and the number of its newest step."""

    date: str
    file: str
    seq: int


def read_mark(folder: Path) -> Mark | None:
    """The mark of a folder; None when there is none that can be read."""
    try:
        return msgspec.json.decode((folder / MARK_NAME).read_bytes(), type=Mark)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def write_mark(folder: Path, mark: Mark) -> None:
    """Write the mark; where that is not possible the journal goes without one."""
    line = msgspec.json.encode(mark).ljust(_MARK_LENGTH) + b"\n"
    with suppress(OSError):
        handle = os.open(folder / MARK_NAME, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.pwrite(handle, line, 0)
        finally:
            os.close(handle)


def journal_file(folder: Path, date: dt.date | None = None) -> Path:
    """The file that has the journal of a date, or (None) of the newest step; it need not be there."""
    mark = read_mark(folder)
    if mark is None or (date is not None and mark.date != date.isoformat()):
        return folder / JOURNAL_NAME
    return folder / mark.file


def beside(path: Path, word: str, at_ms: int) -> Path:
    """A name that nothing has yet: ``journal.db`` to ``journal-<word>-20261126-101523.db``."""
    name = f"{path.stem}-{word}-{ist_datetime(at_ms):%Y%m%d-%H%M%S}"
    found, number = path.with_name(f"{name}{path.suffix}"), 1
    while any(file.exists() for file in _family(found)):
        number += 1
        found = path.with_name(f"{name}-{number}{path.suffix}")
    return found


def set_aside(path: Path, at_ms: int) -> Path:
    """Move a file away with what SQLite keeps beside it, never over another one; its new name.

    What is not there is not moved. Raises OSError.
    """
    target = beside(path, "damaged", at_ms)
    for source, to in zip(_family(path), _family(target), strict=True):
        with suppress(FileNotFoundError):
            source.rename(to)
    return target


def is_there(path: Path) -> bool:
    """Whether there is a journal, or something that one has left."""
    return any(file.exists() for file in _family(path))


def _family(path: Path) -> list[Path]:
    return [path, *(path.with_name(path.name + end) for end in _COMPANIONS)]
