"""Order messages: never more than allowed in any second or minute, and exits before entries."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseline_v1_live.adapters.openalgo.limiter import (
    Limits,
    OrderLimiter,
    SlidingWindow,
    is_urgent,
)
from baseline_v1_live.core.messages import (
    CancelOrder,
    ModifyOrder,
    OrderType,
    PlaceOrder,
    Purpose,
    Side,
)


def _send(window: SlidingWindow, count: int, at_ms: int, *, urgent: bool) -> int:
    """How many of ``count`` messages may leave at this instant."""
    for done in range(count):
        if window.wait_ms(at_ms, urgent=urgent):
            return done
        window.take(at_ms)
    return count


def test_entries_get_8_a_second_and_exits_10() -> None:
    """Two of each second are left when entries have used theirs."""
    window = SlidingWindow()

    assert _send(window, 20, 5_000, urgent=False) == 8
    assert _send(window, 20, 5_000, urgent=True) == 2
    assert window.wait_ms(5_000, urgent=True) == 1_000
    assert window.wait_ms(5_999, urgent=True) == 1
    assert window.wait_ms(6_000, urgent=True) == 0


def test_a_share_of_each_minute_is_for_exits() -> None:
    """Entries stop at 70 of 100, exits have the other 30."""
    window = SlidingWindow()
    entries = sum(_send(window, 20, second * 1_000, urgent=False) for second in range(30))
    exits = sum(_send(window, 20, 30_000 + second * 1_000, urgent=True) for second in range(10))

    assert (entries, exits) == (70, 30)
    assert window.wait_ms(40_000, urgent=True) == 20_000
    assert window.wait_ms(60_000, urgent=True) == 0
    assert window.wait_ms(60_000, urgent=False) > 0


@given(st.lists(st.tuples(st.integers(0, 400), st.booleans()), max_size=300))
def test_no_window_ever_holds_too_many(steps: list[tuple[int, bool]]) -> None:
    """Whoever waits as told keeps 10 in every second and 100 in every minute, wherever it starts."""
    window, now_ms, sent = SlidingWindow(), 0, []
    for pause_ms, urgent in steps:
        now_ms += pause_ms
        now_ms += window.wait_ms(now_ms, urgent=urgent)
        assert window.wait_ms(now_ms, urgent=urgent) == 0
        window.take(now_ms)
        sent.append(now_ms)

    for at_ms in sent:
        assert sum(at_ms - 1_000 < other <= at_ms for other in sent) <= 10
        assert sum(at_ms - 60_000 < other <= at_ms for other in sent) <= 100


def test_after_a_refusal_by_the_gateway_nothing_leaves_for_a_while() -> None:
    """Not even exits: they would only be refused too."""
    window = SlidingWindow()
    window.hold(0, 1_000)

    assert window.wait_ms(0, urgent=True) == 1_000
    assert window.wait_ms(1_000, urgent=True) == 0


class _Clock:
    """Time that only passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now_ms = 0

    async def sleep(self, seconds: float) -> None:
        due = self.now_ms + round(seconds * 1000)
        await asyncio.sleep(0)
        self.now_ms = max(self.now_ms, due)


def test_exits_overtake_entries() -> None:
    """An exit that comes last leaves first; equals leave in the order they came."""

    async def scenario() -> list[str]:
        clock, left = _Clock(), []
        limits = Limits(entries_per_second=1, exits_per_second=1)
        limiter = OrderLimiter(limits, now_ms=lambda: clock.now_ms, sleep=clock.sleep)

        async def leave(name: str, urgent: bool) -> None:
            await limiter.acquire(urgent=urgent)
            left.append(name)

        names = [
            ("first", False),
            ("entry-1", False),
            ("entry-2", False),
            ("exit-1", True),
            ("exit-2", True),
        ]
        await asyncio.gather(*(leave(*name) for name in names))
        return left

    assert asyncio.run(scenario()) == ["first", "exit-1", "exit-2", "entry-1", "entry-2"]


def test_who_gives_up_leaves_the_queue() -> None:
    """A cancelled caller neither sends nor stands in the way."""

    async def scenario() -> int:
        clock = _Clock()
        limits = Limits(entries_per_second=1, exits_per_second=1)
        limiter = OrderLimiter(limits, now_ms=lambda: clock.now_ms, sleep=clock.sleep)
        await limiter.acquire(urgent=True)
        waiting = asyncio.create_task(limiter.acquire(urgent=True))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await limiter.acquire(urgent=False)
        return clock.now_ms

    assert asyncio.run(scenario()) == 1_000


def test_who_has_no_patience_is_told_so() -> None:
    """An entry that cannot leave soon does not leave at all, and uses no place in the window."""

    async def scenario() -> tuple[bool, bool, int]:
        clock = _Clock()
        limits = Limits(entries_per_second=1, exits_per_second=1)
        limiter = OrderLimiter(limits, now_ms=lambda: clock.now_ms, sleep=clock.sleep)
        await limiter.acquire(urgent=True)
        late = await limiter.acquire(urgent=False, patience_ms=400)
        at_ms = clock.now_ms
        return late, await limiter.acquire(urgent=False, patience_ms=1_000), at_ms

    assert asyncio.run(scenario()) == (False, True, 400)


def test_forty_at_once_keep_the_pace() -> None:
    """Through the waiting wrapper too, no second holds more than 8 entries."""

    async def scenario() -> list[int]:
        clock, left = _Clock(), []
        limiter = OrderLimiter(now_ms=lambda: clock.now_ms, sleep=clock.sleep)

        async def leave() -> None:
            await limiter.acquire(urgent=False)
            left.append(clock.now_ms)

        await asyncio.gather(*(leave() for _ in range(40)))
        return left

    left = asyncio.run(scenario())
    assert len(left) == 40
    assert all(
        later - earlier >= 1_000
        for earlier, later in zip(left, itertools.islice(left, 8, None), strict=False)
    )


def _place(purpose: Purpose) -> PlaceOrder:
    return PlaceOrder(
        order_id="1",
        symbol="S",
        side=Side.SELL,
        order_type=OrderType.MARKET,
        purpose=purpose,
        quantity=65,
    )


def _modify(side: Side) -> ModifyOrder:
    return ModifyOrder(
        order_id="1", broker_order_id="7", symbol="S", side=side, order_type=OrderType.LIMIT,
        quantity=65, trigger_price_paise=0, limit_price_paise=5,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("command", "urgent"),
    [
        (_place(Purpose.ENTRY), False),
        (_place(Purpose.STOP), True),
        (_place(Purpose.EXIT), True),
        (_place(Purpose.CORRECTION), True),
        (_modify(Side.BUY), True),
        (_modify(Side.SELL), False),
        (CancelOrder(order_id="1", broker_order_id="7"), True),
    ],
)
def test_what_is_urgent(command: PlaceOrder | ModifyOrder | CancelOrder, urgent: bool) -> None:
    """Everything but opening a short, or moving the order that does."""
    assert is_urgent(command) is urgent
