"""Whose an order is where nothing tells two of them apart.

An exit without an answer is looked for by symbol, side and quantity, for a broker's row has no more. When
somebody trades just as much at that moment and ours has not arrived, his order is found. To the account
they are the same; so the one that the bot found counts as the one that it sent, and the other as his.

A stop without an answer that somebody has moved before the bot could find it is like nothing that was
sent: once the bot has said that it is somebody else's, it counts as his, until the bot takes it over.
"""

from __future__ import annotations

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.order import STRAY
from baseline_v1_live.sim.openalgo_server.books import BookOrder
from baseline_v1_live.simulate.chaos import BY_HAND
from baseline_v1_live.simulate.check_account import Ledger, is_ours
from baseline_v1_live.simulate.check_reach import RESERVED_MS, Reach
from baseline_v1_live.simulate.world import World


class Alike:
    """Swaps the names of two such orders in the exchange's books, which the bot does not see."""

    def __init__(self, world: World, ledger: Ledger, reach: Reach) -> None:
        self._orders, self._ledger, self._reach = world.venue.books.orders, ledger, reach
        # By its id, the strategy of an order of ours that counts as somebody else's.
        self._given: dict[str, str] = {}

    def look(self, engine: Engine) -> None:
        """After books were read, by which alone orders are found."""
        for row in [row for row in self._orders.values() if not is_ours(row)]:
            found = engine.orders.by_broker_id(row.orderid)
            if found is not None and found.reason != STRAY:
                self._swap(engine, row)
        moved = {name for held in self._ledger.symbols.values() for name in held.moved}
        left_alone = moved & engine.reconciler.strays.left_alone
        for row in [self._orders[name] for name in sorted(left_alone)]:
            taken_over = engine.orders.by_broker_id(row.orderid) is not None
            if is_ours(row) and not taken_over:
                self._given[row.orderid], row.strategy = row.strategy, BY_HAND
                self._ledger.count_again(row.symbol)
            elif row.orderid in self._given and taken_over:
                row.strategy = self._given.pop(row.orderid)
                self._ledger.count_again(row.symbol)

    def _swap(self, engine: Engine, theirs: BookOrder) -> None:
        sent = self._reach.sent_alike(theirs)
        if sent is None:
            return
        ours = [
            row
            for row in self._orders.values()
            if is_ours(row)
            and row.pricetype != "SL"
            and (row.symbol, row.action, row.quantity) == (sent.symbol, sent.action, sent.quantity)
            and row.placed_ms >= sent.sent_ms
            and engine.orders.by_broker_id(row.orderid) is None
        ]
        stranger, theirs.strategy = theirs.strategy, sent.strategy
        if ours:
            ours[0].strategy = stranger
        else:
            until_ms = sent.sent_ms + RESERVED_MS
            self._ledger.expect(sent.symbol, sent.action, sent.quantity, stranger, until_ms)
        self._ledger.count_again(theirs.symbol)
