"""How far pictures and scores have moved from their reference."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "drift",
        sa.Column("id", _KEY, autoincrement=True, nullable=False),
        sa.Column("station", sa.String(32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recipe_id", sa.String(32), nullable=False),
        sa.Column("recipe_version", sa.BigInteger(), nullable=False),
        sa.Column("measure", sa.String(48), nullable=False),
        sa.Column("health", sa.String(8), nullable=False),
        sa.Column("psi", sa.Float(), nullable=False),
        sa.Column("p_value", sa.Float(), nullable=False),
        sa.Column("reference", sa.String(32), nullable=False),
        sa.Column("reference_n", sa.Integer(), nullable=False),
        sa.Column("reference_median", sa.Float(), nullable=False),
        sa.Column("median", sa.Float(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_drift"),
    )
    op.create_index("ix_drift_station_at", "drift", ["station", "at"])
    op.create_index("ix_drift_station_measure_at", "drift", ["station", "measure", "at"])
