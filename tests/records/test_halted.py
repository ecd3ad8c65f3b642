"""The mark of a halted station: a file, for whoever looks into the folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspector.errors import StorageError
from inspector.records.halted import HaltFile


def test_it_is_set_and_taken_away_however_often(tmp_path: Path) -> None:
    mark = HaltFile(tmp_path)
    for on in (False, True, True, False, False):
        mark.set(on)
        assert (mark.is_set, (tmp_path / "halted").exists()) == (on, on)


def test_a_folder_that_takes_nothing_is_told_with_the_remedy(tmp_path: Path) -> None:
    mark = HaltFile(tmp_path / "none")
    assert not mark.is_set
    with pytest.raises(
        StorageError, match=r"none/halted cannot be written: .*make the folder writable"
    ):
        mark.set(True)
