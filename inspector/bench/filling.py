"""A database as months of production leave it, made in minutes: for measurements, never for a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import event, insert

from inspector.contract import utc_text
from inspector.domain import Cause, StationStatus
from inspector.records.database import open_engine, upgrade
from inspector.records.reviews import REVIEW
from inspector.records.rows import event_row, insert_events, insert_records, put_status

CHUNK = 2000
DAYS = 90
"""The time that the parts are spread over, to now."""
VERSION = 6
"""The recipe's last version."""
_COMMISSIONING = 0.02
"""Share of the parts that were made before the gate was opened."""
_DECIDED = 100
"""One part in so many has been looked at by a person."""
_CAUSES = {
    Cause.NONE: 0.94,
    Cause.ANOMALY: 0.017,
    Cause.MISSING: 0.011,
    Cause.DEFECT: 0.008,
    Cause.WRONG: 0.003,
    Cause.MISPLACED: 0.001,
    Cause.UNCERTAIN: 0.014,
    Cause.BLUR: 0.003,
    Cause.PARTIAL_PART: 0.0015,
    Cause.NO_PART: 0.001,
    Cause.DEADLINE_MISSED: 0.0004,
    Cause.TAMPERED: 0.0001,
}
_DEADLINE_MS = 500.0
_BOOT = 0x5EED0002


def fill(
    url: str,
    station: str,
    parts: int,
    now: datetime,
    *,
    seed: int = 3,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Record ``parts`` inspections that ended at ``now``, by the way that the recorder takes."""
    upgrade(url)
    engine = open_engine(url)

    @event.listens_for(engine, "connect")
    def hurry(connection: Any, _: Any) -> None:
        # Nothing is lost that could not be made again.
        if engine.dialect.name == "sqlite":
            connection.execute("PRAGMA synchronous = OFF")

    try:
        waiting: list[dict[str, Any]] = []
        for number, fields in enumerate(_records(station, parts, now, seed), 1):
            waiting.append(fields)
            if len(waiting) == CHUNK or number == parts:
                with engine.begin() as connection:
                    insert_records(connection, station, waiting)
                    if decided := [_decision(one) for one in waiting if one["seq"] % _DECIDED == 0]:
                        connection.execute(insert(REVIEW), decided)
                waiting = []
                progress(number)
        with engine.begin() as connection:
            events = [
                event_row(station, "warning", "camera", f"camera top was lost, number {n}", {"n": n})
                for n in range(500)
            ]
            insert_events(connection, events)
            put_status(connection, _status(station), now)
    finally:
        engine.dispose()


def _status(station: str) -> StationStatus:
    return StationStatus(
        station,
        state="Ready",
        boot_id=_BOOT,
        recipe_id="pump-cover",
        recipe_version=VERSION,
        deadline_ms=_DEADLINE_MS,
        cameras={"top": "live"},
    )


def _records(station: str, parts: int, now: datetime, seed: int) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    causes, weights = list(_CAUSES), np.array(list(_CAUSES.values()))
    drawn = rng.choice(len(causes), parts, p=weights / weights.sum())
    ages = np.exp(rng.normal(np.log(45.0), 0.25, parts)).round(3)
    scores = rng.beta(2.5, 9.0, (parts, 2)).round(5)
    again = rng.random(parts) < 0.2
    steps = rng.gamma(4.0, 1.0, parts)
    offsets = np.cumsum(steps) / steps.sum() * DAYS * 86400
    begin = now - timedelta(days=DAYS)
    failed_before: int | None = None
    for n in range(parts):
        cause = causes[drawn[n]]
        part = n
        # A refused part is sometimes put onto the belt once more.
        if failed_before is not None and again[n]:
            part, failed_before = failed_before, None
        elif cause.verdict.value == "FAIL":
            failed_before = n
        created = begin + timedelta(seconds=float(offsets[n]))
        age = _DEADLINE_MS + 40 if cause is Cause.DEADLINE_MISSED else float(ages[n])
        yield _record(station, n, part, cause, created, age, scores[n], n / parts)


def _decision(fields: dict[str, Any]) -> dict[str, Any]:
    """A person agrees with FAIL and takes everything else for good."""
    faulty = fields["verdict"] == "FAIL"
    return {
        "result_id": fields["resultId"],
        "station": fields["station"],
        "user": "anna",
        "decision": "reject" if faulty else "accept",
        "cause": Cause.DEFECT.word if faulty else None,
        "is_blind": False,
        "wants_second": False,
        "created_at": datetime.fromisoformat(fields["creationTime"]) + timedelta(minutes=10),
    }


def _record(
    station: str,
    n: int,
    part: int,
    cause: Cause,
    created: datetime,
    age_ms: float,
    scores: Any,
    done: float,
) -> dict[str, Any]:
    challenge = None
    if n % 3000 < 4:
        challenge = "faulty" if cause.verdict.value == "FAIL" else "good"
    surface, screws = (float(score) for score in scores)
    findings = []
    if cause.verdict.value == "FAIL":
        surface = 0.62 + surface / 2
        kind = cause.word.lower()
        box = [120.0, 80.0, 220.5, 160.0]
        found = {"check": "surface", "kind": kind, "label": "scratch", "score": surface}
        findings = [{**found, "threshold": 0.62, "box": box}]
    result_id = f"{_BOOT:08x}-{n + 1}"
    folder = f"{station}/{created:%Y-%m-%d}/{result_id}"
    kept = cause is not Cause.NONE or n % 20 == 0
    return {
        "resultId": result_id,
        "station": station,
        "stationBootId": _BOOT,
        "seq": n + 1,
        "plcBootId": 77,
        "triggerId": n + 1,
        "partId": f"PC-{part + 1:08d}",
        "batchId": f"B-{int(done * DAYS * 3):04d}",
        "productId": "pump-cover",
        "verdict": cause.verdict.value,
        "cause": cause.word,
        "resultEvaluationCode": cause.code,
        "causes": [] if cause is Cause.NONE else [cause.word],
        "resultState": 1,
        "isPartial": False,
        "isSimulated": done < _COMMISSIONING,
        "isChallenge": challenge is not None,
        "challenge": challenge,
        "recipeId": "pump-cover" if n // 50_000 % 4 else "pump-base",
        "recipeVersion": 1 + int(done * VERSION),
        "recipeHash": "9f2c41d07be85a16",
        "modelHash": "03bd5ce2f1a94478",
        "creationTime": utc_text(created),
        "ageMs": age_ms,
        "deadlineMs": _DEADLINE_MS,
        "acquisitionMs": 6.5,
        "processingMs": max(0.0, age_ms - 10),
        "stagesMs": {"quality": 1.2, "surface": 24.0, "screws": 17.4},
        "source": "top",
        "frame": n * 25,
        "imageSize": [640, 480],
        "partBox": [40.0, 30.0, 600.0, 450.0],
        "findingsTotal": len(findings),
        "findings": findings,
        "scores": [
            {"check": "surface", "score": surface, "threshold": 0.62, "reviewThreshold": 0.48},
            {"check": "screws", "score": screws, "threshold": 0.5, "reviewThreshold": 0.5},
        ],
        "evidence": [
            {"name": name, "kind": kind, "path": f"{folder}/{name}", "bytes": 40_000}
            for name, kind in (("frame-0.jpg", "picture"), ("overlay.json", "overlay"))
            if kept
        ],
    }
