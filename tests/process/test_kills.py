"""The bot is killed at some places of a short day and started again.

``python -m tools.reliability_process --all`` does it at every place.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from baseline_v1_live.adapters.journal import Journal
from tests.process.kills import RESTART_MAX_S, Kill, Outcome, play
from tests.process.short_day import STOPPED_OUT
from tests.process.short_desk import BARE_MAX_MS, SIDE_BY_SIDE, short_day

# Spread over the day: the first step; an entry whose intent is stored and that was not sent; one that the
# gateway has and nobody remembers; a stop that was not sent, and one that the gateway has; and late in
# the day.
PLACES = (
    Kill("before commit 0.1"),
    Kill("before send 1", outage_ms=20_000),
    Kill("after send 2", outage_ms=60_000),
    Kill("before send 3"),
    Kill("after send 4", outage_ms=20_000),
    Kill("after send 12"),
)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    folder = tmp_path_factory.mktemp("kills")
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return list(pool.map(lambda n: play(folder / str(n), [PLACES[n]]), range(len(PLACES))))


def test_a_kill_leaves_nothing_behind(days: list[Outcome]) -> None:
    """Wherever the process dies: after its restart every short is covered within 5 s of the market, no
    entry is there twice, the day ends flat with code 0, and the journal equals the exchange's history.
    """
    assert {day.name: day.violations for day in days if day.violations} == {}
    assert [day.name for day in days if not day.killed] == []


def test_a_restart_has_reconciled_in_time(days: list[Outcome]) -> None:
    """From the start of the process to books that are read and compared, in real seconds."""
    restarts_s = [took_s for day in days for took_s in day.restarts_s]

    assert len(restarts_s) == len(PLACES)
    assert max(restarts_s) <= RESTART_MAX_S


def test_what_is_wrong_is_seen(tmp_path: Path) -> None:
    """The check can fail: a short that nobody covers is bare, held at the end, and not in the journal."""
    with short_day(tmp_path) as desk:
        desk.state.mkdir(parents=True)
        Journal.open(desk.journal).close()
        order = {"strategy": "test", "exchange": "NFO", "product": "MIS", "pricetype": "MARKET"}
        desk.rest("placeorder", **order, symbol=STOPPED_OUT, action="SELL", quantity="65")
        desk.advance(desk.now_ms() + BARE_MAX_MS + 1_000)

        # The bare short, the position, the order that only the exchange has, and the sums of the fills.
        assert len(desk.violations()) == 4, desk.violations()

        desk.downtimes.append((0, desk.now_ms()))
        assert len(desk.violations()) == 3, desk.violations()
