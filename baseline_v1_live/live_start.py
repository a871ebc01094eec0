"""What a start has to know before there is an engine: gateway, mode, session, expiry and contracts.

Each phase says one line. What passes by itself is waited for; what does not ends the start with its
cause and what to do, unless something of ours is open at the broker: then nobody else looks after it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TypeVar

import msgspec

from baseline_v1_live.adapters.openalgo.calendar import TradingDay, read_day
from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient
from baseline_v1_live.adapters.openalgo.problems import (
    Cause,
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
from baseline_v1_live.core.instruments import Contract, expiry_code, nearest_strike, parse_symbol
from baseline_v1_live.core.messages import BrokerStatus, SnapshotTaken
from baseline_v1_live.core.session import (
    MINUTE_MS,
    Session,
    at_ist,
    clock_text,
    ist_datetime,
)
from baseline_v1_live.live_wiring import Wiring
from baseline_v1_live.runtime.checks_time import ANALYZER_CUTOFF, Dated, clock_to_go_by
from baseline_v1_live.runtime.clock import Clock
from baseline_v1_live.runtime.modes import ExitCode, RunMode
from baseline_v1_live.runtime.recovery import Universe

_BEFORE_OPEN_MS = 15 * MINUTE_MS
_NEXT_DATE, _MORNING = dt.time(0, 1), dt.time(8, 30)
_OVER = frozenset({BrokerStatus.COMPLETE, BrokerStatus.CANCELLED, BrokerStatus.REJECTED})
_UNKNOWN_SYMBOL = 404
# At most so long, because what is held is not looked after before the gateway answers.
_RETRY_S = (1.0, 2.0, 4.0, 8.0, 10.0)

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
        self._once = False

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

    def go_by_gateway(self, answers: Iterable[Dated], day: TradingDay) -> None:
        """Have the clock go by the gateway's where one of the two is far off (``clock_to_go_by``).

        The machine's time still has to be put right before anything is sold.
        """
        by_ms = clock_to_go_by(answers, self._clock.now_ms(), day.close_ms)
        if by_ms == 0:
            return
        way = "behind" if by_ms > 0 else "ahead of"
        self._clock.go_by(by_ms)
        self._say(
            "clock",
            f"CRITICAL this machine's time is {abs(by_ms) // 1000} s {way} the gateway's. What is "
            "held is looked after by the gateway's time, and nothing is sold until the machine's is "
            "right: set it by NTP (timedatectl set-ntp true)",
        )

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

    async def choose(
        self, client: OpenAlgoClient, wiring: Wiring, session: Session, *, state_lost: bool = False
    ) -> Universe:
        """The day's expiry, ATM and contracts.

        ``state_lost``: what an earlier run of the day held is not known. Then the contracts that the
        broker's books show belong to them, and what may be held does not wait for a choice that
        fails. The others are wanted too: an order that is still on its way may fill in any of them.
        """
        wait_ms = session.open_ms - _BEFORE_OPEN_MS - self._clock.now_ms()
        if wait_ms > 0:
            self._say(
                "waiting", f"for the session, until {moment(session.open_ms - _BEFORE_OPEN_MS)}"
            )
            await self._clock.sleep_until(session.open_ms - _BEFORE_OPEN_MS)
            await self.reach(client, patient=self._patient)
        # A stream that is open shows early that it works, and keeps a simulator's clock going.
        async with wiring.early_feed():
            shown = await self._shown(client, wiring, session) if state_lost else {}
            self._once = bool(shown)
            first = next(iter(shown.values()), None)
            try:
                expiry, atm_paise, contracts = await self._chosen(client, session, first)
            except StartError as error:
                if first is None:
                    raise
                self._say("contracts", f"{error}. Only those that the broker's books show")
                expiry, atm_paise, contracts = first.expiry, first.strike_paise, {}
            finally:
                self._once = False
        contracts = contracts | shown
        lot = next(iter(contracts.values())).lot_size
        self._say(
            "contracts",
            f"{len(contracts)} options of {self._settings.underlying} {expiry_code(expiry)} around "
            f"{atm_paise // 100}, lot {lot}",
        )
        return Universe(
            date=session.date,
            underlying=self._settings.underlying,
            expiry=expiry,
            atm_paise=atm_paise,
            contracts=list(contracts.values()),
            open_ms=session.open_ms,
            close_ms=session.close_ms,
        )

    async def _chosen(
        self, client: OpenAlgoClient, session: Session, held: Contract | None
    ) -> tuple[dt.date, int, dict[str, Contract]]:
        underlying, options = self._settings.underlying, self._options
        expiry = await self._read(
            lambda: check_expiry(client, self._host, underlying, options.expiry, session.date)
        )
        atm_paise = options.atm_paise
        if atm_paise is None and held is not None and self._in_first_minute(session):
            atm_paise = held.strike_paise  # What is held does not wait for the spot.
        elif atm_paise is None:
            atm_paise = await self._spot_atm(client, session)
        contracts = await self._read(lambda: self._contracts(client, expiry, atm_paise))
        return expiry, atm_paise, contracts

    async def _shown(
        self, client: OpenAlgoClient, wiring: Wiring, session: Session
    ) -> dict[str, Contract]:
        """The contracts of our underlying that the broker's books show as held or working."""
        books = await self._read(lambda: _books(wiring, session))
        held = {position.symbol for position in books.positions if position.net_quantity}
        working = {order.symbol for order in books.orders if order.status not in _OVER}
        found: dict[str, Contract] = {}
        for symbol in sorted(held | working):
            if not self.is_ours(symbol, session.date):
                continue
            record = await self._read(partial(self._record, client, symbol))
            if record is None:
                self._say(
                    "contracts",
                    f"CRITICAL {symbol} is in the broker's books, and the gateway has no record of "
                    "it: look after it yourself",
                )
            else:
                found[symbol] = record
        return found

    def is_ours(self, symbol: str, date: dt.date) -> bool:
        """Whether a symbol is an option of our underlying that has not expired before a date."""
        try:
            underlying, expiry, _, _ = parse_symbol(symbol)
        except ValueError:
            return False
        return underlying == self._settings.underlying and expiry >= date

    async def _record(self, client: OpenAlgoClient, symbol: str) -> Contract | Problem | None:
        record = await client.symbol(symbol)
        if not isinstance(record, Unreadable):
            return record
        return None if record.status == _UNKNOWN_SYMBOL else trouble(record, self._host)

    def _in_first_minute(self, session: Session) -> bool:
        return self._clock.now_ms() < session.open_ms + MINUTE_MS

    async def _spot_atm(self, client: OpenAlgoClient, session: Session) -> int:
        """Spot rounded to the strike step, after the first full minute."""
        step = self._settings.strike_step_paise
        first_ms = session.open_ms + MINUTE_MS
        if self._in_first_minute(session):
            self._say(
                "waiting", f"for the spot after the first minute, until {clock_text(first_ms)}"
            )
            await self._clock.sleep_until(first_ms)
        spot_paise = await self._read(lambda: self._spot(client))
        return nearest_strike(spot_paise, step)

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
            if self._once or (answer.permanent and not self._patient):
                raise StartError(answer.line)
            pause_s = _RETRY_S[min(tries, len(_RETRY_S) - 1)]
            self._say("gateway", f"{answer.line}. Trying again in {pause_s:g} s")
            tries += 1
            await asyncio.sleep(pause_s)
        return answer


async def _books(wiring: Wiring, session: Session) -> SnapshotTaken | Problem:
    answer = await wiring.look(session)
    if isinstance(answer, SnapshotTaken):
        return answer
    return Problem(
        cause=Cause.ANSWER,
        seen=f"the broker's books cannot be read ({answer.message})",
        todo="what is open there is not known, and not protected, before that",
        permanent=False,
    )


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
