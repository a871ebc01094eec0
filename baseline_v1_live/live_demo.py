"""The live loop as the demonstration runs it: on paper, at a gateway of its own, for one day."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import msgspec
from pydantic import SecretStr

from baseline_v1_live.baseline_v1_live import run_live
from baseline_v1_live.config import Settings
from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.instruments import OptionType, option_symbol
from baseline_v1_live.core.messages import Notify
from baseline_v1_live.live_start import RunOptions
from baseline_v1_live.research.demo import Gateway, RunBot
from baseline_v1_live.runtime.modes import ExitCode, RunMode
from baseline_v1_live.sim.day import MarketDay

DEMO_KEY = "simulated-key"


def demo_bot(day: MarketDay, settings: Settings) -> RunBot:
    """The live loop for a demonstration of ``day``: the settings' rules on whatever the day has."""
    rules = msgspec.structs.replace(
        settings.rules(),
        snapshot_cadence_ms=day.cadence_ms,
        index_checks=day.index_symbol is not None,
    )
    step = settings.strike_step_paise

    def whole(distance: int) -> bool:
        strikes = {day.atm_paise - distance * step, day.atm_paise + distance * step}
        return all(
            option_symbol(settings.underlying, day.expiry, strike, kind) in day.contracts
            for strike in strikes
            for kind in OptionType
        )

    sides = list(itertools.takewhile(whole, range(settings.strikes_each_side + 1)))

    async def run(
        gateway: Gateway,
        folder: Path,
        on_notice: Callable[[Notify, int], None],
        on_engine: Callable[[Engine], None],
    ) -> ExitCode:
        changed = {
            "openalgo_host": gateway.url,
            "openalgo_ws_url": gateway.ws_url,
            "openalgo_api_key": SecretStr(DEMO_KEY),
            "backup_openalgo_ws_url": None,
            "state_dir": folder,
            "paper_trading": True,
            "strikes_each_side": max(sides, default=0),
            "lot_size": next(iter(day.contracts.values())).lot_size,
        }
        options = RunOptions(
            mode=RunMode.PAPER,
            expiry=day.expiry,
            atm_paise=day.atm_paise,
            sim_clock=gateway.url,
            exit_when_closed=True,
        )
        return await run_live(
            settings.model_copy(update=changed),
            options,
            lambda _: None,
            on_notice=on_notice,
            on_engine=on_engine,
            rules=rules,
        )

    return run
