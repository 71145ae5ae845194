"""Roles: what the writer and the reader may do, and what not, on both editions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from store.database import Database, open_database
from store.jobs import NotTheOwner, run_due_jobs
from store.migrate import SchemaError
from store.roles import READER, WRITER, RoleError, set_roles
from store.status import read_status
from tests.analytics.sample import OPENED, add_broadcast, add_event
from tests.timescale.server import timescale

_DROP = "DO $$ BEGIN DROP OWNED BY {0}; DROP ROLE {0}; EXCEPTION WHEN undefined_object THEN END $$"


@pytest.fixture(scope="module")
def timescale_dsn() -> Iterator[str]:
    """A server of this module's own, for nothing else changes the rights of a whole database. After 1,900 other tests
    the only backend of the WebAssembly one missed its own changes of pg_database ("tuple concurrently deleted").
    """
    with timescale() as dsn:
        yield dsn


@pytest.fixture(params=["plain_database", "timescale_database"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database of either edition, without our roles before and after: they belong to the server."""
    found: Database = request.getfixturevalue(request.param)
    _drop_roles(found)
    yield found
    _drop_roles(found)


def _drop_roles(database: Database) -> None:
    with database.connect(autocommit=True) as connection:
        for role in (WRITER, READER):
            connection.execute(_DROP.format(role).encode())


def _made(database: Database) -> list[str]:
    return set_roles(database, writer_password="3f9a61c07be2", reader_password="b70cd2e95f31")


@contextmanager
def _as(database: Database, role: str) -> Iterator[psycopg.Connection[Any]]:
    with database.connect(autocommit=True) as connection:
        connection.execute(f"SET ROLE {role}".encode())
        try:
            yield connection
        finally:
            connection.execute("RESET ROLE")  # the WebAssembly server has one session for all


def _refused(connection: psycopg.Connection[Any], *statements: str) -> None:
    for statement in statements:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())


def test_without_passwords_no_role_is_made(database: Database) -> None:
    assert set_roles(database, writer_password=None, reader_password=None) == []
    with database.connect() as connection:
        assert connection.execute("SELECT FROM pg_roles WHERE rolname LIKE 'nokchart%'").fetchall() == []


def test_the_writer_writes_rows_and_changes_no_schema(database: Database) -> None:
    assert _made(database) == [WRITER, READER]
    assert _made(database) == [WRITER, READER]  # again
    with _as(database, WRITER) as connection:
        one = add_broadcast(connection)
        add_event(connection, one, OPENED)
        connection.execute("UPDATE broadcast SET title = 'x'")
        connection.execute("CREATE TEMPORARY TABLE mine (a integer)")
        connection.execute("DROP TABLE mine")
        assert connection.execute("SELECT chat_count FROM chat_1s").fetchall() == [(1,)]
        connection.execute("DELETE FROM event")
        _refused(
            connection,
            "CREATE TABLE theirs (a integer)",
            "DROP TABLE event",
            "UPDATE alembic_version SET version_num = '9999'",
            "DELETE FROM installation",
            "UPDATE retention SET keep_days = 7",
            "CREATE SCHEMA theirs",
        )


def test_the_reader_reads_and_nothing_else_whatever_it_sets(database: Database) -> None:
    _made(database)
    with database.connect() as connection:
        add_event(connection, add_broadcast(connection), OPENED)
    with _as(database, READER) as connection:
        for relation in ("event", "chat_1s", "chat_60s", "chat_300s", "chat_rate", "broadcast_overview"):
            assert len(connection.execute(f"TABLE {relation}".encode()).fetchall()) == 1
        assert connection.execute("SELECT reasons_text(ARRAY['3.1x usual'], 'ko')").fetchone() == ("평소의 3.1배",)
        connection.execute("SET default_transaction_read_only = off")
        _refused(
            connection,
            "INSERT INTO channel VALUES ('c')",
            "DELETE FROM event",
            "UPDATE broadcast SET title = 'x'",
            "TRUNCATE peak",
            "CREATE TABLE theirs (a integer)",
            "CREATE TEMPORARY TABLE theirs (a integer)",
            "SELECT lo_create(0)",
        )


def test_the_reader_is_limited(plain_database: Database) -> None:
    _drop_roles(plain_database)
    _made(plain_database)
    with plain_database.connect() as connection:
        row = connection.execute(
            "SELECT rolconnlimit, rolconfig FROM pg_roles WHERE rolname = %s", (READER,)
        ).fetchone()
    reader = Database({**plain_database.parameters, "user": READER}, plain_database.edition)
    with reader.connect() as connection:
        shown = [connection.execute(f"SHOW {name}".encode()).fetchone() for name in ("statement_timeout",)]
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("DELETE FROM event")
    assert read_status(reader)["edition"] == "postgresql"
    _drop_roles(plain_database)
    assert row is not None
    assert row[0] == 20
    assert "default_transaction_read_only=on" in row[1]
    assert shown == [("30s",)]


def test_rights_cover_what_is_made_later(database: Database) -> None:
    _made(database)
    with database.connect() as connection:
        connection.execute("CREATE TABLE later (a integer)")
    with _as(database, WRITER) as connection:
        connection.execute("INSERT INTO later VALUES (1)")
    with _as(database, READER) as connection:
        assert connection.execute("SELECT a FROM later").fetchall() == [(1,)]
        _refused(connection, "DELETE FROM later")


def test_a_password_is_changed_and_never_sent_in_clear(database: Database) -> None:
    def stored() -> str:
        with database.connect() as connection:
            row = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", (WRITER,)).fetchone()
        return str(row[0]) if row else ""

    sent: list[bytes] = []

    class Wire(psycopg.Connection[Any]):
        def execute(self, statement: Any, *rest: Any, **more: Any) -> Any:
            sent.append(statement.as_bytes(self) if hasattr(statement, "as_bytes") else str(statement).encode())
            return super().execute(statement, *rest, **more)

    class Listened(Database):
        def connect(self, **options: Any) -> Any:
            return Wire.connect(**self.parameters, **options)

    _made(database)
    first = stored()
    set_roles(Listened(database.parameters, database.edition), writer_password="an'other ; 한", reader_password=None)
    assert first.startswith("SCRAM-SHA-256$")
    assert stored().startswith("SCRAM-SHA-256$")
    assert stored() != first
    assert any(b"ALTER ROLE" in statement for statement in sent)
    assert not any(b"an'other" in statement or b"other ;" in statement for statement in sent)


def test_an_owner_without_createrole_is_told_what_to_do(plain_database: Database) -> None:
    _drop_roles(plain_database)
    with plain_database.connect(autocommit=True) as connection:
        connection.execute("CREATE ROLE mere_owner LOGIN")
    try:
        mere = Database({**plain_database.parameters, "user": "mere_owner"}, plain_database.edition)
        with pytest.raises(RoleError, match="`ALTER ROLE mere_owner CREATEROLE`") as caught:
            _made(mere)
        assert "3f9a61c07be2" not in str(caught.value)
    finally:
        with plain_database.connect(autocommit=True) as connection:
            connection.execute("DROP ROLE mere_owner")


def test_a_writer_uses_what_is_migrated_and_is_refused_what_is_not(plain_database: Database, home: Path) -> None:
    _drop_roles(plain_database)
    _made(plain_database)
    writer = Database({**plain_database.parameters, "user": WRITER}, plain_database.edition)
    with open_database(writer.url, home) as opened:
        assert opened.edition == "postgresql"
    with plain_database.connect() as connection:
        connection.execute("UPDATE installation SET definitions = 'of an older version'")
    with pytest.raises(SchemaError, match="run `nokchart db migrate` once as the owner"):
        open_database(writer.url, home).__enter__()
    _drop_roles(plain_database)


def test_only_who_owns_the_jobs_may_run_them(timescale_database: Database) -> None:
    _drop_roles(timescale_database)
    _made(timescale_database)
    as_writer = replace(timescale_database, parameters=timescale_database.parameters | {"options": f"-c role={WRITER}"})
    with timescale_database.connect(autocommit=True) as connection:
        connection.execute("SELECT alter_job(job_id, next_start => now() - INTERVAL '30 days') FROM job")
    with _as(timescale_database, WRITER), pytest.raises(NotTheOwner):
        list(run_due_jobs(as_writer))
    _drop_roles(timescale_database)
