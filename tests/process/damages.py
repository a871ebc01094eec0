"""What may have become of a journal's file while no bot runs, by name."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def _one_file(journal: Path) -> bytearray:
    with suppress(sqlite3.Error):
        connection = sqlite3.connect(journal, isolation_level=None)
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.close()
    return bytearray(journal.read_bytes())


def _flip(journal: Path) -> None:
    content = _one_file(journal)
    middle = len(content) // 2 // 4096 * 4096
    for place in range(middle, min(middle + 8 * 4096, len(content))):
        content[place] ^= 0xFF
    journal.write_bytes(content)


def _truncate(journal: Path) -> None:
    content = _one_file(journal)
    journal.write_bytes(content[: len(content) // 2])


def _lose_log(journal: Path) -> None:
    for ending in ("-wal", "-shm"):
        journal.with_name(journal.name + ending).unlink()


def _flip_log(journal: Path) -> None:
    log = journal.with_name(journal.name + "-wal")
    content = bytearray(log.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(byte ^ 0xFF for byte in content[middle : middle + 64])
    log.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "bytes flipped": _flip,
    "file truncated": _truncate,
    "log lost": _lose_log,
    "log flipped": _flip_log,
}
