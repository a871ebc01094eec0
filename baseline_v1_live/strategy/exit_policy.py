"""When the day is over, and when a part of it is: the limits of R, believed only when they hold for a
moment.

What each policy adds to the stop, the -5R and the square-off is in docs/strategy.md, section 8.
"""

from __future__ import annotations

from collections.abc import Iterator

from baseline_v1_live.core.position import STAGE
from baseline_v1_live.core.rules import ExitPolicy, Rules

TARGET = "+5R_TARGET"
STOP = "-5R_STOP"
SQUARE_OFF = "EOD_EXIT"
KILL_SWITCH = "KILL_SWITCH"
TRAILING_EXIT = "TRAILING_EXIT"


def r_milli(pnl_paise: int, rules: Rules) -> int:
    """P&L in thousandths of R, rounded towards zero."""
    magnitude = abs(pnl_paise) * 1000 // rules.r_value_paise
    return magnitude if pnl_paise >= 0 else -magnitude


def day_reason(reason: str, rules: Rules) -> str:
    """The reason's name with the limit that is set, e.g. ``+5R_TARGET``."""
    milli = rules.day_target_r_milli if reason == TARGET else rules.day_stop_r_milli
    return f"{milli / 1000:+g}R_{'TARGET' if reason == TARGET else 'STOP'}"


def stage_reason(level_r_milli: int) -> str:
    """The name of the purchases of a stage at this R of the day, e.g. ``+3R_STAGE``."""
    return f"{level_r_milli / 1000:+g}R{STAGE}"


class Held:
    """Which limits hold, and since when each does; one bad print must close nothing.

    A limit is believed on two evaluations in a row that lie at least ``r_confirm_ms`` apart, or when
    quotes that were asked for meanwhile confirm it. ``fresh`` is set when a limit begins to hold, so
    that quotes can be asked for; who has looked takes it back.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._since: dict[str, int] = {}
        self.fresh = False

    def believed(
        self, limit: str, beyond: bool, at_ms: int, *, sure: bool = False, quoted: bool = False
    ) -> bool:
        """Whether this evaluation makes a limit believed; ``beyond`` says whether it holds now.

        ``sure``: no price is in doubt, one evaluation is enough. ``quoted``: what it depends on was
        quoted after it had begun to hold, so that its second evaluation is enough.
        """
        if not beyond:
            self._since.pop(limit, None)
            return False
        if sure:
            return True
        since_ms = self._since.get(limit)
        if since_ms is None:
            self._since[limit] = at_ms
            self.fresh = True
            return False
        return quoted or at_ms - since_ms >= self._rules.r_confirm_ms


class DayLimits:
    """The limits of R of the day. ``stages_reached`` and ``peak_r_milli`` outlive a restart.

    ``peak_r_milli`` is the highest R that has held for a moment since trailing was armed, None before.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.held = Held(rules)
        self.stages_reached = 0
        self.peak_r_milli: int | None = None
        self._rise: tuple[int, int] | None = None

    def evaluate(
        self, pnl_paise: int, at_ms: int, *, realised: bool = False, quoted: bool = False
    ) -> str | None:
        """The day's exit reason if a limit is reached and confirmed at this evaluation.

        ``realised`` says that nothing is open: then no price is in doubt and one evaluation is enough.
        ``quoted`` says that every open position was quoted after the newest limit had been reached:
        then its second evaluation is enough.
        """
        milli = r_milli(pnl_paise, self._rules)
        # Every limit is looked at each time, so that none misses the end of its run.
        believed = [
            reason
            for reason, beyond in self._exits(milli)
            if self.held.believed(reason, beyond, at_ms, sure=realised, quoted=quoted)
        ]
        if believed:
            return believed[0]
        self._look_at_stages(milli, at_ms, sure=realised, quoted=quoted)
        self._follow_peak(milli, at_ms, sure=realised, quoted=quoted)
        return None

    def _exits(self, milli: int) -> Iterator[tuple[str, bool]]:
        """The reasons that can end the day under this policy, and whether each is reached."""
        rules, peak = self._rules, self.peak_r_milli
        yield day_reason(STOP, rules), milli <= rules.day_stop_r_milli
        if rules.exit_policy is not ExitPolicy.TRAILING:
            yield day_reason(TARGET, rules), milli >= rules.day_target_r_milli
        if rules.trails and peak is not None:
            yield TRAILING_EXIT, milli <= peak - rules.trailing_gap_r_milli

    def _look_at_stages(self, milli: int, at_ms: int, *, sure: bool, quoted: bool) -> None:
        if self._rules.exit_policy is not ExitPolicy.STAGED:
            return
        levels = self._rules.staged_r_milli
        for level in levels[self.stages_reached :]:
            if self.held.believed(
                stage_reason(level), milli >= level, at_ms, sure=sure, quoted=quoted
            ):
                self.stages_reached += 1

    def _follow_peak(self, milli: int, at_ms: int, *, sure: bool, quoted: bool) -> None:
        """Raise the peak to what R has held for a moment: the lowest of a run above the old peak.

        A bad print must not make a peak, from which the true R would then have fallen.
        """
        peak = self.peak_r_milli
        rules = self._rules
        above = milli >= rules.trailing_arm_r_milli if peak is None else milli > peak
        if not rules.trails or not above:
            self._rise = None
            return
        if self._rise is None and not sure:
            self._rise = at_ms, milli
            # Quotes are asked for when it is to be armed, not for every new peak.
            self.held.fresh |= peak is None
            return
        since_ms, lowest = self._rise or (at_ms, milli)
        lowest = min(lowest, milli)
        if sure or (quoted and peak is None) or at_ms - since_ms >= rules.r_confirm_ms:
            self.peak_r_milli = lowest
            self._rise = (at_ms, milli) if milli > lowest else None
        else:
            self._rise = since_ms, lowest
