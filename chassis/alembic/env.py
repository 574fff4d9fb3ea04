"""Alembic's entry: run the revisions of one service on the connection that `chassis.migrations` hands over."""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes["metadata"],
    render_as_batch=False,
)
with context.begin_transaction():
    context.run_migrations()
