"""A model bundle: a folder with network files and ``model.json``, the card that says what they are.

The card is read before any file is loaded, and every file's digest is verified, so that a corrupt or
exchanged network is a sentence at the start and not a strange verdict in the night.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from inspector.errors import BundleError
from inspector.validation import first_offence

CARD = "model.json"

Runtime = Literal["openvino", "torch"]
Precision = Literal["fp32", "fp16", "int8"]
Task = Literal["detect", "segment", "classify", "anomaly", "reference"]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tile(_Strict):
    """How a picture is cut into squares at full resolution, each of which the network sees alone."""

    side: int = Field(gt=0)
    """Pixels of the picture; the scale of the training when it equals the network's input."""
    overlap: int = Field(ge=0)
    """Least pixels that neighbours share; what is no larger is seen whole by one of them."""

    @model_validator(mode="after")
    def _goes_forward(self) -> Self:
        if 2 * self.overlap > self.side:
            raise ValueError("the overlap exceeds half the side")
        return self


class InputSpec(_Strict):
    """How a picture becomes the network's input: ``uint8`` BGR, ``(1, height, width, 3)``."""

    width: int = Field(gt=0)
    height: int = Field(gt=0)
    fit: Literal["letterbox", "stretch"]
    """``letterbox`` keeps the aspect and pads with grey 114; ``stretch`` does not keep it."""
    resize: Literal["host", "graph"] = "host"
    """Who resizes; ``graph`` takes a picture of any size. A ``letterbox`` that is resized by the graph
    is padded before, at the right or the lower side, to the aspect of the input."""
    tile: Tile | None = None
    """Of a model that was trained on crops at full resolution: how larger pictures are cut."""
    region: tuple[float, float, float, float] | None = None
    """Of an anomaly model: what of the picture is looked at, ``x1, y1, x2, y2`` as shares of its
    sides."""


class NetworkFile(_Strict):
    """One file of the bundle and the runtime that loads it."""

    name: str
    runtime: Runtime
    sha256: str
    precision: Precision


class DataSpec(_Strict):
    """What the model was trained on."""

    source: str
    """In words: the footage, the folder, the simulated line and its seed."""
    digest: str
    """SHA-256 over names and contents of all training files."""
    split: dict[str, int]
    """Number of pictures by split, such as ``train`` and ``val``."""


class Card(_Strict):
    """The content of ``model.json``. See ``inspector/bundle.py`` for the meaning of each field."""

    v: Literal[1] = 1
    task: Task
    architecture: str
    """Such as ``yolo26n`` or ``patchcore/tf_efficientnet_lite0``."""
    labels: tuple[str, ...]
    input: InputSpec
    head: Literal["end2end", "raw", "patchcore", "classify", "judge"]
    """Layout of the output: ``end2end`` ``(1, n, 6)`` boxes without NMS, ``raw`` ``(1, 4 + classes,
    anchors)``, ``patchcore`` a raw score and a map, ``classify`` ``scores``, ``(1, classes)``
    probabilities. For ``segment`` the first two carry 32 more values a box, ``detections``, beside
    ``prototypes``, ``(1, 32, height / 4, width / 4)``."""
    files: tuple[NetworkFile, ...]
    data: DataSpec
    metrics: dict[str, float | tuple[float, float]]
    """Plain numbers in 0..1 by the field's names; bounds beside them as ``…_ci95: [low, high]``."""
    calibration: dict[str, float | str]
    """What was learnt beside the weights: ``threshold``, ``review_threshold``, and the good pictures'
    ``sharpness_min``, ``exposure_low``, ``exposure_high``; ``note`` says what it is worth."""
    licence: str
    versions: dict[str, str]
    command: str
    """The command that made this bundle."""
    training: tuple[str, ...] = ()
    """What the training chose from the data, and why: a sentence for each choice."""
    good_scores: tuple[float, ...] = ()
    """Of an anomaly model: raw scores of good parts, one a part, each by a model that had not seen
    it."""
    learnt: tuple[str, ...] = ()
    """Of an anomaly model: the pictures that it has learnt, as :func:`mark_of` names them."""

    @property
    def finds_objects(self) -> bool:
        """Whether it is a detector, with masks or without."""
        return self.task in ("detect", "segment")


def read_card(path: Path) -> Card:
    """The card of a bundle folder. Raises :class:`BundleError` with the remedy."""
    card_path = path / CARD
    try:
        return Card.model_validate_json(card_path.read_bytes())
    except FileNotFoundError:
        raise BundleError(
            f"{path} holds no {CARD}, so it is no model bundle",
            "Train one with 'inspector train', or copy the whole bundle folder",
        ) from None
    except OSError as error:
        raise BundleError(f"{card_path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise BundleError(
            f"{card_path} is no valid model card: {first_offence(error)}",
            "Restore the bundle from where it was trained",
        ) from error


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk whose card has been read and whose files have been verified."""

    path: Path
    card: Card

    @classmethod
    def load(cls, path: Path) -> Bundle:
        """Read the card and verify every file. Raises :class:`BundleError` with the remedy."""
        card = read_card(path)
        for file in card.files:
            _verify(path / file.name, file.sha256)
        return cls(path, card)

    def file(self, runtime: Runtime, precision: Precision | None = None) -> Path:
        """The file that ``runtime`` opens: the full one, unless ``int8`` is asked for.

        Raises :class:`BundleError` when there is none.
        """
        for file in self.card.files:
            if file.runtime != runtime or file.name.endswith(".bin"):
                continue
            if file.precision == precision or (precision is None and file.precision != "int8"):
                return self.path / file.name
        if precision is not None:
            has = ", ".join(sorted({f.precision for f in self.card.files if f.runtime == runtime}))
            raise BundleError(
                f"{self.path} has no network in {precision} for the runtime '{runtime}'",
                f"It offers {has or 'none'}: an INT8 network is only there if it kept its accuracy",
            )
        offered = sorted({file.runtime for file in self.card.files})
        raise BundleError(
            f"{self.path} has no network for the runtime '{runtime}'",
            f"It offers {', '.join(offered)}: set 'runtime' accordingly, or export it again",
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the card, which names the digest of every file."""
        return hashlib.sha256((self.path / CARD).read_bytes()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file, as hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def mark_of(picture: Path) -> str:
    """The first 48 bits of a file's SHA-256, as hex digits: by them a picture is known again."""
    return file_digest(picture)[:12]


def _verify(path: Path, expected: str) -> None:
    try:
        actual = file_digest(path)
    except FileNotFoundError:
        raise BundleError(
            f"{path} is missing", "Copy the whole bundle folder, the .bin files too"
        ) from None
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}") from error
    if actual != expected:
        raise BundleError(
            f"{path} is corrupt: its SHA-256 is not the one on the card",
            "Restore the bundle from where it was trained",
        )


@contextmanager
def writing_bundle(out: Path) -> Iterator[Path]:
    """A folder to fill; on success it replaces ``out`` as a whole, on failure nothing changes."""
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        yield scratch
        scratch.chmod(0o755)
        if out.exists():
            retired = Path(tempfile.mkdtemp(prefix=f".{out.name}-old-", dir=out.parent))
            out.replace(retired / out.name)
            scratch.replace(out)
            shutil.rmtree(retired)
        else:
            scratch.replace(out)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write_card(folder: Path, card: Card) -> None:
    """Write ``model.json`` in a form that a person can read and diff."""
    text = json.dumps(card.model_dump(mode="json"), indent=2, ensure_ascii=False)
    (folder / CARD).write_text(text + "\n", encoding="utf-8")
