"""Kills the live process at every place of a short day and of some restarts, and tries other troubles.

    python -m tools.reliability_process --all [--jobs 4] [--json OUT]
    python -m tools.reliability_process --random 50 --seed 3
    python -m tools.reliability_process --place "after send 4" --outage 20 --place "after commit 0.2"

Bot and openalgo-sim are real processes on loopback; each day is another pair of them (tests/process/).
Ends with 1 when anything was wrong.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from pathlib import Path
from typing import Any

from tests.process.damages import DAMAGES
from tests.process.kills import FIRST_KILLS, Kill, Outcome, at_places, at_random, play, survey
from tests.process.troubles import TROUBLES, NotHere

_SURVEYS = 2


def main() -> None:
    """Do what the arguments say, and tell how it ended."""
    args = _arguments()
    since_s = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="reliability-"))
    kills, places, wrong = _plan(args, folder)
    outcomes = _side_by_side(args.jobs, [_day(folder, number, k) for number, k in enumerate(kills)])
    troubles = _troubles(folder, args.jobs) if args.all else []
    result = {
        "places": places,
        **_summary(outcomes),
        "troubles": troubles,
        "took_s": round(time.monotonic() - since_s, 1),
    }
    result["violations"] += [{"day": "without a kill", "what": wrong}] if wrong else []
    result["violations"] += [
        {"day": trouble["name"], "what": trouble["wrong"]}
        for trouble in troubles
        if trouble["wrong"]
    ]
    if args.json is not None:
        args.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    bad = len(result["violations"])
    print(_told(result))
    if bad:
        print(f"the files of these days are in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if bad else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="reliability_process", description=__doc__.split("\n")[0])
    parser.add_argument("--all", action="store_true", help="every place, and every other trouble")
    parser.add_argument("--random", type=int, default=0, metavar="N", help="days with random kills")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the first random day")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each Nth place")
    parser.add_argument(
        "--place",
        action="append",
        default=[],
        help="'after commit 9.3'; again: of the next bot",
    )
    parser.add_argument(
        "--outage",
        action="append",
        type=int,
        default=[],
        metavar="S",
        help="seconds down after each",
    )
    parser.add_argument(
        "--damage", choices=DAMAGES, default="", help="of the journal, after the first"
    )
    parser.add_argument("--jobs", type=int, default=4, metavar="J", help="days side by side")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the results here")
    args = parser.parse_args()
    if not (args.all or args.random or args.place):
        parser.error("nothing to do: give --all, --random N or --place PLACE")
    return args


def _plan(args: argparse.Namespace, folder: Path) -> tuple[list[list[Kill]], int, list[str]]:
    """The kills of each day, how many places the day has, and what was wrong with the days that were
    surveyed for them.
    """
    kills = [at_random(random.Random(args.seed + n)) for n in range(args.random)]
    if args.place:
        named = zip_longest(args.place, args.outage[: len(args.place)], [args.damage])
        kills.append([Kill(p, outage_ms=(s or 0) * 1000, damage=d or "") for p, s, d in named])
    if not args.all:
        return kills, 0, []
    found, wrong = _surveyed(folder, args.jobs)
    days = [[*first, kill] for first, places in found.items() for kill in at_places(places)]
    for first, places in found.items():
        kinds = dict(Counter(name.rsplit(" ", 1)[0] for name in places))
        print(f"{len(places)} places{f' of a start after {first[0]}' if first else ''}: {kinds}")
    return days[:: args.every] + kills, len(days), wrong


def _surveyed(folder: Path, jobs: int) -> tuple[dict[tuple[Kill, ...], dict[str, None]], list[str]]:
    """The places of a day, by the kills before them, and what was wrong with the days surveyed."""
    firsts = [None] * _SURVEYS + list(FIRST_KILLS)
    with ThreadPoolExecutor(max(jobs, 1)) as pool:
        names = [folder / f"survey{number}" for number in range(len(firsts))]
        surveys = list(pool.map(survey, names, firsts))
    found: dict[tuple[Kill, ...], dict[str, None]] = {}
    for first, (places, _) in zip(firsts, surveys, strict=True):
        found.setdefault((first,) if first else (), {}).update(dict.fromkeys(places))
    return found, [line for _, problems in surveys for line in problems]


def _day(folder: Path, number: int, kills: Sequence[Kill]) -> Callable[[], Outcome]:
    def run() -> Outcome:
        where = folder / f"day{number}"
        outcome = play(where, kills)
        if not outcome.violations:
            shutil.rmtree(where, ignore_errors=True)
        return outcome

    return run


def _side_by_side(jobs: int, days: Sequence[Callable[[], Outcome]]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    lock = threading.Lock()

    def run(day: Callable[[], Outcome]) -> None:
        outcome = day()
        with lock:
            outcomes.append(outcome)
            restarts = " ".join(f"{took_s:.1f}" for took_s in outcome.restarts_s)
            print(
                f"[{len(outcomes)}/{len(days)}] {outcome.name}: "
                f"killed {outcome.killed} times of {len(outcome.kills)}, "
                f"restart {restarts or '-'} s, day {outcome.took_s:.0f} s"
                + "".join(f"\n    WRONG {line[:1500]}" for line in outcome.violations),
                flush=True,
            )

    with ThreadPoolExecutor(max(jobs, 1)) as pool:
        list(pool.map(run, days))
    return outcomes


def _troubles(folder: Path, jobs: int) -> list[dict[str, Any]]:
    def run(name: str) -> dict[str, Any]:
        since_s = time.monotonic()
        try:
            wrong = TROUBLES[name](folder / name.replace(" ", "-"))
            skipped = ""
        except NotHere as error:
            wrong, skipped = [], str(error)
        except Exception as error:
            wrong, skipped = [str(error) or repr(error)], ""
        took_s = round(time.monotonic() - since_s, 1)
        words = (
            f"not tried: {skipped}"
            if skipped
            else "WRONG " + "\n  ".join(wrong)
            if wrong
            else "well"
        )
        print(f"{name}: {words}, {took_s:.0f} s", flush=True)
        return {"name": name, "wrong": wrong, "skipped": skipped, "took_s": took_s}

    with ThreadPoolExecutor(max(jobs, 1)) as pool:
        return list(pool.map(run, TROUBLES))


def _summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    restarts_s = sorted(took_s for outcome in outcomes for took_s in outcome.restarts_s)
    return {
        "days": len(outcomes),
        "kills": sum(outcome.killed for outcome in outcomes),
        "not_reached": sum(outcome.killed < len(outcome.kills) for outcome in outcomes),
        "restart_p50_s": round(statistics.median(restarts_s), 2) if restarts_s else None,
        "restart_max_s": round(restarts_s[-1], 2) if restarts_s else None,
        "violations": [
            {"day": outcome.name, "what": outcome.violations}
            for outcome in outcomes
            if outcome.violations
        ],
    }


def _told(result: dict[str, Any]) -> str:
    p50, most = result["restart_p50_s"], result["restart_max_s"]
    restarts = f"enabled again after {p50} s, at most {most} s, of real time; " if p50 else ""
    return (
        f"{result['days']} days, {result['kills']} kills, {result['not_reached']} not reached; "
        f"{restarts}{len(result['violations'])} violations; {result['took_s']} s"
    )


if __name__ == "__main__":
    main()
