"""A data set from what a station has recorded and people have decided: no file is handled by hand.

For an anomaly check ``good/`` has the good parts as the check would see them, cut out of their
pictures. For a check with a detector ``data.yaml``, ``images`` and ``labels`` hold what the station's
own detector saw, corrected by what people decided and marked. In both cases a fifth of the unseen
parts that PASSed, drawn by the hash of their id, is held out as whole pictures in ``test/good``, and
faulty parts are in ``faulty/<cause>``, shown as ``test/<cause>`` too; what a person has corrected is
always learnt. A detector learns from marked faulty parts as well: ``heldout/test`` shows only what it
has not learnt. ``collected.json`` says what each part is there for.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from inspector.bundle import Card, read_card, writing_bundle
from inspector.checks.anomaly import crop, region_box
from inspector.checks.regions import PART_CONFIDENCE
from inspector.checkspecs import AnomalySpec, AssemblySpec, CheckSpec, DetectSpec, check_name
from inspector.domain import Box, Image
from inspector.errors import DataError, InputError, StorageError
from inspector.recipe import RECIPE_FILE, RecipeText
from inspector.records.collected import CollectedMark, CollectedPart
from inspector.records.evidence import EvidenceStore
from inspector.records.reviews import drawn
from inspector.yamlfile import YamlFile

MANIFEST = "collected.json"
UNLEARNT = "heldout"
"""The folder of whole pictures, by kind, that a detector has not learnt."""
HELD_OUT_SHARE = 0.2
VAL_SHARE = 0.2
LEAST_GOOD = 2
_SAME = 0.4
"""A detection that overlaps a mark so much (IoU) is what the mark is about."""


@dataclass(frozen=True, slots=True)
class Collection:
    """What was written."""

    learnt: int
    """Parts to learn from."""
    held_out: int
    faulty: int
    corrected: int
    """Parts on which a person contradicted the station, learnt or among the faulty."""
    missing: int
    """Parts whose picture is gone, or in whose picture no part was seen."""


def collect(
    parts: Sequence[CollectedPart], evidence: EvidenceStore, recipe: Path, check: str, out: Path
) -> Collection:
    """Write the data set for the named check of the recipe folder; an earlier one is replaced.

    Raises :class:`InputError` for a check that cannot learn this way, or an ``out`` that holds
    something else, :class:`DataError` with fewer than two good parts.
    """
    spec = _spec(recipe, check)
    if out.exists() and not (out / MANIFEST).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} holds something else", "Give a new or empty folder as --out")
    try:
        with writing_bundle(out) as folder:
            return _Writer(folder, evidence, spec, recipe).write(parts)
    except OSError as error:
        raise StorageError(f"{out} cannot be written: {error.strerror}", "Free space") from error


def _spec(recipe: Path, check: str) -> AnomalySpec | DetectSpec | AssemblySpec:
    checks: dict[str, CheckSpec] = {
        check_name(one): one for one in YamlFile(recipe / RECIPE_FILE).parse(RecipeText).checks
    }
    spec = checks.get(check)
    if isinstance(spec, AnomalySpec | DetectSpec | AssemblySpec):
        return spec
    named = ", ".join(
        name for name, one in checks.items() if isinstance(one, AnomalySpec | DetectSpec | AssemblySpec)
    )
    said = "cannot learn from records" if check in checks else "is none of this recipe"
    raise InputError(f"the check '{check}' {said}", f"These can: {named or 'none'}")


class _Writer:
    """Fills one folder."""

    def __init__(
        self,
        folder: Path,
        evidence: EvidenceStore,
        spec: AnomalySpec | DetectSpec | AssemblySpec,
        recipe: Path,
    ) -> None:
        self._folder, self._evidence, self._spec = folder, evidence, spec
        self._rows: list[dict[str, Any]] = []
        self._boxes = None
        if not isinstance(spec, AnomalySpec):
            self._boxes = _Boxes(folder, read_card(recipe / spec.model))

    def write(self, parts: Sequence[CollectedPart]) -> Collection:
        for part in parts:
            self._rows.append(
                {
                    "resultId": part.result_id,
                    "partId": part.part_id,
                    "truth": part.truth,
                    "byPerson": part.by_person,
                    "corrects": part.corrects,
                    "use": self._use(part),
                }
            )
        uses = Counter(row["use"] for row in self._rows)
        if uses["learn"] < LEAST_GOOD:
            raise DataError(
                f"{uses['learn']} parts with a picture are there to learn from",
                "Inspect more good parts, or keep more pictures of them (evidence.pass_share)",
            )
        if self._boxes is not None:
            self._boxes.finish()
        text = json.dumps({"v": 1, "check": check_name(self._spec), "parts": self._rows}, indent=1)
        (self._folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
        corrected = sum(row["corrects"] and row["use"] != "missing" for row in self._rows)
        return Collection(uses["learn"], uses["test"], uses["faulty"], corrected, uses["missing"])

    def _use(self, part: CollectedPart) -> str:
        path = self._evidence.resolve(part.picture)
        if path is None:
            return "missing"
        name = f"{_plain(part.part_id)}_{_plain(part.result_id)}"
        if part.truth == "faulty":
            kind = _plain(part.cause)
            (self._folder / "faulty" / kind).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, self._folder / "faulty" / kind / f"{name}.jpg")
            (self._folder / "test").mkdir(exist_ok=True)
            link = self._folder / "test" / kind
            if not link.is_symlink():
                link.symlink_to(Path("..", "faulty", kind))
        elif not part.by_person and drawn(f"held out:{part.part_id}", HELD_OUT_SHARE):
            (self._folder / "test" / "good").mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, self._folder / "test" / "good" / f"{name}.jpg")
            self._show(Path("test", "good", f"{name}.jpg"))
            return "test"
        seen = _seen(self._evidence, part)
        if self._boxes is not None:
            if part.truth == "good" or part.marks:
                self._boxes.add(path, name, part, seen)
                return "learn"
            self._show(Path("faulty", _plain(part.cause), f"{name}.jpg"))
            return "faulty"
        if part.truth == "faulty":
            return "faulty"
        return "learn" if self._crops(path, name, part, seen) else "missing"

    def _show(self, file: Path) -> None:
        """Among what a detector has not learnt; an anomaly check learns nothing that is tested."""
        if self._boxes is not None:
            folder = self._folder / UNLEARNT / "test" / file.parent.name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / file.name).symlink_to(Path("..", "..", "..", file))

    def _crops(self, path: Path, name: str, part: CollectedPart, seen: Sequence[Seen]) -> bool:
        """Cut out what the check would look at; whether there was anything."""
        image = _read(path)
        (self._folder / "good").mkdir(exist_ok=True)
        boxes = list(self._regions(image, part, seen))
        for number, box in enumerate(boxes):
            file = name if not number else f"{_plain(part.part_id)}-{number}_{_plain(part.result_id)}"
            target = self._folder / "good" / f"{file}.png"
            if not cv2.imwrite(str(target), crop(image, box)):
                raise StorageError(f"{target} cannot be written", "Free space")
        return bool(boxes)

    def _regions(self, image: Image, part: CollectedPart, seen: Sequence[Seen]) -> Iterator[Box]:
        height, width = image.shape[:2]
        region = self._spec.region if isinstance(self._spec, AnomalySpec) else None
        if region is None:
            yield Box(0, 0, width, height)
        elif part.part_box is not None:
            yield region_box(Box(*part.part_box), region, width, height)
        else:
            for one in seen:
                if one.label == region.of and one.confidence >= PART_CONFIDENCE:
                    yield region_box(one.box, region, width, height)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the station's detector saw."""

    label: str
    confidence: float
    box: Box


class _Boxes:
    """A data set in Ultralytics' layout."""

    def __init__(self, folder: Path, card: Card) -> None:
        if not card.finds_objects:
            raise InputError(f"a model for '{card.task}' cannot learn from boxes", "Name another check")
        self._folder, self._names = folder, list(card.labels)
        self._pictures: list[tuple[Path, str, CollectedPart, Sequence[Seen]]] = []

    def add(self, path: Path, name: str, part: CollectedPart, seen: Sequence[Seen]) -> None:
        """One picture, what the detector saw in it, and what people say of it."""
        self._pictures.append((path, name, part, seen))

    def finish(self) -> None:
        """Write all; pictures of one part are in one split."""
        ids = sorted({part.part_id for _, _, part, _ in self._pictures}, key=_order)
        val = set(ids[: max(1, round(VAL_SHARE * len(ids)))])
        for path, name, part, seen in self._pictures:
            self._write(path, name, "val" if part.part_id in val else "train", part, seen)
        text = {
            "path": ".",
            "train": "images/train",
            "val": "images/val",
            "names": dict(enumerate(self._names)),
            "source": "recorded parts, boxes by the station's detector, corrected by people",
        }
        data = yaml.safe_dump(text, sort_keys=False)
        (self._folder / "data.yaml").write_text(data, encoding="utf-8")

    def _write(
        self, path: Path, name: str, split: str, part: CollectedPart, seen: Sequence[Seen]
    ) -> None:
        for kind in ("images", "labels"):
            (self._folder / kind / split).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, self._folder / "images" / split / f"{name}.jpg")
        height, width = _read(path).shape[:2]
        rows = []
        for label, box in corrected(seen, part.marks):
            if label not in self._names:
                self._names.append(label)
            clipped = box.clipped(width, height)
            cx, cy = clipped.centre
            shares = (cx / width, cy / height, clipped.width / width, clipped.height / height)
            rows.append(" ".join([str(self._names.index(label)), *(f"{one:.6f}" for one in shares)]))
        text = "".join(f"{row}\n" for row in rows)
        (self._folder / "labels" / split / f"{name}.txt").write_text(text, encoding="utf-8")


def _order(part_id: str) -> str:
    return hashlib.blake2b(f"val:{part_id}".encode(), digest_size=8).hexdigest()


def corrected(seen: Iterable[Seen], marks: Sequence[CollectedMark]) -> list[tuple[str, Box]]:
    """Labels and boxes of what is really in the picture.

    A finding that something is missing, if confirmed, takes away what the detector saw there, and if
    contradicted adds it. Of a fault that was seen or drawn it is the other way round. Other findings
    of an assembly are about the place of what was rightly seen.
    """
    found = [(one.label, one.box) for one in seen if one.confidence >= PART_CONFIDENCE]
    for mark in marks:
        if mark.kind in ("misplaced", "extra", "wrong", "anomaly"):
            continue
        box = Box(*mark.box)
        found = [
            (label, other) for label, other in found if label != mark.name or other.iou(box) < _SAME
        ]
        if (mark.truth == "faulty") is not (mark.kind == "missing"):
            found.append((mark.name, box))
    return found


def _seen(evidence: EvidenceStore, part: CollectedPart) -> list[Seen]:
    path = None if part.overlay is None else evidence.resolve(part.overlay)
    if path is None:
        return []
    content = json.loads(path.read_text(encoding="utf-8"))
    return [Seen(one["label"], one["confidence"], Box(*one["box"])) for one in content["detections"]]


def _read(path: Path) -> Image:
    image = cv2.imread(str(path))
    if image is None:
        raise DataError(f"{path} is no picture that can be read", "Remove it from the evidence")
    return np.asarray(image, np.uint8)


def _plain(text: str) -> str:
    """Fit for a file name in which an underscore divides part and frame."""
    return re.sub(r"[^A-Za-z0-9-]", "-", text)[:64] or "part"
