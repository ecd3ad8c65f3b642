"""The image archive: a picture of every FAIL and REVIEW and of a sampled share of PASS.

``<root>/<station>/<YYYY-MM-DD>/<result_id>/`` holds

* ``frame-0.jpg …``: the pictures as they were inspected, nothing drawn over them;
* ``overlay.json``: what can be drawn: ``width, height, partBox, findings[]`` (as in the records),
  ``detections[]`` (``label, confidence, box``) and, with a heat map, ``heat`` (``file, box,
  threshold``). What lies on another picture than the first says on which: ``picture``, from 0;
* ``heat.png``: the heat map, 8-bit grey. A pixel's value over 127.5 is the score over the check's
  threshold, cut off at twice the threshold: 128 and more fails. ``box`` says where it lies.

Files appear whole or not at all. They are not flushed to the disk one by one: a power cut may cost the
last seconds of pictures, never a record.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Engine, and_, case, func, or_, select, update

from inspector.config import Evidence
from inspector.contract import FindingRecord
from inspector.domain import Inspection, Verdict
from inspector.errors import DefectError, StorageError
from inspector.records.database import storage_failures
from inspector.records.tables import EVIDENCE

HEAT_THRESHOLD = 127.5
"""Value of a heat map's pixel whose score is the check's threshold."""
RETAIN_STEP = 500
"""Most inspections whose pictures one call of :meth:`EvidenceStore.retain` removes."""

_KINDS = {".jpg": "picture", ".json": "overlay", ".png": "heat"}
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]|^-")


@dataclass(frozen=True, slots=True)
class Removed:
    """What one call of retention did."""

    inspections: int = 0
    bytes: int = 0


class EvidenceStore:
    """Writes, finds and removes the pictures of one station. Not for several writing threads."""

    def __init__(self, root: Path, config: Evidence, seed: int = 0) -> None:
        """``seed`` shifts which PASS parts are sampled."""
        self._root = root
        self._config = config
        self._seed = seed

    def adjust(self, config: Evidence) -> None:
        """Take other settings while the station runs; the folder stays."""
        self._config = config

    def folder(self, station: str) -> Path:
        """Where a station's pictures lie."""
        return self._root / _safe(station)

    def wants(self, inspection: Inspection) -> bool:
        """Whether its pictures are kept: decided by the verdict and the result's id alone."""
        if not inspection.frames:
            return False
        if inspection.verdict is not Verdict.PASS:
            return True
        digest = hashlib.blake2b(f"{self._seed}:{inspection.result_id}".encode(), digest_size=8)
        return int.from_bytes(digest.digest()) < self._config.pass_share * 2**64

    def keep(self, inspection: Inspection) -> list[dict[str, Any]]:
        """Write its pictures if they are wanted; ``name, kind, path, bytes`` of each file.

        Raises :class:`~inspector.errors.StorageError` when the disk does not take them; then none stay.
        """
        if not self.wants(inspection):
            return []
        relative = _relative(inspection.station, inspection.created, inspection.result_id)
        folder = self._root / relative
        files = self._encode(inspection)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, (_, data) in files.items():
                unfinished = folder / f".{name}.tmp"
                unfinished.write_bytes(data)
                unfinished.replace(folder / name)
        except OSError as error:
            # A full or read-only disk; half of the evidence would only use what space is left.
            shutil.rmtree(folder, ignore_errors=True)
            raise StorageError(
                f"pictures cannot be written to {self._root} ({error.strerror})",
                "Free space, lower evidence.budget_mb, or make the folder writable",
            ) from error
        return [
            {"name": name, "kind": kind, "path": (relative / name).as_posix(), "bytes": len(data)}
            for name, (kind, data) in files.items()
        ]

    def adopt(self, station: str, created: datetime, result_id: str) -> list[dict[str, Any]]:
        """As :meth:`keep`: files of an inspection which a killed process wrote but did not record."""
        relative = _relative(station, created, result_id)
        folder = self._root / relative
        try:
            return [
                {
                    "name": file.name,
                    "kind": _KINDS[file.suffix],
                    "path": (relative / file.name).as_posix(),
                    "bytes": file.stat().st_size,
                }
                for file in sorted(folder.iterdir())
                if file.suffix in _KINDS
            ]
        except OSError:
            # No such folder, as a rule; in any case there is no picture that could be shown.
            return []

    def resolve(self, relative: str) -> Path | None:
        """The file of an evidence row; None when it is gone or would lie outside of the archive."""
        root = self._root.resolve()
        path = (root / relative).resolve()
        return path if path.is_relative_to(root) and path.is_file() else None

    def retain(self, engine: Engine, station: str, now: datetime) -> Removed:
        """Remove what is too old, then what exceeds the budget, and note it in the rows.

        PASS goes before FAIL and REVIEW, the oldest first, at most :data:`RETAIN_STEP` inspections a
        call. Raises :class:`~inspector.errors.StorageError` when the database or the disk fails, after
        what could be removed.
        """
        with storage_failures(engine.url):
            doomed = self._doomed(engine, station, now)
            if not doomed:
                return Removed()
            fault: StorageError | None = None
            gone: dict[str, int] = {}
            for result_id, (paths, size) in doomed.items():
                try:
                    for relative in paths:
                        self._unlink(relative)
                    gone[result_id] = size
                except StorageError as error:
                    # one folder that somebody owns must not keep all the others
                    fault = fault or error
            with engine.begin() as connection:
                connection.execute(
                    update(EVIDENCE)
                    .where(EVIDENCE.c.result_id.in_(list(gone)), EVIDENCE.c.removed_at.is_(None))
                    .values(removed_at=now)
                )
        if fault is not None:
            raise fault
        return Removed(len(gone), sum(gone.values()))

    def _doomed(self, engine: Engine, station: str, now: datetime) -> dict[str, tuple[list[str], int]]:
        """Paths and bytes by result id."""
        table = EVIDENCE.c
        kept = and_(table.station == station, table.removed_at.is_(None))
        is_pass = table.verdict == Verdict.PASS.value
        expired = or_(
            and_(is_pass, table.created_at < now - timedelta(days=self._config.keep_days)),
            and_(
                table.verdict.in_([Verdict.FAIL.value, Verdict.REVIEW.value]),
                table.created_at < now - timedelta(days=self._config.keep_days_notable),
            ),
        )
        # Whole inspections in the order in which they may go.
        size = func.sum(table.bytes).label("size")
        order = (case((is_pass, 0), else_=1), func.min(table.created_at), table.result_id)
        with engine.connect() as connection:

            def oldest(which: ColumnElement[bool]) -> dict[str, int]:
                query = (
                    select(table.result_id, size)
                    .where(which)
                    .group_by(table.result_id, table.verdict)
                    .order_by(*order)
                    .limit(RETAIN_STEP)
                )
                return {row.result_id: int(row.size) for row in connection.execute(query)}

            total = connection.execute(select(func.coalesce(func.sum(table.bytes), 0)).where(kept))
            going = oldest(and_(kept, expired))
            excess = int(total.scalar_one()) - sum(going.values()) - self._config.budget_mb * 1e6
            if excess > 0:
                for result_id, freed in oldest(kept).items():
                    if excess <= 0 or len(going) >= RETAIN_STEP:
                        break
                    if result_id not in going:
                        going[result_id] = freed
                        excess -= freed
            found: dict[str, tuple[list[str], int]] = {key: ([], value) for key, value in going.items()}
            query = select(table.result_id, table.path).where(kept, table.result_id.in_(list(going)))
            for row in connection.execute(query):
                found[row.result_id][0].append(row.path)
        return found

    def _unlink(self, relative: str) -> None:
        path = self.resolve(relative)
        if path is None:
            return
        try:
            path.unlink()
            # The folders of the inspection and of its day go with their last file.
            for folder in list(path.parents)[:2]:
                if any(folder.iterdir()):
                    break
                folder.rmdir()
        except OSError as error:
            # Its row stays, so that the next call tries again.
            raise StorageError(
                f"old pictures in {self._root} cannot be removed ({error.strerror})",
                "Make the folder writable",
            ) from error

    def _encode(self, inspection: Inspection) -> dict[str, tuple[str, bytes]]:
        """Kind and bytes by file name."""
        files: dict[str, tuple[str, bytes]] = {}
        options = [cv2.IMWRITE_JPEG_QUALITY, self._config.quality]
        for number, frame in enumerate(inspection.frames):
            files[f"frame-{number}.jpg"] = ("picture", _image(".jpg", frame.image, options))
        width, height = inspection.frames[0].size
        overlay: dict[str, Any] = {
            "width": width,
            "height": height,
            "partBox": inspection.part_box.rounded() if inspection.part_box else None,
            "findings": [
                FindingRecord.of(finding).model_dump(mode="json", by_alias=True, exclude_none=True)
                for finding in inspection.findings
            ],
            "detections": [
                {
                    "label": seen.label,
                    "confidence": round(seen.confidence, 4),
                    "box": seen.box.rounded(),
                }
                for seen in inspection.detections
            ],
        }
        if inspection.overlay is not None:
            heat = np.nan_to_num(np.clip(inspection.overlay.heat, 0.0, 2.0) * HEAT_THRESHOLD)
            files["heat.png"] = ("heat", _image(".png", np.rint(heat).astype(np.uint8), []))
            box = inspection.overlay.box.rounded()
            overlay["heat"] = {"file": "heat.png", "box": box, "threshold": HEAT_THRESHOLD}
            if inspection.overlay.picture:
                overlay["heat"]["picture"] = inspection.overlay.picture
        files["overlay.json"] = ("overlay", json.dumps(overlay).encode())
        return files


def _image(suffix: str, image: npt.NDArray[np.uint8], options: list[int]) -> bytes:
    done, data = cv2.imencode(suffix, image, options)
    if not done:
        raise DefectError(f"OpenCV cannot encode a picture of shape {image.shape} as {suffix}")
    return data.tobytes()


def _relative(station: str, created: datetime, result_id: str) -> Path:
    return Path(_safe(station), created.astimezone(UTC).date().isoformat(), _safe(result_id))


def _safe(name: str) -> str:
    """A folder name, whatever the name holds: no separators, no dots, never empty."""
    return _UNSAFE.sub("_", name) or "_"
