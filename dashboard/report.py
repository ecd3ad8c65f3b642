"""The shift report: one self-contained page of HTML that prints on A4. Pure; everything is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from dashboard import texts
from dashboard.control import ControlChart
from dashboard.spans import Named
from dashboard.statistics import Answer, chart_of
from dashboard.texts import statistics as words
from dashboard.wording import Fact, known_mistakes, percent
from inspector.records.statistics import Tallied
from inspector.records.views import EventView

_CAUSES, _EVENTS, _RECIPES = 10, 4, 3
"""Rows that leave the report on one page."""
_LENGTH = 90
"""Of the text of an event."""
_STYLE = """
@page { size: A4; margin: 12mm 14mm; }
* { box-sizing: border-box; }
body { font: 14px/1.4 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; color: #1f2933;
  background: #fff; margin: 0 auto; max-width: 52rem; padding: 1.5rem; }
header { border-bottom: 3px solid #1f2933; padding-bottom: .4rem; margin-bottom: .8rem; }
h1 { font-size: 1.5rem; line-height: 1.2; margin: 0; }
h2 { font-size: 1rem; margin: 1rem 0 .3rem; border-bottom: 1px solid #cbd2d9; break-after: avoid; }
.soft { color: #52606d; }
.notice { border: 2px solid #1f2933; padding: .3rem .7rem; font-weight: 600; margin: .5rem 0; }
.figures { display: grid; grid-template-columns: repeat(4, 1fr); gap: .5rem; }
.figures div { border: 1px solid #cbd2d9; border-radius: 4px; padding: .3rem .6rem;
  break-inside: avoid; }
.figures b { display: block; font-size: 1.3rem; font-variant-numeric: tabular-nums; }
.figures span { color: #52606d; font-size: .8rem; }
.columns { display: grid; grid-template-columns: 1fr 1fr; gap: 0 1.5rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums;
  font-size: .9rem; }
th, td { padding: .12rem .4rem; border-bottom: 1px solid #e4e7eb; text-align: right;
  vertical-align: top; }
th:first-child, td:first-child, td.text { text-align: left; overflow-wrap: anywhere; }
td.bar { width: 35%; } td.bar i { display: block; height: .75rem; background: #52606d; }
svg { width: 100%; height: auto; display: block; }
.signatures { display: grid; grid-template-columns: 1fr 1fr; gap: 2rem; margin-top: 2.4rem;
  break-inside: avoid; }
.signatures div { border-top: 1px solid #1f2933; padding-top: .2rem; font-size: .85rem;
  color: #52606d; }
@media print { html { font-size: 12px; } body { font-size: 12px; max-width: none; padding: 0; }
  h2 { margin: .7rem 0 .2rem; } svg { max-height: 8.5rem; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; } }
"""


@dataclass(frozen=True, slots=True)
class Shift:
    """What the report is of, and what it says."""

    line: str
    station: str
    kind: str
    piece: Named
    zone: ZoneInfo
    made: datetime
    answer: Answer
    recipes: Mapping[str, Tallied]
    events: Sequence[EventView]
    """Warnings and errors of the shift, newest first."""


def shift_report(shift: Shift) -> bytes:
    """The page, UTF-8."""
    name = shift_name(shift.piece, shift.zone)
    where = words.REPORT_OF.format(line=shift.line, station=shift.station)
    made = words.REPORT_MADE.format(moment=f"{shift.made.astimezone(shift.zone):%Y-%m-%d %H:%M}")
    notices = [words.NOT_PRODUCTION[shift.kind]] if shift.kind in words.NOT_PRODUCTION else []
    if shift.made < shift.piece.until:
        notices.append(words.REPORT_RUNNING)
    total = shift.answer.total
    body = "".join(
        (
            f"<header><h1>{escape(words.REPORT_TITLE)}: {escape(name)}</h1>",
            f'<div class="soft">{escape(where)} · {escape(made)}</div></header>',
            *(f'<div class="notice">{escape(notice)}</div>' for notice in notices),
            _figures(total),
            '<div class="columns"><section>',
            _verdicts(total),
            _causes(shift.answer.causes, total.parts),
            "</section><section>",
            _recipes(shift.recipes),
            _events(shift.events, shift.zone),
            "</section></div>",
            _facts(words.KNOWN, known_mistakes(shift.answer.mistakes)),
            f"<h2>{escape(words.REPORT_FAIL_TREND)}</h2>",
            _trend(chart_of(shift.answer.trend, "fail"), shift),
            '<div class="signatures">',
            *(f"<div>{escape(who)}</div>" for who in words.REPORT_SIGNATURES),
            "</div>",
        )
    )
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(words.REPORT_TITLE)} {escape(name)}</title>"
        f"<style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )
    return page.encode()


def shift_name(piece: Named, zone: ZoneInfo) -> str:
    """A shift as people call it, in the plant's time."""
    since, until = piece.since.astimezone(zone), piece.until.astimezone(zone)
    return words.SHIFT_NAME.format(
        name=piece.name, day=since.date().isoformat(), since=f"{since:%H:%M}", until=f"{until:%H:%M}"
    )


def _figures(total: Tallied) -> str:
    p50, p99 = total.quantile_ms(0.5), total.quantile_ms(0.99)
    cells = (
        (f"{total.parts:,}", words.PARTS),
        (percent(total.passed, total.parts), words.YIELD),
        (percent(total.first_passed, total.first), words.FIRST_PASS),
        (percent(total.review, total.parts), words.REVIEW_SHARE),
        (percent(total.failed, total.parts), words.FAIL_SHARE),
        (f"{total.late:,}", words.LATE),
        ("–" if p50 is None else texts.MILLISECONDS.format(value=f"{p50:.0f}"), words.AGE_P50),
        ("–" if p99 is None else texts.MILLISECONDS.format(value=f"{p99:.0f}"), words.AGE_P99),
    )
    return (
        '<div class="figures">'
        + "".join(f"<div><b>{escape(v)}</b><span>{escape(n)}</span></div>" for v, n in cells)
        + "</div>"
    )


def _verdicts(total: Tallied) -> str:
    counted = (("PASS", total.passed), ("FAIL", total.failed), ("REVIEW", total.review))
    rows = (
        (f"{texts.VERDICT_SYMBOL[name]} {name}", f"{count:,}", percent(count, total.parts))
        for name, count in counted
    )
    names = (words.REPORT_VERDICT, words.PARTS, words.REPORT_SHARE)
    return _table(words.REPORT_VERDICTS, names, rows)


def _causes(causes: Mapping[str, int], parts: int) -> str:
    if not causes:
        return f"<h2>{escape(words.PARETO)}</h2><p>{escape(words.NO_CAUSES)}</p>"
    largest = max(causes.values())
    rows = "".join(
        f"<tr><td>{escape(texts.CAUSE.get(word, word))}</td>"
        f'<td class="bar"><i style="width:{100 * count / largest:.1f}%"></i></td>'
        f"<td>{count:,}</td><td>{percent(count, parts)}</td></tr>"
        for word, count in list(causes.items())[:_CAUSES]
    )
    return f"<h2>{escape(words.PARETO)}</h2><table><tbody>{rows}</tbody></table>"


def _recipes(recipes: Mapping[str, Tallied]) -> str:
    largest = sorted(recipes.items(), key=lambda item: -item[1].parts)[:_RECIPES]
    rows = (
        (
            name,
            f"{cell.parts:,}",
            percent(cell.passed, cell.parts),
            percent(cell.first_passed, cell.first),
        )
        for name, cell in largest
    )
    names = (words.REPORT_RECIPE, words.PARTS, words.YIELD, words.FIRST_PASS)
    return _table(words.REPORT_BY_RECIPE, names, rows)


def _facts(title: str, facts: Iterable[Fact]) -> str:
    rows = "".join(
        f'<tr><td>{escape(fact.name)}</td><td class="text">{escape(fact.value)}</td></tr>'
        for fact in facts
    )
    return f"<h2>{escape(title)}</h2><table><tbody>{rows}</tbody></table>"


def _table(title: str, names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(value)}</td>" for value in row) + "</tr>" for row in rows
    )
    return f"<h2>{escape(title)}</h2><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _events(events: Sequence[EventView], zone: ZoneInfo) -> str:
    if not events:
        return f"<h2>{escape(words.REPORT_EVENTS)}</h2><p>{escape(words.REPORT_NO_EVENTS)}</p>"
    rows = "".join(
        f"<tr><td>{event.at.astimezone(zone):%H:%M:%S}</td>"
        f'<td class="text">{escape(_short(event.text))}</td></tr>'
        for event in events[:_EVENTS]
    )
    more = len(events) - _EVENTS
    note = f"<p>{escape(words.REPORT_MORE_EVENTS.format(count=more))}</p>" if more > 0 else ""
    return f"<h2>{escape(words.REPORT_EVENTS)}</h2><table><tbody>{rows}</tbody></table>{note}"


def _short(text: str) -> str:
    return text if len(text) <= _LENGTH else text[: _LENGTH - 1] + "…"


def _trend(chart: ControlChart, shift: Shift) -> str:
    """The control chart as SVG: points, limits as steps, hours below."""
    width, height, left, bottom = 720.0, 150.0, 46.0, 22.0
    groups = chart.groups
    seen = [g.share for g in groups if g.share is not None]
    if not seen:
        return ""
    top = max(0.01, *seen, *(g.high for g in groups if g.of)) * 1.08
    step = (width - left) / len(groups)

    def x(number: float) -> float:
        return left + step * number

    def y(share: float) -> float:
        return (height - bottom) * (1 - min(share, top) / top) + 4

    pieces = [
        f'<line x1="{left}" x2="{width}" y1="{y(v):.1f}" y2="{y(v):.1f}" stroke="#e4e7eb"/>'
        f'<text x="{left - 5}" y="{y(v) + 4:.1f}" text-anchor="end">{v:.1%}</text>'
        for v in (0.0, top / 2, top)
    ]
    centre = y(chart.centre)
    pieces.append(
        f'<line x1="{left}" x2="{width}" y1="{centre:.1f}" y2="{centre:.1f}" stroke="#52606d"/>'
    )
    line = []
    for number, (group, point) in enumerate(zip(groups, shift.answer.trend, strict=True)):
        hour = point.piece.since.astimezone(shift.zone)
        pieces.append(
            f'<text x="{x(number + 0.5):.1f}" y="{height}" text-anchor="middle">{hour:%H:%M}</text>'
        )
        if group.share is None:
            continue
        pieces += [
            f'<line x1="{x(number):.1f}" x2="{x(number + 1):.1f}" y1="{y(v):.1f}" y2="{y(v):.1f}" '
            'stroke="#8a5a00" stroke-dasharray="5 3"/>'
            for v in (group.low, group.high)
        ]
        at = (x(number + 0.5), y(group.share))
        line.append(f"{at[0]:.1f},{at[1]:.1f}")
        pieces.append(
            f'<rect x="{at[0] - 5:.1f}" y="{at[1] - 5:.1f}" width="10" height="10" fill="#b42318" '
            f'transform="rotate(45 {at[0]:.1f} {at[1]:.1f})"/>'
            if group.is_out
            else f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="3.5" fill="#0b5394"/>'
        )
    return (
        f'<svg viewBox="0 0 {width:.0f} {height + 4:.0f}" font-size="11" fill="#52606d">'
        f"{''.join(pieces)}"
        f'<polyline points="{" ".join(line)}" fill="none" stroke="#0b5394" stroke-width="1.5"/></svg>'
    )
