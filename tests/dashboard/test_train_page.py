"""The Train page: records become a data set, a model, a candidate; shadow run and promotion are asked for."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest
from people import add_users, locked, opened, press, table_of, toasts, words_of
from shift import STATION, Shift
from sqlalchemy import Engine
from support import wait_for

from dashboard import training
from dashboard.training import Plan, Step
from inspector.build import build_evidence
from inspector.checkspecs import AssemblySpec, check_name
from inspector.collecting import UNLEARNT, collect
from inspector.config import Reviewing
from inspector.domain import Judgement, RecipeRef, Score, ShadowVerdict
from inspector.errors import InputError
from inspector.evaluation.data import read_data
from inspector.recipe import load_recipe
from inspector.records import claims, collected, reviews
from inspector.records.audit import Actor, trail
from inspector.records.database import open_engine
from inspector.records.labels import add_label
from inspector.records.requests import requests
from inspector.records.store import RecipeStore
from inspector.sim.scene import FaultKind

SHIPPED = Path(__file__).resolve().parents[2] / "configs" / "recipes" / "pump-cover"
ANNA = Actor("anna", "operator")
RULES = Reviewing(sample_fail=1, sample_pass=1, blind_share=0)
TRAINING_S = 120
"""Generous: nothing is really trained here."""


def _decide(shift: Shift, decision: str, cause: str | None, result_id: str) -> None:
    engine = open_engine(shift.url)
    now = datetime.now(UTC)
    seen: set[str] = set()
    while (claimed := claims.claim_next(engine, STATION, ANNA, RULES, now, skipped=seen)) != result_id:
        assert claimed is not None, f"{result_id} is not offered"
        seen.add(claimed)
    reviews.decide(engine, result_id, ANNA, decision, cause, RULES, now)  # type: ignore[arg-type]
    engine.dispose()


@pytest.fixture
def line(empty: Shift) -> Shift:
    """Version 3 of the shipped recipe is active; nine good parts and three faulty ones."""
    add_users(empty)
    shutil.copytree(SHIPPED, empty.station.recipe)
    RecipeStore(empty.config.recipe_store).keep(load_recipe(empty.station.recipe))
    kinds = {6: FaultKind.SCRATCH, 9: FaultKind.STAIN, 12: FaultKind.DENT}
    empty.add([empty.inspect(n, fault=kinds.get(n, FaultKind.GOOD)) for n in range(1, 13)])
    empty.report(recipe_version=3)
    return empty


def _plan(line: Shift, *steps: Step) -> Plan:
    created = datetime.now(UTC).isoformat()
    return Plan(STATION, "pump-cover", 3, "surface", "surface", "eve", created, steps)


def _ended(line: Shift) -> training.Job:
    def look() -> training.Job | None:
        job = training.jobs(line.config, STATION, "pump-cover")[0]
        return None if job.state == "running" else job

    return wait_for(look, TRAINING_S, "the training")  # type: ignore[no-any-return]


def test_what_people_said_is_shown_before_anything_is_trained(
    line: Shift, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened(monkeypatch, line.config_path, "train")
    words = words_of(page)
    assert "Good parts 9 0 of them by people" in words
    assert "log in as an engineer" in words
    assert not page.button
    prefix = line.inspect(1).result_id[:-1]
    failed = line.inspect(9, fault=FaultKind.STAIN)
    assert failed.verdict.value == "FAIL"
    _decide(line, "accept", None, f"{prefix}9")
    _decide(line, "reject", "Defect", f"{prefix}2")
    writer = open_engine(line.url)
    add_label(writer, f"{prefix}2", ANNA, "faulty", "scratch", (200, 150, 260, 190), datetime.now(UTC))
    writer.dispose()
    page = opened(monkeypatch, line.config_path, "train", "anna")
    words = words_of(page)
    assert "Good parts 9 1 of them by people" in words
    assert "Faulty parts 1 rejected or marked" in words
    assert "Mistakes marked 2" in words
    assert "Regions marked 1" in words
    assert not [button for button in page.button if "Train" in button.label]


def test_a_detector_is_measured_on_what_it_has_not_learnt(line: Shift, tmp_path: Path) -> None:
    """Marked faulty parts are learnt; the others, and a share of the good ones, are not."""
    prefix = line.inspect(1).result_id[:-1]
    _decide(line, "reject", "Defect", f"{prefix}2")
    writer = open_engine(line.url)
    add_label(writer, f"{prefix}6", ANNA, "faulty", "hole", (20, 15, 60, 50), datetime.now(UTC))
    parts = collected.collected(writer, STATION, "pump-cover")
    writer.dispose()
    evidence = build_evidence(line.config, line.config.station(STATION))
    recipe, out = line.config.recipe_store / "pump-cover" / "3", tmp_path / "data"
    spec = next(one for one in load_recipe(SHIPPED).text.checks if isinstance(one, AssemblySpec))
    collect(parts, evidence, recipe, check_name(spec), out)
    rows = {
        row["resultId"]: row["use"] for row in json.loads((out / "collected.json").read_text())["parts"]
    }
    assert (rows[f"{prefix}2"], rows[f"{prefix}6"]) == ("faulty", "learn")
    unseen = read_data(out / UNLEARNT)
    learnt = {path.stem for path in (out / "images").rglob("*.jpg")}
    assert len(learnt) == sum(use == "learn" for use in rows.values()) > 1
    kinds = {sample.path.stem: sample.kind for sample in unseen.samples}
    assert not learnt & set(kinds)
    assert len(kinds) == sum(use in ("test", "faulty") for use in rows.values())
    assert [kind for name, kind in kinds.items() if name.endswith(f"{prefix}2")] == ["Defect"]
    assert all(sample.path.read_bytes() for sample in unseen.samples)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of a training the shipped model is copied; a real one is part of the operator's day."""
    plan = training.plan

    def quicker(*args: Any, **options: Any) -> Plan:
        wanted = plan(*args, **options)
        copy = ("cp", "-r", str(SHIPPED / "surface"), training.BUNDLE)
        steps = [replace(s, command=copy) if s.name == "train" else s for s in wanted.steps]
        measured = ("evaluate", "evaluateActive")
        return replace(wanted, steps=tuple(s for s in steps if s.name not in measured))

    monkeypatch.setattr(training, "plan", quicker)


def test_good_parts_are_those_of_the_recipe(line: Shift) -> None:
    """Whatever the station has inspected since."""
    engine = open_engine(line.url, readonly=True)
    try:
        newest = collected.collected(engine, STATION, "pump-cover", most_passed=5)
        assert len([part for part in newest if part.truth == "good"]) == 5
        other = [
            replace(line.inspect(n), recipe=RecipeRef("pump-base", 1, "a" * 64, "b" * 64))
            for n in range(20, 26)
        ]
        line.add(other)
        again = collected.collected(engine, STATION, "pump-cover", most_passed=5)
        assert [part.result_id for part in again] == [part.result_id for part in newest]
        found = collected.counted(engine, STATION, "pump-cover", most_passed=5)
        assert (found.good, found.good_by_person, found.faulty) == (5, 0, len(again) - 5)
    finally:
        engine.dispose()


def test_a_finding_that_two_people_mark_differently_teaches_nothing(line: Shift) -> None:
    result_id = f"{line.inspect(1).result_id[:-1]}9"
    writer = open_engine(line.url)

    def truths() -> list[str]:
        parts = collected.collected(writer, STATION, "pump-cover")
        return [part.truth for part in parts if part.result_id == result_id]

    def mark(who: Actor, truth: Literal["good", "faulty"]) -> None:
        now = datetime.now(UTC)
        add_label(writer, result_id, who, truth, "stain", (20, 15, 60, 50), now, finding=0)

    try:
        mark(ANNA, "faulty")
        assert truths() == ["faulty"]
        mark(replace(ANNA, name="ben"), "good")
        assert truths() == []
        mark(ANNA, "good")
        assert truths() != ["faulty"]
    finally:
        writer.dispose()


def test_a_damaged_job_hides_no_other(line: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = line.config.state_dir / "training" / "20990101-000000-000000"
    damaged.mkdir(parents=True)
    (damaged / "job.json").write_text("")
    page = opened(monkeypatch, line.config_path, "train", "eve")
    assert "Good parts 9" in words_of(page)
    assert training.running(line.config) is None


@pytest.mark.usefixtures("quick")
def test_a_refused_promotion_stores_nothing(line: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    page = opened(monkeypatch, line.config_path, "train", "eve")
    press(page, "Train from pump-cover version 3")
    assert _ended(line).state == "done"
    page.run()
    path = line.station.recipe / "recipe.yaml"
    path.write_text(path.read_text().replace("version: 3", "version: 4"))
    page.checkbox[0].check().run()
    for label in ("Promote version 4", "Start the shadow run"):
        press(page, label)
        assert "holds version 4, the candidate was made from version 3" in toasts(page)
        assert RecipeStore(line.config.recipe_store).versions("pump-cover") == (3,)


@pytest.mark.usefixtures("quick")
def test_a_locked_database_starts_nothing(line: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    page = opened(monkeypatch, line.config_path, "train", "eve")
    with locked(line, monkeypatch):
        press(page, "Train from pump-cover version 3")
        assert "is locked by another program" in toasts(page)
    assert training.jobs(line.config, STATION, "pump-cover") == []


@pytest.mark.usefixtures("quick")
def test_a_mistake_is_learnt_and_the_candidate_goes_to_the_line(
    line: Shift, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = line.inspect(1).result_id[:-1]
    _decide(line, "accept", None, f"{prefix}9")
    _decide(line, "reject", "Defect", f"{prefix}12")
    page = opened(monkeypatch, line.config_path, "train", "eve")
    press(page, "Train from pump-cover version 3")
    assert "The training has begun." in toasts(page)
    assert next(button for button in page.button if button.label.startswith("Train")).disabled
    job = _ended(line)
    assert job.state == "done", training.log_tail(job)

    manifest = json.loads((job.folder / "data" / "collected.json").read_text())
    uses = {row["resultId"]: row["use"] for row in manifest["parts"]}
    assert uses[f"{prefix}9"] == "learn", "what a person has corrected is in the data set"
    assert uses[f"{prefix}12"] == "faulty"
    assert f"{prefix}6" not in uses, "nobody knows whether this one is faulty"
    assert list((job.folder / "data" / "good").glob(f"*{prefix}9.png"))
    assert list((job.folder / "data" / "test" / "Defect").glob("*.jpg"))

    page.run()
    words = words_of(page)
    assert "Candidate: pump-cover version 4" in words
    table = table_of(page)
    assert "model: threshold" in table["Figure"]
    assert "It does not run now." in words

    press(page, "Start the shadow run")
    (asked,) = requests(engine, STATION)
    assert dict(asked.arguments) == {"on": True, "recipeId": "pump-cover", "recipeVersion": 4}
    assert RecipeStore(line.config.recipe_store).versions("pump-cover") == (3, 4)
    _shadow_verdicts(line, job.recipe, f"{prefix}7")
    page.run()
    words = words_of(page)
    assert "Parts judged by both 1" in words
    assert "Station PASS, candidate FAIL: 1" in words
    assert "Parts that the candidate judged otherwise" in words

    assert next(button for button in page.button if button.label.startswith("Promote")).disabled
    page.checkbox[0].check().run()
    press(page, "Promote version 4")
    assert "Version 4 is installed" in toasts(page)
    assert dict(requests(engine, STATION)[0].arguments) == {
        "recipeId": "pump-cover",
        "recipeVersion": 4,
    }
    own = load_recipe(line.station.recipe)
    assert own.text.version == 4
    assert own.recipe_hash == load_recipe(job.recipe).recipe_hash
    assert "four screws" in (line.station.recipe / "recipe.yaml").read_text(), "comments stay"
    acts = [(act.user, act.action, act.text) for act in reversed(trail(engine, user="eve"))]
    assert acts[1:] == [
        ("eve", "training", "started"),
        ("eve", "shadow", "started"),
        ("eve", "promotion", ""),
    ]


def _shadow_verdicts(line: Shift, recipe: Path, result_id: str) -> None:
    """As the station's shadow run records them."""
    candidate = load_recipe(recipe)
    strange = line.inspect(6, fault=FaultKind.SCRATCH).judgement
    good: Judgement = line.inspect(7).judgement
    ref = RecipeRef("pump-cover", 4, candidate.recipe_hash, candidate.model_hash)
    scores = (Score("surface", 50.0, 40.0, 38.0),)
    line.shadow(ShadowVerdict(result_id, datetime.now(UTC), ref, strange, scores, 2, good))


def test_a_candidate_is_not_promoted_over_what_somebody_has_changed(
    line: Shift, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = training.start(line.config, _plan(line))
    shutil.copytree(SHIPPED, job.recipe)
    path = job.recipe / "recipe.yaml"
    path.write_text(path.read_text().replace("version: 3", "version: 4"))
    assert _ended(line).state == "done"
    own = line.station.recipe / "recipe.yaml"
    changed = own.read_text().replace("version: 3", "version: 7")
    own.write_text(changed)
    page = opened(monkeypatch, line.config_path, "train", "eve")
    page.checkbox[0].check().run()
    press(page, "Promote version 4")
    assert "holds version 7, the candidate was made from version 3" in toasts(page)
    assert own.read_text() == changed
    assert requests(engine, STATION) == ()
    assert [act.action for act in trail(engine, user="eve")] == ["login"]


def test_a_training_that_fails_says_why(line: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = (sys.executable, "-m", "inspector", "collect", "no.yaml", "--check", "surface", "--out", "d")
    training.start(line.config, _plan(line, Step("collect", bad), Step("train", bad)))
    assert _ended(line).state == "failed"
    page = opened(monkeypatch, line.config_path, "train", "eve")
    assert "Failed while: collecting the pictures" in words_of(page).replace("\\", "")
    assert "no.yaml" in page.code[0].value


def test_one_at_a_time_and_it_can_be_stopped(
    line: Shift, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = (sys.executable, "-c", "import time; print('at work', flush=True); time.sleep(600)")
    job = training.start(line.config, _plan(line, Step("train", long)))
    try:
        wait_for(lambda: "at work" in training.log_tail(job), 60)
        with pytest.raises(InputError, match="running already"):
            training.start(line.config, _plan(line))
        page = opened(monkeypatch, line.config_path, "train", "eve")
        assert "A training is running already" in words_of(page)
        assert any("training" in bar.proto.text for bar in page.get("progress"))
        press(page, "Stop the training")
        assert "being stopped" in toasts(page)
    finally:
        training.stop(training.read(job.folder))
    assert _ended(line).state == "stopped"
    assert training.running(line.config) is None
    assert not training.stop(training.read(job.folder))
    assert trail(engine)[0].text == "stopped"


def test_a_training_that_was_killed_does_not_block_the_next(line: Shift) -> None:
    long = (sys.executable, "-c", "import time; time.sleep(600)")
    job = training.start(line.config, _plan(line, Step("train", long)))
    progress = wait_for(lambda: (p := training.read(job.folder).progress) and p.step and p, 60)
    os.killpg(progress.pid, signal.SIGKILL)
    assert _ended(line).state == "lost"
    training.start(line.config, _plan(line))
    assert _ended(line).state == "done"
