"""Regions of pictures that people have marked for training."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from sqlalchemy import Column, Engine, ForeignKey, Index, and_, insert, select, update
from sqlmodel import Field

from inspector.errors import InputError
from inspector.records import audit
from inspector.records.audit import Actor
from inspector.records.database import reading, storage_failures
from inspector.records.reviews import narrowed
from inspector.records.tables import INSPECTION, METADATA, RecordTable, Utc, big_key
from inspector.records.views import PixelBox

Truth: TypeAlias = Literal["faulty", "good"]
_LABEL_LENGTH = 32


class LabelRow(RecordTable, table=True):
    """A region of a part's picture, marked for training."""

    __tablename__ = "label"
    __table_args__ = (Index(None, "result_id"), Index(None, "station", "created_at"))

    id: int | None = Field(default=None, sa_column=big_key())
    result_id: str = Field(sa_column=Column(ForeignKey("inspection.result_id"), nullable=False))
    station: str = Field(max_length=32)
    user: str = Field(max_length=32)
    truth: str = Field(max_length=8)
    """``faulty``: what ``name`` says is here; ``good``: nothing is wrong here."""
    name: str = Field(max_length=32)
    """Class of the object or defect, such as ``scratch``."""
    finding: int | None = None
    """Position of the finding that this confirms or contradicts; None of a box drawn by hand."""
    x1: float
    """Pixels of the part's first picture."""
    y1: float
    x2: float
    y2: float
    created_at: datetime = Field(sa_type=Utc)
    removed_at: datetime | None = Field(default=None, sa_type=Utc)


LABEL = METADATA.tables["label"]


@dataclass(frozen=True, slots=True)
class LabelView:
    """A marked region that holds."""

    id: int
    result_id: str
    station: str
    user: str
    truth: Truth
    name: str
    finding: int | None
    box: PixelBox
    created_at: datetime
    """UTC."""


def add_label(
    engine: Engine,
    result_id: str,
    actor: Actor,
    truth: Truth,
    name: str,
    box: PixelBox,
    now: datetime,
    finding: int | None = None,
) -> None:
    """Mark a region for training; one that a finding gave takes the place of an earlier mark of it.

    Raises :class:`~inspector.errors.InputError` for a box without area, outside the picture, or
    without a name.
    """
    name = name.strip()
    if not name or len(name) > _LABEL_LENGTH or not name.isprintable():
        raise InputError(f"'{name}' is no label", f"Give 1 to {_LABEL_LENGTH} printable characters")
    x1, y1, x2, y2 = box
    with storage_failures(engine.url), engine.begin() as connection:
        part = connection.execute(select(INSPECTION).where(INSPECTION.c.result_id == result_id)).first()
        if part is None:
            raise InputError(f"there is no inspection '{result_id}'")
        width, height = part.image_width or x2, part.image_height or y2
        if not (0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height):
            raise InputError("the box has no area, or reaches out of the picture", "Draw it anew")
        if finding is not None:
            same = and_(
                LABEL.c.result_id == result_id,
                LABEL.c.finding == finding,
                LABEL.c.user == actor.name,
                LABEL.c.removed_at.is_(None),
            )
            connection.execute(update(LABEL).where(same).values(removed_at=now))
        values: dict[str, Any] = {
            "result_id": result_id,
            "station": part.station,
            "user": actor.name,
            "truth": truth,
            "name": name,
            "finding": finding,
            "created_at": now,
        }
        connection.execute(insert(LABEL).values(x1=x1, y1=y1, x2=x2, y2=y2, **values))
        fields = {"truth": truth, "name": name, "box": list(box), "finding": finding}
        audit.append(connection, actor, "label", result_id, now, fields=fields)


def known_names(engine: Engine, station: str) -> tuple[str, ...]:
    """Names that people have given in this station, sorted; at most 100."""
    query = select(LABEL.c.name).where(LABEL.c.station == station, LABEL.c.removed_at.is_(None))
    with reading(engine) as connection:
        return tuple(sorted(connection.execute(query.distinct().limit(100)).scalars()))


def remove_label(engine: Engine, label: int, actor: Actor, now: datetime) -> None:
    """Take a mark back; nothing happens when it is gone already."""
    with storage_failures(engine.url), engine.begin() as connection:
        which = and_(LABEL.c.id == label, LABEL.c.removed_at.is_(None))
        row = connection.execute(select(LABEL).where(which)).first()
        if row is None:
            return
        connection.execute(update(LABEL).where(LABEL.c.id == label).values(removed_at=now))
        fields = {"truth": row.truth, "name": row.name, "box": [row.x1, row.y1, row.x2, row.y2]}
        audit.append(connection, actor, "unlabel", row.result_id, now, fields=fields)


def labels(
    engine: Engine,
    *,
    station: str | None = None,
    result_id: str | None = None,
    since: datetime | None = None,
) -> tuple[LabelView, ...]:
    """The marks that hold, oldest first."""
    query = select(LABEL).where(LABEL.c.removed_at.is_(None)).order_by(LABEL.c.id)
    query = query.where(*narrowed(LABEL, station, result_id, since))
    with reading(engine) as connection:
        return tuple(
            LabelView(
                row.id,
                row.result_id,
                row.station,
                row.user,
                row.truth,
                row.name,
                row.finding,
                (row.x1, row.y1, row.x2, row.y2),
                row.created_at,
            )
            for row in connection.execute(query)
        )
