"""What is kept how long, and that no job empties what was counted before."""

from typing import Any

import psycopg
import pytest

import sql
from store.database import Database, open_database
from store.migrate import beside_jobs
from store.retention import describe_retention, set_retention
from tests.store.packed import BUCKETS, add_days, chats, chats_in, collect, days_ago, packed_days, run_jobs


def _jobs(database: Database) -> dict[tuple[str, str], dict[str, Any]]:
    """What each job is told, by kind and relation."""
    with database.connect() as connection:
        rows = connection.execute(
            "SELECT j.job, j.relation, k.config FROM job AS j INNER JOIN timescaledb_information.jobs AS k "
            "ON k.hypertable_name IN (j.relation, (SELECT a.materialization_hypertable_name "
            "FROM timescaledb_information.continuous_aggregates AS a WHERE a.view_name = j.relation)) "
            "AND k.proc_name = CASE j.job WHEN 'refresh' THEN 'policy_refresh_continuous_aggregate' "
            "WHEN 'columnstore' THEN 'policy_compression' ELSE 'policy_retention' END"
        ).fetchall()
    return {(job, relation): config for job, relation, config in rows}


def _kept_since(database: Database) -> Any:
    with database.connect() as connection:
        row = connection.execute(sql.query("kept_since")).fetchone()
    assert row is not None
    return row[0]


def _days(database: Database, days: int) -> Any:
    with database.connect() as connection:
        row = connection.execute("SELECT now() - make_interval(days => %s)", (days,)).fetchone()
    assert row is not None
    return row[0]


def _near(one: Any, other: Any) -> bool:
    return abs((one - other).total_seconds()) < 60


def test_the_jobs_there_are(timescale_database: Database) -> None:
    jobs = _jobs(timescale_database)
    assert set(jobs) == {
        *(("refresh", relation) for relation in BUCKETS),
        *(("columnstore", relation) for relation in ("event", "viewer_sample", "chat_1s")),
        *(("retention", relation) for relation in ("event", "chat_1s")),
    }
    for relation, buckets in zip(BUCKETS, (86_400, 1_440, 288), strict=True):
        config = jobs["refresh", relation]
        assert config["start_offset"] == "178 days"
        assert config["buckets_per_batch"] == buckets
    assert jobs["retention", "event"]["drop_after"] == "180 days"
    assert jobs["retention", "chat_1s"]["drop_after"] == "400 days"
    assert describe_retention(timescale_database) == ("messages are kept 180 days, seconds 400 days, minutes for ever")
    assert _near(_kept_since(timescale_database), _days(timescale_database, 180))


async def test_what_was_dropped_stays_counted(timescale_database: Database) -> None:
    numbers = add_days(timescale_database, 3, 100, 177, 182, 395)
    # the old ones were new once: refreshed while the window still reached there
    for day in numbers:
        await collect(timescale_database, day, chats(day, range(100)))
    with timescale_database.connect(autocommit=True) as connection:
        for relation in BUCKETS:
            connection.execute(f"CALL refresh_continuous_aggregate('{relation}', NULL, NULL)")
    run_jobs(timescale_database, "columnstore")
    run_jobs(timescale_database, "retention")
    assert set(packed_days(timescale_database)) == {3, 100, 177}

    # Later runs, the invalidated regions in their logs, and something late to do.
    await collect(timescale_database, 177, chats(177, range(100, 150), source="replay"))
    for _ in range(2):
        run_jobs(timescale_database, "refresh")
        run_jobs(timescale_database, "retention")
    for relation in BUCKETS:
        kept = {day: chats_in(timescale_database, relation, number) for day, number in numbers.items()}
        assert kept == {3: 100, 100: 100, 177: 150, 182: 100, 395: 100}


async def test_seconds_go_after_their_days_and_minutes_never(timescale_database: Database) -> None:
    numbers = add_days(timescale_database, 3, 60)
    for day in numbers:
        await collect(timescale_database, day, chats(day, range(100)))
    run_jobs(timescale_database, "refresh")
    set_retention(timescale_database, 7, 30)
    for _ in range(2):
        run_jobs(timescale_database, "retention")
        run_jobs(timescale_database, "refresh")
    assert set(packed_days(timescale_database)) == {3}
    kept = {relation: chats_in(timescale_database, relation, numbers[60]) for relation in BUCKETS}
    assert kept == {"chat_1s": 0, "chat_60s": 100, "chat_300s": 100}
    assert _jobs(timescale_database)["refresh", "chat_1s"]["start_offset"] == "5 days"


async def test_a_longer_retention_does_not_empty_what_was_dropped(timescale_database: Database) -> None:
    numbers = add_days(timescale_database, 3, 20)
    for day in numbers:
        await collect(timescale_database, day, chats(day, range(100)))
    run_jobs(timescale_database, "refresh")
    set_retention(timescale_database, 7, None)
    run_jobs(timescale_database, "retention")
    for days in (100, 0):
        set_retention(timescale_database, days, None)
        assert _near(_kept_since(timescale_database), _days(timescale_database, 7))
        run_jobs(timescale_database, "refresh")
        assert {relation: chats_in(timescale_database, relation, numbers[20]) for relation in BUCKETS} == dict.fromkeys(
            BUCKETS, 100
        )


def test_zero_keeps_everything(timescale_database: Database) -> None:
    set_retention(timescale_database, 0, 0)
    jobs = _jobs(timescale_database)
    assert not [job for job, _ in jobs if job == "retention"]
    assert {jobs["refresh", relation]["start_offset"] for relation in BUCKETS} == {None}
    assert describe_retention(timescale_database) == "messages are kept for ever, seconds for ever, minutes for ever"
    assert _kept_since(timescale_database) is None
    set_retention(timescale_database, None, 500)
    assert ("retention", "event") not in _jobs(timescale_database)
    assert _jobs(timescale_database)["retention", "chat_1s"]["drop_after"] == "500 days"


async def test_everything_is_refreshed_where_everything_is_kept(timescale_database: Database) -> None:
    number = add_days(timescale_database, 900)[900]
    set_retention(timescale_database, 0, 0)
    await collect(timescale_database, 900, chats(900, range(50)))
    run_jobs(timescale_database, "refresh")
    await collect(timescale_database, 900, chats(900, range(50, 100), source="replay"))
    run_jobs(timescale_database, "refresh")
    assert {relation: chats_in(timescale_database, relation, number) for relation in BUCKETS} == dict.fromkeys(
        BUCKETS, 100
    )


def test_policies_are_put_right_again(timescale_database: Database) -> None:
    before = _jobs(timescale_database)
    with timescale_database.connect() as connection:
        connection.execute("SELECT remove_retention_policy('event')")
        connection.execute("SELECT remove_continuous_aggregate_policy('chat_60s')")
    set_retention(timescale_database, None, None)
    assert _jobs(timescale_database) == before


def test_a_job_that_runs_meanwhile_is_waited_for() -> None:
    met = [psycopg.errors.DeadlockDetected(), psycopg.errors.DeadlockDetected()]

    def transaction() -> str:
        if met:
            raise met.pop()
        return "done"

    assert beside_jobs(transaction) == "done"
    met.extend(psycopg.errors.DeadlockDetected() for _ in range(9))
    with pytest.raises(psycopg.errors.DeadlockDetected):
        beside_jobs(transaction)


def test_a_new_version_leaves_the_retention_as_it_is(timescale_database: Database, home: Any) -> None:
    set_retention(timescale_database, 90, None)
    with timescale_database.connect() as connection:
        connection.execute("UPDATE installation SET definitions = 'of an older version'")
    with open_database(timescale_database.url, home) as again:
        assert _jobs(again)["retention", "event"]["drop_after"] == "90 days"
        assert _jobs(again)["refresh", "chat_60s"]["start_offset"] == "88 days"


def test_plain_postgresql_keeps_everything(plain_database: Database) -> None:
    set_retention(plain_database, 7, 7)
    with plain_database.connect() as connection:
        days = connection.execute("SELECT keep_days, gone_before FROM retention").fetchall()
    assert days == [(7, None), (7, None)]
    set_retention(plain_database, 0, None)
    assert describe_retention(plain_database) == "everything is kept until `nokchart db prune`"
    assert _kept_since(plain_database) is None
    with plain_database.connect() as connection:
        assert connection.execute("SELECT count(*) FROM job").fetchone() == (0,)
        sizes = dict(connection.execute("SELECT relation, bytes FROM storage").fetchall())
    assert set(sizes) == {"event", "viewer_sample", *BUCKETS}
    assert sizes["event"] > 0


def test_fewer_than_seven_days_are_refused(plain_database: Database) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        set_retention(plain_database, 3, None)


def test_the_overview_takes_the_totals_that_are_valid(plain_database: Database, timescale_database: Database) -> None:
    for database in (plain_database, timescale_database):
        numbers = add_days(database, 0, 5, 6, 200)
        with database.connect() as connection:
            for day, number in numbers.items():
                connection.execute(
                    "INSERT INTO event (ts, broadcast_id, kind, event_key, user_id, source) "
                    "VALUES (%s, %s, 'chat', 1, 'u', 'live')",
                    (days_ago(day), number),
                )
                connection.execute(
                    "INSERT INTO broadcast_total VALUES (%s, 70, 7, 700, 17, %s, now() + INTERVAL '1 minute')",
                    (number, days_ago(day)),
                )
            connection.execute(
                "UPDATE broadcast SET updated_at = now() + INTERVAL '1 hour' WHERE broadcast_id = ANY(%s)",
                ([numbers[6], numbers[200]],),
            )
            chats_now = dict(connection.execute("SELECT broadcast_id, chats FROM broadcast_overview").fetchall())
        gone = database.edition == "timescaledb"
        # on air: counted; ended and unchanged: its total; changed since: counted, unless its messages may be gone
        assert {day: chats_now[number] for day, number in numbers.items()} == {
            0: 1,
            5: 70,
            6: 1,
            200: 70 if gone else 1,
        }
