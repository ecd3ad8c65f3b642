"""The choice of a time, as several pages offer it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from dashboard import spans, texts
from dashboard.data import Source
from inspector.shifts import current_shift


def choose(
    source: Source,
    place: Any,
    now: datetime,
    default: str = "all",
    on_change: Callable[[], None] | None = None,
) -> tuple[datetime | None, datetime | None]:
    """Begin and end, as chosen in ``place``, a container; None where the time is open."""
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
