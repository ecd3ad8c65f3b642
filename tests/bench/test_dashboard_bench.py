"""The benchmark of the pages, over a small database."""

from __future__ import annotations

import json
from pathlib import Path

from inspector.bench.dashboard import PAGES, as_json, bench_dashboard
from inspector.records import queries, statistics
from inspector.records.database import open_engine
from inspector.records.statistics import Scope


def test_every_page_is_measured_over_what_was_recorded(tmp_path: Path) -> None:
    figures = bench_dashboard(1000, 1, tmp_path)
    assert set(figures) == set(PAGES)
    assert all(0 < times.p50_s <= times.p95_s for times in figures.values())
    assert json.loads(as_json(figures)).keys() >= {"live_p95_s", "statistics_all_processor_p95_s"}
    engine = open_engine(f"sqlite:///{tmp_path / 'records.db'}", readonly=True)
    (total,) = statistics.total(engine, Scope("cover-1"))
    assert total.parts == queries.count(engine) == 1000
    # Parts that came a second time are no first attempts.
    assert total.first < total.parts
    assert {part.verdict for part in queries.find(engine, limit=1000)} == {"PASS", "FAIL", "REVIEW"}
    engine.dispose()
