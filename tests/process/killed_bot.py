"""The bot itself, killed by itself at an exact place: ``python -m tests.process.killed_bot ARGUMENTS``.

Everything is the program's own; only the machine that the live loop runs on counts the places at which
a process can die with a difference, and at one of them it sends itself SIGKILL. ``BASELINE_KILL_AT``
names that place: ``before send 9`` is just before the ninth call that changes orders, ``after send 9``
when the gateway has answered it and nobody has read the answer, ``after commit 9.3`` when the third
commit since that call began is on the disk. To the file ``BASELINE_PLACES`` the places are written as
they are reached.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import aiohttp

from baseline_v1_live import baseline_v1_live
from baseline_v1_live.adapters.openalgo.transport import IDLE_S
from baseline_v1_live.cli import main
from baseline_v1_live.live_machine import Machine, Queue
from baseline_v1_live.runtime.commits import GroupJournal
from baseline_v1_live.runtime.records import RequestRecord, Step

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
        """The process is just before the next commit or send; gives its number."""
        with self._lock:
            self._counts[kind] += 1
            number = str(self._counts["send"])
            if kind == "commit":
                # Told by the send before: how many commits there are in a day hangs on its pace.
                key = f"commit {number}"
                self._counts[key] += 1
                number += f".{self._counts[key]}"
            self._reach(f"before {kind} {number}")
        return number

    def after(self, kind: str, number: str) -> None:
        """What had this number is done."""
        with self._lock:
            self._reach(f"after {kind} {number}")

    def _reach(self, place: str) -> None:
        os.write(self._file, f"{place}\n".encode())
        if place == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


class _CountedJournal:
    def __init__(self, journal: GroupJournal, places: Places) -> None:
        self._journal, self._places = journal, places

    def commit_steps(self, steps: Sequence[Step]) -> None:
        number = self._places.before("commit")
        self._journal.commit_steps(steps)
        self._places.after("commit", number)

    def save_requests(self, records: Sequence[RequestRecord]) -> None:
        self._journal.save_requests(records)


class CountedMachine(Machine):
    """The real machine, which counts commits and the calls that change orders."""

    def __init__(self) -> None:
        self._places = Places()
        self.open_session = self._open

    def queue(self, journal: GroupJournal) -> Queue:
        return super().queue(_CountedJournal(journal, self._places))

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


if __name__ == "__main__":
    # What run_live takes when it is not given a machine; only this process sees it.
    baseline_v1_live.Machine = CountedMachine
    main()
