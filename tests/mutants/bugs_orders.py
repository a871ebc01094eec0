"""Bugs in the life of an order: placing, answers, fills, cancellations, limits of the rate."""

from __future__ import annotations

from tests.mutants.bug import Bug, Days, Edit

BUGS = (
    Bug(
        name="blind resend after a timeout",
        field="An order whose answer did not come was sent again, and both filled.",
        edits=(
            Edit(
                "adapters/openalgo/client.py",
                "        if reply.status == 429:\n            self.limiter.hold",
                "        if reply.status is None:\n"
                "            reply = await self._transport.post(path, body, self.timeouts.order_s)\n"
                "        if reply.status == 429:\n            self.limiter.hold",
            ),
        ),
        tests=(
            "tests/adapters/openalgo/test_client_orders.py::"
            "test_every_ending_of_an_order_has_its_outcome",
        ),
        days=Days("answer_lost", always=True),
    ),
    Bug(
        name="unknown taken for not placed",
        field="A time-out was booked as a failed order, and the order was placed anew.",
        edits=(
            Edit(
                "core/order_news.py",
                "order.message = event.message\n            self._meet(order, OrderInput.LOST)",
                "order.message = event.message\n"
                "            flying = order.state is OrderState.IN_FLIGHT\n"
                "            self._meet(order, OrderInput.NOT_SENT if flying else OrderInput.LOST)",
            ),
        ),
        tests=("tests/scenarios/test_a_unknown.py",),
        days=Days("answer_lost", always=True),
    ),
    Bug(
        name="cancel believed when acknowledged",
        field="A cancel was acknowledged, the order filled all the same, and its replacement too.",
        edits=(
            Edit(
                "core/order_news.py",
                "order.change = None\n            self._meet(order, OrderInput.SEEN_OVER)",
                "order.change = None\n            self._meet(order, OrderInput.PROVEN_CANCELLED)",
            ),
        ),
        tests=(
            "tests/scenarios/test_a_placing.py::"
            "test_a2_no_replacement_before_the_old_order_is_proven_gone",
        ),
    ),
    Bug(
        name="replaced before its end is proven",
        field="A replacement left 0.08 s after the cancel, and both orders filled.",
        edits=(
            Edit(
                "core/entry_desk.py",
                "if working is not None and not working.order.live:",
                "if working is not None and (not working.order.live or working.order.cancel_wanted):",
            ),
            Edit(
                "core/entry_desk.py",
                "            for order in self.orders.live(purpose=Purpose.ENTRY)\n        )",
                "            for order in self.orders.live(purpose=Purpose.ENTRY)\n"
                "            if not order.cancel_wanted\n        )",
            ),
        ),
        tests=(
            "tests/scenarios/test_b_selecting.py::test_b1_a_better_strike_waits_for_the_bar_close",
        ),
        days=Days("fill_during_cancel", always=True),
    ),
    Bug(
        name="fill while cancelling is lost",
        field="A cancel was answered 'completed'; that was taken for cancelled, and the fill forgotten.",
        edits=(
            Edit(
                "core/order_book.py",
                "        if new > 0:\n",
                "        if new > 0 and not order.cancel_wanted:\n",
            ),
        ),
        tests=(
            "tests/scenarios/test_a_placing.py::"
            "test_a6_a_fill_found_during_the_cancel_is_a_position_with_a_stop",
        ),
        days=Days("fill_during_cancel", always=True),
    ),
    Bug(
        name="missing row read as cancelled",
        field="An order that the order book did not list was taken for cancelled and placed again.",
        edits=(
            Edit(
                "core/reconciler.py",
                "                self._miss_row(order)\n",
                "                self.orders._meet(order, OrderInput.PROVEN_CANCELLED)\n",
            ),
            Edit(
                "core/reconciler.py",
                "import OrderState\n",
                "import OrderInput, OrderState\n",
            ),
        ),
        tests=(
            "tests/scenarios/test_a_unknown.py::"
            "test_a7_an_order_that_is_in_no_book_is_asked_for_and_stays_ours",
        ),
        days=Days("book_empty,updates_lost,answer_late"),
    ),
    Bug(
        name="fills counted at every message",
        field="The same fill was delivered twice and booked twice.",
        edits=(
            Edit(
                "core/order_book.py",
                "        new = quantity - order.filled_quantity\n",
                "        new = quantity\n",
            ),
        ),
        tests=(
            "tests/scenarios/test_c_protection.py::"
            "test_c4_the_same_fill_told_four_ways_is_one_position",
        ),
        days=Days("none"),
    ),
    Bug(
        name="last price booked instead of the fill's",
        field="Exits were booked at the last price; the day's R differed from the contract note.",
        edits=(
            Edit(
                "core/order_book.py",
                "        new = quantity - order.filled_quantity\n",
                "        new = quantity - order.filled_quantity\n"
                "        last = self.prices.closing_price(order.symbol)\n"
                "        if last:\n"
                "            value = order.filled_value_paise + new * last\n",
            ),
        ),
        tests=("tests/scenarios/test_c_protection.py::test_c3_an_exit_is_booked_at_its_own_price",),
        days=Days("none"),
    ),
    Bug(
        name="late word reopens a finished order",
        field="An update that came late turned a filled order back into an open one.",
        edits=(
            Edit(
                "core/order_states.py",
                "_over(_S.FILLED, alive_again=False)",
                "_over(_S.FILLED, alive_again=True)",
            ),
            Edit(
                "core/order_states.py",
                "_over(_S.CANCELLED, alive_again=False)",
                "_over(_S.CANCELLED, alive_again=True)",
            ),
        ),
        tests=("tests/core/test_order_states.py::test_a_filled_order_stays_filled",),
    ),
    Bug(
        name="broker's cancellation ignored",
        field="The poll looked for fills only; an order that the broker had cancelled stayed 'working'.",
        edits=(
            Edit(
                "core/order_news.py",
                "BrokerStatus.CANCELLED: OrderInput.PROVEN_CANCELLED,",
                "BrokerStatus.CANCELLED: OrderInput.SEEN_OVER,",
            ),
        ),
        tests=(
            "tests/scenarios/test_a_placing.py::"
            "test_a2_no_replacement_before_the_old_order_is_proven_gone",
        ),
        days=Days("none"),
    ),
    Bug(
        name="refused stop taken for accepted",
        field="The broker refused the stop; the bot kept its id-less order as the cover.",
        edits=(
            Edit(
                "core/order_news.py",
                "self._meet(order, OrderInput.REFUSED if event.sent else OrderInput.NOT_SENT)",
                "self._meet(order, OrderInput.ACCEPTED if event.sent else OrderInput.NOT_SENT)",
            ),
        ),
        tests=(
            "tests/scenarios/test_c_protection.py::"
            "test_c2_one_transient_refusal_of_the_stop_costs_no_position",
        ),
        days=Days("stop_refused", always=True),
    ),
    Bug(
        name="refused stop tried for ever",
        field="The broker took no stop; it was sent again and again, and the short was never closed.",
        edits=(
            Edit(
                "position_tracker.py",
                "        if position.stop_failures > 1 and position.open_quantity > 0:\n"
                "            self.want_exit(position, STOP_FAILED)\n",
                "",
            ),
        ),
        tests=("tests/scenarios/test_c_protection.py::test_c3_an_exit_is_booked_at_its_own_price",),
        days=Days("stop_refused", always=True),
    ),
    Bug(
        name="second order while the first is on its way",
        field="The next tick ran while the place call was in flight, and placed the order once more.",
        edits=(
            Edit(
                "core/order_book.py",
                "        return [\n"
                "            o for o in self._by_position.get(position_id, ()) "
                "if o.purpose is purpose and o.live\n"
                "        ]\n",
                "        orders = self._by_position.get(position_id, ())\n"
                "        live = [o for o in orders if o.purpose is purpose and o.live]\n"
                "        there = [o for o in live if o.state is not OrderState.IN_FLIGHT]\n"
                "        return there if len(live) == len(there) + 1 else live\n",
            ),
            Edit(
                "order_manager.py",
                "if order.side is side and order.state is OrderState.IN_FLIGHT:",
                "if order.side is side and order.state is None:",
            ),
            Edit(
                "position_tracker.py",
                "if any(order.state is OrderState.IN_FLIGHT for order in on_their_way):",
                "if sum(order.state is OrderState.IN_FLIGHT for order in on_their_way) > 1:",
            ),
        ),
        tests=(
            "tests/scenarios/test_c_protection.py::"
            "test_c3_an_exit_that_fails_five_times_is_tried_a_sixth",
        ),
        days=Days("none"),
    ),
    Bug(
        name="no lane for exits at the limiter",
        field="Entries had used up the order rate, and the stop had to wait behind them.",
        edits=(
            Edit(
                "adapters/openalgo/limiter.py",
                "return Urgency.ENTRY if command.purpose is Purpose.ENTRY else Urgency.PROTECT",
                "return Urgency.ENTRY",
            ),
        ),
        tests=("tests/adapters/openalgo/test_limiter.py::test_how_urgent_a_message_is",),
    ),
    Bug(
        name="limiter switched off",
        field="Nothing held orders back, and the gateway answered 429 when it mattered.",
        edits=(
            Edit(
                "adapters/openalgo/limiter.py",
                "                if first and wait == 0:\n",
                "                if first or wait == 0:\n",
            ),
        ),
        tests=(
            "tests/adapters/openalgo/test_limiter.py::test_the_more_urgent_overtake_the_others",
        ),
        days=Days("lane_full", always=True),
    ),
    Bug(
        name="restart trips over an order in flight",
        field="A restored order had no trigger price, and each restart crashed on it again.",
        edits=(
            Edit(
                "order_manager.py",
                "self._meet(order, OrderInput.LOST)\n            if order.live",
                "self._meet(order, OrderInput.PROVEN_NOT_PLACED)\n            if order.live",
            ),
        ),
        tests=(
            "tests/scenarios/test_taken_up_again.py::"
            "test_a_stop_that_was_on_its_way_is_covered_again_within_two_seconds",
        ),
        days=Days("killed_at_commit", always=True),
    ),
    Bug(
        name="exit sent again while one is on its way",
        field="Until the first exit was answered each tick sent another, and all of them filled.",
        edits=(
            Edit(
                "position_tracker.py",
                "        live = sum(order.remaining for order in exits)\n"
                "        need = target - doubtful - live\n",
                "        known = [o for o in exits if o.state is not OrderState.IN_FLIGHT]\n"
                "        need = target - doubtful - sum(order.remaining for order in known)\n",
            ),
            Edit(
                "position_tracker.py",
                "        if any(order.state is OrderState.IN_FLIGHT for order in exits):\n"
                "            return\n",
                "",
            ),
            Edit(
                "order_manager.py",
                "            if order.side is side and order.state is OrderState.IN_FLIGHT:\n",
                "            if order.side is not side and order.state is OrderState.IN_FLIGHT:\n",
            ),
        ),
        days=Days("none"),
    ),
)
