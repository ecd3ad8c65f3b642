"""Annotated footage becomes a data set in the layout that Ultralytics reads.

A clip is a video with a ``.json`` of the same name beside it: ``{"fps": 25, "size": [width, height],
"frames": [{"frame": 0, "boxes": [{"label": "bottle", "xyxy": [x1, y1, x2, y2]}, ...]}, ...]}``, boxes
in pixels. Clips are whole: a clip is training or validation, never both, because neighbouring frames
in both would flatter the result.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from inspector.domain import Box, Image
from inspector.errors import DataError, FootageError
from inspector.validation import first_offence

JPEG_QUALITY = 95


class _AnnotatedBox(BaseModel):
    model_config = ConfigDict(extra="ignore")
    label: str
    xyxy: tuple[float, float, float, float]


class _AnnotatedFrame(BaseModel):
    model_config = ConfigDict(extra="ignore")
    frame: int = Field(ge=0)
    boxes: list[_AnnotatedBox]


class _Annotation(BaseModel):
    model_config = ConfigDict(extra="ignore")
    frames: list[_AnnotatedFrame]


@dataclass(frozen=True)
class Clip:
    """A video and what is in it: ``boxes[index]`` holds label and box of every object of that frame."""

    video: Path
    boxes: Mapping[int, tuple[tuple[str, Box], ...]]

    @classmethod
    def open(cls, video: Path) -> Clip:
        """Read the annotation beside ``video``.

        Raises :class:`FootageError` without a video, :class:`DataError` without a valid annotation.
        """
        if not video.is_file():
            raise FootageError(f"{video} does not exist", "Name the clips' video files")
        path = video.with_suffix(".json")
        try:
            annotation = _Annotation.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise DataError(
                f"{video} has no annotation: {path.name} is missing beside it",
                "Put the boxes of its frames there, as JSON with 'frames' and 'boxes'",
            ) from None
        except ValidationError as error:
            raise DataError(
                f"{path} is no annotation: {first_offence(error)}",
                "Each frame needs 'frame' and 'boxes', each box 'label' and 'xyxy'",
            ) from error
        return cls(
            video,
            {
                frame.frame: tuple((box.label, Box(*box.xyxy)) for box in frame.boxes)
                for frame in annotation.frames
            },
        )

    def frames(self, every: int = 1) -> Iterator[tuple[int, Image]]:
        """Index and picture of every ``every``-th annotated frame.

        Raises :class:`FootageError` when the video is unreadable or ends before its annotation.
        """
        capture = cv2.VideoCapture(str(self.video))
        try:
            if not capture.isOpened():
                raise FootageError(f"{self.video} is no video", "Record it again or convert it")
            wanted = {index for index in self.boxes if index % every == 0}
            for index in range(max(wanted, default=-1) + 1):
                read, image = capture.read()
                if not read:
                    raise FootageError(
                        f"{self.video} ends at frame {index}, its annotation goes on",
                        "Copy the whole video again",
                    )
                if index in wanted:
                    yield index, np.asarray(image, dtype=np.uint8)
        finally:
            capture.release()


def footage_dataset(
    train: Sequence[Path],
    val: Sequence[Path],
    out: Path,
    every: int,
    test: Sequence[Path] = (),
) -> Path:
    """Turn annotated clips into the data set ``out`` and return the path of its ``data.yaml``.

    ``every``: which frames are taken, 2 for every second one. Pictures are JPEG at quality 95; frames
    without a box stay in as background. Without ``val`` the training pictures stand in for it, so that
    nothing is chosen by it; ``test`` is for measuring alone. An existing ``out`` made by this function
    is replaced.

    Raises :class:`FootageError` or :class:`DataError` for a clip that is missing, unreadable or without
    annotation, or that is in two splits.
    """
    if every < 1:
        raise DataError(f"--every {every} takes no frame", "Give 1 or more")
    if not train:
        raise DataError("No clip to train on", "Give the video files")
    given = {"train": train, "val": val, "test": test}
    all_clips = [path.resolve() for paths in given.values() for path in paths]
    for path in all_clips:
        if all_clips.count(path) > 1:
            raise DataError(
                f"{path} is given twice",
                "Keep whole clips apart: neighbouring frames in two splits flatter the result",
            )
    clips = {split: [Clip.open(path) for path in paths] for split, paths in given.items() if paths}
    labels = sorted(
        {
            label
            for members in clips.values()
            for clip in members
            for boxes in clip.boxes.values()
            for label, _ in boxes
        }
    )
    if not labels:
        raise DataError("No box in any clip's annotation", "Annotate at least one object")
    prepare(out)
    for split, members in clips.items():
        for clip in members:
            for index, image in clip.frames(every):
                name = f"{clip.video.stem}_{index:05d}"
                write_example(out, split, name, image, clip.boxes[index], labels)
    names = ", ".join(f"{split} {_stems(paths)}" for split, paths in given.items() if paths)
    return write_data_yaml(out, labels, tuple(clips), f"every frame in {every} of {names}")


def prepare(out: Path) -> None:
    """Make ``out`` an empty data set. Raises :class:`DataError` when it holds something else."""
    if out.exists():
        ours = {"images", "labels", "good", "data.yaml"}
        if not out.is_dir() or {path.name for path in out.iterdir()} - ours:
            raise DataError(f"{out} is no data set of ours", "Give an empty folder as --out")
        shutil.rmtree(out)
    out.mkdir(parents=True)


def write_example(
    out: Path,
    split: str,
    name: str,
    image: Image,
    boxes: Iterable[tuple[str, Box]],
    labels: Sequence[str],
) -> None:
    """Write one picture and its label file (``class cx cy w h`` as fractions of the picture)."""
    rows, columns = image.shape[:2]
    lines = []
    for label, box in boxes:
        inside = box.clipped(columns, rows)
        if inside.area <= 0:
            continue
        x, y = inside.centre
        numbers = (x / columns, y / rows, inside.width / columns, inside.height / rows)
        lines.append(f"{labels.index(label)} " + " ".join(f"{number:.6f}" for number in numbers))
    picture = out / "images" / split / f"{name}.jpg"
    note = out / "labels" / split / f"{name}.txt"
    for path in (picture, note):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_jpeg(picture, image)
    note.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def write_jpeg(path: Path, image: Image) -> None:
    """Write ``image`` at quality 95. Raises :class:`DataError` when it cannot be written."""
    if not cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]):
        raise DataError(f"{path} cannot be written", "Check the free space and the permissions")


def _stems(paths: Sequence[Path]) -> str:
    return " ".join(path.stem for path in paths)


def write_data_yaml(out: Path, labels: Sequence[str], splits: Sequence[str], source: str) -> Path:
    """Write ``data.yaml``, with paths relative to itself so that the folder can be moved.

    ``source`` says in words what the pictures are; the model card repeats it.
    """
    folders = {split: f"images/{split}" for split in splits}
    lines = [
        f"source: {json.dumps(source)}",
        f"train: {folders['train']}",
        f"val: {folders.get('val', folders['train'])}",
        *([f"test: {folders['test']}"] if "test" in folders else []),
        "names:",
        *(f"  {number}: {json.dumps(label)}" for number, label in enumerate(labels)),
    ]
    path = out / "data.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
