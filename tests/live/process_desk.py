"""Real processes on loopback: openalgo-sim serves a short day, the bot trades it, a test looks on.

Waiting is polling with a deadline in real seconds; what is waited for is simulated or said.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from baseline_v1_live.adapters.journal import Journal
from baseline_v1_live.core.messages import BrokerStatus
from baseline_v1_live.core.session_state import SessionState
from baseline_v1_live.runtime.control_client import ControlClient
from baseline_v1_live.runtime.recovery import read_session
from tests.adapters.openalgo.gateway import Answer, gateway
from tests.live.small_day import ATM, DATE, EXPIRY_CODE, FILL_MS, write_small_day

ROOT = Path(__file__).parent.parent.parent
KEY = "simulated-key"
FAST = 300.0
# Generous, because other work may share the machine; what a test is about it measures itself.
PATIENCE_S = 60.0
_WORKING = (BrokerStatus.TRIGGER_PENDING, BrokerStatus.OPEN)
_CARRIED_ON_MS = 60_000
EXPIRY_AND_ATM = ("--expiry", EXPIRY_CODE, "--atm", ATM)


def wait_for(
    reached: Callable[[], object], what: str, *, timeout_s: float = PATIENCE_S, why: Any = ""
) -> Any:
    """Poll until something is true, and return it; ``why`` is called for the words of a failure."""
    deadline = time.monotonic() + timeout_s
    while not (value := reached()):
        if time.monotonic() >= deadline:
            raise AssertionError(
                f"{what} not in {timeout_s:g} s\n{why() if callable(why) else why}"
            )
        time.sleep(0.02)
    return value


class Program:
    """One process of ours: its output is in files, and it is ended by its id."""

    def __init__(self, folder: Path, name: str, arguments: list[str], environ: dict[str, str]):
        self._out, self._err = folder / f"{name}.out", folder / f"{name}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=folder,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environ},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    @property
    def said(self) -> str:
        return self._out.read_text(errors="replace")

    @property
    def errors(self) -> list[str]:
        return self._err.read_text(errors="replace").splitlines()

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def wait_until_said(self, text: str) -> None:
        def reached() -> bool:
            assert self.running or text in self.said, self.words()
            return text in self.said

        wait_for(reached, f"{text!r}", why=self.words)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def code(self, timeout_s: float = PATIENCE_S) -> int:
        """The exit code, once it has ended."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout_s:g} s\n{self.words()}") from None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal; the exit code and the seconds until the end."""
        since = time.monotonic()
        self.send(number)
        return self.code(), time.monotonic() - since

    def kill(self) -> None:
        if self.running:
            self.process.kill()
        self.process.wait()

    def words(self) -> str:
        return "\n".join([self.said[-4000:], *self.errors[-20:]])


@dataclass
class Desk:
    """A scratch folder with a ``.env`` of its own, and the bots that were started in it."""

    folder: Path
    url: str
    ws_url: str = "ws://127.0.0.1:9"
    mode: str = "paper"
    settings: dict[str, str] = field(default_factory=dict)
    programs: list[Program] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return self.folder / "state" / self.mode

    @property
    def environ(self) -> dict[str, str]:
        return {
            "OPENALGO_HOST": self.url,
            "OPENALGO_WS_URL": self.ws_url,
            "OPENALGO_API_KEY": KEY,
            "STATE_DIR": str(self.folder / "state"),
            "STRIKES_EACH_SIDE": "1",
            **self.settings,
        }

    def run(self, *arguments: str, python: tuple[str, ...] = ()) -> Program:
        """Start the program with any arguments."""
        name = f"bot{len(self.programs) + 1}"
        program = Program(
            self.folder, name, [*python, "-m", "baseline_v1_live", *arguments], self.environ
        )
        self.programs.append(program)
        return program

    def start(self, *arguments: str, python: tuple[str, ...] = ()) -> Program:
        """Start the bot on the short day, on its server's clock."""
        clock = ("--sim-clock", self.url)
        return self.run(*EXPIRY_AND_ATM, *clock, *arguments, python=python)

    def tell(self, verb: str, *arguments: str) -> tuple[int, dict[str, Any]]:
        """An operator's command; its exit code and what it answers as JSON."""
        program = self.run(verb, "--mode", self.mode, "--json", *arguments)
        code = program.code()
        return code, json.loads(program.said)

    def close(self) -> None:
        for program in self.programs:
            program.kill()

    # ------------------------------------------------------------ the bot

    @property
    def control(self) -> ControlClient:
        return ControlClient(self.state)

    def session(self) -> SessionState:
        """What the journal has stored of the short day."""
        with Journal.open_read_only(self.state / "journal.db") as journal:
            session = read_session(journal.state(DATE.isoformat()))
        assert session is not None
        return session


@dataclass
class ServedDesk(Desk):
    """A desk at an openalgo-sim."""

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"{self.url}/sim/{path}", data=data, timeout=30) as answer:
            return json.load(answer)

    def rest(self, endpoint: str, **body: Any) -> Any:
        """A call of the gateway's own REST interface."""
        request = urllib.request.Request(
            f"{self.url}/api/v1/{endpoint}",
            data=json.dumps({"apikey": KEY, **body}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def now_ms(self) -> int:
        return int(self.ask("clock")["now_ms"])

    def pause(self) -> None:
        self.ask("pause", {})

    def resume(self) -> None:
        self.ask("resume", {})

    def set_speed(self, speed: float) -> None:
        self.ask("speed", {"speed": speed})

    def advance(self, to_ms: int) -> None:
        self.ask("advance", {"to_ms": to_ms})

    def fault(self, name: str, **fault: Any) -> None:
        self.ask("fault", {"name": name, **fault})

    def requests(self, endpoint: str) -> list[dict[str, Any]]:
        """The bodies of calls that change orders, oldest first."""
        rows = self.ask("audit")["rows"]
        found = [row for row in rows if row["kind"] == "request" and row["endpoint"] == endpoint]
        return [row["body"] for row in found]

    def working(self) -> list[dict[str, Any]]:
        """Orders that may still fill, as the exchange itself has them."""
        orders = self.ask("books")["orders"]
        return [row for row in orders if row["status"] in _WORKING]

    def resting(self, side: str) -> set[str]:
        return {row["symbol"] for row in self.working() if row["side"] == side}

    def held(self) -> dict[str, int]:
        rows = self.ask("books")["positions"]
        return {row["symbol"]: row["net_quantity"] for row in rows if row["net_quantity"]}

    def trade(self, *arguments: str, speed: float = 1.0) -> Program:
        """Start the bot and let it sell: one position with its stop, and two entries that rest.

        From then on the clock has the given speed.
        """
        bot = self.start(*arguments)
        self.wait_until_sold(bot)
        self.pause()
        # A bot carries a fast clock on until it has heard of the pause: now nobody is ahead.
        self.advance(self.now_ms() + _CARRIED_ON_MS)
        self.wait_until_heard(bot)
        self.set_speed(speed)
        self.resume()
        return bot

    def wait_until_heard(self, bot: Program) -> None:
        """Until the bot has the time of a clock that stands."""
        now_ms = self.now_ms()
        wait_for(lambda: self.control.status().at_ms == now_ms, "the same time", why=bot.words)

    def wait_until_sold(self, bot: Program) -> None:
        def reached() -> bool:
            assert bot.running, bot.words()
            return (len(self.resting("SELL")), len(self.resting("BUY"))) == (2, 1)

        wait_for(lambda: self.now_ms() >= FILL_MS, "the fill's time", why=bot.words)
        wait_for(reached, "a position and two entries", why=bot.words)


@contextmanager
def served(
    folder: Path, *, speed: float = FAST, mode: str = "paper", profile: str = "threaded",
    **settings: str,
) -> Iterator[ServedDesk]:  # fmt: skip
    """The short day behind the gateway's contract; the clock stands while no stream is connected."""
    day = folder / "day.parquet"
    write_small_day(day)
    arguments = [
        *("openalgo-sim", "--day", str(day), *EXPIRY_AND_ATM, "--speed", str(speed)),
        *("--port", "0", "--ws-port", "0", "--wait-for-client", "--profile", profile),
    ]
    environ = {"PYTHONUNBUFFERED": "1", "STRIKES_EACH_SIDE": "1"}
    server = Program(folder, "server", ["-m", "baseline_v1_live", *arguments], environ)
    desk: ServedDesk | None = None
    try:
        server.wait_until_said("WebSocket")
        found = re.search(r"REST (\S+)  WebSocket (\S+)", server.said)
        assert found, server.words()
        desk = ServedDesk(folder, found[1], found[2], mode=mode, settings=settings)
        yield desk
    finally:
        if desk is not None:
            desk.close()
        server.kill()


@contextmanager
def alone(folder: Path, url: str = "http://127.0.0.1:9", **settings: str) -> Iterator[Desk]:
    """A desk without a server of its own."""
    desk = Desk(folder, url, settings=settings)
    try:
        yield desk
    finally:
        desk.close()


@contextmanager
def scripted(**script: Answer) -> Iterator[str]:
    """A gateway that answers what it is told to, ``_`` in a name standing for ``/``; its address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    serving = gateway()
    try:
        made = asyncio.run_coroutine_threadsafe(serving.__aenter__(), loop).result(PATIENCE_S)
        for name, answer in script.items():
            made.say(name.replace("_", "/"), answer)
        yield made.url
        asyncio.run_coroutine_threadsafe(serving.__aexit__(None, None, None), loop).result(20)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
