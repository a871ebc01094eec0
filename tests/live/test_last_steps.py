"""A bot is told to stop while its disk takes nothing: it says so, and its code says that too."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from baseline_v1_live.live_journal import DayJournals
from baseline_v1_live.live_machine import Machine
from baseline_v1_live.runtime.commits import CommitQueue, GroupJournal
from baseline_v1_live.runtime.modes import ExitCode
from baseline_v1_live.runtime.records import RequestRecord, Step
from tests.live.disk_desk import kept_by_another
from tests.live.test_lost_day import Bot
from tests.runtime.live_desk import until
from tests.sim.openalgo_server.gateway import Gateway, play


class _ShortQueue(CommitQueue):
    """Waits at its end for a moment only."""

    async def close(self, timeout_s: float = 0.2) -> bool:
        return await super().close(timeout_s)


class _Disk:
    """A journal whose disk answers while ``answers`` is set."""

    def __init__(self, journal: GroupJournal, answers: threading.Event) -> None:
        self._journal, self._answers = journal, answers

    def commit_steps(self, steps: Sequence[Step]) -> None:
        self._answers.wait()
        self._journal.commit_steps(steps)

    def save_requests(self, records: Sequence[RequestRecord]) -> None:
        self._answers.wait()
        self._journal.save_requests(records)


class _Host(Machine):
    """The real one, with such a disk."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.answers.set()

    def queue(self, journal: GroupJournal) -> CommitQueue:
        return _ShortQueue(_Disk(journal, self.answers))


@contextmanager
def _trouble(kind: str, bot: Bot, host: _Host) -> Iterator[None]:
    """The disk hangs, or another program keeps the journal; or nothing is wrong any more."""
    if kind == "locked":
        with kept_by_another(bot.state / "journal.db", "writing"):
            yield
        return
    if kind == "hangs":
        host.answers.clear()
    try:
        yield
    finally:
        host.answers.set()


@pytest.mark.parametrize(
    ("kind", "code"),
    [("locked", ExitCode.FAILED), ("hangs", ExitCode.FAILED), ("well", ExitCode.DONE)],
)
def test_steps_that_the_disk_did_not_take_are_said_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, code: ExitCode
) -> None:
    """One line says it and the code is 1, whether the disk hangs or the journal is locked; else 0."""
    monkeypatch.setattr(DayJournals, "BUSY_MS", 1)

    async def story(g: Gateway) -> None:
        host = _Host()
        bot = Bot(g, tmp_path, machine=host)
        async with bot.running() as task:
            await until(lambda: any("running: square-off" in line for line in bot.said), "running")
            with _trouble(kind, bot, host):
                signal.raise_signal(signal.SIGTERM)
                assert await task is code
        lines = [line for line in bot.said if "the disk did not take the last steps" in line]
        assert len(lines) == (code is not ExitCode.DONE)

    play(story)
