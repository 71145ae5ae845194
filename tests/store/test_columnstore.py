"""Packed days: which are, and that whatever comes to them late is right, at once and after the jobs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from collector.chzzk.decode import Blind
from collector.records import hide, settle
from store.database import Database
from store.event import stream_id
from store.upkeep import prune_before
from tests.analytics.sample import CHANNEL
from tests.store.packed import BUCKETS, add_days, chats, chats_in, collect, days_ago, packed_days, run_jobs


def _rows(connection: psycopg.Connection[Any], table: str) -> list[tuple[Any, ...]]:
    return sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr)  # noqa: S608 - our own tables


async def test_the_job_packs_what_is_older_than_a_day_and_rows_read_the_same(timescale_database: Database) -> None:
    add_days(timescale_database, 0, 1, 2, 3, 30)
    for day in (0, 1, 2, 3, 30):
        await collect(timescale_database, day, chats(day, range(100)) + chats(day, range(5), user=None))
    with timescale_database.connect() as connection:
        connection.execute(
            "INSERT INTO viewer_sample SELECT opened_at + s * INTERVAL '1 minute', broadcast_id, s "
            "FROM broadcast CROSS JOIN generate_series(1, 20) AS s"
        )
        connection.commit()
        before = {table: _rows(connection, table) for table in ("event", "viewer_sample")}
    assert len(before["event"]) == 5 * 105
    run_jobs(timescale_database, "columnstore")
    packed = packed_days(timescale_database)
    assert set(packed) == {0, 1, 2, 3, 30}
    assert [packed[day] for day in (0, 1, 3, 30)] == [False, False, True, True]
    # yesterday's predecessor: a chunk ends at midnight (UTC), and is packed when a whole day has passed since
    assert packed[2]
    with timescale_database.connect() as connection:
        assert {table: _rows(connection, table) for table in ("event", "viewer_sample")} == before


async def test_late_rows_and_repeated_ones_are_there_once(timescale_database: Database) -> None:
    number = add_days(timescale_database, 5)[5]
    early, notices = chats(5, range(0, 1000, 2)), chats(5, range(1, 9), user=None)
    assert await collect(timescale_database, 5, early + notices) == 508
    run_jobs(timescale_database, "refresh")
    run_jobs(timescale_database, "columnstore")
    assert packed_days(timescale_database) == {5: True}

    late = chats(5, range(1, 1000, 2), source="replay")
    more_notices = chats(5, range(9, 12), user=None)
    assert await collect(timescale_database, 5, early[::3] + notices + late + late[:10] + more_notices) == 503
    assert await collect(timescale_database, 5, early + notices + late + more_notices) == 0
    assert chats_in(timescale_database, "event", number) == 1000
    with timescale_database.connect() as connection:
        assert connection.execute("SELECT count(*) FROM event WHERE user_id IS NULL").fetchone() == (11,)
    run_jobs(timescale_database, "refresh")
    assert {relation: chats_in(timescale_database, relation, number) for relation in BUCKETS} == dict.fromkeys(
        BUCKETS, 1000
    )
    run_jobs(timescale_database, "columnstore")  # packs what came late, too
    assert await collect(timescale_database, 5, late + notices) == 0
    assert chats_in(timescale_database, "event", number) == 1000


async def test_the_newest_rows_show_before_any_job(timescale_database: Database) -> None:
    number = add_days(timescale_database, 5)[5]
    await collect(timescale_database, 5, chats(5, range(100)))
    assert {relation: chats_in(timescale_database, relation, number) for relation in BUCKETS} == dict.fromkeys(
        BUCKETS, 100
    )


async def test_late_rows_reach_seconds_that_are_packed(timescale_database: Database) -> None:
    number = add_days(timescale_database, 40)[40]
    await collect(timescale_database, 40, chats(40, range(0, 1000, 2)))
    run_jobs(timescale_database, "refresh")
    run_jobs(timescale_database, "columnstore")
    with timescale_database.connect() as connection:
        packed = connection.execute(
            "SELECT compressed_chunks, chunks FROM storage WHERE relation = 'chat_1s'"
        ).fetchone()
        assert packed is not None
        assert packed[0] == packed[1] == 1
    await collect(timescale_database, 40, chats(40, range(1, 1000, 2), source="replay"))
    run_jobs(timescale_database, "refresh")
    assert {relation: chats_in(timescale_database, relation, number) for relation in BUCKETS} == dict.fromkeys(
        BUCKETS, 1000
    )


async def test_only_the_day_of_a_message_is_unpacked_to_hide_it(timescale_database: Database) -> None:
    add_days(timescale_database, 5, 9, 20)
    for day in (5, 9, 20):
        await collect(timescale_database, day, chats(day, range(50)))
    run_jobs(timescale_database, "columnstore")
    hidden = chats(9, range(10, 20))
    assert hidden[0].user_id is not None
    blind = Blind(hidden[0].user_id, hidden[0].ts_ms, True)
    stream = stream_id(CHANNEL, days_ago(9))
    # the newest first, as the recent chat may have them
    state = [event._replace(hidden=True) for event in reversed(hidden)]
    await collect(timescale_database, 9, [], hide(stream, blind), settle(stream, state))
    with timescale_database.connect() as connection:
        partly = connection.execute(
            "SELECT range_start FROM timescaledb_information.chunks AS c "
            "INNER JOIN _timescaledb_catalog.chunk AS k ON k.table_name = c.chunk_name "
            "WHERE c.hypertable_name = 'event' AND k.status & 8 <> 0"
        ).fetchall()
        changed = connection.execute("SELECT count(*) FROM event WHERE hidden").fetchone()
    assert changed == (10,)
    assert [start.astimezone(UTC).date() for (start,) in partly] == [days_ago(9).date()]


async def test_hidden_messages_of_packed_days(timescale_database: Database) -> None:
    number = add_days(timescale_database, 5)[5]
    events = chats(5, range(500))
    await collect(timescale_database, 5, events)
    run_jobs(timescale_database, "columnstore")
    stream = stream_id(CHANNEL, days_ago(5))
    one, other = events[17], events[300]._replace(hidden=True)
    assert one.user_id is not None
    await collect(timescale_database, 5, [], hide(stream, Blind(one.user_id, one.ts_ms, True)), settle(stream, [other]))
    with timescale_database.connect() as connection:
        hidden = connection.execute(
            "SELECT event_key FROM event WHERE hidden AND broadcast_id = %s ORDER BY ts", (number,)
        ).fetchall()
    assert hidden == [(one.event_key,), (other.event_key,)]
    assert chats_in(timescale_database, "event", number) == 500


async def test_forgetting_broadcasts_of_packed_days(timescale_database: Database) -> None:
    numbers = add_days(timescale_database, 5, 6, 7)
    for day in numbers:
        await collect(timescale_database, day, chats(day, range(200)))
    run_jobs(timescale_database, "refresh")
    run_jobs(timescale_database, "columnstore")
    day = (days_ago(5) - timedelta(hours=3)).date()
    assert prune_before(timescale_database, day, really=True) == (2, 400)
    assert {one: chats_in(timescale_database, "event", numbers[one]) for one in numbers} == {5: 200, 6: 0, 7: 0}
    run_jobs(timescale_database, "refresh")
    for relation in BUCKETS:
        assert {one: chats_in(timescale_database, relation, numbers[one]) for one in numbers} == {5: 200, 6: 0, 7: 0}


def test_the_databases_own_settings(timescale_database: Database) -> None:
    """No limit on unpacking, for a broadcast has more rows than the usual one; and what makes packed rows small."""
    wanted = {
        "timescaledb.max_tuples_decompressed_per_dml_transaction": "0",
        "default_toast_compression": "lz4",
        "timescaledb.enable_sparse_index_bloom": "off",
    }
    with timescale_database.connect() as connection:
        known = dict(
            connection.execute(
                "SELECT name, enumvals FROM pg_settings WHERE name = ANY(%s)", (list(wanted),)
            ).fetchall()
        )
        settings = connection.execute(
            "SELECT unnest(setconfig) FROM pg_db_role_setting AS s "
            "INNER JOIN pg_database AS d ON s.setdatabase = d.oid "
            "WHERE d.datname = current_database() AND s.setrole = 0"
        ).fetchall()
    assert known.keys() >= set(wanted) - {"timescaledb.enable_sparse_index_bloom"}  # since TimescaleDB 2.20
    possible = {name for name, choices in known.items() if choices is None or wanted[name] in choices}
    assert {setting for (setting,) in settings} >= {f"{name}={wanted[name]}" for name in possible}


@pytest.mark.parametrize("author", ["u1", None])
def test_two_of_the_same_in_one_statement(timescale_database: Database, author: str | None) -> None:
    number = add_days(timescale_database, 0)[0]
    with timescale_database.connect() as connection:
        connection.execute(
            "INSERT INTO event (ts, broadcast_id, kind, event_key, user_id, source) "
            "SELECT %s, %s, 'system', 1, %s, 'live' FROM generate_series(1, 2) ON CONFLICT DO NOTHING",
            (datetime.now(UTC), number, author),
        )
        assert connection.execute("SELECT count(*) FROM event").fetchone() == (1,)
