"""The files around a journal: its mark, the names of those set aside, and which one a day is in."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from baseline_v1_live.adapters.journal.files import (
    MARK_NAME,
    Mark,
    beside,
    is_there,
    journal_file,
    read_mark,
    set_aside,
    write_mark,
)
from tests.adapters.journal_desk import AT, DAY, rows

NEWEST = Mark(date=DAY, file="journal-beside-20261229-093000.db", seq=1 << 62)


def test_a_mark_comes_back_as_it_was(tmp_path: Path) -> None:
    """The newest one in the place of the one before, whichever is longer."""
    short = Mark(date=DAY, file="journal.db", seq=1)
    for mark in (short, NEWEST, short):
        write_mark(tmp_path, mark)
        assert read_mark(tmp_path) == mark
    assert [path.name for path in tmp_path.iterdir()] == [MARK_NAME]


def test_a_mark_that_cannot_be_written_is_none(tmp_path: Path) -> None:
    """Nothing depends on its being there."""
    write_mark(tmp_path / "nowhere", NEWEST)

    assert read_mark(tmp_path / "nowhere") is None


@pytest.mark.parametrize("content", [b"", b"\0" * 161, b"{}", b"\xff", b"[]"])
def test_a_mark_that_cannot_be_read_is_none(tmp_path: Path, content: bytes) -> None:
    """As after a power cut."""
    (tmp_path / MARK_NAME).write_bytes(content)

    assert read_mark(tmp_path) is None
    assert journal_file(tmp_path) == tmp_path / "journal.db"


def test_a_days_file_is_the_one_that_its_mark_names(tmp_path: Path) -> None:
    """On every other day it is the journal itself."""
    write_mark(tmp_path, NEWEST)

    dates = {DAY: NEWEST.file, "2026-12-30": "journal.db", "2026-12-28": "journal.db"}
    found = {day: journal_file(tmp_path, _date(day)).name for day in dates}
    assert found == dates
    assert journal_file(tmp_path).name == NEWEST.file


def _date(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def test_a_file_is_set_aside_with_all_that_belongs_to_it(tmp_path: Path) -> None:
    """It can be opened under its new name as under the old one."""
    path = tmp_path / "journal.db"
    rows(path, "CREATE TABLE t (x INTEGER)")
    for ending in ("-wal", "-shm"):
        (tmp_path / f"journal.db{ending}").write_bytes(b"")

    target = set_aside(path, AT)

    assert target.name == "journal-damaged-20261229-093000.db"
    assert not is_there(path)
    assert sorted(file.name.removeprefix(target.name) for file in tmp_path.iterdir()) == [
        "",
        "-shm",
        "-wal",
    ]


@pytest.mark.parametrize("ending", ["", "-wal"])
def test_no_name_is_used_twice(tmp_path: Path, ending: str) -> None:
    """What is left of an earlier file keeps its name, too."""
    path = tmp_path / "journal.db"
    first = beside(path, "damaged", AT)
    first.with_name(first.name + ending).touch()

    assert beside(path, "damaged", AT).name == "journal-damaged-20261229-093000-2.db"


def test_what_is_not_there_is_not_moved(tmp_path: Path) -> None:
    """Setting aside nothing leaves nothing."""
    assert not is_there(set_aside(tmp_path / "journal.db", AT))
    assert list(tmp_path.iterdir()) == []
