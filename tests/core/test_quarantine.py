"""Which ticks may be believed (docs/strategy.md, section 2, the last rule)."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.market import Market
from baseline_v1_live.core.messages import Tick
from baseline_v1_live.core.quarantine import TickGate
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import Session
from tests.harness_market import C260, day, make_contract

INDEX = 2_600_000


@pytest.fixture
def session() -> Session:
    return day()


@pytest.fixture
def gate(session: Session) -> TickGate:
    return TickGate(Rules(), session)


class Feed:
    """Ticks of one symbol, a second apart from the session's open."""

    def __init__(self, gate: TickGate, session: Session) -> None:
        self.gate = gate
        self.now_ms = session.open_ms

    def say(self, price: int, bid: int | None = None, ask: int | None = None) -> str | None:
        self.now_ms += 1_000
        tick = Tick(at_ms=self.now_ms, symbol=C260, ltp_paise=price, bid_paise=bid, ask_paise=ask)
        return self.gate.refusal(tick, INDEX)


@pytest.fixture
def feed(gate: TickGate, session: Session) -> Feed:
    return Feed(gate, session)


@pytest.mark.parametrize("price", [0, -5])
def test_a_price_must_be_positive(feed: Feed, price: int) -> None:
    """A tick whose price is zero or negative is quarantined."""
    assert feed.say(price) == "not_a_price"
    assert feed.say(5) is None


def test_the_index_level_is_no_option_price(feed: Feed) -> None:
    """A tick of an option that carries the index level is quarantined, even as the first tick."""
    assert feed.say(INDEX) == "index_price"
    assert feed.say(INDEX - 5) is None


def test_without_an_index_any_price_may_be_an_options(gate: TickGate, session: Session) -> None:
    """Where no index level is known, no price is refused for being equal to it."""
    tick = Tick(at_ms=session.open_ms, symbol=C260, ltp_paise=INDEX)

    assert gate.refusal(tick, None) is None


def test_ticks_never_go_back_in_time(gate: TickGate, session: Session) -> None:
    """A tick older than the newest of its symbol is quarantined, one of the same instant is not."""
    times = (5_000, 4_999, 5_000, 5_001)
    ticks = [Tick(at_ms=session.open_ms + ms, symbol=C260, ltp_paise=13000) for ms in times]

    assert [gate.refusal(tick, INDEX) for tick in ticks] == [None, "out_of_order", None, None]


def test_the_exchanges_time_decides(gate: TickGate, session: Session) -> None:
    """Where the feed has the exchange's time, that is the tick's age, whenever it arrives."""
    arrivals = [(1_000, 900), (2_000, 800), (2_500, 950)]
    ticks = [
        Tick(
            at_ms=session.open_ms + at,
            exchange_at_ms=session.open_ms + exchange,
            symbol=C260,
            ltp_paise=13000,
        )
        for at, exchange in arrivals
    ]

    assert [gate.refusal(tick, INDEX) for tick in ticks] == [None, "out_of_order", None]


def test_a_tick_belongs_to_the_session(gate: TickGate, session: Session) -> None:
    """A tick stamped before the open or after the close is quarantined."""
    stamps = {
        session.open_ms - 1: "outside_session",
        session.open_ms: None,
        session.close_ms: None,
        session.close_ms + 1: "outside_session",
    }
    seen = {at: gate.refusal(Tick(at_ms=at, symbol=C260, ltp_paise=13000), INDEX) for at in stamps}

    assert seen == stamps


def test_a_tick_from_the_future_blocks_no_later_tick(gate: TickGate, session: Session) -> None:
    """A quarantined stamp does not count as the symbol's newest tick."""
    future = Tick(at_ms=session.close_ms + 1, symbol=C260, ltp_paise=13000)
    now = Tick(at_ms=session.open_ms, symbol=C260, ltp_paise=13000)

    assert gate.refusal(future, INDEX) == "outside_session"
    assert gate.refusal(now, INDEX) is None


@pytest.mark.parametrize(
    ("price", "reason"),
    [(13000, None), (13001, "price_jump"), (7000, None), (6999, "price_jump")],
)
def test_a_jump_of_more_than_30_percent_is_suspect(
    feed: Feed, price: int, reason: str | None
) -> None:
    """More than 30 % off the last good price is quarantined, in either direction; 30 % is not."""
    feed.say(10000)

    assert feed.say(price) == reason


def test_the_first_tick_cannot_jump(feed: Feed) -> None:
    """Without a last good price nothing is a jump."""
    assert feed.say(5) is None


def test_a_jump_is_measured_from_the_last_good_price(feed: Feed) -> None:
    """A quarantined price is no base for the next one's jump."""
    feed.say(10000)
    feed.say(20000)

    assert feed.say(12900) is None
    assert feed.say(14000) is None


def test_a_supporting_quote_makes_a_jump_good(feed: Feed) -> None:
    """A jump whose price lies within the tick's own bid and ask is believed at once."""
    feed.say(10000)

    assert feed.say(20000, bid=19950, ask=20050) is None


@pytest.mark.parametrize(
    ("bid", "ask"), [(9950, 10050), (20005, 20050), (None, 20050), (19950, None)]
)
def test_a_quote_elsewhere_supports_nothing(feed: Feed, bid: int | None, ask: int | None) -> None:
    """A quote that does not hold the price, or is half missing, does not make a jump good."""
    feed.say(10000)

    assert feed.say(20000, bid, ask) == "price_jump"


def test_a_second_tick_makes_a_jump_good(feed: Feed) -> None:
    """The second tick near a suspect price is believed and becomes the last good one."""
    feed.say(10000)

    assert feed.say(20000) == "price_jump"
    assert feed.say(20500) is None
    assert feed.say(20000) is None
    assert feed.say(10000) == "price_jump"


def test_two_different_jumps_do_not_support_each_other(feed: Feed) -> None:
    """A second suspect far from the first supports nothing and becomes the suspect itself."""
    feed.say(10000)

    assert feed.say(20000) == "price_jump"
    assert feed.say(5000) == "price_jump"
    assert feed.say(5100) is None


def test_snapshot_replays_have_no_jump_rule(session: Session) -> None:
    """Between two snapshots any jump is possible; the other checks stay."""
    feed = Feed(TickGate(Rules(snapshot_cadence_ms=60_000), session), session)
    feed.say(10000)

    assert feed.say(50000) is None
    assert feed.say(0) == "not_a_price"
    assert feed.say(INDEX) == "index_price"


def test_the_jump_limit_is_a_setting(session: Session) -> None:
    """Another limit applies as it is set."""
    feed = Feed(TickGate(Rules(jump_limit_bp=1_000), session), session)
    feed.say(10000)

    assert feed.say(11001) == "price_jump"
    assert feed.say(11000) is None


# ---------------------------------------------------------------- in the market


@pytest.fixture
def market(session: Session) -> Market:
    return Market(Rules(), session, {C260: make_contract(C260)}, "NIFTY")


def test_a_quarantined_tick_is_counted_and_used_for_nothing(
    market: Market, session: Session
) -> None:
    """A quarantined tick changes no price, no bar and no silence, and is counted by its reason."""
    at = session.open_ms
    market.on_tick(Tick(at_ms=at, symbol="NIFTY", ltp_paise=INDEX))
    market.on_tick(Tick(at_ms=at, symbol=C260, ltp_paise=13000))
    market.on_tick(Tick(at_ms=at + 1_000, symbol=C260, ltp_paise=INDEX, ask_paise=99))
    market.on_tick(Tick(at_ms=at + 1_000, symbol=C260, ltp_paise=99_000, ask_paise=99))
    state = market.symbols[C260]

    assert market.quarantined == {"index_price": 1, "price_jump": 1}
    assert (state.last_paise, state.ask_paise, state.last_tick_ms) == (13000, None, at)
    assert state.series.forming_high_paise == 13000


def test_each_symbol_is_judged_by_its_own_ticks(market: Market, session: Session) -> None:
    """The index's newest tick makes no option's tick old, and the other way round."""
    at = session.open_ms + 10_000
    market.on_tick(Tick(at_ms=at, symbol="NIFTY", ltp_paise=INDEX))
    market.on_tick(Tick(at_ms=at, exchange_at_ms=at - 5_000, symbol=C260, ltp_paise=13000))
    market.on_tick(Tick(at_ms=at, exchange_at_ms=at - 2_000, symbol="NIFTY", ltp_paise=INDEX + 5))

    assert market.quarantined == {"out_of_order": 1}
    assert market.symbols[C260].last_paise == 13000
    assert market.index_paise == INDEX


def test_an_old_jump_confirms_no_new_one() -> None:
    """A price that was believed came between the two: each of them is a lone one."""
    feed = Feed(TickGate(Rules(), day()), day())

    assert feed.say(13_000) is None
    assert feed.say(26_000) == "price_jump"
    assert feed.say(13_005) is None
    assert feed.say(26_000) == "price_jump"
