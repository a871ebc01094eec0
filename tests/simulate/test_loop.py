"""The loop without waiting: time jumps, order holds, and a killed process runs nothing more."""

from __future__ import annotations

import asyncio
import time

import pytest

from baseline_v1_live.simulate.loop import (
    NothingLeftError,
    SimulatedLoop,
    process_context,
    run_simulated,
)


def test_hours_pass_in_no_time_and_in_order() -> None:
    """Sleeps end in the order of their instants, and the clock shows just those."""

    async def story() -> list[tuple[str, float]]:
        seen: list[tuple[str, float]] = []
        loop = asyncio.get_running_loop()

        async def nap(name: str, seconds: float) -> None:
            for _ in range(3):
                await asyncio.sleep(seconds)
                seen.append((name, round(loop.time(), 6)))

        await asyncio.gather(nap("long", 1_000), nap("short", 700))
        return seen

    before = time.monotonic()
    assert run_simulated(story()) == [
        ("short", 700), ("long", 1_000), ("short", 1_400), ("long", 2_000), ("short", 2_100),
        ("long", 3_000),
    ]  # fmt: skip
    assert time.monotonic() - before < 60


def test_timeouts_are_simulated_too() -> None:
    """A wait that nobody ends is over at its simulated deadline."""

    async def story() -> float:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 130)
        return asyncio.get_running_loop().time()

    assert run_simulated(story()) == pytest.approx(130)


def test_a_wait_for_nothing_is_an_error_and_no_hang() -> None:
    """When every task waits and no timer is set, nothing will ever happen: that is said."""

    async def story() -> None:
        await asyncio.Event().wait()

    with pytest.raises(NothingLeftError):
        run_simulated(story())


def test_a_killed_process_runs_nothing_more_not_even_its_end() -> None:
    """Its timers, wake-ups and finally blocks are gone; the world goes on."""

    async def story() -> list[str]:
        seen: list[str] = []
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimulatedLoop)
        door = asyncio.Event()

        async def bot() -> None:
            try:
                seen.append("begun")
                await door.wait()
                seen.append("went on")
            finally:
                seen.append("cleaned up")

        async def ticking() -> None:
            while True:
                await asyncio.sleep(1)
                seen.append("tick")

        context = process_context(1)
        tasks = [loop.create_task(work(), context=context) for work in (bot, ticking)]
        await asyncio.sleep(1.5)
        loop.kill(1)
        door.set()
        await asyncio.sleep(10)
        assert not any(task.done() for task in tasks)
        return list(seen)

    assert run_simulated(story()) == ["begun", "tick"]
