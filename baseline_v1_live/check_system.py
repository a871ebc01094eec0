"""``python -m baseline_v1_live.check_system``: is everything there that a trading day needs?

Each check looks, says in one line what it saw and what to do, and changes nothing: no order is ever
sent. A check that needs another one's success is skipped with that one's name. The start of the live
loop asks the same questions of adapters/openalgo/problems.py and so uses the same words.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import io
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import typer
from pydantic import SecretStr

from baseline_v1_live.adapters.journal.files import journal_file
from baseline_v1_live.adapters.journal.schema import MIGRATIONS
from baseline_v1_live.adapters.openalgo.calendar import TradingDay, read_day
from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient
from baseline_v1_live.adapters.openalgo.money import check_funds, check_margin
from baseline_v1_live.adapters.openalgo.probe import StreamSeen, look_at_stream
from baseline_v1_live.adapters.openalgo.problems import (
    Cause,
    GatewayUp,
    Problem,
    check_expiry,
    check_gateway,
    check_mode,
    contracts_text,
    load_contracts,
)
from baseline_v1_live.adapters.openalgo.transport import Exchanged
from baseline_v1_live.adapters.openalgo.wire.data import Funds
from baseline_v1_live.config import (
    DEFAULT_ENV_FILE,
    ConfigError,
    Settings,
    load_settings,
    scrub,
)
from baseline_v1_live.core.instruments import (
    Contract,
    OptionType,
    nearest_strike,
    option_symbol,
    paise,
    parse_expiry,
    rupee_text,
)
from baseline_v1_live.core.session import ist_date
from baseline_v1_live.runtime import checks as machine
from baseline_v1_live.runtime import checks_time as times
from baseline_v1_live.runtime.checks import Check, Patience, Verdict
from baseline_v1_live.runtime.clock import ClockError, FollowedClock, wall_ms

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
TICK_WAIT_S = 15.0
_TICK_PAISE = 5
_WEEKLY = {"NIFTY"}  # The other indices have only monthly contracts since November 2024.
# Which check fails for a problem that was found while the gateway was looked at.
_BLAMED = dict.fromkeys(Cause, "gateway") | {
    Cause.KEY: "key",
    Cause.BROKER: "broker session",
    Cause.CONTRACTS: "broker session",
}

AnswerT = TypeVar("AnswerT")


class Checkup:
    """All checks of one run, in order; each method that takes nothing and gives a Check is one.

    ``expiry`` and ``atm_paise`` None: the nearest listed one, and the index rounded to the strike
    step. ``now_ms`` is the day that is looked at, ``machine_ms`` the clock that is compared with the
    gateway's; both are epoch milliseconds. ``sleep`` and ``tick_s`` are real seconds.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        warnings: Sequence[str] = (),
        env_file: Path | None = None,
        expiry: dt.date | None = None,
        atm_paise: int | None = None,
        now_ms: Callable[[], int] = wall_ms,
        machine_ms: Callable[[], int] = wall_ms,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        tick_s: float = TICK_WAIT_S,
        telegram_url: str = machine.TELEGRAM_URL,
    ) -> None:
        self._settings = settings
        self._warnings, self._env_file = warnings, env_file
        self._wanted_expiry, self._atm_paise = expiry, atm_paise
        self._now_ms, self._machine_ms = now_ms, machine_ms
        self._tick_s, self._telegram_url = tick_s, telegram_url
        self._host = settings.openalgo_host
        self._patience = Patience(sleep)
        self._dated: list[times.Dated] = []
        self._client = OpenAlgoClient(
            self._host,
            _reveal(settings.openalgo_api_key),
            observer=self._note_date,
            now_ms=now_ms,
            sleep=sleep,
        )
        # What one check found and a later one uses.
        self._found: GatewayUp | Problem | None = None
        self._day: TradingDay | None = None
        self._expiry: dt.date | None = None
        self._atm: Contract | None = None
        self._funds: Funds | None = None
        self._orders_pushed: bool | None = None

    async def run(self) -> list[Check]:
        """Ask all of them, one after the other."""
        steps: list[machine.Step] = [
            ("settings", (), self.settings),
            ("env file", (), self.env_file),
            ("state folder", (), self.state_folder),
            ("journal", (), self.journal),
            ("cut-off", (), self.cutoff),
            ("gateway", ("settings",), self.gateway),
            ("clock", ("gateway",), self.clock),
            ("key", ("gateway",), self.key),
            ("broker session", ("key",), self.broker_session),
            ("mode", ("key",), self.mode),
            ("session", ("key",), self.session),
            ("expiry", ("session",), self.expiry),
            ("contracts", ("expiry",), self.contracts),
            ("funds", ("broker session",), self.funds),
            ("margin", ("contracts", "funds"), self.margin),
            ("price stream", ("broker session", "session"), self.price_stream),
            ("order updates", ("price stream",), self.order_updates),
            ("second stream", ("session",), self.second_stream),
            ("telegram", (), self.telegram),
        ]
        async with self._client:
            return await machine.run_steps(steps)

    # ------------------------------------------------------------ this machine

    async def settings(self) -> Check:
        """The settings are there, and what is doubtful about them."""
        given = self._settings
        mode = "paper" if given.paper_trading else "LIVE"
        seen = f"{mode}, {given.underlying}, R {given.r_value:f}, state in {given.state_dir}"
        if given.openalgo_api_key is None:
            return Check(
                "settings",
                Verdict.FAIL,
                f"{seen}; OPENALGO_API_KEY is not set",
                "make a key on the API key page of the gateway and put it into .env",
            )
        if self._warnings:
            return Check("settings", Verdict.WARN, f"{seen}; {'; '.join(self._warnings)}")
        return Check("settings", Verdict.PASS, seen)

    async def env_file(self) -> Check:
        """Nobody else can read the file with the keys."""
        return machine.check_env_file(self._env_file)

    async def state_folder(self) -> Check:
        """The state folder can be written, and the disk has room."""
        return machine.check_state_folder(self._settings.state_dir)

    async def journal(self) -> Check:
        """The journal of the mode is whole and of a schema that we know."""
        mode = "paper" if self._settings.paper_trading else "live"
        path = journal_file(self._settings.state_dir / mode, ist_date(self._now_ms()))
        return await asyncio.to_thread(machine.check_journal, path, len(MIGRATIONS))

    async def cutoff(self) -> Check:
        """Our square-off comes before the broker's."""
        given = self._settings
        return times.check_cutoff(
            paper=given.paper_trading,
            force_exit=given.force_exit_time,
            last_entry=given.last_entry_time,
            broker_cutoff=given.broker_mis_cutoff,
        )

    # ------------------------------------------------------------ the gateway

    async def gateway(self) -> Check:
        """Something answers, and it is an OpenAlgo gateway."""
        index = self._settings.underlying
        self._found = await self._ask(partial(check_gateway, self._client, self._host, index))
        return self._blamed("gateway") or Check("gateway", Verdict.PASS, self._host)

    async def clock(self) -> Check:
        """This machine's clock agrees with the gateway's."""
        return times.check_clock(self._dated)

    async def key(self) -> Check:
        """The gateway takes our key."""
        return self._blamed("key") or Check("key", Verdict.PASS, "the gateway takes it")

    async def broker_session(self) -> Check:
        """The broker answers: proven by a quote of the index, because a ping does not ask it."""
        name, index = "broker session", self._settings.underlying
        if not isinstance(self._found, GatewayUp):
            return self._blamed(name) or Check(name, Verdict.SKIP, "needs gateway")
        broker, price_paise = self._found.broker, self._found.index_paise
        if price_paise is not None:
            return Check(name, Verdict.PASS, f"{broker}: {index} {rupee_text(price_paise)}")
        todo = "nothing before the first trade of the day; later log in at the broker again"
        return Check(name, Verdict.WARN, f"{broker} answers, but {index} has no price", todo)

    def _blamed(self, name: str) -> Check | None:
        """The failure of the check that the gateway's problem belongs to."""
        if isinstance(self._found, Problem) and _BLAMED[self._found.cause] == name:
            return _failed(name, self._found)
        return None

    async def mode(self) -> Check:
        """The gateway is in analyzer mode on paper, and only then."""
        paper = self._settings.paper_trading
        mode = await self._ask(lambda: check_mode(self._client, self._host, paper=paper))
        if isinstance(mode, Problem):
            return _failed("mode", mode)
        return Check("mode", Verdict.PASS, "paper on both sides" if paper else "LIVE on both sides")

    async def session(self) -> Check:
        """What today is at the exchange, and when it opens next."""
        now_ms = self._now_ms()
        day = await self._ask(lambda: read_day(self._client, self._host, ist_date(now_ms)))
        if isinstance(day, Problem):
            return _failed("session", day)
        self._day = day
        if day.special:
            todo = "nothing: the bot does not trade in special sessions"
            return Check("session", Verdict.WARN, day.text(now_ms), todo)
        return Check("session", Verdict.PASS, day.text(now_ms))

    async def expiry(self) -> Check:
        """The expiry is one that the gateway lists, the nearest, and where the calendar has it."""
        today = ist_date(self._now_ms())
        index = self._settings.underlying

        async def ask(wanted: dt.date | None) -> dt.date | Problem:
            return await check_expiry(self._client, self._host, index, wanted, today)

        nearest = await self._ask(lambda: ask(None))
        if isinstance(nearest, Problem):
            return _failed("expiry", nearest)
        chosen = await self._ask(lambda: ask(self._wanted_expiry))
        if isinstance(chosen, Problem):
            return _failed("expiry", chosen)
        self._expiry = chosen
        assert self._day is not None  # It is needed, and was found.
        weekly = index in _WEEKLY
        usual, moved = times.usual_expiry(today, self._day.closed_on, weekly=weekly)
        return times.check_expiry_day(chosen, nearest, usual, moved, self._day.holidays)

    async def contracts(self) -> Check:
        """Every contract of the universe has a record, with the lot size of the settings."""
        given, expiry = self._settings, self._expiry
        assert expiry is not None  # It is needed, and was found.
        step = given.strike_step_paise
        if self._atm_paise is None:
            price = self._found.index_paise if isinstance(self._found, GatewayUp) else None
            if price is None:
                seen = f"{given.underlying} has no price to take the ATM from"
                return Check("contracts", Verdict.SKIP, seen, "give --atm")
            self._atm_paise = nearest_strike(price, step)
        ask = partial(
            load_contracts,
            self._client,
            self._host,
            given.underlying,
            expiry,
            atm_paise=self._atm_paise,
            step_paise=step,
            strikes_each_side=given.strikes_each_side,
            lot_size=given.lot_size,
        )
        found = await self._ask(ask)
        if isinstance(found, Problem):
            return _failed("contracts", found)
        atm = option_symbol(given.underlying, expiry, self._atm_paise, OptionType.CE)
        self._atm = found[atm]
        seen = contracts_text(found)
        if any(contract.tick_paise != _TICK_PAISE for contract in found.values()):
            todo = "the settings' prices go by 0.05: look at the offsets of entry and stop"
            return Check("contracts", Verdict.WARN, seen, todo)
        return Check("contracts", Verdict.PASS, seen)

    # ------------------------------------------------------------ money

    async def funds(self) -> Check:
        """The account has money, and no person has to approve its orders, as far as that shows."""
        funds = await self._ask(partial(check_funds, self._client, self._host))
        if isinstance(funds, Problem):
            return _failed("funds", funds)
        self._funds = funds
        seen = f"{rupee_text(funds.available_paise)} free, {rupee_text(funds.used_paise)} used"
        return Check("funds", Verdict.PASS, seen)

    async def margin(self) -> Check:
        """One lot can be sold with the money that is free. The margin is asked for, nothing is sent."""
        if self._atm is None or self._funds is None:
            return Check("margin", Verdict.SKIP, "needs contracts")
        rules = self._settings.rules()
        trigger_paise = rules.price_min_paise
        needed = await self._ask(
            partial(
                check_margin,
                self._client,
                self._host,
                self._atm,
                self._funds.available_paise,
                trigger_paise=trigger_paise,
                limit_paise=max(trigger_paise - rules.entry_limit_offset_paise, _TICK_PAISE),
                headroom_bp=rules.margin_headroom_bp,
            )
        )
        if isinstance(needed, Problem):
            # Where no margin is asked for before an entry, its lack stops nothing by itself.
            binding = rules.margin_check and rules.margin_required
            verdict = Verdict.FAIL if binding else Verdict.WARN
            return Check("margin", verdict, needed.seen, needed.todo)
        return Check("margin", Verdict.PASS, f"{self._atm.symbol}: one lot {rupee_text(needed)}")

    # ------------------------------------------------------------ streams and messages

    async def price_stream(self) -> Check:
        """The stream takes key and index, and ticks while the session is on."""
        key = _reveal(self._settings.openalgo_api_key)
        seen, check = await self._stream("price stream", self._settings.openalgo_ws_url, key)
        self._orders_pushed = seen.orders_pushed if seen else None
        return check

    async def order_updates(self) -> Check:
        """The gateway pushes order updates."""
        if self._orders_pushed:
            return Check("order updates", Verdict.PASS, "the gateway pushes them")
        return Check(
            "order updates",
            Verdict.WARN,
            "the gateway does not push them",
            "update the gateway; until then fills are seen when the books are read, every few seconds",
        )

    async def second_stream(self) -> Check:
        """The second gateway's stream, where one is set."""
        url, key = self._settings.backup_openalgo_ws_url, self._settings.backup_openalgo_api_key
        if url is None or key is None:
            return Check("second stream", Verdict.SKIP, "not configured")
        _, check = await self._stream("second stream", url, _reveal(key))
        return check

    async def _stream(self, name: str, url: str, key: str) -> tuple[StreamSeen | None, Check]:
        assert self._day is not None
        index, now_ms = self._settings.underlying, self._now_ms()
        tick_s = self._tick_s if self._day.trading_at(now_ms) else 0.0
        seen = await self._ask(lambda: look_at_stream(url, key, index, tick_s=tick_s))
        if isinstance(seen, Problem):
            return None, _failed(name, seen)
        if seen.tick is None:
            until = self._day.next_open_text(now_ms)
            return seen, Check(name, Verdict.SKIP, f"{url} connects; no ticks until {until}")
        price = rupee_text(seen.tick.ltp_paise)
        return seen, Check(name, Verdict.PASS, f"{url}: {index} {price}")

    async def telegram(self) -> Check:
        """The bot may write to its chat."""
        token, chat_id = self._settings.telegram_bot_token, self._settings.telegram_chat_id
        if token is None or chat_id is None:
            return Check("telegram", Verdict.SKIP, "not configured")
        return await machine.check_telegram(_reveal(token), chat_id, self._telegram_url)

    # ------------------------------------------------------------ asking

    async def _ask(self, question: Callable[[], Awaitable[AnswerT | Problem]]) -> AnswerT | Problem:
        """Ask again while the problem may pass by itself."""
        return await self._patience.ask(
            question, lambda answer: isinstance(answer, Problem) and not answer.permanent
        )

    def _note_date(self, exchanged: Exchanged) -> None:
        if exchanged.date_ms is not None:
            self._dated.append(
                times.Dated(exchanged.date_ms, self._machine_ms(), exchanged.took_ms)
            )


def _failed(name: str, problem: Problem) -> Check:
    return Check(name, Verdict.FAIL, problem.seen, problem.todo)


def _reveal(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret is not None else ""


# ---------------------------------------------------------------- command line


async def check_all(
    settings: Settings,
    warnings: Sequence[str],
    env_file: Path | None,
    expiry: dt.date | None,
    atm_paise: int | None,
    sim_clock: str | None = None,
) -> list[Check]:
    """Run all checks.

    ``sim_clock`` is the address of a simulator whose day is looked at. Raises ClockError.
    """
    clock = FollowedClock(sim_clock) if sim_clock else None
    if clock is not None:
        await clock.start()
    try:
        checkup = Checkup(
            settings,
            warnings=warnings,
            env_file=env_file,
            expiry=expiry,
            atm_paise=atm_paise,
            now_ms=clock.now_ms if clock else wall_ms,
        )
        return await checkup.run()
    finally:
        if clock is not None:
            await clock.stop()


def command(
    json_out: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
    expiry: Annotated[str | None, typer.Option(help="Expiry as DDMMMYY, e.g. 29DEC26.")] = None,
    atm: Annotated[str | None, typer.Option(help="At-the-money strike, e.g. 26000.")] = None,
    env_file: Annotated[Path, typer.Option(help="File of settings.")] = DEFAULT_ENV_FILE,
    sim_clock: Annotated[
        str | None, typer.Option(help="REST address of a running openalgo-sim: check its day.")
    ] = None,
) -> None:
    """Check that everything is there that a trading day needs; no order is ever sent."""
    try:
        settings, warnings = load_settings(env_file)
        day = parse_expiry(expiry.upper()) if expiry else None
        atm_paise = paise(float(atm)) if atm else None
    except ConfigError as error:
        _refuse(error.lines, json_out)
    except ValueError as error:
        what = error if "expiry" in str(error) else f"--atm {atm!r} is not a strike such as 26000"
        _refuse((str(what),), json_out)
    if sim_clock and not settings.paper_trading:
        _refuse(("--sim-clock is for paper trading; PAPER_TRADING is false",), json_out)
    try:
        checks = asyncio.run(check_all(settings, warnings, env_file, day, atm_paise, sim_clock))
    except ClockError as error:
        _refuse((str(error),), json_out)
    _say(checks, json_out, partial(scrub, settings))
    raise SystemExit(0 if machine.all_well(checks) else EXIT_FAILED)


def _say(checks: list[Check], json_out: bool, clean: Callable[[str], str] = str) -> None:
    if json_out:
        typer.echo(machine.as_json(checks, clean))
        return
    for line in machine.as_text(checks, clean):
        typer.echo(line)


def _refuse(lines: Sequence[str], json_out: bool) -> NoReturn:
    if json_out:
        _say([Check("settings", Verdict.FAIL, line) for line in lines], json_out)
    else:
        for line in lines:
            typer.echo(f"error: {line}", err=True)
    raise SystemExit(EXIT_BAD_INPUT)


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a sign gets a question mark, not a traceback.
            stream.reconfigure(errors="replace")
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    app()


if __name__ == "__main__":
    main()
