"""What is wrong with a gateway, in words that a person can act on.

The pre-flight check and the start of the live loop both ask here, so they name the same cause with
the same words. Each function gives what it found, or the one Problem that stands in the way; nothing
here sends, changes or cancels an order.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec

from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient
from baseline_v1_live.adapters.openalgo.wire.outcomes import Refused
from baseline_v1_live.adapters.openalgo.wire.values import Failure, Mode, Unreadable
from baseline_v1_live.core.instruments import (
    PAISE,
    Contract,
    expiry_code,
    nearest_strike,
    option_symbol,
    parse_symbol,
    rupee_text,
    universe,
)
from baseline_v1_live.core.messages import CancelOrder, Tick

_NO_ORDER = "0"
# Enough to be done in seconds, few enough to leave room under the gateway's own rate limit.
_ASKED_AT_ONCE = 4
_ASKED_A_SECOND = 40  # The gateway takes 50.
_LOG_IN = "log in at the broker in the gateway's web page"
_NEW_CONTRACTS = "download the master contract in the gateway's web page"


class Cause(StrEnum):
    """What kind of thing stands in the way."""

    DOWN = "down"  # no gateway there, or not yet
    STRANGER = "stranger"  # something else answers
    KEY = "key"
    BROKER = "broker"  # the gateway is well, its session at the broker is not
    MODE = "mode"
    EXPIRY = "expiry"
    CONTRACTS = "contracts"
    MONEY = "money"
    ANSWER = "answer"  # it answers, but not this question


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen and what to do about it; one that is not ``permanent`` may pass by itself."""

    cause: Cause
    seen: str
    todo: str
    permanent: bool

    @property
    def line(self) -> str:
        """Both in one line."""
        return f"{self.seen}; {self.todo}"


class GatewayUp(msgspec.Struct, frozen=True):
    """A gateway that takes our key and whose broker answers. ``index_paise`` None: no price yet."""

    broker: str
    index_paise: int | None


def trouble(answer: Unreadable, host: str) -> Problem:
    """The problem behind any answer that cannot be used; ``host`` is the address that was asked."""
    if answer.failure is not None:
        return _no_answer(answer, host)
    if answer.page:
        return _page(answer, host)
    status = answer.status or 0
    if status in (401, 403):
        return Problem(
            cause=Cause.KEY,
            seen=f"the gateway refuses the key ({answer.reason})",
            todo=f"the broker session has ended, or OPENALGO_API_KEY is wrong: {_LOG_IN}, then "
            "compare the key with its API key page",
            permanent=True,
        )
    if status == 429:
        return Problem(
            cause=Cause.ANSWER,
            seen=f"the gateway's own rate limit stops us ({answer.reason})",
            todo="stop other programs that use this gateway, or try again later",
            permanent=False,
        )
    return Problem(
        cause=Cause.ANSWER,
        seen=f"the gateway cannot answer ({answer.reason})",
        todo="look into the gateway's log; its version may be another than the one this is made for",
        permanent=status < 500,
    )


def _no_answer(answer: Unreadable, host: str) -> Problem:
    seen = f"the connection to {host} breaks off"
    todo = "wait until the gateway has started, or restart it"
    if answer.failure is Failure.TIMEOUT:
        seen = f"{host} does not answer in time"
    elif answer.failure is Failure.NOT_SENT:
        seen = f"nothing answers at {host}"
        todo = "start the gateway, or correct OPENALGO_HOST"
        words = answer.reason.lower()
        if "certificate" in words or "[ssl" in words:
            seen = f"no secure connection to {host}"
            todo = "write http:// or https:// in OPENALGO_HOST as the gateway has it, or renew its "
            todo += "certificate"
    return Problem(cause=Cause.DOWN, seen=seen, todo=todo, permanent=False)


def _page(answer: Unreadable, host: str) -> Problem:
    """A web page in the place of JSON: a proxy without its gateway, or no gateway at all."""
    waiting = (answer.status or 0) >= 500
    return Problem(
        cause=Cause.DOWN if waiting else Cause.STRANGER,
        seen=f"{host} answers {answer.status} with a page that is not the gateway's JSON",
        todo="start the gateway behind the proxy at OPENALGO_HOST"
        if waiting
        else "correct OPENALGO_HOST: another program, a proxy or a login page is there",
        permanent=not waiting,
    )


# ---------------------------------------------------------------- the questions


async def check_gateway(client: OpenAlgoClient, host: str, underlying: str) -> GatewayUp | Problem:
    """Whether the gateway is there, takes our key, and has a living session at the broker.

    The gateway answers ``ping`` without asking the broker, so only a quote of the index proves that
    session: at night it ends, and everything but quotes and orders looks well.
    """
    broker = await client.ping()
    if isinstance(broker, Unreadable):
        if broker.status == 404 and not broker.page:
            return Problem(
                cause=Cause.STRANGER,
                seen=f"{host} has no OpenAlgo interface ({broker.reason})",
                todo="correct OPENALGO_HOST, or update the gateway",
                permanent=True,
            )
        return trouble(broker, host)
    quote = await client.quotes(underlying)
    if isinstance(quote, Tick):
        return GatewayUp(broker, quote.ltp_paise)
    if quote.failure is None and quote.status is None:
        return GatewayUp(broker, None)  # an answer, but before the first trade
    if quote.page or quote.status in (401, 403, 429):
        return trouble(quote, host)
    if quote.status in (400, 404) and "not found" in quote.reason.lower():
        return Problem(
            cause=Cause.CONTRACTS,
            seen=f"the gateway does not know the index ({quote.reason})",
            todo=f"{_NEW_CONTRACTS}, then try again",
            permanent=True,
        )
    return Problem(
        cause=Cause.BROKER,
        seen=f"the gateway takes the key, but its broker ({broker}) gives no quote "
        f"({quote.reason})",
        todo=f"{_LOG_IN}: its session there ends every night; if you are logged in, the broker is "
        "down or slow",
        permanent=quote.failure is None and (quote.status or 0) < 500,
    )


async def check_mode(client: OpenAlgoClient, host: str, *, paper: bool) -> Mode | Problem:
    """Whether the gateway trades where we mean to: paper in analyzer mode, live outside of it."""
    mode = await client.analyzer()
    if isinstance(mode, Unreadable):
        return trouble(mode, host)
    if mode is (Mode.ANALYZE if paper else Mode.LIVE):
        return mode
    if paper:
        seen = "PAPER_TRADING is true, but the gateway trades live: its analyzer mode is off"
        todo = "switch analyzer mode on in the gateway's web page"
    else:
        seen = "PAPER_TRADING is false, but the gateway is in analyzer mode"
        todo = "switch analyzer mode off in the gateway's web page, or set PAPER_TRADING=true"
    return Problem(cause=Cause.MODE, seen=seen, todo=todo, permanent=True)


async def check_order_path(client: OpenAlgoClient) -> Problem | None:
    """Whether the gateway lets our order messages through to the broker; for live trading only.

    It asks for the cancellation of an order that does not exist, which the gateway refuses as unknown.
    In semi-auto mode, where orders wait for a person, it refuses cancellations as such (403), and nothing
    that can be read tells that mode.
    """
    outcome = await client.cancel(CancelOrder(order_id="start", broker_order_id=_NO_ORDER))
    if not isinstance(outcome, Refused) or outcome.status != 403:
        return None
    return Problem(
        cause=Cause.MODE,
        seen=f"the gateway refuses order messages ({outcome.message})",
        todo="switch its order mode from semi-auto to auto; if it is auto, look whether the broker "
        "takes orders from this machine's address",
        permanent=True,
    )


async def check_expiry(
    client: OpenAlgoClient, host: str, underlying: str, wanted: dt.date | None, today: dt.date
) -> dt.date | Problem:
    """The expiry to trade: the one that is wanted when it is listed, by default the nearest one."""
    listed = await client.expiries(underlying)
    if isinstance(listed, Unreadable):
        return trouble(listed, host)
    ahead = [date for date in listed if date >= today]
    if not ahead:
        seen = f"the gateway lists no expiry of {underlying}"
        if listed:
            seen = f"the gateway's last expiry of {underlying} is past ({expiry_code(listed[-1])})"
        return Problem(
            cause=Cause.EXPIRY,
            seen=seen,
            todo=f"{_NEW_CONTRACTS}, then try again",
            permanent=bool(listed),
        )
    if wanted is None:
        return ahead[0]
    if wanted in ahead:
        return wanted
    why = "is past" if wanted < today else f"is not an expiry of {underlying} at the gateway"
    return Problem(
        cause=Cause.EXPIRY,
        seen=f"{expiry_code(wanted)} {why}; the nearest is {expiry_code(ahead[0])}",
        todo=f"give --expiry {expiry_code(ahead[0])}",
        permanent=True,
    )


async def load_contracts(
    client: OpenAlgoClient,
    host: str,
    underlying: str,
    expiry: dt.date,
    *,
    atm_paise: int,
    step_paise: int,
    strikes_each_side: int,
    lot_size: int,
) -> dict[str, Contract] | Problem:
    """The gateway's records of the whole universe, by symbol, in the universe's order.

    ``lot_size`` (units) is what the settings expect: a cross-check that stops the start.
    """
    if atm_paise % step_paise:
        return Problem(
            cause=Cause.CONTRACTS,
            seen=f"ATM {_strike(atm_paise)} is not a multiple of the strike step "
            f"{_strike(step_paise)}",
            todo=f"give --atm {_strike(nearest_strike(atm_paise, step_paise))}",
            permanent=True,
        )
    symbols = universe(underlying, expiry, atm_paise, step_paise, strikes_each_side)
    records = await _records(client, symbols)
    broken = [r for r in records.values() if isinstance(r, Unreadable) and not _unknown(r)]
    if broken:
        return trouble(broken[0], host)
    missing = [symbol for symbol in symbols if isinstance(records[symbol], Unreadable)]
    if missing:
        return _missing(missing, len(symbols), atm_paise)
    contracts = {s: r for s in symbols if isinstance(r := records[s], Contract)}
    lots = sorted({contract.lot_size for contract in contracts.values()})
    if lots == [lot_size]:
        return contracts
    told = " and ".join(str(lot) for lot in lots)
    return Problem(
        cause=Cause.CONTRACTS,
        seen=f"the gateway's lot size of {underlying} {expiry_code(expiry)} is {told} units, "
        f"LOT_SIZE is {lot_size}",
        todo=f"ask your broker; set LOT_SIZE={lots[0]}"
        if len(lots) == 1
        else f"one expiry has one lot size: {_NEW_CONTRACTS}",
        permanent=True,
    )


def contracts_text(contracts: Mapping[str, Contract]) -> str:
    """What records of one expiry have in common, in one line."""
    found = contracts.values()
    dates, lots = {expiry_code(c.expiry) for c in found}, {str(c.lot_size) for c in found}
    ticks, freezes = {rupee_text(c.tick_paise) for c in found}, {c.freeze_quantity for c in found}
    strikes = sorted(c.strike_paise for c in found)
    return (
        f"{len(contracts)} of {' and '.join(sorted(dates))}, strikes {_strike(strikes[0])} to "
        f"{_strike(strikes[-1])}, lot {' and '.join(sorted(lots))}, tick "
        f"{' and '.join(sorted(ticks))}, freeze {' and '.join(map(str, sorted(freezes)))}"
    )


async def _records(
    client: OpenAlgoClient, symbols: Sequence[str]
) -> dict[str, Contract | Unreadable]:
    """Ask for each symbol, no faster than the gateway takes it; after an answer that is neither yes
    nor no the rest is not asked for.
    """
    records: dict[str, Contract | Unreadable] = {}
    for start in range(0, len(symbols), _ASKED_A_SECOND):
        if start:
            await client.pause(1.0)
        records |= await _some_records(client, symbols[start : start + _ASKED_A_SECOND])
        if any(isinstance(r, Unreadable) and not _unknown(r) for r in records.values()):
            break
    return records


async def _some_records(
    client: OpenAlgoClient, symbols: Sequence[str]
) -> dict[str, Contract | Unreadable]:
    waiting = iter(symbols)
    records: dict[str, Contract | Unreadable] = {}

    async def ask() -> None:
        for symbol in waiting:
            records[symbol] = record = await client.symbol(symbol)
            if isinstance(record, Unreadable) and not _unknown(record):
                for _ in waiting:
                    pass

    await asyncio.gather(*(ask() for _ in range(_ASKED_AT_ONCE)))
    return records


def _unknown(record: Unreadable) -> bool:
    """Whether the gateway itself says that it does not know the symbol."""
    return record.status == 404 and not record.page


def _missing(missing: list[str], asked: int, atm_paise: int) -> Problem:
    underlying, expiry, _, option_type = parse_symbol(missing[0])
    atm = option_symbol(underlying, expiry, atm_paise, option_type)
    todo = f"give another --atm, lower STRIKES_EACH_SIDE, or {_NEW_CONTRACTS}"
    if atm in missing or len(missing) == asked:
        todo = f"look at --atm and --expiry, or {_NEW_CONTRACTS}"
    return Problem(
        cause=Cause.CONTRACTS,
        seen=f"{len(missing)} of {asked} contracts are not known to the gateway, such as "
        f"{missing[0]}",
        todo=todo,
        permanent=True,
    )


def _strike(price_paise: int) -> str:
    return f"{price_paise / PAISE:g}"
