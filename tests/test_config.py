"""The settings: defaults, bounds, cross-checks, and plain errors."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from pydantic import ValidationError

from baseline_v1_live.core.rules import ExitPolicy, Rules
from baseline_v1_live.core.session import clock_text
from tests.config_desk import mistakes, settings, warnings

# Defaults


def test_defaults_are_the_rules_defaults() -> None:
    """Settings that nobody set give exactly the core's own default rules."""
    assert settings().rules() == Rules()


def test_defaults_warn_about_nothing() -> None:
    """The defaults are a configuration without a complaint."""
    assert warnings() == ()


@pytest.mark.parametrize(
    ("name", "text", "rule", "value"),
    [
        ("UNDERLYING", "BANKNIFTY", "underlying", "BANKNIFTY"),
        ("PRICE_MIN", "100.05", "price_min_paise", 10_005),
        ("PRICE_MAX", "299.95", "price_max_paise", 29_995),
        ("VWAP_PREMIUM_MIN_PCT", "4.25", "vwap_premium_min_bp", 425),
        ("STOP_PCT_MIN", "1.5", "stop_pct_min_bp", 150),
        ("STOP_PCT_MAX", "9", "stop_pct_max_bp", 900),
        ("STOP_POINTS_TARGET", "12.5", "stop_points_target_paise", 1_250),
        ("R_VALUE", "6500.55", "r_value_paise", 650_055),
        ("MAX_LOTS", "9", "lots_max", 9),
        ("MAX_POSITIONS", "4", "positions_max", 4),
        ("MAX_CE_POSITIONS", "2", "positions_ce_max", 2),
        ("MAX_PE_POSITIONS", "4", "positions_pe_max", 4),
        ("MARGIN_CHECK", "always", "margin_check", True),
        ("MARGIN_HEADROOM", "1.25", "margin_headroom_bp", 12_500),
        ("ENTRY_LIMIT_OFFSET", "2.50", "entry_limit_offset_paise", 250),
        ("STOP_OFFSET", "1.05", "stop_offset_paise", 105),
        ("STOP_LIMIT_OFFSET", "4", "stop_limit_offset_paise", 400),
        ("MODIFY_THRESHOLD", "0.5", "modify_threshold_paise", 50),
        ("LEFT_BEHIND_S", "11", "left_behind_ms", 11_000),
        ("REFUSAL_BLOCK_S", "0", "refusal_block_ms", 0),
        ("CHURN_WINDOW_S", "301", "churn_window_ms", 301_000),
        ("CHURN_SYMBOL_MAX", "3", "churn_symbol_max", 3),
        ("CHURN_TOTAL_MAX", "6", "churn_total_max", 6),
        ("STOP_FAILURES_MAX", "4", "stop_failures_max", 4),
        ("CHASE_STEPS_PCT", "2.5, 10", "chase_steps_bp", (250, 1_000)),
        ("CHASE_MODIFIES_MAX", "17", "chase_modifies_max", 17),
        ("DAY_TARGET_R", "4.5", "day_target_r_milli", 4_500),
        ("DAY_STOP_R", "3.125", "day_stop_r_milli", -3_125),
        ("R_CONFIRM_S", "0.5", "r_confirm_ms", 500),
        ("R_NET_OF_CHARGES", "true", "r_net_of_charges", True),
        ("BROKERAGE_PER_ORDER", "0", "brokerage_per_order_paise", 0),
        ("EXIT_POLICY", "staged", "exit_policy", ExitPolicy.STAGED),
        ("EXIT_POLICY", "fixed", "exit_policy", ExitPolicy.FIXED),
        ("EXIT_POLICY", "trailing", "exit_policy", ExitPolicy.TRAILING),
        ("STAGED_R", "2.5, 3,4", "staged_r_milli", (2_500, 3_000, 4_000)),
        ("STAGED_PART_PCT", "33.33", "staged_part_bp", 3_333),
        ("FIXED_TARGET_R", "1.5", "fixed_target_r_milli", 1_500),
        ("TRAILING_ARM_R", "3.5", "trailing_arm_r_milli", 3_500),
        ("TRAILING_GAP_R", "0.75", "trailing_gap_r_milli", 750),
        ("EXIT_TRIES", "4", "exit_tries", 4),
        ("EXIT_RETRY_S", "1.5", "exit_retry_ms", 1_500),
        ("EXIT_RETRY_LATE_S", "6", "exit_retry_late_ms", 6_000),
        ("BAR_GRACE_S", "1.25", "bar_grace_ms", 1_250),
        ("JUMP_LIMIT_PCT", "25", "jump_limit_bp", 2_500),
        ("SYMBOL_STALE_S", "100", "symbol_stale_ms", 100_000),
        ("SYMBOL_DEAD_S", "300", "symbol_dead_ms", 300_000),
        ("POSITION_SILENT_ALERT_S", "31", "position_silent_alert_ms", 31_000),
        ("GATEWAY_HORIZON_S", "131", "gateway_horizon_ms", 131_000),
        ("RECONCILE_BUSY_S", "6", "reconcile_busy_ms", 6_000),
        ("RECONCILE_IDLE_S", "61", "reconcile_idle_ms", 61_000),
        ("FOREIGN_POSITION", "adopt", "foreign_position", "adopt"),
    ],
)
def test_a_setting_reaches_its_rule(name: str, text: str, rule: str, value: object) -> None:
    """Each setting changes its own rule, exactly, and no other."""
    changed = settings(**{name: text}).rules()

    differing = [at for at in Rules.__struct_fields__ if getattr(changed, at) != _default(at)]
    assert (differing, getattr(changed, rule)) == ([rule], value)


@pytest.mark.parametrize(
    ("paper", "check", "asked", "required"),
    [
        ("true", "live", False, False),
        ("true", "always", True, False),
        ("true", "never", False, False),
        ("false", "live", True, True),
        ("false", "always", True, True),
        ("false", "never", False, True),
    ],
)
def test_margin_is_asked_for_in_live_unless_said_otherwise(
    paper: str, check: str, asked: bool, required: bool
) -> None:
    """Live trading asks and insists on an answer, paper trading asks only when told to."""
    rules = settings(PAPER_TRADING=paper, MARGIN_CHECK=check).rules()

    assert (rules.margin_check, rules.margin_required) == (asked, required)


def _default(rule: str) -> object:
    return getattr(Rules(), rule)


@pytest.mark.parametrize(
    ("underlying", "step"),
    [("NIFTY", 50), ("BANKNIFTY", 100), ("FINNIFTY", 50), ("MIDCPNIFTY", 25)],
)
def test_strike_step_follows_the_underlying(underlying: str, step: int) -> None:
    """Each index has its own strike step unless one is given."""
    assert settings(UNDERLYING=underlying).strike_step_paise == step * 100
    assert settings(UNDERLYING=underlying, STRIKE_STEP="75").strike_step_paise == 7_500


def test_an_empty_value_is_the_default() -> None:
    """A variable that is set to nothing counts as not set."""
    assert settings(R_VALUE="", BROKER_MIS_CUTOFF="", STRIKE_STEP=" ") == settings()


def test_settings_cannot_be_changed() -> None:
    """Settings are frozen once they are read."""
    with pytest.raises(ValidationError):
        settings().r_value = Decimal(1)  # type: ignore[misc]


def test_session_uses_the_configured_times() -> None:
    """The session carries the configured times, and the broker's cut-off moves the square-off."""
    day = settings(FIRST_ENTRY_TIME="09:20", BROKER_MIS_CUTOFF="15:15").session(
        dt.date(2026, 12, 29), dt.time(9, 15), dt.time(15, 40)
    )

    assert [
        clock_text(at)
        for at in (day.open_ms, day.first_entry_ms, day.last_entry_ms, day.square_off_ms)
    ] == ["09:15:00", "09:20:00", "15:00:00", "15:10:00"]


# Bounds


@pytest.mark.parametrize(
    ("name", "text", "must_be"),
    [
        ("R_VALUE", "-5", "a number greater than 0 (rupees)"),
        ("R_VALUE", "0", "a number greater than 0 (rupees)"),
        ("R_VALUE", "6,500", "a number greater than 0 (rupees)"),
        ("R_VALUE", "NaN", "a number greater than 0 (rupees)"),
        ("R_VALUE", "Infinity", "a number greater than 0 (rupees)"),
        ("R_VALUE", "6500.001", "a number greater than 0 (rupees) with at most 2 decimals"),
        ("PRICE_MIN", "0", "a number from 0.05 to 100000 (rupees)"),
        ("STOP_OFFSET", "1.01", "a number from 0.05 to 100 in steps of 0.05 (rupees)"),
        ("STOP_PCT_MAX", "101", "a number from 0.01 to 100 (percent)"),
        ("STRIKE_STEP", "0", "a number from 1 to 1000 (rupees)"),
        ("MAX_LOTS", "0", "a whole number from 1 to 1000 (lots)"),
        ("MAX_LOTS", "2.5", "a whole number from 1 to 1000 (lots)"),
        ("MAX_LOTS", "ten", "a whole number from 1 to 1000 (lots)"),
        ("MAX_CE_POSITIONS", "-1", "a whole number from 0 to 50 (positions)"),
        ("UNDERLYING", "SENSEX", "NIFTY, BANKNIFTY, FINNIFTY or MIDCPNIFTY"),
        ("FIRST_ENTRY_TIME", "09:14", "a time from 09:15 to 15:35 as HH:MM (IST)"),
        ("FIRST_ENTRY_TIME", "33400", "a time from 09:15 to 15:35 as HH:MM (IST)"),
        ("FIRST_ENTRY_TIME", "9:16 am", "a time from 09:15 to 15:35 as HH:MM (IST)"),
        ("FIRST_ENTRY_TIME", "09:60", "a time from 09:15 to 15:35 as HH:MM (IST)"),
        ("BROKER_MIS_CUTOFF", "15:41", "a time from 09:15 to 15:40 as HH:MM (IST)"),
        ("LEFT_BEHIND_S", "soon", "a number from 1 to 3600 (seconds)"),
        ("DAY_STOP_R", "-5", "a number from 0.1 to 100 (R)"),
        ("R_NET_OF_CHARGES", "maybe", "true or false"),
        ("PAPER_TRADING", "flase", "true or false"),
        ("MARGIN_CHECK", "sometimes", "live, always or never"),
        ("MARGIN_HEADROOM", "0.9", "a number from 1 to 5 (times)"),
        ("FOREIGN_POSITION", "close", "alert, adopt (and protect) or flatten"),
        (
            "TELEGRAM_CHAT_ID",
            "abc12x",
            "a chat's number, such as 123456789 or -1001234567890",
        ),
        ("EXIT_POLICY", "hold", "market, staged, fixed or trailing"),
        ("EXIT_POLICY", "Staged", "market, staged, fixed or trailing"),
        ("STAGED_PART_PCT", "0", "a number from 1 to 100 (percent)"),
    ],
)
def test_a_bad_value_is_one_plain_line(name: str, text: str, must_be: str) -> None:
    """A bad value gives one line: the variable, what was given, what is allowed."""
    assert mistakes(**{name: text}) == (f'{name}: got "{text}"; must be {must_be}',)


@pytest.mark.parametrize(
    ("name", "text", "must_be"),
    [
        ("OPENALGO_HOST", "127.0.0.1:5000", "an address that begins with http:// or https://"),
        ("OPENALGO_HOST", "ws://gateway", "an address that begins with http:// or https://"),
        ("OPENALGO_WS_URL", "http://gateway", "an address that begins with ws:// or wss://"),
        ("BACKUP_OPENALGO_WS_URL", "gateway", "an address that begins with ws:// or wss://"),
        ("OPENALGO_HOST", "http://", "an address with a host and a port from 1 to 65535"),
        ("OPENALGO_HOST", "http://:5000", "an address with a host and a port from 1 to 65535"),
        ("OPENALGO_HOST", "http://h:70000", "an address with a host and a port from 1 to 65535"),
        ("OPENALGO_HOST", "http://h:0", "an address with a host and a port from 1 to 65535"),
        ("OPENALGO_HOST", "http://h:http", "an address with a host and a port from 1 to 65535"),
        ("OPENALGO_HOST", "http://[::1", "an address with a host and a port from 1 to 65535"),
        ("OPENALGO_HOST", "http://a b", "an address without spaces"),
        ("OPENALGO_HOST", "http://h?x=1", "an address without ? and # in it"),
        (
            "OPENALGO_HOST",
            "http://h:5000/api/v1/",
            "the address without /api/v1, which the program adds itself",
        ),
    ],
)
def test_a_bad_address_is_told_what_is_wrong_with_it(name: str, text: str, must_be: str) -> None:
    """The one line of a bad address names the one thing to change."""
    assert mistakes(**{name: text}) == (f'{name}: got "{text}"; must be {must_be}',)


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    """An address with a user and a password is a mistake whose line shows neither."""
    assert mistakes(OPENALGO_WS_URL="me:canary@gateway") == (
        "OPENALGO_WS_URL: got ********; must be an address that begins with ws:// or wss://",
    )
    assert mistakes(OPENALGO_HOST="http://me:canary@gateway") == (
        "OPENALGO_HOST: got ********; must be an address without a user name and password in it",
    )


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("http://gateway:5000/", "http://gateway:5000"),
        ("https://gateway", "https://gateway"),
        ("HTTP://gateway//", "http://gateway"),
        (" http://[::1]:5000 ", "http://[::1]:5000"),
        ("https://gateway/prefix/", "https://gateway/prefix"),
    ],
)
def test_a_slash_at_the_end_of_an_address_does_not_count(given: str, used: str) -> None:
    """Addresses that mean the same are the same, in the settings and in their hash."""
    assert settings(OPENALGO_HOST=given) == settings(OPENALGO_HOST=used)
    assert settings(OPENALGO_HOST=given).openalgo_host == used


@pytest.mark.parametrize("steps", ["3,x", "8,3", "3,3", "0,3", "-1", "3,101", "3;8", ",", "[3,8]"])
def test_chase_steps_rise(steps: str) -> None:
    """Chase steps are rising percentages, and however many are wrong there is one line."""
    assert mistakes(CHASE_STEPS_PCT=steps) == (
        f'CHASE_STEPS_PCT: got "{steps}"; must be rising numbers greater than 0 and at most 100, '
        "with commas, such as 3,8,20 (percent)",
    )


@pytest.mark.parametrize("stages", ["4,3", "3,3", "0,3", "3,x"])
def test_stages_rise(stages: str) -> None:
    """The stages of the staged policy are rising profits of the day."""
    assert mistakes(STAGED_R=stages) == (
        f'STAGED_R: got "{stages}"; must be rising numbers greater than 0 and at most 100, '
        "with commas, such as 3,4 (R)",
    )


def test_two_mistakes_give_two_lines() -> None:
    """Every mistake is found in one reading, a cross-check beside a bound too."""
    lines = mistakes(R_VALUE="-5", MAX_LOTS="0", SYMBOL_STALE_S="240")

    assert lines == (
        'R_VALUE: got "-5"; must be a number greater than 0 (rupees)',
        'MAX_LOTS: got "0"; must be a whole number from 1 to 1000 (lots)',
        "SYMBOL_DEAD_S: is 240 by default; must be greater than SYMBOL_STALE_S, which is 240",
    )


def test_a_wrong_underlying_is_one_mistake() -> None:
    """What only follows from another mistake has no line of its own."""
    assert len(mistakes(UNDERLYING="NIFTI")) == 1


def test_a_line_break_in_a_value_stays_in_the_line() -> None:
    """A mistake is one line even where the value has several."""
    assert mistakes(MAX_LOTS="1\n2") == (
        'MAX_LOTS: got "1\\n2"; must be a whole number from 1 to 1000 (lots)',
    )


# Cross-checks


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        (
            {"PRICE_MIN": "300", "PRICE_MAX": "300"},
            'PRICE_MAX: got "300"; must be greater than PRICE_MIN, which is 300',
        ),
        (
            {"STOP_PCT_MIN": "10"},
            "STOP_PCT_MAX: is 10 by default; must be greater than STOP_PCT_MIN, which is 10",
        ),
        (
            {"LAST_ENTRY_TIME": "09:16"},
            'LAST_ENTRY_TIME: got "09:16"; must be later than FIRST_ENTRY_TIME, which is 09:16',
        ),
        (
            {"FORCE_EXIT_TIME": "15:00"},
            'FORCE_EXIT_TIME: got "15:00"; must be later than LAST_ENTRY_TIME, which is 15:00',
        ),
        (
            {"SYMBOL_DEAD_S": "120"},
            'SYMBOL_DEAD_S: got "120"; must be greater than SYMBOL_STALE_S, which is 120',
        ),
        (
            {"BROKER_MIS_CUTOFF": "15:04"},
            'BROKER_MIS_CUTOFF: got "15:04"; must be at least 5 minutes after LAST_ENTRY_TIME, '
            "which is 15:00",
        ),
    ],
)
def test_settings_do_not_contradict_each_other(environ: dict[str, str], line: str) -> None:
    """A contradiction names both settings and both values."""
    assert mistakes(**environ) == (line,)


def test_square_off_may_start_at_the_last_entry() -> None:
    """A broker's cut-off that leaves exactly 5 minutes after the last entry is accepted."""
    assert settings(BROKER_MIS_CUTOFF="15:05").broker_mis_cutoff == dt.time(15, 5)


@pytest.mark.parametrize(
    ("environ", "lines"),
    [
        (
            {"MAX_CE_POSITIONS": "6"},
            [
                "MAX_CE_POSITIONS (6) is above MAX_POSITIONS (5) and can never be reached",
                "MAX_CE_POSITIONS + MAX_PE_POSITIONS (9) is above MAX_POSITIONS (5): "
                "the total binds first",
            ],
        ),
        (
            {"MAX_PE_POSITIONS": "6"},
            [
                "MAX_PE_POSITIONS (6) is above MAX_POSITIONS (5) and can never be reached",
                "MAX_CE_POSITIONS + MAX_PE_POSITIONS (9) is above MAX_POSITIONS (5): "
                "the total binds first",
            ],
        ),
        (
            {"MAX_CE_POSITIONS": "1"},
            [
                "MAX_POSITIONS (5) is above MAX_CE_POSITIONS + MAX_PE_POSITIONS (4) "
                "and can never be reached"
            ],
        ),
        (
            {"PAPER_TRADING": "false"},
            ["BROKER_MIS_CUTOFF is not set: live trading does not start without it"],
        ),
        ({"PAPER_TRADING": "false", "BROKER_MIS_CUTOFF": "15:20"}, []),
        (
            {"BACKUP_OPENALGO_API_KEY": "k"},
            [
                "BACKUP_OPENALGO_WS_URL and BACKUP_OPENALGO_API_KEY are of use only together: "
                "there is no second price stream"
            ],
        ),
        ({"BACKUP_OPENALGO_WS_URL": "ws://b", "BACKUP_OPENALGO_API_KEY": "k"}, []),
        (
            {"EXIT_POLICY": "staged", "DAY_TARGET_R": "4"},
            ["STAGED_R (4) is not below DAY_TARGET_R (4), which closes all first"],
        ),
        ({"EXIT_POLICY": "trailing", "DAY_TARGET_R": "3"}, []),
        (
            {"TELEGRAM_CHAT_ID": "-1001234567890"},
            [
                "TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID are of use only together: "
                "there are no messages"
            ],
        ),
    ],
)
def test_doubtful_settings_warn(environ: dict[str, str], lines: list[str]) -> None:
    """What works but is probably not meant is a warning and not an error."""
    assert warnings(**environ) == tuple(lines)
