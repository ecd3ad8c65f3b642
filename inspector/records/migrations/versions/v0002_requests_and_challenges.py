"""Requests to a running station, and challenge runs."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_UTC = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "request",
        sa.Column("id", _KEY, autoincrement=True, nullable=False),
        sa.Column("station", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.Column("user", sa.String(64), nullable=False),
        sa.Column("requested_at", _UTC, nullable=False),
        sa.Column("taken_at", _UTC, nullable=True),
        sa.Column("done_at", _UTC, nullable=True),
        sa.Column("outcome", sa.String(16), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_request"),
    )
    op.create_index("ix_request_station_taken_at", "request", ["station", "taken_at"])

    op.create_table(
        "challenge",
        sa.Column("id", _KEY, autoincrement=True, nullable=False),
        sa.Column("station", sa.String(32), nullable=False),
        sa.Column("at", _UTC, nullable=False),
        sa.Column("operator", sa.String(64), nullable=False),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("request_id", sa.BigInteger(), nullable=True),
        sa.Column("recipe_id", sa.String(32), nullable=False),
        sa.Column("recipe_version", sa.BigInteger(), nullable=False),
        sa.Column("recipe_hash", sa.String(16), nullable=False),
        sa.Column("model_hash", sa.String(16), nullable=False),
        sa.Column("good_in_review", sa.Integer(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_challenge"),
    )
    op.create_index("ix_challenge_station_id", "challenge", ["station", "id"])
    op.create_index("ix_challenge_request_id", "challenge", ["request_id"])

    op.create_table(
        "challenge_part",
        sa.Column("challenge_id", _KEY, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("expected", sa.String(8), nullable=False),
        sa.Column("verdict", sa.String(8), nullable=False),
        sa.Column("cause", sa.String(32), nullable=False),
        sa.Column("as_expected", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["challenge_id"], ["challenge.id"], name="fk_challenge_part_challenge_id_challenge"
        ),
        sa.PrimaryKeyConstraint("challenge_id", "position", name="pk_challenge_part"),
    )
