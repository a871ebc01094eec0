"""What leaves a bot's machine, what comes back, and what its disk has taken: told to whoever looks on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from weakref import WeakKeyDictionary

from baseline_v1_live.runtime.records import Step
from baseline_v1_live.sim.openalgo_server.rest import Served


class Call:
    """One request on the wire. ``refused``: nobody listened, so nothing left. ``lost``: it never
    arrives, or its answer does not. ``text`` is its body.
    """

    __slots__ = ("endpoint", "lost", "refused", "text")

    def __init__(self, endpoint: str, text: str, *, refused: bool, lost: bool) -> None:
        self.endpoint, self.text = endpoint, text
        self.refused, self.lost = refused, lost


class Observer(Protocol):
    """Looks on and changes nothing."""

    def sent(self, call: Call) -> None:
        """A request leaves now."""

    def ended(self, call: Call, served: Served | None) -> None:
        """The bot has its answer, or None when it got none and waits no longer."""

    def stored(self, steps: Sequence[Step]) -> None:
        """The journal has said that these steps are stored."""


_OBSERVERS: WeakKeyDictionary[object, list[Observer]] = WeakKeyDictionary()


def observers_of(world: object) -> list[Observer]:
    """Those who look on in a world, now and later."""
    return _OBSERVERS.setdefault(world, [])
