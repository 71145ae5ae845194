"""The schema: tables by version, views and policies by content, the right ones for the server's edition."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal, TypeVar

import psycopg
from psycopg.rows import tuple_row

import sql
from store.errors import NokchartError

Edition = Literal["timescaledb", "postgresql"]

_Result = TypeVar("_Result")

# The newest revision under migrations/versions; a test holds the two together.
HEAD = "0004"

_LICENCE = "SELECT current_setting('timescaledb.license', true)"

# Of two processes that start at once, one migrates and the other waits: any number will do, as long as it stays.
_LOCK = 6_055_001

_VIEWS: dict[Edition, tuple[str, ...]] = {
    "timescaledb": ("replaced", "views", "timescale_views", "timescale_policies"),
    "postgresql": ("replaced", "plain", "views"),
}


class SchemaError(NokchartError):
    """The database's schema cannot be used."""


def migrate(connection: psycopg.Connection[tuple[Any, ...]]) -> Edition:
    """Brings the schema to this version of NokChart, and says which edition the database is.

    All or nothing, and safe when several processes start at once. SchemaError where the schema is newer than this
    program, or where the user may not create it.
    """
    try:
        edition = _current(connection)
        return beside_jobs(lambda: _install(connection)) if edition is None else edition
    except (psycopg.errors.DuplicateTable, psycopg.errors.DuplicateObject) as error:
        raise SchemaError(
            f"The database has something of another program in it ({error.diag.message_primary}): "
            "give NokChart a database of its own, and name it in database_url."
        ) from error
    except psycopg.errors.DependentObjectsStillExist as error:
        raise SchemaError(
            f"NokChart's views cannot be renewed ({' '.join(str(error.diag.message_detail).split())}): drop what was "
            "built on them, run `nokchart db migrate`, and make it again."
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise SchemaError(
            f"The database user may not set up NokChart's tables ({error.diag.message_primary}): "
            "run `nokchart db migrate` once as the owner of the database."
        ) from error


def migrated_edition(connection: psycopg.Connection[tuple[Any, ...]]) -> Edition:
    """The edition of a database that is only read. SchemaError where its tables are not those of this program."""
    try:
        version = installed_version(connection)
        if version is not None and version > HEAD:
            raise SchemaError(_newer(version))
        if version != HEAD:
            raise SchemaError(
                f"The database has {'no tables of NokChart' if version is None else f'an older schema ({version})'}: "
                "run `nokchart db migrate` as its owner."
            )
        return _installed_edition(connection)
    except psycopg.errors.InsufficientPrivilege as error:
        raise SchemaError(
            f"The database user may not read NokChart's tables ({error.diag.message_primary}): "
            "run `nokchart db migrate` as the owner, with a password for nokchart_reader."
        ) from error


def installed_version(connection: psycopg.Connection[tuple[Any, ...]]) -> str | None:
    """The revision of the tables in the database, or None where there are none."""
    row = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
    if row is None or not row[0]:
        return None
    version = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if version is None else str(version[0])


def beside_jobs(transaction: Callable[[], _Result]) -> _Result:
    """Runs a transaction that makes TimescaleDB's jobs anew, again where one of them was just running.

    Who removes a job waits for its run to end, which may wait for the same tables: PostgreSQL ends one of the two.
    """
    for _ in range(5):
        with suppress(psycopg.errors.DeadlockDetected):
            return transaction()
    return transaction()


def run_schema(connection: Any, kind: str, only: str | None = None) -> None:
    """Executes the files under sql/schema/`kind`, or the one called `only`, on a psycopg connection."""
    for name, text in sql.schema_files(kind):
        if only is None or name == only:
            # Without parameters psycopg sends the file as it is: several statements, and % signs, are fine.
            connection.execute(text.encode())


def detect_edition(connection: psycopg.Connection[tuple[Any, ...]]) -> Edition:
    """'timescaledb' where its continuous aggregates can be used, else 'postgresql'.

    TimescaleDB under the Apache licence has no continuous aggregates: it counts as plain PostgreSQL.
    """
    available = connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'").fetchone()
    if available is None:
        return "postgresql"
    try:
        with connection.transaction():
            connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState):
        # Not ours to create, or not preloaded by the server: without it NokChart works all the same.
        return "postgresql"
    return "timescaledb" if licence(connection) == "timescale" else "postgresql"


def licence(connection: psycopg.Connection[Any]) -> str | None:
    """The licence of the database's TimescaleDB, 'timescale' or 'apache'; None where it has none."""
    row = connection.cursor(row_factory=tuple_row).execute(_LICENCE).fetchone()
    return None if row is None else row[0]


def _current(connection: psycopg.Connection[tuple[Any, ...]]) -> Edition | None:
    """The edition, where tables and definitions are already those of this program; None where there is work to do."""
    version = installed_version(connection)
    if version is None:
        return None
    if version > HEAD:
        raise SchemaError(_newer(version))
    if version < HEAD:
        return None
    row = connection.execute("SELECT edition, definitions FROM installation").fetchone()
    if row is None or row[1] != _digest(row[0]):
        return None
    edition: Edition = row[0]
    return edition


def _install(connection: psycopg.Connection[tuple[Any, ...]]) -> Edition:
    from store.migrations.runner import upgrading  # alembic takes half a second to import, and is needed once

    # Tables, views and policies are one transaction: an upgrade that fails leaves everything as it was.
    with upgrading(connection) as upgrade:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        if (edition := _current(connection)) is not None:
            return edition  # somebody else did it while we waited
        fresh = installed_version(connection) is None
        edition = detect_edition(connection) if fresh else _installed_edition(connection)
        upgrade(edition)
        for kind in _VIEWS[edition]:
            run_schema(connection, kind)
        connection.execute("UPDATE installation SET definitions = %s", (_digest(edition),))
        return edition


def _newer(version: str) -> str:
    return (
        f"The database's schema ({version}) is newer than this NokChart knows ({HEAD}): update NokChart, "
        "or point database_url at another database."
    )


def _installed_edition(connection: psycopg.Connection[tuple[Any, ...]]) -> Edition:
    row = connection.execute("SELECT edition FROM installation").fetchone()
    if row is None:
        raise SchemaError("The database's schema is incomplete (installation is empty): restore it from a backup.")
    edition: Edition = row[0]
    return edition


def _digest(edition: Edition) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for kind in _VIEWS[edition]:
        for name, text in sql.schema_files(kind):
            digest.update(f"{name}\x00{text}\x00".encode())
    return digest.hexdigest()
