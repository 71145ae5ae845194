"""A database that the tests of one module share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from store.database import Database, open_database
from store.embedded import EmbeddedServer


@pytest.fixture(scope="module")
def shared_database(server: EmbeddedServer, home: Path) -> Iterator[Database]:
    """A migrated database on plain PostgreSQL."""
    name = sql.Identifier("shared_by_a_module")
    with closing(psycopg.connect(server.dsn(), autocommit=True)) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(name))
        try:
            with open_database(server.dsn("shared_by_a_module"), home) as database:
                yield database
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
