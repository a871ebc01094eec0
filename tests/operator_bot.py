"""A bot for tests of what operators see and say: a desk of the scenario tests behind the bot's door."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from baseline_v1_live.adapters.journal import Journal
from baseline_v1_live.core.messages import OperatorSaid
from baseline_v1_live.runtime import status as shown
from baseline_v1_live.runtime.answers import answer
from baseline_v1_live.runtime.control import ControlServer
from baseline_v1_live.runtime.recovery import SessionKeeper
from baseline_v1_live.runtime.status import OrderView, PositionView, Status
from tests.harness import Desk
from tests.harness_market import at


class DeskBot:
    """A desk's engine as the bot behind a ControlServer. ``deaf``: it takes no word.

    ``before_answer`` runs before each answer, on the server's thread.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.said: list[tuple[str, str]] = []
        self.deaf = False
        self.stored = True
        self.before_answer: Callable[[], object] = lambda: None

    def status(self) -> Status:
        self.before_answer()
        return shown.status(
            self.desk.engine,
            mode="paper",
            now_ms=self.desk.now_ms,
            started_at_ms=at("09:14:00"),
            feed_age_ms=400,
            atm_paise=26_000_00,
        )

    def orders(self) -> list[OrderView]:
        return shown.orders(self.desk.engine)

    def positions(self) -> list[PositionView]:
        return shown.positions(self.desk.engine)

    def say(self, verb: str, by: str) -> None:
        self.said.append((verb, by))
        if not self.deaf:
            self.desk.feed(OperatorSaid(verb=verb, by=by))

    async def kept(self) -> bool:
        return self.stored

    def answer(self, verb: str) -> str:
        """Say a word without any server, and return what the operator is told."""
        before = self.status()
        self.say(verb, "test")
        return answer(verb, before, self.status(), self.orders(), self.positions())


@contextmanager
def serving(folder: Path, bot: DeskBot) -> Iterator[ControlServer]:
    """The bot's door, open on a loop in another thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = ControlServer(folder, bot)
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(timeout=20)
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(timeout=20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def store(folder: Path, desk: Desk) -> None:
    """The desk's journal as a bot would leave it behind."""
    folder.mkdir(parents=True, exist_ok=True)
    with Journal.open(folder / "journal.db") as journal:
        event = OperatorSaid(seq=1_000, at_ms=desk.now_ms, verb="pause")
        journal.commit(event, state=SessionKeeper().changes(desk.engine))
