"""Runs alembic within one transaction of a psycopg connection, together with whatever else belongs to the upgrade."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from store.migrate import HEAD, Edition


@contextmanager
def upgrading(connection: psycopg.Connection[tuple[Any, ...]]) -> Iterator[Callable[[Edition], None]]:
    """A transaction on `connection`, committed at the end of the block; all of it is undone where the block fails.

    Yields what brings the tables to HEAD. Whatever was begun on the connection before is rolled back: SQLAlchemy does
    so when it gets to know a server.
    """
    engine = create_engine("postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool)
    config = Config()
    config.set_main_option("script_location", "store:migrations")

    def upgrade(edition: Edition) -> None:
        config.attributes["edition"] = edition
        command.upgrade(config, HEAD)

    try:
        with engine.connect() as alchemy, alchemy.begin():
            config.attributes["connection"] = alchemy
            yield upgrade
    except DBAPIError as error:
        raise error.orig or error from error  # the caller knows psycopg's errors, not SQLAlchemy's wrapping
