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
from store.migrate import HEAD, Edition, SchemaError, detect_edition, installed_version, migrate, run_schema
from store.migrations import runner
from store.status import read_status
from store.upkeep import edition_text
from tests.analytics.sample import table_counts

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


@pytest.fixture(params=["postgresql", "timescaledb"])
def edition_and_dsn(request: pytest.FixtureRequest) -> tuple[Edition, str]:
    """An empty database of each edition."""
    fixture = "empty_database" if request.param == "postgresql" else "empty_timescale"
    return request.param, request.getfixturevalue(fixture)


# A row for each table of the first version, and for what the next ones brought.
_ROWS = {
    "0001": """
        INSERT INTO channel (channel_id) VALUES ('c');
        INSERT INTO broadcast (stream_id, channel_id, opened_at) VALUES ('s', 'c', '2026-01-06 20:00+09');
        INSERT INTO event (ts, broadcast_id, kind, event_key, user_id, content, source)
        VALUES ('2026-01-06 20:30+09', 1, 'chat', 1, 'u', '가', 'live'),
            ('2026-01-06 20:20+09', 1, 'system', 2, NULL, '나', 'live');
        INSERT INTO rejected_item (broadcast_id, received_at, source, reason, raw) VALUES (1, now(), 'live', 'x', 'y');
        INSERT INTO viewer_sample VALUES ('2026-01-06 20:01+09', 1, 5);
        INSERT INTO broadcast_change VALUES ('2026-01-06 20:01+09', 1, 'a', 'b');
        INSERT INTO connection VALUES (gen_random_uuid(), 1, '2026-01-06 20:00+09');
        INSERT INTO gap (gap_id, broadcast_id, from_ts, to_ts, cause)
        VALUES (gen_random_uuid(), 1, '2026-01-06 20:10+09', '2026-01-06 20:11+09', 'close 1006');
        INSERT INTO peak VALUES (1, 'volume', 1, 0, 1, 0, 1, 1, false, '{}');
        INSERT INTO collector_status (collector_id, started_at, heartbeat_at, channels, live, events, rejected, queued)
        VALUES ('a', now(), now(), 1, 1, 1, 0, 0);
    """,
    "0002": "INSERT INTO channel_lease (channel_id, collector_id, expires_at) VALUES ('c', 'a', now())",
    "0003": "INSERT INTO broadcast_total VALUES (1, 1, 0, 0, 1, '2026-01-06 20:30+09', '2026-01-06 21:00+09')",
}


def _at_version(dsn: str, edition: Edition, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the tables of an earlier version, with a row in each."""
    with monkeypatch.context() as old, psycopg.connect(dsn) as connection:
        old.setattr(runner, "HEAD", version)
        with runner.upgrading(connection) as upgrade:
            if edition == "timescaledb":
                detect_edition(connection)
            upgrade(edition)
    with psycopg.connect(dsn) as connection:
        for since, rows in _ROWS.items():
            if since <= version:
                connection.execute(rows.encode())
        if edition == "timescaledb":
            connection.execute(
                "SELECT add_continuous_aggregate_policy('chat_1s', INTERVAL '3 days', INTERVAL '1 minute', '1 minute')"
            )


def _state(dsn: str) -> dict[str, Any]:
    """All that an upgrade may change: relations, definitions, policies, and how much is in the tables."""
    with psycopg.connect(dsn) as connection:
        views = connection.execute(
            "SELECT viewname, definition FROM pg_views WHERE schemaname = 'public' ORDER BY viewname"
        ).fetchall()
        jobs: list[Any] = []
        if connection.execute("SELECT to_regclass('timescaledb_information.jobs') IS NOT NULL").fetchone() == (True,):
            jobs = connection.execute(
                "SELECT job_id, proc_name, schedule_interval, config FROM timescaledb_information.jobs "
                "WHERE job_id >= 1000 ORDER BY job_id"
            ).fetchall()
        columns = connection.execute(
            "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns "
            "WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
        ).fetchall()
        version = installed_version(connection)
        rows = table_counts(connection) if version else {}
        installation = connection.execute("SELECT * FROM installation").fetchall() if version else []
    return {
        "version": version,
        "relations": _relations(dsn),
        "columns": columns,
        "views": views,
        "jobs": jobs,
        "installation": installation,
        "rows": rows,
    }


@pytest.mark.parametrize("version", ["0001", "0002", "0003"])
def test_an_upgrade_keeps_what_is_there(
    edition_and_dsn: tuple[Edition, str], version: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edition, dsn = edition_and_dsn
    _at_version(dsn, edition, version, monkeypatch)
    rows = _state(dsn)["rows"]
    assert all(count >= 1 for count in rows.values()), rows
    with open_database(dsn, home) as database, database.connect() as connection:
        assert database.edition == edition
        assert installed_version(connection) == HEAD
        after = table_counts(connection)
        assert rows.items() <= after.items()
        overview = connection.execute("SELECT stream_id, chats, missing_sec, duration_sec FROM broadcast_overview")
        assert overview.fetchall() == [("s", 1, 60.0, 1800.0)]
        assert connection.execute("SELECT sum(chat_count) FROM chat_1s").fetchone() == (1,)
        assert connection.execute("SELECT sum(chat_count) FROM chat_300s").fetchone() == (1,)
        assert connection.execute("SELECT dropped FROM collector_status").fetchall() == [(0,)]
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(
                "INSERT INTO broadcast (stream_id, channel_id, opened_at) VALUES ('t', 'c', '2026-01-06 20:00+09')"
            )


@pytest.mark.parametrize("version", [None, "0001", "0002", "0003"])
def test_an_upgrade_that_fails_in_its_last_step_leaves_the_old_state(
    edition_and_dsn: tuple[Edition, str],
    version: str | None,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    edition, dsn = edition_and_dsn
    if version is not None:
        _at_version(dsn, edition, version, monkeypatch)
    before = _state(dsn)
    last = {"postgresql": "views", "timescaledb": "timescale_policies"}[edition]

    def broken(connection: Any, kind: str, only: str | None = None) -> None:
        run_schema(connection, kind, only)
        if kind == last:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, psycopg.connect(dsn) as connection:
        patched.setattr("store.migrate.run_schema", broken)
        with pytest.raises(KeyboardInterrupt):
            migrate(connection)
    assert _state(dsn) == before
    with open_database(dsn, home) as database, database.connect() as connection:
        assert installed_version(connection) == HEAD


def test_a_table_in_the_way_leaves_the_old_state(
    empty_database: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _at_version(empty_database, "postgresql", "0001", monkeypatch)
    with psycopg.connect(empty_database) as connection:
        connection.execute("CREATE TABLE channel_lease ()")  # what the upgrade is about to make
    before = _state(empty_database)
    with pytest.raises(SchemaError, match="channel_lease"):
        open_database(empty_database, home).__enter__()
    assert _state(empty_database) == before
    with psycopg.connect(empty_database) as connection:
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
