"""The settings: defaults, bounds, cross-checks, plain errors, and no secret shown anywhere."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
import sys
import traceback
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import Field, SecretStr, ValidationError

from baseline_v1_live.config import ConfigError, Settings, describe, load_settings
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import clock_text

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / ".env.example"
CANARY = "canary-7f3a9c"


class WithSecrets(Settings):
    """Settings of a later day, with secrets among them."""

    api_key: SecretStr | None = None
    bot_token: SecretStr = Field(
        SecretStr(""), max_length=40, json_schema_extra={"allowed": "a token of at most 40 signs"}
    )
    account: str = Field(json_schema_extra={"allowed": "an account"})


def settings(**environ: str) -> Settings:
    return load_settings(None, environ)[0]


def warnings(**environ: str) -> tuple[str, ...]:
    return load_settings(None, environ)[1]


def mistakes(**environ: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load_settings(None, environ)
    return caught.value.lines


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
    ],
)
def test_a_setting_reaches_its_rule(name: str, text: str, rule: str, value: object) -> None:
    """Each setting changes its own rule, exactly, and no other."""
    changed = settings(**{name: text}).rules()

    differing = [at for at in Rules.__struct_fields__ if getattr(changed, at) != _default(at)]
    assert (differing, getattr(changed, rule)) == ([rule], value)


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
        ("EXIT_POLICY", "hold", "market (staged, fixed and trailing are not in this version)"),
    ],
)
def test_a_bad_value_is_one_plain_line(name: str, text: str, must_be: str) -> None:
    """A bad value gives one line: the variable, what was given, what is allowed."""
    assert mistakes(**{name: text}) == (f'{name}: got "{text}"; must be {must_be}',)


@pytest.mark.parametrize("policy", ["staged", "fixed", "trailing"])
def test_other_exit_policies_are_not_in_this_version(policy: str) -> None:
    """The exit policies to come are refused with the word that they are not in this version."""
    assert mistakes(EXIT_POLICY=policy) == (
        f'EXIT_POLICY: got "{policy}"; must be market '
        "(staged, fixed and trailing are not in this version)",
    )


@pytest.mark.parametrize("steps", ["3,x", "8,3", "3,3", "0,3", "-1", "3,101", "3;8", ",", "[3,8]"])
def test_chase_steps_rise(steps: str) -> None:
    """Chase steps are rising percentages, and however many are wrong there is one line."""
    assert mistakes(CHASE_STEPS_PCT=steps) == (
        f'CHASE_STEPS_PCT: got "{steps}"; must be rising numbers greater than 0 and at most 100, '
        "with commas, such as 3,8,20 (percent)",
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
    ],
)
def test_doubtful_settings_warn(environ: dict[str, str], lines: list[str]) -> None:
    """What works but is probably not meant is a warning and not an error."""
    assert warnings(**environ) == tuple(lines)


# Where settings come from


def test_environment_beats_the_file(tmp_path: Path) -> None:
    """A variable of the environment beats the file's, and the file's beats the default."""
    env_file = tmp_path / "bot.env"
    env_file.write_text("R_VALUE=7000\nexport MAX_LOTS=7  # less\n\nPRICE_MIN='120'\n", "utf-8")

    loaded, found = load_settings(env_file, {"R_VALUE": "8000", "PRICE_MIN": ""})

    # An empty variable does not hide the file's value: it counts as not set.
    assert loaded == settings(R_VALUE="8000", MAX_LOTS="7", PRICE_MIN="120")
    assert found == ()


def test_given_environment_replaces_the_process_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The process environment is read when no other is given, and only then."""
    monkeypatch.setenv("R_VALUE", "7000")

    assert load_settings(None)[0].r_value == 7000
    assert load_settings(None, {})[0].r_value == 6500


def test_settings_read_environment_and_file_by_themselves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The class alone reads the process environment and the ``.env`` of the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHASE_STEPS_PCT", "4,9")
    Path(".env").write_text("R_VALUE=7000\nCHASE_STEPS_PCT=5\nOTHER=1\n", "utf-8")
    Path("other.env").write_text("R_VALUE=8000\n", "utf-8")

    assert Settings() == settings(R_VALUE="7000", CHASE_STEPS_PCT="4,9")
    assert Settings(_env_file="other.env").r_value == 8000


def test_a_missing_default_file_is_no_mistake(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a ``.env`` the defaults hold; any other file that is named must be there."""
    monkeypatch.chdir(tmp_path)

    assert load_settings(environ={})[0] == settings()
    with pytest.raises(ConfigError) as caught:
        load_settings(Path("prod.env"), {})
    assert caught.value.lines == ("prod.env: no such file",)


def test_an_unreadable_file_is_one_line(tmp_path: Path) -> None:
    """A folder in the file's place, and text that is not UTF-8, are one line each."""
    folder = tmp_path / "folder.env"
    folder.mkdir()
    foreign = tmp_path / "foreign.env"
    foreign.write_bytes("R_VALUE=7000".encode("utf-16"))

    for path in (folder, foreign):
        with pytest.raises(ConfigError) as caught:
            load_settings(path, {})
        assert len(caught.value.lines) == 1
        assert str(path) in caught.value.lines[0]


def test_a_byte_order_mark_is_not_part_of_a_name(tmp_path: Path) -> None:
    """A file saved with a byte order mark reads like any other."""
    env_file = tmp_path / "bot.env"
    env_file.write_text("R_VALUE=7000\n", "utf-8-sig")

    assert load_settings(env_file, {})[0].r_value == 7000


def test_a_malformed_line_is_named_and_not_shown(tmp_path: Path) -> None:
    """A line that sets nothing is a mistake; its number is told and its text is not."""
    env_file = tmp_path / "bot.env"
    env_file.write_text(f"R_VALUE=7000\nAPI_KEY {CANARY}\nMAX_LOTS\n", "utf-8")

    with pytest.raises(ConfigError) as caught:
        load_settings(env_file, {})

    assert caught.value.lines == (
        f"{env_file} line 2: is not of the form NAME=value",
        f"{env_file} line 3: is not of the form NAME=value",
    )


@pytest.mark.parametrize(
    ("name", "meant"),
    [("MAX_LOT", "MAX_LOTS"), ("RVALUE", "R_VALUE"), ("r_value", "R_VALUE")],
)
def test_a_misspelt_name_in_the_file_warns(tmp_path: Path, name: str, meant: str) -> None:
    """A name of the file that looks like ours warns with the name that was probably meant."""
    env_file = tmp_path / "bot.env"
    env_file.write_text(f"{name}=1\n", "utf-8")

    loaded, found = load_settings(env_file, {})

    assert found == (f"{name} in {env_file} is not a setting; did you mean {meant}?",)
    assert loaded == settings()


def test_foreign_names_are_nobodys_business(tmp_path: Path) -> None:
    """Names that resemble none of ours, and any unknown name of the environment, are ignored."""
    env_file = tmp_path / "bot.env"
    env_file.write_text("FLASK_PORT=5000\nHOST_SERVER=x\n", "utf-8")

    assert load_settings(env_file, {"MAX_LOT": "1", "PATH": "/bin"}) == (settings(), ())


# Secrets and the printed settings


def test_every_setting_is_described_in_order() -> None:
    """The description has one line a setting, in the order of the class, and the hash last."""
    lines = describe(settings(R_VALUE="7000.50", BROKER_MIS_CUTOFF="15:20"))

    assert [line.partition("=")[0] for line in lines[:-1]] == _names()
    assert re.fullmatch(r"config hash: [0-9a-f]{12}", lines[-1])
    assert {
        "R_VALUE=7000.5", "BROKER_MIS_CUTOFF=15:20", "PAPER_TRADING=true", "STATE_DIR=state",
        "CHASE_STEPS_PCT=3,8,20", "FIRST_ENTRY_TIME=09:16", "UNDERLYING=NIFTY",
    } <= set(lines)  # fmt: skip


def test_a_description_loads_to_the_same_settings() -> None:
    """The printed lines, given as variables, are the same settings again."""
    original = settings(R_VALUE="7000.50", CHASE_STEPS_PCT="2.5,10", UNDERLYING="MIDCPNIFTY")

    again = settings(**dict(line.split("=", 1) for line in describe(original)[:-1]))

    assert (again, describe(again)) == (original, describe(original))


def test_hash_is_of_the_values() -> None:
    """Equal values have equal hashes however they are written, and any other value another."""
    assert describe(settings(R_VALUE="6500.00"))[-1] == describe(settings())[-1]
    assert describe(settings(R_VALUE="6500.05"))[-1] != describe(settings())[-1]


def test_hash_is_the_same_in_another_process() -> None:
    """Two processes with equal settings print the same hash."""
    program = (
        "from baseline_v1_live.config import describe, load_settings\n"
        "print(describe(load_settings(None, {})[0])[-1])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    assert printed.strip() == describe(settings())[-1]


def test_secrets_are_never_shown() -> None:
    """A secret shows as asterisks when it is set, and changes neither the hash nor any text."""
    environ = {"API_KEY": CANARY, "BOT_TOKEN": CANARY, "ACCOUNT": "one"}
    loaded = load_settings(None, environ, settings_class=WithSecrets)[0]
    without = load_settings(None, {"ACCOUNT": "one"}, settings_class=WithSecrets)[0]

    lines = describe(loaded)
    assert lines[-4:-1] == ["API_KEY=********", "BOT_TOKEN=********", "ACCOUNT=one"]
    assert describe(without)[-4:-2] == ["API_KEY=", "BOT_TOKEN="]
    assert lines[-1] == describe(without)[-1]
    assert CANARY not in f"{loaded!r} {loaded} {loaded.model_dump()} {loaded.model_dump_json()}"


def test_a_wrong_secret_is_not_shown_either() -> None:
    """A secret that is refused appears neither in the error nor in its traceback."""
    environ = {"API_KEY": CANARY, "BOT_TOKEN": CANARY * 5, "MAX_LOTS": "0"}

    with pytest.raises(ConfigError) as caught:
        load_settings(None, environ, settings_class=WithSecrets)

    assert caught.value.lines == (
        'MAX_LOTS: got "0"; must be a whole number from 1 to 1000 (lots)',
        "BOT_TOKEN: got ********; must be a token of at most 40 signs",
        "ACCOUNT: is not set; must be an account",
    )
    assert CANARY not in "".join(traceback.format_exception(caught.value))


# The example file


def _names() -> list[str]:
    return [name.upper() for name in Settings.model_fields]


def test_example_lists_every_setting_once() -> None:
    """The example has each setting once, commented out, in the order of the class."""
    assert re.findall(r"^#?\s*([A-Z_]+)=", EXAMPLE.read_text("utf-8"), re.M) == _names()


def test_example_shows_the_defaults(tmp_path: Path) -> None:
    """The example changes nothing as it is, and uncommented gives exactly the defaults."""
    text = EXAMPLE.read_text("utf-8")
    uncommented = tmp_path / "bot.env"
    uncommented.write_text(re.sub(r"^#(?=[A-Z_]+=)", "", text, flags=re.M), "utf-8")

    assert load_settings(EXAMPLE, {}) == (settings(), ())
    loaded, warnings = load_settings(uncommented, {})

    assert loaded == settings()
    assert warnings == (
        "MAX_CE_POSITIONS + MAX_PE_POSITIONS (6) is above MAX_POSITIONS (5): the total binds first",
    )
    for line in describe(settings())[:-1]:
        assert f"\n#{line}\n" in text


def test_example_explains_every_setting() -> None:
    """Above each setting of the example stand its meaning, what is allowed, and its default."""
    blocks = EXAMPLE.read_text("utf-8").split("\n\n")
    said = {block.rpartition("\n#")[2].partition("=")[0]: _prose(block) for block in blocks}

    for name, field in Settings.model_fields.items():
        about = field.json_schema_extra
        assert isinstance(about, dict)
        default = dict(line.split("=", 1) for line in describe(settings())[:-1])[name.upper()]
        assert str(field.description) in said[name.upper()]
        assert f"Allowed: {about['allowed']}. Default: {default or 'empty'}." in said[name.upper()]


def _prose(block: str) -> str:
    return " ".join(line.removeprefix("#").strip() for line in block.splitlines())
