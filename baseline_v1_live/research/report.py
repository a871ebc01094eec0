"""The report of one day as one HTML file that needs nothing else: no network, no scripts, no fonts.

It shows what the day came to, R through the day, every trade, a chart of each traded option, and
why the other candidates were not sold. The same data gives the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from baseline_v1_live.core.instruments import parse_symbol
from baseline_v1_live.core.session import IST
from baseline_v1_live.research.report_charts import (
    MINUS,
    clock,
    legend,
    option_chart,
    r_chart,
    signed,
    words,
)
from baseline_v1_live.research.result import ReportData, TradeRow


def group_indian(number: int) -> str:
    """A whole number with Indian digit grouping: ``1,23,456``."""
    digits = str(abs(number))
    head, groups = digits[:-3], [digits[-3:]]
    while head:
        groups.insert(0, head[-2:])
        head = head[:-2]
    return (MINUS if number < 0 else "") + ",".join(groups)


def rupees_text(amount: float, *, digits: int = 0, sign: bool = False) -> str:
    """Rupees as ``₹1,23,456``; ``sign`` puts a plus before gains as well."""
    whole, part = divmod(round(abs(amount) * 10**digits), 10**digits)
    text = "₹" + group_indian(whole) + (f".{part:0{digits}d}" if digits else "")
    if whole == 0 and part == 0:
        return text
    return (MINUS if amount < 0 else "+" if sign else "") + text


def render_report(data: ReportData) -> str:
    """The whole HTML document."""
    css = (files("baseline_v1_live.research") / "report.css").read_text(encoding="utf-8")
    return "".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\';'
            " style-src 'unsafe-inline'; img-src data:\">\n"
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="color-scheme" content="light dark">\n'
            f"<title>{escape(data.title)}, {escape(data.date)}</title>\n"
            f"<style>\n{css}</style>\n</head>\n<body>\n",
            _header(data),
            "<main>\n",
            _notes(data.notes),
            _r_section(data),
            _trade_section(data),
            _option_section(data),
            _order_section(data),
            _swing_section(data),
            _rejection_section(data),
            "</main>\n",
            "<footer>\n<p>Replay and simulation results are not a promise of live results.</p>\n"
            f"<p>Times are {IST.tzname(None)}. P&amp;L and R are before charges.</p>\n"
            "</footer>\n</body>\n</html>\n",
        )
    )


def write_report(data: ReportData, path: Path) -> None:
    """Write the report so that the file is either the old one or the whole new one.

    Raises OSError when the file cannot be written; its folder must exist.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"cannot write the report {path.name}: there is no folder {path.parent}"
        )
    page = render_report(data)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        beside.write_text(page, encoding="utf-8", newline="\n")
        os.replace(beside, path)
    finally:
        # After the replacement there is nothing left to remove.
        beside.unlink(missing_ok=True)


# ---------------------------------------------------------------- pieces of HTML


def _tone(value: float, text: str) -> str:
    """Text in the colour of a gain or a loss; the text itself carries the sign."""
    if value == 0:
        return escape(text)
    return f'<span class="{"gain" if value > 0 else "loss"}">{escape(text)}</span>'


def _code(text: str) -> str:
    return f'<span class="code">{escape(text)}</span>'


def _reason(code: str) -> str:
    """A reason in words, with its code where the words say it differently."""
    said = words(code)
    if said.lower() == code.replace("_", " ").lower() or not code:
        return escape(said)
    return f"{escape(said)} {_code(code)}"


def _price(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _time(iso: str | None) -> str:
    return "" if iso is None else clock(iso)


def _count(number: int, one: str, many: str) -> str:
    return f"{group_indian(number)} {one if number == 1 else many}"


def _table(
    caption: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    foot: str = "",
    tall: bool = False,
) -> str:
    """A table in a box that scrolls by itself; a column whose name starts with ``>`` has numbers.

    Cells are HTML; the first cell of a row is its header.
    """
    numeric = [' class="num"' if name.startswith(">") else "" for name in columns]
    head = "".join(
        f'<th scope="col"{css}>{escape(name.removeprefix(">"))}</th>'
        for name, css in zip(columns, numeric, strict=True)
    )
    body = "".join(
        f'<tr><th scope="row"{numeric[0]}>{row[0]}</th>'
        + "".join(f"<td{css}>{cell}</td>" for cell, css in zip(row[1:], numeric[1:], strict=True))
        + "</tr>\n"
        for row in rows
    )
    return (
        f'<div class="box{" tall" if tall else ""}" role="region" tabindex="0"'
        f' aria-label="{escape(caption)}">\n<table>\n<caption>{escape(caption)}</caption>\n'
        f"<thead>\n<tr>{head}</tr>\n</thead>\n<tbody>\n{body}</tbody>\n{foot}</table>\n</div>\n"
    )


def _chart_box(label: str, chart: str) -> str:
    # On a phone the chart is wider than its box, so the box must be reachable to scroll it.
    return (
        f'<div class="box chart-box" role="region" tabindex="0" aria-label="{escape(label)}">\n'
        f"{chart}</div>\n"
    )


def _empty(title: str, text: str) -> str:
    return f'<p class="empty"><strong>{escape(title)}</strong> {escape(text)}</p>\n'


# ---------------------------------------------------------------- sections


def _header(data: ReportData) -> str:
    facts = (
        ("Date", data.date),
        ("Expiry", data.expiry),
        ("Source", data.source),
        ("1R", rupees_text(data.r_value)),
        ("Exit policy", data.policy),
    )
    meta = "".join(f"<div><dt>{n}</dt><dd>{escape(v)}</dd></div>\n" for n, v in facts)
    return (
        f'<header>\n<h1>{escape(data.title)}</h1>\n<dl class="meta">\n{meta}</dl>\n'
        f"{_cards(data)}</header>\n"
    )


def _cards(data: ReportData) -> str:
    day, trades = data.result.day, data.result.trades
    won = sum(trade.pnl > 0 for trade in trades)
    lost = sum(trade.pnl < 0 for trade in trades)
    even = len(trades) - won - lost
    tally = f"{won} won, {lost} lost" + (f", {even} even" if even else "")
    net = rupees_text(day.pnl - data.charges, sign=True)
    ended = ("No day exit", "") if day.exit_reason is None else (words(day.exit_reason),) * 2
    cards = (
        ("", "R of the day", _tone(day.r, f"{signed(day.r)}R"), "before charges"),
        ("", "P&amp;L", _tone(day.pnl, rupees_text(day.pnl, sign=True)), "before charges"),
        (
            " wide",
            "Why the day ended",
            escape(ended[0]),
            "no limit, square-off or order ended it"
            if not ended[1]
            else _code(day.exit_reason or ""),
        ),
        ("", "Trades", str(len(trades)), tally),
        (
            "",
            "Estimated charges",
            rupees_text(data.charges),
            f'P&amp;L after them <span class="whole">{net}</span>',
        ),
        ("", "Flat at the end", *_answer(day.flat, True, "nothing is open", "a position is open")),
        (
            "",
            "Halted",
            *_answer(day.halted, False, "a safety rule stopped entries", "no safety rule fired"),
        ),
    )
    items = "".join(
        f'<div class="card{css}"><dt>{name}</dt><dd>{value}</dd><dd>{more}</dd></div>\n'
        for css, name, value, more in cards
    )
    return f'<dl class="cards">\n{items}</dl>\n'


def _answer(value: bool, wanted: bool, yes: str, no: str) -> tuple[str, str]:
    """Yes or no with what it means, in the colour of a warning when it is not as wanted."""
    text = "Yes" if value else "No"
    return text if value is wanted else f'<span class="warn">{text}</span>', yes if value else no


def _notes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>\n" for note in notes)
    return f'<section class="notes">\n<h2>About this data</h2>\n<ul>\n{items}</ul>\n</section>\n'


def _r_section(data: ReportData) -> str:
    title = "R through the day"
    if not data.r_curve:
        chart = _empty("No R curve", "R was not evaluated on this day.")
    else:
        chart = _chart_box(title, r_chart(data))
    return f"<section>\n<h2>{title}</h2>\n{chart}</section>\n"


def _trade_section(data: ReportData) -> str:
    trades = data.result.trades
    if not trades:
        refused = _count(sum(data.result.rejections.values()), "candidate was", "candidates were")
        body = _empty("No trade today", f"{refused} refused.")
        return f"<section>\n<h2>Trades</h2>\n{body}</section>\n"
    columns = (
        ">#", "Symbol", ">Quantity", "Entry", ">Entry price", ">Stop", "Exit", ">Exit price",
        "Reason", ">P&L", ">R",
    )  # fmt: skip
    pnl, r = sum(trade.pnl for trade in trades), sum(trade.r for trade in trades)
    foot = (
        '<tfoot>\n<tr><th scope="row" colspan="9">Total</th>'
        f'<td class="num">{_tone(pnl, rupees_text(pnl, digits=2, sign=True))}</td>'
        f'<td class="num">{_tone(r, signed(r) + "R")}</td></tr>\n</tfoot>\n'
    )
    rows = (_trade_cells(number, trade) for number, trade in enumerate(trades, start=1))
    return (
        f"<section>\n<h2>Trades</h2>\n{_table('Trades', columns, rows, foot=foot)}"
        '<p class="quiet">R in this table is the own R of a trade: its P&amp;L over its risk at'
        " entry. The day's R is its P&amp;L over 1R.</p>\n</section>\n"
    )


def _trade_cells(number: int, trade: TradeRow) -> tuple[str, ...]:
    return (
        str(number),
        escape(trade.symbol),
        str(trade.quantity),
        _time(trade.entry_at),
        _price(trade.entry_price),
        _price(trade.stop),
        _time(trade.exit_at) or "still open",
        _price(trade.exit_price),
        f'<span class="stack">{_reason(trade.exit_reason)}</span>' if trade.exit_reason else "",
        _tone(trade.pnl, rupees_text(trade.pnl, digits=2, sign=True)),
        _tone(trade.r, f"{signed(trade.r)}R"),
    )


def _option_section(data: ReportData) -> str:
    """A chart of each traded option, in the order of their first trades."""
    symbols = list(dict.fromkeys([t.symbol for t in data.result.trades] + list(data.bars)))
    if not symbols:
        return ""
    drawn = "".join(_option(data, symbol) for symbol in symbols)
    key = legend() if any(data.bars.values()) else ""
    return f"<section>\n<h2>Traded options</h2>\n{key}{drawn}</section>\n"


def _option(data: ReportData, symbol: str) -> str:
    trades = [
        (number, trade)
        for number, trade in enumerate(data.result.trades, start=1)
        if trade.symbol == symbol
    ]
    try:
        _, _, strike, option_type = parse_symbol(symbol)
        title = f"{strike / 100:g} {option_type} <code>{escape(symbol)}</code>"
    except ValueError:
        # The heading is only nicer with the strike; a name of another form is shown as it is.
        title = f"<code>{escape(symbol)}</code>"
    chart = (
        _chart_box(f"Chart of {symbol}", option_chart(data, symbol))
        if data.bars.get(symbol)
        else _empty("No bars", "No minute of this option was recorded.")
    )
    told = "".join(f"<li>{_told(number, trade)}</li>\n" for number, trade in trades)
    told = f'<ul class="told">\n{told}</ul>\n' if told else ""
    return f"<h3>{title}</h3>\n{chart}{told}"


def _told(number: int, trade: TradeRow) -> str:
    """A trade in one line, for those who cannot hover over the marks."""
    out = "still open"
    if trade.exit_at is not None:
        out = f"bought back at {_price(trade.exit_price)} ({clock(trade.exit_at)})"
    return (
        f"<strong>#{number}</strong> sold {trade.quantity} at {_price(trade.entry_price)}"
        f" ({clock(trade.entry_at)}), stop {_price(trade.stop)}, {out}:"
        f" {_tone(trade.pnl, rupees_text(trade.pnl, digits=2, sign=True))},"
        f" {_tone(trade.r, signed(trade.r) + 'R')}"
    )


def _fold(title: str, count: int, content: str) -> str:
    return (
        f"<details>\n<summary>{escape(title)} ({group_indian(count)})</summary>\n"
        f"{content}</details>\n"
    )


def _order_section(data: ReportData) -> str:
    columns = (
        "Order", "Symbol", "Side", "Type", "Purpose", ">Trigger", ">Price", ">Quantity", ">Filled",
        ">Average", "State", "Placed", "Closed", "Reason",
    )  # fmt: skip
    rows = (
        (
            _code(order.id),
            *map(escape, (order.symbol, order.side, order.type, order.purpose)),
            _price(order.trigger),
            _price(order.price),
            str(order.quantity),
            str(order.filled_quantity),
            _price(order.average_price),
            escape(order.state),
            _time(order.placed_at),
            _time(order.closed_at),
            escape(order.reason),
        )
        for order in data.result.orders
    )
    orders = data.result.orders
    content = (
        _table("Orders", columns, rows, tall=True)
        if orders
        else _empty("No orders", "Nothing was sent.")
    )
    return f"<section>\n<h2>Details</h2>\n{_fold('Orders', len(orders), content)}"


def _swing_section(data: ReportData) -> str:
    lows = [swing for swing in data.result.swings if swing.kind == "low"]
    columns = (
        "Symbol", "Time", "Confirmed", ">Low", ">VWAP", ">Above VWAP", "Update", "Verdict",
    )  # fmt: skip
    rows = (
        (
            escape(low.symbol),
            _time(low.at)[:5],
            _time(low.confirmed)[:5],
            _price(low.price),
            _price(low.vwap),
            f"{signed((low.price / low.vwap - 1) * 100, 1)} %" if low.vwap else "",
            "yes" if low.update else "",
            _reason(low.verdict or ""),
        )
        for low in lows
    )
    content = (
        _table("Swing lows", columns, rows, tall=True)
        if lows
        else _empty("No swing lows", "No low was confirmed.")
    )
    return f"{_fold('Swing lows and their verdicts', len(lows), content)}</section>\n"


def _rejection_section(data: ReportData) -> str:
    """Bars as long as the counts, the most frequent reason first."""
    counts = sorted(data.result.rejections.items(), key=lambda item: (-item[1], item[0]))
    most = max((count for _, count in counts), default=0)
    items = "".join(
        f'<li><div class="label"><span>{_reason(reason)}</span>'
        f"<span>{group_indian(count)}</span></div>"
        f'<div class="track"><div class="fill" style="width:{100 * count / most:.1f}%"></div>'
        "</div></li>\n"
        for reason, count in counts
        if count > 0
    )
    body = (
        f'<ul class="bars box">\n{items}</ul>\n'
        if items
        else _empty("No refusals", "No candidate was refused.")
    )
    return f"<section>\n<h2>Why candidates were refused</h2>\n{body}</section>\n"
