"""Which ticks may be believed (docs/strategy.md, section 2, the last rule).

A quarantined tick is counted by its reason and used for nothing.
"""

from __future__ import annotations

from baseline_v1_live.core.messages import Tick
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import Session

NOT_A_PRICE = "not_a_price"
INDEX_PRICE = "index_price"
FUTURE = "from_the_future"
OUT_OF_ORDER = "out_of_order"
OUTSIDE_SESSION = "outside_session"
PRICE_JUMP = "price_jump"

_BASIS_POINTS = 10_000


# A clock of ours that is a little behind the exchange's must not blind the bot.
_FUTURE_MS = 60_000


class TickGate:
    """Judges the ticks of one symbol against its last good one."""

    __slots__ = ("_last_at_ms", "_last_paise", "_limit_bp", "_session", "_suspect_paise")

    def __init__(self, rules: Rules, session: Session) -> None:
        self._session = session
        # Between two snapshots a minute apart any jump is possible, so the rule is off for those.
        self._limit_bp = 0 if rules.snapshot_cadence_ms else rules.jump_limit_bp
        self._last_at_ms = 0
        self._last_paise = 0
        self._suspect_paise = 0

    def refusal(self, tick: Tick, index_paise: int | None) -> str | None:
        """Why this tick is quarantined, None if it is good; a good tick becomes the last one.

        ``index_paise`` is the index level to compare an option's price with, None for the index.
        """
        ltp = tick.ltp_paise
        if ltp <= 0:
            return NOT_A_PRICE
        if ltp == index_paise:
            return INDEX_PRICE
        at = tick.at_ms if tick.exchange_at_ms is None else tick.exchange_at_ms
        if at > tick.at_ms + _FUTURE_MS:
            return FUTURE
        # A quote is asked for and answered now, whatever stamp a tick before it had.
        if at < self._last_at_ms and not tick.quoted:
            return OUT_OF_ORDER
        if not self._session.open_ms <= at <= self._session.close_ms:
            return OUTSIDE_SESSION
        if self._limit_bp and self._last_paise and self._jumps(ltp, self._last_paise):
            second = self._suspect_paise and not self._jumps(ltp, self._suspect_paise)
            if not second and not _quoted(tick):
                self._suspect_paise = ltp
                return PRICE_JUMP
        if not tick.quoted:
            # A quote without the exchange's time must not make the feed's next tick look old.
            self._last_at_ms = at
        self._last_paise = ltp
        self._suspect_paise = 0
        return None

    def _jumps(self, price_paise: int, from_paise: int) -> bool:
        return abs(price_paise - from_paise) * _BASIS_POINTS > self._limit_bp * from_paise


def _quoted(tick: Tick) -> bool:
    """Whether the tick's own quote supports its price."""
    bid, ask = tick.bid_paise, tick.ask_paise
    return bid is not None and ask is not None and bid <= tick.ltp_paise <= ask
