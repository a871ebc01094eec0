"""Whole generated days under each exit policy: flat, covered, with equal books, also with kills."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import Purpose
from baseline_v1_live.core.position import FIXED_TARGET, STAGE, Position
from baseline_v1_live.core.risk import stage_part
from baseline_v1_live.core.rules import ExitPolicy, Rules
from baseline_v1_live.research.replay import Replay
from baseline_v1_live.research.result import to_json
from baseline_v1_live.sim.exchange import ExchangeModel
from baseline_v1_live.sim.generator import generate_day
from tests.research.test_replay import NAKED_MAX_MS, assert_day_is_whole, session_of
from tests.research.test_restart import LastState, assert_a_day_with_kills_is_whole

POLICIES = [ExitPolicy.STAGED, ExitPolicy.FIXED, ExitPolicy.TRAILING]

# Nearer than the defaults, so that a day has more of everything.
NEAR = {
    "staged_r_milli": (500, 1_000),
    "day_target_r_milli": 2_000,
    "fixed_target_r_milli": 700,
    "trailing_arm_r_milli": 1_000,
    "trailing_gap_r_milli": 500,
}


class Watch:
    """Checks after every step that each short is covered, and what the policy promises."""

    def __init__(self) -> None:
        self.replay: Replay | None = None
        self.targets: dict[str, int] = {}
        self.peak_milli = 0
        self._bare_since: dict[str, int] = {}
        self._stages = 0

    def look(self) -> None:
        assert self.replay is not None
        engine = self.replay.engine
        limits = engine.exits.limits
        if engine.positions.day_exit_reason is None:
            self.peak_milli = max(self.peak_milli, engine.r_milli)
        for level in engine.rules.staged_r_milli[self._stages : limits.stages_reached]:
            assert engine.r_milli >= level
        self._stages = limits.stages_reached
        for position in engine.positions.open.values():
            self._is_covered(position)
            if position.exit_wanted == FIXED_TARGET and position.position_id not in self.targets:
                target = engine.positions.own_target(position)
                assert target is not None
                assert engine.market.symbols[position.symbol].last_paise <= target
                self.targets[position.position_id] = target

    def _is_covered(self, position: Position) -> None:
        """All that is open is under a resting stop or bought back by a live order; 5 s at most not."""
        assert self.replay is not None
        orders = self.replay.engine.orders
        stops = orders.live_of(position.position_id, Purpose.STOP)
        exits = orders.live_of(position.position_id, Purpose.EXIT)
        under = sum(o.remaining for o in stops if o.resting) + sum(o.remaining for o in exits)
        if position.open_quantity <= under:
            self._bare_since.pop(position.position_id, None)
            return
        since = self._bare_since.setdefault(position.position_id, orders.now_ms)
        assert orders.now_ms - since <= NAKED_MAX_MS


def play(seed: int, rules: Rules) -> tuple[Replay, Watch]:
    day, watch = generate_day(seed, strikes_each_side=5, ticks_per_second=0.3), Watch()
    replay = Replay(day, rules, session_of(day.date), ExchangeModel(), after_step=watch.look)
    watch.replay = replay
    replay.run()
    return replay, watch


def assert_policy_was_kept(replay: Replay, watch: Watch) -> None:
    engine = replay.engine
    rules, reason = engine.rules, engine.positions.day_exit_reason
    for position in engine.positions.positions.values():
        bought = [o for o in engine.orders.orders.values() if o.position_id == position.position_id]
        staged = sum(o.filled_quantity for o in bought if o.reason.endswith(STAGE))
        original = position.entry_quantity - position.surplus_quantity
        part = stage_part(original, position.lot_size, rules)
        assert staged <= part * position.stages <= original
        assert staged % position.lot_size == 0
    if rules.exit_policy is ExitPolicy.TRAILING:
        assert reason in ("TRAILING_EXIT", "-5R_STOP", "EOD_EXIT")
    if reason == "TRAILING_EXIT":
        assert rules.trails
        peak = engine.exits.limits.peak_r_milli
        assert peak is not None
        assert rules.trailing_arm_r_milli <= peak <= watch.peak_milli


def own_exits(policy: ExitPolicy) -> set[str]:
    """The reasons of purchases that only this policy has."""
    if policy is ExitPolicy.STAGED:
        return {"+0.5R_STAGE", "+1R_STAGE", "TRAILING_EXIT"}
    return {FIXED_TARGET} if policy is ExitPolicy.FIXED else {"TRAILING_EXIT"}


@pytest.mark.parametrize("policy", POLICIES)
def test_days_under_a_policy_end_flat_and_covered(policy: ExitPolicy) -> None:
    """On generated days the policy keeps its promises, shorts are covered, and the days end flat."""
    for seed in (4, 9):
        replay, watch = play(seed, Rules(exit_policy=policy))
        assert_day_is_whole(replay)
        assert replay.engine.day_over
        assert_policy_was_kept(replay, watch)


@pytest.mark.parametrize("policy", POLICIES)
def test_days_with_near_limits_end_flat_and_covered(policy: ExitPolicy) -> None:
    """The same holds where stages, targets and trailing come early and often, as they do here."""
    reasons: set[str] = set()
    for seed in range(1, 6):
        replay, watch = play(seed, Rules(exit_policy=policy, **NEAR))
        assert_day_is_whole(replay)
        assert replay.engine.day_over
        assert_policy_was_kept(replay, watch)
        orders = replay.engine.orders.orders.values()
        reasons |= {o.reason for o in orders if o.purpose is Purpose.EXIT and o.filled_quantity}

    assert own_exits(policy) <= reasons


def test_a_day_under_a_policy_is_deterministic() -> None:
    """The same day gives the same bytes."""
    rules = Rules(exit_policy=ExitPolicy.STAGED, **NEAR)

    assert to_json(play(3, rules)[0].result()) == to_json(play(3, rules)[0].result())


@pytest.mark.parametrize(
    ("policy", "text", "limit"),
    [
        (ExitPolicy.MARKET, "market", ("day target", 5.0)),
        (
            ExitPolicy.STAGED,
            "staged: 40 % at +3R, +4R; trailing from +4R by 1R",
            ("day target", 5.0),
        ),
        (ExitPolicy.FIXED, "fixed: each position at +2R of its own risk", ("day target", 5.0)),
        (ExitPolicy.TRAILING, "trailing from +4R by 1R", ("trailing from", 4.0)),
    ],
)
def test_the_report_says_the_policy(
    policy: ExitPolicy, text: str, limit: tuple[str, float]
) -> None:
    """The report names the policy with its limits, and draws the limit that a profit can reach."""
    day = generate_day(1, strikes_each_side=0, ticks_per_second=0.01)
    replay = Replay(day, Rules(exit_policy=policy), session_of(day.date), ExchangeModel())
    data = replay.report_data("title")

    assert (data.policy, (data.target_name, data.target_r)) == (text, limit)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("seed", [20, 22, 27])
def test_a_day_with_kills_ends_flat_with_equal_books(policy: ExitPolicy, seed: int) -> None:
    """Killed before or after a command left, several times a day: no part is lost or bought twice."""
    engine = assert_a_day_with_kills_is_whole(seed, LastState(Rules(exit_policy=policy, **NEAR)))

    for position in engine.positions.positions.values():
        assert position.exit_quantity == position.entry_quantity + position.correction_quantity
