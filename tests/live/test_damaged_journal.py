"""A start opens a journal whatever has become of its file; nothing of the old one is lost or believed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from baseline_v1_live.adapters.journal import MIGRATIONS, Journal, JournalError
from baseline_v1_live.adapters.journal.files import MARK_NAME, Mark, write_mark
from baseline_v1_live.adapters.recorder import tick_file
from baseline_v1_live.core.messages import Tick
from baseline_v1_live.runtime.records import Step
from baseline_v1_live.runtime.recovery import FLAGS, UNIVERSE
from tests.harness_market import C260, DATE
from tests.live.journal_desk import (
    AT,
    STEPS,
    TOMORROW,
    Desk,
    due,
    flip,
    leave_killed,
    records,
    sql,
    write,
)

DAY = DATE.isoformat()
PAGE = 4_096


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    left = tmp_path_factory.mktemp("killed")
    leave_killed(tmp_path_factory.mktemp("running"), left)
    return left


@pytest.fixture
def left(desk: Desk, killed: Path) -> Desk:
    """A desk at which a bot was killed."""
    shutil.copytree(killed, desk.folder, dirs_exist_ok=True)
    return desk


# ---------------------------------------------------------------- nothing is wrong


def test_a_first_start_begins_a_journal(desk: Desk) -> None:
    """An empty folder is no loss, nor is a folder whose journal was never written."""
    for _ in range(2):
        with desk.start() as opened:
            assert opened.stored.loss is None
            assert (opened.stored.state, opened.stored.universe, opened.stored.seq) == (
                None,
                None,
                0,
            )
        assert desk.said == []


def test_what_a_killed_bot_left_is_taken_up(left: Desk) -> None:
    """Steps that are only in the write-ahead log count, and nothing is said."""
    with left.start() as opened:
        assert (opened.stored.loss, opened.state_lost) == (None, False)
        assert opened.stored.seq == STEPS
        assert opened.stored.state is not None
        assert opened.stored.universe is not None
    assert left.said == []


@pytest.mark.parametrize("content", [None, b"", b"\0" * 161, b'{"date":"2026-12-2'])
def test_a_mark_that_tells_nothing_is_no_loss(left: Desk, content: bytes | None) -> None:
    """It is written without waiting for the disk, so a power cut may leave it old or empty."""
    mark = left.folder / MARK_NAME
    mark.unlink()
    if content is not None:
        mark.write_bytes(content)

    with left.start() as opened:
        assert (opened.stored.loss, opened.stored.seq) == (None, STEPS)


def test_a_mark_that_is_behind_is_no_loss(left: Desk) -> None:
    """The journal is stored first."""
    write_mark(left.folder, Mark(date=DAY, file="journal.db", seq=STEPS - 5))

    with left.start() as opened:
        assert (opened.stored.loss, opened.stored.seq) == (None, STEPS)


def test_a_step_that_leaves_nothing_does_not_count(desk: Desk) -> None:
    """The mark has the newest step that is in the file."""
    tick = Tick(seq=3, at_ms=AT, symbol=C260, ltp_paise=13_000)
    desk.write(1, 2)
    with desk.start() as opened:
        opened.steps.commit_steps([Step(tick, state=records())])
    with desk.start() as opened:
        assert opened.stored.loss is None


# ---------------------------------------------------------------- what is wrong with it


def _pages(desk: Desk, first: float, last: float) -> None:
    """The pages from one part of the file to another."""
    pages = desk.path.stat().st_size // PAGE
    flip(desk, *range(int(pages * first) * PAGE, int(pages * last) * PAGE))


def _truncate(desk: Desk, part: float, ending: str = "") -> None:
    if not ending:
        sql(desk.path, "PRAGMA journal_mode = DELETE")
    path = desk.path.with_name(f"journal.db{ending}")
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * part))


def _unlink(desk: Desk, *endings: str) -> None:
    for ending in endings:
        desk.path.with_name(f"journal.db{ending}").unlink(missing_ok=True)


def _record(kind: str, body: str) -> Callable[[Desk], None]:
    statement = f"UPDATE restart_state SET body = '{body}' WHERE kind = '{kind}'"
    return lambda desk: sql(desk.path, statement)


def _body(value: str) -> Callable[[Desk], None]:
    """Another value, as SQL, in the body of every record; no check of the file sees it."""
    return lambda desk: sql(desk.path, f"UPDATE restart_state SET body = {value}")


def _older_copy(desk: Desk) -> None:
    for path in desk.folder.glob("journal.db*"):
        path.unlink()
    with Journal.open(desk.path) as journal:
        journal.commit(due(1), state=records())


DAMAGES: dict[str, Callable[[Desk], None]] = {
    "no database": lambda desk: desk.path.write_bytes(b"this is not a journal" * 500) and None,
    "another database": lambda desk: _unlink(desk, "", "-wal", "-shm")
    or sql(desk.path, "CREATE TABLE theirs (x INTEGER)"),
    "header": lambda desk: flip(desk, *range(8)),
    "page size": lambda desk: flip(desk, 16, 17),
    "schema number": lambda desk: flip(desk, 60),
    "schema number gone": lambda desk: sql(desk.path, "PRAGMA user_version = 0"),
    "first pages": lambda desk: _pages(desk, 0.05, 0.3),
    "pages in the middle": lambda desk: _pages(desk, 0.4, 0.6),
    "last pages": lambda desk: _pages(desk, 0.8, 1.0),
    "half of it": lambda desk: _truncate(desk, 0.5),
    "nothing of it": lambda desk: _truncate(desk, 0),
    "half of the log": lambda desk: _truncate(desk, 0.5, "-wal"),
    "log zeroed": lambda desk: desk.path.with_name("journal.db-wal").write_bytes(b"\0" * 9_999)
    and None,
    "log gone": lambda desk: _unlink(desk, "-wal"),
    "log and index gone": lambda desk: _unlink(desk, "-wal", "-shm"),
    "file gone": lambda desk: _unlink(desk, ""),
    "all gone": lambda desk: _unlink(desk, "", "-wal", "-shm"),
    "an older copy": _older_copy,
    "no table": lambda desk: sql(desk.path, "DROP TABLE restart_state"),
    "no trigger": lambda desk: sql(desk.path, "DROP TRIGGER events_no_update"),
    "flags": _record(FLAGS, "{}"),
    "universe": _record(UNIVERSE, "{}"),
    "a text that is none": _body("CAST(x'c328' AS TEXT)"),
    "bytes": _body("x'c328'"),
    "a number": _body("7"),
    "no flags": lambda desk: sql(desk.path, "DELETE FROM restart_state WHERE kind = 'flags'"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_a_damaged_journal_is_kept_and_a_new_one_begins(
    left: Desk, damage: Callable[[Desk], None]
) -> None:
    """Nothing of the day is known, one line says so, and what was there is there under another name;
    the loss holds over a further start of the day, and is over the next day.
    """
    damage(left)
    before = left.names("journal.db*")

    with left.start() as opened:
        assert opened.state_lost
        stored = opened.stored
        assert (stored.records, stored.seq, stored.universe, stored.state) == ((), 0, None, None)
        assert len(left.said) == 1
        kept = left.names("journal-damaged-*")
        assert bool(kept) == bool(before)
        write(opened, 1, 3)

    with left.start() as opened:
        assert opened.state_lost
        assert (opened.stored.seq, opened.stored.state is not None) == (3, True)
    assert left.names("journal-damaged-*") == kept

    with left.start(TOMORROW) as opened:
        assert opened.stored.loss is None


@pytest.mark.parametrize("leftover", [None, b""], ids=["nothing", "an empty file"])
def test_a_folder_in_which_prices_of_today_lie_has_lost_its_journal(
    desk: Desk, leftover: bytes | None
) -> None:
    """Journal and mark are gone together: recorded prices of today tell it from a first start."""
    tick_file(desk.folder, AT).write_bytes(b"")
    if leftover is not None:
        desk.path.write_bytes(leftover)

    with desk.start() as opened:
        assert opened.state_lost


def test_a_file_that_cannot_be_read_at_all_is_kept_as_it_is(left: Desk) -> None:
    """Somebody may yet get something out of it."""
    flip(left, *range(8))
    content = left.path.read_bytes()

    with left.start():
        (name,) = left.names("journal-damaged-*")

    assert (left.folder / name).read_bytes() == content


def test_no_earlier_file_is_written_over(left: Desk) -> None:
    """Two that are damaged in the same second have two names."""
    for content in (b"first" * 99, b"second" * 99):
        for path in left.folder.glob("journal.db*"):
            path.unlink()
        left.path.write_bytes(content)
        with left.start() as opened:
            assert opened.state_lost

    kept = {path.read_bytes() for path in left.folder.glob("journal-damaged-*.db")}
    assert kept == {b"first" * 99, b"second" * 99}


def test_a_start_that_dies_on_its_way_does_not_hide_the_loss(left: Desk) -> None:
    """Whichever of the files it has moved, or begun anew, the next start finds the day lost."""
    left.path.write_bytes(b"this is not a journal" * 500)
    with left.start():
        pass
    write_mark(left.folder, Mark(date=DAY, file="journal.db", seq=1 << 62))
    stages: list[Callable[[], object]] = [
        lambda: None,
        lambda: sql(left.path, "DELETE FROM restart_state"),
        left.path.unlink,
    ]
    for stage in stages:
        stage()
        write_mark(left.folder, Mark(date=DAY, file="journal.db", seq=1 << 62))
        with left.start() as opened:
            assert opened.state_lost


def test_a_loss_that_cannot_be_read_is_one(left: Desk) -> None:
    """That something was lost is known from its record being there."""
    left.path.write_bytes(b"this is not a journal" * 500)
    with left.start():
        pass
    sql(left.path, "UPDATE restart_state SET body = 'x' WHERE kind = 'loss'")

    with left.start() as opened:
        assert opened.state_lost


def test_what_was_lost_of_yesterday_is_nothing_of_today(left: Desk) -> None:
    """Positions end with their day: a mark of an earlier date is not asked for."""
    _unlink(left, "", "-wal", "-shm")

    with left.start(TOMORROW) as opened:
        assert opened.stored.loss is None


def test_a_newer_journal_is_refused(left: Desk) -> None:
    """Somebody has gone back to an older program: one line, and no file is touched."""
    later = (*MIGRATIONS, "CREATE TABLE more (x INTEGER)")
    Journal.open(left.path, migrations=later).close()
    before = left.path.read_bytes()

    with pytest.raises(JournalError, match="newer program"), left.start():
        pass

    assert left.path.read_bytes() == before
    assert (left.names("journal-*"), left.said) == ([], [])
