"""Verdicts of candidate recipes that judge beside the active one."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "shadow",
        sa.Column("id", _KEY, autoincrement=True, nullable=False),
        sa.Column("result_id", sa.String(32), nullable=False),
        sa.Column("station", sa.String(32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recipe_id", sa.String(32), nullable=False),
        sa.Column("recipe_version", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.String(8), nullable=False),
        sa.Column("cause", sa.String(32), nullable=False),
        sa.Column("station_version", sa.BigInteger(), nullable=False),
        sa.Column("station_verdict", sa.String(8), nullable=False),
        sa.Column("station_cause", sa.String(32), nullable=False),
        sa.Column("scores", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_shadow"),
    )
    op.create_index(
        "ix_shadow_station_recipe_id_recipe_version_id",
        "shadow",
        ["station", "recipe_id", "recipe_version", "id"],
    )
