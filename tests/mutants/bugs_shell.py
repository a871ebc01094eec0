"""Bugs around the core: the rate of messages, what waits for what, what is stored, what is told."""

from __future__ import annotations

from tests.mutants.bug import Bug, Days, Edit

_STOP_SENT_AGAIN = Edit(
    "position_tracker.py",
    "        if stop.remaining != target and not stop.change:\n",
    "        if not stop.change:\n",
)

BUGS = (
    Bug(
        name="kill waits for the limiter",
        field="The kill came when the order rate was used up, and its cancels and exits had to queue.",
        edits=(
            Edit(
                "adapters/openalgo/client.py",
                "        if not await self.limiter.acquire(urgency,",
                "        if urgency is not Urgency.ENTRY:\n"
                "            await self._sleep(4)\n"
                "        if not await self.limiter.acquire(urgency,",
            ),
        ),
        tests=(
            "tests/adapters/openalgo/test_order_pace_cancel.py::"
            "test_a_cancel_leaves_at_once_when_entries_have_used_up_their_share",
        ),
        days=Days("kill_switch", always=True),
    ),
    Bug(
        name="chase at every tick",
        field="The price of a resting order was changed at each tick by paise until the broker refused.",
        edits=(
            Edit(
                "core/order_requests.py",
                "        order.chase_due_ms = self.now_ms + max(\n",
                "        order.chase_due_ms = 0 * max(\n",
            ),
            Edit(
                "core/order_requests.py",
                "        order.chases += 1\n",
                "",
            ),
        ),
        tests=("tests/scenarios/test_protection_chase.py",),
    ),
    Bug(
        name="books read only after a reconnect",
        field="The books were compared at the start and after a reconnect; a lost stop stood for hours.",
        edits=(
            Edit(
                "core/reconciler.py",
                "self.rules.reconcile_busy_ms if busy else self.rules.reconcile_idle_ms\n",
                "900_000 if busy else 900_000\n",
            ),
        ),
        tests=("tests/scenarios/test_missing_rows.py",),
        days=Days("updates_lost", always=True),
    ),
    Bug(
        name="one lot too many",
        field="The size was rounded up, and each trade risked more than R.",
        edits=(
            Edit(
                "core/risk.py",
                "rules.r_value_paise // (risk_per_unit_paise * contract.lot_size)\n",
                "rules.r_value_paise // (risk_per_unit_paise * contract.lot_size) + 1\n",
            ),
        ),
        tests=("tests/core/test_risk.py",),
        days=Days("none"),
    ),
    Bug(
        name="key in the record of requests",
        field="The request was logged whole, with the API key in it.",
        edits=(
            Edit(
                "adapters/openalgo/transport.py",
                "sent=self._key.scrub(json.dumps(body))",
                'sent=json.dumps({"apikey": self._key.reveal(), **body})',
            ),
        ),
        tests=("tests/adapters/openalgo/test_client_orders.py::test_the_key_is_seen_nowhere",),
        days=Days("none"),
    ),
    Bug(
        name="not flat and nobody told",
        field="The exit had failed before the broker's own square-off, and the alarm stayed silent.",
        edits=(
            Edit(
                "position_tracker.py",
                "            self.want_exit(position, all_wanted)\n",
                "            pass\n",
            ),
            Edit(
                "core/day_end.py",
                "        self._hard_cut_alerted = False\n",
                "        self._hard_cut_alerted = True\n",
            ),
        ),
        tests=(
            "tests/scenarios/test_close_all_troubles.py::"
            "test_not_flat_at_the_hard_cut_is_said_once",
        ),
        days=Days("none"),
    ),
    Bug(
        name="stop sent again at every step",
        field="A stop that rested got its own values again and again, until no change of it was taken.",
        edits=(_STOP_SENT_AGAIN,),
        days=Days("none"),
    ),
    Bug(
        name="minutes not counted by the limiter",
        field="Only seconds were limited; by ten o'clock the orders of the whole day were used up.",
        edits=(
            _STOP_SENT_AGAIN,
            Edit(
                "adapters/openalgo/limiter.py",
                "            self._room_in(self.limits.in_a_minute(urgency), MINUTE_MS, now_ms),\n",
                "",
            ),
        ),
        tests=("tests/adapters/openalgo/test_limiter.py",),
        days=Days("none", start=3),
    ),
    Bug(
        name="gateway has to hold us back",
        field="Changes left as fast as ticks came, and the gateway refused them together with an exit.",
        edits=(
            _STOP_SENT_AGAIN,
            Edit(
                "adapters/openalgo/limiter.py",
                "                if first and wait == 0:\n",
                "                if first or wait == 0:\n",
            ),
        ),
        tests=("tests/adapters/openalgo/test_limiter.py",),
        days=Days("none"),
    ),
    Bug(
        name="entries overtake exits",
        field="Exits went through one more check than entries, and an entry left before them.",
        edits=(
            Edit(
                "adapters/openalgo/client.py",
                "        if not await self.limiter.acquire(urgency,",
                "        if urgency is not Urgency.ENTRY:\n"
                "            await self._sleep(0.9)\n"
                "        if not await self.limiter.acquire(urgency,",
            ),
        ),
        tests=(
            "tests/adapters/openalgo/test_order_pace_cancel.py::"
            "test_a_cancel_leaves_at_once_when_entries_have_used_up_their_share",
        ),
        days=Days("none", start=1),
    ),
    Bug(
        name="books asked for in a tight loop",
        field="While the books could not be read they were asked for without a pause, for minutes.",
        edits=(
            Edit(
                "core/reconciler.py",
                "        busy = self.hurry or unread or not self.positions.settled\n",
                "        if unread:\n"
                "            return self._last_asked_ms\n"
                "        busy = self.hurry or unread or not self.positions.settled\n",
            ),
        ),
        days=Days("book_fails", always=True),
    ),
    Bug(
        name="first books asked for once",
        field="The books could not be read at a restart; they were not asked for again, and nothing ran.",
        edits=(
            Edit(
                "core/engine.py",
                "        if self.state is not TradingState.STARTING:\n"
                "            self.reconciler.ask_if_due()\n",
                "        if self.reconciled:\n            self.reconciler.ask_if_due()\n",
            ),
        ),
        days=Days("book_fails,killed", start=2),
    ),
    Bug(
        name="tick's own time taken for the clock",
        field="One event had the exchange's time and the next ours: time ran back, and it crashed.",
        edits=(
            Edit(
                "runtime/live.py",
                "        event = msgspec.structs.replace(event, seq=self._seq, at_ms=self._now_ms)\n",
                "        at_ms = self._now_ms\n"
                "        if isinstance(event, Tick) and event.exchange_at_ms is not None:\n"
                "            at_ms = event.exchange_at_ms\n"
                "        event = msgspec.structs.replace(event, seq=self._seq, at_ms=at_ms)\n",
            ),
        ),
        days=Days("none"),
    ),
    Bug(
        name="deadline that never comes nearer",
        field="A time to wake up was counted from now while the index stood still; the bot spun.",
        edits=(
            Edit(
                "core/price_watch.py",
                "                due = self.market.silent_from_ms(symbol, self._quote_after_ms)\n",
                "                silent_ms = self.market.silent_ms(symbol)\n"
                "                due = self.orders.now_ms + self._quote_after_ms - silent_ms\n",
            ),
            Edit(
                "core/price_watch.py",
                "                alert = self.market.silent_from_ms(symbol, self._alert_after_ms)\n",
                "                silent_ms = self.market.silent_ms(symbol)\n"
                "                alert = self.orders.now_ms + self._alert_after_ms - silent_ms\n",
            ),
        ),
        days=Days("symbol_stalled", start=3, always=True),
    ),
    Bug(
        name="summary never saved",
        field="The day's result was said and never stored; the next day nobody knew how it had ended.",
        edits=(
            Edit(
                "adapters/journal/statements.py",
                "        if isinstance(command, SaveSummary):\n",
                "        if isinstance(command, SaveSummary) and not command.exit_reason:\n",
            ),
        ),
        tests=("tests/adapters/test_journal_steps.py",),
        days=Days("none"),
    ),
    Bug(
        name="summary lost on a full disk",
        field="The disk was full when the day ended, and what it had refused was not stored later.",
        edits=(
            Edit(
                "runtime/recovery.py",
                "        engine.day_end.save_again()\n",
                "",
            ),
        ),
        tests=("tests/scenarios/test_late_summary.py",),
        days=Days("disk_full", start=302, always=True),
    ),
    Bug(
        name="fill stored twice",
        field="Each news of an order stored its fills again, and a query over them counted too many.",
        edits=(
            Edit(
                "adapters/journal/schema.py",
                "        at_ms INTEGER NOT NULL,\n"
                "        UNIQUE (order_id, filled_quantity, filled_value_paise)\n",
                "        at_ms INTEGER NOT NULL\n",
            ),
        ),
        tests=("tests/adapters/test_journal_steps.py",),
        days=Days("none"),
    ),
)
