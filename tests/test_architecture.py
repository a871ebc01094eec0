"""The architecture holds: the house rules, on the package and on planted violations of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.house_rules import (
    FILE_LINES_MAX,
    FUNCTION_LINES_MAX,
    PACKAGE,
    TEXT_NAMES,
    TEXT_SUFFIXES,
    Checker,
    Source,
    banned_endpoints,
    impure_actions,
    impure_imports,
    libraries_away_from_home,
    machine_paths,
    naive_datetimes,
    outward_imports,
    strangers,
    too_long,
    truthless_tests,
    without_module_docstring,
)

ROOT = Path(__file__).resolve().parents[1]

# The rules, on the package as it is.


def _sources(folder: str) -> list[Source]:
    paths = sorted((ROOT / folder).rglob("*.py"))
    return [Source(path.relative_to(ROOT).as_posix(), path.read_text("utf-8")) for path in paths]


@pytest.fixture(scope="module")
def package() -> list[Source]:
    return _sources(PACKAGE)


def _wrong(checker: Checker, sources: list[Source]) -> str:
    assert sources, "nothing was read"
    return "\n".join(complaint for source in sources for complaint in checker(source))


def test_pure_files_import_no_outside_world(package: list[Source]) -> None:
    """PURE files import only msgspec and the listed parts of the standard library."""
    assert _wrong(impure_imports, package) == ""


def test_pure_files_do_no_io_and_read_no_clock(package: list[Source]) -> None:
    """PURE files read no clock, do no I/O, wait for nothing and come out the same every run."""
    assert _wrong(impure_actions, package) == ""


def test_imports_point_inward(package: list[Source]) -> None:
    """Every file imports only what lies further in; adapters never import each other."""
    assert _wrong(outward_imports, package) == ""


def test_libraries_stay_at_home(package: list[Source]) -> None:
    """Each brand's library has one home, and the live process loads neither pandas nor the SDK."""
    assert _wrong(libraries_away_from_home, package) == ""


def test_every_datetime_has_a_zone(package: list[Source]) -> None:
    """No datetime in the package is naive, and none depends on the machine's zone."""
    assert _wrong(naive_datetimes, package) == ""


def test_files_and_functions_stay_readable(package: list[Source]) -> None:
    """No file has more than 500 lines and no function more than 90."""
    assert _wrong(too_long, package) == ""


def test_every_module_says_what_it_is(package: list[Source]) -> None:
    """Every module of the package has a docstring."""
    assert _wrong(without_module_docstring, package) == ""


def test_the_house_knows_every_folder(package: list[Source]) -> None:
    """Nothing stands at the top of the package that the architecture does not name."""
    assert _wrong(strangers, package) == ""


def test_nothing_acts_on_the_whole_account(package: list[Source]) -> None:
    """The product never calls placesmartorder, closeposition or cancelallorder."""
    assert _wrong(banned_endpoints, package) == ""


def test_every_test_states_its_truth() -> None:
    """Every test has a docstring."""
    assert _wrong(truthless_tests, _sources("tests")) == ""


def test_no_file_names_a_path_of_one_machine() -> None:
    """Nothing in the repository depends on where somebody's machine keeps it."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listing.returncode:
        pytest.skip("not a git checkout")
    wrong = [
        complaint
        for name in listing.stdout.split("\0")
        if name in TEXT_NAMES or Path(name).suffix in TEXT_SUFFIXES
        if (ROOT / name).is_file()
        for complaint in machine_paths(name, (ROOT / name).read_text("utf-8"))
    ]

    assert "\n".join(wrong) == ""


# The rules bite: each planted violation is found, and each fair neighbour of it is not.
# Paths are inside the package, and OURS is the package's name.

CORE = "core/planted.py"
RUNTIME = "runtime/planted.py"
BROKER = "adapters/openalgo/planted.py"
JOURNAL = "adapters/journal.py"
SIM = "sim/planted.py"
RESEARCH = "research/planted.py"
LONG_FUNCTION = "def f():\n" + "    x = 1\n" * FUNCTION_LINES_MAX

# What is checked, in which file, and the snippets: each of them breaks the rule.
VIOLATIONS: list[tuple[Checker, str, list[str]]] = [
    (banned_endpoints, BROKER, ['PATH = "placesmartorder"', 'x = f"api/closeposition"']),
    (banned_endpoints, RUNTIME, ['post("/api/v1/cancelallorder")']),
    (impure_imports, CORE, [
        "import asyncio", "import time", "import random", "import uuid", "import os, re",
        "import os.path", "import io", "import pathlib", "import logging", "import sqlite3",
        "import socket", "import threading", "import json", "import secrets", "import importlib",
        "import aiohttp", "import numpy as np", "from time import monotonic",
        "def f():\n    import random as r",
    ]),
    (impure_imports, "order_manager.py", ["import logging"]),
    (impure_imports, "strategy/deep/er.py", ["import os"]),
    (impure_actions, CORE, [
        "import datetime as dt\nx = dt.datetime.now(dt.UTC)",
        "from datetime import datetime as D\nx = D.utcnow()",
        "from datetime import date\nx = date.today()",
        "from datetime import datetime\nclock = datetime.now",
        "def f(clock):\n    return clock.now()", "def f(loop):\n    loop.sleep(1)", "sleep(1)",
        "print('x')", "log = print", "text = open('x').read()", "text = input()",
        "m = __import__('time')", "key = hash('NIFTY')", "async def f(): ...",
    ]),
    (impure_actions, "position_tracker.py", ["async def f():\n    await g()"]),
    (outward_imports, CORE, [
        "from OURS.runtime.ports import Broker", "from OURS import config", "import OURS",
        "from OURS import utils", "from OURS import __version__", "from ..sim import exchange",
    ]),
    (outward_imports, "core/__init__.py", ["from ..adapters.journal import Journal"]),
    (outward_imports, RUNTIME, [
        "from OURS.adapters import openalgo", "import OURS.cli",
        "from OURS.baseline_v1_live import run",
    ]),
    (outward_imports, BROKER, [
        "from OURS.adapters.ibkr.wire import parse", "from ..journal import Journal",
        "from OURS import adapters", "from OURS.core.engine import Engine",
        "from OURS.runtime.driver import run",
    ]),
    (outward_imports, JOURNAL, ["from .telegram import send"]),
    (outward_imports, SIM, ["from OURS.adapters import ibkr", "from OURS.strategy import bars"]),
    (outward_imports, RESEARCH, ["from OURS.adapters import ibkr"]),
    (outward_imports, "baseline_v1_live.py", ["from OURS import cli"]),
    (libraries_away_from_home, RUNTIME, ["def f():\n    import pandas as pd"]),
    (libraries_away_from_home, "cli.py", ["from openalgo import api"]),
    (libraries_away_from_home, BROKER, ["import ib_async"]),
    (naive_datetimes, RUNTIME, [
        "from datetime import datetime\nx = datetime.now()",
        "from datetime import datetime as D\nx = D.fromtimestamp(0, None)",
        "import datetime\nx = datetime.datetime.utcnow()",
        "import datetime as dt\nx = dt.datetime.now(tz=None)",
        "import datetime as dt\nx = dt.datetime.fromtimestamp(0)",
        "import datetime as dt\nx = dt.datetime(2026, 1, 1)",
        "import datetime as dt\nx = dt.date.today()",
        "import pandas as pd\nx = pd.Timestamp.now()",
    ]),
    (too_long, RUNTIME, [
        "x = 1\n" * (FILE_LINES_MAX + 1), LONG_FUNCTION,
        "class C:\n    async " + LONG_FUNCTION.replace("    x", "        x"),
    ]),
    (without_module_docstring, RUNTIME, ["", "x = 1", '"""  """']),
    (truthless_tests, RUNTIME, ["def test_x(): ..."]),
    (strangers, "utils/planted.py", [""]),
    (strangers, "helpers.py", [""]),
]  # fmt: skip

# The nearest code that keeps the rule.
FAIR: list[tuple[Checker, str, list[str]]] = [
    (banned_endpoints, SIM, ['PATH = "closeposition"']),
    (banned_endpoints, BROKER, ['"""Never uses closeposition."""', 'PATH = "placeorder"']),
    (impure_imports, CORE, ["import datetime, msgspec\nfrom collections.abc import Set"]),
    (impure_imports, RUNTIME, ["import asyncio, json, logging, time"]),
    (impure_actions, CORE, [
        "def f(event):\n    return event.now, event.today",
        "class Bar:\n    open: int\ndef f(open, id):\n    return open + id",
        "import datetime as dt\nx = dt.time(15, 15)",
    ]),
    (impure_actions, RUNTIME, ["async def f(clock):\n    print(clock.now())"]),
    (outward_imports, CORE, [
        "from OURS.strategy.bars import Vwap", "from OURS import order_manager",
        "from . import messages\nfrom ..strategy import bars",
    ]),
    (outward_imports, RUNTIME, ["from OURS import __version__"]),
    (outward_imports, BROKER, [
        "from . import wire", "from OURS.adapters.openalgo import wire",
        "from OURS.core import messages", "from OURS.runtime.ports import Broker",
    ]),
    (outward_imports, JOURNAL, ["from OURS.runtime import ports"]),
    (outward_imports, RESEARCH, ["from ..adapters.journal import Journal"]),
    (outward_imports, "cli.py", ["from OURS.baseline_v1_live import run"]),
    (outward_imports, "__main__.py", ["from .cli import main"]),
    (libraries_away_from_home, RESEARCH, ["import pandas"]),
    (libraries_away_from_home, BROKER, ["from . import openalgo"]),
    (naive_datetimes, RUNTIME, [
        "import datetime as dt\nx = dt.datetime.fromtimestamp(0, IST)",
        "import datetime as dt\nx = dt.datetime.now(tz=dt.UTC)",
        "import datetime as dt\nx = dt.datetime(2026, 1, 1, tzinfo=IST)",
        "def f(clock):\n    return clock.now()",
    ]),
    (too_long, RUNTIME, ["x = 1\n" * FILE_LINES_MAX]),
    (truthless_tests, RUNTIME, ['def test_x():\n    """True."""\ndef f(): ...']),
    (strangers, "core/anything.py", [""]),
]  # fmt: skip


def _each(cases: list[tuple[Checker, str, list[str]]]) -> pytest.MarkDecorator:
    flat = [
        pytest.param(checker, f"{PACKAGE}/{path}", text, id=f"{checker.__name__}-{path}-{number}")
        for checker, path, texts in cases
        for number, text in enumerate(texts)
    ]
    return pytest.mark.parametrize(("checker", "path", "text"), flat)


@_each(VIOLATIONS)
def test_a_planted_violation_is_found(checker: Checker, path: str, text: str) -> None:
    """Each rule complains about code that breaks it, and names the file."""
    complaints = list(checker(Source(path, text.replace("OURS", PACKAGE))))

    assert complaints
    assert all(path in complaint for complaint in complaints)


@_each(FAIR)
def test_fair_code_passes(checker: Checker, path: str, text: str) -> None:
    """No rule complains about the nearest code that keeps it."""
    assert list(checker(Source(path, text.replace("OURS", PACKAGE)))) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see /" + "work/main", True),
        ("path = '/" + "tmp/bash_jobs.0/x'", True),
        ("(/" + "Users/someone/x)", True),
        ("docs/" + "work/plan.md and ../" + "work/plan.md", False),
        ("https://example.com/" + "work/", False),
        ("mktemp in /tmp", False),
    ],
)
def test_a_path_of_one_machine_is_told_from_a_relative_one(text: str, found: bool) -> None:
    """Only an absolute path of a machine is a finding; a folder of the same name is not."""
    assert bool(list(machine_paths("x.md", text))) is found
