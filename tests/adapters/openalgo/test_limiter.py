"""Order messages: never more than allowed in any second or minute, and what protects before the rest."""

from __future__ import annotations

import asyncio
import itertools
import selectors
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baseline_v1_live.adapters.openalgo.limiter import (
    Limits,
    OrderLimiter,
    SlidingWindow,
    Urgency,
    urgency_of,
)
from baseline_v1_live.core.messages import (
    CancelOrder,
    ModifyOrder,
    OrderType,
    PlaceOrder,
    Purpose,
    Side,
)

PROTECT, CANCEL, CHASE, ENTRY = Urgency

ResultT = TypeVar("ResultT")


def _send(window: SlidingWindow, count: int, at_ms: int, urgency: Urgency) -> int:
    """How many of ``count`` messages may leave at this instant."""
    for done in range(count):
        if window.wait_ms(at_ms, urgency):
            return done
        window.take(at_ms)
    return count


def test_entries_get_8_a_second_and_exits_10() -> None:
    """Two of each second are left when entries have used theirs."""
    window = SlidingWindow()

    assert _send(window, 20, 5_000, ENTRY) == 8
    assert _send(window, 20, 5_000, PROTECT) == 2
    assert window.wait_ms(5_000, PROTECT) == 1_000
    assert window.wait_ms(5_999, PROTECT) == 1
    assert window.wait_ms(6_000, PROTECT) == 0


def test_a_share_of_each_minute_is_for_exits() -> None:
    """Entries stop at 70 of 100, exits have the other 30."""
    window = SlidingWindow()
    entries = sum(_send(window, 20, second * 1_000, ENTRY) for second in range(30))
    exits = sum(_send(window, 20, 30_000 + second * 1_000, PROTECT) for second in range(10))

    assert (entries, exits) == (70, 30)
    assert window.wait_ms(40_000, PROTECT) == 20_000
    assert window.wait_ms(60_000, PROTECT) == 0
    assert window.wait_ms(60_000, ENTRY) > 0


def test_chases_leave_half_of_that_share_alone() -> None:
    """Stops chased once a second take 85 of a minute; the rest is for new stops, exits and cancels."""
    window = SlidingWindow()
    chases = sum(_send(window, 10, second * 1_000, CHASE) for second in range(30))
    exits = _send(window, 5, 40_000, PROTECT)
    cancels = sum(_send(window, 20, second * 1_000, CANCEL) for second in range(41, 50))

    assert (chases, exits, cancels) == (85, 5, 10)


def test_after_a_refusal_by_the_gateway_nothing_leaves_for_a_while() -> None:
    """Not even exits: they would only be refused too."""
    window = SlidingWindow()
    window.hold(0, 1_000)

    assert window.wait_ms(0, PROTECT) == 1_000
    assert window.wait_ms(1_000, PROTECT) == 0


class _SteppedSelector(selectors.DefaultSelector):
    """Where a loop would wait for the machine's time, its own jumps to the next instant instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now_s += timeout or 0.0
        return super().select(0)


class _SteppedLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._stepped = _SteppedSelector()
        super().__init__(self._stepped)

    def time(self) -> float:
        return self._stepped.now_s


def _in_steps(
    story: Callable[[OrderLimiter, Callable[[], int]], Awaitable[ResultT]], **limits: int
) -> ResultT:
    """Run a story on a clock that jumps from one instant to the next; it gets a limiter and the clock."""

    async def main() -> ResultT:
        loop = asyncio.get_running_loop()

        def now_ms() -> int:
            return round(loop.time() * 1000)

        return await story(OrderLimiter(Limits(**limits), now_ms=now_ms), now_ms)

    with asyncio.Runner(loop_factory=_SteppedLoop) as runner:
        return runner.run(main())


ONE_A_SECOND = {"entries_per_second": 1, "exits_per_second": 1}


def test_the_more_urgent_overtake_the_others() -> None:
    """Stops and exits, then cancels, then chases, then entries; equals leave in the order they came."""

    async def story(limiter: OrderLimiter, now_ms: Callable[[], int]) -> list[str]:
        left: list[str] = []

        async def leave(name: str, urgency: Urgency) -> None:
            await limiter.acquire(urgency)
            left.append(name)

        await limiter.acquire(ENTRY)
        names = [
            ("entry-1", ENTRY), ("chase-1", CHASE), ("cancel-1", CANCEL), ("exit-1", PROTECT),
            ("entry-2", ENTRY), ("exit-2", PROTECT), ("cancel-2", CANCEL), ("chase-2", CHASE),
        ]  # fmt: skip
        await asyncio.gather(*(leave(*name) for name in names))
        return left

    assert _in_steps(story, **ONE_A_SECOND) == [
        "exit-1", "exit-2", "cancel-1", "cancel-2", "chase-1", "chase-2", "entry-1", "entry-2",
    ]  # fmt: skip


def test_who_gives_up_leaves_the_queue() -> None:
    """A cancelled caller neither sends nor stands in the way."""

    async def story(limiter: OrderLimiter, now_ms: Callable[[], int]) -> int:
        await limiter.acquire(PROTECT)
        waiting = asyncio.create_task(limiter.acquire(PROTECT))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await limiter.acquire(ENTRY)
        return now_ms()

    assert _in_steps(story, **ONE_A_SECOND) == 1_000


def test_who_has_no_patience_is_told_so() -> None:
    """An entry that cannot leave soon does not leave at all, and uses no place in the window."""

    async def story(limiter: OrderLimiter, now_ms: Callable[[], int]) -> tuple[bool, bool, int]:
        await limiter.acquire(PROTECT)
        late = await limiter.acquire(ENTRY, patience_ms=400)
        at_ms = now_ms()
        return late, await limiter.acquire(ENTRY, patience_ms=1_000), at_ms

    assert _in_steps(story, **ONE_A_SECOND) == (False, True, 400)


def test_forty_at_once_keep_the_pace() -> None:
    """Through the waiting wrapper too, no second holds more than 8 entries."""

    async def story(limiter: OrderLimiter, now_ms: Callable[[], int]) -> list[int]:
        left: list[int] = []

        async def leave() -> None:
            await limiter.acquire(ENTRY)
            left.append(now_ms())

        await asyncio.gather(*(leave() for _ in range(40)))
        return left

    left = _in_steps(story)
    assert len(left) == 40
    assert all(
        later - earlier >= 1_000
        for earlier, later in zip(left, itertools.islice(left, 8, None), strict=False)
    )


# ---------------------------------------------------------------- any arrival


class _Message(msgspec.Struct):
    urgency: Urgency
    number: int
    came_ms: int
    left_ms: int


_BURSTS = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 60), st.integers(0, 2_500)),
        st.sampled_from(Urgency),
        st.integers(1, 30),
    ),
    min_size=1,
    max_size=15,
)


def _messages(bursts: list[tuple[int, Urgency, int]]) -> list[tuple[int, Urgency]]:
    """A pause (ms), then so many messages of one kind at once, then the next burst."""
    return [
        (0 if number else pause_ms, urgency)
        for pause_ms, urgency, count in bursts
        for number in range(count)
    ]


def _played(arrivals: list[tuple[int, Urgency]]) -> list[_Message]:
    """Messages that come after these pauses (ms), in the order in which they left."""

    async def story(limiter: OrderLimiter, now_ms: Callable[[], int]) -> list[_Message]:
        left: list[_Message] = []

        async def leave(number: int, urgency: Urgency) -> None:
            came_ms = now_ms()
            assert await limiter.acquire(urgency)
            left.append(_Message(urgency, number, came_ms, now_ms()))

        tasks = []
        for number, (pause_ms, urgency) in enumerate(arrivals):
            await asyncio.sleep(pause_ms / 1000)
            tasks.append(asyncio.create_task(leave(number, urgency)))
        await asyncio.gather(*tasks)
        return left

    return _in_steps(story)


def _windows(left: list[_Message], window_ms: int) -> Iterator[tuple[_Message, int]]:
    """Each message with the number of those in the window that ends with it, itself among them."""
    for number, message in enumerate(left):
        since_ms = message.left_ms - window_ms
        yield message, sum(before.left_ms > since_ms for before in left[: number + 1])


@settings(max_examples=60, deadline=None)
@given(_BURSTS)
def test_no_window_ever_holds_too_many(bursts: list[tuple[int, Urgency, int]]) -> None:
    """Whatever comes when: 10 in any second and 100 in any minute, and for an entry to be the last of
    them 8 and 70, for a chase 10 and 85. Everything leaves in the end.
    """
    arrivals = _messages(bursts)
    left = _played(arrivals)

    assert len(left) == len(arrivals)
    for message, count in _windows(left, 1_000):
        assert count <= (8 if message.urgency is ENTRY else 10)
    for message, count in _windows(left, 60_000):
        assert count <= {ENTRY: 70, CHASE: 85}.get(message.urgency, 100)


@settings(max_examples=60, deadline=None)
@given(_BURSTS)
def test_nothing_leaves_while_something_more_urgent_waits(
    bursts: list[tuple[int, Urgency, int]],
) -> None:
    """Whatever comes when; among equals the first that came is the first to leave."""
    left = _played(_messages(bursts))

    for number, message in enumerate(left):
        waiting = [later for later in left[number + 1 :] if later.came_ms < message.left_ms]
        assert all(later.urgency >= message.urgency for later in waiting)
    for urgency in Urgency:
        numbers = [message.number for message in left if message.urgency is urgency]
        assert numbers == sorted(numbers)


def test_a_market_that_falls_leaves_room_for_the_exits() -> None:
    """Five stops are chased every second for half a minute; then all is closed, within a second."""

    chases = [(200, CHASE) for _ in range(30 * 5)]
    left = _played([*chases, *[(0, CANCEL)] * 5, *[(100, PROTECT)] * 5])

    waited = [m.left_ms - m.came_ms for m in left if m.urgency in (PROTECT, CANCEL)]
    assert len(waited) == 10
    assert max(waited) <= 1_000
    assert Counter(m.urgency for m in left)[CHASE] == 150


# ---------------------------------------------------------------- what is how urgent


def _place(purpose: Purpose) -> PlaceOrder:
    return PlaceOrder(
        order_id="1",
        symbol="S",
        side=Side.SELL,
        order_type=OrderType.MARKET,
        purpose=purpose,
        quantity=65,
    )


def _modify(side: Side, purpose: Purpose | None = None, *, resizes: bool = False) -> ModifyOrder:
    return ModifyOrder(
        order_id="1", broker_order_id="7", symbol="S", side=side, order_type=OrderType.LIMIT,
        quantity=65, trigger_price_paise=0, limit_price_paise=5, purpose=purpose, resizes=resizes,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("command", "urgency"),
    [
        (_place(Purpose.ENTRY), ENTRY),
        (_place(Purpose.STOP), PROTECT),
        (_place(Purpose.EXIT), PROTECT),
        (_place(Purpose.CORRECTION), PROTECT),
        (_modify(Side.SELL, Purpose.ENTRY), ENTRY),
        (_modify(Side.SELL, Purpose.ENTRY, resizes=True), ENTRY),
        (_modify(Side.BUY, Purpose.STOP), CHASE),
        (_modify(Side.BUY, Purpose.EXIT), CHASE),
        (_modify(Side.SELL, Purpose.CORRECTION), CHASE),
        (_modify(Side.BUY, Purpose.STOP, resizes=True), PROTECT),
        (_modify(Side.BUY), CHASE),
        (_modify(Side.SELL), ENTRY),
        (CancelOrder(order_id="1", broker_order_id="7"), CANCEL),
    ],
)
def test_how_urgent_a_message_is(
    command: PlaceOrder | ModifyOrder | CancelOrder, urgency: Urgency
) -> None:
    """By what it does, not by its side: the chase of a correction sells and is no entry."""
    assert urgency_of(command) is urgency
