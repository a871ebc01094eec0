"""The charts of the HTML report, as inline SVG without scripts, and the words they share with it.

Charts are drawn in a fixed coordinate system and scaled by their viewBox; colours come from the
page's CSS classes, so one drawing serves light and dark. All charts have the same time
axis, so that they can be read one below the other.
"""

from __future__ import annotations

import datetime as dt
import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from baseline_v1_live.core.instruments import rupees
from baseline_v1_live.core.messages import Bar
from baseline_v1_live.core.position import STAGE
from baseline_v1_live.core.session import MINUTE_MS, clock_text
from baseline_v1_live.research.result import DayResult, ReportData, SwingRow, TradeRow

# A hyphen is easily overlooked, and the sign must tell a loss without the colour.
MINUS = "\u2212"
CURVE_POINTS_MAX = 1_500

_WIDTH = 960
_LEFT = 56
_RIGHT = _WIDTH - 16
_TIME_STEP_MS = 30 * MINUTE_MS
_TIME_LABELS_MAX = 14

_WORDS = {
    "": "No reason recorded",
    "+5R_TARGET": "Day target reached",
    "TRAILING_EXIT": "Fell back from the peak",
    "-5R_STOP": "Day stop reached",
    "EOD_EXIT": "End-of-day square-off",
    "KILL_SWITCH": "Stopped by the operator",
    "pass": "Pass",
    "price_low": "Price below the range",
    "price_high": "Price above the range",
    "no_vwap": "VWAP undefined",
    "vwap_premium_low": "Too close to VWAP",
    "stop_pct_low": "Stop too near",
    "stop_pct_high": "Stop too far",
    "no_lot": "R does not pay for a lot",
    "max_positions": "All positions taken",
    "max_ce_positions": "All call positions taken",
    "max_pe_positions": "All put positions taken",
    "left_behind": "Price ran past the limit",
    "spent": "Swing broke before the order",
    "churn_breaker": "Too many re-placements",
    "refused_by_broker": "Refused by the broker",
    "order_unknown": "An order's outcome is unknown",
    "data_dead": "No price for too long",
    "change_failed": "Could not be changed",
    "STOP_LOSS": "Stop loss",
    "FIXED_TARGET": "Own target reached",
    "OVER_RISK": "Risk above R after the fill",
    "STOP_FAILED": "Stop could not be placed",
    "EXTERNAL_CLOSE": "Closed outside the bot",
    "FLATTEN": "Flattened by the operator",
    "LONG_CORRECTION": "Own long sold",
}


@dataclass(frozen=True)
class Scale:
    """A straight mapping of values to coordinates; a range of no extent maps to its start."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The coordinate of a value."""
        if self.high == self.low:
            return self.start
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def signed(value: float, digits: int = 2) -> str:
    """``+1.42`` or a real minus sign; what rounds to zero has no sign."""
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return f"{'+' if value > 0 else MINUS}{text}"


def words(code: str) -> str:
    """What a reason's code means; a code not known here is shown as words made from itself."""
    if code in _WORDS:
        return _WORDS[code]
    if code.endswith(STAGE):
        return f"A part at {code.removesuffix(STAGE)}"
    text = code.replace("_", " ")
    return text.capitalize() if text.isupper() else text[:1].upper() + text[1:]


def instant(iso: str) -> int:
    """An ISO 8601 time as epoch milliseconds."""
    return round(dt.datetime.fromisoformat(iso).timestamp() * 1000)


def clock(iso: str) -> str:
    """``HH:MM:SS`` in IST of an ISO 8601 time."""
    return clock_text(instant(iso))


def downsample(
    points: Sequence[tuple[int, int]], limit: int = CURVE_POINTS_MAX
) -> list[tuple[int, int]]:
    """At most ``limit`` of the points, in order.

    Each equal stretch of time keeps its first, lowest, highest and last point, so that no extreme
    is lost and the steps between stretches stay true.
    """
    if len(points) <= limit:
        return list(points)
    stretches = max(limit // 4, 1)
    first, last = points[0][0], points[-1][0]
    span = max(last - first, 1)
    kept: set[int] = set()
    index = 0
    for stretch in range(stretches):
        start = index
        while index < len(points) and (
            (points[index][0] - first) * stretches < (stretch + 1) * span
            or stretch == stretches - 1
        ):
            index += 1
        if index > start:
            inside = range(start, index)
            kept.update((start, index - 1))
            kept.add(min(inside, key=lambda i: points[i][1]))
            kept.add(max(inside, key=lambda i: points[i][1]))
    return [points[i] for i in sorted(kept)]


def sold_swing(result: DayResult, trade: TradeRow) -> SwingRow | None:
    """The swing low whose break opened the trade, or None when it is not among the swings.

    A result does not name it. It is the passed low, confirmed before the entry, that lies closest
    to the trigger of the filled entry order (the order follows small moves of the swing only from a
    threshold on); without such an order it is the latest passed low.
    """
    lows = [
        swing
        for swing in result.swings
        if swing.symbol == trade.symbol
        and swing.kind == "low"
        and swing.verdict == "pass"
        and instant(swing.confirmed) <= instant(trade.entry_at)
    ]
    triggers = [
        (instant(order.placed_at), order.trigger)
        for order in result.orders
        if order.symbol == trade.symbol
        and order.purpose == "entry"
        and order.filled_quantity > 0
        and order.trigger is not None
        and instant(order.placed_at) <= instant(trade.entry_at)
    ]
    if not lows:
        return None
    if not triggers:
        return lows[-1]
    _, trigger = max(triggers)
    return min(reversed(lows), key=lambda swing: abs(swing.price - trigger))


def r_chart(data: ReportData) -> str:
    """The day's R as a step line with the day's limits, square-off and the day's exit."""
    height, top, bottom = 360, 46, 330
    points = [(at, milli / 1000) for at, milli in downsample(data.r_curve)]
    values = [value for _, value in points] + [0.0, data.target_r, data.stop_r]
    margin = 0.1 * (max(values) - min(values)) or 1.0
    x = _time_scale(data, [at for at, _ in points])
    y = Scale(min(values) - margin, max(values) + margin, bottom, top)
    square_off = f"{x(data.square_off_ms):.1f}"
    parts = [
        _value_grid(y, 13, lambda value: signed(value, 0 if value == int(value) else 1)),
        _time_grid(x, top, bottom),
        _area(points, x, y, "area-up"),
        _area(points, x, y, "area-down"),
        _across("zero", y(0)),
        _across("limit-up", y(data.target_r)),
        _across("limit-down", y(data.stop_r)),
        f'<line class="square-off" x1="{square_off}" x2="{square_off}" y1="{top - 6}"'
        f' y2="{bottom}"/>',
        f'<path class="curve" d="{_steps(points, x, y)}"/>',
        _day_exit(data, points, x, y),
        f'<text class="halo soft" x="{x(data.square_off_ms) - 5:.1f}" y="{top - 10}"'
        f' text-anchor="end">square-off {clock_text(data.square_off_ms)[:5]}</text>',
        f'<text class="halo" x="{_LEFT + 6}" y="{y(data.target_r) + 16:.1f}">{data.target_name}'
        f" {_limit_text(data.target_r)}</text>",
        f'<text class="halo" x="{_LEFT + 6}" y="{y(data.stop_r) - 7:.1f}">day stop'
        f" {_limit_text(data.stop_r)}</text>",
    ]
    label = (
        f"R through the day, from {signed(min(v for _, v in points))}R to"
        f" {signed(max(v for _, v in points))}R, at the end {signed(data.result.day.r)}R"
    )
    return _svg(height, label, parts)


def option_chart(data: ReportData, symbol: str) -> str:
    """One-minute candles of a traded option with its swings and the trades made in it."""
    height, top, bottom = 360, 26, 330
    bars = data.bars[symbol]
    trades = [
        (number, trade)
        for number, trade in enumerate(data.result.trades, start=1)
        if trade.symbol == symbol
    ]
    swings = [swing for swing in data.result.swings if swing.symbol == symbol]
    prices = [rupees(bar.low_paise) for bar in bars] + [rupees(bar.high_paise) for bar in bars]
    for _, trade in trades:
        prices += [trade.entry_price, trade.stop]
        prices += [] if trade.exit_price is None else [trade.exit_price]
    margin = 0.07 * (max(prices) - min(prices)) or 1.0
    x = _time_scale(data, [bar.minute_ms for bar in bars])
    y = Scale(min(prices) - margin, max(prices) + margin, bottom, top)
    sold = [sold_swing(data.result, trade) for _, trade in trades]
    parts = [
        _held_bands(trades, x, top, bottom, bars[-1].minute_ms + MINUTE_MS),
        _value_grid(y, 9, lambda value: f"{value:g}"),
        _time_grid(x, top, bottom),
        _candles(bars, x, y),
        # Sold swings come last, so that no other mark covers them.
        *(_swing_mark(swing, False, x, y) for swing in swings if swing not in sold),
        *(_swing_mark(swing, True, x, y) for swing in swings if swing in sold),
        *(_trade_marks(number, trade, x, y, bars[-1].minute_ms) for number, trade in trades),
    ]
    count = "1 trade" if len(trades) == 1 else f"{len(trades)} trades"
    return _svg(height, f"One-minute candles of {symbol} with {count}", parts)


def legend() -> str:
    """The marks of the option charts, explained once."""
    up, down = _triangle(9, 2, 6, "low"), _triangle(9, 14, 6, "high")
    entries = (
        ('<path class="body rose" d="M2 3h5v10h-5z"/><path class="body fell" d="M11 3h5v10h-5z"/>',
         "minute rose / fell"),
        (f'<path class="swing" d="{up}"/>', "swing low, refused"),
        (f'<path class="swing passed" d="{up}"/>', "swing low, passed"),
        (f'<path class="swing sold" d="{_triangle(9, 1, 8, "low")}"/>', "swing low that was sold"),
        (f'<path class="swing" d="{down}"/>', "swing high"),
        ('<circle class="entry" cx="9" cy="8" r="5"/>', "entry (sold)"),
        ('<line class="stop-line" x1="0" x2="18" y1="8" y2="8"/>', "protective stop"),
        ('<path class="exit" d="M4.5 3.5h9v9h-9z"/>', "exit (bought back)"),
        ('<rect class="held" width="18" height="16"/>', "position held"),
    )  # fmt: skip
    items = "".join(
        f'<li><svg viewBox="0 0 18 16" width="18" height="16" aria-hidden="true">{mark}</svg>'
        f" {text}</li>\n"
        for mark, text in entries
    )
    return f'<ul class="legend">\n{items}</ul>\n'


# ---------------------------------------------------------------- frame and axes


def _svg(height: int, label: str, parts: Sequence[str]) -> str:
    body = "\n".join(part for part in parts if part)
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {height}" role="img"'
        f' aria-label="{html.escape(label)}">\n{body}\n</svg>\n'
    )


def _across(css: str, y: float) -> str:
    return f'<line class="{css}" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'


def _limit_text(r: float) -> str:
    return f"{signed(r, 0 if r == int(r) else 2)}R"


def _time_scale(data: ReportData, instants: Sequence[int]) -> Scale:
    """The session; data from outside it (a late exit) widens it rather than leave the chart."""
    low = min([data.session_open_ms, *instants[:1]])
    high = max([data.session_close_ms, *instants[-1:]])
    return Scale(low, high, _LEFT, _RIGHT)


def _time_grid(x: Scale, top: int, bottom: int) -> str:
    """Lines and labels of the half hours, fewer where they would run into each other."""
    first = math.ceil(x.low / _TIME_STEP_MS)
    ticks = range(first, math.floor(x.high / _TIME_STEP_MS) + 1)
    every = math.ceil(len(ticks) / _TIME_LABELS_MAX) or 1
    lines, labels = [], []
    for tick in ticks[::every]:
        at = f"{x(tick * _TIME_STEP_MS):.1f}"
        lines.append(f"M{at} {top}V{bottom}")
        text = clock_text(tick * _TIME_STEP_MS)[:5]
        labels.append(f'<text x="{at}" y="{bottom + 19}" text-anchor="middle">{text}</text>')
    return f'<path class="grid" d="{"".join(lines)}"/>\n' + "\n".join(labels)


def _value_grid(y: Scale, about: int, text: Callable[[float], str]) -> str:
    """Lines and labels at round values."""
    lines, labels = [], []
    for value in round_values(y.low, y.high, about):
        at = y(value)
        lines.append(f"M{_LEFT} {at:.1f}H{_RIGHT}")
        labels.append(
            f'<text x="{_LEFT - 8}" y="{at + 4.5:.1f}" text-anchor="end">{text(value)}</text>'
        )
    return f'<path class="grid" d="{"".join(lines)}"/>\n' + "\n".join(labels)


def round_values(low: float, high: float, about: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten between two values, around ``about`` of them."""
    if high <= low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [round(index * step, 6) for index in range(first, last + 1)]


# ---------------------------------------------------------------- the R curve


def _steps(points: Sequence[tuple[int, float]], x: Scale, y: Scale) -> str:
    """A path that holds each value until the next one; points of the same height are one step."""
    at, value = points[0]
    height = f"{y(value):.1f}"
    path = [f"M{x(at):.1f} {height}"]
    for at, value in points[1:]:
        new = f"{y(value):.1f}"
        if new != height:
            path.append(f"H{x(at):.1f}V{new}")
            height = new
    path.append(f"H{x(points[-1][0]):.1f}")
    return "".join(path)


def _area(points: Sequence[tuple[int, float]], x: Scale, y: Scale, css: str) -> str:
    """The tint between the zero line and the part of the curve on one side of it."""
    clamp = max if css == "area-up" else min
    zero = f"{y(0):.1f}"
    steps = _steps([(at, clamp(value, 0.0)) for at, value in points], x, y)
    return f'<path class="{css}" d="{steps}V{zero}H{x(points[0][0]):.1f}Z"/>'


def _day_exit(data: ReportData, points: Sequence[tuple[int, float]], x: Scale, y: Scale) -> str:
    """A marker where the day's exit fired: at the first trade that was closed for that reason."""
    reason = data.result.day.exit_reason
    exits = [
        instant(trade.exit_at)
        for trade in data.result.trades
        if trade.exit_at is not None and trade.exit_reason == reason
    ]
    if reason is None or not exits:
        return ""
    at = min(exits)
    value = [v for t, v in points if t <= at][-1:] or [points[0][1]]
    left, height = x(at), y(value[0])
    # The label stands above the plot, where no curve can cross it, and grows towards the middle,
    # so that it is not cut at the edge.
    anchor = "start" if left < (_LEFT + _RIGHT) / 2 else "end"
    return (
        f'<line class="fired-line" x1="{left:.1f}" x2="{left:.1f}" y1="20" y2="{height:.1f}"/>\n'
        f'<circle class="fired" cx="{left:.1f}" cy="{height:.1f}" r="5"/>\n'
        f'<text class="strong" x="{left:.1f}" y="15" text-anchor="{anchor}">'
        f"{html.escape(words(reason))}, {clock_text(at)[:5]}</text>"
    )


# ---------------------------------------------------------------- the options


def _candles(bars: Sequence[Bar], x: Scale, y: Scale) -> str:
    """All candles as four paths: wicks and bodies of the minutes that rose and that fell."""
    half = max((x(MINUTE_MS) - x(0)) * 0.37, 0.5)
    wicks: dict[str, list[str]] = {"rose": [], "fell": []}
    bodies: dict[str, list[str]] = {"rose": [], "fell": []}
    for bar in bars:
        css = "rose" if bar.close_paise >= bar.open_paise else "fell"
        middle = x(bar.minute_ms + MINUTE_MS // 2)
        high, low = y(rupees(bar.high_paise)), y(rupees(bar.low_paise))
        wicks[css].append(f"M{middle:.1f} {high:.1f}V{low:.1f}")
        edges = sorted((y(rupees(bar.open_paise)), y(rupees(bar.close_paise))))
        # A minute that closed where it opened is drawn as a dash, not as nothing.
        tall = max(edges[1] - edges[0], 1.0)
        bodies[css].append(f"M{middle - half:.2f} {edges[0]:.1f}h{2 * half:.2f}v{tall:.1f}"
                           f"h{-2 * half:.2f}z")  # fmt: skip
    return "\n".join(
        f'<path class="wick {css}" d="{"".join(wicks[css])}"/>\n'
        f'<path class="body {css}" d="{"".join(bodies[css])}"/>'
        for css in ("rose", "fell")
        if wicks[css]
    )


def _triangle(x: float, y: float, size: float, kind: str) -> str:
    """A triangle that touches (x, y) with its tip: from below for a low, from above for a high."""
    tall = size * 1.5 if kind == "low" else size * -1.5
    return f"M{x:.1f} {y:.1f}l{size:.1f} {tall:.1f}h{-2 * size:.1f}z"


def _swing_mark(swing: SwingRow, is_sold: bool, x: Scale, y: Scale) -> str:
    css = "swing"
    if is_sold:
        css += " sold"
    elif swing.verdict == "pass":
        css += " passed"
    gap = 3 if swing.kind == "low" else -3
    path = _triangle(
        x(instant(swing.at) + MINUTE_MS // 2),
        y(swing.price) + gap,
        6 if is_sold else 3.5,
        swing.kind,
    )
    vwap = "undefined" if swing.vwap is None else f"{swing.vwap:.2f}"
    verdict = "" if swing.verdict is None else f", {words(swing.verdict)}"
    title = (
        f"Swing {swing.kind} {swing.price:.2f} at {clock(swing.at)[:5]}{verdict}, VWAP {vwap}"
        f"{', update' if swing.update else ''}{', sold' if is_sold else ''}"
    )
    return f'<path class="{css}" d="{path}"><title>{html.escape(title)}</title></path>'


def _held_bands(
    trades: Sequence[tuple[int, TradeRow]], x: Scale, top: int, bottom: int, end_ms: int
) -> str:
    """The time each position was held, with the trade's number above the plot."""
    parts = []
    label_end = 0.0
    for number, trade in trades:
        start = x(instant(trade.entry_at))
        end = x(end_ms if trade.exit_at is None else instant(trade.exit_at))
        parts.append(
            f'<rect class="held" x="{start:.1f}" y="{top}" width="{max(end - start, 1):.1f}"'
            f' height="{bottom - top}"/>'
        )
        # Trades in quick succession push each other's numbers to the right.
        at = max(start, label_end)
        label_end = at + 10 + 8 * len(str(number))
        parts.append(f'<text class="strong" x="{at:.1f}" y="{top - 8}">#{number}</text>')
    return "\n".join(parts)


def _trade_marks(number: int, trade: TradeRow, x: Scale, y: Scale, last_ms: int) -> str:
    """Stop line, entry and exit of one trade; an open trade's stop runs to the last bar."""
    entry_at, stop = x(instant(trade.entry_at)), y(trade.stop)
    exit_ms = last_ms + MINUTE_MS if trade.exit_at is None else instant(trade.exit_at)
    # A position closed within seconds still shows a stop.
    end = max(x(exit_ms), entry_at + 4)
    parts = [
        f'<line class="stop-line" x1="{entry_at:.1f}" x2="{end:.1f}" y1="{stop:.1f}"'
        f' y2="{stop:.1f}"><title>#{number} stop {trade.stop:.2f}</title></line>',
        f'<circle class="entry" cx="{entry_at:.1f}" cy="{y(trade.entry_price):.1f}" r="5.5">'
        f"<title>#{number} sold {trade.quantity} at {trade.entry_price:.2f},"
        f" {clock(trade.entry_at)}</title></circle>",
    ]
    if trade.exit_at is not None and trade.exit_price is not None:
        title = (
            f"#{number} bought back at {trade.exit_price:.2f}, {clock(trade.exit_at)}:"
            f" {words(trade.exit_reason)}"
        )
        parts.append(
            f'<rect class="exit" x="{x(exit_ms) - 4.5:.1f}" y="{y(trade.exit_price) - 4.5:.1f}"'
            f' width="9" height="9"><title>{html.escape(title)}</title></rect>'
        )
    return "\n".join(parts)
