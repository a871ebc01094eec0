"""What a start has to know before there is an engine: gateway, mode, session, expiry and contracts.

Each phase says one line. What passes by itself is waited for; what does not ends the start with its
cause and what to do, unless something of ours is open at the broker: then nobody else looks after it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from baseline_v1_live.adapters.openalgo.calendar import TradingDay, read_day
from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient
from baseline_v1_live.adapters.openalgo.problems import (
    GatewayUp,
    Problem,
    check_expiry,
    check_gateway,
    check_mode,
    check_order_path,
    load_contracts,
    trouble,
)
from baseline_v1_live.adapters.openalgo.wire.values import Unreadable
from baseline_v1_live.config import Settings
from baseline_v1_live.core.instruments import Contract, expiry_code
from baseline_v1_live.core.session import (
    MINUTE_MS,
    Session,
    at_ist,
    clock_text,
    ist_datetime,
)
from baseline_v1_live.live_wiring import Wiring
from baseline_v1_live.runtime.checks_time import ANALYZER_CUTOFF
from baseline_v1_live.runtime.clock import Clock
from baseline_v1_live.runtime.modes import ExitCode, RunMode
from baseline_v1_live.runtime.recovery import Universe

_BEFORE_OPEN_MS = 15 * MINUTE_MS
_NEXT_DATE, _MORNING = dt.time(0, 1), dt.time(8, 30)
_RETRY_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)

AnswerT = TypeVar("AnswerT")


class StartError(Exception):
    """The bot cannot start; its text is one line for a person, ``code`` the process's end."""

    def __init__(self, text: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(text)
        self.code = code


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says of one run.

    ``expiry`` and ``atm_paise`` None: ``auto`` takes the nearest listed expiry, and the spot after the
    first full minute. ``sim_clock`` is the address of an openalgo-sim whose clock is followed.
    """

    mode: RunMode
    expiry: dt.date | None = None
    atm_paise: int | None = None
    auto: bool = False
    sim_clock: str | None = None
    exit_when_closed: bool = False
    flatten_on_exit: bool = False
    shutdown_timeout_s: float = 30.0


class Start:
    """The phases of one day's start; ``say`` takes a phase's name and its line."""

    def __init__(
        self,
        settings: Settings,
        options: RunOptions,
        clock: Clock,
        say: Callable[[str, str], None],
    ) -> None:
        self._settings, self._options, self._clock = settings, options, clock
        self._host = settings.openalgo_host
        self._say = say
        self._patient = False

    async def reach(self, client: OpenAlgoClient, *, patient: bool) -> None:
        """Until the gateway is there, takes our key, has a broker and is in our mode.

        Raises StartError for what does not pass by itself, unless ``patient``: who holds something
        goes on trying, because nobody else looks after it.
        """
        self._patient = patient
        up = await self._read(lambda: self._look(client))
        self._say("gateway", f"{self._host} is there and takes our key; {up.broker}")

    async def reach_books(self, client: OpenAlgoClient) -> None:
        """The same for who holds something, without a price: only key and mode stand before the books,
        because what is held waits for its protection.
        """
        self._patient = True
        await self._read(lambda: self._look_at_key(client))
        self._say("gateway", f"{self._host} is there and takes our key")

    async def _look_at_key(self, client: OpenAlgoClient) -> str | Problem:
        broker = await client.ping()
        if isinstance(broker, Unreadable):
            return trouble(broker, self._host)
        mode = await self._check_mode(client)
        return mode if isinstance(mode, Problem) else broker

    async def _look(self, client: OpenAlgoClient) -> GatewayUp | Problem:
        up = await check_gateway(client, self._host, self._settings.underlying)
        if isinstance(up, Problem):
            return up
        mode = await self._check_mode(client)
        return mode if isinstance(mode, Problem) else up

    async def _check_mode(self, client: OpenAlgoClient) -> Problem | None:
        """Why the gateway does not trade as we mean to; None when it does, or no order goes there."""
        if not self._options.mode.sends_orders:
            return None
        paper = self._options.mode is RunMode.PAPER
        mode = await check_mode(client, self._host, paper=paper)
        if isinstance(mode, Problem):
            return mode
        return None if paper else await check_order_path(client)

    async def trading_day(self, client: OpenAlgoClient, date: dt.date) -> TradingDay:
        """The date at the exchange."""
        day = await self._read(lambda: read_day(client, self._host, date))
        self._say("session", day.text(self._clock.now_ms()))
        return day

    def opens(self, day: TradingDay) -> bool:
        """Whether there is an ordinary session that is not over."""
        return day.ordinary and day.close_ms is not None and self._clock.now_ms() < day.close_ms

    async def pre_open(self, client: OpenAlgoClient) -> str | None:
        """Minutes before the open: what would keep the bot from trading now, None when nothing."""
        found = await self._look(client)
        return found.line if isinstance(found, Problem) else None

    def session(self, day: TradingDay) -> Session:
        """The day's instants; on the gateway's own paper trading its cut-off counts too."""
        settings = self._settings
        if self._options.mode is RunMode.PAPER:
            cutoff = min(settings.broker_mis_cutoff or ANALYZER_CUTOFF, ANALYZER_CUTOFF)
            settings = settings.model_copy(update={"broker_mis_cutoff": cutoff})
        assert day.open_ms is not None
        assert day.close_ms is not None
        opens, closes = ist_datetime(day.open_ms), ist_datetime(day.close_ms)
        return settings.session(day.date, opens.time(), closes.time())

    async def choose(self, client: OpenAlgoClient, wiring: Wiring, session: Session) -> Universe:
        """The day's expiry, ATM and contracts."""
        settings, options = self._settings, self._options
        wait_ms = session.open_ms - _BEFORE_OPEN_MS - self._clock.now_ms()
        if wait_ms > 0:
            self._say(
                "waiting", f"for the session, until {moment(session.open_ms - _BEFORE_OPEN_MS)}"
            )
            await self._clock.sleep_until(session.open_ms - _BEFORE_OPEN_MS)
            await self.reach(client, patient=self._patient)
        expiry = await self._read(
            lambda: check_expiry(
                client, self._host, settings.underlying, options.expiry, session.date
            )
        )
        # A stream that is open shows early that it works, and keeps a simulator's clock going.
        async with wiring.early_feed():
            atm_paise = options.atm_paise
            if atm_paise is None:
                atm_paise = await self._spot_atm(client, session)
            contracts = await self._read(lambda: self._contracts(client, expiry, atm_paise))
        lot = next(iter(contracts.values())).lot_size
        self._say(
            "contracts",
            f"{len(contracts)} options of {settings.underlying} {expiry_code(expiry)} around "
            f"{atm_paise // 100}, lot {lot}",
        )
        return Universe(
            date=session.date,
            underlying=settings.underlying,
            expiry=expiry,
            atm_paise=atm_paise,
            contracts=list(contracts.values()),
            open_ms=session.open_ms,
            close_ms=session.close_ms,
        )

    async def _spot_atm(self, client: OpenAlgoClient, session: Session) -> int:
        """Spot rounded to the strike step, after the first full minute."""
        step = self._settings.strike_step_paise
        first_ms = session.open_ms + MINUTE_MS
        if self._clock.now_ms() < first_ms:
            self._say(
                "waiting", f"for the spot after the first minute, until {clock_text(first_ms)}"
            )
            await self._clock.sleep_until(first_ms)
        spot_paise = await self._read(lambda: self._spot(client))
        return (spot_paise + step // 2) // step * step

    async def _contracts(
        self, client: OpenAlgoClient, expiry: dt.date, atm_paise: int
    ) -> dict[str, Contract] | Problem:
        settings = self._settings
        return await load_contracts(
            client,
            self._host,
            settings.underlying,
            expiry,
            atm_paise=atm_paise,
            step_paise=settings.strike_step_paise,
            strikes_each_side=settings.strikes_each_side,
            lot_size=settings.lot_size,
        )

    async def _spot(self, client: OpenAlgoClient) -> int | Problem:
        quote = await client.quotes(self._settings.underlying)
        return trouble(quote, self._host) if isinstance(quote, Unreadable) else quote.ltp_paise

    async def _read(self, ask: Callable[[], Awaitable[AnswerT | Problem]]) -> AnswerT:
        """An answer of the gateway; asks again until it can be read, or will never be."""
        tries = 0
        while isinstance(answer := await ask(), Problem):
            if answer.permanent and not self._patient:
                raise StartError(answer.line)
            pause_s = _RETRY_S[min(tries, len(_RETRY_S) - 1)]
            self._say("gateway", f"{answer.line}. Trying again in {pause_s:g} s")
            tries += 1
            await asyncio.sleep(pause_s)
        return answer


def stored_day(universe: Universe) -> TradingDay:
    """The session that an earlier run of the day found, for a start that cannot wait for a calendar."""
    return TradingDay(
        date=universe.date,
        open_ms=universe.open_ms,
        close_ms=universe.close_ms,
        special=False,
        description="",
        following=None,
        holidays={},
    )


def wake_ms(after: dt.date, following: dt.date | None) -> int:
    """When to look at the gateway again: the morning of the next session where that is known, so that
    a login which ends over a weekend is not asked for; else the first minute of the next date.
    """
    if following is None or following <= after:
        return at_ist(after + dt.timedelta(days=1), _NEXT_DATE)
    return at_ist(following, _MORNING)


def moment(at_ms: int) -> str:
    """``Mon 23 Nov 09:00 IST``."""
    return f"{ist_datetime(at_ms):%a %d %b %H:%M} IST"
