"""Alembic's entry: it runs the migrations on the connection that `upgrade` was given."""

from alembic import context

from linecert_service.store.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
