"""Where settings come from, how they are printed without secrets, and the example file."""

from __future__ import annotations

import re
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from baseline_v1_live.config import ConfigError, Settings, describe, load_settings
from tests.config_desk import settings

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


def test_the_programs_own_secrets_are_secrets() -> None:
    """Keys and the bot's token, as the program has them, show nowhere, whether right or wrong."""
    keys = {"OPENALGO_API_KEY": f"{CANARY}-1", "BACKUP_OPENALGO_API_KEY": f"{CANARY}-2"}
    loaded = settings(**keys, TELEGRAM_BOT_TOKEN=f"123456:{CANARY}-and-more-signs")

    shown = f"{describe(loaded)} {loaded!r} {loaded.model_dump()} {loaded.model_dump_json()}"
    assert CANARY not in shown
    for name in (*keys, "TELEGRAM_BOT_TOKEN"):
        assert f"{name}=********" in describe(loaded)
    with pytest.raises(ConfigError) as caught:
        settings(TELEGRAM_BOT_TOKEN=f"{CANARY}/../x")
    assert caught.value.lines == (
        "TELEGRAM_BOT_TOKEN: got ********; must be a token as @BotFather gives it",
    )


def test_spaces_around_a_value_are_no_part_of_it() -> None:
    """A key that was pasted with a space or a line break is the key."""
    key = settings(OPENALGO_API_KEY=" k1\n").openalgo_api_key

    assert key is not None
    assert key.get_secret_value() == "k1"


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
