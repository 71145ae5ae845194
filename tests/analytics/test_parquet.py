"""Parquet files: what DuckDB reads in them is what the database has."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

import analytics.parquet
from analytics.exporting import Choice, export_all, find_broadcasts
from analytics.job import JobSettings
from analytics.parquet import ParquetMissing, require_parquet
from store.database import Database
from tests.analytics.sample import CHANNEL, OPENED, add_broadcast, add_event

DUE = Choice(only_due=True)
BOTH = JobSettings(parquet=True)
COLUMNS = "event_key, kind, user_id, nickname, content, amount, hidden, source, extra"
TEXTS = [None, "", " ", '"', '""', "a,b", "a\nb", "\r\n", "\\N", "\\.", "t", "NULL", "nan", "007", "2026-01-06", "ㅋ🔥"]


def _export(database: Database, outdir: Path, settings: JobSettings) -> int:
    rows = find_broadcasts(database, DUE, outdir, settings)
    outcomes = list(export_all(database, rows, DUE, outdir, settings))
    assert [outcome.failed for outcome in outcomes if outcome.failed] == []
    return len(outcomes)


def _fill(database: Database) -> None:
    with database.connect() as connection:
        ids = [
            add_broadcast(connection, channel_id=f"{CHANNEL[:-1]}{number}", opened_at=OPENED + timedelta(days=number))
            for number in range(3)
        ]
        for broadcast_id in ids:
            for number, text in enumerate(TEXTS):
                at = OPENED + timedelta(days=broadcast_id - ids[0], milliseconds=1_234 * number - 5)
                add_event(connection, broadcast_id, at, text, user_id=text, nickname=text, hidden=number % 2 == 0)
            add_event(
                connection,
                broadcast_id,
                at,
                "돈",
                kind="donation",
                amount=2**31 - 1,
                extra={"id": 'a "b", c', "n": 1.50},
            )
        connection.execute("UPDATE event SET received_at = NULL WHERE content = 'nan'")
        connection.execute("UPDATE broadcast SET closed_at = opened_at WHERE broadcast_id <> %s", (ids[2],))


@pytest.mark.parametrize("group", [16_384, 3])
def test_duckdb_reads_what_the_database_has(
    plain_database: Database, tmp_path: Path, quick_chart: None, monkeypatch: pytest.MonkeyPatch, group: int
) -> None:
    monkeypatch.setattr(analytics.parquet, "_ROW_GROUP", group)
    _fill(plain_database)
    assert _export(plain_database, tmp_path, BOTH) == 3
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.parquet"))
    assert (
        files
        == [  # of the one on air there is none yet
            f"parquet/events/date=2026-01-06/channel={CHANNEL[:-1]}0/20260106-210000_{CHANNEL[:-1]}0.parquet",
            f"parquet/events/date=2026-01-07/channel={CHANNEL[:-1]}1/20260107-210000_{CHANNEL[:-1]}1.parquet",
        ]
    )
    duck = duckdb.connect()
    source = f"read_parquet('{tmp_path}/parquet/events/**/*.parquet', hive_partitioning => true)"
    times = "epoch_ms(ts), t_ms, epoch_ms(received_at), stream_id, channel, date::text"
    read = duck.sql(f"SELECT {COLUMNS}, {times} FROM {source} ORDER BY stream_id, ts, event_key").fetchall()  # noqa: S608
    with plain_database.connect() as connection:
        stored: list[Any] = connection.execute(
            """SELECT event_key, kind, user_id, nickname, content, amount, hidden, source, extra::text,
                (extract(EPOCH FROM ts) * 1000)::bigint, (extract(EPOCH FROM ts - opened_at) * 1000)::bigint,
                (extract(EPOCH FROM received_at) * 1000)::bigint, stream_id, channel_id,
                to_char(opened_at AT TIME ZONE 'Asia/Seoul', 'YYYY-MM-DD')
            FROM event JOIN broadcast USING (broadcast_id) WHERE closed_at IS NOT NULL
            ORDER BY stream_id, ts, event_key"""
        ).fetchall()
    assert read == stored
    assert len(read) == 2 * (len(TEXTS) + 1)
    types = {row[0]: row[1] for row in duck.sql(f"DESCRIBE SELECT * FROM {source}").fetchall()}  # noqa: S608
    assert types["ts"] == types["received_at"] == "TIMESTAMP WITH TIME ZONE"
    assert (types["amount"], types["hidden"], types["event_key"]) == ("BIGINT", "BOOLEAN", "BIGINT")


def test_parquet_is_made_for_what_lacks_it_and_kept_up_to_date(
    plain_database: Database, tmp_path: Path, quick_chart: None
) -> None:
    _fill(plain_database)
    assert _export(plain_database, tmp_path, JobSettings()) == 3
    assert _export(plain_database, tmp_path, BOTH) == 3
    assert _export(plain_database, tmp_path, BOTH) == _export(plain_database, tmp_path, JobSettings()) == 0
    next(tmp_path.rglob("*.parquet")).unlink()
    assert _export(plain_database, tmp_path, BOTH) == 1
    with plain_database.connect() as connection:
        connection.execute("UPDATE broadcast SET updated_at = clock_timestamp() WHERE broadcast_id = 1")
    assert _export(plain_database, tmp_path, JobSettings()) == 1  # now its Parquet file is the older one
    assert _export(plain_database, tmp_path, BOTH) == 1


def test_a_broadcast_without_a_single_event_is_an_empty_table(
    plain_database: Database, tmp_path: Path, quick_chart: None
) -> None:
    with plain_database.connect() as connection:
        add_broadcast(connection, closed_at=OPENED)
    assert _export(plain_database, tmp_path, BOTH) == 1
    (path,) = tmp_path.rglob("*.parquet")
    assert duckdb.connect().sql(f"SELECT count(*) FROM '{path}'").fetchall() == [(0,)]  # noqa: S608


def test_without_the_library_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ParquetMissing, match=r'run `pip install "nokchart\[parquet\]"`'):
        require_parquet()
