"""How a setting is declared, how it is written, and how a file of them is read."""

from __future__ import annotations

import datetime as dt
import re
import typing
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from dotenv.parser import parse_stream
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode

FLAG = "true or false"
MASK = "********"
_TOO_SHORT_TO_FIND = 3  # such a text would be found in ordinary words
RULE = "rule"  # the type of a mistake that brings its own words
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


def setting(default: object, meaning: str, allowed: str, unit: str = "", **bounds: Any) -> Any:
    """A setting with what a person is told about it; ``bounds`` go to pydantic."""
    about: dict[str, Any] = {"allowed": f"{allowed} ({unit})" if unit else allowed, "unit": unit}
    return Field(default, description=meaning, json_schema_extra=about, **bounds)


def whole(default: int, low: int, high: int, unit: str, meaning: str) -> Any:
    """A whole number within bounds."""
    return setting(default, meaning, f"a whole number from {low} to {high}", unit, ge=low, le=high)


def number(
    default: str, low: str, high: str, meaning: str, *, unit: str, decimals: int = 2, step: str = ""
) -> Any:
    """A decimal number within bounds, on a step where there is one."""
    bounds: dict[str, Any] = {"ge": Decimal(low), "le": Decimal(high), "decimal_places": decimals}
    if step:
        bounds["multiple_of"] = Decimal(step)
    allowed = f"a number from {low} to {high}{f' in steps of {step}' if step else ''}"
    return setting(Decimal(default), meaning, allowed, unit, **bounds)


# The decimals are those that the core's integers can hold: paise, basis points, milliseconds.
rupees = partial(number, unit="rupees")
percent = partial(number, unit="percent")
seconds = partial(number, unit="seconds", decimals=3)
on_tick = partial(number, unit="rupees", step="0.05")
in_r = partial(number, unit="R", decimals=3)


def clock_time(default: str, low: str, high: str, meaning: str) -> Any:
    """A time of the day; an empty default means not set."""
    bounds = {"ge": dt.time.fromisoformat(low), "le": dt.time.fromisoformat(high)}
    start = dt.time.fromisoformat(default) if default else None
    return setting(start, meaning, f"a time from {low} to {high} as HH:MM", "IST", **bounds)


def url(default: str | None, meaning: str, *, example: str = "") -> Any:
    """An address; what is allowed in it is decided by its type, HttpUrl or WsUrl."""
    return setting(default, meaning, f"an address such as {example or default}")


def broken(must_be: str) -> PydanticCustomError:
    """The mistake of a value that must be something else, in these words."""
    return PydanticCustomError(RULE, "{must_be}", {"must_be": must_be})


def read_url(scheme: str, text: str) -> str:
    """An address of ``scheme`` or its secure form, without a slash at the end.

    Raises the setting's mistake with the one thing that is wrong with it.
    """
    given = text.strip()
    if not given.lower().startswith((f"{scheme}://", f"{scheme}s://")):
        raise broken(f"an address that begins with {scheme}:// or {scheme}s://")
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError:
        raise broken("an address with a host and a port from 1 to 65535") from None
    if not parts.hostname or port == 0:
        raise broken("an address with a host and a port from 1 to 65535")
    if re.search(r"\s", given):
        raise broken("an address without spaces")
    if "@" in parts.netloc:
        raise broken("an address without a user name and password in it")
    if parts.query or parts.fragment:
        raise broken("an address without ? and # in it")
    path = parts.path.rstrip("/")
    if path.endswith("/api/v1"):
        raise broken("the address without /api/v1, which the program adds itself")
    return f"{parts.scheme}://{parts.netloc}{path}"


def read_clock(value: object) -> object:
    """``HH:MM`` to a time; pydantic alone would also take seconds since midnight and offsets."""
    if not isinstance(value, str):
        return value
    match = _CLOCK.fullmatch(value.strip())
    if match is None:
        raise ValueError("not HH:MM")
    return dt.time(int(match[1]), int(match[2]))


def split_list(value: object) -> object:
    """Comma-separated text to a list of texts."""
    return value.split(",") if isinstance(value, str) else value


HttpUrl = Annotated[str, AfterValidator(partial(read_url, "http"))]
WsUrl = Annotated[str, AfterValidator(partial(read_url, "ws"))]
Clock = Annotated[dt.time, BeforeValidator(read_clock)]
Step = Annotated[Decimal, Field(gt=0, le=100, decimal_places=2)]
# NoDecode: the environment says 3,8,20 and not the JSON [3,8,20].
Steps = Annotated[tuple[Step, ...], NoDecode, BeforeValidator(split_list)]


def is_secret(field: FieldInfo) -> bool:
    """Whether a setting must never be shown."""
    return field.annotation is SecretStr or SecretStr in typing.get_args(field.annotation)


def scrub(settings: BaseModel, text: str) -> str:
    """A text without any secret of the settings, whoever may have put it there."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr) and len(value.get_secret_value()) > _TOO_SHORT_TO_FIND:
            text = text.replace(value.get_secret_value(), MASK)
    return text


def text_of(value: object) -> str:
    """A value as it stands in ``.env``; equal values have equal texts."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case Decimal():
            return f"{value.normalize():f}"
        case dt.time():
            return f"{value:%H:%M}"
        case Path():
            return value.as_posix()
        case tuple():
            return ",".join(text_of(item) for item in value)
        case _:
            return str(value)


# ---------------------------------------------------------------- the file


class ConfigError(Exception):
    """The settings cannot be used. ``lines`` says why, one line a mistake, without secrets."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def read_env_file(path: Path, *, may_be_missing: bool) -> dict[str, str]:
    """Names and values of a ``.env`` file; none of a file that may be missing and is.

    Raises ConfigError with one line a mistake; a line itself is not shown, it may hold a secret.
    """
    try:
        # A BOM, as some editors write it, would otherwise become part of the first name.
        with path.open(encoding="utf-8-sig") as stream:
            bindings = list(parse_stream(stream))
    except FileNotFoundError:
        if may_be_missing:
            return {}
        raise ConfigError((f"{path}: no such file",)) from None
    except OSError as error:
        raise ConfigError((f"{path}: cannot be read ({error.strerror})",)) from None
    except UnicodeDecodeError:
        raise ConfigError((f"{path}: is not UTF-8 text",)) from None
    wrong = [
        f"{path} line {binding.original.line}: is not of the form NAME=value"
        for binding in bindings
        if binding.error or (binding.key is not None and binding.value is None)
    ]
    if wrong:
        raise ConfigError(tuple(wrong))
    return {binding.key: binding.value or "" for binding in bindings if binding.key is not None}
