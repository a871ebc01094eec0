"""Bugs between a fill and flat: the stop, its size, what closes, and what the books are read as."""

from __future__ import annotations

from tests.mutants.bug import Bug, Days, Edit

BUGS = (
    Bug(
        name="stop for the ordered quantity",
        field="A part of the entry had filled, and the stop was placed for the whole of it.",
        edits=(
            Edit(
                "core/position_book.py",
                "            position.entry_quantity += delta.quantity\n",
                "            position.entry_quantity = order.quantity\n",
            ),
        ),
        tests=("tests/scenarios/test_c_protection.py::test_c7_the_stop_follows_what_is_open",),
        days=Days("small_sizes", always=True),
    ),
    Bug(
        name="stop where it never triggers",
        field="A sum in the wrong unit put the trigger far above the price, where it never trades.",
        edits=(
            Edit(
                "position_tracker.py",
                "        trigger = position.stop_trigger_paise\n",
                "        trigger = position.stop_trigger_paise + 50_000\n",
            ),
        ),
        tests=("tests/scenarios/test_c_protection.py::test_c7_the_stop_follows_what_is_open",),
        days=Days("none"),
    ),
    Bug(
        name="stops stacked instead of modified",
        field="Each part that filled got a stop of its own for all of it, and all of them stayed.",
        edits=(
            Edit(
                "position_tracker.py",
                "            self.orders.modify(stop, quantity=stop.filled_quantity + target)\n",
                "            self._place_stop(position, target)\n",
            ),
            Edit(
                "position_tracker.py",
                "            if extra is not stop:\n",
                "            if extra.remaining > target:\n",
            ),
        ),
        tests=("tests/scenarios/test_c_protection.py::test_c7_the_stop_follows_what_is_open",),
        days=Days("small_sizes", always=True),
    ),
    Bug(
        name="stop not resized after a further fill",
        field="The rest of the entry filled later, and the stop kept the size of the first part.",
        edits=(
            Edit(
                "position_tracker.py",
                "        if stop.remaining != target and not stop.change:\n",
                "        if stop.remaining > target and not stop.change:\n",
            ),
        ),
        tests=("tests/scenarios/test_c_protection.py::test_c7_the_stop_follows_what_is_open",),
        days=Days("small_sizes", always=True),
    ),
    Bug(
        name="stop left behind after a close by hand",
        field="Somebody closed the short in the app; its stop stayed and later bought a long.",
        edits=(
            Edit(
                "position_tracker.py",
                '                self.orders.cancel(stop, position.exit_wanted or "flat")\n',
                "                if position.exit_wanted:\n"
                "                    self.orders.cancel(stop, position.exit_wanted)\n",
            ),
        ),
        tests=(
            "tests/scenarios/test_drift.py::"
            "test_a_stop_whose_position_is_closed_by_hand_goes_within_five_seconds",
        ),
        days=Days("closed_by_hand", always=True),
    ),
    Bug(
        name="triggered stop not chased",
        field="The price gapped past the stop's limit, and the triggered order stayed unfilled.",
        edits=(
            Edit(
                "core/order_requests.py",
                "            since = None if self.still_waits(order) else order.triggered_at_ms\n",
                "            since = None\n",
            ),
        ),
        tests=(
            "tests/scenarios/test_protection_chase.py::"
            "test_a_stop_left_behind_is_chased_step_by_step",
        ),
        days=Days("gap_over_stop", always=True),
    ),
    Bug(
        name="exit beside a living stop",
        field="The position was bought back while its stop was still alive; both filled.",
        edits=(
            Edit(
                "position_tracker.py",
                "        if exit_target and covered:\n",
                "        if exit_target:\n",
            ),
        ),
        tests=(
            "tests/scenarios/test_staged_orders.py::"
            "test_an_acknowledged_change_of_the_stop_is_not_proof",
        ),
        days=Days("none"),
    ),
    Bug(
        name="working exit not counted",
        field="An exit that rested was sent again each turn, and the account became long.",
        edits=(
            Edit(
                "position_tracker.py",
                "        need = target - doubtful - live\n",
                "        need = target - doubtful\n",
            ),
        ),
        tests=("tests/scenarios/test_close_all.py::test_plus_five_r_closes_everything_in_order",),
        days=Days("lane_full", always=True),
    ),
    Bug(
        name="exit tried once",
        field="The exit was refused and never tried again; the broker squared off in the evening.",
        edits=(
            Edit(
                "position_tracker.py",
                "if any(order.state is OrderState.IN_FLIGHT for order in exits):",
                "if position.exit_attempts or any(o.state is OrderState.IN_FLIGHT for o in exits):",
            ),
        ),
        tests=(
            "tests/scenarios/test_close_all_troubles.py::"
            "test_a_refused_exit_is_tried_three_times_two_seconds_apart",
        ),
        days=Days("refused", start=4),
    ),
    Bug(
        name="long of our own left alone",
        field="Stop and exit had both filled; the long that this left was noticed by nobody.",
        edits=(
            Edit(
                "position_tracker.py",
                "            self._sell_long(position)\n            return\n",
                "            return\n",
            ),
        ),
        tests=(
            "tests/scenarios/test_closed_by_user.py::"
            "test_a_close_by_hand_is_learned_however_late_the_books_come",
        ),
        days=Days("fill_after_cancel", start=5),
    ),
    Bug(
        name="sign of the quantity dropped",
        field="abs() made a long look like the short that was expected.",
        edits=(
            Edit(
                "core/reconcile.py",
                "ours, theirs = open_short.get(symbol, 0), -read.net.get(symbol, 0)",
                "ours, theirs = open_short.get(symbol, 0), abs(read.net.get(symbol, 0))",
            ),
        ),
        tests=("tests/core/test_reconcile_positions.py",),
    ),
    Bug(
        name="failed position book read as flat",
        field="The positions could not be read; an empty list was taken for flat and the stops went.",
        edits=(
            Edit(
                "adapters/openalgo/wire/books.py",
                "    if isinstance(position_rows, Unreadable):\n        return position_rows\n    modes",
                "    if isinstance(position_rows, Unreadable):\n"
                "        position_rows = Book((), order_rows.mode)\n    modes",
            ),
        ),
        tests=(
            "tests/adapters/openalgo/test_broker.py::test_a_snapshot_that_cannot_be_read_says_why",
        ),
    ),
    Bug(
        name="one empty book believed",
        field="One answer listed no position at all, and the stops of all positions were cancelled.",
        edits=(
            Edit(
                "core/net_positions.py",
                "            unclear.add(symbol)\n",
                "            agreed.add(symbol)\n",
            ),
        ),
        tests=("tests/scenarios/test_missing_rows.py::test_an_empty_position_book_closes_nothing",),
        days=Days("positions_empty", always=True),
    ),
    Bug(
        name="missed fills not looked for",
        field="Order updates were lost, and a fill that nobody reported was never found.",
        edits=(
            Edit(
                "core/reconcile.py",
                "    missed = _fills(all_orders, snapshot)\n",
                "    missed = _fills(all_orders[:0], snapshot)\n",
            ),
        ),
        tests=("tests/core/test_reconcile_orders.py::test_a_fill_we_did_not_hear_of_is_found",),
        days=Days("fill_after_cancel,updates_lost", start=5),
    ),
    Bug(
        name="adopted short without a stop",
        field="After a lost journal the short was listed again, and nothing protected it.",
        edits=(
            Edit(
                "position_tracker.py",
                "        if now < position.stop_due_ms:\n",
                "        if position.adopted or now < position.stop_due_ms:\n",
            ),
        ),
        tests=("tests/scenarios/test_foreign.py::test_adopted_it_is_protected_as_any_other",),
    ),
    Bug(
        name="lost stop waited for",
        field="The stop's answer was lost; the short stood bare until somebody looked.",
        edits=(
            Edit(
                "core/reconciler.py",
                "                self._miss_stop(order)\n",
                "                pass\n",
            ),
        ),
        tests=(
            "tests/scenarios/test_unseen_stops.py::"
            "test_a_stop_that_two_snapshots_do_not_show_is_replaced",
        ),
        days=Days("request_lost", start=5),
    ),
    Bug(
        name="part bought back before the stop is smaller",
        field="A part was bought back while the stop still stood for all of it; both filled.",
        edits=(
            Edit(
                "position_tracker.py",
                "        return settled and sum(s.remaining for s in stops) <= target\n",
                "        return True\n",
            ),
        ),
        tests=(
            "tests/scenarios/test_staged_orders.py::"
            "test_an_acknowledged_change_of_the_stop_is_not_proof",
        ),
        days=Days("none"),
    ),
    Bug(
        name="stop cancelled after the exit",
        field="The exit went out first and its stop was to be cancelled afterwards; it rested beside it.",
        edits=(
            Edit(
                "position_tracker.py",
                "self._adjust_stop(position, open_quantity - exit_target + bare)\n",
                "self._adjust_stop(position, open_quantity + bare)\n",
            ),
        ),
        tests=("tests/scenarios/test_close_all.py::test_plus_five_r_closes_everything_in_order",),
        days=Days("small_sizes", always=True),
    ),
    Bug(
        name="every look-alike is adopted",
        field="A purchase by hand of just what was open was booked as an exit that nobody had sent.",
        edits=(
            Edit(
                "core/reconciler.py",
                "        open_short = {symbol: self.positions.open_short(symbol) for symbol in held}\n",
                "        for row in snapshot.orders:\n"
                "            ours = self.positions.held(row.symbol)\n"
                "            new = self.orders.by_broker_id(row.broker_order_id) is None\n"
                "            alike = (Side.BUY, BrokerStatus.COMPLETE, ours and ours.open_quantity)\n"
                "            if new and (row.side, row.status, row.quantity) == alike:\n"
                "                row = msgspec.structs.replace(row, status=BrokerStatus.OPEN)\n"
                "                self.orders.take_over(row, Purpose.EXIT, ours.position_id, None)\n"
                "        open_short = {symbol: self.positions.open_short(symbol) for symbol in held}\n",
            ),
            Edit(
                "core/reconciler.py",
                "    OrderUpdated,\n    Purpose,\n",
                "    BrokerStatus,\n    OrderUpdated,\n    Purpose,\n    Side,\n",
            ),
        ),
        days=Days("closed_by_hand", always=True),
    ),
    Bug(
        name="nothing is compared while entries are stopped",
        field="After three stops had failed the books were read on, and no difference was taken up.",
        edits=(
            Edit(
                "core/reconciler.py",
                "        for finding in findings:\n            self.found",
                "        for finding in () if self.positions.entries_stopped_by else findings:\n"
                "            self.found",
            ),
        ),
        days=Days("stop_refused,updates_lost,closed_by_hand,stop_cancelled_by_hand"),
    ),
)
