"""The HTML report: complete, safe to open, and the same for the same day."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from baseline_v1_live.core.messages import Bar
from baseline_v1_live.core.session import MINUTE_MS, at_ist, iso
from baseline_v1_live.research.report import (
    group_indian,
    render_report,
    rupees_text,
    write_report,
)
from baseline_v1_live.research.report_charts import (
    CURVE_POINTS_MAX,
    MINUS,
    downsample,
    instant,
    r_chart,
    round_values,
    signed,
    sold_swing,
    words,
)
from baseline_v1_live.research.result import (
    DayResult,
    DayRow,
    OrderRow,
    ReportData,
    SwingRow,
    TradeRow,
)

DATE = dt.date(2026, 8, 18)
OPEN_MS = at_ist(DATE, dt.time(9, 15))
CLOSE_MS = at_ist(DATE, dt.time(15, 40))
SQUARE_OFF_MS = at_ist(DATE, dt.time(15, 15))
R_VALUE = 6_500.0
CALL, PUT = "NIFTY18AUG2624600CE", "NIFTY18AUG2624500PE"
HOSTILE = "\"'><script>alert(1)</script>&<b>"
VOID = {"meta", "br", "hr", "img", "input", "link"}


# ---------------------------------------------------------------- a day that looks like one


def walk(start_paise: int, seed: int, drift: float) -> list[Bar]:
    """Bars of a whole session from a small linear congruential generator: no library decides."""
    state, price, bars = seed, float(start_paise), []

    def step() -> float:
        nonlocal state
        state = (1_103_515_245 * state + 12_345) % 2**31
        return state / 2**31 - 0.5

    for index in range((CLOSE_MS - OPEN_MS) // MINUTE_MS):
        path = [price]
        for _ in range(4):
            price = max(price * (1 + 0.016 * step()) + drift + 7 * math.sin(index / 17), 500)
            path.append(price)
        ticks = [round(value / 5) * 5 for value in path]
        bars.append(
            Bar(OPEN_MS + index * MINUTE_MS, ticks[0], max(ticks), min(ticks), ticks[-1], 65 * 20)
        )
    return bars


def swings_of(symbol: str, bars: list[Bar]) -> list[SwingRow]:
    """Highs and lows of nine-minute neighbourhoods, with verdicts of every sort."""
    swings: list[SwingRow] = []
    verdicts = ("pass", "vwap_premium_low", "pass", "price_high", "no_vwap")
    for index in range(4, len(bars) - 4):
        near = bars[index - 4 : index + 5]
        low = bars[index].low_paise == min(bar.low_paise for bar in near)
        high = bars[index].high_paise == max(bar.high_paise for bar in near)
        if not low and not high:
            continue
        price = (bars[index].low_paise if low else bars[index].high_paise) / 100
        swings.append(
            SwingRow(
                symbol=symbol,
                kind="low" if low else "high",
                price=price,
                at=iso(bars[index].minute_ms),
                confirmed=iso(bars[index + 3].minute_ms),
                update=len(swings) % 7 == 3,
                vwap=None if index < 8 else round(price / 1.055, 2),
                verdict=verdicts[len(swings) % 5] if low else None,
            )
        )
    return swings


def trade_and_orders(bars: list[Bar], low: SwingRow) -> tuple[TradeRow, list[OrderRow]]:
    """A position opened two minutes after the low was confirmed, until its stop or square-off."""
    entry_at = instant(low.confirmed) + 2 * MINUTE_MS + 7_250
    entry, stop = round(low.price - 0.05, 2), round(low.price + 10, 2)
    first = (entry_at - OPEN_MS) // MINUTE_MS
    last, out, reason = (SQUARE_OFF_MS - OPEN_MS) // MINUTE_MS, 0.0, "EOD_EXIT"
    for index in range(first + 1, last):
        if bars[index].high_paise >= stop * 100:
            last, out, reason = index, stop + 0.4, "stop"
            break
    out = out or bars[last].close_paise / 100
    exit_at = OPEN_MS + last * MINUTE_MS + 31_000
    pnl = (entry - out) * 650
    trade = TradeRow(
        symbol=low.symbol,
        quantity=650,
        entry_price=entry,
        entry_at=iso(entry_at),
        stop=stop,
        exit_price=out,
        exit_at=iso(exit_at),
        exit_reason=reason,
        pnl=pnl,
        r=pnl / ((stop - entry) * 650),
    )
    order = OrderRow(
        id=f"260818-{first:03d}-entry-1",
        symbol=low.symbol,
        side="SELL",
        type="SL",
        purpose="entry",
        trigger=entry,
        price=entry - 3,
        quantity=650,
        state="filled",
        filled_quantity=650,
        average_price=entry,
        placed_at=low.confirmed,
        closed_at=iso(entry_at),
        reason="best PE",
    )
    protective = msgspec.structs.replace(
        order, id=order.id.replace("entry", "stop"), side="BUY", purpose="stop", trigger=stop,
        price=stop + 3, state="cancelled", filled_quantity=0, average_price=None,
        placed_at=iso(entry_at), closed_at=iso(exit_at), reason="",
    )  # fmt: skip
    return trade, [order, protective]


def curve_of(trades: list[TradeRow], bars: dict[str, list[Bar]]) -> list[tuple[int, int]]:
    """R every ten seconds: what is realised, and open positions at their minute's close."""
    curve = []
    for at in range(OPEN_MS + 20 * MINUTE_MS, SQUARE_OFF_MS + 2 * MINUTE_MS, 10_000):
        total = 0.0
        for trade in trades:
            if trade.exit_at is not None and instant(trade.exit_at) <= at:
                total += trade.pnl
            elif instant(trade.entry_at) <= at:
                bar = bars[trade.symbol][(at - OPEN_MS) // MINUTE_MS]
                total += (trade.entry_price - bar.close_paise / 100) * trade.quantity
        curve.append((at, round(total / R_VALUE * 1000)))
    return curve


def fake_day() -> ReportData:
    """A day with six trades in two options that ended at square-off."""
    bars = {CALL: walk(18_500, 18, -6.0), PUT: walk(14_000, 5, 1.0)}
    swings = [swing for symbol in bars for swing in swings_of(symbol, bars[symbol])]
    trades: list[TradeRow] = []
    orders: list[OrderRow] = []
    for symbol, picks in ((CALL, (0, 3, 4)), (PUT, (0, 3, 7))):
        lows = [s for s in swings if s.symbol == symbol and s.verdict == "pass"]
        for pick in picks:
            trade, placed = trade_and_orders(bars[symbol], lows[pick])
            trades.append(trade)
            orders += placed
    trades.sort(key=lambda trade: trade.entry_at)
    pnl = sum(trade.pnl for trade in trades)
    return ReportData(
        title="NIFTY day report",
        date="2026-08-18",
        expiry="2026-08-18",
        source="nifty-2026-08-18-expiry.parquet",
        target_r=5.0,
        stop_r=-5.0,
        r_value=R_VALUE,
        charges=1_234.0,
        session_open_ms=OPEN_MS,
        session_close_ms=CLOSE_MS,
        square_off_ms=SQUARE_OFF_MS,
        result=DayResult(
            swings=swings,
            orders=orders,
            trades=trades,
            day=DayRow(r=pnl / R_VALUE, pnl=pnl, exit_reason="EOD_EXIT", flat=True, halted=False),
            rejections={"price_low": 412, "vwap_premium_low": 655, "price_high": 93, "no_lot": 3},
        ),
        r_curve=curve_of(trades, bars),
        bars=bars,
        notes=["One snapshot a minute: the path between two snapshots is not known."],
    )


def empty_day() -> ReportData:
    """A day on which nothing was sold."""
    day = fake_day()
    result = DayResult(
        swings=[],
        orders=[],
        trades=[],
        day=DayRow(r=0.0, pnl=0.0, exit_reason=None, flat=True, halted=False),
        rejections={"price_low": 1_200, "no_vwap": 4},
    )
    return msgspec.structs.replace(day, result=result, r_curve=[], bars={}, notes=[], charges=0.0)


def with_result(data: ReportData, **changes: object) -> ReportData:
    return msgspec.structs.replace(data, result=msgspec.structs.replace(data.result, **changes))


class Balance(HTMLParser):
    """Follows open tags; a page is well-formed when each end tag closes the last open one."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def svgs(page: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(text) for text in re.findall(r"<svg.*?</svg>", page, re.S)]


# ---------------------------------------------------------------- truths


@pytest.mark.parametrize("make", [fake_day, empty_day])
def test_same_bytes(make: Callable[[], ReportData]) -> None:
    """The same data gives the same page, byte for byte."""
    assert render_report(make()).encode() == render_report(make()).encode()


@pytest.mark.parametrize("make", [fake_day, empty_day])
def test_well_formed(make: Callable[[], ReportData]) -> None:
    """Tags balance, every chart is XML, and the page has one title and one main heading."""
    page = render_report(make())
    balance = Balance()
    balance.feed(page)
    balance.close()
    assert balance.open == []
    assert balance.seen.count("h1") == balance.seen.count("main") == 1
    assert page.count("<svg") == len(svgs(page))


def test_self_contained() -> None:
    """The page loads nothing and runs nothing, and forbids both."""
    page = render_report(fake_day())
    assert "default-src 'none'" in page
    assert not re.search(r"https?://|<script|<link|<img|@import|url\(", page.lower())


def test_hostile_text() -> None:
    """Text of the data is shown as text, wherever it stands."""
    day = fake_day()
    bad = msgspec.structs.replace(day.result.trades[0], symbol=HOSTILE, exit_reason=HOSTILE)
    day = with_result(
        day,
        trades=[bad],
        orders=[msgspec.structs.replace(o, id=HOSTILE, state=HOSTILE, reason=HOSTILE)
                for o in day.result.orders],
        swings=[msgspec.structs.replace(s, symbol=HOSTILE, verdict=HOSTILE)
                for s in day.result.swings if s.symbol == CALL],
        day=msgspec.structs.replace(day.result.day, exit_reason=HOSTILE),
        rejections={HOSTILE: 2},
    )  # fmt: skip
    day = msgspec.structs.replace(
        day, title=HOSTILE, date=HOSTILE, expiry=HOSTILE, source=HOSTILE, notes=[HOSTILE],
        bars={HOSTILE: day.bars[CALL]},
    )  # fmt: skip
    page = render_report(day)
    assert "<script" not in page.lower()
    assert "<b>" not in page
    assert "&lt;script&gt;" in page
    balance = Balance()
    balance.feed(page)
    assert balance.open == []
    assert len(svgs(page)) > 2


def test_empty_day() -> None:
    """A day without trades says so, with the number of candidates refused, and draws no chart."""
    page = render_report(empty_day())
    assert "No trade today" in page
    assert "1,204 candidates were refused" in page
    assert "No R curve" in page
    assert "No day exit" in page
    assert "Traded options" not in page
    assert "<svg" not in page


def test_no_bars() -> None:
    """A traded option whose bars are missing is named, without a chart and without a crash."""
    day = msgspec.structs.replace(fake_day(), bars={CALL: []})
    page = render_report(day)
    assert page.count("No minute of this option was recorded") == 2
    assert page.count('<svg class="chart"') == 1


def test_every_trade() -> None:
    """Each trade has a row with its numbers, and the totals are the sums."""
    day = fake_day()
    page = render_report(day)
    table = page[page.index("<caption>Trades") : page.index("</table>")]
    rows = re.findall(r"<tr>.*?</tr>", table)
    assert len(rows) == len(day.result.trades) + 2
    for number, (trade, row) in enumerate(zip(day.result.trades, rows[1:-1], strict=True), 1):
        assert f">{number}</th>" in row
        assert trade.symbol in row
        assert trade.entry_at[11:19] in row
        assert f"{trade.entry_price:.2f}" in row
        assert f"{trade.stop:.2f}" in row
        assert rupees_text(trade.pnl, digits=2, sign=True) in row
        assert f"{signed(trade.r)}R" in row
    total = sum(trade.pnl for trade in day.result.trades)
    assert rupees_text(total, digits=2, sign=True) in rows[-1]


def test_open_trade() -> None:
    """A position that is still open is said to be open, and the day not to be flat."""
    day = fake_day()
    trade = msgspec.structs.replace(
        day.result.trades[-1], exit_at=None, exit_price=None, exit_reason=""
    )
    day = with_result(
        day,
        trades=[trade],
        day=msgspec.structs.replace(day.result.day, flat=False, halted=True),
    )
    page = render_report(day)
    assert "still open" in page
    assert '<span class="warn">No</span>' in page
    assert "a safety rule stopped entries" in page


def test_sign_and_colour() -> None:
    """A loss is told by its sign as well as by its colour."""
    page = render_report(fake_day())
    for tone, text in re.findall(r'<span class="(gain|loss)">([^<]+)</span>', page):
        assert text[0] == ("+" if tone == "gain" else MINUS)


def test_limit_lines() -> None:
    """The lines of +5R and -5R lie inside the chart, also on a day that stayed near zero."""
    day = fake_day()
    day = msgspec.structs.replace(day, r_curve=[(OPEN_MS, 100), (OPEN_MS + MINUTE_MS, -100)])
    chart = ElementTree.fromstring(r_chart(day))
    y = {line.get("class"): float(line.get("y1", "nan")) for line in chart.iter("line")}
    assert 0 < y["limit-up"] < y["zero"] < y["limit-down"] < 360
    texts = [text.text for text in chart.iter("text")]
    assert "day target +5R" in texts
    assert f"day stop {MINUS}5R" in texts
    assert "square-off 15:15" in texts


def test_exit_policy() -> None:
    """The page names the exit policy, and the upper line bears the name of what it is."""
    day = msgspec.structs.replace(
        fake_day(), target_r=4.0, target_name="trailing from", policy="trailing from +4R by 1R"
    )
    texts = [text.text for text in ElementTree.fromstring(r_chart(day)).iter("text")]
    assert "trailing from +4R" in texts
    assert "<dt>Exit policy</dt><dd>trailing from +4R by 1R</dd>" in render_report(day)
    assert "<dt>Exit policy</dt><dd>market</dd>" in render_report(fake_day())


def test_day_exit_mark() -> None:
    """The day's exit is marked at the first trade that was closed for it, if there is one."""
    day = fake_day()
    first = min(t.exit_at or "" for t in day.result.trades if t.exit_reason == "EOD_EXIT")
    assert f"End-of-day square-off, {first[11:16]}" in r_chart(day)
    other = msgspec.structs.replace(day.result.day, exit_reason="+5R_TARGET")
    assert 'class="fired"' not in r_chart(with_result(day, day=other))


def test_curve_of_one_point() -> None:
    """One evaluation of R is enough for a chart."""
    day = msgspec.structs.replace(fake_day(), r_curve=[(SQUARE_OFF_MS + 90 * MINUTE_MS, 0)])
    assert ElementTree.fromstring(r_chart(day)).tag == "svg"


def test_downsample() -> None:
    """A long curve keeps its ends, its extremes and its order; a short one stays as it is."""
    points = [(index * 700, round(3_000 * math.sin(index / 900))) for index in range(30_000)]
    points[12_345], points[23_456] = (12_345 * 700, 9_999), (23_456 * 700, -9_999)
    kept = downsample(points)
    assert len(kept) <= CURVE_POINTS_MAX
    assert {points[0], points[12_345], points[23_456], points[-1]} <= set(kept)
    assert kept == sorted(kept)
    assert downsample(points[:100]) == points[:100]
    assert len(downsample([(7, value) for value in range(5_000)])) <= CURVE_POINTS_MAX


def test_sold_swing() -> None:
    """The swing that was sold is the passed low at the entry order's trigger, confirmed before."""
    day = fake_day()
    page = render_report(day)
    for trade in day.result.trades:
        swing = sold_swing(day.result, trade)
        assert swing is not None
        assert swing.price == pytest.approx(trade.entry_price + 0.05)
        assert swing.confirmed < trade.entry_at
    assert page.count('class="swing sold"') == len(day.result.trades) + 1  # one in the legend
    assert sold_swing(with_result(day, swings=[]).result, day.result.trades[0]) is None
    latest = sold_swing(with_result(day, orders=[]).result, day.result.trades[0])
    assert latest is not None


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (7, "7"),
        (999, "999"),
        (1_000, "1,000"),
        (99_999, "99,999"),
        (100_000, "1,00,000"),
        (12_345_678, "1,23,45,678"),
        (-999, f"{MINUS}999"),
        (-1_000, f"{MINUS}1,000"),
        (-12_345_678, f"{MINUS}1,23,45,678"),
    ],
)
def test_group_indian(number: int, text: str) -> None:
    """Lakhs and crores are grouped by two digits, the last thousand by three."""
    assert group_indian(number) == text


def test_rupees_text() -> None:
    """Amounts round to their digits, carry their sign, and zero has none."""
    assert rupees_text(123_456) == "₹1,23,456"
    assert rupees_text(123_455.996, digits=2, sign=True) == "+₹1,23,456.00"
    assert rupees_text(-1_234.5, digits=2) == f"{MINUS}₹1,234.50"
    assert rupees_text(-0.4, sign=True) == "₹0"
    assert signed(-0.004) == "0.00"
    assert signed(-1.425, 1) == f"{MINUS}1.4"


def test_words() -> None:
    """Known codes have their meaning, others are made readable."""
    assert words("+5R_TARGET") == "Day target reached"
    assert words("EXTERNAL_CLOSE") == "Closed outside the bot"
    assert words("+3R_STAGE") == "A part at +3R"
    assert words("no_such_code") == "No such code"


def test_round_values() -> None:
    """Axis values are round, lie between the ends and do not depend on the size of prices."""
    assert round_values(-5.9, 6.1, 12) == [float(value) for value in range(-5, 7)]
    assert round_values(101.3, 103.1, 9) == [101.4, 101.6, 101.8, 102.0, 102.2, 102.4, 102.6,
                                             102.8, 103.0]  # fmt: skip
    assert round_values(4.0, 4.0, 9) == [4.0]


def test_write_report(tmp_path: Path) -> None:
    """The file is the page in UTF-8; an old report is replaced and nothing else is left behind."""
    day, path = fake_day(), tmp_path / "report.html"
    path.write_text("old")
    write_report(day, path)
    assert path.read_bytes() == render_report(day).encode()
    assert list(tmp_path.iterdir()) == [path]


def test_write_report_without_folder(tmp_path: Path) -> None:
    """A missing folder is named and not created."""
    with pytest.raises(OSError, match="there is no folder"):
        write_report(empty_day(), tmp_path / "missing" / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_write_report_failure(tmp_path: Path) -> None:
    """A report that cannot be put in its place leaves no temporary file."""
    (tmp_path / "report.html").mkdir()
    with pytest.raises(IsADirectoryError):
        write_report(empty_day(), tmp_path / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
