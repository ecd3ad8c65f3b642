"""Boards of one design are no duplicates: the groups of DeepPCB that both splits share."""

from __future__ import annotations

from pathlib import Path

from inspector.audit.look import Look, look_at_all
from inspector.audit.near import CORRELATION, WORST_TILE, compare, near_duplicates, read_grey
from inspector.datasets.deeppcb import convert
from inspector.datasets.yolo import YoloData

GROUPS = ("44000", "77000")
"""Those whose boards look most alike."""


def test_boards_of_one_design_are_told_apart(data_dir: Path, tmp_path: Path) -> None:
    data = YoloData.read(convert(data_dir / "deeppcb", tmp_path / "set"))

    def looks(*splits: str) -> list[Look]:
        pictures = [path for split in splits for path in data.splits[split]]
        return list(look_at_all(data, [p for p in pictures if p.stem[:5] in GROUPS]).values())

    train, test = looks("train", "val"), looks("test")
    assert len(train) > 20
    assert len(test) > 20
    assert near_duplicates(train, test) == []
    # two boards that no correlation tells apart
    alike = [look for look in train + test if look.path.stem in ("77000095", "77000100")]
    likeness = compare(*(read_grey(look) for look in alike))
    assert likeness.correlation >= CORRELATION
    assert likeness.worst > 3 * WORST_TILE
