"""Model bundles: proven before they are loaded, replaced as a whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes import write_bundle

from inspector.bundle import Bundle, write_card, writing_bundle
from inspector.cli.common import weakness
from inspector.errors import BundleError


def edit_card(folder: Path, **changes: Any) -> None:
    card = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(card | changes))


def test_a_good_bundle_names_the_file_of_its_runtime(tmp_path: Path) -> None:
    bundle = Bundle.load(write_bundle(tmp_path / "b"))
    assert bundle.file("openvino") == tmp_path / "b" / "openvino.xml"
    with pytest.raises(BundleError, match="no network for the runtime 'torch'") as caught:
        bundle.file("torch")
    assert "It offers openvino" in caught.value.remedy


def test_weights_beside_a_network_are_not_what_a_runtime_opens(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b")
    (file,) = json.loads((folder / "model.json").read_text())["files"]
    (folder / "openvino.bin").write_bytes(b"dummy network")
    edit_card(folder, files=[file | {"name": "openvino.bin"}, file])
    assert Bundle.load(folder).file("openvino").name == "openvino.xml"


@pytest.mark.parametrize("change", [b"dummy networ", b"Dummy network", b"", b"dummy network\n"])
def test_a_network_of_another_digest_is_corrupt(tmp_path: Path, change: bytes) -> None:
    folder = write_bundle(tmp_path / "b")
    (folder / "openvino.xml").write_bytes(change)
    with pytest.raises(BundleError, match=r"openvino\.xml is corrupt") as caught:
        Bundle.load(folder)
    assert "Restore the bundle" in caught.value.remedy


def test_a_missing_network_is_told_with_its_remedy(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b")
    (folder / "openvino.xml").unlink()
    with pytest.raises(BundleError, match=r"openvino\.xml is missing") as caught:
        Bundle.load(folder)
    assert "Copy the whole bundle folder" in caught.value.remedy


@pytest.mark.parametrize(
    ("card", "said"),
    [
        (b"{", "is no valid model card"),
        (b"[]", "is no valid model card"),
        (b"", "is no valid model card"),
        (b"\xff\xfe", "is no valid model card"),
        (b"{}", "task: Field required"),
    ],
)
def test_a_card_that_is_none_is_told(tmp_path: Path, card: bytes, said: str) -> None:
    folder = write_bundle(tmp_path / "b")
    (folder / "model.json").write_bytes(card)
    with pytest.raises(BundleError, match=said):
        Bundle.load(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"task": "guess"},
        {"v": 2},
        {"surprise": 1},
        {"input": {"width": 0, "height": 1, "fit": "stretch"}},
        {"metrics": {"map50": "good"}},
    ],
)
def test_a_card_that_says_what_we_do_not_know_is_refused(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    folder = write_bundle(tmp_path / "b")
    edit_card(folder, **changes)
    with pytest.raises(BundleError, match=next(iter(changes))):
        Bundle.load(folder)


def test_no_bundle_at_all(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is no model bundle") as caught:
        Bundle.load(tmp_path / "nothing")
    assert "inspector train" in caught.value.remedy


def test_digest_covers_card_and_so_every_file(tmp_path: Path) -> None:
    one = Bundle.load(write_bundle(tmp_path / "a")).digest
    assert one == Bundle.load(write_bundle(tmp_path / "b")).digest
    assert one != Bundle.load(write_bundle(tmp_path / "c", network=b"other")).digest


def test_writing_replaces_an_older_bundle_as_a_whole(tmp_path: Path) -> None:
    out = write_bundle(tmp_path / "b")
    (out / "leftover").write_text("old")
    card = Bundle.load(out).card
    with writing_bundle(out) as folder:
        assert (out / "leftover").exists()
        (folder / "openvino.xml").write_bytes(b"dummy network")
        write_card(folder, card)
    assert Bundle.load(out).card == card
    assert sorted(path.name for path in out.iterdir()) == ["model.json", "openvino.xml"]
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_failure_while_writing_leaves_the_older_bundle(tmp_path: Path) -> None:
    out = write_bundle(tmp_path / "b")

    def fail() -> None:
        with writing_bundle(out) as folder:
            (folder / "model.json").write_text("half")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        fail()
    assert Bundle.load(out).card.task == "detect"
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


@pytest.mark.parametrize(
    ("metrics", "told"), [({"map50": 0.2}, True), ({"map50": 0.9}, False), ({}, False)]
)
def test_a_detector_that_has_hardly_learnt_is_told(
    tmp_path: Path, metrics: dict[str, float], told: bool
) -> None:
    card = Bundle.load(write_bundle(tmp_path / "detector")).card.model_copy(update={"metrics": metrics})
    assert ("mAP50 of 0.20" in weakness(card)) == told
