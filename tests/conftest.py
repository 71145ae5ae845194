"""Databases for tests: an embedded server for the whole run, and a copy of one migrated database for each test."""

from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog
from hypothesis import settings
from psycopg import conninfo, sql

from store.database import Database, open_database
from store.embedded import EmbeddedServer
from tests.timescale.server import reset, timescale

# How long an example takes is the machine's affair.
settings.register_profile("patient", settings.default, deadline=None)
settings.load_profile("patient")

_TEMPLATE = "template_nokchart"
_numbers = count()


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user data folder, with a space and Korean in its path, that the whole run shares."""
    return tmp_path_factory.mktemp("home") / "녹 차트"


@pytest.fixture(scope="session")
def server(home: Path) -> Iterator[EmbeddedServer]:
    """The embedded server, with a migrated template database."""
    with EmbeddedServer(home / "postgres", durable=False) as running:
        with closing(psycopg.connect(running.dsn(), autocommit=True)) as admin:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_TEMPLATE)))
        with open_database(running.dsn(_TEMPLATE), home):
            pass
        yield running


@pytest.fixture
def plain_database(server: EmbeddedServer, home: Path) -> Iterator[Database]:
    """A migrated, empty database on plain PostgreSQL."""
    name = f"test_{next(_numbers)}"
    with closing(psycopg.connect(server.dsn(), autocommit=True)) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(_TEMPLATE)))
        try:
            with open_database(server.dsn(name), home) as database:
                yield database
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def plain_connection(plain_database: Database) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A connection to a migrated, empty database on plain PostgreSQL."""
    with plain_database.connect() as connection:
        yield connection


@pytest.fixture(scope="session")
def timescale_dsn() -> Iterator[str]:
    """A TimescaleDB; skips with a reason where there is none, except in CI."""
    with timescale() as dsn:
        yield dsn


@pytest.fixture
def empty_timescale(timescale_dsn: str) -> str:
    """The TimescaleDB with nothing in it."""
    reset(timescale_dsn)
    return conninfo.make_conninfo(timescale_dsn)


@pytest.fixture
def timescale_database(empty_timescale: str, home: Path) -> Iterator[Database]:
    """A migrated, empty database on TimescaleDB."""
    with open_database(empty_timescale, home) as database:
        yield database


@pytest.fixture(autouse=True)
def log_afresh() -> Iterator[None]:
    """A command that a test has run must not leave its log behind, with a stream that is closed by then."""
    yield
    structlog.reset_defaults()
