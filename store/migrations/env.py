"""Alembic's entry: it migrates on the connection that store.migrations.runner hands it."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
