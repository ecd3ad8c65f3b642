"""Finding a part by scan, score and batch, and taking its evidence away."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace

import pytest
from people import opened, words_of
from shift import BOOT, STATION, Shift

from dashboard import data, evidence
from inspector.records.views import EvidenceView
from inspector.sim.scene import FaultKind


def _packed(data_: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data_)) as packed:
        assert packed.testzip() is None
        return {name: packed.read(name) for name in packed.namelist()}


def test_a_scanner_finds_one_part_after_the_other(
    filled: Shift, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened(monkeypatch, filled.config_path, "parts")
    for number in (48, 55):
        scan = next(box for box in page.text_input if box.label == "Scan")
        scan.set_value(f"PC-{4000 + number:06d}").run()
        assert not page.exception
        words = words_of(page)
        assert "1 part found" in words
        assert f"PC-{4000 + number:06d}" in words
        assert next(box for box in page.text_input if box.label == "Scan").value == ""


def test_by_batch_and_score(filled: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    page = opened(monkeypatch, filled.config_path, "parts")
    next(box for box in page.text_input if box.label == "Batch").set_value("none of these").run()
    assert "No part matches" in words_of(page)
    next(box for box in page.text_input if box.label == "Batch").set_value("B-2231").run()
    assert "60 parts found" in words_of(page)
    next(box for box in page.selectbox if box.label == "Score of check").set_value("screws").run()
    page.number_input[0].set_value(0.9).run()
    assert not page.exception
    scored = page.dataframe[0].value
    # A blurred picture of such a part is REVIEW, whatever the score.
    assert set(scored["Cause"]) == {"something missing", "picture blurred"}
    assert len(scored) < 60


def test_a_production_part_is_shown_too(empty: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    made = replace(empty.inspect(1, fault=FaultKind.GOOD), simulated=False)
    empty.add([made])
    page = opened(monkeypatch, empty.config_path, "parts")
    assert "All checks passed." in words_of(page)


def test_the_zip_holds_all_that_is_known(filled: Shift) -> None:
    source = data.source(filled.config, STATION)
    record = data.record(source, f"{BOOT:08x}-48")
    assert record is not None
    files = _packed(evidence.archive(source, record))
    assert set(files) == {"frame-0.jpg", "overlay.json", "heat.png", "record.json"}
    assert files["frame-0.jpg"].startswith(b"\xff\xd8")
    said = json.loads(files["record.json"])
    assert said["summary"]["recipe_hash"] == "9f2c41d07be85a16"
    assert said["summary"]["model_hash"] == "03bd5ce2f1a94478"
    assert [found["kind"] for found in said["findings"]] == ["missing"]
    assert said["missing"] == []
    assert evidence.file_name(record) == f"PC-004048_{BOOT:08x}-48.zip"


def test_what_is_gone_is_named_and_nothing_leaves_the_archive(filled: Shift) -> None:
    source = data.source(filled.config, STATION)
    record = data.record(source, f"{BOOT:08x}-48")
    assert record is not None
    first = record.evidence[0]
    odd = (
        replace(first, name="../../evil.sh"),
        replace(first, name="record.json"),
        replace(first, name="absent.jpg", path="absent.jpg"),
        replace(first, name="passwd", path="../../../../../../etc/passwd"),
        EvidenceView("picture", "gone.jpg", first.path, 1, first.created_at, first.created_at),
    )
    hostile = replace(record, evidence=odd, summary=replace(record.summary, part_id="../a/b"))
    files = _packed(evidence.archive(source, hostile))
    assert set(files) == {"file-0", "file-1", "record.json"}
    assert json.loads(files["record.json"])["missing"] == ["absent.jpg", "passwd", "gone.jpg"]
    assert "/" not in evidence.file_name(hostile)
    assert not evidence.file_name(hostile).startswith(".")
