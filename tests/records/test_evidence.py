"""The image archive: what is kept, where, for how long."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
from factory import STATION, Recording, inspection
from sqlalchemy import Engine
from support import wait_for

from inspector.config import Evidence
from inspector.domain import Cause
from inspector.errors import StorageError
from inspector.mask import Mask
from inspector.records import evidence as module
from inspector.records import queries
from inspector.records.database import open_engine
from inspector.records.evidence import EvidenceStore

NOW = datetime(2026, 3, 10, tzinfo=UTC)
DAY = timedelta(days=1)


def test_every_fail_and_review_and_the_sampled_share_of_pass(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path, Evidence(pass_share=0.1))
    assert all(store.wants(inspection(n, cause=Cause.MISSING)) for n in range(50))
    assert all(store.wants(inspection(n, cause=Cause.BLUR)) for n in range(50))
    parts = [inspection(n) for n in range(2000)]
    kept = [store.wants(part) for part in parts]
    assert 150 < sum(kept) < 250
    assert kept == [EvidenceStore(tmp_path, Evidence(pass_share=0.1)).wants(part) for part in parts]
    assert kept != [EvidenceStore(tmp_path, Evidence(pass_share=0.1), 1).wants(p) for p in parts]
    assert not any(EvidenceStore(tmp_path, Evidence(pass_share=0)).wants(part) for part in parts)
    assert all(EvidenceStore(tmp_path, Evidence(pass_share=1)).wants(part) for part in parts)
    assert not store.wants(inspection(1, cause=Cause.CAMERA_FAULT, pictures=0)), "nothing to keep"


def test_files_of_a_part(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path, Evidence(quality=95))
    part = inspection(1, cause=Cause.MISSING, pictures=2, overlay=True)
    files = {file["name"]: file for file in store.keep(part)}
    assert {name: file["kind"] for name, file in files.items()} == {
        "frame-0.jpg": "picture",
        "frame-1.jpg": "picture",
        "overlay.json": "overlay",
        "heat.png": "heat",
    }
    assert files["heat.png"]["path"] == f"{STATION}/2026-03-01/{part.result_id}/heat.png"
    paths = {name: store.resolve(file["path"]) for name, file in files.items()}
    assert all(path and path.stat().st_size == files[name]["bytes"] for name, path in paths.items())
    picture = cv2.imread(str(paths["frame-0.jpg"]))
    assert picture is not None
    assert picture.shape == (48, 64, 3)
    assert np.abs(picture.astype(int) - part.frames[0].image).mean() < 3, "the clean picture"
    heat = cv2.imread(str(paths["heat.png"]), cv2.IMREAD_UNCHANGED)
    assert heat is not None
    assert heat.tolist() == [[0, 64], [128, 255]]
    overlay = json.loads((tmp_path / files["overlay.json"]["path"]).read_text())
    assert (overlay["width"], overlay["height"]) == (64, 48)
    assert overlay["partBox"] == [1, 2, 60, 40]
    assert overlay["heat"] == {"file": "heat.png", "box": [1, 2, 60, 40], "threshold": 127.5}
    assert overlay["detections"] == [{"label": "cap", "confidence": 0.8765, "box": [10, 12, 20, 30]}]
    assert overlay["findings"][0]["expectedBox"] == [8, 10, 22, 28]
    assert not list(tmp_path.rglob(".*")), "no unfinished files"
    assert store.adopt(STATION, part.created, part.result_id) == sorted(
        files.values(), key=lambda file: file["name"]
    )


def test_outlines_of_masks_are_kept(tmp_path: Path) -> None:
    part = inspection(1, cause=Cause.DEFECT)
    mask = Mask.of(np.ones((18, 10), np.bool_), 10, 12)
    part = replace(part, findings=(replace(part.findings[0], mask=mask), part.findings[0]))
    store = EvidenceStore(tmp_path, Evidence())
    path = next(file["path"] for file in store.keep(part) if file["kind"] == "overlay")
    masked, plain = json.loads((tmp_path / path).read_text())["findings"]
    assert masked["polygons"] == [[10.5, 12.5, 10.5, 29.5, 19.5, 29.5, 19.5, 12.5]]
    assert "polygons" not in plain


def test_names_cannot_leave_the_archive(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path / "archive", Evidence())
    (tmp_path / "secret").write_text("s")
    for station in ("../../x", "..", "a/b", "", "c:\\x"):
        for file in store.keep(inspection(1, cause=Cause.MISSING, station=station)):
            path = store.resolve(file["path"])
            assert path is not None
            assert path.is_relative_to(tmp_path / "archive")
            assert len(path.relative_to(tmp_path / "archive").parts) == 4
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["archive", "secret"]
    (tmp_path / "archive" / "link").symlink_to(tmp_path / "secret")
    for path in ("../secret", "station-1/../../secret", str(tmp_path / "secret"), "link", "none", ""):
        assert store.resolve(path) is None


def test_a_disk_that_fails_half_way_leaves_no_half_evidence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = EvidenceStore(tmp_path, Evidence())
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if "overlay" in path.name:
            raise OSError(28, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StorageError, match=r"No space left.*evidence\.budget_mb"):
        store.keep(inspection(1, cause=Cause.MISSING))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.fixture
def filled(url: str, engine: Engine, start: Recording, tmp_path: Path) -> EvidenceStore:
    """PASS, FAIL and REVIEW of the last nine days; one picture and one overlay each."""
    store = EvidenceStore(tmp_path / "evidence", Evidence(pass_share=1))
    recorder = start(evidence=store, retain_every_s=1e9)
    causes = (Cause.NONE, Cause.MISSING, Cause.BLUR)
    for n in range(9):
        recorder.record(inspection(n, cause=causes[n % 3], created=NOW - (9 - n) * DAY))
    assert recorder.flush(10)
    recorder.close()
    return store


def retain(
    url: str, engine: Engine, filled: EvidenceStore, tmp_path: Path, config: Evidence
) -> list[int]:
    """Apply ``config``; the parts that still have a picture, by number."""
    store = EvidenceStore(tmp_path / "evidence", config)
    writing = open_engine(url)
    removed = store.retain(writing, STATION, NOW)
    writing.dispose()
    left = [part for part in queries.latest(engine) if part.picture is not None]
    assert removed.inspections == 9 - len(left)
    assert all(store.resolve(part.picture or "") for part in left)
    assert len(list((tmp_path / "evidence").rglob("*.jpg"))) == len(left)
    assert len(list((tmp_path / "evidence" / STATION).iterdir())) == len(left), "no empty folders"
    return sorted(part.seq for part in left)


def test_age_takes_pass_first(url: str, engine: Engine, filled: EvidenceStore, tmp_path: Path) -> None:
    config = Evidence(keep_days=4, keep_days_notable=8.5)
    assert retain(url, engine, filled, tmp_path, config) == [1, 2, 4, 5, 6, 7, 8]
    record = queries.part(engine, queries.latest(engine, n=9)[8].result_id)
    assert record is not None
    assert {file.removed_at for file in record.evidence} == {NOW}


@pytest.mark.parametrize(
    ("share", "left"),
    [(1.01, [0, 1, 2, 3, 4, 5, 6, 7, 8]), (0.8, [1, 2, 4, 5, 6, 7, 8]), (0.35, [5, 7, 8])],
)
def test_the_budget_takes_pass_first_then_the_oldest(
    url: str, engine: Engine, filled: EvidenceStore, tmp_path: Path, share: float, left: list[int]
) -> None:
    total = sum(path.stat().st_size for path in (tmp_path / "evidence").rglob("*.*"))
    config = Evidence(budget_mb=share * total / 1e6)
    assert retain(url, engine, filled, tmp_path, config) == left


def test_a_call_removes_a_bounded_number(
    url: str, engine: Engine, filled: EvidenceStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETAIN_STEP", 2)
    config = Evidence(budget_mb=1e-6)
    store = EvidenceStore(tmp_path / "evidence", config)
    writing = open_engine(url)
    steps = [store.retain(writing, STATION, NOW).inspections for _ in range(6)]
    writing.dispose()
    assert steps == [2, 2, 2, 2, 1, 0]
    assert list((tmp_path / "evidence").rglob("*.jpg")) == []


def test_one_picture_that_cannot_be_removed_does_not_keep_the_others(
    url: str, engine: Engine, filled: EvidenceStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = EvidenceStore(tmp_path / "evidence", Evidence(budget_mb=1e-6))
    oldest = min((tmp_path / "evidence").rglob("*.jpg"), key=str)
    real = Path.unlink

    def refusing(path: Path, missing_ok: bool = False) -> None:
        if path == oldest.resolve():
            raise PermissionError(13, "Permission denied")
        real(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refusing)
    writing = open_engine(url)
    with pytest.raises(StorageError, match="cannot be removed"):
        store.retain(writing, STATION, NOW)
    writing.dispose()
    assert list((tmp_path / "evidence").rglob("*.jpg")) == [oldest]


def test_the_recorder_applies_retention(engine: Engine, start: Recording, tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path / "evidence", Evidence())
    recorder = start(evidence=store, retain_every_s=0.01)
    recorder.record(inspection(1, cause=Cause.MISSING, created=datetime(2020, 1, 1, tzinfo=UTC)))
    recorder.record(inspection(2, cause=Cause.MISSING, created=datetime.now(UTC)))
    assert recorder.flush(10)

    def pictures() -> list[int]:
        return [part.seq for part in queries.latest(engine) if part.picture]

    wait_for(lambda: pictures() == [2])
