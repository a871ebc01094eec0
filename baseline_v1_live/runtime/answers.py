"""What an operator's word does and what it leaves working, as one line of plain words.

Pure: it reads what status.py shows of the bot before and after the word, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from baseline_v1_live.core.messages import Purpose
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.runtime.status import (
    BOOKS_NOT_READ,
    Cover,
    OrderView,
    PositionView,
    Status,
    gate_text,
    r_text,
)
from baseline_v1_live.strategy.exit_policy import KILL_SWITCH

VERBS = ("pause", "resume", "flatten", "kill", "stopday")


def answer(
    verb: str,
    before: Status,
    after: Status,
    all_orders: Sequence[OrderView],
    open_positions: Sequence[PositionView],
) -> str:
    """What a word has done and what it leaves working; the status is that before and after it.

    ``verb`` is one of VERBS; orders and positions are those after it. Raises ValueError for another.
    """
    entries = [o for o in all_orders if o.live and o.purpose is Purpose.ENTRY]
    match verb:
        case "pause":
            over = after.day_exit_reason or after.entries_stopped_by
            until = "today" if over else "until resume"
            said = [f"no new entry {until}", *_cancelling(entries, "protected")]
            said.append(_stay_open(open_positions))
        case "stopday":
            said = ["no new entry today, also after resume or a restart"]
            said += [*_cancelling(entries, "protected"), _stay_open(open_positions)]
        case "resume":
            said = _resumed(before, after, entries, open_positions)
        case "flatten":
            said = [_closing(open_positions), *_cancelling(entries, "closed")]
            if after.day_exit_reason:
                said.append(f"the day was ended by {after.day_exit_reason}: no new entry today")
            else:
                said.append("then it stays paused until resume; the day is not over")
        case "kill":
            said = [_closing(open_positions), *_cancelling(entries, "closed")]
            said.append("no new entry today, also after a restart")
            if before.day_exit_reason not in (None, KILL_SWITCH):
                said.append(f"the day had been ended by {before.day_exit_reason}, which stays")
        case _:
            raise ValueError(f"{verb!r} is not one of {', '.join(VERBS)}")
    if not after.reconciled:
        said.append(f"{BOOKS_NOT_READ}, and nothing is sent before that")
    return "; ".join(said)


def taken(verb: str, after: Status) -> bool:
    """Whether the bot shows the effect of a word: one that is ending, or broke on it, does not."""
    match verb:
        case "pause":
            return after.paused
        case "resume":
            return not after.paused
        case "flatten":
            # Without anything open it is done in the same step.
            return after.paused
        case "kill":
            return after.day_exit_reason is not None
        case _:
            return after.entries_stopped_by is not None


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _cancelling(entries: Sequence[OrderView], fate: str) -> list[str]:
    """The entries that a word takes out, and what becomes of one that fills before it is gone.

    One of unknown outcome cannot be cancelled before it is found.
    """
    if not entries:
        return ["no entry rests at the broker"]
    text = _count(len(entries), "entry is", "entries are") + " being cancelled"
    unknown = sum(1 for entry in entries if entry.state == OrderState.UNKNOWN)
    if unknown:
        text += f", {unknown} of unknown outcome: it may fill until the broker's books show it"
    return [f"{text}; what fills meanwhile is {fate}"]


def _stay_open(open_positions: Sequence[PositionView]) -> str:
    if not open_positions:
        return "no position is open"
    others = [p for p in open_positions if p.cover is not Cover.RESTING]
    if not others:
        count = _count(len(open_positions), "position stays", "positions stay")
        stops = "its stop keeps" if len(open_positions) == 1 else "their stops keep"
        return f"{count} open, {stops} resting at the broker"
    count = _count(len(open_positions), "position", "positions")
    covered = len(open_positions) - len(others)
    named = ", ".join(f"{p.symbol} {p.cover.text}" for p in others)
    return f"{count} open: {covered} with a stop resting at the broker; {named}"


def _closing(open_positions: Sequence[PositionView]) -> str:
    if not open_positions:
        return "no position is open"
    count = _count(len(open_positions), "position", "positions")
    return (
        f"closing {count}: each stop is cancelled and proven gone, "
        "then what is left is bought at market"
    )


def _resumed(
    before: Status,
    after: Status,
    entries: Sequence[OrderView],
    open_positions: Sequence[PositionView],
) -> list[str]:
    said = []
    if before.paused:
        said.append("the pause is lifted")
    if before.churn_tripped:
        said.append("the stop after too many re-placements is lifted")
    if not said:
        said.append("nothing was paused")
    cancelling = sum(1 for entry in entries if entry.cancelling)
    if cancelling:
        asked = _count(cancelling, "cancel that was asked for goes", "cancels asked for go")
        said.append(f"{asked} on")
    if after.day_exit_reason:
        said.append(f"the day was ended by {after.day_exit_reason}: no new entry today")
    if after.entries_stopped_by:
        said.append(f"entries stay stopped for the day: {after.entries_stopped_by}")
    if after.day_exit_reason or after.entries_stopped_by:
        pass
    elif after.flattening:
        count = _count(len(open_positions), "position", "positions")
        said.append(f"flatten is still closing {count}, and entries wait until all is flat")
    elif after.gate is not None:
        said.append(f"entries still wait: {gate_text(after.gate)}")
    else:
        said.append(
            f"entries are allowed, with {after.positions} of {after.positions_max} positions "
            f"open and R at {r_text(after.r_milli)}"
        )
    return said
