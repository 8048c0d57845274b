"""What Alembic runs: the steps, in the transaction of the connection that it was given."""

from __future__ import annotations

from alembic import context

from callgate.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    # SQLite changes a column by copying its table.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
