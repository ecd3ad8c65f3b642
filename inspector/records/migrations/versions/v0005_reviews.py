"""Decisions of people, labels for training, claims, and the audit trail."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_UTC = sa.DateTime(timezone=True)
_REFUSED = "the audit trail is append-only"


def upgrade() -> None:
    op.create_table(
        "review",
        sa.Column("id", _KEY, autoincrement=True, nullable=False),
        sa.Column("result_id", sa.String(32), nullable=False),
        sa.Column("station", sa.String(32), nullable=False),
        sa.Column("user", sa.String(32), nullable=False),
        sa.Column("decision", sa.String(8), nullable=False),
        sa.Column("cause", sa.String(32), nullable=True),
        sa.Column("is_blind", sa.Boolean(), nullable=False),
        sa.Column("wants_second", sa.Boolean(), nullable=False),
        sa.Column("created_at", _UTC, nullable=False),
        sa.Column("undone_at", _UTC, nullable=True),
        sa.ForeignKeyConstraint(
            ["result_id"], ["inspection.result_id"], name="fk_review_result_id_inspection"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_review"),
    )
    op.create_index("ix_review_result_id", "review", ["result_id"])
    op.create_index("ix_review_station_created_at", "review", ["station", "created_at"])

    op.create_table(
        "label",
        sa.Column("id", _KEY, autoincrement=True, nullable=False),
        sa.Column("result_id", sa.String(32), nullable=False),
        sa.Column("station", sa.String(32), nullable=False),
        sa.Column("user", sa.String(32), nullable=False),
        sa.Column("truth", sa.String(8), nullable=False),
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("finding", sa.Integer(), nullable=True),
        sa.Column("x1", sa.Float(), nullable=False),
        sa.Column("y1", sa.Float(), nullable=False),
        sa.Column("x2", sa.Float(), nullable=False),
        sa.Column("y2", sa.Float(), nullable=False),
        sa.Column("created_at", _UTC, nullable=False),
        sa.Column("removed_at", _UTC, nullable=True),
        sa.ForeignKeyConstraint(
            ["result_id"], ["inspection.result_id"], name="fk_label_result_id_inspection"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_label"),
    )
    op.create_index("ix_label_result_id", "label", ["result_id"])
    op.create_index("ix_label_station_created_at", "label", ["station", "created_at"])

    op.create_table(
        "claim",
        sa.Column("result_id", sa.String(32), nullable=False),
        sa.Column("station", sa.String(32), nullable=False),
        sa.Column("user", sa.String(32), nullable=False),
        sa.Column("expires_at", _UTC, nullable=False),
        sa.ForeignKeyConstraint(
            ["result_id"], ["inspection.result_id"], name="fk_claim_result_id_inspection"
        ),
        sa.PrimaryKeyConstraint("result_id", name="pk_claim"),
    )

    op.create_table(
        "audit",
        sa.Column("id", _KEY, autoincrement=True, nullable=False),
        sa.Column("at", _UTC, nullable=False),
        sa.Column("user", sa.String(32), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_at", "audit", ["at"])
    op.create_index("ix_audit_action_at", "audit", ["action", "at"])
    _refuse_changes()


def _refuse_changes() -> None:
    backend = op.get_bind().dialect.name
    if backend == "sqlite":
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_refuses_{act.lower()} BEFORE {act} ON audit "
                f"BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END"
            )
    elif backend == "postgresql":
        op.execute(
            "CREATE FUNCTION audit_refuses() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{_REFUSED}'; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_refuses BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuses()"
        )
