"""The settings: environment and ``.env`` in, one frozen and validated value out.

Every default is the one of docs/strategy.md; ``Settings.rules`` hands them to the core, which
never reads a setting itself. ``load_settings`` is the door the program uses: its errors are one
plain line a mistake, and no line ever shows a secret.
"""

from __future__ import annotations

import datetime as dt
import difflib
import hashlib
import itertools
import json
import os
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ValidationInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from baseline_v1_live.config_fields import (
    FLAG,
    MASK,
    RULE,
    Clock,
    HttpUrl,
    Steps,
    WsUrl,
    broken,
    clock_time,
    in_r,
    is_secret,
    number,
    on_tick,
    percent,
    read_env_file,
    rupees,
    seconds,
    setting,
    text_of,
    url,
    whole,
)
from baseline_v1_live.config_fields import ConfigError as ConfigError
from baseline_v1_live.config_fields import scrub as scrub
from baseline_v1_live.core.rules import ExitPolicy, Rules
from baseline_v1_live.core.session import CUTOFF_MARGIN_S, Session, make_session

DEFAULT_ENV_FILE = Path(".env")
STRIKE_STEPS = {"NIFTY": 50, "BANKNIFTY": 100, "FINNIFTY": 50, "MIDCPNIFTY": 25}
NO_CUTOFF = "BROKER_MIS_CUTOFF is not set: live trading does not start without it"

_BOT_TOKEN = re.compile(r"\d+:[A-Za-z0-9_-]{20,}")
# Each value on the left must be greater than the one on the right.
_EXCEEDS = {
    "price_max": "price_min",
    "stop_pct_max": "stop_pct_min",
    "last_entry_time": "first_entry_time",
    "force_exit_time": "last_entry_time",
    "symbol_dead_s": "symbol_stale_s",
}


class Settings(BaseSettings):
    """Every setting of the program; the environment's name is the field's in upper case.

    Cross-checks are validators of the later field, so that each mistake is found in one reading.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        env_file=DEFAULT_ENV_FILE,
        env_ignore_empty=True,
        extra="ignore",
        validate_default=True,
        hide_input_in_errors=True,
    )

    # What is traded
    underlying: Literal["NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY"] = setting(
        "NIFTY", "Index whose options are sold.", "NIFTY, BANKNIFTY, FINNIFTY or MIDCPNIFTY"
    )
    strike_step: Decimal = Field(
        default_factory=lambda given: Decimal(STRIKE_STEPS[given["underlying"]]),
        ge=1,
        le=1000,
        decimal_places=2,
        description="Distance of neighbouring strikes; unset, it follows the underlying.",
        json_schema_extra={"allowed": "a number from 1 to 1000 (rupees)", "unit": "rupees"},
    )
    strikes_each_side: int = whole(20, 1, 100, "strikes", "Strikes on each side of the ATM.")
    lot_size: int = whole(65, 1, 10_000, "units", "Expected lot size of the contracts.")

    # Which swing lows may be sold
    price_min: Decimal = rupees("100", "0.05", "100000", "Lowest price of a swing low to sell.")
    price_max: Decimal = rupees("300", "0.05", "100000", "Highest price of a swing low to sell.")
    vwap_premium_min_pct: Decimal = percent("4", "0", "1000", "Least premium of it over VWAP.")
    stop_pct_min: Decimal = percent("2", "0.01", "100", "Least stop distance, of the swing low.")
    stop_pct_max: Decimal = percent("10", "0.01", "100", "Greatest stop distance, likewise.")
    stop_points_target: Decimal = rupees("10", "0.05", "1000", "Preferred stop distance.")

    # Size and limits
    r_value: Decimal = setting(
        Decimal(6500),
        "R: the money at risk in one position.",
        "a number greater than 0",
        "rupees",
        gt=0,
        decimal_places=2,
    )
    max_lots: int = whole(10, 1, 1000, "lots", "Most lots of one position.")
    max_positions: int = whole(5, 1, 50, "positions", "Most positions, resting entries included.")
    max_ce_positions: int = whole(3, 0, 50, "positions", "Most positions in calls.")
    max_pe_positions: int = whole(3, 0, 50, "positions", "Most positions in puts.")
    margin_check: Literal["live", "always", "never"] = setting(
        "live", "When the margin is asked for before an entry.", "live, always or never"
    )
    margin_headroom: Decimal = number(
        "1.15", "1", "5", "Free margin needed, as a multiple of the order's.", unit="times"
    )

    # The day's times
    first_entry_time: Clock = clock_time("09:16", "09:15", "15:35", "No entry before this time.")
    last_entry_time: Clock = clock_time("15:00", "09:15", "15:35", "No entry after this time.")
    force_exit_time: Clock = clock_time("15:15", "09:15", "15:35", "Start of the square-off.")
    broker_mis_cutoff: Clock | None = clock_time(
        "", "09:15", "15:40", "The broker's own intraday square-off."
    )

    # Entry
    entry_limit_offset: Decimal = on_tick("3.00", "0.05", "100", "Entry limit below its trigger.")
    stop_offset: Decimal = on_tick("1.00", "0.05", "100", "Stop trigger above the highest high.")
    stop_limit_offset: Decimal = on_tick("3.00", "0.05", "100", "Stop limit above its trigger.")
    modify_threshold: Decimal = rupees(
        "1.00", "0.05", "100", "Least move of a trigger to modify for."
    )
    left_behind_s: Decimal = seconds("10", "1", "3600", "Wait for the fill of a triggered entry.")
    refusal_block_s: Decimal = seconds("60", "0", "3600", "Rest of a symbol after a refusal.")
    churn_window_s: Decimal = seconds("300", "1", "3600", "Window of the churn breaker.")
    churn_symbol_max: int = whole(2, 1, 100, "times", "Re-placements of one symbol in it.")
    churn_total_max: int = whole(5, 1, 100, "times", "Re-placements of all symbols in it.")

    # Protective stop and chase
    stop_failures_max: int = whole(3, 1, 100, "times", "Failed stops that end the day's entries.")
    chase_steps_pct: Steps = setting(
        (Decimal(3), Decimal(8), Decimal(20)),
        "Limits of a chase, beyond our own 30 s mean price.",
        "rising numbers greater than 0 and at most 100, with commas, such as 3,8,20",
        "percent",
        min_length=1,
    )
    chase_modifies_max: int = whole(18, 1, 100, "times", "Modifies before cancel and replace.")

    # The day's exits
    day_target_r: Decimal = in_r("5", "0.1", "100", "Profit of the day that closes all.")
    day_stop_r: Decimal = in_r("5", "0.1", "100", "Loss of the day that closes all: 5 means -5R.")
    r_confirm_s: Decimal = seconds("1", "0", "60", "Time between two evaluations of R.")
    r_net_of_charges: bool = setting(False, "Count estimated charges in R.", FLAG)
    brokerage_per_order: Decimal = rupees("20", "0", "1000", "Brokerage in estimated charges.")
    exit_policy: ExitPolicy = setting(
        ExitPolicy.MARKET, "How a profit is taken.", "market, staged, fixed or trailing"
    )
    staged_r: Steps = setting(
        (Decimal(3), Decimal(4)),
        "Profits of the day that buy back a part.",
        "rising numbers greater than 0 and at most 100, with commas, such as 3,4",
        "R",
        min_length=1,
    )
    staged_part_pct: Decimal = percent("40", "1", "100", "That part, of the original quantity.")
    fixed_target_r: Decimal = in_r("2", "0.1", "100", "A position's target, in its own risk.")
    trailing_arm_r: Decimal = in_r("4", "0.1", "100", "Profit of the day that arms trailing.")
    trailing_gap_r: Decimal = in_r("1", "0.1", "100", "Fall from the peak that closes all.")
    exit_tries: int = whole(3, 1, 100, "times", "Quick tries of a refused exit.")
    exit_retry_s: Decimal = seconds("2", "0.1", "60", "Pause between the quick tries.")
    exit_retry_late_s: Decimal = seconds("5", "0.1", "60", "Pause between the tries after them.")

    # Data trust
    bar_grace_s: Decimal = seconds("2", "0", "30", "Wait for late ticks after a minute.")
    jump_limit_pct: Decimal = percent("30", "1", "1000", "Largest jump of a tick that is believed.")
    symbol_stale_s: Decimal = seconds(
        "120", "1", "3600", "Silence that stops a symbol's new entries."
    )
    symbol_dead_s: Decimal = seconds("240", "1", "3600", "Silence that cancels a symbol's entry.")
    position_silent_alert_s: Decimal = seconds(
        "30", "1", "3600", "Silence of a held symbol that alerts."
    )

    # Outcomes and reconciliation
    gateway_horizon_s: Decimal = seconds("130", "1", "3600", "A lost request may arrive so late.")
    reconcile_busy_s: Decimal = seconds("3", "1", "3600", "Reconciling interval when busy.")
    reconcile_idle_s: Decimal = seconds("8", "1", "3600", "Reconciling interval otherwise.")
    foreign_position: Literal["alert", "adopt", "flatten"] = setting(
        "alert",
        "What to do about a short in our symbols that is not ours.",
        "alert, adopt (and protect) or flatten",
    )

    # The gateway
    openalgo_host: HttpUrl = url("http://127.0.0.1:5000", "The gateway's address.")
    openalgo_ws_url: WsUrl = url("ws://127.0.0.1:8765", "The gateway's price stream.")
    openalgo_api_key: SecretStr | None = setting(
        None, "API key made in the gateway's web page.", "the key of the gateway's API key page"
    )
    backup_openalgo_ws_url: WsUrl | None = url(
        None, "Price stream of a second gateway.", example="ws://127.0.0.1:8766"
    )
    backup_openalgo_api_key: SecretStr | None = setting(
        None, "API key of the second gateway.", "the key of the second gateway's API key page"
    )

    # Messages
    telegram_bot_token: SecretStr | None = setting(
        None, "Token of the Telegram bot that sends messages.", "a token as @BotFather gives it"
    )
    telegram_chat_id: str | None = setting(
        None,
        "The one chat that gets them and may command.",
        "a chat's number, such as 123456789 or -1001234567890",
        pattern=r"^-?\d+$",
    )

    # The program
    paper_trading: bool = setting(True, "No real orders are sent.", FLAG)
    state_dir: Path = setting(Path("state"), "Folder of the journal and the ticks.", "a folder")

    @field_validator(*_EXCEEDS)
    @classmethod
    def _exceeds(cls, value: Any, info: ValidationInfo) -> Any:
        other = _EXCEEDS[str(info.field_name)]
        if other in info.data and value <= info.data[other]:
            later = "later" if isinstance(value, dt.time) else "greater"
            raise broken(f"{later} than {other.upper()}, which is {text_of(info.data[other])}")
        return value

    @field_validator("broker_mis_cutoff")
    @classmethod
    def _leaves_time(cls, value: dt.time | None, info: ValidationInfo) -> dt.time | None:
        last = info.data.get("last_entry_time")
        if value is None or last is None:
            return value
        if _seconds_of(value) - CUTOFF_MARGIN_S < _seconds_of(last):
            margin = CUTOFF_MARGIN_S // 60
            raise broken(
                f"at least {margin} minutes after LAST_ENTRY_TIME, which is {text_of(last)}"
            )
        return value

    @field_validator("telegram_bot_token")
    @classmethod
    def _is_token(cls, value: SecretStr | None) -> SecretStr | None:
        # It becomes part of an address, so nothing else may be in it.
        if value is not None and not _BOT_TOKEN.fullmatch(value.get_secret_value()):
            raise ValueError("not a token")
        return value

    @field_validator("chase_steps_pct", "staged_r")
    @classmethod
    def _rises(cls, value: tuple[Decimal, ...]) -> tuple[Decimal, ...]:
        if any(later <= earlier for earlier, later in itertools.pairwise(value)):
            raise ValueError("not rising")
        return value

    @property
    def strike_step_paise(self) -> int:
        """Distance of neighbouring strikes in paise."""
        return _scaled(self.strike_step, 100)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What can be run but is probably not meant, one line each; the shell prints them."""
        lines = []
        for name in ("max_ce_positions", "max_pe_positions"):
            if getattr(self, name) > self.max_positions:
                lines.append(
                    f"{name.upper()} ({getattr(self, name)}) is above MAX_POSITIONS "
                    f"({self.max_positions}) and can never be reached"
                )
        both = self.max_ce_positions + self.max_pe_positions
        # The defaults' own sum is above the total on purpose; who sets a limit is told what binds.
        limits = {"max_positions", "max_ce_positions", "max_pe_positions"}
        if both > self.max_positions and self.model_fields_set & limits:
            lines.append(
                f"MAX_CE_POSITIONS + MAX_PE_POSITIONS ({both}) is above MAX_POSITIONS "
                f"({self.max_positions}): the total binds first"
            )
        if both < self.max_positions:
            lines.append(
                f"MAX_POSITIONS ({self.max_positions}) is above MAX_CE_POSITIONS + "
                f"MAX_PE_POSITIONS ({both}) and can never be reached"
            )
        if (self.backup_openalgo_ws_url is None) != (self.backup_openalgo_api_key is None):
            lines.append(
                "BACKUP_OPENALGO_WS_URL and BACKUP_OPENALGO_API_KEY are of use only together: "
                "there is no second price stream"
            )
        if (self.telegram_bot_token is None) != (self.telegram_chat_id is None):
            lines.append(
                "TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID are of use only together: "
                "there are no messages"
            )
        never = [text_of(level) for level in self.staged_r if level >= self.day_target_r]
        if self.exit_policy is ExitPolicy.STAGED and never:
            lines.append(
                f"STAGED_R ({','.join(never)}) is not below DAY_TARGET_R "
                f"({text_of(self.day_target_r)}), which closes all first"
            )
        if not self.paper_trading and self.broker_mis_cutoff is None:
            lines.append(NO_CUTOFF)
        return tuple(lines)

    def rules(self) -> Rules:
        """The core's parameters; rules that are no settings keep the core's own values."""
        return Rules(
            underlying=self.underlying,
            bar_grace_ms=_scaled(self.bar_grace_s, 1000),
            jump_limit_bp=_scaled(self.jump_limit_pct, 100),
            price_min_paise=_scaled(self.price_min, 100),
            price_max_paise=_scaled(self.price_max, 100),
            vwap_premium_min_bp=_scaled(self.vwap_premium_min_pct, 100),
            stop_pct_min_bp=_scaled(self.stop_pct_min, 100),
            stop_pct_max_bp=_scaled(self.stop_pct_max, 100),
            stop_points_target_paise=_scaled(self.stop_points_target, 100),
            r_value_paise=_scaled(self.r_value, 100),
            lots_max=self.max_lots,
            positions_max=self.max_positions,
            positions_ce_max=self.max_ce_positions,
            positions_pe_max=self.max_pe_positions,
            entry_limit_offset_paise=_scaled(self.entry_limit_offset, 100),
            stop_offset_paise=_scaled(self.stop_offset, 100),
            stop_limit_offset_paise=_scaled(self.stop_limit_offset, 100),
            modify_threshold_paise=_scaled(self.modify_threshold, 100),
            left_behind_ms=_scaled(self.left_behind_s, 1000),
            refusal_block_ms=_scaled(self.refusal_block_s, 1000),
            churn_window_ms=_scaled(self.churn_window_s, 1000),
            churn_symbol_max=self.churn_symbol_max,
            churn_total_max=self.churn_total_max,
            stop_failures_max=self.stop_failures_max,
            chase_steps_bp=tuple(_scaled(step, 100) for step in self.chase_steps_pct),
            chase_modifies_max=self.chase_modifies_max,
            day_target_r_milli=_scaled(self.day_target_r, 1000),
            day_stop_r_milli=-_scaled(self.day_stop_r, 1000),
            r_confirm_ms=_scaled(self.r_confirm_s, 1000),
            r_net_of_charges=self.r_net_of_charges,
            brokerage_per_order_paise=_scaled(self.brokerage_per_order, 100),
            exit_policy=self.exit_policy,
            staged_r_milli=tuple(_scaled(level, 1000) for level in self.staged_r),
            staged_part_bp=_scaled(self.staged_part_pct, 100),
            fixed_target_r_milli=_scaled(self.fixed_target_r, 1000),
            trailing_arm_r_milli=_scaled(self.trailing_arm_r, 1000),
            trailing_gap_r_milli=_scaled(self.trailing_gap_r, 1000),
            exit_tries=self.exit_tries,
            exit_retry_ms=_scaled(self.exit_retry_s, 1000),
            exit_retry_late_ms=_scaled(self.exit_retry_late_s, 1000),
            symbol_stale_ms=_scaled(self.symbol_stale_s, 1000),
            symbol_dead_ms=_scaled(self.symbol_dead_s, 1000),
            position_silent_alert_ms=_scaled(self.position_silent_alert_s, 1000),
            gateway_horizon_ms=_scaled(self.gateway_horizon_s, 1000),
            reconcile_busy_ms=_scaled(self.reconcile_busy_s, 1000),
            reconcile_idle_ms=_scaled(self.reconcile_idle_s, 1000),
            margin_check=self.margin_check == "always"
            or (self.margin_check == "live" and not self.paper_trading),
            margin_required=not self.paper_trading,
            margin_headroom_bp=_scaled(self.margin_headroom, 10_000),
            foreign_position=self.foreign_position,
        )

    def session(self, date: dt.date, open_time: dt.time, close_time: dt.time) -> Session:
        """The trading day of a date, given the exchange's own times of it in IST."""
        return make_session(
            date,
            open_time=open_time,
            close_time=close_time,
            first_entry=self.first_entry_time,
            last_entry=self.last_entry_time,
            force_exit=self.force_exit_time,
            broker_cutoff=self.broker_mis_cutoff,
        )


def _scaled(value: Decimal, scale: int) -> int:
    """Exact: every setting's decimals are limited to what its scale can hold."""
    return int(value * scale)


def _seconds_of(time: dt.time) -> int:
    return time.hour * 3600 + time.minute * 60


def load_settings(
    env_file: Path | None = DEFAULT_ENV_FILE,
    environ: Mapping[str, str] | None = None,
    *,
    settings_class: type[Settings] = Settings,
) -> tuple[Settings, tuple[str, ...]]:
    """The settings and the warnings about them; a variable of the environment beats the file's.

    ``env_file`` None reads no file; a missing ``.env`` is no mistake, any other missing file is.
    ``environ`` replaces the process environment; ``settings_class`` may add settings of its own.
    An empty value means the default. Raises ConfigError with one line a mistake.
    """
    names = {name.upper(): name for name in settings_class.model_fields}
    in_file = (
        {}
        if env_file is None
        else read_env_file(env_file, may_be_missing=env_file == DEFAULT_ENV_FILE)
    )
    given: dict[str, Any] = {}
    for source in (in_file, os.environ if environ is None else environ):
        set_here = {name: text.strip() for name, text in source.items() if name in names}
        given |= {names[name]: text for name, text in set_here.items() if text}
    try:
        # Everything is given here, so pydantic must not look into the process environment itself:
        # no variable's name can begin with an equals sign.
        settings = settings_class(_env_file=None, _env_prefix="=", **given)
    except ValidationError as error:
        lines = [
            _mistake(settings_class, given, detail)
            for detail in error.errors(include_url=False)
            # Follows from a mistake in another variable, which has its own line.
            if detail["type"] != "default_factory_not_called"
        ]
        # From None: the original carries the values, secrets too.
        raise ConfigError(tuple(dict.fromkeys(lines))) from None
    return settings, _lookalikes(in_file, names, env_file) + settings.warnings


def _lookalikes(
    in_file: Mapping[str, str], names: Mapping[str, str], env_file: Path | None
) -> tuple[str, ...]:
    lines = []
    for name in in_file:
        close = difflib.get_close_matches(name.upper(), names, n=1, cutoff=0.8)
        if name not in names and close:
            lines.append(f"{name} in {env_file} is not a setting; did you mean {close[0]}?")
    return tuple(lines)


def _mistake(settings_class: type[Settings], given: Mapping[str, str], error: ErrorDetails) -> str:
    name = str(error["loc"][0])
    field = settings_class.model_fields[name]
    about = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    must_be = str(about.get("allowed", "a value that is allowed"))
    if error["type"] == RULE:
        must_be = error["ctx"]["must_be"]
    elif error["type"] == "decimal_max_places":
        must_be += f" with at most {error['ctx']['decimal_places']} decimals"
    if error["type"] == "missing":
        got = "is not set"
    elif is_secret(field) or (name.endswith(("_host", "_url")) and "@" in given.get(name, "")):
        # In an address a password may stand before the @.
        got = f"got {MASK}"
    elif name in given:
        # As JSON a line break within the value stays within the line.
        got = f"got {json.dumps(given[name], ensure_ascii=False)}"
    else:
        got = f"is {text_of(field.default)} by default"
    return f"{name.upper()}: {got}; must be {must_be}"


# ---------------------------------------------------------------- showing


def describe(settings: Settings) -> list[str]:
    """The effective values as ``NAME=value`` lines in the order of the class, and their hash.

    Secrets that are set show as ``********``. The hash is of the values without the secrets, so
    two processes with the same lines trade by the same settings.
    """
    shown, hashed = [], []
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if is_secret(field):
            shown.append(f"{name.upper()}={MASK if value else ''}")
        else:
            shown.append(f"{name.upper()}={text_of(value)}")
            hashed.append(shown[-1])
    digest = hashlib.sha256("\n".join(hashed).encode()).hexdigest()
    return [*shown, f"config hash: {digest[:12]}"]
