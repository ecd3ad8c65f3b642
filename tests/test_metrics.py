"""The metrics page, as somebody else's parser reads it."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from records.factory import inspection
from support import free_port

from inspector.config import Metrics
from inspector.domain import Cause, StationStatus
from inspector.errors import OutsideError
from inspector.metrics import CONTENT_TYPE, MetricsServer, Sample, page
from inspector.tally import Tally

COUNTERS = {
    "received": 9,
    "accepted": 7,
    "challenge": 1,
    "in_flight": 2,
    "gaps": 3,
    "late": 1,
    "overrun": 0,
    "not_taken": 1,
    "refused_NotReady": 2,
    "PASS": 2,
    "FAIL": 1,
    "REVIEW": 1,
    "frames_dropped": 5,
}


def status(**changes: Any) -> StationStatus:
    fields: dict[str, Any] = {
        "station": "cell-1",
        "state": "Ready",
        "boot_id": 7,
        "mode": "production",
        "online": True,
        "health": "watch",
        "error_code": 0,
        "error_text": "",
        "clock_synced": True,
        "recipe_id": "soap",
        "recipe_version": 3,
        "deadline_ms": 500.0,
        "counters": COUNTERS,
        "cameras": {"top": "live", 'the "side"\\one': "lost"},
    }
    return StationStatus(**(fields | changes))


def sample(tally: Tally | None = None, **changes: Any) -> Sample:
    queues = {"parts": 4, "records": 0}
    link = {"connects": 3, "disconnects": 2}
    return Sample(status(**changes), (tally or Tally()).copy(), queues, 2, 0, True, link)


def parsed(*samples: Sample) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Values by name and by sorted labels."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(page(samples)):
        assert family.documentation
        assert family.type in ("counter", "gauge", "histogram")
        for name, labels, value, *_ in family.samples:
            key = tuple(sorted(labels.items()))
            assert key not in found.setdefault(name, {}), f"{name} twice"
            found[name][key] = value
    return found


def test_counters_and_conditions_are_on_the_page() -> None:
    found = parsed(sample())
    cell = (("station", "cell-1"),)
    for name, value in {
        "inspector_triggers_received_total": 9,
        "inspector_triggers_accepted_total": 7,
        "inspector_trigger_gaps_total": 3,
        "inspector_challenge_parts_total": 1,
        "inspector_parts_in_flight": 2,
        "inspector_passes_not_taken_total": 1,
        "inspector_results_unpublished_total": 2,
        "inspector_frames_dropped_total": 5,
        "inspector_error_code": 0,
        "inspector_clock_synced": 1,
        "inspector_progressing": 1,
    }.items():
        assert found[name] == {cell: value}, name
    assert found["inspector_triggers_refused_total"] == {(("reason", "NotReady"), *cell): 2}
    assert found["inspector_queue_depth"] == {
        (("queue", "parts"), *cell): 4,
        (("queue", "records"), *cell): 0,
    }
    assert found["inspector_link_events_total"] == {
        (("event", "connects"), *cell): 3,
        (("event", "disconnects"), *cell): 2,
    }
    assert found["inspector_camera_up"] == {
        (("camera", "top"), *cell): 1,
        (("camera", 'the "side"\\one'), *cell): 0,
    }
    states = found["inspector_station_state"]
    assert [dict(labels)["state"] for labels, value in states.items() if value] == ["Ready"]
    assert len(states) == 6
    healths = found["inspector_station_health"]
    assert [dict(labels)["health"] for labels, value in healths.items() if value] == ["watch"]


def test_parts_are_counted_by_verdict_and_cause_and_timed_against_their_deadlines() -> None:
    tally = Tally()
    for number, (cause, age_ms) in enumerate(
        [(Cause.NONE, 40), (Cause.NONE, 250), (Cause.MISSING, 500), (Cause.DEADLINE_MISSED, 501)]
    ):
        tally.note(inspection(number, cause=cause, age_ms=age_ms, deadline_ms=500))
    tally.note(inspection(9, challenge="good"))
    found = parsed(sample(tally))
    cell = ("station", "cell-1")
    parts = {tuple(value for _, value in key): n for key, n in found["inspector_parts_total"].items()}
    assert parts == {
        ("None", "cell-1", "PASS"): 2,
        ("Missing", "cell-1", "FAIL"): 1,
        ("DeadlineMissed", "cell-1", "REVIEW"): 1,
    }
    shares = found["inspector_deadline_used_ratio_bucket"]
    at = {dict(key)["le"]: n for key, n in shares.items()}
    assert (at["0.1"], at["0.5"], at["0.9"], at["1"], at["1.5"], at["+Inf"]) == (1, 2, 2, 3, 4, 4)
    assert found["inspector_part_age_seconds_count"] == {(cell,): 4}
    assert found["inspector_part_age_seconds_sum"][(cell,)] == pytest.approx(1.291)


def test_several_stations_share_one_page() -> None:
    found = parsed(sample(), sample(station="cell-2"))
    assert len(found["inspector_triggers_received_total"]) == 2


@contextmanager
def serving(*samples: Sample) -> Iterator[str]:
    port = free_port()
    server = MetricsServer(Metrics(port=port), lambda: samples)
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.close()


def test_the_page_is_served_and_health_tells_a_supervisor() -> None:
    with serving(sample()) as url:
        with urllib.request.urlopen(f"{url}/metrics", timeout=5) as answer:
            assert answer.headers["Content-Type"] == CONTENT_TYPE
            assert b'inspector_parts_in_flight{station="cell-1"} 2\n' in answer.read()
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            assert answer.read() == b"ok\n"
        with pytest.raises(urllib.error.HTTPError) as unknown:
            urllib.request.urlopen(f"{url}/", timeout=5)
        assert unknown.value.code == 404
        unknown.value.close()
    with serving(replace(sample(), progressing=False)) as url:
        with pytest.raises(urllib.error.HTTPError) as stuck:
            urllib.request.urlopen(f"{url}/health", timeout=5)
        with stuck.value:
            assert (stuck.value.code, stuck.value.read()) == (503, b"stuck: cell-1\n")


def test_a_port_that_is_taken_is_told() -> None:
    with serving(sample()) as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(OutsideError, match=f"cannot listen on 127.0.0.1:{port}.*another port"):
            MetricsServer(Metrics(port=port), list)
