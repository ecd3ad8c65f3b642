"""What an earlier run left open gets one record, whatever ends the start that sees to it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from fakes import trigger

from inspector.contract import record_fields
from inspector.domain import Cause, Inspection, RecipeRef
from inspector.issue import Issuer
from inspector.records.database import upgrade
from inspector.records.journal import Journal, read_leftover
from inspector.records.recorder import DatabaseRecorder
from inspector.records.spill import Spill, spilled_parts
from inspector.recovery import recover, unrecorded
from inspector.station import aborted

SOAP, GEL = RecipeRef("soap", 1, "a" * 64, "b" * 64), RecipeRef("gel", 1, "c" * 64, "d" * 64)


class Records:
    """Stands in for the recorder."""

    def __init__(self) -> None:
        self.fields: list[Mapping[str, Any]] = []

    def record(self, inspection: Inspection) -> None:
        self.fields.append(record_fields(inspection))

    def recover(self, records: Iterable[Mapping[str, Any]]) -> None:
        self.fields += records


class Killed(BaseException):
    """The process ends in this instant."""


def start(folder: Path, boot: int) -> list[Mapping[str, Any]]:
    """A start of the station whose configured recipe is ``soap``; what it hands to the records."""
    leftover, journal, records = read_leftover(folder), Journal(folder, boot), Records()
    issuer = Issuer("s", boot, SOAP, simulated=False)
    recover(leftover, issuer, cast(DatabaseRecorder, records), journal)
    return records.fields


def left_open(folder: Path) -> None:
    journal = Journal(folder, 1)
    journal.accept(trigger(1), GEL)
    journal.accept(trigger(2), GEL)
    judged = Issuer("s", 1, GEL, simulated=False)
    fields = record_fields(
        judged.issue(judged.number(), trigger(2), aborted(Cause.CAMERA_FAULT), (), 0.0, (0.0, 0.0))
    )
    journal.verdict((trigger(2).plc_boot_id, 2), fields)


def test_a_part_is_recorded_by_the_recipe_that_had_accepted_it(tmp_path: Path) -> None:
    left_open(tmp_path)
    judged, restarted = start(tmp_path, 2)
    assert (judged["triggerId"], judged["cause"]) == (2, "CameraFault")
    assert (restarted["triggerId"], restarted["cause"]) == (1, "StationRestarted")
    assert (restarted["recipeId"], restarted["recipeHash"]) == ("gel", "c" * 16)


def kill(*_: object, **__: object) -> None:
    raise Killed


@pytest.mark.parametrize("times", [1, 3])
def test_a_start_that_is_cut_off_records_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    left_open(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", kill)
        for boot in range(2, 2 + times):
            with pytest.raises(Killed):
                start(tmp_path, boot)
    found = start(tmp_path, 9)
    assert sorted(fields["triggerId"] for fields in found) == [1, 2]
    assert [fields["resultId"] for fields in found if fields["triggerId"] == 1] == ["00000002-1"]
    assert [path.name for path in tmp_path.iterdir()] == ["journal-00000009-0000.jsonl"]


def test_the_old_journals_go_when_the_disk_has_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_open(tmp_path)
    did: list[str] = []

    def noting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def note(*arguments: Any, **options: Any) -> Any:
            did.append(name)
            return function(*arguments, **options)

        return note

    monkeypatch.setattr(os, "fsync", noting("flush", os.fsync))
    monkeypatch.setattr(Path, "unlink", noting("unlink", Path.unlink))
    start(tmp_path, 2)
    assert did.index("flush") < did.index("unlink")


def test_a_part_whose_record_waits_in_the_spill_file_is_not_recorded_twice(tmp_path: Path) -> None:
    left_open(tmp_path)
    Spill(tmp_path / "spill.jsonl").append(
        {"stationBootId": 1, "plcBootId": trigger(1).plc_boot_id, "triggerId": 1, "resultId": "1-1"}
    )
    (tmp_path / "spill.jsonl.draining").write_text('no record\n{"kind": "ack"}\n')
    url = f"sqlite:///{tmp_path / 'records.db'}"
    upgrade(url)
    leftover = read_leftover(tmp_path)
    assert len(leftover.unanswered) == 1
    spilled = spilled_parts(tmp_path / "spill.jsonl")
    assert unrecorded(leftover, spilled, url, "s").unanswered == ()
    assert len(unrecorded(leftover, set(), url, "s").unanswered) == 1
