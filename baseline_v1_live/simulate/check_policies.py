"""What must follow from R and from a price under the day's exit policy (docs/strategy.md, section 8): a
limit that holds for a moment acts. P&L is the bot's own, which other checks compare with the books.
"""

from __future__ import annotations

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.messages import Event, Tick
from baseline_v1_live.core.position import Position
from baseline_v1_live.core.rules import ExitPolicy, Rules
from baseline_v1_live.simulate.check_base import Findings


class Holding:
    """Since when something holds at every evaluation, by name."""

    def __init__(self, confirm_ms: int) -> None:
        self._confirm_ms = confirm_ms
        self._since: dict[str, int] = {}

    def for_a_moment(self, name: str, holds: bool, now: int) -> bool:
        """Whether it holds at this evaluation, and has at all others for long enough."""
        if not holds:
            self._since.pop(name, None)
            return False
        return now - self._since.setdefault(name, now) >= self._confirm_ms

    def forget(self) -> None:
        """Nothing holds yet."""
        self._since.clear()


class Policies:
    """An evaluation is a tick of an open position that is believed."""

    DAY = "a limit of the day ends it"
    STAGE = "a stage that is reached is taken"
    TARGET = "a target that trades is taken"

    def __init__(self, findings: Findings, rules: Rules) -> None:
        self._findings, self._rules = findings, rules
        self._holding = Holding(rules.r_confirm_ms)
        self._recent: list[tuple[int, int]] = []
        self._peak: int | None = None
        self._ticked: Position | None = None

    def new_process(self) -> None:
        """A restart begins every moment anew, and knows of a peak what was stored."""
        self._holding.forget()
        self._recent.clear()
        self._peak = None

    def before(self, engine: Engine, event: Event) -> None:
        """Before a step: whether it is an evaluation."""
        self._ticked = None
        if not isinstance(event, Tick) or engine.positions.day_exit_reason is not None:
            return
        if engine.reconciled and event.symbol in engine.market.symbols:
            self._ticked = engine.positions.held(event.symbol)

    def after(self, engine: Engine, event: Event) -> None:
        """After the same step."""
        position, now = self._ticked, event.at_ms
        milli = engine.r_milli
        limits = self._limits(milli)
        for name, (_, beyond) in limits.items():
            if not beyond:
                # A fill, too, may have brought R back.
                self._holding.for_a_moment(name, False, now)
        if position is None or position.last_tick_ms != now or engine.prices.stale:
            return  # No price that was believed: R is not looked at.
        ended = engine.positions.day_exit_reason is not None
        for name, (invariant, beyond) in limits.items():
            if not self._holding.for_a_moment(name, beyond, now):
                continue
            what = f"{name} at {milli / 1000:+.2f}R"
            if invariant == self.STAGE:
                taken = ended or engine.exits.limits.stages_reached >= int(name)
                self._findings.hold(self.STAGE, taken, what)
            else:
                self._findings.hold(self.DAY, ended, what)
        if self._rules.trails:
            self._follow(milli, now)
        if self._rules.exit_policy is ExitPolicy.FIXED and isinstance(event, Tick):
            self._look_at_target(engine, position, event, now)

    # ------------------------------------------------------------ inside

    def _limits(self, milli: int) -> dict[str, tuple[str, bool]]:
        """What each limit is about, and whether R is beyond it."""
        rules, policy = self._rules, self._rules.exit_policy
        limits = {"loss": (self.DAY, milli <= rules.day_stop_r_milli)}
        if policy is not ExitPolicy.TRAILING:
            limits["target"] = (self.DAY, milli >= rules.day_target_r_milli)
        if self._peak is not None:
            limits["trail"] = (self.DAY, milli <= self._peak - rules.trailing_gap_r_milli)
        if policy is ExitPolicy.STAGED:
            for number, level in enumerate(rules.staged_r_milli, start=1):
                limits[str(number)] = (self.STAGE, milli >= level)
        return limits

    def _follow(self, milli: int, now: int) -> None:
        """The peak is what R has not been below for a moment; a bot that counts moments one after the
        other has had a whole one since the first of two.
        """
        self._recent.append((now, milli))
        middle_ms = self._last_before(now)
        first_ms = None if middle_ms is None else self._last_before(middle_ms)
        if first_ms is None:
            return
        self._recent = [one for one in self._recent if one[0] >= first_ms]
        low = min(milli for _, milli in self._recent)
        if low >= self._rules.trailing_arm_r_milli:
            self._peak = low if self._peak is None else max(low, self._peak)

    def _last_before(self, at_ms: int) -> int | None:
        """The last evaluation that lies a moment before an instant."""
        until_ms = at_ms - self._rules.r_confirm_ms
        return max((ms for ms, _ in self._recent if ms <= until_ms), default=None)

    def _look_at_target(self, engine: Engine, position: Position, tick: Tick, now: int) -> None:
        target = engine.positions.own_target(position)
        short = position.open_quantity > 0
        traded = short and target is not None and tick.ltp_paise <= target
        if self._holding.for_a_moment(position.position_id, traded, now):
            wanted = bool(position.exit_wanted) or engine.positions.day_exit_reason is not None
            what = (
                f"{position.symbol} at {tick.ltp_paise / 100:.2f}, target {(target or 0) / 100:.2f}"
            )
            self._findings.hold(self.TARGET, wanted, what)
