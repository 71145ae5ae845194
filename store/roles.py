"""The roles beside the owner: a writer for the collector and the nightly job, a reader for Grafana and for people."""

from typing import Any

import psycopg
from psycopg import sql

from store.database import Database
from store.errors import NokchartError
from store.migrate import run_schema

WRITER = "nokchart_writer"
READER = "nokchart_reader"

_EXISTS = "SELECT 1 FROM pg_roles WHERE rolname = %s"

Connection = psycopg.Connection[tuple[Any, ...]]


class RoleError(NokchartError):
    """The roles cannot be set up."""


def set_roles(database: Database, *, writer_password: str | None, reader_password: str | None) -> list[str]:
    """Makes the roles that have a password, or changes it, and gives those that exist their rights.

    Without a password a role is not made; one that the server's administrator has made still gets its rights. Safe to
    repeat. Returns the names of the roles that can be used now. RoleError where the owner may not do it.
    """
    ready = []
    with database.connect() as connection:
        for role, password in ((WRITER, writer_password), (READER, reader_password)):
            if password:
                _set_password(connection, role, password)
            if connection.execute(_EXISTS, (role,)).fetchone():
                run_schema(connection, "roles", f"{role.removeprefix('nokchart_')}_rights.sql")
                ready.append(role)
    return ready


def _set_password(connection: Connection, role: str, password: str) -> None:
    # Hashed on this side: a server that logs its statements never sees it.
    hashed = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    name = sql.Identifier(role)
    try:
        if connection.execute(_EXISTS, (role,)).fetchone() is None:
            connection.execute(sql.SQL("CREATE ROLE {}").format(name))
        connection.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(name, sql.Literal(hashed)))
        if role == READER:
            run_schema(connection, "roles", "reader_limits.sql")
    except psycopg.errors.InsufficientPrivilege as error:
        raise RoleError(
            f"The database user {connection.info.user} may not make the role {role} or set its password: have the "
            f"administrator run `ALTER ROLE {connection.info.user} CREATEROLE`, or make {role} there and leave "
            f"{role.removeprefix('nokchart_')}_password out; then run `nokchart db migrate` again."
        ) from error
