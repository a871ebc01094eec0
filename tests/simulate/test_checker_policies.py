"""The checker on limits of R, stages, trails and targets: what holds for a moment has to act."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from baseline_v1_live.core.messages import Tick
from baseline_v1_live.core.rules import ExitPolicy, Rules
from baseline_v1_live.simulate.check_base import Findings
from baseline_v1_live.simulate.check_policies import Policies

CALL = "NIFTY29DEC2626000CE"


class Day:
    """A bot with one short, R of which is set by hand; it acts when it is told to."""

    def __init__(self, policy: ExitPolicy) -> None:
        self.rules = Rules(exit_policy=policy)
        self.now = 0
        self.findings = Findings(lambda: self.now)
        self.check = Policies(self.findings, self.rules)
        self.position = SimpleNamespace(
            symbol=CALL, position_id="1", last_tick_ms=0, open_quantity=65, exit_wanted=""
        )
        self.limits = SimpleNamespace(stages_reached=0)
        self.positions = SimpleNamespace(
            day_exit_reason=None,
            held=lambda _: self.position,
            own_target=lambda _: 10_000,
        )
        self.bot: Any = SimpleNamespace(
            positions=self.positions,
            reconciled=True,
            market=SimpleNamespace(symbols={CALL: None}),
            prices=SimpleNamespace(stale=False),
            exits=SimpleNamespace(limits=self.limits),
            r_milli=0,
        )

    def tick(
        self,
        after_s: float,
        r: float,
        *,
        ltp: int = 20_000,
        believed: bool = True,
        exits: bool = False,
    ) -> None:
        """A tick, by which R is now so much; ``exits``: the bot ends the day at it."""
        self.now += round(after_s * 1000)
        tick = Tick(seq=1, at_ms=self.now, symbol=CALL, ltp_paise=ltp)
        self.check.before(self.bot, tick)
        if believed:
            self.position.last_tick_ms = self.now
            self.bot.r_milli = round(r * 1000)
        if exits:
            self.positions.day_exit_reason = "done"
        self.check.after(self.bot, tick)

    @property
    def said(self) -> set[str]:
        """What was wrong."""
        return {violation.invariant for violation in self.findings.violations}


@pytest.mark.parametrize("r", [-5.0, 5.0])
@pytest.mark.parametrize(
    ("after_s", "exits", "said"), [(1, False, True), (1, True, False), (0.9, False, False)]
)
def test_a_limit_that_holds_for_a_second_ends_the_day(
    r: float, after_s: float, exits: bool, said: bool
) -> None:
    """Two prices a second apart are enough."""
    day = Day(ExitPolicy.MARKET)
    day.tick(1, r)
    day.tick(after_s, r, exits=exits)

    assert (Policies.DAY in day.said) is said


def test_a_limit_that_did_not_hold_in_between_begins_anew() -> None:
    """Nor does a price count that was not believed."""
    day = Day(ExitPolicy.MARKET)
    day.tick(1, -5.1)
    day.tick(0.6, -4.9)
    day.tick(0.6, -5.1)
    day.tick(1, -5.1, believed=False)

    assert day.said == set()


def test_a_restart_begins_every_moment_anew() -> None:
    """It has seen one price only."""
    day = Day(ExitPolicy.MARKET)
    day.tick(1, -5.1)
    day.check.new_process()
    day.tick(1, -5.1)

    assert day.said == set()


def test_under_trailing_there_is_no_target_but_a_trail() -> None:
    """R may rise beyond +5; one below what it has held for long it must end."""
    day = Day(ExitPolicy.TRAILING)
    for r in (4.5, 5.5, 6.0, 6.0, 6.0):
        day.tick(1, r)
    assert day.said == set()
    day.tick(1, 4.9)
    day.tick(1, 4.9)

    assert day.said == {Policies.DAY}


def test_a_peak_of_a_moment_is_none() -> None:
    """R was above for one price only."""
    day = Day(ExitPolicy.TRAILING)
    for r in (4.5, 4.5, 4.5, 9.0, 4.5, 4.5, 4.5):
        day.tick(1, r)

    assert day.said == set()


@pytest.mark.parametrize(("reached", "said"), [(0, True), (1, False)])
def test_a_stage_that_is_reached_is_taken(reached: int, said: bool) -> None:
    """At +3R of the day the first one."""
    day = Day(ExitPolicy.STAGED)
    day.tick(1, 3.0)
    day.limits.stages_reached = reached
    day.tick(1, 3.0)

    assert (Policies.STAGE in day.said) is said


@pytest.mark.parametrize(
    ("wanted", "ltp", "said"),
    [("", 10_000, True), ("FIXED_TARGET", 10_000, False), ("", 10_005, False)],
)
def test_a_target_that_trades_is_taken(wanted: str, ltp: int, said: bool) -> None:
    """It has to trade, for a second."""
    day = Day(ExitPolicy.FIXED)
    day.tick(1, 0.5, ltp=ltp)
    day.position.exit_wanted = wanted
    day.tick(1, 0.5, ltp=ltp)

    assert (Policies.TARGET in day.said) is said
