"""The places at which tests/process/killed_bot.py can kill the bot."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from baseline_v1_live.adapters.journal import Journal, JournalError, RequestRecord, StateRecord
from baseline_v1_live.core.messages import Tick
from baseline_v1_live.runtime.records import Step
from tests.process.killed_bot import PLACES, Places, counted_connect

KEPT = StateRecord(session="2026-11-26", kind="loss", key="", body=b"{}")
TICK = Tick(seq=1, at_ms=1, symbol="NIFTY", ltp_paise=1)
ASKED = RequestRecord(
    request_id=1, at_ms=1, path="funds", status=200, took_ms=1, failure=None, sent="", received=""
)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "places"
    monkeypatch.setenv(PLACES, str(path))
    monkeypatch.setattr(sqlite3, "connect", counted_connect(Places()))
    return path


def test_every_commit_of_a_journal_is_a_place(tmp_path: Path, places: Path) -> None:
    """Of a new one: its log, its tables, what it begins with, a step, questions; each before and after.
    Opened again it has its log and its tables.
    """
    with Journal.open(tmp_path / "journal.db") as journal:
        journal.save_state([KEPT])
        journal.commit_steps([Step(TICK, state=[KEPT])])
        journal.save_requests([ASKED])
    Journal.open(tmp_path / "journal.db").close()

    done = ["schema 0.1", "schema 0.2", "schema 0.3", "commit 0.1", "commit 0.2", "requests 0.1"]
    expected = [f"{when} {what}" for what in [*done, "schema 0.4"] for when in ("before", "after")]
    assert places.read_text().splitlines() == expected


def test_what_commits_nothing_is_no_place(tmp_path: Path, places: Path) -> None:
    """A step that leaves nothing to store, and a transaction that fails and is taken back."""
    with Journal.open(tmp_path / "journal.db") as journal:
        before = places.read_text()
        journal.commit_steps([Step(TICK)])
        with pytest.raises(JournalError):
            journal.save_requests([ASKED, msgspec.structs.replace(ASKED, path=None)])

        assert places.read_text() == before


class _Looking(Places):
    """Looks at each place of questions how many of them another program can read."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.seen = path, []

    def _reach(self, place: str) -> None:
        if "requests" in place:
            with closing(sqlite3.Connection(self.path)) as other:
                rows = other.execute("SELECT count(*) FROM requests").fetchone()[0]
            self.seen.append((place, rows))


def test_between_its_places_lies_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads the file sees the old at the place before, and the new at the place after."""
    places = _Looking(tmp_path / "journal.db")
    monkeypatch.setattr(sqlite3, "connect", counted_connect(places))

    with Journal.open(tmp_path / "journal.db") as journal:
        journal.save_requests([ASKED])

    assert places.seen == [("before requests 0.1", 0), ("after requests 0.1", 1)]
