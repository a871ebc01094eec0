"""Bugs around the core: the rate of messages, what waits for what, what is stored, what is told."""

from __future__ import annotations

from tests.mutants.bug import Bug, Days, Edit

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
                "            self.want_exit(position, self.day_exit_reason)\n",
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
)
