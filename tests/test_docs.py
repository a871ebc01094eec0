"""The pages say what is so: generated pages are current, commands are described, links lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from baseline_v1_live import check_system
from baseline_v1_live.cli import app
from baseline_v1_live.config import Settings
from baseline_v1_live.research.result import DayResult, DayRow, OrderRow, SwingRow, TradeRow
from baseline_v1_live.runtime.modes import ExitCode, RunMode
from tools import write_order_states

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
LIVE = ROOT / "docs" / "live.md"
REPLAY = ROOT / "docs" / "replay.md"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]

_CODE = re.compile(r"^```.*?^```|^ {4}.*?$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
# Folders at the root of somebody's machine; a URL's own path has a host before it.
_FOLDERS = ("home", "mnt", "opt", "private", "root", "tmp", "usr", "Users", "var", "work")
_MACHINE_PATH = re.compile(rf"(?<![\w.-])/(?:{'|'.join(_FOLDERS)})/|\b[A-Z]:\\|file://")

# Reasons why a position or a day was closed, which look like settings.
REASONS = {
    "EOD_EXIT", "EXTERNAL_CLOSE", "FIXED_TARGET", "KILL_SWITCH", "STOP_LOSS", "TRAILING_EXIT",
}  # fmt: skip

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def commands() -> dict[str, list[Any]]:
    """Each command's parameters by its name; those that stand without a command under ""."""
    root: Any = typer.main.get_command(app)
    names = root.list_commands(None)
    return {"": root.params} | {name: root.get_command(None, name).params for name in names}


def pre_flight_parameters() -> list[Any]:
    """The parameters of the check before the open, a program of its own."""
    program = typer.Typer()
    program.command()(check_system.command)
    found: Any = typer.main.get_command(program)
    return found.params


def options(parameters: list[Any]) -> Iterator[str]:
    for parameter in parameters:
        yield from (name for name in parameter.opts if name.startswith("-"))


def section(text: str, heading: str) -> str:
    """The text from a heading to the next one of the same or a higher level."""
    level = heading.partition(" ")[0]
    _, found, rest = text.partition(f"\n{heading}\n")
    assert found, f"there is no heading {heading!r}"
    return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def first_cells(text: str) -> list[str]:
    """What stands in the first column of a table, without its heading."""
    rows = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [row.split("|")[1].strip().strip("`") for row in rows]


def names(text: str, option: str) -> bool:
    return re.search(rf"`[^`\n]*(?<![\w-]){re.escape(option)}(?![\w-])", text) is not None


def slug(heading: str) -> str:
    """The anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def test_the_order_states_page_is_current() -> None:
    """The page of order states is exactly what its tool writes from the table."""
    assert write_order_states.PAGE.read_text("utf-8") == write_order_states.page(), (
        "run .venv/bin/python -m tools.write_order_states"
    )


@pytest.mark.parametrize("command", [name for name in commands() if name])
def test_every_command_is_described_with_its_options(command: str) -> None:
    """Each command has a section in one of the pages that names all of its options."""
    heading = f"### `{command}`"
    (page,) = [page for page in PAGES if f"\n{heading}\n" in page.read_text("utf-8")]
    text = section(page.read_text("utf-8"), heading)
    missing = [name for name in options(commands()[command]) if not names(text, name)]

    assert missing == []


def test_options_without_a_command_are_described() -> None:
    """The page about running the bot has a table with exactly the options without a command."""
    cells = first_cells(section(LIVE.read_text("utf-8"), "## Options"))

    assert sorted(cell.split()[0] for cell in cells) == sorted(options(commands()[""]))


def test_exit_codes_are_described() -> None:
    """The page about running the bot has a row for each way in which the process can end."""
    described = first_cells(section(LIVE.read_text("utf-8"), "## Exit codes"))

    assert described == [str(code.value) for code in ExitCode]


def test_modes_are_described() -> None:
    """The page about running the bot has a row for each mode."""
    assert sorted(first_cells(section(LIVE.read_text("utf-8"), "## Modes"))) == sorted(RunMode)


@each_page
def test_a_page_names_no_option_that_does_not_exist(page: Path) -> None:
    """Every option of ours that a page names is one that a command line has."""
    every = [*commands().values(), pre_flight_parameters()]
    there = {name for parameters in every for name in options(parameters)} | {"--help"}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", page.read_text("utf-8")))

    assert named - there == set()


@each_page
def test_a_page_names_no_setting_that_does_not_exist(page: Path) -> None:
    """Every setting that a page names is one that the program reads."""
    there = {name.upper() for name in Settings.model_fields}
    words = re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=[^`]*)?`", page.read_text("utf-8"))

    assert set(words) - there - REASONS == set()


@pytest.mark.parametrize(
    ("key", "row"),
    [("swings", SwingRow), ("orders", OrderRow), ("trades", TradeRow), ("day", DayRow)],
)
def test_every_field_of_the_json_is_described(key: str, row: type) -> None:
    """docs/replay.md has a table for each key of the JSON with exactly the fields that it writes."""
    text = section(REPLAY.read_text("utf-8"), "## The JSON")
    table = re.search(rf"^`{key}`.*?\n\n(.*?)\n\n", text, re.MULTILINE | re.DOTALL)
    assert table is not None, f"there is no table of {key}"
    cells = [line.split("|")[1] for line in table[1].splitlines()[2:]]
    described = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]

    assert described == list(row.__annotations__)


def test_every_key_of_the_json_is_described() -> None:
    """docs/replay.md describes each key of the JSON."""
    text = section(REPLAY.read_text("utf-8"), "## The JSON")
    missing = [key for key in DayResult.__annotations__ if f"\n`{key}`" not in text]

    assert missing == []


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link and picture of a page exists, and so does the heading that it names."""
    broken = []
    for target in _LINK.findall(_CODE.sub("", page.read_text("utf-8"))):
        name, _, anchor = target.partition("#")
        if ":" in name:
            continue
        file = page.parent / name if name else page
        headings = re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.MULTILINE) if anchor else []
        if not file.is_file() or (anchor and anchor not in map(slug, headings)):
            broken.append(target)

    assert broken == []


@each_page
def test_a_page_names_no_path_of_a_machine(page: Path) -> None:
    """No page has an absolute path of somebody's machine."""
    assert [
        line for line in page.read_text("utf-8").splitlines() if _MACHINE_PATH.search(line)
    ] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see /" + "work/x", True),
        ("(/" + "home/someone/x)", True),
        ("`/" + "tmp/x`", True),
        ("C:" + "\\x", True),
        ("file:" + "//x", True),
        ("https://example.org/" + "home/x", False),
        ("../" + "tmp/x and docs/" + "usr/x", False),
        ("CE/PE, 40 %/s and runs/demo", False),
    ],
)
def test_a_path_of_a_machine_is_told_from_others(text: str, found: bool) -> None:
    """Only what starts at the root of a machine is a path of one."""
    assert bool(_MACHINE_PATH.search(text)) is found
