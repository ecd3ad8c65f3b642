"""Run by Alembic, on the connection that ``inspector.records.database.upgrade`` has opened."""

from alembic import context

from inspector.records import aggregates, audit, drift, labels, outbox, reviews, shadow  # noqa: F401  # their tables
from inspector.records.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,
    render_as_batch=True,  # SQLite can alter a table only by copying it
)
with context.begin_transaction():
    context.run_migrations()
