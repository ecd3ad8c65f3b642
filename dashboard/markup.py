"""Pieces of HTML that Streamlit has no element for. Pure; everything from outside is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from urllib.parse import quote
from zoneinfo import ZoneInfo

from dashboard import texts
from inspector.records.views import PartSummary, StationState

_TAIL = 9
"""Characters of a part id on a tile; the end of an id tells parts apart."""
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:])")
_GOOD_STATES = {"Ready", "ContinuousExecution"}
_HEALTH_TONE = {"good": "good", "watch": "watch", "act": "bad"}


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its name."""

    name: str
    value: str
    note: str = ""
    tone: str = ""
    """``pass``, ``fail``, ``review``, ``alarm`` or nothing."""


def verdict_band(verdict: str, sentence: str, *, live: bool = True, small: bool = False) -> str:
    """The verdict as symbol, word and colour, and why."""
    symbol = texts.VERDICT_SYMBOL.get(verdict, texts.UNKNOWN_SYMBOL)
    kinds = ["verdict", _tone(verdict), "" if live else "old", "small" if small else ""]
    return (
        f'<div class="{" ".join(filter(None, kinds))}">'
        f'<div class="word"><span class="symbol">{escape(symbol)}</span>{escape(verdict)}</div>'
        f'<div class="reason">{escape(sentence)}</div></div>'
    )


def strip(parts: Sequence[PartSummary], length: int, *, live: bool = True) -> str:
    """Tiles of the last parts, newest first, each a link to the part."""
    tiles = [_tile(part) for part in parts]
    tiles += ['<span class="tile empty"></span>'] * (length - len(tiles))
    kind = "strip" if live else "strip old"
    return f'<div class="{kind}" style="--tiles:{length}">{"".join(tiles)}</div>'


def figures(items: Iterable[Figure]) -> str:
    """A row of large numbers."""
    shown = list(items)
    cells = "".join(
        f'<div class="figure {item.tone}"><div class="name">{escape(item.name)}</div>'
        f'<div class="value">{escape(item.value)}</div>'
        f'<div class="note">{escape(item.note) or "&nbsp;"}</div></div>'
        for item in shown
    )
    return f'<div class="figures" style="--columns:{len(shown)}">{cells}</div>'


def facts(items: Iterable[tuple[str, str]]) -> str:
    """Names and values, one a line."""
    rows = "".join(
        f"<div><span>{escape(name)}</span><b>{escape(value)}</b></div>" for name, value in items
    )
    return f'<div class="facts">{rows}</div>'


def badges(part: PartSummary) -> str:
    """What makes this part special, if anything."""
    shown = (
        (part.is_simulated, texts.SIMULATED),
        (part.is_challenge, texts.CHALLENGE),
        (part.is_partial, texts.PARTIAL),
    )
    chips = "".join(_chip(text, "watch") for applies, text in shown if applies)
    return f'<div class="chips">{chips}</div>' if chips else ""


def station_bar(
    line: str, station: str, state: StationState | None, *, silent: bool, simulated: bool
) -> str:
    """The station as the PLC sees it."""
    chips: list[str] = []
    if state is not None and not silent:
        word = texts.STATE.get(state.state, state.state)
        chips.append(_chip(word, "good" if state.state in _GOOD_STATES else "bad", strong=True))
        if state.mode == "commissioning":
            chips.append(_chip(f"{texts.COMMISSIONING}: {texts.COMMISSIONING_HELP}", "watch"))
        if simulated:
            chips.append(_chip(texts.SIMULATED, "watch"))
        health = texts.HEALTH.get(state.health, state.health)
        chips.append(_chip(health, _HEALTH_TONE.get(state.health, "watch")))
        chips += [_camera(name, word) for name, word in sorted(state.cameras.items())]
        if not state.clock_synced:
            chips.append(_chip(texts.CLOCK_UNSYNCED, "watch"))
        if state.recipe_id:
            recipe = texts.RECIPE_VERSION.format(recipe=state.recipe_id, version=state.recipe_version)
            chips.append(_chip(recipe, ""))
    return (
        f'<div class="bar"><div class="where"><b>{escape(station)}</b>'
        f'<span>{escape(line)}</span></div><div class="chips">{"".join(chips)}</div></div>'
    )


def alarms(sentences: Iterable[str]) -> str:
    """Lines that nobody overlooks."""
    return "".join(
        f'<div class="alarm" role="alert"><span>⚠</span>{escape(sentence)}</div>'
        for sentence in sentences
    )


def notice(sentence: str) -> str:
    """A line about all that follows."""
    return f'<div class="notice">{escape(sentence)}</div>'


def stamp(sentence: str) -> str:
    """Written over a picture that is not of now."""
    return f'<div class="stamp">{escape(sentence)}</div>'


def attempts(parts: Sequence[PartSummary], shown: str, link: str, zone: ZoneInfo) -> str:
    """All inspections of a part id, each a link but the one that is shown."""
    rows = []
    for part in parts:
        symbol = texts.VERDICT_SYMBOL.get(part.verdict, texts.UNKNOWN_SYMBOL)
        cause = texts.CAUSE.get(part.cause, part.cause)
        text = escape(
            f"{part.attempt}. {symbol} {part.verdict}, {cause}, {instant(part.created_at, zone)}"
        )
        if part.result_id != shown:
            target = quote(part.result_id, safe="")
            text = f'<a href="?{escape(link)}={target}" target="_self">{text}</a>'
        rows.append(f"<li>{text}</li>")
    return f'<ul class="attempts">{"".join(rows)}</ul>'


def chips(sentences: Iterable[str]) -> str:
    """Short remarks, side by side."""
    return f'<div class="chips">{"".join(_chip(text, "") for text in sentences)}</div>'


def bullets(sentences: Iterable[str]) -> str:
    """Sentences, one a line."""
    return f'<ul class="bullets">{"".join(f"<li>{escape(text)}</li>" for text in sentences)}</ul>'


def plain(text: str) -> str:
    """For Streamlit's elements that read Markdown: the text as it stands, whatever it holds."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def panel(title: str, sentence: str) -> str:
    """A sentence where there is nothing else to show."""
    return f'<div class="panel"><h2>{escape(title)}</h2><p>{escape(sentence)}</p></div>'


def problem(error: Exception) -> str:
    """What is wrong and what to do, where the page would be."""
    return panel(texts.PROBLEM, f"{str(error).rstrip('.')}.")


def heading(text: str) -> str:
    """A small heading."""
    return f'<div class="heading">{escape(text)}</div>'


def instant(moment: datetime, zone: ZoneInfo) -> str:
    """Date and time in the plant."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def clock(moment: datetime, zone: ZoneInfo) -> str:
    """Time of day in the plant."""
    return moment.astimezone(zone).strftime("%H:%M:%S")


def _tile(part: PartSummary) -> str:
    symbol = texts.VERDICT_SYMBOL.get(part.verdict, texts.UNKNOWN_SYMBOL)
    name = part.part_id if len(part.part_id) <= _TAIL else "…" + part.part_id[-_TAIL + 1 :]
    cause = texts.CAUSE.get(part.cause, part.cause)
    title = f"{part.part_id}: {part.verdict}, {cause}"
    # A link within the page's own folder, so that it holds behind a reverse proxy too.
    return (
        f'<a class="tile {_tone(part.verdict)}" href="parts?part={quote(part.result_id, safe="")}" '
        f'target="_self" title="{escape(title)}"><b>{escape(symbol)}</b>{escape(name)}</a>'
    )


def _camera(name: str, word: str) -> str:
    tone = {"live": "good", "lost": "bad"}.get(word, "watch")
    return _chip(texts.CAMERA.format(camera=name, state=texts.CAMERA_STATE.get(word, word)), tone)


def _chip(text: str, tone: str, *, strong: bool = False) -> str:
    kinds = " ".join(filter(None, ["chip", tone, "strong" if strong else ""]))
    return f'<span class="{kinds}">{escape(text)}</span>'


def _tone(verdict: str) -> str:
    return verdict.lower() if verdict in texts.VERDICT_SYMBOL else "unknown"
