"""The file that takes records in while the database cannot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from inspector.errors import StorageError
from inspector.records.spill import Spill


def ids(records: list[dict[str, object]]) -> list[object]:
    return [record["resultId"] for record in records]


def test_records_come_back_in_order_and_the_file_goes(tmp_path: Path) -> None:
    spill = Spill(tmp_path / "spill.jsonl")
    for n in range(5):
        spill.append({"resultId": str(n)})
    assert ids(spill.read(3)) == ["0", "1", "2"]
    spill.append({"resultId": "late"})
    assert ids(spill.read(3)) == ["0", "1", "2"], "not done: given again"
    spill.done()
    assert spill.waiting == 3
    assert ids(spill.read(3)) == ["3", "4"]
    spill.done()
    assert ids(spill.read(3)) == ["late"]
    spill.done()
    assert spill.waiting == 0
    assert spill.read(3) == []
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_leaves_everything(tmp_path: Path) -> None:
    first = Spill(tmp_path / "spill.jsonl")
    for n in range(4):
        first.append({"resultId": str(n)})
    first.read(2)
    first.done()
    second = Spill(tmp_path / "spill.jsonl")
    second.append({"resultId": "new"})
    assert second.waiting == 5
    assert ids(second.read(10)) == ["0", "1", "2", "3"], "once more from the start"
    second.done()
    assert ids(second.read(10)) == ["new"]


def test_a_half_line_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "spill.jsonl"
    path.write_text('{"resultId": "whole"}\n{"resultId": "ha')
    spill = Spill(path)
    spill.append({"resultId": "after"})
    assert ids(spill.read(10)) == ["whole", "after"]
    spill.done()
    assert (spill.waiting, spill.rejected) == (0, 1)
    assert (tmp_path / "spill.jsonl.bad").read_text() == '{"resultId": "ha\n'


def test_a_disk_that_takes_half_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spill = Spill(tmp_path / "spill.jsonl")
    spill.append({"resultId": "0"})
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:5]))
        with pytest.raises(StorageError, match="No space left"):
            spill.append({"resultId": "1"})
    spill.append({"resultId": "2"})
    assert ids(spill.read(10)) == ["0", "2"]


def test_a_file_that_somebody_removed(tmp_path: Path) -> None:
    spill = Spill(tmp_path / "spill.jsonl")
    spill.append({"resultId": "0"})
    (tmp_path / "spill.jsonl").unlink()
    assert spill.read(10) == []
    assert spill.waiting == 0
