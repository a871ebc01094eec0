"""Plays one seed: the live loop through a day of troubles, then healed, and what the checker saw."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import signal
import tempfile
from collections import Counter, deque
from contextlib import chdir
from pathlib import Path

import msgspec
from pydantic import SecretStr

from baseline_v1_live.baseline_v1_live import run_live
from baseline_v1_live.config import Settings
from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.messages import Notify
from baseline_v1_live.core.session import MINUTE_MS, clock_text, ist_datetime
from baseline_v1_live.live_start import RunOptions, StartError
from baseline_v1_live.runtime.modes import ExitCode, RunMode
from baseline_v1_live.sim.exchange import ExchangeModel
from baseline_v1_live.sim.openalgo_server.profiles import named_profile
from baseline_v1_live.sim.small_day import small_day
from baseline_v1_live.simulate.chaos import Chaos
from baseline_v1_live.simulate.checker import Checker, Violation
from baseline_v1_live.simulate.loop import SimulatedLoop, process_context, run_simulated
from baseline_v1_live.simulate.machine import SimulatedMachine
from baseline_v1_live.simulate.plan import (
    LAST_ENTRY_MINUTE,
    MINUTES,
    SQUARE_OFF_MINUTE,
    Plan,
)
from baseline_v1_live.simulate.world import API_KEY, World

_BEFORE_OPEN_MS = 30_000
_CHECK_S = 1.0
_AFTER_S = 30.0
_LOG_KEPT = 30
_DIES_WITHIN_S = 20.0


class SeedResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a seed. ``digest`` is that of the whole event log."""

    seed: int
    troubles: tuple[str, ...]
    fired: dict[str, int]
    trades: int
    starts: int
    digest: str
    violations: tuple[Violation, ...]
    last: tuple[str, ...]


class Log:
    """The event log: only its end is kept, all of it is in the digest."""

    def __init__(self) -> None:
        self.last: deque[str] = deque(maxlen=_LOG_KEPT)
        self._hash = hashlib.sha256()
        self.everything: list[str] | None = None

    def write(self, line: str) -> None:
        """One more line."""
        self.last.append(line)
        self._hash.update(line.encode() + b"\n")
        if self.everything is not None:
            self.everything.append(line)

    @property
    def digest(self) -> str:
        """Of all lines so far."""
        return self._hash.hexdigest()[:16]


class Trial:
    """One seed's day on the running loop."""

    def __init__(self, plan: Plan, folder: Path, log: Log) -> None:
        self.plan, self.folder, self.log = plan, folder, log
        self.loop = asyncio.get_running_loop()
        day = small_day(plan.seed, minutes=MINUTES, troubles=plan.troubles)
        self.open_ms = int(day.at_ms[0]) // MINUTE_MS * MINUTE_MS
        self.start_ms = self.open_ms - _BEFORE_OPEN_MS
        self.chaos = Chaos(plan, self.open_ms)
        self.world = World(
            day,
            named_profile(plan.profile),
            ExchangeModel(),
            start_ms=self.start_ms,
            seed=plan.seed,
        )
        self.chaos.attach(self.world)
        self.chaos.log = self._write
        self.machine = SimulatedMachine(
            self.world, self.chaos, self.chaos, self.chaos, self.start_ms
        )
        self.checker = Checker(self.world, self.chaos, plan.rules, self.open_ms)
        self.engine: Engine | None = None
        self.starts = 0
        self.bot: asyncio.Task[ExitCode] | None = None
        self._dead: list[asyncio.Task[object]] = []

    async def run(self) -> None:
        """The whole day."""
        self._start_bot()
        player = self.loop.create_task(self.world.play())
        for at_ms, name in self.plan.moments:
            self.loop.call_at(self._at_s(at_ms), self._strike, name)
        while not player.done():
            await asyncio.sleep(_CHECK_S)
            self._look_at_bot()
            self.checker.look(self.engine)
        await asyncio.sleep(_AFTER_S)
        self.checker.look(self.engine)
        self.checker.conclude(self.engine)
        self.machine.send_signal(signal.SIGTERM)
        if self.bot is not None:
            await asyncio.wait([self.bot], timeout=_DIES_WITHIN_S)

    def _at_s(self, since_open_ms: int) -> float:
        return (since_open_ms + _BEFORE_OPEN_MS) / 1000

    # ------------------------------------------------------------ the process

    def _start_bot(self) -> None:
        self.starts += 1
        day = self.world.venue.day
        square_off_ms = self.open_ms + SQUARE_OFF_MINUTE * MINUTE_MS
        last_ms = self.open_ms + LAST_ENTRY_MINUTE * MINUTE_MS
        paper = self.world.venue.profile.analyze
        settings = Settings(_env_file=None).model_copy(
            update={
                "openalgo_api_key": SecretStr(API_KEY),
                "state_dir": self.folder,
                "paper_trading": paper,
                "broker_mis_cutoff": dt.time(15, 25),
                "strikes_each_side": 2,
                "lot_size": 65,
                "force_exit_time": ist_datetime(square_off_ms).time(),
                "last_entry_time": ist_datetime(last_ms).time(),
            }
        )
        mode = RunMode.PAPER if paper else RunMode.LIVE
        options = RunOptions(mode=mode, expiry=day.expiry, atm_paise=day.atm_paise)
        self._write(f"start {self.starts}")
        work = run_live(
            settings,
            options,
            self._say,
            on_notice=self._notice,
            on_engine=self._meet,
            rules=self.plan.rules,
            machine=self.machine,
        )
        self.bot = self.loop.create_task(work, context=process_context(self.starts))

    def _meet(self, engine: Engine) -> None:
        self.engine = engine
        self.checker.watch(engine, self._write)

    def _say(self, line: str) -> None:
        self._write(line)

    def _notice(self, notice: Notify, at_ms: int) -> None:
        if self.chaos.during("messenger_dead"):
            self.chaos.count("messenger_dead")
            raise ConnectionError("nobody takes messages now")
        self.log.write(f"{clock_text(at_ms)} {notice.level} {notice.tag} {notice.text}")

    def _write(self, line: str) -> None:
        self.log.write(f"{clock_text(self.world.now_ms)} {line}")

    def _look_at_bot(self) -> None:
        """A bot that has ended is started again, as a supervisor would."""
        if self.bot is None or not self.bot.done():
            return
        error = self.bot.exception()
        if error is not None and not isinstance(error, StartError):
            self.checker.blame("the live loop broke", repr(error))
        self.machine.forget_process()
        self.engine = None
        self._start_bot()

    def _kill(self, *, damage: bool = False) -> None:
        if self.bot is None:
            return
        loop = self.loop
        assert isinstance(loop, SimulatedLoop)
        loop.kill(self.starts)
        # Kept until the end, because throwing a task away runs some of its code.
        self._dead += asyncio.all_tasks(loop)
        self.bot = self.engine = None
        self.machine.forget_process()
        if damage:
            self._damage()
        pause_s = 0.5 + self.plan.seed % 7
        loop.call_later(pause_s, self._start_bot, context=self.world.context)

    def _damage(self) -> None:
        for path in self.folder.glob("*/journal.db"):
            data = path.read_bytes()
            # As after a disk that lost writes: another file, not the one that the dead process had.
            for ending in ("", "-wal", "-shm"):
                path.with_name(path.name + ending).unlink(missing_ok=True)
            path.write_bytes(bytes(64) + data[64:])

    # ------------------------------------------------------------ moments

    def _strike(self, name: str) -> None:
        match name:
            case "killed":
                self.chaos.count(name)
                self._kill()
            case "killed_at_commit":
                self.chaos.kill_at_next_commit = self._kill
            case "journal_damaged":
                self.chaos.count(name)
                self._kill(damage=True)
            case "terminated":
                self.chaos.count(name)
                self.machine.send_signal(signal.SIGTERM)
            case "stream_cut":
                self.chaos.count(name)
                self.world.stream.drop_all()
            case "old_ticks" | "garbage_ticks":
                self.chaos.bad_ticks(name)
            case "broker_square_off":
                self.chaos.count(name)
                self.world.venue.square_off("MIS")
                self.world.catch_up()
            case "paused" | "flattened" | "kill_switch":
                self._order(name)
            case _:
                self.chaos.by_hand(name)

    def _order(self, name: str) -> None:
        bot = self.machine.bot
        if bot is None:
            return
        self.chaos.count(name)
        verb = {"paused": "pause", "flattened": "flatten", "kill_switch": "kill"}[name]
        bot.say(verb, "the operator")
        if name != "kill_switch":
            self.loop.call_later(120, self._resume, context=self.world.context)

    def _resume(self) -> None:
        if self.machine.bot is not None:
            self.machine.bot.say("resume", "the operator")


def play(plan: Plan, *, keep: list[str] | None = None) -> SeedResult:
    """Play a plan to its end. ``keep`` gets every line of the event log."""
    log = Log()
    log.everything = keep
    # Inside the folder, so that no path in the log differs from run to run.
    with tempfile.TemporaryDirectory(dir=_memory(), prefix="seed-") as name, chdir(name):
        trial: list[Trial] = []

        async def story() -> None:
            trial.append(Trial(plan, Path("state"), log))
            await trial[0].run()

        run_simulated(story())
    made = trial[0]
    return SeedResult(
        seed=plan.seed,
        troubles=plan.troubles,
        fired=dict(sorted(Counter(made.chaos.fired).items())),
        trades=made.checker.trades,
        starts=made.starts,
        digest=log.digest,
        violations=tuple(made.checker.violations),
        last=tuple(log.last),
    )


def _memory() -> str | None:
    """A folder in memory where the system has one: thousands of journals need no disk."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
