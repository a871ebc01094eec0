"""A file that another program keeps, and a disk without room."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path


@contextmanager
def kept_by_another(path: Path, how: str) -> Iterator[None]:
    """Another program is ``writing`` a database, or keeps it ``exclusive``, readers out too."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        if how == "exclusive":
            other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        other.execute("CREATE TABLE IF NOT EXISTS theirs (x INTEGER)")
        yield


@contextmanager
def no_room() -> Iterator[None]:
    """No file may grow beyond a line, as on a disk without a free block."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
