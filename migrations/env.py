"""Alembic's entry: run migrations over the connection that `SqlCatalog.upgrade` hands in."""

from __future__ import annotations

from alembic import context

from datahub.adapters.catalog_sql import account_tables  # noqa: F401  puts tables there
from datahub.adapters.catalog_sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
    compare_server_default=True,
    render_as_batch=True,  # SQLite cannot alter a table in place
)
context.run_migrations()
