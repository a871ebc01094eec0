"""The live loop: chooses adapters for a mode, starts in phases, runs day after day, shuts down.

Start, restart and recovery after a crash are one path: the state that was stored, then the broker's
books, then protection of what is held, then prices, bars, and entries symbol by symbol.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import runpy
import signal
import sys
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Any, TypeVar

import msgspec

from baseline_v1_live import __version__
from baseline_v1_live.adapters.journal import Journal, JournalError
from baseline_v1_live.adapters.openalgo.calendar import TradingDay
from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient
from baseline_v1_live.adapters.openalgo.limiter import OrderLimiter
from baseline_v1_live.adapters.openalgo.transport import Exchanged
from baseline_v1_live.config import Settings, describe
from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.instruments import expiry_code
from baseline_v1_live.core.messages import Level, Notify
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import (
    Session,
    clock_text,
    ist_date,
)
from baseline_v1_live.core.session_state import SessionState, capture, restore
from baseline_v1_live.live_journal import DayJournals, Opened
from baseline_v1_live.live_machine import Machine, Queue
from baseline_v1_live.live_start import RunOptions, Start, StartError, moment, stored_day, wake_ms
from baseline_v1_live.live_wiring import ANSWERS_COMPARED, Wiring, dated, request_record
from baseline_v1_live.runtime.checks_time import Dated
from baseline_v1_live.runtime.clock import ClockError, FollowedClock
from baseline_v1_live.runtime.day import LiveDay
from baseline_v1_live.runtime.instance import InstanceLocked
from baseline_v1_live.runtime.log_file import LOG_NAME, log_to
from baseline_v1_live.runtime.modes import ExitCode
from baseline_v1_live.runtime.recovery import SessionKeeper, Universe, universe_record
from baseline_v1_live.runtime.remains import entries_left, holds, remains_text
from baseline_v1_live.sim.paper_broker import PaperBooksError

_LOOK_THERE = "look at the broker's page, or start the bot again, which looks for it"

ResultT = TypeVar("ResultT")


class _StoppedError(Exception):
    """A signal came before the day was open."""


async def run_live(
    settings: Settings,
    options: RunOptions,
    write: Callable[[str], object],
    *,
    on_notice: Callable[[Notify, int], None] | None = None,
    on_engine: Callable[[Engine], None] | None = None,
    rules: Rules | None = None,
    machine: Machine | None = None,
) -> ExitCode:
    """Run until the process is told to stop, or (``exit_when_closed``) until the session is over.

    ``write`` takes lines for people. ``on_notice`` hears what the bot says with its instant instead,
    and ``on_engine`` gets each day's engine once it exists; both for programs that show a run.
    ``rules`` stand in for those of the settings, ``machine`` for the real one.
    Raises StartError, InstanceLocked, JournalError and ClockError, each of one line.
    """
    bot = _Bot(settings, options, write, on_notice, on_engine, rules, machine or Machine())
    return await bot.run()


def run_process(settings: Settings, options: RunOptions) -> ExitCode:
    """Run in this process's own event loop, with its lines on the terminal and in the log file.

    An error a user can meet ends it with one line on stderr.
    """
    folder = settings.state_dir / options.mode
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with log_to(folder / LOG_NAME) as write:
            return asyncio.run(run_live(settings, options, write))
    except InstanceLocked as error:
        return _failed(str(error), ExitCode.LOCKED)
    except StartError as error:
        return _failed(str(error), error.code)
    except (JournalError, ClockError, PaperBooksError) as error:
        return _failed(str(error), ExitCode.FAILED)
    except OSError as error:
        return _failed(f"{error.filename or folder}: {error.strerror or error}", ExitCode.FAILED)


def _failed(text: str, code: ExitCode) -> ExitCode:
    print(f"error: {text}", file=sys.stderr)  # noqa: T201
    return code


class _Bot:
    def __init__(
        self,
        settings: Settings,
        options: RunOptions,
        write: Callable[[str], object],
        on_notice: Callable[[Notify, int], None] | None,
        on_engine: Callable[[Engine], None] | None,
        rules: Rules | None,
        machine: Machine,
    ) -> None:
        self.settings, self.options = settings, options
        self.rules = rules or settings.rules()
        self.folder = settings.state_dir / options.mode
        self._write, self._on_notice, self._on_engine = write, on_notice, on_engine
        self._machine = machine
        self._clock = machine.clock()
        self._stop = asyncio.Event()
        self._wiring: Wiring | None = None
        self._dated: deque[Dated] = deque(maxlen=ANSWERS_COMPARED)
        self._disk_lost = False
        self._day: LiveDay | None = None
        self._days_seen = 0
        self._stored: SessionState | None = None
        self._unknown = True
        self._start = Start(settings, options, self._clock, self._say)

    # ------------------------------------------------------------ the process

    async def run(self) -> ExitCode:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._machine.catch_signals(self._on_signal)
        async with AsyncExitStack() as stack:
            stack.callback(self._machine.lock(self.folder, self._clock.now_ms()))
            if self.options.sim_clock is not None:
                clock = FollowedClock(self.options.sim_clock)
                await clock.start()
                stack.push_async_callback(clock.stop)
                self._clock = clock
                self._start = Start(self.settings, self.options, clock, self._say)
            self._say(
                "settings",
                f"{self.options.mode} mode, version {__version__}, {describe(self.settings)[-1]}, "
                f"state in {self.folder}",
            )
            while True:
                try:
                    code = await self._one_day()
                except _StoppedError:
                    code = self._end_before_open()
                if self._disk_lost and code in (None, ExitCode.DONE):
                    code = ExitCode.FAILED  # The disk lacks steps, or its writer holds the journal.
                if code is not None:
                    return code

    def _on_signal(self, number: signal.Signals) -> None:
        if self._stop.is_set():
            self._machine.end_at_once(ExitCode.FORCED)
            return
        self._say("signal", f"{number.name}: stopping; once more to end at once")
        self._stop.set()

    def _say(self, name: str, text: str) -> None:
        self._write(f"[{clock_text(self._clock.now_ms())}] [START] {name}: {text}")

    async def _unless_stopped(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """The work's result; raises _StoppedError when a signal comes first."""
        task = asyncio.get_running_loop().create_task(work)
        stop = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise _StoppedError
            return task.result()
        finally:
            for waiting in (task, stop):
                waiting.cancel()
            await asyncio.gather(task, stop, return_exceptions=True)

    # ------------------------------------------------------------ one day

    async def _one_day(self) -> ExitCode | None:
        """A trading day from its first phase to its end; None: go on with the next one."""
        if self.options.sim_clock is None:
            # Anew each day: the machine may have slept, or its time may have been put right.
            self._clock = self._machine.clock()
            self._start = Start(self.settings, self.options, self._clock, self._say)
        date = ist_date(self._clock.now_ms())
        journals = DayJournals(self.folder, self._clock.now_ms, self._say)
        self._stored, self._unknown, self._wiring, self._day = None, True, None, None
        self._dated.clear()
        async with AsyncExitStack() as stack:
            opened = await self._unless_stopped(journals.open(date))
            stack.callback(self._close_journal, opened.journal)
            stored, universe, state = opened.stored, opened.stored.universe, opened.stored.state
            self._stored, self._unknown = state, opened.state_lost
            queue = self._machine.queue(opened.steps)
            stack.push_async_callback(self._close_queue, queue)
            client = self._client(queue, stored.last_request_id)
            stack.push_async_callback(client.close)
            today = await self._unless_stopped(self._reach(client, date, opened))
            if self._clock.real:
                self._start.go_by_gateway(self._dated, today)
            if not self._start.opens(today):
                return await self._wait_for_next_day(client, today)
            session = self._start.session(today)
            wiring = Wiring(
                self.settings,
                self.options.mode,
                client,
                self._clock,
                self.folder,
                self._say,
                machine=self._machine,
            )
            self._wiring = wiring
            fresh = universe is None
            if universe is None:
                universe = await self._unless_stopped(
                    self._start.choose(client, wiring, session, state_lost=opened.state_lost)
                )
            else:
                self._say_kept(universe)
            engine = self._engine(session, universe, opened)
            day = wiring.day(
                engine,
                queue,
                SessionKeeper(stored.records),
                first_seq=stored.seq,
                first_state=[universe_record(universe)] if fresh else [],
                write=self._write,
                listener=self._on_notice,
                atm_paise=universe.atm_paise,
                pre_open=lambda: self._start.pre_open(client),
            )
            self._day = day
            stack.callback(wiring.close)
            stack.push_async_callback(day.close)
            if stored.loss is not None and engine.positions.entries_stopped_by is None:
                day.driver.say("halt", "a start without its journal")
            try:
                await self._open(day, stack)
            except _StoppedError:
                return await self._end(day)
            return await self._live(day, today)

    async def _reach(self, client: OpenAlgoClient, date: dt.date, opened: Opened) -> TradingDay:
        """Until the gateway is reached; the date at the exchange."""
        universe, state = opened.stored.universe, opened.stored.state
        held = state is not None and holds(state)
        # Before the morning's login the gateway may refuse what it will take later.
        patient = held or self._days_seen > 0
        self._days_seen += 1
        if held and universe is not None and universe.open_ms:
            await self._start.reach_books(client)
            return stored_day(universe)
        if opened.state_lost:
            # Something may be held, and what would protect it needs no quote.
            await self._start.reach_books(client)
        else:
            await self._start.reach(client, patient=patient)
        return await self._start.trading_day(client, date)

    def _close_journal(self, journal: Journal) -> None:
        if not self._disk_lost:
            journal.close()

    async def _close_queue(self, queue: Queue) -> None:
        taken = await queue.close()
        if taken and self._day is not None:
            taken = await self._day.kept()
        if not taken:
            self._disk_lost = True
            self._say(
                "journal",
                "the disk did not take the last steps in time; a restart compares everything with "
                "the broker's books",
            )

    def _engine(self, session: Session, universe: Universe, opened: Opened) -> Engine:
        rules, state = self.rules, opened.stored.state
        # A gateway takes real time to answer, however fast a simulated day runs.
        halt_ms = int(rules.drift_halt_ms * max(self._clock.speed, 1.0))
        rules = msgspec.structs.replace(rules, drift_halt_ms=halt_ms)
        if opened.state_lost:
            rules = msgspec.structs.replace(rules, foreign_position="ours")
        engine = Engine(
            rules=rules,
            session=session,
            contracts={contract.symbol: contract for contract in universe.contracts},
            index_symbol=universe.underlying,
        )
        if state is not None:
            restore(engine, state)
            self._say("state", _taken_up(engine))
        if self._on_engine is not None:
            self._on_engine(engine)
        return engine

    async def _open(self, day: LiveDay, stack: AsyncExitStack) -> None:
        await self._unless_stopped(day.reconcile(lambda text: self._say("books", text)))
        engine = day.engine
        held, working = len(engine.positions.open), sum(1 for _ in engine.orders.live())
        self._say(
            "books",
            f"read and compared: {held} positions, {working} working orders; {engine.state}",
        )
        await self._serve_control(day, stack)
        day.open()
        self._say("feed", f"subscribing {len(engine.market.symbols)} symbols and the index")
        wanting = len(engine.market.minutes_missing)
        if wanting:
            self._say(
                "bars", f"{wanting} symbols need bars from history; each is entered after that"
            )
        self._say("running", f"square-off at {clock_text(engine.session.square_off_ms)}")

    async def _serve_control(self, day: LiveDay, stack: AsyncExitStack) -> None:
        control = self._machine.control(self.folder, day)
        try:
            await control.start()
            stack.push_async_callback(control.stop)
        except OSError as error:
            # What is held must be looked after all the same; the kill switch file works without it.
            self._say("control", f"status, pause and the like do not work now: {error}")

    async def _wait(self, until_ms: int) -> None:
        """Until the clock shows an instant, or a signal comes."""
        while not self._stop.is_set() and (left_ms := until_ms - self._clock.now_ms()) > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), self._clock.real_s(left_ms) + 0.001)

    async def _live(self, day: LiveDay, today: TradingDay) -> ExitCode | None:
        """Until a signal, or the session's end."""
        await self._wait(day.engine.session.close_ms)
        if self._stop.is_set():
            return await self._end(day)
        left = self._unexplained(day)
        if left or not day.proven_over:
            names = ", ".join([*(p.symbol for p in day.engine.positions.open.values()), *left])
            day.driver.notice(
                Level.CRITICAL,
                "EXIT",
                f"the session is closed and not everything is proven flat: {names or 'the books'}; "
                "look at the broker's own page now",
                "not_flat",
            )
            return ExitCode.NOT_FLAT if self.options.exit_when_closed else await self._rest(today)
        self._say("closed", "the session is over and everything is flat")
        return ExitCode.DONE if self.options.exit_when_closed else await self._rest(today)

    def _unexplained(self, day: LiveDay) -> list[str]:
        """On a day whose state was lost: shorts in our options that the broker still shows."""
        net, date = day.engine.reconciler.broker_net, day.engine.session.date
        shorts = [symbol for symbol, quantity in net.items() if quantity < 0]
        return [s for s in shorts if self._unknown and self._start.is_ours(s, date)]

    async def _rest(self, today: TradingDay) -> ExitCode | None:
        """From the close to the next date: nothing trades, but people may ask."""
        next_ms = wake_ms(today.date, today.following)
        self._say("waiting", f"for the next day, until {moment(next_ms)}")
        await self._wait(next_ms)
        return ExitCode.DONE if self._stop.is_set() else None

    async def _end(self, day: LiveDay) -> ExitCode:
        """Told to stop: entries out, stops left resting; or everything closed where that is asked."""
        if self.options.flatten_on_exit:
            if await day.flatten(self.options.shutdown_timeout_s):
                self._say("stopped", "everything is closed and the broker shows zero")
                return ExitCode.DONE
            self._say(
                "stopped",
                f"not proven flat after {self.options.shutdown_timeout_s:g} s: "
                f"{remains_text(capture(day.engine))}; {_LOOK_THERE}",
            )
            return ExitCode.NOT_FLAT
        unproven = await day.stop_entries()
        bare = day.uncovered()
        rest = "" if bare else "; protective stops rest at the broker"
        self._say("stopped", f"{remains_text(capture(day.engine))}{rest}")
        if unproven:
            self._say(
                "stopped",
                f"the cancellation of {', '.join(unproven)} is not proven: {_LOOK_THERE}",
            )
        if bare:
            self._say(
                "stopped",
                f"CRITICAL no stop is proven to rest for {', '.join(bare)}: {_LOOK_THERE}",
            )
            return ExitCode.NOT_COVERED
        return ExitCode.ENTRIES_NOT_PROVEN if unproven else ExitCode.DONE

    def _end_before_open(self) -> ExitCode:
        """Told to stop before the books were read: what an earlier run left is as it was."""
        self._say("stopped", "before the day was open; nothing was sent")
        state, left = self._stored, self._left()
        if left is None:
            return ExitCode.DONE
        self._say("stopped", f"{left}; {_LOOK_THERE}")
        if self.options.flatten_on_exit:
            return ExitCode.NOT_FLAT
        if state is None or self._unknown or entries_left(state):
            return ExitCode.ENTRIES_NOT_PROVEN
        return ExitCode.DONE

    def _left(self) -> str | None:
        """What an earlier run of the day left open or working, as far as is known; None: nothing."""
        state = self._stored
        if state is not None and holds(state):
            return f"as last seen: {remains_text(state)}"
        return "what an earlier run of the day left is not known" if self._unknown else None

    # ------------------------------------------------------------ phases

    def _client(self, queue: Queue, last_request_id: int) -> OpenAlgoClient:
        key = self.settings.openalgo_api_key
        if key is None:
            raise StartError(
                "OPENALGO_API_KEY is not set: make a key on the gateway's API key page and put it "
                "into .env",
                ExitCode.BAD_INPUT,
            )
        clock = self._clock

        def observe(exchanged: Exchanged) -> None:
            record = request_record(exchanged)
            if record is not None:
                queue.put_requests(record)
            answer = dated(exchanged)
            if self._wiring is not None:
                self._wiring.observe(exchanged)
            elif answer is not None:
                self._dated.append(answer)

        return OpenAlgoClient(
            self.settings.openalgo_host,
            key.get_secret_value(),
            limiter=OrderLimiter(now_ms=clock.pace_ms, sleep=clock.sleep),
            observer=observe,
            now_ms=clock.now_ms,
            sleep=clock.sleep,
            first_request_id=last_request_id + 1,
            open_session=self._machine.open_session,
        )

    async def _wait_for_next_day(
        self, client: OpenAlgoClient, today: TradingDay
    ) -> ExitCode | None:
        # Without a session today a journal that was lost had nothing of today.
        left = self._left() if today.ordinary or not self._unknown else None
        if left is not None:
            self._say("closed", f"{left}; look at the broker's page")
        if self.options.exit_when_closed:
            self._say("closed", "nothing to trade today")
            return ExitCode.DONE if left is None else ExitCode.NOT_FLAT
        next_ms = wake_ms(today.date, today.following)
        await client.close()
        self._say("waiting", f"for the next day, until {moment(next_ms)}")
        await self._unless_stopped(self._clock.sleep_until(next_ms))
        return None

    def _say_kept(self, universe: Universe) -> None:
        options = self.options
        other = (options.expiry, options.atm_paise) not in (
            (None, None),
            (universe.expiry, universe.atm_paise),
        )
        self._say(
            "contracts",
            f"those of this morning: {universe.underlying} {expiry_code(universe.expiry)} around "
            f"{universe.atm_paise // 100}"
            + ("; --expiry and --atm do not change them during the day" if other else ""),
        )


def _taken_up(engine: Engine) -> str:
    held, live = len(engine.positions.open), sum(1 for _ in engine.orders.live())
    unknown = len(engine.open_unknowns())
    text = f"taken up from the journal: {held} positions, {live} orders"
    text += f", {unknown} of them of unknown outcome" if unknown else ""
    return f"{text}; paused" if engine.paused else text


if __name__ == "__main__":
    # The command line lives further out; it is the same program under either name.
    runpy.run_module("baseline_v1_live", run_name="__main__")
