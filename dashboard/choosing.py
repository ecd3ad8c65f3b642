"""Choices that several pages offer. ``place`` is the container that shows them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from dashboard import data, spans, texts
from dashboard.data import Source
from inspector.shifts import current_shift


def time(
    source: Source,
    place: Any,
    now: datetime,
    default: str = "all",
    on_change: Callable[[], None] | None = None,
) -> tuple[datetime | None, datetime | None]:
    """Begin and end; None where the time is open."""
    names = list(texts.SPANS)
    span = place.selectbox(
        texts.FIND_TIME,
        names,
        index=names.index(default),
        format_func=texts.SPANS.__getitem__,
        on_change=on_change,
    )
    today = now.astimezone(source.zone).date()
    if span == "days":
        days = place.date_input(texts.FIND_FROM_TO, (today, today), on_change=on_change)
        # While only the first day has been clicked there is one element.
        chosen = days if isinstance(days, tuple) else (days,)
        if not chosen:
            return None, None
        return (
            spans.midnight(chosen[0], source.zone),
            spans.midnight(chosen[-1] + timedelta(days=1), source.zone),
        )
    starts = {
        "hour": now - timedelta(hours=1),
        "shift": current_shift(source.config.shifts, source.zone, now).start,
        "today": spans.midnight(today, source.zone),
        "week": spans.midnight(today - timedelta(days=6), source.zone),
    }
    return starts.get(span), None


def recipe(
    source: Source, place: Any, on_change: Callable[[], None] | None = None
) -> tuple[str | None, int | None]:
    """Id and version of a recipe that has judged parts; None for any."""
    used = [(use.recipe_id, use.recipe_version) for use in data.recipes(source)]
    chosen = place.selectbox(
        texts.FIND_RECIPE,
        [None, *used],
        format_func=lambda use: (
            texts.RECIPE_VERSION.format(recipe=use[0], version=use[1]) if use else texts.ANY
        ),
        on_change=on_change,
    )
    return chosen or (None, None)
