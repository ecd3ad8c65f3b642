"""Parts counted by half an hour, and the indices of searches by verdict, cause and batch."""

import math
from collections import Counter
from datetime import UTC
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_UTC = sa.DateTime(timezone=True)
_CHUNK = 5000


def upgrade() -> None:
    tally = op.create_table(
        "tally",
        sa.Column("station", sa.String(32), nullable=False),
        sa.Column("start", _UTC, nullable=False),
        sa.Column("recipe_id", sa.String(32), nullable=False),
        sa.Column("recipe_version", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.String(32), nullable=False),
        sa.Column("is_simulated", sa.Boolean(), nullable=False),
        sa.Column("challenge", sa.String(8), nullable=False),
        sa.Column("is_first", sa.Boolean(), nullable=False),
        sa.Column("verdict", sa.String(8), nullable=False),
        sa.Column("cause", sa.String(32), nullable=False),
        sa.Column("is_late", sa.Boolean(), nullable=False),
        sa.Column("age_class", sa.Integer(), nullable=False),
        sa.Column("parts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "station",
            "start",
            "recipe_id",
            "recipe_version",
            "batch_id",
            "is_simulated",
            "challenge",
            "is_first",
            "verdict",
            "cause",
            "is_late",
            "age_class",
            name="pk_tally",
        ),
        sqlite_with_rowid=False,
    )
    op.drop_index("ix_inspection_verdict_created_at", "inspection")
    for name in ("verdict", "cause", "batch_id"):
        op.create_index(
            f"ix_inspection_station_{name}_created_at", "inspection", ["station", name, "created_at"]
        )
    _count_what_is_there(tally)


def _count_what_is_there(tally: sa.Table) -> None:
    """What the recorder does for new parts, for those that were recorded before."""
    names = ["station", "created_at", "recipe_id", "recipe_version", "batch_id", "is_simulated"]
    names += ["is_challenge", "challenge", "attempt", "verdict", "cause", "cause_code"]
    names += ["age_ms", "deadline_ms"]
    types: dict[str, sa.types.TypeEngine[Any]] = {
        "created_at": _UTC,
        "is_simulated": sa.Boolean(),
        "is_challenge": sa.Boolean(),
    }
    columns = [sa.column(name, types.get(name, sa.types.NullType())) for name in names]
    connection = op.get_bind()
    query = sa.select(*columns).select_from(sa.table("inspection", *columns))
    rows = connection.execute(query.execution_options(yield_per=_CHUNK))
    counts = Counter(_key(row) for row in rows.mappings())
    keys = [column.name for column in tally.primary_key.columns]
    waiting = [{**dict(zip(keys, key, strict=True)), "parts": n} for key, n in counts.items()]
    for first in range(0, len(waiting), _CHUNK):
        connection.execute(sa.insert(tally), waiting[first : first + _CHUNK])


def _key(row: sa.RowMapping) -> tuple[object, ...]:
    created, age, deadline = row["created_at"], row["age_ms"], row["deadline_ms"]
    # Databases without time zones hold UTC; the others are asked for it.
    if created.tzinfo is not None:
        created = created.astimezone(UTC)
    late = row["cause_code"] == 251 or (deadline is not None and age > deadline)
    return (
        row["station"],
        created.replace(minute=created.minute // 30 * 30, second=0, microsecond=0),
        row["recipe_id"],
        row["recipe_version"],
        row["batch_id"] or "",
        bool(row["is_simulated"]),
        (row["challenge"] or "unknown") if row["is_challenge"] else "",
        row["attempt"] == 1,
        row["verdict"],
        row["cause"],
        late,
        -12 if age <= 0 else min(max(math.floor(4 * math.log2(age)), -12), 100),
    )
