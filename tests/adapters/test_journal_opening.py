"""Only files that are journals are opened; older ones are copied and brought up to date."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from baseline_v1_live.adapters.journal import (
    MIGRATIONS,
    Journal,
    JournalDamagedError,
    JournalError,
    JournalLockedError,
    JournalUnwritableError,
    StateRecord,
    schema,
)
from tests.adapters.journal_desk import DAY, ENTRY, PLACE, ROOT, SHORT, TRADE, due, rows

# Opening


def test_pragmas_are_really_set(path: Path) -> None:
    """The connection that writes waits for the disk, keeps a log, and checks references."""
    with Journal.open(path) as journal:
        assert journal.pragmas() == {
            "journal_mode": "wal",
            "synchronous": 2,
            "busy_timeout": 5_000,
            "foreign_keys": 1,
            "user_version": len(MIGRATIONS),
        }


def test_references_are_checked(journal: Journal) -> None:
    """A fill without its order cannot be stored."""
    with pytest.raises(sqlite3.IntegrityError):
        journal._db.execute("INSERT INTO fills VALUES ('nobody', 1, 1, 1)")


def test_an_empty_file_becomes_a_journal(path: Path) -> None:
    """A file of no bytes is a journal in which nothing happened, and needs no copy."""
    path.touch()

    with Journal.open(path) as journal:
        assert journal.pragmas()["user_version"] == len(MIGRATIONS)
        assert list(journal.events()) == []
    assert [file.name for file in path.parent.iterdir()] == ["journal.db"]


def test_the_first_schema_is_brought_up_to_date(path: Path) -> None:
    """A journal of the first release keeps its steps, is copied, and stores state and requests."""
    state = StateRecord(session=DAY, kind="flags", key="", body=b"{}")
    with Journal.open(path, migrations=MIGRATIONS[:1]) as journal:
        journal.commit(due(1), [PLACE], [ENTRY], [SHORT], [TRADE])

    with Journal.open(path) as journal:
        assert list(journal.events()) == [due(1)]
        assert (journal.orders(), journal.trades()) == ([ENTRY], [TRADE])
        assert (journal.state(DAY), journal.requests()) == ([], [])
        journal.commit(due(2), state=[state])
        assert journal.state(DAY) == [state]

    with Journal.open(path.with_name("journal.db.v1.bak"), migrations=MIGRATIONS[:1]) as copy:
        assert list(copy.events()) == [due(1)]


LATER = (*MIGRATIONS, "ALTER TABLE orders ADD COLUMN colour TEXT; CREATE TABLE more (x INTEGER)")


def test_an_older_journal_is_copied_and_migrated(path: Path) -> None:
    """An older file keeps what it holds, gets the newer tables, and its copy stays as it was."""
    with Journal.open(path) as journal:
        journal.commit(due(1), [PLACE], [ENTRY])

    with Journal.open(path, migrations=LATER) as journal:
        assert journal.pragmas()["user_version"] == len(LATER)
        assert list(journal.events()) == [due(1)]
        assert journal.orders() == [ENTRY]
    assert rows(path, "SELECT colour FROM orders") == [(None,)]

    copy = path.with_name(f"journal.db.v{len(MIGRATIONS)}.bak")
    with Journal.open(copy) as journal:
        assert list(journal.events()) == [due(1)]
    assert {file.name for file in path.parent.iterdir()} == {path.name, copy.name}


def test_a_failed_migration_changes_nothing(path: Path) -> None:
    """A migration that breaks half way leaves the older journal as it was, ready for use."""
    with Journal.open(path) as journal:
        journal.commit(due(1))
    broken = (*MIGRATIONS, "CREATE TABLE more (x INTEGER); INSERT INTO nowhere VALUES (1)")

    with pytest.raises(JournalError, match="no such table: nowhere"):
        Journal.open(path, migrations=broken)

    with Journal.open(path) as journal:
        assert list(journal.events()) == [due(1)]
    assert rows(path, "SELECT name FROM sqlite_master WHERE name = 'more'") == []


def test_a_newer_journal_is_refused(path: Path) -> None:
    """A file of a newer program is refused in one line and stays as it is."""
    Journal.open(path, migrations=LATER).close()
    before = path.read_bytes()

    assert refusal(path) == (
        f"{path} is of a newer program (schema {len(LATER)}, this one knows {len(MIGRATIONS)}): "
        "use that program, or another file"
    )
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"not a database\n", b"x" * 5_000], ids=["short", "long"])
def test_a_file_that_is_no_database_is_refused(path: Path, content: bytes) -> None:
    """A file of something else is refused in one line and stays as it is."""
    path.write_bytes(content)

    assert refusal(path) == f"{path} cannot be opened as a journal: file is not a database"
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused(path: Path) -> None:
    """Tables of somebody else are not mixed with ours."""
    rows(path, "CREATE TABLE theirs (x INTEGER)")

    assert refusal(path) == f"{path} is a database of another program"


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    """A folder that does not exist, or is none, is named in one line and not created."""
    missing = tmp_path / "state" / "journal.db"
    assert refusal(missing) == f"{missing}: the folder {missing.parent} does not exist"
    assert not missing.parent.exists()

    missing.parent.write_text("a file", "utf-8")
    assert refusal(missing) == f"{missing}: the folder {missing.parent} does not exist"


def test_a_folder_in_the_files_place_is_refused(path: Path) -> None:
    """A folder where the file should be is one line."""
    path.mkdir()

    assert refusal(path) == f"{path} cannot be opened as a journal: unable to open database file"


def test_what_cannot_be_written_is_refused(path: Path) -> None:
    """A folder without permission to write, and a file that can only be read, are one line each."""
    Journal.open(path).close()
    path.chmod(0o400)
    with suppress(PermissionError), path.open("ab"):
        pytest.skip("this user may write everywhere")
    assert refusal(path).startswith(f"{path} cannot be opened as a journal: ")

    folder = path.parent / "state"
    folder.mkdir(mode=0o500)
    assert refusal(folder / "journal.db").startswith(f"{folder}/journal.db cannot be opened")


def refusal(path: Path, opening: Callable[[Path], Journal] = Journal.open) -> str:
    with pytest.raises(JournalError) as caught:
        opening(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# What kind of refusal it is


def _folder_in_its_place(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _flip(path: Path, first: int, last: int) -> None:
    content = bytearray(path.read_bytes())
    content[first:last] = bytes(byte ^ 0xFF for byte in content[first:last])
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (lambda path: path.write_bytes(b"not a database\n"), JournalDamagedError),
        (lambda path: _flip(path, 60, 61), JournalDamagedError),
        (lambda path: _flip(path, 8_192, 16_384), JournalDamagedError),
        (lambda path: rows(path, "DROP TABLE requests"), JournalDamagedError),
        (lambda path: rows(path, "DROP INDEX requests_at"), JournalDamagedError),
        (lambda path: rows(path, "PRAGMA user_version = 0"), JournalDamagedError),
        (_folder_in_its_place, JournalUnwritableError),
        (lambda path: rows(path, "PRAGMA user_version = 9"), JournalError),
    ],
    ids=["no database", "number", "pages", "table", "index", "another", "folder", "newer"],
)
def test_a_refusal_says_what_kind_it_is(
    path: Path, spoil: Callable[[Path], object], kind: type[JournalError]
) -> None:
    """What is damaged, what cannot be written, and what is only of a newer program."""
    with Journal.open(path) as journal:
        journal.commit(due(1), [PLACE], [ENTRY], [SHORT], [TRADE])
    spoil(path)

    with pytest.raises(JournalError) as caught:
        Journal.open(path)

    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("how", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_journal_that_another_program_keeps_is_locked(path: Path, how: str) -> None:
    """It is whole and may be free in a moment."""
    Journal.open(path).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute(f"PRAGMA locking_mode = {'EXCLUSIVE' if how == 'EXCLUSIVE' else 'NORMAL'}")
    other.execute(f"BEGIN {how}")

    with pytest.raises(JournalLockedError):
        Journal.open(path, busy_timeout_ms=1)

    other.close()
    Journal.open(path).close()


def test_the_look_at_all_pages_does_not_last(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal of years is opened all the same: what is held waits for it."""
    monkeypatch.setattr(schema, "CHECK_S", -1.0)
    monkeypatch.setattr(schema, "_LOOK_EVERY_OPS", 1)
    with Journal.open(path) as journal:
        journal.commit(due(1), [PLACE])

    with Journal.open(path) as journal:
        assert journal.last_seq() == 1


# Threads and readers


def from_another_thread(work: Callable[[], object]) -> object:
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(work).result()


def test_a_journal_for_any_thread_can_be_handed_over(path: Path) -> None:
    """One that is opened for any thread stores steps of another one; any other refuses."""
    with Journal.open(path, any_thread=True) as journal:
        from_another_thread(lambda: journal.commit(due(1)))
        assert list(journal.events()) == [due(1)]
    with Journal.open(path) as journal, pytest.raises(JournalError):
        from_another_thread(lambda: journal.commit(due(2)))


def test_a_reader_sees_what_is_written_meanwhile(path: Path) -> None:
    """A reader of a journal that is being written sees each step as soon as it is stored."""
    with Journal.open(path) as journal:
        journal.commit(due(1), [PLACE], [ENTRY])
        with Journal.open_read_only(path) as reader:
            assert reader.orders() == [ENTRY]
            journal.commit(due(2))
            assert [event.seq for event in reader.events()] == [1, 2]


def test_a_reader_changes_nothing(path: Path) -> None:
    """A reader can store nothing, and the file is the same after it as before."""
    with Journal.open(path) as journal:
        journal.commit(due(1))
    before = path.read_bytes()

    with Journal.open_read_only(path) as reader:
        with pytest.raises(JournalError, match=r"step 2 was not stored: .*readonly"):
            reader.commit(due(2))
        assert list(reader.events()) == [due(1)]
    assert path.read_bytes() == before


def test_a_reader_does_not_hold_up_the_writer(path: Path) -> None:
    """A reader in the middle of a long answer keeps no step out."""
    with Journal.open(path, busy_timeout_ms=0) as journal:
        for seq in range(1, 500):
            journal.commit(due(seq))
        with Journal.open_read_only(path) as reader:
            events = reader.events()
            assert next(events).seq == 1
            journal.commit(due(500))
            assert [event.seq for event in events] == list(range(2, 500))


def test_a_reader_sees_what_a_killed_bot_left(path: Path) -> None:
    """Steps that are only in the write-ahead log of a writer that is gone are seen."""
    with Journal.open(path) as journal:
        journal.commit(due(1))
        for file in (path, path.with_name("journal.db-wal")):
            shutil.copy(file, file.with_name(file.name.replace("journal", "left")))
    left = path.with_name("left.db")
    assert left.with_name("left.db-wal").stat().st_size

    with Journal.open_read_only(left) as reader:
        assert list(reader.events()) == [due(1)]


@pytest.mark.parametrize("name", ["journal.db", "nowhere/journal.db", "strange ?#%20 name.db"])
def test_a_reader_says_that_there_is_no_journal(tmp_path: Path, name: str) -> None:
    """A file that does not exist is one line, and is not made."""
    path = tmp_path / name

    assert refusal(path, Journal.open_read_only) == f"{path}: there is no such journal"
    assert list(tmp_path.iterdir()) == []


def test_a_reader_takes_any_name(tmp_path: Path) -> None:
    """Characters that mean something in an address mean nothing in a file's name."""
    path = tmp_path / "strange ?mode=rwc#%20 name.db"
    with Journal.open(path) as journal:
        journal.commit(due(1))

    with Journal.open_read_only(path) as reader:
        assert list(reader.events()) == [due(1)]


def test_a_reader_refuses_other_files(path: Path) -> None:
    """What is no journal, or one of another schema, is refused in one line each."""
    path.touch()
    assert refusal(path, Journal.open_read_only) == f"{path} is no journal: it is empty"
    path.write_bytes(b"not a database\n")
    assert refusal(path, Journal.open_read_only).endswith("file is not a database")
    path.unlink()

    rows(path, "CREATE TABLE theirs (x INTEGER)")
    assert refusal(path, Journal.open_read_only) == f"{path} is a database of another program"
    path.unlink()

    Journal.open(path, migrations=MIGRATIONS[:1]).close()
    assert refusal(path, Journal.open_read_only) == (
        f"{path} is of an older program (schema 1, this one reads {len(MIGRATIONS)}): "
        "start the bot on it once, which brings it up to date"
    )
    Journal.open(path, migrations=LATER).close()
    assert "is of a newer program" in refusal(path, Journal.open_read_only)


# The document


def test_document_explains_every_column(path: Path) -> None:
    """The page on the journal has each table as a heading with each of its columns below."""
    Journal.open(path).close()
    text = (ROOT / "docs" / "journal.md").read_text("utf-8")
    explained = {
        heading: set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\|([^|]*)\|", body, re.M))))
        for heading, body in re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", text, re.M | re.S)
    }

    tables = rows(
        path,
        "SELECT tables.name, columns.name FROM sqlite_master AS tables "
        "JOIN pragma_table_info(tables.name) AS columns "
        "WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite_%'",
    )
    existing: dict[str, set[str]] = {}
    for table, column in tables:
        existing.setdefault(table, set()).add(column)
    assert explained == existing


def test_documents_questions_can_be_asked(path: Path) -> None:
    """The page's example queries run on a journal."""
    with Journal.open(path) as journal:
        journal.commit(due(1), [PLACE], [ENTRY], [SHORT], [TRADE])
    text = (ROOT / "docs" / "journal.md").read_text("utf-8")
    found = re.search(r"```sql\n(.*?)```", text, re.S)
    assert found is not None

    questions = [question for question in found[1].split(";\n") if question.strip()]
    assert [len(rows(path, question)) for question in questions] == [1, 1, 0, 0]
