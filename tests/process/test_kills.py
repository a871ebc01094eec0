"""The bot is killed at some places of a short day and started again.

``python -m tools.reliability_process --all`` does it at every place.
"""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from baseline_v1_live.adapters.journal import Journal
from tests.process.kills import RESTART_MAX_S, Kill, Outcome, play
from tests.process.short_day import RESTING, SQUARE_OFF_MS, SQUARED_OFF, STARTS_MS, STOPPED_OUT
from tests.process.short_desk import SIDE_BY_SIDE, WRONG_MAX_MS, ShortDesk, short_day

# Spread over the day: a journal that is half made; an entry whose intent is stored and that was not sent;
# two that fill while nobody looks; a stop that was not sent; one that the gateway has, and again while it
# is taken up; an exit; a damaged journal, and again when the new one has begun; an instant by chance.
DAYS = (
    [Kill("after schema 0.2")],
    [Kill("before send 1", outage_ms=20_000)],
    [Kill("after send 2", outage_ms=90_000)],
    [Kill("before send 3")],
    [Kill("after send 4", outage_ms=20_000), Kill("after commit 0.1")],
    [Kill("after send 12")],
    [Kill("after send 4", damage="file truncated"), Kill("after commit 0.1", outage_ms=20_000)],
    [Kill(at_ms=random.Random(7).randrange(STARTS_MS, SQUARE_OFF_MS))],
)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    folder = tmp_path_factory.mktemp("kills")
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return list(pool.map(lambda n: play(folder / str(n), DAYS[n]), range(len(DAYS))))


def test_a_kill_leaves_nothing_behind(days: list[Outcome]) -> None:
    """Wherever the process dies: after its restart every short is covered within 5 s of the market by one
    stop for just what is short, nothing is long, no entry is there twice, the day ends flat with code 0,
    and the journal equals the exchange's history unless it was damaged.
    """
    assert {day.name: day.violations for day in days if day.violations} == {}
    assert [day.name for day in days if day.killed < len(day.kills)] == []


def test_a_restart_has_reconciled_in_time(days: list[Outcome]) -> None:
    """From the start of the process to books that are read and compared, in real seconds."""
    for day in days:
        # Who is killed before that has none.
        assert day.restarts_s, day.name
        assert max(day.restarts_s) <= RESTART_MAX_S, day.name


def test_what_is_wrong_is_seen(tmp_path: Path) -> None:
    """The check can fail: a short that nobody covers and that is sold again, a long, and stops without a
    short stand too long unless nobody could look after them; what is held or works at the end, and what
    the journal does not have, is wrong in any case.
    """
    with short_day(tmp_path) as desk:
        desk.state.mkdir(parents=True)
        Journal.open(desk.journal).close()

        def order(symbol: str, action: str, **fields: str) -> None:
            known = {"strategy": "test", "exchange": "NFO", "product": "MIS", "quantity": "65"}
            kind = {"pricetype": "MARKET", **fields}
            desk.rest("placeorder", **known, **kind, symbol=symbol, action=action)

        order(STOPPED_OUT, "SELL")
        order(STOPPED_OUT, "SELL")
        order(SQUARED_OFF, "BUY")
        for _ in range(2):
            order(RESTING, "BUY", pricetype="SL", trigger_price="150", price="153")
        desk.advance(desk.now_ms() + WRONG_MAX_MS + 1_000)

        at_any_time = {
            "sold although short": 1,
            "held at the end": 1,
            "works at the end": 2,
            "only at the broker": 5,
            "the positions have other sums": 1,
        }
        too_long = {
            "bare too long": 1,
            "long too long": 1,
            "a stop for more than is short too long": 1,
            "more than one stop too long": 1,
        }
        assert _kinds(desk) == at_any_time | too_long, desk.violations()

        desk.downtimes.append((0, desk.now_ms()))
        assert _kinds(desk) == at_any_time, desk.violations()


def _kinds(desk: ShortDesk) -> Counter[str]:
    return Counter(line.split(":")[0] for line in desk.violations())
