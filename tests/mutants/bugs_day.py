"""Bugs of the day: its exit, its limits, pause and kill, restarts, and the ticks that are believed."""

from __future__ import annotations

from tests.mutants.bug import Bug, Days, Edit

BUGS = (
    Bug(
        name="market over before the exit",
        field="At 15:15 the loop first asked whether the market was over, and never came to the exit.",
        edits=(
            Edit(
                "core/engine.py",
                "if self.positions.squares_off and self",
                "if self.positions.squares_off:\n"
                "            self._hold()\n"
                "            self._arm()\n"
                "            return\n"
                "        if self.positions.squares_off and self",
            ),
        ),
        tests=("tests/scenarios/test_e_day_exit.py::test_e2_the_day_exit_fires_once",),
        days=Days("none"),
    ),
    Bug(
        name="exit only in the bot's own tables",
        field="At -5R the positions were marked closed, and the broker still had them.",
        edits=(
            Edit(
                "position_tracker.py",
                "            self.want_exit(position, all_wanted)\n",
                "            pass\n",
            ),
        ),
        tests=("tests/scenarios/test_close_all.py::test_plus_five_r_closes_everything_in_order",),
        days=Days("none"),
    ),
    Bug(
        name="entries after the day's exit",
        field="The day had been closed at its limit, and the next break was sold again.",
        edits=(
            Edit(
                "core/engine.py",
                "        if self.state is not TradingState.ENABLED:\n",
                "        if self.state is TradingState.STARTING:\n",
            ),
            Edit(
                "core/engine.py",
                '            return "day_exit"\n',
                "            pass\n",
            ),
        ),
        tests=(
            "tests/scenarios/test_e_day_exit.py::"
            "test_e1_a_limit_sends_orders_and_the_broker_ends_flat",
        ),
        days=Days("kill_switch", always=True),
    ),
    Bug(
        name="entries after the last entry time",
        field="Only the square-off looked at the clock, and minutes before it the bot still sold.",
        edits=(
            Edit(
                "core/engine.py",
                "        if now >= self.session.last_entry_ms:\n",
                "        if now >= self.session.square_off_ms:\n",
            ),
        ),
        tests=("tests/scenarios/test_refusals.py::test_a_gate_that_closes_cancels_what_rests",),
        days=Days("none"),
    ),
    Bug(
        name="pause shows and does nothing",
        field="The operator paused; the flag was shown and entries went on.",
        edits=(
            Edit(
                "core/engine.py",
                "        if self.paused or self.positions.flattening:\n",
                "        if self.positions.flattening:\n",
            ),
        ),
        tests=(
            "tests/scenarios/test_stop_and_blocks.py::"
            "test_stop_does_not_wait_for_an_answer_that_pause_asked_for",
        ),
        days=Days("paused", always=True),
    ),
    Bug(
        name="loss limit never looked at",
        field="The day's loss limit was a setting that no code read.",
        edits=(
            Edit(
                "strategy/exit_policy.py",
                "milli <= rules.day_stop_r_milli\n",
                "False\n",
            ),
        ),
        tests=("tests/scenarios/test_close_all.py",),
    ),
    Bug(
        name="trail never fires",
        field="The profit was to be trailed; it rose, fell back, and nothing was closed.",
        edits=(
            Edit(
                "strategy/exit_policy.py",
                "milli <= peak - rules.trailing_gap_r_milli\n",
                "False\n",
            ),
        ),
        tests=("tests/scenarios/test_trailing.py",),
        days=Days("none", seeds=40),
    ),
    Bug(
        name="stage never taken",
        field="Parts were to be bought back at +3R and +4R, and R went through both.",
        edits=(
            Edit(
                "strategy/exit_policy.py",
                "                self.stages_reached += 1\n",
                "                pass\n",
            ),
        ),
        tests=("tests/scenarios/test_staged.py",),
        days=Days("none", seeds=40),
    ),
    Bug(
        name="target watched and not taken",
        field="The position's own target traded for minutes, and its stop was hit in the end.",
        edits=(
            Edit(
                "core/exit_desk.py",
                "            self.positions.want_exit(position, FIXED_TARGET)\n",
                "            pass\n",
            ),
        ),
        tests=("tests/scenarios/test_fixed.py",),
        days=Days("none", seeds=40),
    ),
    Bug(
        name="pause leaves entries resting",
        field="The operator paused, and an entry that rested at the broker filled ten minutes later.",
        edits=(
            Edit(
                "core/entry_desk.py",
                "            self._cancel(working, gate)\n",
                "            pass\n",
            ),
        ),
        tests=(
            "tests/scenarios/test_stop_and_blocks.py::"
            "test_a_blocked_entry_is_cancelled_and_nothing_new_is_placed",
        ),
        days=Days("paused", always=True),
    ),
    Bug(
        name="pending entries not counted",
        field="Limits counted positions only; entries that rested filled beyond them.",
        edits=(
            Edit(
                "core/entry_desk.py",
                "            if order.position_id not in self.positions.open and not leaving:\n",
                "            if False:\n",
            ),
        ),
        tests=(
            "tests/scenarios/test_a_placing.py::test_a20_an_entry_in_flight_counts_as_a_position",
        ),
        days=Days("none", start=11),
    ),
    Bug(
        name="broken swing sold again",
        field="A swing broke, the price bounced, and the same swing was sold three times in 41 s.",
        edits=(
            Edit(
                "core/market.py",
                "candidate.spent = True\n                self.dirty = True\n        return state\n",
                "self.dirty = True\n        return state\n",
            ),
            Edit(
                "core/entry_desk.py",
                "        self.market.spend(working.candidate)\n        since",
                "        since",
            ),
            Edit(
                "core/entry_desk.py",
                "        if order.filled_quantity:\n            self.market.spend(candidate)\n",
                "        if order.filled_quantity:\n",
            ),
        ),
        tests=(
            "tests/scenarios/test_b_selecting.py::test_b7_a_swing_that_broke_without_us_is_never_sold",
        ),
        days=Days("flattened", start=2, always=True),
    ),
    Bug(
        name="held symbol sold again",
        field="A symbol that was held was nominated again and sold a second time.",
        edits=(
            Edit(
                "core/entry_desk.py",
                "            return HELD\n",
                "            pass\n",
            ),
        ),
        tests=("tests/scenarios/test_b_swings.py",),
        days=Days("none"),
    ),
    Bug(
        name="absurd tick believed",
        field="For one tick the option's price was the index's level, and the bot acted on it.",
        edits=(
            Edit(
                "core/market.py",
                "            self._quarantine(tick, refusal)\n            return None\n        ltp",
                "            self._quarantine(tick, refusal)\n        ltp",
            ),
        ),
        tests=(
            "tests/scenarios/test_data_trust_bars.py::"
            "test_a_tick_that_cannot_be_a_price_moves_nothing",
        ),
        days=Days("garbage_ticks", always=True),
    ),
    Bug(
        name="peak of one bad print",
        field="One print made a peak of R, and the trailing exit closed everything at the true price.",
        edits=(
            Edit(
                "strategy/exit_policy.py",
                "        if self._rise is None and not sure:\n",
                "        if milli:\n"
                "            self.peak_r_milli = milli\n"
                "            return\n"
                "        if self._rise is None and not sure:\n",
            ),
        ),
        tests=("tests/scenarios/test_trailing.py::test_one_print_makes_no_peak",),
    ),
    Bug(
        name="limit of R believed at once",
        field="One bad print showed -5R, and the whole day was closed.",
        edits=(
            Edit(
                "strategy/exit_policy.py",
                "self._since[limit] = at_ms\n            self.fresh = True\n            return False\n",
                "return True\n",
            ),
        ),
        tests=(
            "tests/core/test_exit_policy.py::test_a_limit_fires_on_two_evaluations_a_second_apart",
        ),
    ),
    Bug(
        name="R forgotten at restart",
        field="A restart forgot the closed trades, and the day's limits began at zero again.",
        edits=(
            Edit(
                "core/position_book.py",
                "for position in positions}\n        self.open",
                "for position in positions if not position.closed}\n        self.open",
            ),
        ),
        tests=(
            "tests/scenarios/test_fault_rows.py::test_d12_r_counts_closed_trades_after_a_restart",
        ),
        days=Days("killed", always=True),
    ),
    Bug(
        name="day's limit forgotten at restart",
        field="The limit had been hit, the container restarted, and the bot traded on.",
        edits=(
            Edit(
                "core/session_state.py",
                "    tracker.day_exit_reason = state.day_exit_reason\n",
                "",
            ),
        ),
        tests=(
            "tests/scenarios/test_fault_rows.py::"
            "test_d11_after_a_restart_the_days_limit_stays_reached",
        ),
    ),
    Bug(
        name="pause forgotten at restart",
        field="The operator had paused; after a restart the bot sold again.",
        edits=(
            Edit(
                "core/session_state.py",
                "    engine.paused = state.paused\n",
                "",
            ),
        ),
        tests=("tests/scenarios/test_pause_restart.py",),
        days=Days("paused,killed"),
    ),
    Bug(
        name="restart breaks on an order without an id",
        field="A refused order was stored without the broker's id, and every start broke on it.",
        edits=(
            Edit(
                "order_manager.py",
                "            if order.broker_order_id is not None:\n"
                "                self._by_broker_id",
                "            if order.broker_order_id is None:\n"
                '                raise TypeError("an order without an id")\n'
                "            if order.broker_order_id:\n"
                "                self._by_broker_id",
            ),
        ),
        days=Days("killed,refused"),
    ),
    Bug(
        name="orders before the books are read",
        field="After a restart the bot acted on its own file before it had asked the broker.",
        edits=(
            Edit(
                "core/engine.py",
                "        self.reconciled = False\n",
                "        self.reconciled = True\n",
            ),
            Edit(
                "core/engine.py",
                "        self.orders.ready = False\n",
                "        self.orders.ready = True\n",
            ),
        ),
        tests=(
            "tests/scenarios/test_taken_up_again.py::"
            "test_nothing_but_questions_leaves_before_the_books_are_read",
        ),
    ),
    Bug(
        name="stops cancelled at SIGTERM",
        field="At docker stop all orders were cancelled, and the shorts stood without their stops.",
        edits=(
            Edit(
                "core/entry_desk.py",
                "if stopping:\n            for order in list(self.orders.live(purpose=Purpose.ENTRY)):\n",
                "if stopping:\n            for order in list(self.orders.live()):\n",
            ),
        ),
        tests=(
            "tests/scenarios/test_stop_and_blocks.py::test_stop_cancels_entries_and_keeps_stops",
        ),
    ),
    Bug(
        name="entry sent before its intent is stored",
        field="The order left first and was written down later; a crash in between forgot it.",
        edits=(
            Edit(
                "runtime/live.py",
                "            await asyncio.wait_for(asyncio.shield(stored), self._patience_s)\n",
                "            await asyncio.sleep(0)\n",
            ),
        ),
        tests=("tests/runtime/test_live_driver.py::test_orders_leave_after_their_step_is_stored",),
        days=Days("disk_slow", always=True),
    ),
    Bug(
        name="kill heard at the next minute",
        field="The kill switch was looked at once in a slow loop, and orders went on till then.",
        edits=(
            Edit(
                "runtime/day.py",
                "        self.driver.say(verb, by)\n\n",
                "        if verb == 'kill':\n"
                "            loop = asyncio.get_running_loop()\n"
                "            loop.call_later(60, self.driver.say, verb, by)\n"
                "            return\n"
                "        self.driver.say(verb, by)\n\n",
            ),
        ),
        tests=("tests/runtime/test_day.py::test_a_kill_that_was_said_is_written_down_first",),
    ),
)
