"""Bars by tick, by clock and from history, as the engine makes them (docs/strategy.md, section 2)."""

from __future__ import annotations

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.messages import (
    Bar,
    BarsLoaded,
    DataEnded,
    FeedBack,
    FeedSilent,
    Started,
    Tick,
    TimerDue,
)
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import MINUTE_MS
from tests.harness_market import C260, at, day, make_contract

M0 = at("10:00:00")
M1, M2, M3, M4 = (M0 + n * MINUTE_MS for n in (1, 2, 3, 4))


def flat_bar(minute_ms: int, price: int, volume: int = 0) -> Bar:
    return Bar(minute_ms, price, price, price, price, volume)


def make_engine() -> Engine:
    contracts = {C260: make_contract(C260)}
    return Engine(rules=Rules(), session=day(), contracts=contracts, index_symbol=None)


class Shell:
    """Stamps events and hands them to an engine."""

    def __init__(self) -> None:
        self.engine = make_engine()
        self.seq = 1
        self.engine.handle(Started(seq=1, at_ms=M0, mode="simulate"))

    @property
    def bars(self) -> list[Bar]:
        return self.engine.market.symbols[C260].series.bars

    def tick(
        self, at_ms: int, price: int, volume: int = 0, exchange_at_ms: int | None = None
    ) -> None:
        self.seq += 1
        self.engine.handle(
            Tick(
                seq=self.seq,
                at_ms=at_ms,
                exchange_at_ms=exchange_at_ms,
                symbol=C260,
                ltp_paise=price,
                volume=volume,
            )
        )

    def timer(self, at_ms: int) -> None:
        self.seq += 1
        self.engine.handle(TimerDue(seq=self.seq, at_ms=at_ms))

    def history(self, at_ms: int, *bars: Bar) -> None:
        self.seq += 1
        self.engine.handle(BarsLoaded(seq=self.seq, at_ms=at_ms, symbol=C260, bars=bars))

    def feed(self, at_ms: int, *, silent: bool) -> None:
        self.seq += 1
        kind = FeedSilent if silent else FeedBack
        self.engine.handle(kind(seq=self.seq, at_ms=at_ms, source="feed"))

    def end(self, at_ms: int) -> None:
        self.seq += 1
        self.engine.handle(DataEnded(seq=self.seq, at_ms=at_ms))


def test_bars_are_aligned_to_minutes_of_the_clock() -> None:
    """A bar covers a whole minute of IST: its first and last millisecond and nothing else."""
    shell = Shell()
    shell.tick(M0, 13000)
    shell.tick(M1 - 1, 13100)
    shell.tick(M1, 13200)

    assert shell.bars == [Bar(M0, 13000, 13100, 13000, 13100, 0)]


def test_the_clock_grants_two_seconds_to_late_ticks() -> None:
    """By the clock a bar closes two seconds after its minute's end, not earlier."""
    shell = Shell()
    shell.tick(M0 + 10_000, 13000)
    shell.timer(M1 + 1_999)
    early = list(shell.bars)
    shell.tick(M1 + 1_999, 13100, exchange_at_ms=M1 - 1)
    shell.timer(M1 + 2_000)

    assert early == []
    assert shell.bars == [Bar(M0, 13000, 13100, 13000, 13100, 0)]


def test_a_tick_belongs_to_the_minute_of_the_exchanges_time() -> None:
    """Where the feed has the exchange's time, that time decides a tick's minute."""
    shell = Shell()
    shell.tick(M1 + 500, 13000, exchange_at_ms=M0 + 59_900)
    shell.tick(M1 + 600, 13100, exchange_at_ms=M1 + 100)

    assert shell.bars == [flat_bar(M0, 13000)]


def test_in_a_replay_the_last_bar_closes_with_the_data() -> None:
    """When a replay's data ends, the forming bar closes without waiting for its minute's end."""
    shell = Shell()
    shell.tick(M0, 13000)
    shell.end(M0)

    assert shell.bars == [flat_bar(M0, 13000)]


def test_history_that_comes_after_a_live_bar_has_closed_is_not_lost() -> None:
    """Bars older than the first live bar are taken even when that bar closed before they came."""
    shell = Shell()
    shell.tick(M2 + 40_000, 13200)
    shell.timer(M3 + 2_000)
    shell.history(M3 + 20_000, flat_bar(M0, 13000, 65), flat_bar(M1, 13100, 65))

    assert [bar.minute_ms for bar in shell.bars][:2] == [M0, M1]


def test_a_closed_minute_seen_only_partly_is_replaced_from_history() -> None:
    """The minute in which the feed began is history's bar, not the part of it that was seen."""
    shell = Shell()
    shell.tick(M2 + 40_000, 13200)
    shell.timer(M3 + 2_000)
    whole = Bar(M2, 13100, 13500, 13000, 13200, 650)
    shell.history(M3 + 20_000, flat_bar(M1, 13100, 65), whole)

    assert shell.bars == [flat_bar(M1, 13100, 65), whole]


def test_volume_of_a_minute_that_history_replaced_counts_once() -> None:
    """What history's bar holds is not counted again in the first bar after it."""
    shell = Shell()
    shell.tick(M1 + 30_000, 13000, volume=1000)
    # History knows the whole minute: 250 until its tick seen here, 400 after it.
    shell.history(M2 + 500, flat_bar(M0, 13000, 750), flat_bar(M1, 13000, 650))
    shell.tick(M2 + 1_000, 13000, volume=1400)
    shell.tick(M2 + 2_000, 13000, volume=1465)
    shell.timer(M3 + 2_000)

    assert [bar.volume for bar in shell.bars] == [750, 650, 65]


def test_both_minutes_beside_a_feed_gap_are_replaced_from_history() -> None:
    """The minute in which the feed fell silent, and that in which it came back, are history's."""
    shell = Shell()
    for minute in (M0, M1):
        shell.tick(minute, 13000)
    shell.tick(M2 + 5_000, 13000)
    shell.feed(M2 + 25_000, silent=True)
    shell.timer(M3 + 2_000)
    shell.tick(M4 + 5_000, 13000)
    shell.feed(M4 + 5_100, silent=False)
    shell.timer(M4 + MINUTE_MS + 2_000)
    whole = tuple(flat_bar(minute, 13500, 650) for minute in (M2, M3, M4))
    shell.history(M4 + MINUTE_MS + 5_000, *whole)

    assert tuple(shell.bars[2:]) == whole


def test_a_symbol_is_not_entered_before_its_partial_minute_is_replaced() -> None:
    """History that ends before the minute in which the feed began does not free the symbol."""
    shell = Shell()
    missing = shell.engine.market.minutes_missing
    shell.tick(M2 + 40_000, 13200)
    before = C260 in missing
    shell.history(M2 + 50_000, flat_bar(M0, 13000, 65), flat_bar(M1, 13100, 65))
    early = C260 in missing
    shell.timer(M3 + 2_000)
    shell.history(M3 + 5_000, flat_bar(M1, 13100, 65), flat_bar(M2, 13200, 650))

    assert (before, early, C260 in missing) == (True, True, False)
