"""What is drawn over a picture, and where."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dashboard import data, overlays
from dashboard.overlays import Heat
from inspector.domain import Image
from inspector.records.views import EvidenceView, FindingView

AT = datetime(2026, 3, 1, tzinfo=UTC)
PICTURE = np.full((120, 160, 3), 90, np.uint8)


def _finding(kind: str = "anomaly", score: float = 0.9, *, expected: bool = False) -> FindingView:
    place = (40.0, 40.0, 80.0, 80.0) if expected else None
    return FindingView("check", kind, "cap", score, 0.5, (100.0, 60.0, 140.0, 100.0), place)


def _colour_share(image: Image, colour: tuple[int, int, int]) -> float:
    """Share of pixels of an RGB colour."""
    return float(np.all(image[:, :, ::-1] == colour, axis=2).mean())


def test_picture_alone_is_only_enlarged() -> None:
    drawn = overlays.draw(PICTURE, long_side_px=320)
    assert drawn.shape == (240, 320, 3)
    assert np.all(drawn == 90)
    assert np.all(PICTURE == 90)


def test_failing_finding_is_boxed_in_its_place() -> None:
    drawn = overlays.draw(PICTURE, [_finding()], long_side_px=640)
    edge = drawn[60 * 4 : 100 * 4, 100 * 4 + 2]
    assert _colour_share(edge[:, None], overlays.FAIL) == 1.0
    assert np.all(drawn[:, : 90 * 4] == 90)


def test_finding_in_the_band_has_another_colour() -> None:
    drawn = overlays.draw(PICTURE, [_finding(score=0.4)], long_side_px=640)
    assert _colour_share(drawn, overlays.BAND) > 0
    assert _colour_share(drawn, overlays.FAIL) == 0


def test_missing_component_is_dashed_where_it_belongs_and_nowhere_else() -> None:
    drawn = overlays.draw(PICTURE, [_finding("missing", expected=True)], long_side_px=640)
    edge = drawn[40 * 4 : 80 * 4, 40 * 4][:, None]
    assert 0.3 < _colour_share(edge, overlays.FAIL) < 0.9
    assert np.all(drawn[:, 100 * 4 :] == 90)


def test_misplaced_component_is_shown_with_its_expected_place() -> None:
    drawn = overlays.draw(PICTURE, [_finding("misplaced", expected=True)], long_side_px=640)
    for x1, y1 in ((40, 40), (100, 60)):
        assert _colour_share(drawn[y1 * 4 : y1 * 4 + 80, x1 * 4 : x1 * 4 + 80], overlays.FAIL) > 0


def test_outlines_follow_the_pixels() -> None:
    triangle = (20.0, 20.0, 60.0, 20.0, 20.0, 80.0)
    for fails, colour in ((True, overlays.FAIL), (False, overlays.BAND)):
        outline = overlays.Outline(triangle, fails)
        drawn = overlays.draw(PICTURE, outlines=[outline], long_side_px=640)
        slope = np.array([drawn[50 * 4 + d, 40 * 4 + d] for d in range(-4, 5)])[:, None]
        assert _colour_share(slope, colour) > 0, "the long edge passes the middle"
        assert np.all(drawn[30 * 4 : 40 * 4, 25 * 4 : 35 * 4] == 90), "its inside is left"
        assert np.all(drawn[60 * 4 :, 50 * 4 :] == 90)


def test_outlines_come_from_the_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = [
        {"score": 0.9, "threshold": 0.5, "polygons": [[1, 2, 3, 4, 5, 6], [7, 8, 9, 8, 9, 9]]},
        {"score": 0.4, "threshold": 0.5, "polygons": [[0, 0, 5, 0, 5, 5]]},
        {"score": 0.9, "threshold": 0.5},
        {"score": 0.8, "threshold": 0.5, "polygons": [[1, 1, 2, 1, 2, 2]], "picture": 1},
    ]
    known: Any = {"findings": findings}
    monkeypatch.setattr(data, "_overlay", lambda source, record: known)
    nothing: Any = None
    assert data._outlines(1, nothing, nothing) == [overlays.Outline((1, 1, 2, 1, 2, 2), True)]
    assert data._outlines(0, nothing, nothing) == [
        overlays.Outline((1, 2, 3, 4, 5, 6), True),
        overlays.Outline((7, 8, 9, 8, 9, 9), True),
        overlays.Outline((0, 0, 5, 0, 5, 5), False),
    ]
    known = {}
    assert data._outlines(0, nothing, nothing) == []


def test_findings_are_drawn_on_the_picture_on_which_they_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    known: Any = {"findings": [{}, {"picture": 2}, {}]}
    monkeypatch.setattr(data, "_overlay", lambda source, record: known)
    record: Any = SimpleNamespace(findings=("a", "b", "c"))
    nothing: Any = None
    seen = [data._findings_on(number, nothing, record) for number in range(3)]
    assert seen == [("a", "c"), (), ("b",)]
    # without the evidence all of them are taken to lie on the first
    known = {}
    seen = [data._findings_on(number, nothing, record) for number in range(2)]
    assert seen == [("a", "b", "c"), ()]


def test_pictures_are_in_the_order_of_their_numbers() -> None:
    files = [EvidenceView("picture", f"frame-{n}.jpg", "", 0, AT, None) for n in (0, 1, 10, 2)]
    record: Any = SimpleNamespace(evidence=files)
    assert [item.name[6:-4] for item in data.pictures(record)] == ["0", "1", "2", "10"]


def test_a_quality_finding_has_no_place() -> None:
    assert np.all(overlays.draw(PICTURE, [_finding("quality")], long_side_px=320) == 90)


def test_label_of_a_box_at_the_edge_stays_inside() -> None:
    at_edge = FindingView("c", "defect", "a rather long label", 1.0, 0.5, (150, 0, 160, 10), None)
    drawn = overlays.draw(PICTURE, [at_edge], long_side_px=640)
    assert _colour_share(drawn[:, -10:], overlays.FAIL) > 0


def test_heat_colours_what_is_hot_and_leaves_the_rest() -> None:
    values = np.zeros((4, 4), np.float32)
    values[:2, :2] = 1.5
    drawn = overlays.draw(PICTURE, heat=Heat(values, (80.0, 40.0, 160.0, 120.0)), long_side_px=160)
    assert np.all(drawn[:, :80] == 90)
    assert np.all(drawn[100:, 140:] == 90)
    assert np.abs(drawn[45:55, 85:95].astype(int) - 90).max() > 60


def test_heat_that_reaches_over_the_edge_is_cut() -> None:
    heat = Heat(np.full((2, 2), 2, np.float32), (-40.0, -40.0, 40.0, 40.0))
    drawn = overlays.draw(PICTURE, heat=heat, long_side_px=160)
    assert drawn.shape == PICTURE.shape
    assert np.all(drawn[45:, 45:] == 90)
    outside = Heat(np.full((2, 2), 2, np.float32), (500.0, 0.0, 600.0, 90.0))
    assert np.all(overlays.draw(PICTURE, heat=outside, long_side_px=160) == 90)


def test_jpeg_round_trip_and_damaged_files() -> None:
    again = overlays.decode(overlays.encode(PICTURE))
    assert again is not None
    assert again.shape == PICTURE.shape
    assert overlays.decode(b"no picture") is None
    assert overlays.decode(b"") is None
