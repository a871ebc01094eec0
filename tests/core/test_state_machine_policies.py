"""The other exit policies against a hostile broker: what holds under ``market`` holds under each.

The invariants are those of test_state_machine.py. The limits are near, so that a short run reaches them.
"""

from __future__ import annotations

import os
from typing import ClassVar

import msgspec
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from baseline_v1_live.core.messages import OrderType, PlaceOrder
from baseline_v1_live.core.position import FIXED_TARGET, STAGE
from baseline_v1_live.core.rules import ExitPolicy, Rules
from tests.core.hostile_broker import News
from tests.core.hostile_day import LOTS, NEWS, RULES, SYMBOLS
from tests.core.test_state_machine import OrdersAndPositions

NEAR = msgspec.structs.replace(
    RULES,
    staged_r_milli=(300, 600),
    fixed_target_r_milli=300,
    trailing_arm_r_milli=400,
    trailing_gap_r_milli=300,
)


class UnderAPolicy(OrdersAndPositions):
    """Orders with a limit are those of the policy, and no stop is in their way."""

    trading_rules: ClassVar[Rules] = NEAR

    def shorts(self) -> list[str]:
        return [symbol for symbol in SYMBOLS if self.broker.own_short(symbol) > 0]

    def begin(self) -> None:
        """What rests is sold, so that there is something to take a profit of."""
        for row in self.waiting_rows():
            self.price_is(row.symbol, row.trigger_paise, 100, News.FULL, seen=True)
        self.settle()

    @precondition(lambda self: self.shorts())
    @rule(fall=st.sampled_from((200, 500, 1_000)), lots=LOTS, news=NEWS, quoted=st.booleans())
    def profit_holds(self, fall: int, lots: int, news: News, quoted: bool) -> None:
        """All that is held becomes cheaper, and is seen to stay so for more than a second."""
        for symbol in self.shorts():
            price = max(self.broker.price[symbol] - fall, 500)
            self.price_is(symbol, price, lots, news, seen=True)
        if quoted:
            self.settle()
        self.pass_time(1_000)
        for symbol in self.shorts():
            self.show(symbol, self.broker.price[symbol])

    def check_exit_type(self, command: PlaceOrder) -> None:
        taken = command.reason == FIXED_TARGET or command.reason.endswith(STAGE)
        assert taken or command.order_type is OrderType.MARKET
        assert command.order_type in (OrderType.MARKET, OrderType.LIMIT)


class Staged(UnderAPolicy):
    """Under ``staged``."""

    trading_rules = msgspec.structs.replace(NEAR, exit_policy=ExitPolicy.STAGED)


class Fixed(UnderAPolicy):
    """Under ``fixed``."""

    trading_rules = msgspec.structs.replace(NEAR, exit_policy=ExitPolicy.FIXED)


class Trailing(UnderAPolicy):
    """Under ``trailing``."""

    trading_rules = msgspec.structs.replace(NEAR, exit_policy=ExitPolicy.TRAILING)


EXAMPLES = int(os.environ.get("BASELINE_HYPOTHESIS_EXAMPLES", "25"))
SEED = os.environ.get("BASELINE_HYPOTHESIS_SEED")


def case_of(machine: type[RuleBasedStateMachine]) -> type:
    case = machine.TestCase
    case.settings = settings(
        max_examples=EXAMPLES,
        stateful_step_count=40,
        derandomize=SEED is None,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    return case if SEED is None else seed(int(SEED))(case)


TestStaged = case_of(Staged)
TestFixed = case_of(Fixed)
TestTrailing = case_of(Trailing)
