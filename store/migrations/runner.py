"""Runs alembic inside the transaction and connection that the caller already holds."""

from typing import Any

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from store.migrate import HEAD, Edition


def upgrade(connection: psycopg.Connection[tuple[Any, ...]], edition: Edition) -> None:
    """Brings the tables to HEAD for `edition`, and commits. The caller holds the lock of the schema."""
    config = Config()
    config.set_main_option("script_location", "store:migrations")
    config.attributes["edition"] = edition
    engine = create_engine("postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool)
    try:
        with engine.connect() as alchemy:
            config.attributes["connection"] = alchemy
            command.upgrade(config, HEAD)
            alchemy.commit()
    except DBAPIError as error:
        raise error.orig or error from error  # the caller knows psycopg's errors, not SQLAlchemy's wrapping
