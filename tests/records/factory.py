"""Inspections as a line would make them, with everything that a test does not care about filled in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

import numpy as np

from inspector.domain import (
    Box,
    Cause,
    Detection,
    Finding,
    FindingKind,
    Frame,
    Inspection,
    Judgement,
    Overlay,
    RecipeRef,
    Score,
    Timings,
    Trigger,
)
from inspector.records.recorder import DatabaseRecorder

Recording = Callable[..., DatabaseRecorder]
"""Starts a recorder."""
Pragma = Callable[[str], AbstractContextManager[None]]
"""Makes SQLite refuse within a block."""

START = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)
BOOT = 0xDEADBEEF
STATION = "station-1"


def frame(width: int = 64, height: int = 48, seed: int = 0) -> Frame:
    """A small shaded picture."""
    ramp = np.linspace(40 + seed, 200, width, dtype=np.float32)
    image = np.repeat(np.tile(ramp, (height, 1))[..., None], 3, axis=2).astype(np.uint8)
    return Frame(image, "cam", seed, 1.0)


def finding(score: float = 0.9, kind: FindingKind = FindingKind.MISSING) -> Finding:
    """A finding of the check ``caps``."""
    return Finding(
        "caps", kind, "cap", score, 0.5, Box(10, 12, 20, 30), 0.4, expected_box=Box(8, 10, 22, 28)
    )


def inspection(
    n: int,
    *,
    cause: Cause = Cause.NONE,
    part_id: str | None = None,
    station: str = STATION,
    created: datetime | None = None,
    score: float = 0.1,
    age_ms: float = 40.0,
    deadline_ms: float = 500.0,
    recipe: str = "soap",
    version: int = 1,
    simulated: bool = False,
    challenge: str | None = None,
    batch_id: str | None = None,
    pictures: int = 1,
    overlay: bool = False,
) -> Inspection:
    """The ``n``-th part of a run; PASS unless ``cause`` says otherwise."""
    failing = cause is not Cause.NONE
    return Inspection(
        result_id=f"{BOOT:08x}-{n}",
        seq=n,
        station=station,
        station_boot_id=BOOT,
        trigger=Trigger(
            plc_boot_id=0xFFFFFFFF,
            trigger_id=n,
            part_id=part_id or f"part-{n:05d}",
            received_s=float(n),
            deadline_s=deadline_ms / 1000,
            recipe_id=recipe,
            batch_id=batch_id,
            meas_id="meas",
            product_id="product",
            challenge=challenge,
        ),
        recipe=RecipeRef(recipe, version, "0123456789abcdef", "fedcba9876543210"),
        judgement=Judgement(cause.verdict, cause, (cause,) if failing else ()),
        result_state=1,
        findings=(finding(),) if failing else (),
        scores=(Score("caps", score, 0.5, 0.4), Score("label", 0.2, 0.6, 0.6)),
        timings=Timings(5.0, 30.0, {"quality": 1.5, "caps": 20.25}),
        age_s=age_ms / 1000,
        created=created or START + timedelta(seconds=n),
        source="cam",
        frame=n,
        simulated=simulated,
        part_box=Box(1, 2, 60, 40),
        detections=(Detection("cap", 0.87654321, Box(10, 12, 20, 30)),),
        frames=tuple(frame(seed=k) for k in range(pictures)),
        overlay=Overlay(np.array([[0.0, 0.5], [1.0, 3.0]], np.float32), Box(1, 2, 60, 40))
        if overlay
        else None,
    )
