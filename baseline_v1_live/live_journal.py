"""Opens the journal of a day, whatever has become of its file: who starts with a broken one may still
hold something, and nobody else looks after that.

A file that is damaged, cannot be taken up, lacks steps that its mark has, or is gone, is set aside, and
a new one begins. One that another program keeps, or that cannot be written, stays where it is: the day
goes on in a file beside it, and in memory where nothing can be written at all. After each of these
nothing is sold that day, also after a further start. The mark names the day's file, so that a further
start takes up that one; the next day begins with ``journal.db`` again.

A file of a newer program is none of this: somebody has just put an older program in its place, and is
told so.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from baseline_v1_live.adapters.journal import (
    Journal,
    JournalDamagedError,
    JournalError,
    JournalLockedError,
    JournalUnwritableError,
)
from baseline_v1_live.adapters.journal.files import (
    JOURNAL_NAME,
    Mark,
    beside,
    is_there,
    journal_file,
    read_mark,
    set_aside,
    write_mark,
)
from baseline_v1_live.adapters.recorder import tick_file
from baseline_v1_live.core.session import at_ist
from baseline_v1_live.core.session_state import SessionState
from baseline_v1_live.runtime.commits import GroupJournal
from baseline_v1_live.runtime.records import RequestRecord, StateRecord, Step
from baseline_v1_live.runtime.recovery import (
    Loss,
    RecoveryError,
    Universe,
    loss_record,
    read_loss,
    read_session,
    read_universe,
)

# As the newest step of a mark: no file has that one, so the day's state is known to be lost.
_NOWHERE = 1 << 62


class Stored(NamedTuple):
    """What a journal has of a day: its records, the newest step of all days, and what they say."""

    records: Sequence[StateRecord] = ()
    seq: int = 0
    universe: Universe | None = None
    state: SessionState | None = None
    loss: Loss | None = None
    last_request_id: int = 0


class Opened(NamedTuple):
    """A day's journal. ``journal`` is closed when the day is over, ``steps`` takes what happens in it."""

    journal: Journal
    steps: GroupJournal
    stored: Stored

    @property
    def state_lost(self) -> bool:
        """Whether what an earlier run of the day held is not known."""
        loss = self.stored.loss
        return loss is not None and not loss.state


class DayJournals:
    """Opens the journals of a state folder; ``say`` takes a phase's name and its line.

    ``LOCK_WAIT_S`` is for how long another program is waited for, ``LOCK_PAUSE_S`` the pause between
    two tries, both in real seconds, and ``BUSY_MS`` how long a try, or later a step, waits by itself.
    """

    LOCK_WAIT_S = 5.0
    LOCK_PAUSE_S = 1.0
    BUSY_MS = 1_000

    def __init__(
        self, folder: Path, now_ms: Callable[[], int], say: Callable[[str, str], None]
    ) -> None:
        self._folder = folder
        self._now_ms = now_ms
        self._say = say

    async def open(self, date: dt.date) -> Opened:
        """The journal of a date with what it has of it. Raises JournalError of one line when the file
        is of a newer program.
        """
        path = journal_file(self._folder, date)
        try:
            opened = await self._take_up(path, date)
        except (JournalDamagedError, RecoveryError) as error:
            return self._begin_anew(path, date, str(error))
        except (JournalLockedError, JournalUnwritableError) as error:
            return self._go_beside(path, date, str(error))
        if opened.stored.loss is not None:
            self._say("journal", f"ALERT nothing is sold today: {opened.stored.loss.why}")
        return opened

    # ------------------------------------------------------------ a file that is well

    async def _take_up(self, path: Path, date: dt.date) -> Opened:
        gone = self._mark(date) is not None or is_there(path) or self._ran(date)
        if not path.exists() and gone:
            raise JournalDamagedError(f"{path} is gone, and a bot has written it")
        journal = await self._open_when_free(path)
        try:
            stored = self._read(journal, path, date)
        except BaseException:
            journal.close()
            raise
        return Opened(journal, _Marked(journal, path, date), stored)

    async def _open_when_free(self, path: Path) -> Journal:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self.LOCK_WAIT_S
        while True:
            try:
                return Journal.open(path, any_thread=True, busy_timeout_ms=self.BUSY_MS)
            except JournalLockedError as error:
                left_s = until_s - loop.time()
                if left_s <= 0:
                    raise
                self._say(
                    "journal",
                    f"{error}; close the program that keeps it. Trying again for {left_s:.0f} s",
                )
            await asyncio.sleep(min(self.LOCK_PAUSE_S, left_s))

    def _read(self, journal: Journal, path: Path, date: dt.date) -> Stored:
        records, seq = journal.state(date.isoformat()), journal.last_seq()
        mark = self._mark(date)
        if mark is not None and seq < mark.seq:
            raise JournalDamagedError(
                f"{path} lacks steps of today: they were lost with its -wal file, or it is an older copy"
            )
        if not records and self._ran(date):
            raise JournalDamagedError(f"{path} has nothing of today, although a bot ran today")
        state, loss = read_session(records), read_loss(records)
        return Stored(records, seq, read_universe(records), state, loss, journal.last_request_id())

    def _ran(self, date: dt.date) -> bool:
        """Whether a bot has recorded prices on a date, which it does after its journal has begun."""
        return tick_file(self._folder, at_ist(date, dt.time(12))).exists()

    def _mark(self, date: dt.date) -> Mark | None:
        mark = read_mark(self._folder)
        return mark if mark is not None and mark.date == date.isoformat() else None

    # ------------------------------------------------------------ one that is not

    def _begin_anew(self, path: Path, date: dt.date, why: str) -> Opened:
        # Until the new file says so itself: a start that dies on the way must not hide the loss.
        self._write_mark(date, path.name, _NOWHERE)
        loss = Loss(why=why)
        try:
            aside = set_aside(path, self._now_ms())
            opened = self._new(path, date, Stored(loss=loss))
        except (OSError, JournalError) as error:
            return self._in_memory(date, Stored(loss=loss), str(error))
        kept = f"It is kept as {aside.name}, and a" if is_there(aside) else "A"
        self._say("journal", f"CRITICAL {why}. {kept} new journal begins. {_meaning(loss)}")
        return opened

    def _go_beside(self, path: Path, date: dt.date, why: str) -> Opened:
        stored = self._readable(path, date)
        earlier = stored.loss if stored is not None else None
        known = stored is not None and (earlier is None or earlier.state)
        stored = (stored or Stored())._replace(loss=Loss(why=why, state=known))
        target = beside(self._folder / JOURNAL_NAME, "beside", self._now_ms())
        try:
            opened = self._new(target, date, stored)
        except JournalError as error:
            return self._in_memory(date, stored, str(error))
        self._say(
            "journal",
            f"CRITICAL {why}. Today goes on in {target.name}. {_meaning(stored.loss)}. Free "
            f"{path.name}; tomorrow {JOURNAL_NAME} is used again",
        )
        return opened

    def _in_memory(self, date: dt.date, stored: Stored, problem: str) -> Opened:
        self._write_mark(date, JOURNAL_NAME, _NOWHERE)
        journal = Journal.in_memory(any_thread=True)
        assert stored.loss is not None
        self._say(
            "journal",
            f"CRITICAL {stored.loss.why}. No other file can be written ({problem}), so a restart will "
            f"know nothing of today. {_meaning(stored.loss)}. Make {self._folder} writable, with room "
            "on its disk, then restart the bot",
        )
        return Opened(journal, journal, stored)

    def _readable(self, path: Path, date: dt.date) -> Stored | None:
        """What a file that cannot be written has of the day; None when it cannot be read either."""
        try:
            with Journal.open_read_only(path, busy_timeout_ms=self.BUSY_MS) as journal:
                return self._read(journal, path, date)
        except (JournalError, RecoveryError):
            return None

    def _new(self, path: Path, date: dt.date, stored: Stored) -> Opened:
        """A file that begins with what is known of the day, and with why it begins."""
        assert stored.loss is not None
        journal = Journal.open(path, any_thread=True, busy_timeout_ms=self.BUSY_MS)
        try:
            journal.save_state([*stored.records, loss_record(date.isoformat(), stored.loss)])
        except BaseException:
            journal.close()
            raise
        self._write_mark(date, path.name, 0)
        return Opened(journal, _Marked(journal, path, date), stored)

    def _write_mark(self, date: dt.date, file: str, seq: int) -> None:
        write_mark(self._folder, Mark(date=date.isoformat(), file=file, seq=seq))


class _Marked:
    """A journal as the queue of steps uses it; after each group the mark says how far it got."""

    def __init__(self, journal: Journal, path: Path, date: dt.date) -> None:
        self._journal = journal
        self._folder, self._file, self._date = path.parent, path.name, date.isoformat()

    def commit_steps(self, steps: Sequence[Step]) -> None:
        self._journal.commit_steps(steps)
        # The steps are stored, whatever becomes of the mark.
        with suppress(JournalError):
            seq = self._journal.last_seq()
            write_mark(self._folder, Mark(date=self._date, file=self._file, seq=seq))

    def save_requests(self, records: Sequence[RequestRecord]) -> None:
        self._journal.save_requests(records)


def _meaning(loss: Loss | None) -> str:
    """What follows from a loss, for a person."""
    if loss is not None and loss.state:
        return "What it has of today is taken up; nothing is sold today"
    return (
        "Shorts that the broker shows in our options are adopted and protected, nothing is sold "
        "today; compare with the broker's page"
    )
