"""Every fault of the catalogue can strike: each alone, at every chance it gets, within a few seeds."""

from __future__ import annotations

import asyncio
from contextlib import chdir
from pathlib import Path

import pytest

from baseline_v1_live.sim.fault_catalogue import TROUBLES
from baseline_v1_live.simulate.loop import run_simulated
from baseline_v1_live.simulate.plan import draw
from baseline_v1_live.simulate.seed import Log, Trial

_SEEDS = 4


async def _strikes(name: str, seed: int) -> bool:
    """Play a day until the fault strikes, or to its end; no other one may."""
    trial = Trial(draw(seed, (name,), alone=name), Path("state"), Log())
    struck = asyncio.Event()
    told = trial.chaos.on_fault

    def hear(fault: str) -> None:
        told(fault)
        if fault == name:
            struck.set()

    trial.chaos.on_fault = hear
    day = asyncio.ensure_future(trial.run())
    wait = asyncio.ensure_future(struck.wait())
    await asyncio.wait({day, wait}, return_when=asyncio.FIRST_COMPLETED)
    assert trial.chaos.fired.keys() <= {name}
    return struck.is_set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", [trouble.name for trouble in TROUBLES])
def test_a_fault_strikes_when_it_is_alone(name: str, tmp_path: Path) -> None:
    """What the catalogue names is not only a word: some day of a few has it happen."""

    def struck(seed: int) -> bool:
        folder = tmp_path / str(seed)
        folder.mkdir()
        with chdir(folder):
            return run_simulated(_strikes(name, seed))

    assert any(struck(seed) for seed in range(_SEEDS))
