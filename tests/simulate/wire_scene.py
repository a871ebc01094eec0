"""A wire for the checker to look at: a journal on the disk, and calls that leave past the checker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from baseline_v1_live.adapters.journal.store import Journal
from baseline_v1_live.adapters.openalgo.wire import requests
from baseline_v1_live.core.messages import (
    Command,
    ModifyOrder,
    OrderType,
    PlaceOrder,
    Purpose,
    Side,
    TimerDue,
)
from baseline_v1_live.runtime.records import Step
from baseline_v1_live.sim.openalgo_server.books import BookOrder
from baseline_v1_live.simulate.check_base import Findings
from baseline_v1_live.simulate.check_step import EntryGate
from baseline_v1_live.simulate.check_wire import WireChecks
from baseline_v1_live.simulate.observe import Call
from tests.harness import Desk
from tests.harness_market import C260, at, day

ORDER_IDS = iter(range(1, 10_000))


class Wire:
    """A journal on the disk, and calls that leave past the checker."""

    def __init__(self, folder: Path) -> None:
        (folder / "paper").mkdir()
        self.journal = Journal.open(folder / "paper" / "journal.db")
        self.now_ms = at("10:00")
        self.findings = Findings(lambda: self.now_ms)
        self.gate = EntryGate()
        self.rows: dict[str, BookOrder] = {}
        self.checks = WireChecks(self.findings, self.gate, folder, self.rows)
        self.checks.session = day()
        self.desk = Desk()
        self.seq = 0

    @property
    def said(self) -> set[str]:
        return {violation.invariant for violation in self.findings.violations}

    def decide(self, *commands: Command, stored: bool = True, told: bool = True) -> None:
        """A step of the engine; ``stored`` in the file, ``told`` by the queue."""
        self.seq += 1
        event = TimerDue(seq=self.seq, at_ms=self.now_ms)
        self.checks.hear(self.desk.engine, event, commands)
        step = Step(event, commands)
        if stored:
            self.journal.commit_steps([step])
        if told:
            self.checks.stored([step])

    def send(self, command: PlaceOrder | ModifyOrder) -> Call:
        """It leaves, as the client writes it."""
        if isinstance(command, PlaceOrder):
            endpoint, body = requests.place_order(command)
        else:
            endpoint, body = requests.modify_order(command)
        return self.call(endpoint, body)

    def call(self, endpoint: str, body: dict[str, Any] | None = None) -> Call:
        call = Call(endpoint, json.dumps(body or {}), refused=False, lost=False)
        self.checks.sent(call)
        return call


def entry(**values: Any) -> PlaceOrder:
    known: dict[str, Any] = {
        "order_id": f"2026-12-28-entry-{next(ORDER_IDS):04d}",
        "symbol": C260,
        "side": Side.SELL,
        "order_type": OrderType.SL,
        "purpose": Purpose.ENTRY,
        "quantity": 650,
        "trigger_price_paise": 12_995,
        "limit_price_paise": 12_695,
    }
    return PlaceOrder(**(known | values))


def change(broker_order_id: str = "77", quantity: int = 585) -> ModifyOrder:
    return ModifyOrder(
        order_id="2026-12-28-entry-0001",
        broker_order_id=broker_order_id,
        symbol=C260,
        side=Side.SELL,
        order_type=OrderType.SL,
        quantity=quantity,
        trigger_price_paise=12_995,
        limit_price_paise=12_695,
        purpose=Purpose.ENTRY,
    )
