"""Whether the account can carry an entry: asked before it is placed (docs/strategy.md, section 5).

At most one question per option type is on its way. A verdict holds for the same symbol and quantity
for a while; a question without an answer is a margin that is not known, never one that is enough.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from baseline_v1_live.core.instruments import OptionType
from baseline_v1_live.core.messages import CheckMargin, Level, MarginChecked
from baseline_v1_live.core.risk import BASIS_POINTS
from baseline_v1_live.order_manager import OrderManager
from baseline_v1_live.strategy.strike_filter import Candidate

MARGIN_LOW = "margin_low"
MARGIN_UNKNOWN = "margin_unknown"
MARGIN_ASKED = "margin_asked"

NO_ANSWER_MS = 5_000


class Asked(msgspec.Struct, frozen=True):
    """A question on its way."""

    symbol: str
    quantity: int
    at_ms: int


class Verdict(msgspec.Struct, frozen=True):
    """An answer; ``refusal`` is None where the margin is enough."""

    refusal: str | None
    at_ms: int


class MarginDesk:
    """Asks for margins and remembers the answers."""

    def __init__(self, orders: OrderManager) -> None:
        self.rules = orders.rules
        self.orders = orders
        self._asked: dict[OptionType, Asked] = {}
        self._verdicts: dict[tuple[str, int], Verdict] = {}

    def obstacle(self, candidate: Candidate, quantity: int) -> str | None:
        """Why an entry may not be placed now, None if it may; MARGIN_ASKED is no refusal but a wait.

        ``quantity`` is in units.
        """
        if not self.rules.margin_check:
            return None
        now = self.orders.now_ms
        option_type = candidate.contract.option_type
        self._give_up_waiting(option_type)
        verdict = self._verdicts.get((candidate.symbol, quantity))
        if verdict is not None and now < verdict.at_ms + self.rules.margin_fresh_ms:
            if verdict.refusal == MARGIN_UNKNOWN and not self.rules.margin_required:
                return None
            return verdict.refusal
        if option_type not in self._asked:
            self._asked[option_type] = Asked(candidate.symbol, quantity, now)
            self.orders.commands.append(
                CheckMargin(
                    symbol=candidate.symbol,
                    quantity=quantity,
                    trigger_price_paise=candidate.trigger_paise,
                    limit_price_paise=candidate.limit_paise,
                )
            )
        return MARGIN_ASKED

    def known_enough(self, symbol: str, quantity: int) -> bool:
        """Whether no margin is checked, or a fresh answer says that it is enough for ``quantity``."""
        verdict = self._verdicts.get((symbol, quantity))
        return not self.rules.margin_check or (
            verdict is not None
            and verdict.refusal is None
            and self.orders.now_ms < verdict.at_ms + self.rules.margin_fresh_ms
        )

    def on_checked(self, event: MarginChecked) -> None:
        """The gateway's answer."""
        for option_type, asked in list(self._asked.items()):
            if (asked.symbol, asked.quantity) == (event.symbol, event.quantity):
                del self._asked[option_type]
        required, available = event.required_paise, event.available_paise
        refusal = None
        if required is None or available is None:
            refusal = MARGIN_UNKNOWN
            self._say_unknown(event.symbol, event.message or "the gateway did not say")
        elif available * BASIS_POINTS < required * self.rules.margin_headroom_bp:
            refusal = MARGIN_LOW
        self._remember(event.symbol, event.quantity, refusal)

    def deadlines(self) -> Iterator[int]:
        """Instants at which a question counts as unanswered or a refusal may be asked about again."""
        for asked in self._asked.values():
            yield asked.at_ms + NO_ANSWER_MS
        for verdict in self._verdicts.values():
            due = verdict.at_ms + self.rules.margin_fresh_ms
            if verdict.refusal is not None and due > self.orders.now_ms:
                yield due

    # ------------------------------------------------------------ inside

    def _give_up_waiting(self, option_type: OptionType) -> None:
        asked = self._asked.get(option_type)
        if asked is not None and self.orders.now_ms >= asked.at_ms + NO_ANSWER_MS:
            del self._asked[option_type]
            self._say_unknown(asked.symbol, "no answer")
            self._remember(asked.symbol, asked.quantity, MARGIN_UNKNOWN)

    def _remember(self, symbol: str, quantity: int, refusal: str | None) -> None:
        now = self.orders.now_ms
        oldest = now - self.rules.margin_fresh_ms
        self._verdicts = {key: v for key, v in self._verdicts.items() if v.at_ms > oldest}
        self._verdicts[symbol, quantity] = Verdict(refusal, now)

    def _say_unknown(self, symbol: str, why: str) -> None:
        what = "not entered" if self.rules.margin_required else "entered all the same"
        text = f"margin of {symbol} not known ({why}): {what}"
        self.orders.say(Level.ALERT, "ORDER", text, "margin_unknown")
