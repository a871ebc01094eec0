"""A step that cannot be stored is stored not at all, and a kill loses nothing that was."""

from __future__ import annotations

import itertools
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from baseline_v1_live.adapters.journal import Journal, JournalError, StateRecord
from baseline_v1_live.core.messages import Level, Notify
from tests.adapters.journal_desk import DAY, ENTRY, PLACE, ROOT, SHORT, due, rows

# Failures while storing


def test_a_locked_journal_is_one_line(path: Path) -> None:
    """A step that another writer keeps out fails with one line, and succeeds when he is gone."""
    with Journal.open(path, busy_timeout_ms=1) as journal:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError) as caught:
            journal.commit(due(1), [PLACE])
        other.close()

        assert str(caught.value) == f"{path}: step 1 was not stored: database is locked"
        journal.commit(due(1), [PLACE])
        assert list(journal.events()) == [due(1)]


def test_a_full_disk_loses_only_the_step(path: Path) -> None:
    """A step that does not fit is stored not at all, and the journal goes on when there is room."""
    big = Notify(level=Level.LOG, tag="X", text="x" * 100_000)
    with Journal.open(path) as journal:
        journal.commit(due(1), [PLACE], [ENTRY])
        # The limit belongs to the connection, so it has to be set on the journal's own one.
        pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
        journal._db.execute(f"PRAGMA max_page_count = {pages + 2}")
        changed = msgspec.structs.replace(ENTRY, state="cancelled")
        with pytest.raises(JournalError, match="step 2 was not stored: database or disk is full"):
            journal.commit(due(2), [PLACE, big], [changed])

        assert [event.seq for event in journal.events()] == [1]
        assert list(journal.commands()) == [PLACE]
        assert journal.orders() == [ENTRY]

        journal._db.execute("PRAGMA max_page_count = 100000")
        journal.commit(due(2), [big], [changed])
        assert journal.orders() == [changed]


def test_a_number_too_large_loses_only_the_step(journal: Journal) -> None:
    """A record that no column can hold fails its step whole and leaves no open transaction."""
    with pytest.raises(JournalError, match="step 1 was not stored"):
        journal.commit(due(1), [PLACE], [msgspec.structs.replace(ENTRY, quantity=2**70)])

    journal.commit(due(1))
    assert (list(journal.events()), list(journal.commands())) == ([due(1)], [])


def test_a_closed_journal_says_so() -> None:
    """After closing, writing and reading fail with the journal's own error."""
    with Journal.in_memory() as journal:
        pass
    journal.close()

    with pytest.raises(JournalError):
        journal.commit(due(1))
    with pytest.raises(JournalError):
        journal.orders()


def test_an_unreadable_message_is_named(path: Path) -> None:
    """A message that this program does not know is an error that names its step."""
    with Journal.open(path) as journal:
        rows_added = sqlite3.connect(path)
        rows_added.execute(
            "INSERT INTO events VALUES (4, '', '', 1, 'Moved', '{\"type\":\"Moved\"}')"
        )
        rows_added.commit()
        rows_added.close()

        with pytest.raises(JournalError, match="step 4 cannot be read"):
            list(journal.events())


# A killed process


def write_until_killed(path: Path) -> None:
    """What the child does: store a step, say so, and again."""
    with Journal.open(path) as journal:
        for seq in itertools.count(1):
            order = msgspec.structs.replace(
                ENTRY, order_id=f"entry-{seq}", filled_quantity=seq, filled_value_paise=seq
            )
            position = msgspec.structs.replace(SHORT, quantity=-seq)
            state = StateRecord(session=DAY, kind="flags", key="", body=b"%d" % seq)
            journal.commit(due(seq), [PLACE, PLACE], [order], [position], state=[state])
            sys.stdout.write(f"{seq}\n")
            sys.stdout.flush()


def test_a_kill_loses_nothing_that_was_stored(path: Path) -> None:
    """After a kill at any moment the journal holds whole steps only, and each that returned."""
    child = subprocess.Popen(
        [sys.executable, __file__, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    said = [int(child.stdout.readline()) for _ in range(60)]
    child.kill()
    # What was in the pipe at the kill counts too; a line cut short does not.
    rest, _ = child.communicate()
    said += [int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n")]

    with Journal.open(path) as journal:
        stored = [event.seq for event in journal.events()]
        assert stored == list(range(1, len(stored) + 1))
        # The last commit may have finished without a word of it.
        assert len(stored) - len(said) in (0, 1)
        assert len(list(journal.commands())) == 2 * len(stored)
        assert [order.filled_quantity for order in journal.orders()] == stored
        assert [position.quantity for position in journal.positions()] == [-stored[-1]]
        assert [record.body for record in journal.state(DAY)] == [b"%d" % stored[-1]]
        assert journal.last_seq() == stored[-1]
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    assert rows(path, "SELECT count(*) FROM fills") == [(len(stored),)]


if __name__ == "__main__":
    write_until_killed(Path(sys.argv[1]))
