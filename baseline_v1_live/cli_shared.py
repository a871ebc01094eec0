"""What the commands share: common options, and mistakes of a user as one line and exit code 2."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, NoReturn

import typer

from baseline_v1_live.config import Settings, load_settings
from baseline_v1_live.core.instruments import paise, parse_expiry

EXIT_BAD_INPUT = 2

ExpiryOption = Annotated[str | None, typer.Option(help="Expiry as DDMMMYY, e.g. 02SEP25.")]
AtmOption = Annotated[str | None, typer.Option(help="At-the-money strike, e.g. 24550.")]


def settings_or_fail() -> Settings:
    """The settings, with their warnings said. Raises ConfigError."""
    settings, warnings = load_settings()
    for warning in warnings:
        typer.echo(f"warning: {warning}", err=True)
    return settings


def expiry_or_fail(text: str) -> dt.date:
    """``--expiry`` as a date."""
    try:
        return parse_expiry(text)
    except ValueError as error:
        fail(f"--expiry: {error}")


def atm_or_fail(text: str) -> int:
    """``--atm`` in paise."""
    try:
        return paise(float(text))
    except ValueError:
        fail(f"--atm {text!r} is not a strike such as 24550")


def fail(*lines: str) -> NoReturn:
    """Say each mistake in a line, and end with exit code 2."""
    for line in lines:
        typer.echo(f"error: {line}", err=True)
    raise SystemExit(EXIT_BAD_INPUT)
