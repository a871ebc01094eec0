"""The checker on whole days: a bot that is broken on purpose is found out, a silent messenger is not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient
from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.messages import CancelOrder, ModifyOrder, PlaceOrder
from baseline_v1_live.core.position import Position
from baseline_v1_live.core.session import MINUTE_MS
from baseline_v1_live.position_tracker import PositionTracker
from baseline_v1_live.runtime.live import LiveDriver
from baseline_v1_live.simulate.check_account import Cover
from baseline_v1_live.simulate.check_step import EntriesAllowed
from baseline_v1_live.simulate.check_wire import EachOnce, EntriesOnWire
from baseline_v1_live.simulate.plan import Moment, Plan, Window, draw
from baseline_v1_live.simulate.seed import play

SEED = 3
NO_CALM = 1 << 40


def said(plan: Plan) -> set[str]:
    return {violation.invariant for violation in play(plan).violations}


def test_a_bot_that_sends_before_it_stores_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every entry leaves at once, as if the disk were always quick enough."""

    async def at_once(
        self: LiveDriver,
        stored: asyncio.Future[None],
        orders: Sequence[PlaceOrder | ModifyOrder | CancelOrder],
    ) -> None:
        stored.add_done_callback(self._look_at)
        for command in orders:
            self._spawn(self._send(command))

    monkeypatch.setattr(LiveDriver, "_send_stored", at_once)

    assert said(draw(SEED, ())) == {EntriesOnWire.DISK}


def test_a_bot_without_stops_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """It never places one."""

    def none(self: PositionTracker, position: Position, quantity: int) -> None:
        pass

    monkeypatch.setattr(PositionTracker, "_place_stop", none)

    assert Cover.COVERED in said(draw(SEED, ()))


def test_a_client_that_sends_again_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every order goes out twice."""
    place = OpenAlgoClient.place

    async def twice(self: OpenAlgoClient, command: PlaceOrder, *args: Any) -> Any:
        await place(self, command, *args)
        return await place(self, command, *args)

    monkeypatch.setattr(OpenAlgoClient, "place", twice)

    assert EachOnce.NAME in said(draw(SEED, ()))


def test_a_bot_that_sells_while_paused_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its gate never closes: a pause holds nothing up."""
    monkeypatch.setattr(Engine, "gate", lambda _: None)
    plan = draw(SEED, ())
    moments = tuple(Moment(minute * MINUTE_MS, "paused") for minute in range(2, 22, 3))
    paused = msgspec.structs.replace(plan, moments=moments)

    found = said(paused)

    assert {EntriesAllowed.NAME, EntriesOnWire.AFTER} <= found


@pytest.mark.parametrize("seed", [SEED, 7])
def test_a_dead_messenger_changes_no_order(seed: int) -> None:
    """Nothing that the bot says is delivered all day, and every order is the same to the millisecond."""
    plan = draw(seed, ())
    dead = msgspec.structs.replace(plan, windows=(Window("messenger_dead", -MINUTE_MS, NO_CALM),))
    heard: list[str] = []
    unheard: list[str] = []
    play(plan, keep=heard)
    play(dead, keep=unheard)

    assert _orders(heard)
    assert _orders(unheard) == _orders(heard)
    assert unheard != heard


def _orders(lines: list[str]) -> list[str]:
    kinds = ('{"type":"PlaceOrder"', '{"type":"ModifyOrder"', '{"type":"CancelOrder"')
    return [line for line in lines if any(kind in line for kind in kinds)]
