"""Every trouble that a simulated day can have, by name: what it is, when it strikes, and where.

``REQUEST`` strikes single calls, ``MESSAGE`` single messages of the stream, each by chance. ``PERIOD``
lasts a while, ``MOMENT`` happens at an instant, ``DAY`` is in the market's prices.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """When a trouble strikes."""

    REQUEST = "request"
    MESSAGE = "message"
    PERIOD = "period"
    MOMENT = "moment"
    DAY = "day"


class Place(StrEnum):
    """Where a trouble strikes: at what is outside the bot, or at the bot's own process and its people."""

    GATEWAY = "gateway"
    BOT = "bot"


class Trouble(NamedTuple):
    """One trouble; ``what`` is one sentence for people, ``lasts_s`` how long a period lasts at least and
    at most.
    """

    name: str
    kind: Kind
    what: str
    lasts_s: tuple[int, int] = (0, 0)
    place: Place = Place.GATEWAY


_R, _M, _P, _A, _D = Kind.REQUEST, Kind.MESSAGE, Kind.PERIOD, Kind.MOMENT, Kind.DAY
_BOT = Place.BOT

TROUBLES: tuple[Trouble, ...] = (
    # the order path
    Trouble("answer_lost", _R, "an order message is carried out and its answer is lost"),
    Trouble("request_lost", _R, "an order message is lost on its way"),
    Trouble("acceptance_late", _R, "an order message reaches the broker up to 130 s later"),
    Trouble("answer_late", _R, "an answer comes up to 20 s later"),
    Trouble("error_500", _R, "an order message ends in HTTP 500, carried out or not"),
    Trouble("html", _R, "an order message is answered by a web page, carried out or not"),
    Trouble("cut_json", _R, "an answer is cut in the middle"),
    Trouble("no_id", _R, "an order is accepted without an id"),
    Trouble("refused", _R, "an order is refused"),
    Trouble("stop_refused", _R, "a protective stop is refused at placement"),
    Trouble("rejected_later", _R, "an order is accepted and thrown out a moment later"),
    Trouble("stop_rejected_at_trigger", _R, "a protective stop is thrown out when it triggers"),
    Trouble("fill_during_cancel", _R, "an order fills just before its cancellation arrives"),
    Trouble("fill_during_modify", _R, "an order fills in part just before its change arrives"),
    Trouble("fill_after_cancel", _R, "an order that was called cancelled fills all the same"),
    Trouble("rate_limited", _P, "every call is answered 429", (2, 40)),
    Trouble("margin_short", _P, "no money is left: every order that sells is refused", (60, 600)),
    Trouble("orders_forbidden", _P, "order messages end in 403, questions are answered", (5, 60)),
    # the books
    Trouble("book_fails", _R, "one of the three books cannot be read"),
    Trouble("book_empty", _R, "one of the three books comes empty"),
    Trouble("positions_empty", _P, "the position book comes empty, look after look", (2, 20)),
    Trouble("status_leaks", _R, "an order's row shows the status of another order"),
    Trouble("complete_untraded", _R, "an order that works is called complete, without a trade"),
    Trouble("trades_late", _R, "the trade book lacks the trades of the last seconds"),
    Trouble("order_question_fails", _R, "a question about one order ends in HTTP 500"),
    Trouble("prices_fail", _R, "a question for prices, bars or money ends in HTTP 500"),
    # the gateway as a whole
    Trouble("gateway_down", _P, "nothing listens at the gateway", (2, 90)),
    Trouble("gateway_hangs", _P, "the gateway takes calls and does not answer", (2, 60)),
    Trouble("login_over", _P, "every call is refused with 403", (5, 120)),
    Trouble(
        "token_dead", _P, "the broker knows the login no more: errors and a mute stream", (5, 120)
    ),
    # the stream
    Trouble("updates_lost", _M, "order updates are lost"),
    Trouble("updates_twice", _M, "order updates come twice"),
    Trouble("updates_shuffled", _M, "order updates come late and out of order"),
    Trouble("stream_cut", _A, "the stream is cut"),
    Trouble("stream_silent", _P, "the stream stays connected and tells of nothing", (5, 120)),
    Trouble("symbol_stalled", _P, "one symbol's prices stop", (60, 400)),
    Trouble("depth_refused", _R, "a subscription with bid and ask is refused"),
    Trouble("no_quotes", _M, "a price comes without bid and ask"),
    Trouble("index_on_option", _M, "an option is shown at the index's level"),
    Trouble("old_ticks", _A, "ticks of before are sent again"),
    Trouble(
        "garbage_ticks",
        _A,
        "ticks that are no prices: zero, negative, absurd, off the tick, crossed",
    ),
    # the market
    Trouble("small_sizes", _D, "few lots are offered, so that orders fill in parts"),
    Trouble("jumps", _D, "prices jump over stops and limits"),
    Trouble("gap_over_stop", _A, "a price leaps over a resting order's trigger and limit"),
    Trouble("halt", _D, "the whole market stands still for minutes"),
    Trouble("broker_square_off", _A, "the broker closes everything before we do"),
    Trouble("broker_sweep", _A, "the broker cancels every order of ours, and closes a while later"),
    Trouble("lane_full", _A, "fills and lost stops fill the order lane, and then comes kill"),
    # the process and its disk
    Trouble(
        "killed", _A, "the process is killed between two of its steps and started again", place=_BOT
    ),
    Trouble(
        "killed_at_commit", _A, "the process is killed just before or after a commit", place=_BOT
    ),
    Trouble("terminated", _A, "the process is told to stop, and started again", place=_BOT),
    Trouble("disk_full", _P, "the disk takes nothing", (5, 120), _BOT),
    Trouble("disk_slow", _P, "a commit takes seconds", (5, 60), _BOT),
    Trouble("journal_locked", _A, "somebody holds the journal for 1, 10 or 60 s", place=_BOT),
    Trouble("journal_damaged", _A, "the process is killed, and its journal is damaged", place=_BOT),
    Trouble("clock_set", _P, "somebody sets the machine's time", (30, 300), _BOT),
    Trouble("messenger_dead", _P, "nothing that the bot says can be delivered", (60, 2_000), _BOT),
    # people and third parties
    Trouble("closed_by_hand", _A, "somebody buys back a position of ours, or a part"),
    Trouble("added_by_hand", _A, "somebody sells more of what we hold"),
    Trouble("stop_cancelled_by_hand", _A, "somebody cancels a stop of ours"),
    Trouble("stop_moved_by_hand", _A, "somebody changes a stop of ours"),
    Trouble("order_by_hand", _A, "somebody places an order of his own in our symbols"),
    Trouble("paused", _A, "the operator pauses, and resumes later", place=_BOT),
    Trouble("flattened", _A, "the operator has everything closed, and resumes later", place=_BOT),
    Trouble("kill_switch", _A, "the operator ends the day", place=_BOT),
)
BY_NAME = {trouble.name: trouble for trouble in TROUBLES}
