"""A state folder and its journal: what a bot writes, what a killed one leaves, bytes that turn."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from baseline_v1_live.core.messages import Level, Notify, TimerDue
from baseline_v1_live.live_journal import DayJournals, Opened
from baseline_v1_live.runtime.records import StateRecord, Step
from baseline_v1_live.runtime.recovery import SessionKeeper, Universe, universe_record
from tests.harness import desk_of_five
from tests.harness_market import C260, DATE, at

TOMORROW = DATE + dt.timedelta(days=1)
AT = at("10:00:00")
FIRST_STEPS, STEPS = 40, 60


class Desk:
    """A state folder, and the starts of bots in it; what they said is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.journals = DayJournals(folder, lambda: AT, lambda _, line: self.said.append(line))
        self.journals.LOCK_WAIT_S, self.journals.LOCK_PAUSE_S = 0.05, 0.01
        self.journals.BUSY_MS = 1

    @property
    def path(self) -> Path:
        return self.folder / "journal.db"

    @contextmanager
    def start(self, date: dt.date = DATE) -> Iterator[Opened]:
        self.said.clear()
        opened = asyncio.run(self.journals.open(date))
        with closing(opened.journal):
            yield opened

    def write(self, first: int, last: int) -> None:
        """What a bot does during the day: the state at its first step, then one step after another."""
        with self.start() as opened:
            write(opened, first, last)

    def names(self, pattern: str) -> list[str]:
        return sorted(path.name for path in self.folder.glob(pattern))


@functools.cache
def records() -> list[StateRecord]:
    """What a bot with three positions has stored for its restart."""
    engine = desk_of_five().engine
    contracts = engine.orders.contracts
    universe = Universe(
        date=DATE,
        underlying="NIFTY",
        expiry=contracts[C260].expiry,
        atm_paise=26_000_00,
        contracts=list(contracts.values()),
    )
    return [universe_record(universe), *SessionKeeper().changes(engine)]


def due(seq: int) -> TimerDue:
    return TimerDue(seq=seq, at_ms=AT + seq)


def write(opened: Opened, first: int, last: int) -> None:
    big = Notify(level=Level.LOG, tag="X", text="x" * 2_000)
    for seq in range(first, last + 1):
        opened.steps.commit_steps([Step(due(seq), [big], state=records() if seq == 1 else [])])


def leave_killed(running: Path, left: Path) -> None:
    """What a bot leaves that was killed: steps in the file, later ones only in its write-ahead log."""
    desk = Desk(running)
    desk.write(1, FIRST_STEPS)
    with desk.start() as opened:
        write(opened, FIRST_STEPS + 1, STEPS)
        for path in desk.folder.iterdir():
            shutil.copy(path, left)
    assert (left / "journal.db-wal").stat().st_size


def sql(path: Path, *statements: str) -> None:
    """What another program does to a file, with what is beside it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def flip(desk: Desk, *places: int) -> None:
    """All in one file, some bytes of which then turn into others."""
    sql(desk.path, "PRAGMA journal_mode = DELETE")
    content = bytearray(desk.path.read_bytes())
    for place in places:
        content[place] ^= 0xFF
    desk.path.write_bytes(content)
