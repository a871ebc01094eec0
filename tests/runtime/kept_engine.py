"""An engine in a shell that stores after each step what the step changed, as the live loop does."""

from __future__ import annotations

from baseline_v1_live.adapters.journal import Journal
from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.messages import Command, Event, Tick
from baseline_v1_live.runtime.records import take_changes
from baseline_v1_live.runtime.recovery import SessionKeeper


class KeptEngine(Engine):
    """Every step that is more than a tick is in the journal before its commands are given out."""

    keeper: SessionKeeper
    journal: Journal
    writes: list[int]

    def handle(self, event: Event) -> tuple[Command, ...]:
        commands = super().handle(event)
        if commands or type(event) is not Tick:
            state = self.keeper.changes(self)
            self.writes.append(len(state))
            self.journal.commit(event, commands, *take_changes(self), state)
        return commands


def kept(engine: Engine, journal: Journal, keeper: SessionKeeper | None = None) -> KeptEngine:
    """The engine, which from now on has a journal; ``writes`` counts the records of each step."""
    engine.__class__ = KeptEngine
    assert isinstance(engine, KeptEngine)
    engine.keeper, engine.journal, engine.writes = keeper or SessionKeeper(), journal, []
    return engine
