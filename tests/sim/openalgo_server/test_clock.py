"""The simulated clock, and the gateway's durations that follow it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from baseline_v1_live.sim.openalgo_server.clock import LAG_MAX_S, ServerClock
from baseline_v1_live.sim.openalgo_server.limits import RateLimits


class Real:
    """Real seconds, moved by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def real() -> Real:
    return Real()


def test_the_clock_scales_real_time_and_stands_when_held(real: Real) -> None:
    """Simulated time is real time times the speed, less the time of holds."""
    clock = ServerClock(1_000, 0.5, real)
    real.seconds += 2
    assert clock.now_ms() == 2_000
    clock.hold("a")
    clock.hold("b")
    real.seconds += 5
    clock.release("a")
    real.seconds += 5
    assert (clock.now_ms(), clock.running) == (2_000, False)
    clock.release("b")
    real.seconds += 1
    assert clock.now_ms() == 2_500
    with pytest.raises(ValueError, match="go back"):
        clock.set_ms(2_400)


def test_a_fast_clock_waits_for_its_owner(real: Real) -> None:
    """Without a turn it stands after the lag limit, and what was missed is never made up for."""
    clock = ServerClock(0, 300, real)
    real.seconds += LAG_MAX_S / 2
    assert clock.now_ms() == clock.turn() == 7_500
    real.seconds += 10
    assert clock.now_ms() == 22_500
    real.seconds += 10
    assert clock.turn() == 22_500
    real.seconds += LAG_MAX_S / 2
    assert clock.now_ms() == 30_000


def test_at_its_own_speed_the_clock_never_waits(real: Real) -> None:
    """Up to speed 1 simulated time is real time, whoever is late."""
    clock = ServerClock(0, 1, real)
    real.seconds += 10
    assert clock.now_ms() == 10_000


@pytest.mark.parametrize(("speed", "free_after_s"), [(0, 1.0), (1, 1.0), (20, 0.05)])
def test_rate_limits_count_in_the_gateways_seconds(
    real: Real, speed: float, free_after_s: float
) -> None:
    """The eleventh order call is free again a second later: of the fast clock, else of real time."""
    limits = RateLimits(ServerClock(0, speed, real))
    refused = [limits.refusal("client", "placeorder") for _ in range(11)]
    assert refused == [None] * 10 + ["10 per 1 second"]
    real.seconds += free_after_s * 0.9
    assert limits.refusal("client", "placeorder") == "10 per 1 second"
    real.seconds += free_after_s * 0.11
    assert limits.refusal("client", "placeorder") is None


def test_a_standing_clock_limits_nobody_for_longer_than_a_real_second(real: Real) -> None:
    """While a fast clock is held, a window ends after real time."""
    clock = ServerClock(0, 300, real)
    limits = RateLimits(clock)
    clock.hold("paused")
    assert [limits.refusal("client", "placeorder") for _ in range(11)][-1] is not None
    real.seconds += 1
    assert limits.refusal("client", "placeorder") is None


def took_s(wait: Callable[[ServerClock], Awaitable[None]], speed: float) -> float:
    """Real seconds that a wait takes while the clock's owner takes its turns."""

    async def run() -> float:
        clock = ServerClock(0, speed)

        async def turns() -> None:
            while True:
                clock.turn()
                await asyncio.sleep(0.002)

        owner = asyncio.ensure_future(turns())
        began = time.monotonic()
        await wait(clock)
        owner.cancel()
        return time.monotonic() - began

    return asyncio.run(run())


def test_a_duration_of_the_gateway_shrinks_with_the_clock() -> None:
    """Twelve seconds of a clock at 300 are over long before one real second is."""
    assert 0.03 < took_s(lambda clock: clock.wait(12.0), 300) < 1.0


@pytest.mark.parametrize("speed", [0, 1])
def test_a_duration_is_real_where_the_clock_is_not_fast(speed: float) -> None:
    """A stepped clock and one at its own speed wait real seconds."""
    assert took_s(lambda clock: clock.wait(0.05), speed) >= 0.045


def test_a_held_clock_makes_nobody_wait_for_ever() -> None:
    """A duration that began before a pause ends after its real seconds at the latest."""

    async def held(clock: ServerClock) -> None:
        clock.hold("paused")
        await clock.wait(0.05)

    assert 0.045 < took_s(held, 300) < 1.0
