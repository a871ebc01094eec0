"""A day whose journal was lost: what the broker shows is protected, nothing is sold, all ends flat."""

from __future__ import annotations

import asyncio
import datetime as dt
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from baseline_v1_live.adapters.journal import Journal
from baseline_v1_live.baseline_v1_live import run_live
from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.messages import BrokerStatus, Side
from baseline_v1_live.core.session import at_ist
from baseline_v1_live.live_journal import DayJournals
from baseline_v1_live.live_machine import Machine
from baseline_v1_live.live_start import RunOptions
from baseline_v1_live.live_wiring import PAPER_BOOKS_NAME
from baseline_v1_live.runtime.modes import ExitCode, RunMode
from baseline_v1_live.runtime.recovery import read_loss
from baseline_v1_live.sim.openalgo_server.cover import naked_intervals
from baseline_v1_live.sim.paper_broker import ExchangeBooks, PaperBooksError
from tests.live.disk_desk import kept_by_another, no_room
from tests.live.start_desk import start_settings
from tests.runtime.live_desk import until
from tests.sim.openalgo_server.gateway import Gateway, play, small_day

DATE = small_day().date
STEP_PAISE = 5_000
# Slow enough that seconds of the day can be told apart, whatever else the machine does.
SPEED = 5.0
PROTECTED_WITHIN_MS = 5_000
WORKING = (BrokerStatus.OPEN, BrokerStatus.TRIGGER_PENDING)


class Bot:
    """Runs of the bot in one state folder, at a served day."""

    def __init__(
        self,
        g: Gateway,
        folder: Path,
        mode: RunMode = RunMode.PAPER,
        machine: Machine | None = None,
    ) -> None:
        self.g, self.folder, self.mode, self.machine = g, folder, mode, machine
        self.state = folder / mode
        self.state.mkdir(exist_ok=True)
        self.said: list[str] = []
        self.engines: list[Engine] = []

    @property
    def engine(self) -> Engine:
        return self.engines[-1]

    def lose_journal(self) -> None:
        (self.state / "journal.db").write_bytes(b"this is not a journal" * 500)

    def start(self, **options: Any) -> asyncio.Task[ExitCode]:
        environ = {"STRIKES_EACH_SIDE": "1", "STATE_DIR": str(self.folder)}
        given = start_settings(self.g.server, **environ)
        chosen = {"atm_paise": small_day().atm_paise, "exit_when_closed": True, **options}
        run = RunOptions(mode=self.mode, sim_clock=self.g.server.url, **chosen)
        return asyncio.ensure_future(
            run_live(
                given,
                run,
                self.said.append,
                on_engine=self.engines.append,
                machine=self.machine,
            )
        )

    @asynccontextmanager
    async def running(self, **options: Any) -> AsyncIterator[asyncio.Task[ExitCode]]:
        """It runs until the end of the session, or of the block."""
        task = self.start(**options)
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until_covered(self) -> None:
        await until(lambda: self.uncovered() == {}, "cover", look_s=0.01)

    # ------------------------------------------------------------ what the exchange itself has

    def uncovered(self) -> dict[str, int]:
        """By symbol: the short quantity that no working BUY would buy back."""
        books = self.g.server.exchange_books()
        bare = {p.symbol: -p.net_quantity for p in books.positions if p.net_quantity < 0}
        for order in books.orders:
            if order.status in WORKING and order.side is Side.BUY and order.symbol in bare:
                bare[order.symbol] -= order.quantity
        return {symbol: quantity for symbol, quantity in bare.items() if quantity > 0}

    def held(self) -> dict[str, int]:
        books = self.g.server.exchange_books()
        return {p.symbol: p.net_quantity for p in books.positions if p.net_quantity}

    def sales(self) -> int:
        return sum(order.side is Side.SELL for order in self.g.server.exchange_books().orders)

    async def longest_bare_ms(self, since_ms: int) -> int:
        rows = (await self.g.sim("audit"))["rows"]
        spans = [n for n in naked_intervals(rows, self.g.server.now_ms) if n.to_ms > since_ms]
        return max((n.to_ms - max(n.from_ms, since_ms) for n in spans), default=0)

    async def square_off(self) -> None:
        await self.g.advance(15, 10, 1)
        await until(lambda: self.held() == {}, "flat", look_s=0.01)
        await asyncio.sleep(0.5)
        await self.g.advance(15, 40, 1)


async def _short(g: Gateway, symbol: str, *, with_stop: bool) -> None:
    """A short as a bot leaves it that dies while holding."""
    await g.placed("SELL", symbol=symbol)
    price = round((await g.quote(symbol))["ltp"] * 1.4, 0)
    if with_stop:
        await g.placed("BUY", symbol=symbol, pricetype="SL", trigger_price=price, price=price + 3)


@pytest.mark.parametrize("with_stop", [True, False])
@pytest.mark.parametrize("strikes_away", [0, 4])
def test_what_a_lost_journal_held_is_protected_and_closed(
    tmp_path: Path, with_stop: bool, strikes_away: int
) -> None:
    """A short that no record explains, with its stop or without, inside the chosen strikes or outside
    of them: covered within 5 s of the start, nothing sold, bought back at the square-off, code 0.
    """

    async def story(g: Gateway) -> None:
        bot = Bot(g, tmp_path)
        await _short(g, g.call, with_stop=with_stop)
        bot.lose_journal()
        sold, since_ms = bot.sales(), g.server.now_ms

        atm_paise = small_day().atm_paise - strikes_away // 2 * STEP_PAISE
        async with bot.running(atm_paise=atm_paise) as task:
            await until(lambda: bot.engines, "an engine")
            await until(lambda: bot.engine.positions.open, "an adopted position", look_s=0.01)
            await bot.until_covered()
            assert await bot.longest_bare_ms(since_ms) <= PROTECTED_WITHIN_MS
            assert bot.engine.gate() == "entries_stopped"
            await bot.square_off()
            assert await task is ExitCode.DONE
        assert bot.sales() == sold
        assert bot.engine.day_over

    play(story, speed=SPEED)


def test_the_loss_holds_over_a_further_start(tmp_path: Path) -> None:
    """The second start knows its position, sells nothing either, and still takes over what turns up."""

    async def story(g: Gateway) -> None:
        bot = Bot(g, tmp_path)
        await _short(g, g.call, with_stop=True)
        bot.lose_journal()
        async with bot.running() as task:
            await until(lambda: bot.engines and bot.engine.positions.open, "a position")
            signal.raise_signal(signal.SIGTERM)
            assert await task is ExitCode.DONE

        async with bot.running() as task:
            await until(lambda: len(bot.engines) == 2 and bot.engine.reconciled, "a second engine")
            assert [p.symbol for p in bot.engine.positions.open.values()] == [g.call]
            assert bot.engine.positions.entries_stopped_by is not None
            await _short(g, g.put, with_stop=False)
            await until(lambda: len(bot.engine.positions.open) == 2, "both", look_s=0.01)
            await bot.until_covered()
            signal.raise_signal(signal.SIGTERM)
            assert await task is ExitCode.DONE
        with Journal.open_read_only(bot.state / "journal.db") as journal:
            assert read_loss(journal.state(DATE.isoformat())) is not None

    play(story, speed=SPEED)


def test_what_is_held_does_not_wait_for_a_choice_that_fails(tmp_path: Path) -> None:
    """No such expiry, which ends another start: only what the broker shows is looked after."""

    async def story(g: Gateway) -> None:
        bot = Bot(g, tmp_path)
        await _short(g, g.call, with_stop=False)
        bot.lose_journal()
        async with bot.running(expiry=DATE + dt.timedelta(days=6)):
            await until(lambda: bot.engines and bot.engine.positions.open, "a position")
            await bot.until_covered()
            assert list(bot.engine.orders.contracts) == [g.call]

    play(story, speed=SPEED)


def test_in_memory_what_is_held_is_protected_all_the_same(tmp_path: Path) -> None:
    """No file can be written: the day has its journal in memory, and ends flat."""

    async def story(g: Gateway) -> None:
        bot = Bot(g, tmp_path)
        await _short(g, g.call, with_stop=False)
        bot.lose_journal()
        with no_room():
            async with bot.running() as task:
                await until(lambda: bot.engines and bot.engine.positions.open, "a position")
                await bot.until_covered()
                assert (bot.state / "journal.db").stat().st_size == 0
                await bot.square_off()
                assert await task is ExitCode.DONE

    play(story, speed=SPEED)


def test_a_locked_journals_day_goes_on_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can be read is taken up: no position is adopted a second time, and nothing is sold."""
    monkeypatch.setattr(DayJournals, "LOCK_WAIT_S", 0.01)
    monkeypatch.setattr(DayJournals, "BUSY_MS", 1)

    async def story(g: Gateway) -> None:
        bot = Bot(g, tmp_path)
        await _short(g, g.call, with_stop=True)
        bot.lose_journal()
        async with bot.running() as task:
            await until(lambda: bot.engines and bot.engine.positions.open, "a position")
            signal.raise_signal(signal.SIGTERM)
            assert await task is ExitCode.DONE
        held = list(bot.engine.positions.open)

        with kept_by_another(bot.state / "journal.db", "writing"):
            async with bot.running():
                await until(lambda: len(bot.engines) == 2 and bot.engine.reconciled, "an engine")
                assert list(bot.engine.positions.open) == held
                assert bot.engine.gate() in ("entries_stopped", "state_reconciling")
        assert len(list(bot.state.glob("journal-beside-*.db"))) == 1

    play(story, speed=SPEED)


@pytest.mark.parametrize(("open_at", "kill"), [((15, 11), False), ((10, 0), True)])
def test_after_the_days_exit_what_the_broker_shows_is_closed(
    tmp_path: Path, open_at: tuple[int, int], kill: bool
) -> None:
    """A start after the square-off, or with the kill switch set: bought back at once, code 0."""

    async def story(g: Gateway) -> None:
        bot = Bot(g, tmp_path)
        await _short(g, g.call, with_stop=True)
        bot.lose_journal()
        if kill:
            (bot.state / "KILL").touch()
        async with bot.running() as task:
            await until(lambda: bot.held() == {}, "flat", look_s=0.01)
            await until(lambda: bot.engine.day_over, "the end of the day", look_s=0.01)
            assert len(bot.engine.positions.positions) == 1
            await g.advance(15, 40, 1)
            assert await task is ExitCode.DONE

    play(story, speed=SPEED, open_at=open_at)


# ---------------------------------------------------------------- the end, when it is not known


@pytest.mark.parametrize(
    ("flatten", "code"), [(False, ExitCode.ENTRIES_NOT_PROVEN), (True, ExitCode.NOT_FLAT)]
)
def test_told_to_stop_before_the_books_the_end_is_not_proven(
    tmp_path: Path, flatten: bool, code: ExitCode
) -> None:
    """What an earlier run left is not known, and nobody has looked."""

    async def story(g: Gateway) -> None:
        bot = Bot(g, tmp_path)
        bot.lose_journal()
        await g.sim("fault", name="http_500", endpoint="*", count=1_000)
        task = bot.start(flatten_on_exit=flatten)
        await until(lambda: any("Trying again" in line for line in bot.said), "a try")
        signal.raise_signal(signal.SIGTERM)
        assert await task is code

    play(story, speed=SPEED)


@pytest.mark.parametrize(
    ("open_at", "code"), [((15, 41), ExitCode.NOT_FLAT), (None, ExitCode.DONE)]
)
def test_after_the_close_a_lost_journal_is_not_flat(
    tmp_path: Path, open_at: tuple[int, int] | None, code: ExitCode
) -> None:
    """On the day of a session; on a Saturday nothing can have been lost of the day."""
    start_ms = None if open_at else at_ist(DATE + dt.timedelta(days=2), dt.time(10, 0))

    async def story(g: Gateway) -> None:
        bot = Bot(g, tmp_path)
        bot.lose_journal()
        assert await bot.start() is code

    play(story, open_at=open_at, speed=SPEED, **({"start_ms": start_ms} if start_ms else {}))


# ---------------------------------------------------------------- the built-in exchange


def _books(bot: Bot, symbol: str) -> None:
    """The built-in exchange of an earlier run of the day, short in one option."""
    books = ExchangeBooks(date=DATE, counter=1, orders=[], positions={symbol: -65})
    (bot.state / PAPER_BOOKS_NAME).write_bytes(msgspec.json.encode(books))


def test_the_built_in_exchanges_own_books_are_adopted(tmp_path: Path) -> None:
    """On paper a lost journal is found again in the paper's books."""

    async def story(g: Gateway) -> None:
        bot = Bot(g, tmp_path, RunMode.BUILTIN)
        _books(bot, g.put)
        bot.lose_journal()
        async with bot.running():
            await until(lambda: bot.engines and bot.engine.positions.open, "a position")
            (position,) = bot.engine.positions.open.values()
            assert (position.symbol, position.open_quantity) == (g.put, 65)

    play(story, speed=SPEED)


def test_a_short_that_cannot_be_looked_after_is_not_flat(tmp_path: Path) -> None:
    """The gateway has no record of its strike: it is left to people, and the code says so."""

    async def story(g: Gateway) -> None:
        bot = Bot(g, tmp_path, RunMode.BUILTIN)
        _books(bot, g.call.replace("2600", "3600"))
        bot.lose_journal()
        async with bot.running() as task:
            await until(lambda: bot.engines and bot.engine.reconciled, "an engine")
            await bot.square_off()
            assert await task is ExitCode.NOT_FLAT

    play(story, speed=SPEED)


def test_books_without_anything_of_ours_are_kept_and_begun_anew(tmp_path: Path) -> None:
    """Nothing can be lost with them, and entries are as free as on any day."""

    async def story(g: Gateway) -> None:
        bot = Bot(g, tmp_path, RunMode.BUILTIN)
        (bot.state / PAPER_BOOKS_NAME).write_bytes(b"{")
        async with bot.running():
            await until(lambda: bot.engines and bot.engine.reconciled, "an engine")
            assert bot.engine.positions.entries_stopped_by is None
        (kept,) = bot.state.glob("paper-exchange-damaged-*.json")
        assert kept.read_bytes() == b"{"

    play(story, speed=SPEED)


def test_books_with_something_of_ours_are_not_begun_anew(tmp_path: Path) -> None:
    """Empty ones would show the position as closed by somebody, at a price that never was."""

    async def story(g: Gateway) -> None:
        bot = Bot(g, tmp_path, RunMode.BUILTIN)
        _books(bot, g.put)
        bot.lose_journal()
        async with bot.running() as task:
            await until(lambda: bot.engines and bot.engine.positions.open, "a position")
            signal.raise_signal(signal.SIGTERM)
            await task
        (bot.state / PAPER_BOOKS_NAME).write_bytes(b"{")

        with pytest.raises(PaperBooksError, match=PAPER_BOOKS_NAME):
            await bot.start()

        assert (bot.state / PAPER_BOOKS_NAME).read_bytes() == b"{"

    play(story, speed=SPEED)
