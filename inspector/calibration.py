"""What a recipe has learnt from good parts after training: ``calibration.json`` beside ``recipe.yaml``.

Written by ``inspector calibrate``, covered by the recipe's hash, read by all that must know what is
normal: thresholds that keep a promise, the quality gate, and the watch for drift.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from inspector.errors import InputError
from inspector.validation import first_offence

CALIBRATION_FILE = "calibration.json"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class CheckCalibration(_Strict):
    """What one check said of the parts of the calibration."""

    threshold: float
    """FAIL at or above it."""
    review_threshold: float
    """REVIEW from here up to ``threshold``."""
    good: tuple[float, ...]
    """Raw scores of good parts, one a part (the largest of its pictures), ascending."""
    faulty: tuple[float, ...] = ()
    """The same of faulty parts, where there were some."""
    kind: Literal["held-out", "out-of-fold"] = "held-out"
    """Whether the model has never seen these parts, or each was scored by a model that had not; the
    latter is an approximation."""


class Normal(_Strict):
    """What is normal of one measure of a picture, such as ``sharpness``."""

    low: float | None = None
    """Below it a picture is not trusted; None: no limit on this side."""
    high: float | None = None
    values: tuple[float, ...] = ()
    """Of good pictures, in their order: what drift is measured against; at most 500."""


class Examples(_Strict):
    """What good pictures look like, by so many examples that each picture is like one of them."""

    exposure: float = Field(gt=0)
    """Mean grey value of the pictures that they are from."""
    patches: tuple[tuple[float, float, float, float], ...] = Field(min_length=1)
    """In small: mean blue, green and red, and fine detail on a logarithmic scale, in grey levels."""
    layouts: tuple[tuple[float, ...], ...] = Field(min_length=1)
    """As a whole: where in a picture edges face which way."""


class Promise(_Strict):
    """Shares of good parts, on average over calibrations; a part counts once, whatever the number of
    checks and pictures."""

    false_reject_rate: float = Field(gt=0, lt=1)
    """Good parts that FAIL."""
    review_rate: float = Field(ge=0, lt=1)
    """Good parts that go to REVIEW."""


class Calibration(_Strict):
    """The content of ``calibration.json``."""

    v: Literal[1] = 1
    parts: int = Field(gt=0)
    """Good parts; pictures of one part count once."""
    pictures: int = Field(gt=0)
    source: str
    """In words: which folder."""
    digest: str
    """SHA-256 over names and contents of all pictures."""
    model_hash: str
    """SHA-256 over the bundles that gave the scores: with others it is void."""
    promise: Promise | None = None
    """What the recipe promised; None: it states its thresholds itself."""
    kept: Promise | None = None
    """What the thresholds keep of it: more where there were too few parts for the promise."""
    failed: int = Field(default=0, ge=0)
    """Good parts that FAIL by a check whose thresholds the recipe states."""
    diverted: int = Field(default=0, ge=0)
    """Good parts in REVIEW whatever the thresholds: a picture is not trusted, or by such a check."""
    checks: dict[str, CheckCalibration] = Field(default_factory=dict)
    """By name of the check."""
    looks: dict[str, Normal] = Field(default_factory=dict)
    """By name of the measure, as :mod:`inspector.look` has them."""
    examples: Examples | None = None
    """What a picture may show, and how; None: nothing is foreign, and no pose unusual."""
    note: str = ""
    command: str


def read_calibration(folder: Path) -> Calibration | None:
    """That of a recipe folder; None when there is none. Raises :class:`InputError` with the remedy."""
    path = folder / CALIBRATION_FILE
    try:
        return Calibration.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise InputError(
            f"{path} is no valid calibration: {first_offence(error)}",
            "Calibrate again with 'inspector calibrate'",
        ) from error


def write_calibration(folder: Path, calibration: Calibration) -> None:
    """Replace ``calibration.json`` as a whole, in a form that a person can read and diff."""
    text = json.dumps(calibration.model_dump(mode="json"), indent=1, ensure_ascii=False)
    path = folder / CALIBRATION_FILE
    scratch = path.with_suffix(".tmp")
    scratch.write_text(text + "\n", encoding="utf-8")
    scratch.replace(path)
