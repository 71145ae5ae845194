"""Backups: every row comes back, into either edition, and what is no whole backup changes nothing."""

import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from store.archive import Archive, BackupError, writing_archive
from store.backup import TABLES, back_up, digest_of, snapshot
from store.database import Database, database_beside, open_database
from store.embedded import EmbeddedServer
from store.migrate import HEAD
from store.restore import merge_broadcast, restore_all, try_restore
from tests.analytics.sample import OPENED, add_broadcast, add_event
from tests.timescale.server import reset

_numbers = count()
_HOSTILE = ["", "\\N", "\\.", '"', "a,b;c\t", "줄\n바꿈\r\n", "'; DROP TABLE event; --", "\u202e🦝", "%s {0}", None]


def _quiet(relation: str, rows: int) -> None: ...


@pytest.fixture
def other_plain(server: EmbeddedServer, home: Path) -> Iterator[Database]:
    """A second migrated, empty database on plain PostgreSQL."""
    name = f"other_{next(_numbers)}"
    with closing(psycopg.connect(server.dsn(), autocommit=True)) as admin:
        admin.execute(f'CREATE DATABASE "{name}"'.encode())
        try:
            with open_database(server.dsn(name), home) as database:
                yield database
        finally:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def _fill(database: Database, broadcasts: int = 3) -> None:
    """Rows in every table, with text that breaks what can be broken."""
    with database.connect() as connection:
        for number in range(broadcasts):
            opened = OPENED + timedelta(days=number)
            one = add_broadcast(connection, channel_id=f"{number:032x}", name=_HOSTILE[number + 3], opened_at=opened)
            for second, text in enumerate(_HOSTILE):
                connection.execute(
                    "INSERT INTO event VALUES (%s, %s, 'chat', %s, 'u', %s, %s, NULL, false, 'live', now(), %s::jsonb)",
                    (opened + timedelta(seconds=second), one, second, text, text, '{"a": "\\"\\n"}' if text else None),
                )
            for statement in (
                "INSERT INTO viewer_sample VALUES (now(), %s, 5)",
                "INSERT INTO broadcast_change VALUES (now(), %s, 'a', NULL)",
                "INSERT INTO connection VALUES (gen_random_uuid(), %s, now())",
                "INSERT INTO gap VALUES (gen_random_uuid(), %s, now(), NULL, 'x')",
                "INSERT INTO peak VALUES (%s, 'volume', 1, 0, 1, 0, 1, 1 / 3.0, false, ARRAY['a,b', '\"', ''])",
                "INSERT INTO rejected_item (broadcast_id, received_at, source, reason, raw, item_id) "
                "VALUES (%s, now(), 'live', 'x', '{\"y\": \"\\u0000\"}', gen_random_uuid())",
                "INSERT INTO broadcast_total VALUES (%s, 5, 0, 0, 1, NULL, now())",
                "INSERT INTO video_part VALUES (%s, 7, 0, now(), now() + INTERVAL '1 hour')",
            ):
                connection.execute(statement.encode(), (one,))
        connection.execute("INSERT INTO rejected_item (received_at, source, reason, raw) VALUES (now(), 'l', 'x', 'y')")
        connection.execute("UPDATE retention SET keep_days = 0 WHERE relation = 'event'")
        connection.execute(
            "INSERT INTO collector_status (collector_id, started_at, heartbeat_at, channels, live, events, rejected, "
            "queued) VALUES ('c', now(), now(), 1, 1, 1, 0, 0)"
        )
        connection.execute("INSERT INTO channel_lease VALUES ('c', 'd', true, now(), now())")


def _rows(database: Database, *more: str) -> dict[str, tuple[int, str]]:
    with snapshot(database) as connection:
        found = {}
        for relation in (*TABLES, *more):
            listed = connection.execute(f"TABLE {relation} LIMIT 0".encode()).description or []
            digest = digest_of(connection, relation, [column.name for column in listed], None)
            found[relation] = (digest.rows, digest.text())
    return found


def test_every_table_is_in_a_backup(plain_database: Database) -> None:
    with plain_database.connect() as connection:
        rows = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        ).fetchall()
    assert {name for (name,) in rows} == {*TABLES, "installation", "alembic_version"}


def test_backup_and_restore_on_plain_postgresql(
    plain_database: Database, other_plain: Database, tmp_path: Path
) -> None:
    _fill(plain_database)
    file = tmp_path / "백업 1.zip"
    back_up(plain_database, file, tell=_quiet)
    assert file.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == [file]
    before = _rows(plain_database)
    assert all(rows for rows, _ in before.values())
    assert _rows(other_plain) != before
    restore_all(other_plain, file, _quiet)
    assert _rows(other_plain) == before
    with other_plain.connect() as connection:
        assert add_broadcast(connection) == 4  # no number twice
        connection.execute("INSERT INTO rejected_item (received_at, source, reason, raw) VALUES (now(), 'l', 'x', 'y')")


def test_backup_wipe_restore_on_timescaledb_and_across(
    timescale_database: Database, plain_database: Database, home: Path, tmp_path: Path
) -> None:
    _fill(timescale_database)
    buckets = ("chat_1s", "chat_60s", "chat_300s")
    before = _rows(timescale_database, *buckets)
    back_up(timescale_database, tmp_path / "a.zip", tell=_quiet)
    restore_all(plain_database, tmp_path / "a.zip", _quiet)
    assert _rows(plain_database, *buckets) == before
    back_up(plain_database, tmp_path / "b.zip", tell=_quiet)
    for file in ("a.zip", "b.zip"):
        reset(timescale_database.url)
        with open_database(timescale_database.url, home) as anew:
            restore_all(anew, tmp_path / file, _quiet)
            assert _rows(anew, *buckets) == before


def test_buckets_that_outlived_their_events_come_back_and_stay(
    timescale_database: Database, home: Path, tmp_path: Path
) -> None:
    def refresh() -> None:
        with timescale_database.connect(autocommit=True) as connection:
            for aggregate in ("chat_1s", "chat_60s", "chat_300s"):
                connection.execute(f"CALL refresh_continuous_aggregate('{aggregate}', NULL, NULL)".encode())

    _fill(timescale_database)
    refresh()
    with timescale_database.connect(autocommit=True) as connection:
        connection.execute("SELECT drop_chunks('event', TIMESTAMPTZ '2026-01-08 00:00+00')")
        assert connection.execute("SELECT count(*) FROM event").fetchone() == (len(_HOSTILE),)
    before = _rows(timescale_database, "chat_1s", "chat_60s", "chat_300s")
    assert before["chat_60s"][0] == 3
    back_up(timescale_database, tmp_path / "a.zip", tell=_quiet)
    with Archive(tmp_path / "a.zip") as archive:
        assert archive.members["chat_60s"]["rows"] == 2
    reset(timescale_database.url)
    with open_database(timescale_database.url, home) as anew:
        restore_all(anew, tmp_path / "a.zip", _quiet)
        assert _rows(anew, "chat_1s", "chat_60s", "chat_300s") == before
        refresh()
        assert _rows(anew, "chat_1s", "chat_60s", "chat_300s") == before


def test_one_broadcast_goes_into_another_database_once(
    plain_database: Database, other_plain: Database, tmp_path: Path
) -> None:
    _fill(plain_database)
    file = tmp_path / "one.zip"
    back_up(plain_database, file, broadcast="3", tell=_quiet)
    _fill(other_plain, 2)
    assert merge_broadcast(other_plain, file, _quiet) == 3
    with other_plain.connect() as connection:
        connection.execute("UPDATE channel_lease SET live = false")
        connection.execute("DELETE FROM event WHERE broadcast_id = 3 AND event_key < 4")
    told: dict[str, int] = {}
    assert merge_broadcast(other_plain, file, told.__setitem__) == 3
    assert {relation for relation, rows in told.items() if rows} == {"event"}
    assert told["event"] == 4
    texts = "SELECT array_agg(content ORDER BY ts) FROM event WHERE broadcast_id = 3"
    with plain_database.connect() as here, other_plain.connect() as there:
        assert here.execute(texts.encode()).fetchone() == there.execute(texts.encode()).fetchone()


def test_a_broadcast_gets_the_number_that_is_free(
    plain_database: Database, other_plain: Database, tmp_path: Path
) -> None:
    _fill(plain_database)
    back_up(plain_database, tmp_path / "one.zip", broadcast="3", tell=_quiet)
    assert merge_broadcast(other_plain, tmp_path / "one.zip", _quiet) == 1
    with other_plain.connect() as connection:
        assert connection.execute("SELECT DISTINCT broadcast_id FROM event").fetchall() == [(1,)]


def test_one_broadcast_with_its_buckets_on_timescaledb(
    timescale_database: Database, plain_database: Database, tmp_path: Path
) -> None:
    _fill(timescale_database)
    back_up(timescale_database, tmp_path / "one.zip", broadcast="2", tell=_quiet)
    assert merge_broadcast(timescale_database, tmp_path / "one.zip", _quiet) == 2
    with timescale_database.connect() as connection:
        assert connection.execute("SELECT count(*) FROM chat_60s").fetchone() == (3,)
    assert merge_broadcast(plain_database, tmp_path / "one.zip", _quiet) == 1


def _truncated(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 100)


def _flipped(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        place = archive.getinfo("event.csv").header_offset + 120
    data = bytearray(file.read_bytes())
    data[place] ^= 0x55
    file.write_bytes(data)


def _foreign(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("hello.txt", "hello")


def _no_zip(file: Path) -> None:
    file.write_text("channel_id,name\n")


def _newer(file: Path) -> None:
    with writing_archive(file) as archive:
        archive.finish({"schema": "9999", "broadcast": None, "computed_from": None, "made_at": "x"})


@pytest.mark.parametrize("spoil", [_truncated, _flipped, _foreign, _no_zip, _newer])
def test_what_is_no_whole_backup_changes_nothing(
    plain_database: Database, other_plain: Database, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    _fill(plain_database)
    file = tmp_path / "a.zip"
    back_up(plain_database, file, tell=_quiet)
    spoil(file)
    before = _rows(other_plain)
    with pytest.raises(BackupError) as caught:
        restore_all(other_plain, file, _quiet)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert _rows(other_plain) == before


def test_a_database_with_rows_is_refused_and_left_alone(plain_database: Database, tmp_path: Path) -> None:
    _fill(plain_database)
    back_up(plain_database, tmp_path / "a.zip", tell=_quiet)
    before = _rows(plain_database)
    with pytest.raises(BackupError, match="not empty"):
        restore_all(plain_database, tmp_path / "a.zip", _quiet)
    assert _rows(plain_database) == before


def test_the_kind_of_backup_must_be_meant(plain_database: Database, other_plain: Database, tmp_path: Path) -> None:
    _fill(plain_database)
    back_up(plain_database, tmp_path / "all.zip", tell=_quiet)
    back_up(plain_database, tmp_path / "one.zip", broadcast="1", tell=_quiet)
    with pytest.raises(BackupError, match="without --broadcast"):
        merge_broadcast(other_plain, tmp_path / "all.zip", _quiet)
    with pytest.raises(BackupError, match="restore it with --broadcast"):
        restore_all(other_plain, tmp_path / "one.zip", _quiet)
    with pytest.raises(BackupError, match="There is no broadcast 99"):
        back_up(plain_database, tmp_path / "none.zip", broadcast="99", tell=_quiet)
    assert not (tmp_path / "none.zip").exists()


def test_a_backup_that_fails_leaves_the_last_one(tmp_path: Path) -> None:
    def rows() -> Iterator[bytes]:
        yield b"a\n"
        raise OSError(28, "No space left on device")

    file = tmp_path / "a.zip"
    file.write_bytes(b"the last one")
    with pytest.raises(OSError, match="No space"), writing_archive(file) as archive:
        archive.add("event", ["a"], rows())
    assert file.read_bytes() == b"the last one"
    assert list(tmp_path.iterdir()) == [file]


def test_an_interrupted_restore_goes_on(
    plain_database: Database, other_plain: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(connection: Any, marker: str | None) -> None:
        if marker is None:
            raise KeyboardInterrupt
        mark(connection, marker)

    from store import restore

    mark = restore._mark
    _fill(plain_database)
    back_up(plain_database, tmp_path / "a.zip", tell=_quiet)
    with monkeypatch.context() as patched:
        patched.setattr(restore, "_mark", killed)
        with pytest.raises(KeyboardInterrupt):
            restore_all(other_plain, tmp_path / "a.zip", _quiet)
    restore_all(other_plain, tmp_path / "a.zip", _quiet)
    assert _rows(other_plain) == _rows(plain_database)
    with pytest.raises(BackupError, match="not empty"):  # it is done now
        restore_all(other_plain, tmp_path / "a.zip", _quiet)


@pytest.mark.parametrize("broadcast", [None, "2"])
def test_verifying_restores_into_a_database_of_its_own(
    plain_database: Database, tmp_path: Path, broadcast: str | None
) -> None:
    _fill(plain_database)
    file = tmp_path / "a.zip"
    back_up(plain_database, file, broadcast=broadcast, tell=_quiet)
    with database_beside(plain_database, "beside") as beside:
        try_restore(beside, file)
    with plain_database.connect() as connection:
        assert connection.execute("SELECT FROM pg_database WHERE datname = 'beside'").fetchall() == []


def test_an_older_backup_has_fewer_columns(plain_database: Database, other_plain: Database, tmp_path: Path) -> None:
    with plain_database.connect() as connection:
        add_event(connection, add_broadcast(connection), OPENED)
        connection.execute("ALTER TABLE broadcast DROP COLUMN exported_with")
    back_up(plain_database, tmp_path / "a.zip", tell=_quiet)
    restore_all(other_plain, tmp_path / "a.zip", _quiet)
    with other_plain.connect() as connection:
        assert connection.execute("SELECT title, exported_with FROM broadcast").fetchall() == [("제목", None)]
    assert HEAD >= "0003"
