"""Migrations: fresh, repeated, interrupted, concurrent, refused; on both editions where they differ."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

import sql
from store.database import Database, open_database
from store.embedded import EmbeddedServer
from store.migrate import HEAD, SchemaError, detect_edition, installed_version, migrate, run_schema
from store.migrations import runner
from store.status import read_status
from store.upkeep import edition_text

_numbers = count()


@pytest.fixture
def empty_database(server: EmbeddedServer) -> Iterator[str]:
    """The address of a database with nothing in it."""
    name = f"empty_{next(_numbers)}"
    with closing(psycopg.connect(server.dsn(), autocommit=True)) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
        try:
            yield server.dsn(name)
        finally:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _relations(dsn: str) -> dict[str, str]:
    """Every relation and function of ours with what it is."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "SELECT relname, relkind::text FROM pg_class WHERE relnamespace = 'public'::regnamespace UNION ALL "
            "SELECT proname, 'f' FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prolang <> 13"
        ).fetchall()
    return dict(rows)


def test_head_is_alembics_head() -> None:
    config = Config()
    config.set_main_option("script_location", "store:migrations")
    script = ScriptDirectory.from_config(config)
    assert script.get_heads() == [HEAD]
    # each revision has its file, and a file that nobody runs is a mistake
    files = {name for name, _ in sql.schema_files("tables")}
    assert len(files) == len(list(script.walk_revisions()))


def test_an_upgrade_keeps_what_is_there(empty_database: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first version, with a broadcast, its gaps and what was rejected."""
    monkeypatch.setattr(runner, "HEAD", "0001")
    with psycopg.connect(empty_database) as connection:
        runner.upgrade(connection, "postgresql")
        connection.execute(
            """
            INSERT INTO channel (channel_id) VALUES ('c');
            INSERT INTO broadcast (stream_id, channel_id, opened_at) VALUES ('s', 'c', '2026-01-06 20:00+09');
            INSERT INTO gap (gap_id, broadcast_id, from_ts, to_ts, cause)
            VALUES (gen_random_uuid(), 1, '2026-01-06 20:10+09', '2026-01-06 20:11+09', 'close 1006');
            INSERT INTO event (ts, broadcast_id, kind, event_key, content, source)
            VALUES ('2026-01-06 20:30+09', 1, 'chat', 1, '가', 'live');
            INSERT INTO rejected_item (broadcast_id, received_at, source, reason, raw)
            VALUES (1, now(), 'live', 'x', 'y');
            INSERT INTO collector_status (
                collector_id, started_at, heartbeat_at, channels, live, events, rejected, queued
            )
            VALUES ('a', now(), now(), 1, 1, 1, 0, 0);
            """
        )
    monkeypatch.undo()
    with open_database(empty_database, home) as database, database.connect() as connection:
        assert installed_version(connection) == HEAD
        overview = connection.execute("SELECT stream_id, chats, missing_sec, duration_sec FROM broadcast_overview")
        assert overview.fetchall() == [("s", 1, 60.0, 1800.0)]
        kept = connection.execute("SELECT (SELECT count(*) FROM rejected_item), dropped FROM collector_status")
        assert kept.fetchall() == [(1, 0)]
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(
                "INSERT INTO broadcast (stream_id, channel_id, opened_at) VALUES ('t', 'c', '2026-01-06 20:00+09')"
            )


def test_a_failed_upgrade_leaves_the_old_state(
    empty_database: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as old, psycopg.connect(empty_database) as connection:
        old.setattr(runner, "HEAD", "0001")
        runner.upgrade(connection, "postgresql")
        connection.execute("CREATE TABLE channel_lease ()")  # what the upgrade is about to make
    before = _relations(empty_database)
    with pytest.raises(SchemaError, match="channel_lease"):
        open_database(empty_database, home).__enter__()
    assert _relations(empty_database) == before
    with psycopg.connect(empty_database) as connection:
        assert installed_version(connection) == "0001"
        connection.execute("DROP TABLE channel_lease")
    with open_database(empty_database, home) as database, database.connect() as connection:
        assert installed_version(connection) == HEAD


def test_a_second_migration_changes_nothing(empty_database: str, home: Path) -> None:
    with open_database(empty_database, home) as database:
        assert database.edition == "postgresql"
    first = _relations(empty_database)
    assert {"event", "chat_1s", "chat_60s", "chat_300s", "broadcast_overview", "chat_rate", "peak"} <= set(first)
    with psycopg.connect(empty_database) as connection:
        assert migrate(connection) == "postgresql"
        assert installed_version(connection) == HEAD
    assert _relations(empty_database) == first


def test_of_several_that_start_at_once_one_migrates(empty_database: str, home: Path) -> None:
    def start(_: int) -> str:
        with open_database(empty_database, home) as database:
            return database.edition

    code = "import sys, pathlib; from store.database import open_database\n"
    code += "with open_database(sys.argv[1], pathlib.Path(sys.argv[2])) as database: print(database.edition)"
    command = [sys.executable, "-c", code, empty_database, str(home)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    with ThreadPoolExecutor(6) as threads:
        editions = list(threads.map(start, range(6)))
    editions += [child.communicate(timeout=30)[0].strip() for child in children]
    assert editions == ["postgresql"] * 8
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT count(*) FROM installation").fetchone() == (1,)


def test_a_newer_schema_is_refused_and_left_alone(plain_database: Database, home: Path) -> None:
    with plain_database.connect() as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = _relations(plain_database.url)
    with pytest.raises(SchemaError, match=r"\(9999\) is newer than this NokChart knows \(0*\d+\): update NokChart"):
        open_database(plain_database.url, home).__enter__()
    assert _relations(plain_database.url) == before


def test_an_interruption_between_tables_and_views_is_repaired(
    empty_database: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(connection: Any, kind: str, only: str | None = None) -> None:
        if kind != "tables":
            raise KeyboardInterrupt
        run_schema(connection, kind, only)

    with monkeypatch.context() as patched:
        patched.setattr("store.migrate.run_schema", killed)
        with psycopg.connect(empty_database) as connection, pytest.raises(KeyboardInterrupt):
            migrate(connection)
    assert "event" in _relations(empty_database)
    assert "broadcast_overview" not in _relations(empty_database)
    with open_database(empty_database, home):
        pass
    assert "broadcast_overview" in _relations(empty_database)


def test_definitions_are_replaced_when_they_differ(plain_database: Database, home: Path) -> None:
    with plain_database.connect() as connection:
        connection.execute("DROP VIEW chat_rate")
        connection.execute("CREATE VIEW chat_rate AS SELECT 1 AS another_shape")
        connection.execute("DROP FUNCTION root_scale(double precision)")
        connection.execute("UPDATE installation SET definitions = 'of an older version'")
    with open_database(plain_database.url, home) as database, database.connect() as connection:
        columns = [column.name for column in connection.execute("SELECT * FROM chat_rate").description or []]
        assert "chats_per_minute" in columns
        assert connection.execute("SELECT root_scale(1)").fetchone() is not None


def test_what_others_built_on_the_views_is_not_dropped(plain_database: Database, home: Path) -> None:
    with plain_database.connect() as connection:
        connection.execute("CREATE VIEW mine AS SELECT * FROM broadcast_overview")
        connection.execute("UPDATE installation SET definitions = 'of an older version'")
    with pytest.raises(SchemaError, match=r"mine.*make it again") as caught:
        open_database(plain_database.url, home).__enter__()
    assert "\n" not in str(caught.value)
    assert {"mine", "broadcast_overview"} <= set(_relations(plain_database.url))


def test_a_database_of_another_program_is_refused(empty_database: str, home: Path) -> None:
    with psycopg.connect(empty_database) as connection:
        connection.execute("CREATE TABLE channel (id int)")
    with pytest.raises(SchemaError, match=r'relation "channel" already exists.*a database of its own'):
        open_database(empty_database, home).__enter__()
    assert set(_relations(empty_database)) <= {"channel", "alembic_version", "alembic_version_pkc"}


def test_a_user_without_rights_is_told_what_to_do(empty_database: str, home: Path) -> None:
    with psycopg.connect(empty_database) as connection:
        connection.execute("DO $$ BEGIN CREATE ROLE guest LOGIN; EXCEPTION WHEN duplicate_object THEN END $$")
    with pytest.raises(SchemaError, match="run `nokchart db migrate` once as the owner"):
        open_database(f"{empty_database}&user=guest", home).__enter__()


class Apache:
    """A connection to a TimescaleDB under the Apache licence, as far as its licence goes."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self.transaction = connection.transaction

    def execute(self, statement: str) -> Any:
        return self._connection.execute(statement)

    def cursor(self, **options: Any) -> Any:
        return _Answer()


class _Answer:
    def execute(self, statement: str) -> "_Answer":
        assert "timescaledb.license" in statement
        return self

    def fetchone(self) -> tuple[str]:
        return ("apache",)


def test_timescaledb_fresh_twice_and_under_the_apache_licence(timescale_database: Database, home: Path) -> None:
    assert timescale_database.edition == "timescaledb"
    before = _relations(timescale_database.url)
    with open_database(timescale_database.url, home) as again:
        assert again.edition == "timescaledb"
    assert _relations(timescale_database.url) == before
    with timescale_database.connect() as connection:
        connection.execute("UPDATE installation SET definitions = 'of an older version'")
    with open_database(timescale_database.url, home) as again, again.connect() as connection:
        jobs = connection.execute(
            "SELECT count(*) FROM timescaledb_information.jobs WHERE proc_name = 'policy_refresh_continuous_aggregate'"
        ).fetchone()
        assert jobs == (3,)
        assert detect_edition(connection) == "timescaledb"
        apache: Any = Apache(connection)
        assert detect_edition(apache) == "postgresql"


def test_a_person_is_told_why_a_timescaledb_is_used_as_plain(plain_database: Database) -> None:
    assert edition_text(plain_database) == "postgresql"
    with plain_database.connect() as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE \"{name}\" SET timescaledb.license = 'apache'")
    assert "Apache licence" in edition_text(plain_database)
    assert "Apache licence" in read_status(plain_database)["edition"]
