"""Reads single values of a gateway that writes them in many dialects; never raises, never guesses.

Every reader returns None where the value is not there or makes no sense; what that means is for the
caller to decide. Brokers behind the gateway send numbers as numbers or as text, with or without
separators, and instants in half a dozen forms.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

import msgspec

from baseline_v1_live.core.session import IST, at_ist

_ABSURD = Decimal(10) ** 15  # above any price and quantity, and any epoch in milliseconds
_RUPEES_MAX = Decimal(10) ** 12
_EPOCH_MS_MIN = 10**11  # Smaller numbers are seconds: as milliseconds they lie before 1974.
_EPOCH_S_MIN = 10**9
_STAMPS = (
    "%Y-%m-%d %H:%M:%S",
    "%d-%b-%Y %H:%M:%S",
    "%d-%m-%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%H:%M:%S %d-%m-%Y",
    "%d %b %Y %H:%M:%S",
)
_FRACTION = re.compile(r"(\d{2}:\d{2}:\d{2})\.\d+")


class Unreadable(msgspec.Struct, frozen=True):
    """An answer that says nothing certain. It is never "empty", "flat" or "zero".

    ``status`` is the HTTP status where there was one: 401 and 403 mean that trading is blocked.
    ``failure`` is set when there was no whole answer. ``page``: an answer that is not JSON, so that
    something else than the gateway may have written it.
    """

    reason: str
    status: int | None = None
    failure: Failure | None = None
    page: bool = False


class Failure(StrEnum):
    """How a request ended without an answer."""

    NOT_SENT = "not sent"  # refused before anything went out: the only provably harmless one
    TIMEOUT = "timeout"
    RESET = "connection lost"
    OTHER = "transport error"


class Mode(StrEnum):
    """Where the gateway's answers come from. UNSAID: an answer that does not say."""

    LIVE = "live"
    ANALYZE = "analyze"
    SEMI_AUTO = "semi_auto"
    UNSAID = "unsaid"


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of the gateway, or the lack of one.

    ``json`` is the parsed body, None where the body is not JSON; ``failure`` is None when a whole
    answer was read.
    """

    status: int | None = None
    text: str = ""
    json: Any = None
    failure: Failure | None = None
    date_ms: int | None = None


def parse_reply(status: int, body: bytes | str) -> Reply:
    """A whole HTTP answer as a value; the body may be anything."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    return Reply(status=status, text=text, json=parse_json(text))


def parse_json(text: str) -> Any:
    """Parsed JSON, or None for anything that is not; NaN and Infinity are not JSON."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


def mode_of(json: Any) -> Mode:
    """Where an answer says it comes from. A success without the word is a live one."""
    if not isinstance(json, Mapping):
        return Mode.UNSAID
    said = json.get("mode")
    if said is None:
        return Mode.LIVE if json.get("status") == "success" else Mode.UNSAID
    word = str(said).strip().lower()
    return Mode(word) if word in set(Mode) else Mode.UNSAID


def explain(reply: Reply) -> str:
    """One short line of what the gateway said, for people."""
    if reply.failure is not None:
        return f"{reply.failure}: {reply.text}"[:300] if reply.text else str(reply.failure)
    json = reply.json
    said = json.get("message") or json.get("error") if isinstance(json, Mapping) else None
    text = str(said) if said else " ".join(reply.text.split())
    return f"{reply.status}: {text[:300]}" if text else f"{reply.status}: empty body"


def first(row: Mapping[str, Any], *names: str) -> Any:
    """The value under the first of these names that is there and not null."""
    for name in names:
        if row.get(name) is not None:
            return row[name]
    return None


def text_of(value: Any) -> str | None:
    """Text or an integer as stripped text; None for anything else and for empty words."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    word = str(value).strip()
    return None if word.lower() in {"", "none", "null", "nan", "0"} else word


def number_of(value: Any) -> Decimal | None:
    """A finite number, from a number or from text such as ``"1,234.50"``."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        # Through text: 129.95 as a float is not 129.95, its shortest text is.
        number = Decimal(str(value).strip().replace(",", ""))
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < _ABSURD else None


def whole_of(value: Any) -> int | None:
    """A whole number, from ``65``, ``65.0``, ``"65"`` or ``"65.0"``; None for a fraction."""
    number = number_of(value)
    if number is None or number != number.to_integral_value():
        return None
    return int(number)


def paise_of(value: Any) -> int | None:
    """Rupees to integer paise, to the nearest."""
    number = number_of(value)
    return None if number is None or abs(number) > _RUPEES_MAX else round(number * 100)


def value_paise(price: Decimal, quantity: int) -> int:
    """Price in rupees x quantity in units, in paise; rounded once, at the end."""
    return round(price * quantity * 100)


def instant_of(value: Any, today: dt.date | None = None) -> int | None:
    """An instant in epoch milliseconds, from any of the forms brokers use.

    Numbers are epoch seconds or milliseconds by their size. Text without a zone is IST; text with a
    time only is on ``today``. None where it is none of these: the instant is not known.
    """
    number = number_of(value)
    if number is not None:
        return _epoch(number)
    if not isinstance(value, str):
        return None
    text = _FRACTION.sub(r"\1", value.strip())
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return _local_instant(text, today)
    if len(text) < len("2026-01-01 00:00"):
        return None  # A date alone is not an instant.
    aware = moment if moment.tzinfo else moment.replace(tzinfo=IST)
    return int(aware.timestamp()) * 1000


def _epoch(number: Decimal) -> int | None:
    if number >= _EPOCH_MS_MIN:
        return int(number)
    return int(number * 1000) if number >= _EPOCH_S_MIN else None


def _local_instant(text: str, today: dt.date | None) -> int | None:
    for form in _STAMPS:
        try:
            moment = dt.datetime.strptime(text, form).replace(tzinfo=IST)
        except ValueError:
            continue
        return int(moment.timestamp()) * 1000
    try:
        moment = dt.datetime.strptime(text, "%H:%M:%S").replace(tzinfo=IST)
    except ValueError:
        return None
    return at_ist(today, moment.time()) if today else None


def date_of(value: Any) -> dt.date | None:
    """A date from ``24-NOV-26``, ``24NOV26``, ``24-NOV-2026`` or ``2026-11-24``."""
    if not isinstance(value, str):
        return None
    text = value.strip()
    for form in ("%Y-%m-%d", "%d-%b-%y", "%d%b%y", "%d-%b-%Y"):
        try:
            return dt.datetime.strptime(text, form).replace(tzinfo=IST).date()
        except ValueError:
            continue
    return None
