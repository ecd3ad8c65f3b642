"""One part's evidence as a file to take away."""

from __future__ import annotations

import io
import json
import re
import zipfile
from dataclasses import asdict
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from dashboard.data import Source
from inspector.contract import utc_text
from inspector.records import reviews
from inspector.records.reviews import ReviewView
from inspector.records.views import PartRecord

RECORD = "record.json"
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def decisions(source: Source, record: PartRecord) -> tuple[ReviewView, ...]:
    """What people decided about the part, oldest first; none while another is to decide blind."""
    found = reviews.reviews(source.engine, result_id=record.summary.result_id)
    awaited = any(one.wants_second for one in found) and not any(one.is_blind for one in found)
    return () if awaited else found


def archive(source: Source, record: PartRecord) -> bytes:
    """A zip of the files that are still there, and of all that was recorded.

    Names within it are those of the records only where they are plain file names.
    """
    memory = io.BytesIO()
    missing: list[str] = []
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as packed:
        for number, item in enumerate(record.evidence):
            path = source.evidence.resolve(item.path) if item.removed_at is None else None
            try:
                content = path.read_bytes() if path else None
            except OSError:
                # Retention has taken it in this moment.
                content = None
            if content is None:
                missing.append(item.name)
            else:
                packed.writestr(_name(item.name, number), content)
        packed.writestr(RECORD, json.dumps(_content(source, record, missing), indent=1, default=_plain))
    return memory.getvalue()


def file_name(record: PartRecord) -> str:
    """What the file is called: the part and its result."""
    part = re.sub(r"[^A-Za-z0-9_-]", "_", record.summary.part_id)
    result = re.sub(r"[^A-Za-z0-9_-]", "_", record.summary.result_id)
    return f"{part}_{result}.zip"


def _content(source: Source, record: PartRecord, missing: list[str]) -> dict[str, Any]:
    content = asdict(record)
    content["attempts"] = [part.result_id for part in record.attempts]
    content["decisions"] = [asdict(one) for one in decisions(source, record)]
    content["missing"] = missing
    return content


def _name(name: str, number: int) -> str:
    plain = PurePosixPath(name).name
    return plain if plain == name and _SAFE.fullmatch(name) and name != RECORD else f"file-{number}"


def _plain(value: object) -> str:
    return utc_text(value) if isinstance(value, datetime) else str(value)
