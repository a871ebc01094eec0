"""Plays one seed: the live loop through a day of troubles, then healed, and what the checker saw."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import signal
import tempfile
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import chdir
from functools import partial
from pathlib import Path

import msgspec
from pydantic import SecretStr

from baseline_v1_live.baseline_v1_live import run_live
from baseline_v1_live.config import Settings
from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.messages import Notify
from baseline_v1_live.core.session import MINUTE_MS, SECOND_MS, clock_text, ist_datetime
from baseline_v1_live.live_start import RunOptions, StartError
from baseline_v1_live.runtime.modes import ExitCode, RunMode
from baseline_v1_live.sim.exchange import ExchangeModel
from baseline_v1_live.sim.openalgo_server.profiles import named_profile
from baseline_v1_live.sim.small_day import small_day, whole_day
from baseline_v1_live.simulate.chaos import Chaos
from baseline_v1_live.simulate.checker import Checker, Violation
from baseline_v1_live.simulate.loop import SimulatedLoop, process_context, run_simulated
from baseline_v1_live.simulate.machine import SimulatedMachine
from baseline_v1_live.simulate.plan import Moment, Plan
from baseline_v1_live.simulate.strikes import Strikes
from baseline_v1_live.simulate.stuck import STUCK_S, StuckError, watched
from baseline_v1_live.simulate.world import API_KEY, World

_BEFORE_OPEN_MS = 30_000
_CHECK_S = 1.0
_AFTER_S = 30.0
_LOG_KEPT = 30
_DIES_WITHIN_S = 20.0
# So long a moment waits for an order message before it strikes without one.
_ORDER_WITHIN_S = 180.0
RUNS, ENDS = "the simulation runs", "the day ends"


class SeedResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a seed. ``fired`` counts by trouble, ``states`` by trouble and the state in which it
    struck, ``checks`` by invariant, ``excused`` looks at what could not be held just
    then, ``exits`` filled purchases by reason. ``short_s``: seconds of all shorts together. ``digest``
    begins the SHA-256 of the whole event log. ``last`` is its part before the first finding, empty
    without one.
    """

    seed: int
    full_size: bool
    exit_policy: str
    troubles: tuple[str, ...]
    fired: dict[str, int]
    states: dict[str, dict[str, int]]
    checks: dict[str, int]
    excused: dict[str, int] = {}
    trades: int
    exits: dict[str, int] = {}
    short_s: int = 0
    starts: int
    digest: str
    violations: tuple[Violation, ...]
    last: tuple[str, ...]


class Log:
    """The event log: all of it is in the digest, and its end is kept, or what went before the first
    finding. ``found`` says whether there was one.
    """

    def __init__(self) -> None:
        self.found: Callable[[], object] = lambda: False
        self._last: deque[str] = deque(maxlen=_LOG_KEPT)
        self._before_finding: tuple[str, ...] = ()
        self._end: tuple[str, ...] = ()
        self._hash = hashlib.sha256()
        self.everything: list[str] | None = None

    def write(self, line: str) -> None:
        """One more line."""
        if not self._before_finding and self.found():
            self._before_finding = tuple(self._last)
        self._last.append(line)
        self._hash.update(line.encode() + b"\n")
        if self.everything is not None:
            self.everything.append(line)

    @property
    def last(self) -> tuple[str, ...]:
        """The lines before the first finding, or those of the end, and how a broken day ended."""
        return (self._before_finding or tuple(self._last)) + self._end

    def end_with(self, error: BaseException) -> None:
        """The day ended by an error; where it came from is no part of the event log."""
        self._end = tuple("".join(traceback.format_exception(error)).splitlines())

    @property
    def digest(self) -> str:
        """Of all lines so far."""
        return self._hash.hexdigest()[:16]


class Trial:
    """One seed's day on the running loop."""

    def __init__(self, plan: Plan, folder: Path, log: Log) -> None:
        self.plan, self.folder, self.log = plan, folder, log
        self.loop = asyncio.get_running_loop()
        make_day = whole_day if plan.full_size else small_day
        day = make_day(plan.seed, minutes=plan.minutes)
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
        self.chaos.operator = self._order
        self.strikes = Strikes(lambda: self.engine)
        self.chaos.on_fault = self.strikes.note
        self._armed: list[Moment] = []
        self.world.on_order_message = self._order_message
        self.machine = SimulatedMachine(
            self.world, self.chaos, self.chaos, self.chaos, self.start_ms
        )
        self.machine.on_end = self._kill
        self.checker = Checker(self.world, self.chaos, plan.rules, self.open_ms)
        self.log.found = lambda: self.checker.violations
        self.engine: Engine | None = None
        self.starts = self._killed = 0
        self.bot: asyncio.Task[ExitCode] | None = None

    async def run(self) -> None:
        """The whole day."""
        self._start_bot()
        player = self.loop.create_task(self.world.play())
        self.loop.call_at(self._at_s(self.plan.heal_ms), self._heal)
        for moment in self.plan.moments:
            self.loop.call_at(self._at_s(moment.at_ms), self._come, moment)
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
        square_off_ms = self.open_ms + self.plan.square_off_minute * MINUTE_MS
        last_ms = self.open_ms + self.plan.last_entry_minute * MINUTE_MS
        paper = self.world.venue.profile.analyze
        settings = Settings(_env_file=None).model_copy(
            update={
                "openalgo_api_key": SecretStr(API_KEY),
                "state_dir": self.folder,
                "paper_trading": paper,
                "broker_mis_cutoff": dt.time(15, 25),
                "strikes_each_side": len(day.contracts) // 4,
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
            partial(self._say, self.starts),
            on_notice=partial(self._notice, self.starts),
            on_engine=self._meet,
            rules=self.plan.rules,
            machine=self.machine,
        )
        self.bot = self.loop.create_task(work, context=process_context(self.starts))

    def _meet(self, engine: Engine) -> None:
        self.engine = engine
        self.checker.watch(engine, self._write)

    # A killed process is silent: what is left of it still says something when Python clears it away,
    # and when that is nobody knows.
    def _say(self, process: int, line: str) -> None:
        if process > self._killed:
            self._write(line)

    def _notice(self, process: int, notice: Notify, at_ms: int) -> None:
        if process <= self._killed:
            return
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
        self._killed = self.starts
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

    def _heal(self) -> None:
        self.chaos.kill_at_next_commit = None

    def _come(self, moment: Moment) -> None:
        """A moment has come: it strikes now, or soon after the next order message."""
        if moment.after_order_ms is None:
            self._strike(moment)
            return
        self._armed.append(moment)
        self.loop.call_later(_ORDER_WITHIN_S, self._strike_armed, moment)

    def _order_message(self) -> None:
        for moment in self._armed:
            after_s = (moment.after_order_ms or 0) / SECOND_MS
            self.loop.call_later(after_s, self._strike, moment, context=self.world.context)
        self._armed.clear()

    def _strike_armed(self, moment: Moment) -> None:
        if moment in self._armed:
            self._armed.remove(moment)
            self._strike(moment)

    def _strike(self, moment: Moment) -> None:
        name, runs = moment.name, self.bot is not None and not self.bot.done()
        if self.chaos.healed:
            return
        match name:
            case "killed" | "journal_damaged" if runs:
                self.chaos.count(name)
                self._kill(damage=name == "journal_damaged")
            case "killed_at_commit":
                self.chaos.kill_at_next_commit = self._kill
            case "terminated" if runs:
                self.chaos.count(name)
                self.machine.send_signal(signal.SIGTERM)
            case "killed" | "journal_damaged" | "terminated":
                pass
            case "paused" | "flattened" | "kill_switch":
                self._order(name)
            case _:
                self.chaos.happen(name)

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


def play(
    plan: Plan,
    *,
    keep: list[str] | None = None,
    stuck_s: float = STUCK_S,
    begun: Callable[[Trial], None] = lambda _: None,
) -> SeedResult:
    """Play a plan to its end. ``keep`` gets every line of the event log, ``begun`` the day as it begins.

    A day that raises, or whose simulated time stands for ``stuck_s`` real seconds, is a finding as any
    other: its traceback ends ``last``.
    """
    log = Log()
    log.everything = keep
    broken: list[Violation] = []
    trial: list[Trial] = []
    # Inside the folder, so that no path in the log differs from run to run.
    with tempfile.TemporaryDirectory(dir=_memory(), prefix="seed-") as name, chdir(name):

        async def story() -> None:
            trial.append(Trial(plan, Path("state"), log))
            begun(trial[0])
            await trial[0].run()

        try:
            with watched(lambda: trial[0].loop.time() if trial else 0.0, stuck_s):
                run_simulated(story())
        except StuckError as error:
            broken.append(Violation(ENDS, _time_of(trial), str(error)))
            log.end_with(error)
        except Exception as error:
            broken.append(Violation(RUNS, _time_of(trial), repr(error)))
            log.end_with(error)
    return _result(plan, trial[0] if trial else None, log, broken)


def _time_of(trial: list[Trial]) -> str:
    return clock_text(trial[0].world.now_ms) if trial else "its start"


def _result(plan: Plan, made: Trial | None, log: Log, broken: list[Violation]) -> SeedResult:
    found = (*(made.checker.violations if made else ()), *broken)
    return SeedResult(
        seed=plan.seed,
        full_size=plan.full_size,
        exit_policy=plan.rules.exit_policy.value,
        troubles=plan.troubles,
        fired=dict(sorted(made.chaos.fired.items())) if made else {},
        states=made.strikes.counts() if made else {},
        checks=dict(sorted(made.checker.checks.items())) if made else {},
        excused=dict(sorted(made.checker.excused.items())) if made else {},
        trades=made.checker.trades if made else 0,
        exits=dict(sorted(made.checker.exits.items())) if made else {},
        short_s=made.checker.short_s if made else 0,
        starts=made.starts if made else 0,
        digest=log.digest,
        violations=found,
        last=log.last if found else (),
    )


def _memory() -> str | None:
    """A folder in memory where the system has one: thousands of journals need no disk."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
