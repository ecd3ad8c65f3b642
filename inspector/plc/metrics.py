"""What a SCADA system is shown of a station: one list, so that a birth names all that can change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from inspector.domain import StationStatus
from inspector.plc.sparkplug_payload import DataType, Metric

_COUNTERS = {
    "Received": "received",
    "Accepted": "accepted",
    "In Flight": "in_flight",
    "PASS": "PASS",
    "FAIL": "FAIL",
    "REVIEW": "REVIEW",
    "Challenge": "challenge",
    "Late": "late",
    "Overrun": "overrun",
    "Gaps": "gaps",
    "Not Taken": "not_taken",
    "Frames Dropped": "frames_dropped",
}
_LAST = {
    "Last Verdict/Result Id": (DataType.STRING, "resultId"),
    "Last Verdict/Part Id": (DataType.STRING, "partId"),
    "Last Verdict/Verdict": (DataType.STRING, "verdict"),
    "Last Verdict/Cause": (DataType.STRING, "cause"),
    "Last Verdict/Cause Code": (DataType.INT32, "resultEvaluationCode"),
    "Last Verdict/Simulated": (DataType.BOOLEAN, "isSimulated"),
    "Last Verdict/Creation Time": (DataType.STRING, "creationTime"),
    "Latency/Age ms": (DataType.DOUBLE, "ageMs"),
    "Latency/Acquisition ms": (DataType.DOUBLE, "acquisitionMs"),
    "Latency/Processing ms": (DataType.DOUBLE, "processingMs"),
}


def station_metrics(status: StationStatus, last: Mapping[str, Any]) -> Iterator[Metric]:
    """State, counters, recipe, latency, quality and last verdict, always the same names in one order.

    ``last`` is the record of the part that was finished last, empty before the first.
    """
    yield Metric("State/Name", DataType.STRING, status.state)
    yield Metric("State/Mode", DataType.STRING, status.mode)
    yield Metric("State/Health", DataType.STRING, status.health)
    yield Metric("State/Error Code", DataType.INT32, status.error_code)
    yield Metric("State/Error Text", DataType.STRING, status.error_text)
    yield Metric("State/Clock Synced", DataType.BOOLEAN, status.clock_synced)
    yield Metric("State/Boot Id", DataType.INT64, status.boot_id)
    yield Metric("Recipe/Id", DataType.STRING, status.recipe_id)
    yield Metric("Recipe/Version", DataType.INT64, status.recipe_version)
    counters = status.counters
    for name, key in _COUNTERS.items():
        yield Metric(f"Counters/{name}", DataType.INT64, counters.get(key, 0))
    refused = sum(count for key, count in counters.items() if key.startswith("refused_"))
    yield Metric("Counters/Refused", DataType.INT64, refused)
    verdicts = ("PASS", "FAIL", "REVIEW")
    judged = sum(counters.get(verdict, 0) for verdict in verdicts)
    for verdict in verdicts:
        share = counters.get(verdict, 0) / judged if judged else None
        yield Metric(f"Quality/{verdict} Share", DataType.DOUBLE, share)
    yield Metric("Latency/Deadline ms", DataType.DOUBLE, status.deadline_ms)
    for name, (datatype, key) in _LAST.items():
        yield Metric(name, datatype, last.get(key))
