"""When the day is over: the R limits, believed only when they hold for a moment."""

from __future__ import annotations

from baseline_v1_live.core.rules import Rules

TARGET = "+5R_TARGET"
STOP = "-5R_STOP"
SQUARE_OFF = "EOD_EXIT"
KILL_SWITCH = "KILL_SWITCH"


def r_milli(pnl_paise: int, rules: Rules) -> int:
    """P&L in thousandths of R, rounded towards zero."""
    magnitude = abs(pnl_paise) * 1000 // rules.r_value_paise
    return magnitude if pnl_paise >= 0 else -magnitude


def day_reason(reason: str, rules: Rules) -> str:
    """The reason's name with the limit that is set, e.g. ``+5R_TARGET``."""
    milli = rules.day_target_r_milli if reason == TARGET else rules.day_stop_r_milli
    return f"{milli / 1000:+g}R_{'TARGET' if reason == TARGET else 'STOP'}"


class DayLimits:
    """The market policy: close all at the day's target or stop.

    A limit fires on two evaluations in a row that lie at least ``r_confirm_ms`` apart, or when quotes
    asked for meanwhile confirm it, so that one bad print closes nothing.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._reason: str | None = None
        self._since_ms = 0

    @property
    def reached_ms(self) -> int | None:
        """Since when a limit holds and waits for its confirmation, None while none is reached."""
        return None if self._reason is None else self._since_ms

    def evaluate(
        self, pnl_paise: int, at_ms: int, *, realised: bool = False, quoted: bool = False
    ) -> str | None:
        """The day's exit reason if a limit is reached and confirmed at this evaluation.

        ``realised`` says that nothing is open: then no price is in doubt and one evaluation is enough.
        ``quoted`` says that every open position was quoted after the limit had been reached: then
        its second evaluation is enough.
        """
        milli = r_milli(pnl_paise, self._rules)
        if milli >= self._rules.day_target_r_milli:
            reason = TARGET
        elif milli <= self._rules.day_stop_r_milli:
            reason = STOP
        else:
            self._reason = None
            return None
        if realised:
            return day_reason(reason, self._rules)
        if reason != self._reason:
            self._reason, self._since_ms = reason, at_ms
            return None
        if not quoted and at_ms - self._since_ms < self._rules.r_confirm_ms:
            return None
        return day_reason(reason, self._rules)
