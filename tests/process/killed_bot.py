"""The bot itself, killed by itself at an exact place: ``python -m tests.process.killed_bot ARGUMENTS``.

Everything is the program's own; only SQLite's connections, what sets a journal aside, and the machine
that the live loop runs on count the places at which a process can die with a difference, and at one of
them it sends itself SIGKILL. ``BASELINE_KILL_AT`` names that place: ``before send 9`` is just before the
ninth call that changes orders, ``after send 9`` when the gateway has answered it and nobody has read the
answer, ``before commit 9.3`` when the third transaction since that call began is written and not
committed, ``after commit 9.3`` when it is on the disk and the journal's mark does not say so yet. With
the mark it would be as before the next one. ``commit`` is one of steps, or what a new journal begins
with; ``requests`` are those of questions to the gateway, ``schema`` each change of the file that makes it
a journal, and ``aside`` a damaged file's move. To the file ``BASELINE_PLACES`` the places are written as
they are reached.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp

from baseline_v1_live import baseline_v1_live, live_journal
from baseline_v1_live.adapters.journal.files import set_aside
from baseline_v1_live.adapters.openalgo.transport import IDLE_S
from baseline_v1_live.cli import main
from baseline_v1_live.live_machine import Machine

KILL_AT, PLACES = "BASELINE_KILL_AT", "BASELINE_PLACES"
ORDER_CALLS = ("placeorder", "modifyorder", "cancelorder")


class Places:
    """Counts the places of each kind, from any thread, and ends the process at the one that is named."""

    def __init__(self) -> None:
        self._at = os.environ.get(KILL_AT, "")
        path = os.environ.get(PLACES, os.devnull)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def before(self, kind: str) -> str:
        """The process is just before something of a kind; gives its number."""
        with self._lock:
            self._counts[kind] += 1
            number = str(self._counts["send"])
            if kind != "send":
                # Told by the send before: how many there are in a day hangs on its pace.
                key = f"{kind} {number}"
                self._counts[key] += 1
                number += f".{self._counts[key]}"
            self._reach(f"before {kind} {number}")
        return number

    def after(self, kind: str, number: str) -> None:
        """What had this number is done."""
        with self._lock:
            self._reach(f"after {kind} {number}")

    @contextmanager
    def around(self, kind: str) -> Iterator[None]:
        """Something of a kind, with the places before and after it."""
        number = self.before(kind)
        yield
        self.after(kind, number)

    def _reach(self, place: str) -> None:
        os.write(self._file, f"{place}\n".encode())
        if place == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


class _CountedConnection(sqlite3.Connection):
    """SQLite's own connection, at which each commit is a place."""

    def __init__(self, *arguments: Any, places: Places, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._places, self._kind = places, ""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql.startswith("INSERT"):
            self._kind = "requests" if sql.startswith("INSERT INTO requests") else "commit"
        if sql != "COMMIT" and not sql.startswith("PRAGMA journal_mode"):
            return super().execute(sql, *values)
        with self._places.around(self._kind if sql == "COMMIT" else "schema"):
            return super().execute(sql)

    def executescript(self, script: str) -> sqlite3.Cursor:
        if "COMMIT;" not in script:
            return super().executescript(script)
        with self._places.around("schema"):
            return super().executescript(script)


class CountedMachine(Machine):
    """The real machine, which counts the calls that change orders."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self.open_session = self._open

    def _open(self) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_request_start.append(self._before)
        trace.on_request_end.append(self._after)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(keepalive_timeout=IDLE_S, limit=32),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            trace_configs=[trace],
        )

    async def _before(self, _: Any, sending: SimpleNamespace, request: Any) -> None:
        if request.url.name in ORDER_CALLS:
            sending.number = self._places.before("send")

    async def _after(self, _: Any, sending: SimpleNamespace, request: Any) -> None:
        # The gateway has done what it was asked for, and nobody here has read that yet.
        if request.url.name in ORDER_CALLS:
            self._places.after("send", sending.number)


def counted_connect(places: Places) -> Callable[..., sqlite3.Connection]:
    """What opens connections whose commits are counted."""
    return partial(sqlite3.connect, factory=partial(_CountedConnection, places=places))


def _count_all(places: Places) -> None:
    """Have the program use what counts; only this process sees it."""

    def aside(path: Path, at_ms: int) -> Path:
        with places.around("aside"):
            return set_aside(path, at_ms)

    sqlite3.connect = counted_connect(places)
    live_journal.set_aside = aside
    # What run_live takes when it is not given a machine.
    baseline_v1_live.Machine = partial(CountedMachine, places)


if __name__ == "__main__":
    _count_all(Places())
    main()
