"""The end of the day after its exit: only the broker's books can say that it is over."""

from __future__ import annotations

from baseline_v1_live.core.instruments import rupee_text
from baseline_v1_live.core.messages import Level, SaveSummary
from baseline_v1_live.core.reconciler import Reconciler
from baseline_v1_live.core.session import Session
from baseline_v1_live.order_manager import OrderManager
from baseline_v1_live.position_tracker import PositionTracker


class DayEnd:
    """Watches what is left after the day's exit. ``saved`` is the result that was given to be stored."""

    def __init__(
        self,
        orders: OrderManager,
        positions: PositionTracker,
        reconciler: Reconciler,
        session: Session,
    ) -> None:
        self.orders = orders
        self.positions = positions
        self.reconciler = reconciler
        self.session = session
        self.saved: SaveSummary | None = None
        self._told: SaveSummary | None = None
        self._flat_since_ms: int | None = None
        self._hard_cut_alerted = False

    def restore(self, saved: SaveSummary | None) -> None:
        """Take the result of a session that is taken up again; it was said when it was stored."""
        self.saved = self._told = saved

    def save_again(self) -> None:
        """What was given to be stored is not on the disk."""
        self.saved = None

    def proven(self) -> bool:
        """Whether a snapshot that was asked for while all was flat shows zero; asks for it."""
        now = self.orders.now_ms
        if not self.positions.flat:
            self._flat_since_ms = None
            if now >= self.session.hard_cut_ms and not self._hard_cut_alerted:
                self._hard_cut_alerted = True
                names = ", ".join(p.symbol for p in self.positions.open.values())
                self.orders.say(
                    Level.CRITICAL, "EXIT", f"not flat at the hard cut: {names}", "hard_cut"
                )
            return False
        if self._flat_since_ms is None:
            self._flat_since_ms = now
            self.reconciler.hurry = True
            self.reconciler.ask("day exit", afresh=True)
            return False
        completed = self.reconciler.completed_ms
        if completed is None or completed < self._flat_since_ms or self.reconciler.strays.looked_at:
            return False
        if self.reconciler.adopting:
            return False
        ours = {position.symbol for position in self.positions.positions.values()}
        unproven = self.reconciler.broker_net.keys() | self.reconciler.unclear
        left = [symbol for symbol in unproven if symbol in ours]
        # What somebody else holds in our symbols is not ours to wait for, once it is sure not to be
        # a surprise of our own orders.
        return not left or self.positions.settled

    def conclude(self, reason: str, r_milli: int, charges_paise: int) -> None:
        """Have the day's result stored and said; again only where it is not the one that was stored,
        as after a fill that was heard of late.
        """
        self.reconciler.hurry = False
        summary = SaveSummary(
            date=self.session.date.isoformat(),
            exit_reason=reason,
            r_milli=r_milli,
            pnl_paise=self.positions.pnl_paise,
            charges_paise=charges_paise,
            trades=len(self.positions.positions),
        )
        if summary == self.saved:
            return
        self.saved = summary
        self.orders.commands.append(summary)
        if summary == self._told:
            return
        corrected, self._told = self._told is not None, summary
        final_r = f"{r_milli / 1000:+.1f}R"
        if not corrected:
            self.orders.say(Level.LOG, "SUMMARY", f"All positions closed. Final R: {final_r}")
        self.orders.say(
            Level.ALERT if corrected else Level.INFO,
            "TELEGRAM",
            f"{'Day corrected' if corrected else 'Day closed'}: {reason}. Final R {final_r}, "
            f"P&L {rupee_text(summary.pnl_paise)} before estimated charges of "
            f"{rupee_text(charges_paise)}, {summary.trades} trades",
            "day_exit",
        )
