"""A start whose journal cannot be used, locked or without room: the day goes on in another place."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from baseline_v1_live.adapters.journal.files import journal_file
from baseline_v1_live.live_journal import Opened
from tests.harness_market import DATE
from tests.live.disk_desk import kept_by_another, no_room
from tests.live.journal_desk import TOMORROW, Desk, flip, leave_killed, write


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def left(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk at which a bot was killed."""
    leave_killed(tmp_path_factory.mktemp("running"), desk.folder)
    return desk


@pytest.mark.parametrize(("how", "readable"), [("writing", True), ("exclusive", False)])
def test_a_journal_that_another_program_keeps_is_left_alone(
    desk: Desk, how: str, readable: bool
) -> None:
    """The day goes on in a file beside it, with what could be read of it; so does a further start of the
    day, with the lock gone too. The next day begins in the journal again.
    """
    desk.write(1, 5)
    with kept_by_another(desk.path, how), desk.start() as opened:
        assert len(desk.said) >= 2
        assert opened.stored.loss is not None
        assert opened.state_lost is not readable
        assert (opened.stored.state is not None) is readable
        assert opened.stored.seq == (5 if readable else 0)
        write(opened, 6, 8)
    (name,) = desk.names("journal-beside-*.db")

    with desk.start() as opened:
        assert opened.state_lost is not readable
        assert (opened.stored.seq, opened.stored.loss is not None) == (8, True)
        assert (opened.stored.state is not None) is readable
        assert journal_file(desk.folder) == desk.folder / name
    with desk.start(TOMORROW) as opened:
        assert (opened.stored.seq, opened.stored.loss) == (5, None)
        write(opened, 9, 9)
    assert journal_file(desk.folder) == desk.path


def test_a_lock_that_passes_is_waited_for(desk: Desk) -> None:
    """Each try is said, and nothing is lost."""
    desk.write(1, 5)
    desk.journals.LOCK_WAIT_S = 20

    async def story() -> Opened:
        with kept_by_another(desk.path, "exclusive"):
            waiting = asyncio.ensure_future(desk.journals.open(DATE))
            while not desk.said:
                await asyncio.sleep(0.001)
        return await waiting

    opened = asyncio.run(story())
    with closing(opened.journal):
        assert (opened.stored.loss, opened.stored.seq) == (None, 5)


def test_what_is_no_file_is_left_alone(desk: Desk) -> None:
    """A folder in the journal's place: the day goes on in a file beside it."""
    desk.path.mkdir()

    with desk.start() as opened:
        assert opened.state_lost
        write(opened, 1, 2)
    with desk.start() as opened:
        assert (opened.state_lost, opened.stored.seq) == (True, 2)


def test_without_room_for_a_file_the_day_is_in_memory(left: Desk) -> None:
    """It takes steps like any other; a further start knows nothing of them, and that it does not."""
    flip(left, *range(8))

    with no_room(), left.start() as opened:
        assert opened.state_lost
        write(opened, 1, 3)
        assert opened.journal.last_seq() == 3

    with left.start() as opened:
        assert (opened.state_lost, opened.stored.seq) == (True, 0)
    with left.start(TOMORROW) as opened:
        assert opened.stored.loss is None


def test_without_room_what_can_be_read_is_taken_up(desk: Desk) -> None:
    """A journal that another program keeps, on a disk that takes no other file."""
    desk.write(1, 5)

    with kept_by_another(desk.path, "writing"), no_room(), desk.start() as opened:
        assert opened.stored.loss is not None
        assert not opened.state_lost
        assert opened.stored.state is not None

    with desk.start() as opened:
        assert opened.state_lost
