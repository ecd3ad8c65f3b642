"""Pictures through a station to figures, predictions and a page."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from evaluation.measured import (
    FAR,
    A,
    B,
    detecting,
    line_of,
    suspecting,
    write_boxed,
    write_picture,
)
from fakes import write_recipe
from PIL import Image
from system.cli import Outcome as Ran
from system.cli import run_here

import inspector.evaluation.command
from inspector.domain import Detection, Verdict
from inspector.errors import InputError, StorageError
from inspector.evaluation.command import Outputs, evaluate_recipe, table
from inspector.evaluation.data import read_data
from inspector.evaluation.page import in_words, percent, render
from inspector.evaluation.run import evaluate, prove_fit
from inspector.evaluation.summary import prediction, report, summarise

SEEN = {
    10: [Detection("scratch", 0.9, A), Detection("bottle", 0.9, FAR)],
    20: [Detection("scratch", 0.9, A), Detection("scratch", 0.2, B)],
    30: [Detection("scratch", 0.45, A)],
    40: [Detection("scratch", 0.8, FAR)],
}
PICTURES = {
    "right": (10, [line_of(A)]),
    "weak": (20, [line_of(A), line_of(B)]),
    "band": (30, [line_of(A)]),
    "false": (40, []),
    "good": (50, []),
    "missed": (60, [line_of(B)]),
}


def lines(path: Path) -> dict[str, dict[str, Any]]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return {row["image"]: row for row in rows}


@pytest.fixture
def boxed(tmp_path: Path) -> Path:
    return write_boxed(tmp_path / "data", PICTURES)


def test_predictions_hold_what_anyone_needs_to_score_them(tmp_path: Path, boxed: Path) -> None:
    out = tmp_path / "out" / "predictions.jsonl"
    evaluate_recipe(detecting(tmp_path, SEEN), read_data(boxed), Outputs.proven(None, out))
    rows = lines(out)
    assert set(rows) == {f"images/test/{name}.png" for name in PICTURES}
    weak = rows["images/test/weak.png"]
    assert (weak["verdict"], weak["cause"], weak["score"]) == ("FAIL", "Defect", 0.9)
    # the one below the threshold too, in the contract's words
    assert [(f["label"], f["score"], f["box"]) for f in weak["findings"]] == [
        ("scratch", 0.9, [0, 0, 10, 10]),
        ("scratch", 0.2, [30, 30, 40, 40]),
    ]
    assert rows["images/test/band.png"]["verdict"] == "REVIEW"
    assert [f["score"] for f in rows["images/test/band.png"]["findings"]] == [0.45]
    assert rows["images/test/good.png"] == {
        "image": "images/test/good.png",
        "verdict": "PASS",
        "cause": "None",
        "score": 0.0,
        "findings": [],
    }
    # a label that is no fault of the recipe is no finding
    assert len(rows["images/test/right.png"]["findings"]) == 1


def test_figures_of_boxes_and_of_parts(tmp_path: Path, boxed: Path) -> None:
    path = tmp_path / "report.json"
    evaluation = evaluate_recipe(
        detecting(tmp_path, SEEN), read_data(boxed), Outputs.proven(path, None), iou=0.33
    )
    written = json.loads(path.read_text())
    (row,) = written["objects"]["classes"]
    # right, weak's first and the false one are at or above 0.5; five boxes are there
    assert (row["truth"], row["found"], row["right"]) == (5, 3, 2)
    metrics = written["metrics"]
    assert metrics["precision"] == pytest.approx(2 / 3)
    assert metrics["recall"] == pytest.approx(2 / 5)
    # by score: right, right, wrong, right, right: 1, 1, 3/4, 4/5 of five boxes
    assert metrics["map33"] == pytest.approx((1 + 1 + 3 / 4 + 4 / 5) / 5)
    assert metrics["f33"] == pytest.approx(4 / 8)
    assert written["objects"]["confusion"] == {
        "labels": ["scratch", "none"],
        "truthByRow": [[2, 3], [1, 0]],
    }
    assert written["parts"]["verdicts"] == {
        "good": {"PASS": 1, "FAIL": 1, "REVIEW": 0},
        "scratch": {"PASS": 1, "FAIL": 2, "REVIEW": 1},
    }
    assert (metrics["escapes"], metrics["false_rejects"]) == (1, 1)
    assert metrics["miss_rate"] == 0.25
    assert metrics["escape_rate_ci95"] == [0.0, pytest.approx(0.7514, abs=1e-4)]
    assert written["recipe"]["hash"] == evaluation.recipe.recipe_hash
    assert written["data"]["digest"] == read_data(boxed).digest()
    assert {"p50", "p95", "p99"} == set(written["latencyMs"])
    assert "quality" in written["stagesMs"]
    said = "\n".join(table(evaluation))
    assert "escapes 1 of 4, at most 75.14 % with 95 % confidence" in said
    assert "mAP33 71.00 %" in said


def test_anomaly_scores_are_ranked_and_told_raw(tmp_path: Path) -> None:
    root = tmp_path / "data"
    marks = {"good": (10, 20, 55), "dent": (40, 70, 90)}
    for kind, values in marks.items():
        for mark in values:
            write_picture(root / "test" / kind / f"{mark}.png", mark)
            if kind != "good":
                mask = write_picture(root / "ground_truth" / kind / f"{mark}_mask.png")
                whole = mask.read_bytes()
                mask.write_bytes(whole)
    paths = tmp_path / "report.json", tmp_path / "predictions.jsonl"
    evaluation = evaluate_recipe(suspecting(tmp_path), read_data(root), Outputs.proven(*paths))
    rows = lines(paths[1])
    assert {name: row["score"] for name, row in rows.items()} == {
        f"test/{kind}/{mark}.png": mark / 100 for kind, values in marks.items() for mark in values
    }
    assert rows["test/good/55.png"]["verdict"] == "REVIEW"
    assert evaluation.metrics["image_auroc"] == pytest.approx(8 / 9)
    low, high = evaluation.metrics["image_auroc_ci95"]  # type: ignore[misc]
    assert low < 8 / 9 < high
    assert json.loads(paths[0].read_text())["parts"]["verdicts"]["dent"] == {
        "PASS": 1,
        "FAIL": 2,
        "REVIEW": 0,
    }


def test_an_untrusted_picture_still_has_score_and_findings(tmp_path: Path, boxed: Path) -> None:
    from fakes import FakeDetector, make_recipe, make_station, mark_of

    from inspector.checks.detect import DetectCheck
    from inspector.checks.quality import Limits

    station = make_station(
        make_recipe(tmp_path),
        FakeDetector(lambda image: SEEN.get(mark_of(image), ())),
        DetectCheck("detect", "detector", frozenset({"scratch"}), 0.5, 0.5),
        limits=Limits(1000, None, None),
    )
    out = tmp_path / "predictions.jsonl"
    evaluate_recipe(station, read_data(boxed), Outputs.proven(None, out))
    row = lines(out)["images/test/right.png"]
    assert (row["verdict"], row["cause"], row["score"]) == ("REVIEW", "LowResolution", 0.9)
    assert [(f["kind"], f["label"]) for f in row["findings"]] == [
        ("quality", "LowResolution"),
        ("defect", "scratch"),
    ]


def test_a_picture_that_cannot_be_read_is_review_and_named(tmp_path: Path, boxed: Path) -> None:
    (boxed.parent / "images" / "test" / "right.png").write_bytes(b"no picture")
    paths = tmp_path / "report.json", tmp_path / "predictions.jsonl"
    evaluation = evaluate_recipe(detecting(tmp_path, SEEN), read_data(boxed), Outputs.proven(*paths))
    row = lines(paths[1])["images/test/right.png"]
    assert (row["verdict"], row["cause"], row["score"], row["findings"]) == (
        "REVIEW",
        "CameraFault",
        0.0,
        [],
    )
    assert len(lines(paths[1])) == len(PICTURES)
    written = json.loads(paths[0].read_text())
    assert written["data"]["unreadable"] == ["images/test/right.png"]
    # what is in it is missed
    assert written["objects"]["classes"][0]["truth"] == 5
    assert written["objects"]["classes"][0]["right"] == 1
    assert written["parts"]["faultyInReview"]["count"] == 2
    assert any("right.png: it is no picture" in note for note in evaluation.notes)
    assert "images/test/right.png" in paths[0].with_suffix(".html").read_text()


def test_a_truncated_a_huge_and_an_empty_picture_count_as_unreadable(
    tmp_path: Path, boxed: Path
) -> None:
    folder = boxed.parent / "images" / "test"
    whole = (folder / "right.png").read_bytes()
    (folder / "right.png").write_bytes(whole[: len(whole) // 2])
    (folder / "weak.png").write_bytes(b"")
    Image.new("1", (20_000, 10_000)).save(folder / "band.png")
    outcomes = {o.sample.path.stem: o for o in evaluate(detecting(tmp_path, SEEN), read_data(boxed))}
    for name, words in (
        ("right", "cannot be read to its end"),
        ("weak", "the file is empty"),
        ("band", "20000 x 10000 pixels are too many"),
    ):
        assert words in outcomes[name].problem
        assert outcomes[name].verdict is Verdict.REVIEW
        assert outcomes[name].faulty
    assert outcomes["false"].verdict is Verdict.FAIL


def test_many_problems_do_not_bury_the_report(tmp_path: Path) -> None:
    for number in range(25):
        path = tmp_path / "data" / "test" / "good" / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"none")
    station, data = suspecting(tmp_path), read_data(tmp_path / "data")
    evaluation = summarise(
        station.recipe, data, list(evaluate(station, data)), created=datetime.now(UTC)
    )
    assert len(evaluation.notes) == 21
    assert evaluation.notes[-1].startswith("5 more pictures had a problem")
    assert render(evaluation)


def test_a_golden_image_comes_with_its_picture(tmp_path: Path, boxed: Path) -> None:
    golden = boxed.parent / "templates" / "test" / "right.png"
    write_picture(golden, 7)
    station = detecting(tmp_path, SEEN)
    given: dict[str, object] = {}
    inspect = station.inspect

    def watched(part: Any) -> Any:
        frame = part.frames[0]
        given[frame.source] = None if frame.golden is None else int(frame.golden[0, 0, 0])
        assert frame.recorded
        return inspect(part)

    station.inspect = watched  # type: ignore[method-assign]
    list(evaluate(station, read_data(boxed)))
    assert given == dict.fromkeys(PICTURES) | {"right": 7}


def test_labels_that_do_not_fit_are_told(tmp_path: Path) -> None:
    recipe = detecting(tmp_path, {}).recipe
    partly = read_data(
        write_boxed(tmp_path / "partly", {"a": (1, [line_of(A)])}, names="[scratch, moon]")
    )
    notes = prove_fit(recipe, partly)
    assert any("knows moon" in note for note in notes)
    assert any("bottle, cap" in note for note in notes)
    foreign = read_data(write_boxed(tmp_path / "foreign", {"a": (1, [line_of(A)])}, names="[moon]"))
    with pytest.raises(InputError, match=r"labels moon, and no model of the recipe soap") as refused:
        prove_fit(recipe, foreign)
    assert "bottle, cap, scratch" in refused.value.remedy


REFERENCE = """\
product: soap
version: 3
checks:
  - {kind: reference, threshold: 0.4}
"""


def test_faults_without_a_name_are_compared_by_their_place(tmp_path: Path) -> None:
    station = detecting(tmp_path, {1: [Detection("difference", 0.9, A)]}, REFERENCE)
    data = read_data(write_boxed(tmp_path / "data", {"a": (1, [line_of(A), line_of(B)])}))
    notes = prove_fit(station.recipe, data)
    assert notes == ["No model of the recipe names faults: they are compared by their place alone."]
    evaluation = summarise(
        station.recipe, data, list(evaluate(station, data)), notes, created=datetime.now(UTC)
    )
    assert evaluation.labels == ("fault",)
    assert evaluation.metrics["recall"] == 0.5
    assert evaluation.metrics["precision"] == 1.0
    assert [f["label"] for f in prediction(evaluation.outcomes[0])["findings"]] == ["difference"]


def test_a_recipe_that_finds_no_objects_has_figures_by_part(tmp_path: Path) -> None:
    station = suspecting(tmp_path)
    data = read_data(write_boxed(tmp_path / "data", {"a": (90, [line_of(A)]), "b": (10, [])}))
    assert prove_fit(station.recipe, data) == [
        "No check of the recipe finds objects: there are figures by part alone."
    ]
    evaluation = summarise(
        station.recipe, data, list(evaluate(station, data)), created=datetime.now(UTC)
    )
    assert evaluation.objects is None
    assert evaluation.metrics["image_auroc"] == 1.0
    assert evaluation.metrics["escapes"] == 0


COMPONENTS = """\
product: soap
version: 3
checks:
  - {kind: assembly, model: detector, expect: [{label: cap, per: bottle}]}
"""


def test_boxes_of_components_do_not_say_which_part_is_faulty(tmp_path: Path) -> None:
    station = detecting(tmp_path, {1: [Detection("cap", 0.9, A)]}, COMPONENTS)
    data = read_data(write_boxed(tmp_path / "data", {"a": (1, [line_of(A, 1)])}, names="[bottle, cap]"))
    evaluation = summarise(
        station.recipe, data, list(evaluate(station, data)), created=datetime.now(UTC)
    )
    assert evaluation.parts is None
    assert evaluation.objects is not None
    assert evaluation.metrics["map50"] == pytest.approx(1.0)
    assert any("do not say which part is faulty" in note for note in evaluation.notes)


def test_the_page_stands_alone_and_says_what_a_manager_signs(tmp_path: Path, boxed: Path) -> None:
    path = tmp_path / "report.json"
    evaluation = evaluate_recipe(
        detecting(tmp_path, SEEN), read_data(boxed), Outputs.proven(path, None), iou=0.33
    )
    page = path.with_suffix(".html").read_text()
    assert not re.findall(r"(?:https?:)?//[a-z]|<link|<script|@import|url\((?!#)", page)
    assert set(re.findall(r'(?:src|href)="([^"]{0,11})', page)) <= {"data:image/", *_inner(page)}
    for sentence in in_words(evaluation):
        assert str(html.escape(sentence, quote=False)).split("'")[0] in page
    for text in (
        evaluation.digest,
        evaluation.recipe.recipe_hash,
        "approved by: name, date, signature",
        "<th>REVIEW</th>",
        "escape: scratch",
        "false reject",
        "images/test/missed.png",
        "published protocol, IoU 0.33",
        "@page { size: A4",
    ):
        assert text in page
    assert page.count("data:image/jpeg;base64,") == 4


def _inner(page: str) -> set[str]:
    """References of a chart to a mark of its own."""
    return {found for found in re.findall(r'href="([^"]{0,11})', page) if found.startswith("#")}


def test_names_from_the_data_cannot_break_the_page(tmp_path: Path) -> None:
    root = tmp_path / "data"
    write_picture(root / "test" / "good" / "1.png", 90)
    write_picture(root / "test" / "<b>&" / "2.png", 10)
    data = read_data(root)
    station = suspecting(tmp_path)
    evaluation = summarise(
        station.recipe, data, list(evaluate(station, data)), created=datetime.now(UTC)
    )
    page = render(evaluation)
    assert "&lt;b&gt;&amp;" in page
    assert "<b>&" not in page


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (1.0, "100.0 %"), (0.99999, "99.9 %"), (0.5, "50.0 %"), (0.0, "0.0 %")],
)
def test_what_is_not_all_is_never_rounded_up_to_all(value: float | None, text: str) -> None:
    assert percent(value) == text


def test_existing_files_stay_whole_when_the_work_breaks_off(
    tmp_path: Path, boxed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = tmp_path / "out" / "report.json", tmp_path / "out" / "predictions.jsonl"
    outputs = Outputs.proven(*paths)
    for path in paths:
        path.write_text("old")

    def broken(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(inspector.evaluation.command, "prediction", broken)
    with pytest.raises(StorageError, match="No space left"):
        evaluate_recipe(detecting(tmp_path, SEEN), read_data(boxed), outputs)
    assert sorted(path.name for path in paths[0].parent.iterdir()) == [
        "predictions.jsonl",
        "report.json",
    ]
    assert [path.read_text() for path in paths] == ["old", "old"]


def test_files_that_cannot_be_written_are_told_first(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        Outputs.proven(tmp_path / "file" / "report.json", None)
    with pytest.raises(InputError, match="is a folder"):
        Outputs.proven(None, tmp_path)
    with pytest.raises(InputError, match="written twice"):
        Outputs.proven(tmp_path / "report.html", None)


def test_the_report_is_plain_json(tmp_path: Path, boxed: Path) -> None:
    station = detecting(tmp_path, {})
    data = read_data(boxed)
    evaluation = summarise(
        station.recipe, data, list(evaluate(station, data)), created=datetime.now(UTC), repeated=True
    )
    text = json.dumps(report(evaluation), allow_nan=False)
    assert json.loads(text)["metrics"]["map50"] == 0.0
    assert json.loads(text)["objects"]["classes"][0]["precision"] is None
    assert render(evaluation)


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    return lambda *args: run_here(monkeypatch, capsys, *args)


def test_wrong_input_ends_with_2_and_one_sentence(
    tmp_path: Path, boxed: Path, cli: Callable[..., Ran]
) -> None:
    recipe = write_recipe(tmp_path)
    for args, words in (
        ((tmp_path / "nowhere", boxed), "is no recipe folder"),
        ((recipe, tmp_path / "nowhere"), "neither a data.yaml nor a folder"),
        ((recipe, boxed, "--report", tmp_path), "is a folder"),
    ):
        ran = cli("evaluate", *args)
        assert ran.code == 2
        assert words in ran.err
        assert len(ran.err.strip().splitlines()) == 1


def test_a_missing_library_is_told_with_its_remedy(
    tmp_path: Path, boxed: Path, cli: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    for name in [name for name in sys.modules if name.startswith("inspector.evaluation")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    ran = cli("evaluate", write_recipe(tmp_path), boxed)
    assert ran.code == 2
    assert "line-inspector[report]" in ran.err
