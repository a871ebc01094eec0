"""Plays simulated days with the package that lies beside it, until one breaks an invariant.

Run by tests.mutants.run in the folder of a copy; for each day a line of JSON goes to stdout.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import msgspec

from baseline_v1_live.simulate.check_base import Violation
from baseline_v1_live.simulate.plan import draw
from baseline_v1_live.simulate.seed import ENDS, Trial, play

# Of processor time. A day takes some seconds; a bug may keep one from ever ending.
DAY_MAX_S = 120


class Played(msgspec.Struct, frozen=True):
    """What was wrong on a day, by invariant; empty when nothing was."""

    seed: int
    violations: tuple[tuple[str, str], ...]


def play_one(
    seed: int, allowed: frozenset[str] | None, alone: str | None, trials: list[Trial]
) -> Played:
    """One day, which is put into ``trials`` as it begins. A day that cannot be played to its end is a
    finding as well.
    """
    try:
        result = play(draw(seed, allowed, alone=alone), begun=trials.append)
    except Exception as error:
        return Played(seed, (*said(trials), ("the simulation runs", repr(error))))
    return Played(seed, found(result.violations))


def found(violations: Sequence[Violation]) -> tuple[tuple[str, str], ...]:
    """What was wrong, in the words of a line."""
    return tuple((v.invariant, f"{v.at} {v.what}") for v in violations)


def said(trials: Sequence[Trial]) -> tuple[tuple[str, str], ...]:
    """What was wrong so far on the days that have begun."""
    return tuple(line for trial in trials for line in found(trial.checker.violations))


def main(faults: str, always: bool, start: int, seeds: int) -> None:
    """Play days in turn, at most until the first with a finding."""
    logging.disable(logging.CRITICAL)
    sys.unraisablehook = lambda _: None
    names = {"all": None, "none": frozenset[str]()}
    allowed = names[faults] if faults in names else frozenset(faults.split(","))
    for seed in range(start, start + seeds):
        trials: list[Trial] = []

        def give_up(
            number: int,
            frame: FrameType | None,
            seed: int = seed,
            trials: Sequence[Trial] = trials,
        ) -> NoReturn:
            # An exception might end in some task of the loop instead of here.
            tell(Played(seed, (*said(trials), (ENDS, f"not within {DAY_MAX_S} s"))))
            os._exit(0)

        signal.signal(signal.SIGPROF, give_up)
        signal.setitimer(signal.ITIMER_PROF, DAY_MAX_S)
        played = play_one(seed, allowed, faults if always else None, trials)
        signal.setitimer(signal.ITIMER_PROF, 0)
        tell(played)
        if played.violations:
            return


def tell(played: Played) -> None:
    """One line for who has asked."""
    sys.stdout.write(msgspec.json.encode(played).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] == "always", int(sys.argv[3]), int(sys.argv[4]))
