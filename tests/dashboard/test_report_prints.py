"""The shift report on paper."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from browser import browsing

from dashboard.report import Shift, shift_report
from dashboard.spans import Named
from dashboard.statistics import Answer, Point
from inspector.domain import Cause
from inspector.records.aggregates import age_class
from inspector.records.known import Mistakes
from inspector.records.statistics import Tallied
from inspector.records.views import EventView

BEGIN = datetime(2026, 6, 1, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)


def _full() -> Shift:
    """A shift of which there is as much to say as can be."""
    cell = Tallied(90_000, 80_000, 9_000, 1_000, 85_000, 79_000, 12, Counter({age_class(45.0): 90_000}))
    causes = {cause.word: 900 - 10 * n for n, cause in enumerate(Cause) if cause is not Cause.NONE}
    trend = tuple(Point(Named("", BEGIN + n * HOUR, BEGIN + (n + 1) * HOUR), cell) for n in range(12))
    return Shift(
        "a-line-with-a-long-name",
        "station-1",
        "simulated",
        Named("early", BEGIN, BEGIN + 12 * HOUR),
        ZoneInfo("Europe/Berlin"),
        BEGIN + HOUR,
        Answer(cell, causes, trend, Mistakes(60, 1, 40, 2, 300, 250, 20, 0, 20, 1), {}),
        {f"a-recipe-with-a-long-name-{n} {n}": cell for n in range(12)},
        [EventView(n, "s", BEGIN, "error", "camera", "words " * 90, {}) for n in range(30)],
    )


def test_the_fullest_report_prints_on_one_page() -> None:
    report = shift_report(_full()).decode()
    with browsing() as page:
        page.set_content(report)
        printed = page.pdf(prefer_css_page_size=True)
        page.set_viewport_size({"width": 688, "height": 1000})
        page.emulate_media(media="print")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "cut on the right"
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
