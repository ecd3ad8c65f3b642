"""The journal: what was accepted and decided survives a kill."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from factory import BOOT, inspection

from inspector.contract import record_fields
from inspector.domain import RecipeRef, Trigger
from inspector.errors import StorageError
from inspector.records import journal as journal_module
from inspector.records.journal import Journal, OpenPart, read_leftover

PLC = 77
SOAP = RecipeRef("soap", 1, "a" * 64, "b" * 64)


def trigger(number: int, **changes: Any) -> Trigger:
    fields: dict[str, Any] = {"received_s": 0.0, "deadline_s": 0.25, "recipe_id": "soap"}
    return Trigger(PLC, number, f"part-{number}", **(fields | changes))


def verdict(number: int) -> dict[str, Any]:
    fields = record_fields(inspection(number))
    return fields | {"plcBootId": PLC, "triggerId": number}


def decide(journal: Journal, number: int) -> str:
    fields = verdict(number)
    journal.verdict((PLC, number), fields)
    return str(fields["resultId"])


def open_numbers(folder: Path) -> list[int]:
    return [one.trigger.trigger_id for one in read_leftover(folder).unanswered]


def decided(folder: Path) -> list[int]:
    return [record["triggerId"] for record in read_leftover(folder).verdicts]


def segments(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_open_triggers_are_found_again_with_everything_they_carried(tmp_path: Path) -> None:
    journal = Journal(tmp_path, BOOT)
    full = trigger(3, batch_id="b", meas_id="m", product_id="p", challenge="good")
    for one in (trigger(1), trigger(2), full):
        journal.accept(one, SOAP)
    decide(journal, 2)
    leftover = read_leftover(tmp_path)
    assert leftover.unanswered == (OpenPart(trigger(1), BOOT, SOAP), OpenPart(full, BOOT, SOAP))
    assert [record["triggerId"] for record in leftover.verdicts] == [2]
    assert leftover.verdicts[0] == verdict(2)
    assert [path.name for path in leftover.files] == [f"journal-{BOOT:08x}-0000.jsonl"]


def test_an_empty_or_missing_folder_has_nothing_left(tmp_path: Path) -> None:
    assert read_leftover(tmp_path / "new").files == ()
    journal = Journal(tmp_path / "new", BOOT)
    assert read_leftover(tmp_path / "new").unanswered == ()
    journal.close()
    assert segments(tmp_path / "new") == []


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_torn_last_line_costs_only_itself(tmp_path: Path, cut: int) -> None:
    journal = Journal(tmp_path, BOOT)
    for number in (1, 2, 3):
        journal.accept(trigger(number), SOAP)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[: -cut - 1])
    assert open_numbers(tmp_path) == [1, 2]


@pytest.mark.parametrize("rest", [b"\x00" * 64, b"\xff\xfe\xfd", b"{", b"\n\n\n"])
def test_whatever_a_power_cut_leaves_at_the_end_costs_nothing_before_it(
    tmp_path: Path, rest: bytes
) -> None:
    journal = Journal(tmp_path, BOOT)
    journal.accept(trigger(1), SOAP)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes() + rest)
    assert open_numbers(tmp_path) == [1]


def test_a_torn_verdict_leaves_its_trigger_open(tmp_path: Path) -> None:
    journal = Journal(tmp_path, BOOT)
    journal.accept(trigger(1), SOAP)
    decide(journal, 1)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-10])
    assert open_numbers(tmp_path) == [1]
    assert decided(tmp_path) == []


def test_runs_are_told_apart_though_the_plc_went_on_counting(tmp_path: Path) -> None:
    first = Journal(tmp_path, 1)
    first.accept(trigger(1), SOAP)
    second = Journal(tmp_path, 2)
    second.accept(trigger(1), SOAP)
    decide(second, 1)
    assert open_numbers(tmp_path) == [1]
    assert decided(tmp_path) == [1]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new segment for nearly every trigger."""
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 500)


@pytest.mark.usefixtures("small")
def test_segments_rotate_and_are_deleted_once_all_in_them_is_recorded(tmp_path: Path) -> None:
    journal = Journal(tmp_path, BOOT)
    for number in range(1, 11):
        journal.accept(trigger(number), SOAP)
    assert len(segments(tmp_path)) >= 5
    assert open_numbers(tmp_path) == list(range(1, 11))
    ids = [decide(journal, number) for number in range(1, 11)]
    before = segments(tmp_path)
    journal.recorded(ids[:-1])
    assert open_numbers(tmp_path) == []
    assert decided(tmp_path)[-1] == 10
    assert len(segments(tmp_path)) < len(before)
    journal.recorded(ids[-1:])
    assert segments(tmp_path) == before[-1:]
    journal.close()
    assert segments(tmp_path) == []


@pytest.mark.usefixtures("small")
def test_runs_are_read_oldest_first_and_each_in_its_own_order(tmp_path: Path) -> None:
    for boot, numbers in ((9, (1, 2, 3)), (2, (4, 5, 6))):
        journal = Journal(tmp_path, boot)
        for number in numbers:
            journal.accept(trigger(number), SOAP)
        decide(journal, numbers[0])
    for path in tmp_path.iterdir():
        age_s = 100 if "00000009" in path.name else 50
        if path.name.endswith("0000.jsonl"):
            age_s -= 10  # the verdict came last, into the first segment
        os.utime(path, (1e9 - age_s, 1e9 - age_s))
    assert open_numbers(tmp_path) == [2, 3, 5, 6]
    names = [path.name.split("-", 1)[1] for path in read_leftover(tmp_path).files]
    assert names == [f"{boot:08x}-{number:04d}.jsonl" for boot in (9, 2) for number in (0, 1)]


@pytest.mark.usefixtures("small")
def test_a_segment_stays_while_one_trigger_in_it_is_open(tmp_path: Path) -> None:
    journal = Journal(tmp_path, BOOT)
    ids = []
    for number in range(1, 21):
        journal.accept(trigger(number), SOAP)
        if number != 3:
            ids.append(decide(journal, number))
    journal.recorded(ids)
    assert open_numbers(tmp_path) == [3]
    journal.close()
    assert open_numbers(tmp_path) == [3]


@pytest.mark.usefixtures("small")
def test_a_verdict_is_never_deleted_before_its_acceptance(tmp_path: Path) -> None:
    journal = Journal(tmp_path, BOOT)
    journal.accept(trigger(1), SOAP)
    others = []
    for number in range(2, 6):
        journal.accept(trigger(number), SOAP)
    late = decide(journal, 1)
    for number in range(2, 12):
        if number > 5:
            journal.accept(trigger(number), SOAP)
        others.append(decide(journal, number))
    # all but the first are in the database, and their segments may go
    journal.recorded(others)
    assert open_numbers(tmp_path) == []
    assert 1 in decided(tmp_path)
    journal.recorded([late])
    assert 1 not in decided(tmp_path)


@pytest.mark.usefixtures("small")
def test_a_verdict_that_is_written_twice_frees_its_segment_all_the_same(tmp_path: Path) -> None:
    # it became late while it was written down
    journal = Journal(tmp_path, BOOT)
    journal.accept(trigger(1), SOAP)
    ids = [decide(journal, 1)]
    for number in (2, 3):
        journal.accept(trigger(number), SOAP)
        ids.append(decide(journal, number))
    decide(journal, 1)
    journal.recorded(ids)
    assert len(segments(tmp_path)) == 1
    assert segments(tmp_path)[0] != f"journal-{BOOT:08x}-0000.jsonl"


@pytest.mark.usefixtures("small")
def test_a_recovered_verdict_does_not_release_a_new_part_of_the_same_number(tmp_path: Path) -> None:
    # parts that the picture triggers are numbered from 1 in each run
    journal = Journal(tmp_path, BOOT)
    recovered = decide(journal, 1)
    journal.accept(trigger(1), SOAP)
    journal.accept(trigger(2), SOAP)
    journal.recorded([recovered, decide(journal, 2)])
    journal.accept(trigger(3), SOAP)
    journal.recorded([decide(journal, 3)])
    assert open_numbers(tmp_path) == [1]


def test_unknown_ids_recorded_do_no_harm(tmp_path: Path) -> None:
    journal = Journal(tmp_path, BOOT)
    journal.accept(trigger(1), SOAP)
    journal.recorded(["stranger"])
    assert open_numbers(tmp_path) == [1]


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """While it holds a value, writes to files stop after ten bytes, then fail."""
    state: list[bool] = []
    real = os.write

    def write(fd: int, data: bytes) -> int:
        if not state:
            return real(fd, data)
        if len(data) < 10:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(fd, data[:10])

    monkeypatch.setattr(journal_module.os, "write", write)
    return state


def test_a_full_disk_is_a_sentence_and_what_comes_after_it_is_readable(
    tmp_path: Path, full_disk: list[bool]
) -> None:
    journal = Journal(tmp_path, BOOT)
    journal.accept(trigger(1), SOAP)
    full_disk.append(True)
    with pytest.raises(StorageError, match=r"cannot be written: No space left.*Free space"):
        journal.accept(trigger(2), SOAP)
    with pytest.raises(StorageError):
        journal.check()
    full_disk.clear()
    # without another look in between, as the verdict of a part in flight
    decide(journal, 1)
    journal.check()
    journal.accept(trigger(3), SOAP)
    assert open_numbers(tmp_path) == [3]
    assert decided(tmp_path) == [1]


def test_a_verdict_that_could_not_be_written_may_be_tried_again(
    tmp_path: Path, full_disk: list[bool]
) -> None:
    journal = Journal(tmp_path, BOOT)
    journal.accept(trigger(1), SOAP)
    full_disk.append(True)
    with pytest.raises(StorageError):
        decide(journal, 1)
    assert open_numbers(tmp_path) == [1]
    full_disk.clear()
    decide(journal, 1)
    assert open_numbers(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be written"):
        Journal(tmp_path / "file" / "station", BOOT)


def test_no_verdict_is_written_that_is_no_json(tmp_path: Path) -> None:
    journal = Journal(tmp_path, BOOT)
    with pytest.raises(ValueError, match="Out of range"):
        journal.verdict((PLC, 1), verdict(1) | {"ageMs": float("nan")})


@pytest.mark.parametrize("fsync", [False, True])
def test_disk_is_flushed_only_when_it_is_asked_for(
    tmp_path: Path, fsync: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(journal_module.os, "fsync", flushed.append)
    journal = Journal(tmp_path, BOOT, fsync)
    assert len(flushed) == (1 if fsync else 0), "the name of the file"
    journal.accept(trigger(1), SOAP)
    assert len(flushed) == (2 if fsync else 0)


CHILD = """
import sys
from pathlib import Path
from inspector.domain import RecipeRef, Trigger
from inspector.records.journal import Journal
soap = RecipeRef("soap", 1, "", "")
journal = Journal(Path(sys.argv[1]), 9)
number = 0
while True:
    number += 1
    journal.accept(Trigger(77, number, f"part-{number}", 0.0, 0.25, "soap"), soap)
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


def test_kill_9_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    with child.stdout as answers:
        answered = [int(answers.readline()) for _ in range(200)]
        child.send_signal(signal.SIGKILL)
        answered += [int(line) for line in answers.read().split("\n")[:-1] if line]
    assert child.wait(10) == -signal.SIGKILL
    found = open_numbers(tmp_path)
    assert found[: len(answered)] == answered
    # one more may be noted that was not answered any more
    assert len(found) - len(answered) in (0, 1)


def test_a_part_whose_verdict_a_full_disk_kept_from_the_journal_is_not_recorded_twice(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path, BOOT)
    for number in (1, 2):
        journal.accept(trigger(number), SOAP)
    leftover = read_leftover(tmp_path)
    # an equal key of another run is another part
    left = leftover.without({(BOOT, PLC, 1), (BOOT + 1, PLC, 2)})
    assert left.unanswered == (OpenPart(trigger(2), BOOT, SOAP),)
    assert left.files == leftover.files


@pytest.mark.parametrize("set_back", [False, True])
def test_what_a_start_has_answered_for_an_earlier_run_is_answered(
    tmp_path: Path, set_back: bool
) -> None:
    """Whichever of the two journals is read first: the clock may have been set."""
    first = Journal(tmp_path, BOOT)
    for number in (1, 2):
        first.accept(trigger(number), SOAP)
    second = Journal(tmp_path, BOOT + 1)
    restarted = verdict(1) | {"resultId": "0000002b-1"}
    second.verdict((PLC, 1), restarted, BOOT)
    if set_back:
        for name in segments(tmp_path):
            os.utime(tmp_path / name, (1.0, 1.0) if f"{BOOT + 1:08x}" in name else None)
    leftover = read_leftover(tmp_path)
    assert [one.trigger.trigger_id for one in leftover.unanswered] == [2]
    assert leftover.verdicts == (restarted,)
    assert leftover.boots == {"0000002b-1": BOOT}


def test_what_an_older_version_noted_is_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path, BOOT)
    journal.accept(trigger(1), SOAP)
    (name,) = segments(tmp_path)
    entry = json.loads((tmp_path / name).read_text())
    del entry["recipe"]
    (tmp_path / name).write_text(json.dumps(entry) + "\n")
    assert read_leftover(tmp_path).unanswered == (OpenPart(trigger(1), BOOT, None),)


def test_a_part_that_ends_after_the_journal_is_not_written_into_another_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "station", BOOT)
    journal.accept(trigger(1), SOAP)
    journal.close()
    with (tmp_path / "other").open("wb") as other:  # gets the number of the journal's file
        for late in (
            lambda: decide(journal, 1),
            lambda: journal.accept(trigger(2), SOAP),
            journal.check,
        ):
            with pytest.raises(StorageError, match="is closed"):
                late()
        assert os.fstat(other.fileno()).st_size == 0
    assert open_numbers(tmp_path / "station") == [1]
