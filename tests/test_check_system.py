"""The pre-flight check as a whole: against the compatible server, and as a process."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from baseline_v1_live.check_system import Checkup
from baseline_v1_live.config import load_settings, scrub
from baseline_v1_live.core.session import SECOND_MS
from baseline_v1_live.runtime.checks import Check, Verdict, as_json, as_text
from baseline_v1_live.runtime.clock import wall_ms
from tests.adapters.openalgo.client_desk import NOW_MS, Sleeps
from tests.adapters.openalgo.gateway import gateway
from tests.sim.openalgo_server.gateway import KEY, Gateway, play

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "check-system.md"
PASS, WARN, FAIL, SKIP = Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.SKIP
ATM_PAISE = 2_600_000
TOKEN = "123456:canary-token-of-enough-signs"


def environ(gateway: Gateway, folder: Path, **change: str) -> dict[str, str]:
    """Settings that suit the small day at a gateway."""
    given = {
        "OPENALGO_HOST": gateway.server.url + "/",
        "OPENALGO_WS_URL": gateway.server.ws_url,
        "OPENALGO_API_KEY": KEY,
        "STRIKES_EACH_SIDE": "2",
        "STATE_DIR": str(folder),
    }
    return given | change


@contextlib.asynccontextmanager
async def ticking(gateway: Gateway) -> AsyncIterator[None]:
    """The simulated clock goes on, a second at a time."""

    async def tick() -> None:
        while True:
            await gateway.server.advance_to(gateway.server.now_ms + SECOND_MS)
            await asyncio.sleep(0.01)

    task = asyncio.create_task(tick())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Run:
    """What a run of all checks came to."""

    def __init__(self) -> None:
        self.checks: dict[str, Check] = {}
        self.text = ""
        self.sleeps = Sleeps()

    def verdicts(self, *names: str) -> list[Verdict]:
        return [self.checks[name].verdict for name in names]


async def look(gateway: Gateway, folder: Path, options: dict[str, Any], **change: str) -> Run:
    """All checks at a gateway, with options for the checkup and changes of the settings."""
    run = Run()
    settings, warnings = load_settings(None, environ(gateway, folder, **change))
    given: dict[str, Any] = {
        "warnings": warnings,
        "atm_paise": ATM_PAISE,
        "now_ms": lambda: gateway.server.now_ms,
        "sleep": run.sleeps,
        "tick_s": 5.0,
    }
    checks = await Checkup(settings, **given | options).run()
    run.checks = {check.name: check for check in checks}

    def clean(text: str) -> str:
        return scrub(settings, text)

    run.text = "\n".join([*as_text(checks, clean), as_json(checks, clean).decode()])
    return run


def looked(
    folder: Path,
    options: dict[str, Any] | None = None,
    *,
    faults: tuple[dict[str, Any], ...] = (),
    still: bool = False,
    stopped: bool = False,
    server: dict[str, Any] | None = None,
    **change: str,
) -> Run:
    """The same at a fresh server: with faults, with its clock standing still, or stopped."""
    runs: list[Run] = []

    async def story(gateway: Gateway) -> None:
        for fault in faults:
            await gateway.sim("fault", **fault)
        if stopped:
            await gateway.server.stop()
        async with contextlib.nullcontext() if still or stopped else ticking(gateway):
            runs.append(await look(gateway, folder, options or {}, **change))
        if not stopped:
            assert (await gateway.sim("books"))["orders"] == []

    play(story, **server or {})
    return runs[0]


# ---------------------------------------------------------------- a gateway that is well


def test_a_gateway_that_is_well_passes_every_check(tmp_path: Path) -> None:
    """Nothing fails, nothing warns, what is not configured is skipped, and no order is placed."""
    run = looked(tmp_path)

    others = {c.name: c.seen for c in run.checks.values() if c.verdict is not PASS}
    assert others == {
        "env file": "there is no .env; settings come from the environment",
        "second stream": "not configured",
        "telegram": "not configured",
    }
    assert run.checks["contracts"].seen == (
        "10 of 01DEC26, strikes 25900 to 26100, lot 65, tick 0.05, freeze 1800"
    )
    assert run.checks["session"].seen.startswith("Thu 26 Nov 2026: 09:15 to 15:40; next session")
    assert run.checks["order updates"].verdict is PASS
    assert run.sleeps.seconds == []


def test_every_check_is_described_on_its_page(tmp_path: Path) -> None:
    """docs/check-system.md has a row for each check, in the order of the output, and no other."""
    text = PAGE.read_text("utf-8")

    assert re.findall(r"^\| `([a-z][a-z -]+)` \|", text, re.MULTILINE) == list(
        looked(tmp_path).checks
    )
    for option in ("--json", "--expiry", "--atm", "--env-file", "--sim-clock"):
        assert f"`{option}" in text


def test_the_atm_comes_from_the_index_when_it_is_not_given(tmp_path: Path) -> None:
    """The index price is rounded to the strike step."""
    run = looked(
        tmp_path,
        {"atm_paise": None, "tick_s": 0.05},
        still=True,
        server={"open_at": (9, 16)},
        STRIKES_EACH_SIDE="1",
    )

    index = float(run.checks["broker session"].seen.rpartition(" ")[2])
    atm = round(index / 50) * 50
    assert f"strikes {atm - 50} to {atm + 50}" in run.checks["contracts"].seen


def test_a_second_gateway_is_looked_at_too(tmp_path: Path) -> None:
    """Its stream passes with its key and fails without."""

    async def story(gateway: Gateway) -> None:
        async with ticking(gateway):
            for key, verdict in ((KEY, PASS), ("other", FAIL)):
                run = await look(
                    gateway,
                    tmp_path,
                    {},
                    BACKUP_OPENALGO_WS_URL=gateway.server.ws_url,
                    BACKUP_OPENALGO_API_KEY=key,
                )
                assert run.checks["second stream"].verdict is verdict

    play(story)


# ---------------------------------------------------------------- what is wrong


def test_without_a_key_nothing_is_asked(tmp_path: Path) -> None:
    """The missing key is the failure, and everything at the gateway is skipped because of it."""
    run = looked(tmp_path, OPENALGO_API_KEY="")

    assert run.checks["settings"].verdict is FAIL
    assert "OPENALGO_API_KEY is not set" in run.checks["settings"].seen
    assert run.checks["order updates"] == Check("order updates", SKIP, "needs settings")
    assert run.checks["state folder"].verdict is PASS


def test_warnings_about_settings_are_shown(tmp_path: Path) -> None:
    """What load_settings warns of stands with the settings."""
    run = looked(tmp_path, TELEGRAM_CHAT_ID="7")

    assert run.checks["settings"].verdict is WARN
    assert "of use only together" in run.checks["settings"].seen


def test_a_gateway_that_is_down_is_asked_again_and_then_named(tmp_path: Path) -> None:
    """After 1, 2 and 4 s it is the gateway that failed, and the rest needs it."""
    run = looked(tmp_path, stopped=True)

    assert run.checks["gateway"].verdict is FAIL
    assert "nothing answers at http://127.0.0.1:" in run.checks["gateway"].seen
    assert run.sleeps.seconds == [1, 2, 4]
    assert run.checks["contracts"].seen == "needs gateway"


def test_a_gateway_that_is_just_starting_gets_its_time(tmp_path: Path) -> None:
    """Failures that pass by themselves leave no trace in the results."""
    starting = ({"name": "html_reply", "endpoint": "ping", "count": 2},)
    run = looked(tmp_path, faults=starting)

    assert run.verdicts("gateway", "key", "broker session") == [PASS, PASS, PASS]
    assert run.sleeps.seconds == [1, 2]


def test_a_wrong_key_is_named_and_not_shown(tmp_path: Path) -> None:
    """The gateway is there, the key is refused at once, and no text has it."""
    wrong = "canary-wrong-key-5d1e"
    run = looked(tmp_path, OPENALGO_API_KEY=wrong)

    assert run.verdicts("gateway", "clock", "key", "mode") == [PASS, PASS, FAIL, SKIP]
    assert "the broker session has ended, or OPENALGO_API_KEY is wrong" in run.checks["key"].todo
    assert run.sleeps.seconds == []
    assert wrong not in run.text


def test_a_dead_broker_session_is_told_from_a_wrong_key(tmp_path: Path) -> None:
    """The key passes, the quote does not; what needs the broker is skipped, the mode is not."""
    run = looked(tmp_path, faults=({"name": "http_500", "endpoint": "quotes", "count": 9},))

    names = ("gateway", "key", "broker session", "mode", "expiry", "contracts", "funds")
    assert run.verdicts(*names) == [PASS, PASS, FAIL, PASS, PASS, PASS, SKIP]
    assert "log in at the broker" in run.checks["broker session"].todo
    assert run.checks["price stream"].seen == "needs broker session"


def test_another_mode_than_ours_fails(tmp_path: Path) -> None:
    """Live settings at a gateway in analyzer mode, and paper settings at a live one."""
    live = looked(tmp_path, PAPER_TRADING="false", BROKER_MIS_CUTOFF="15:20")
    paper = looked(tmp_path, server={"profile": "zerodha"})

    assert (live.checks["mode"].verdict, paper.checks["mode"].verdict) == (FAIL, FAIL)
    assert "in analyzer mode" in live.checks["mode"].seen
    assert "trades live" in paper.checks["mode"].seen


def test_live_on_both_sides_passes(tmp_path: Path) -> None:
    """A live gateway and live settings agree, and the live shapes of its answers are read."""
    run = looked(
        tmp_path,
        server={"profile": "zerodha"},
        PAPER_TRADING="false",
        BROKER_MIS_CUTOFF="15:20",
    )

    assert [c.name for c in run.checks.values() if c.verdict in (WARN, FAIL)] == []
    assert run.checks["mode"].seen == "LIVE on both sides"


def test_another_lot_size_fails_and_the_margin_waits(tmp_path: Path) -> None:
    """The contracts are to blame, and what needs them says so."""
    run = looked(tmp_path, LOT_SIZE="75")

    assert run.verdicts("contracts", "margin") == [FAIL, SKIP]
    assert "LOT_SIZE is 75" in run.checks["contracts"].seen
    assert run.checks["margin"].seen == "needs contracts"


def test_an_unknown_expiry_fails(tmp_path: Path) -> None:
    """It names the nearest one."""

    run = looked(tmp_path, {"expiry": dt.date(2026, 12, 8)})

    assert run.checks["expiry"].verdict is FAIL
    assert run.checks["expiry"].todo == "give --expiry 01DEC26"
    assert run.checks["contracts"].seen == "needs expiry"


@pytest.mark.parametrize(
    ("paper", "profile", "verdict"), [("true", "threaded", WARN), ("false", "zerodha", FAIL)]
)
def test_a_margin_that_cannot_be_had_fails_only_in_live(
    tmp_path: Path, paper: str, profile: str, verdict: Verdict
) -> None:
    """Live entries need it, on paper nobody asks."""
    run = looked(
        tmp_path,
        faults=({"name": "http_500", "endpoint": "margin", "count": 9},),
        server={"profile": profile},
        PAPER_TRADING=paper,
        BROKER_MIS_CUTOFF="15:20",
    )

    assert run.checks["margin"].verdict is verdict


def test_a_clock_that_is_off_fails(tmp_path: Path) -> None:
    """Ten seconds between this machine and the gateway are seen from the gateway's own time."""

    run = looked(tmp_path, {"machine_ms": lambda: wall_ms() + 10_000})

    assert run.checks["clock"].verdict is FAIL
    assert "ahead of the gateway's clock" in run.checks["clock"].seen


def test_before_the_open_no_ticks_are_waited_for(tmp_path: Path) -> None:
    """The stream connects and takes order updates; ticks come later."""
    run = looked(tmp_path, still=True, server={"open_at": None})

    assert run.verdicts("price stream", "order updates") == [SKIP, PASS]
    assert run.checks["price stream"].seen.endswith("no ticks until 09:15")


def test_an_index_without_a_price_gives_no_atm(tmp_path: Path) -> None:
    """The broker answers, so its session is no failure; contracts wait for --atm."""

    async def main() -> dict[str, Check]:
        async with gateway() as server:
            for path, data in {
                "ping": {"broker": "zerodha"},
                "quotes": {"ltp": 0},
                "analyzer": {"analyze_mode": True},
                "market/timings": [],
                "market/holidays": [],
                "expiry": ["23-NOV-26"],
                "funds": {"availablecash": 5, "utiliseddebits": 0},
            }.items():
                server.say(path, (200, {"status": "success", "data": data}))
            given = {
                "OPENALGO_HOST": server.url,
                "OPENALGO_API_KEY": KEY,
                "OPENALGO_WS_URL": "ws://127.0.0.1:9",
                "STATE_DIR": str(tmp_path),
            }
            checkup = Checkup(load_settings(None, given)[0], now_ms=lambda: NOW_MS, sleep=Sleeps())
            return {check.name: check for check in await checkup.run()}

    checks = asyncio.run(main())
    assert checks["broker session"].verdict is WARN
    assert (checks["contracts"].verdict, checks["contracts"].todo) == (SKIP, "give --atm")
    assert checks["margin"] == Check("margin", SKIP, "needs contracts")
    assert checks["session"].seen == "Mon 23 Nov 2026: no session"
    assert "no stream at" in checks["price stream"].seen


def test_a_stream_that_is_silent_in_the_session_fails(tmp_path: Path) -> None:
    """It connects and takes everything, and that is not enough."""
    run = looked(tmp_path, {"tick_s": 0.05}, still=True)

    assert run.checks["price stream"].verdict is FAIL
    assert "does not tick" in run.checks["price stream"].seen
    assert run.checks["order updates"].seen == "needs price stream"


def test_a_gateway_that_pushes_no_order_updates_warns() -> None:
    """Books are read anyway, so it is no failure."""
    checkup = Checkup(load_settings(None, {})[0])

    check = asyncio.run(checkup.order_updates())

    assert (check.verdict, bool(check.todo)) == (WARN, True)


def test_a_silent_telegram_warns_without_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked at whatever the gateway does, and its token is in no text."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    run = looked(
        tmp_path,
        {"telegram_url": "http://127.0.0.1:9"},
        stopped=True,
        TELEGRAM_BOT_TOKEN=TOKEN,
        TELEGRAM_CHAT_ID="7",
    )

    assert run.checks["telegram"].verdict is WARN
    assert TOKEN not in run.text


def test_secrets_are_taken_out_of_what_others_say() -> None:
    """A key that comes back in somebody's message is not shown."""
    settings = load_settings(None, {"OPENALGO_API_KEY": KEY})[0]

    assert scrub(settings, f"bad key {KEY}") == "bad key ********"


# ---------------------------------------------------------------- the command line


def run_cli(*arguments: str, cwd: Path, **given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "baseline_v1_live.check_system", *arguments],
        cwd=cwd,
        env=_process_environ(given),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _process_environ(given: dict[str, str]) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **given}


def test_a_good_gateway_ends_with_0(tmp_path: Path) -> None:
    """The process follows the simulator's clock, prints JSON that is well, and shows no key."""

    async def story(gateway: Gateway) -> None:
        async with ticking(gateway):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "baseline_v1_live.check_system",
                "--json", "--atm", "26000", "--expiry", "01dec26",
                "--sim-clock", gateway.server.url,
                cwd=tmp_path,
                env=_process_environ(environ(gateway, tmp_path)),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            out, err = await asyncio.wait_for(process.communicate(), 60)
        told = json.loads(out)
        assert [c for c in told["checks"] if c["verdict"] in ("WARN", "FAIL")] == []
        assert (told["ok"], process.returncode, err) == (True, 0, b"")
        assert KEY.encode() not in out

    play(story)


def test_a_failure_ends_with_1(tmp_path: Path) -> None:
    """Lines go to standard output; the folder stays as it was."""
    done = run_cli(cwd=tmp_path)

    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("FAIL  settings ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "given", "words"),
    [
        ([], {"OPENALGO_HOST": "gateway:5000"}, "must be an address that begins with http://"),
        (["--expiry", "32DEC26"], {}, "expiry '32DEC26' is not a date"),
        (["--atm", "high"], {}, "--atm 'high' is not a strike"),
        (["--atm", "nan"], {}, "--atm 'nan' is not a strike"),
        (["--env-file", "no.env"], {}, "no.env: no such file"),
        (["--sim-clock", "http://127.0.0.1:9"], {}, "no clock at http://127.0.0.1:9"),
        (
            ["--sim-clock", "http://127.0.0.1:9"],
            {"PAPER_TRADING": "false", "BROKER_MIS_CUTOFF": "15:20"},
            "--sim-clock is for paper trading",
        ),
    ],
)
def test_a_mistake_of_the_user_ends_with_2(
    tmp_path: Path, arguments: list[str], given: dict[str, str], words: str
) -> None:
    """One plain line on standard error, or as JSON on standard output, and never a traceback."""
    done = run_cli(*arguments, cwd=tmp_path, **given)
    as_data = run_cli(*arguments, "--json", cwd=tmp_path, **given)

    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr
    assert (as_data.returncode, as_data.stderr) == (2, "")
    assert json.loads(as_data.stdout)["ok"] is False
    assert words in json.loads(as_data.stdout)["checks"][0]["seen"]


def test_another_file_of_settings_is_read(tmp_path: Path) -> None:
    """The named file's settings hold, and its mode is looked at."""
    path = tmp_path / "bot.env"
    path.write_text("R_VALUE=7000\n", "utf-8")
    path.chmod(0o644)

    done = run_cli("--env-file", "bot.env", cwd=tmp_path)

    assert "R 7000" in done.stdout
    assert "chmod 600 bot.env" in done.stdout
