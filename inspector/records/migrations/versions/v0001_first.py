"""Inspections, findings, scores, evidence, station states and events."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_UTC = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "event",
        sa.Column("id", _KEY, autoincrement=True, nullable=False),
        sa.Column("station", sa.String(32), nullable=False),
        sa.Column("at", _UTC, nullable=False),
        sa.Column("level", sa.String(8), nullable=False),
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
    )
    op.create_index("ix_event_at", "event", ["at"])
    op.create_index("ix_event_station_at", "event", ["station", "at"])

    op.create_table(
        "inspection",
        sa.Column("id", _KEY, autoincrement=True, nullable=False),
        sa.Column("result_id", sa.String(32), nullable=False),
        sa.Column("station", sa.String(32), nullable=False),
        sa.Column("station_boot_id", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("plc_boot_id", sa.BigInteger(), nullable=False),
        sa.Column("trigger_id", sa.BigInteger(), nullable=False),
        sa.Column("part_id", sa.String(64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("batch_id", sa.String(32), nullable=True),
        sa.Column("product_id", sa.String(32), nullable=True),
        sa.Column("meas_id", sa.String(32), nullable=True),
        sa.Column("verdict", sa.String(8), nullable=False),
        sa.Column("cause", sa.String(32), nullable=False),
        sa.Column("cause_code", sa.Integer(), nullable=False),
        sa.Column("causes", sa.JSON(), nullable=False),
        sa.Column("result_state", sa.Integer(), nullable=False),
        sa.Column("is_partial", sa.Boolean(), nullable=False),
        sa.Column("is_simulated", sa.Boolean(), nullable=False),
        sa.Column("is_challenge", sa.Boolean(), nullable=False),
        sa.Column("challenge", sa.String(8), nullable=True),
        sa.Column("recipe_id", sa.String(32), nullable=False),
        sa.Column("recipe_version", sa.BigInteger(), nullable=False),
        sa.Column("recipe_hash", sa.String(16), nullable=False),
        sa.Column("model_hash", sa.String(16), nullable=False),
        sa.Column("created_at", _UTC, nullable=False),
        sa.Column("age_ms", sa.Float(), nullable=False),
        sa.Column("deadline_ms", sa.Float(), nullable=True),
        sa.Column("acquisition_ms", sa.Float(), nullable=False),
        sa.Column("processing_ms", sa.Float(), nullable=False),
        sa.Column("stages", sa.JSON(), nullable=False),
        sa.Column("source", sa.String(255), nullable=False),
        sa.Column("frame", sa.BigInteger(), nullable=False),
        sa.Column("image_width", sa.Integer(), nullable=True),
        sa.Column("image_height", sa.Integer(), nullable=True),
        sa.Column("part_box", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("findings_total", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_inspection"),
        sa.UniqueConstraint("result_id", name="uq_inspection_result_id"),
    )
    op.create_index("ix_inspection_created_at", "inspection", ["created_at"])
    op.create_index("ix_inspection_part_id_station", "inspection", ["part_id", "station"])
    op.create_index(
        "ix_inspection_recipe_id_recipe_version_created_at",
        "inspection",
        ["recipe_id", "recipe_version", "created_at"],
    )
    op.create_index("ix_inspection_station_created_at", "inspection", ["station", "created_at"])
    op.create_index("ix_inspection_station_id", "inspection", ["station", "id"])
    op.create_index("ix_inspection_verdict_created_at", "inspection", ["verdict", "created_at"])

    op.create_table(
        "station_state",
        sa.Column("station", sa.String(32), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("online", sa.Boolean(), nullable=False),
        sa.Column("health", sa.String(8), nullable=False),
        sa.Column("error_code", sa.Integer(), nullable=False),
        sa.Column("error_text", sa.Text(), nullable=False),
        sa.Column("clock_synced", sa.Boolean(), nullable=False),
        sa.Column("recipe_id", sa.String(32), nullable=False),
        sa.Column("recipe_version", sa.BigInteger(), nullable=False),
        sa.Column("boot_id", sa.BigInteger(), nullable=False),
        sa.Column("deadline_ms", sa.Float(), nullable=False),
        sa.Column("counters", sa.JSON(), nullable=False),
        sa.Column("cameras", sa.JSON(), nullable=False),
        sa.Column("updated_at", _UTC, nullable=False),
        sa.PrimaryKeyConstraint("station", name="pk_station_state"),
    )
    op.create_table(
        "evidence",
        sa.Column("result_id", sa.String(32), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("path", sa.String(255), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("station", sa.String(32), nullable=False),
        sa.Column("verdict", sa.String(8), nullable=False),
        sa.Column("created_at", _UTC, nullable=False),
        sa.Column("removed_at", _UTC, nullable=True),
        sa.ForeignKeyConstraint(
            ["result_id"], ["inspection.result_id"], name="fk_evidence_result_id_inspection"
        ),
        sa.PrimaryKeyConstraint("result_id", "name", name="pk_evidence"),
    )
    op.create_index(
        "ix_evidence_station_removed_at_verdict_created_at",
        "evidence",
        ["station", "removed_at", "verdict", "created_at"],
    )

    op.create_table(
        "finding",
        sa.Column("result_id", sa.String(32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("check_name", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("label", sa.String(32), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("x1", sa.Float(), nullable=False),
        sa.Column("y1", sa.Float(), nullable=False),
        sa.Column("x2", sa.Float(), nullable=False),
        sa.Column("y2", sa.Float(), nullable=False),
        sa.Column("expected_box", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["result_id"], ["inspection.result_id"], name="fk_finding_result_id_inspection"
        ),
        sa.PrimaryKeyConstraint("result_id", "position", name="pk_finding"),
    )
    op.create_index("ix_finding_check_name_label", "finding", ["check_name", "label"])

    op.create_table(
        "score",
        sa.Column("result_id", sa.String(32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("check_name", sa.String(32), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("review_threshold", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["result_id"], ["inspection.result_id"], name="fk_score_result_id_inspection"
        ),
        sa.PrimaryKeyConstraint("result_id", "position", name="pk_score"),
    )
    op.create_index("ix_score_check_name_score", "score", ["check_name", "score"])
