"""TimescaleDB's jobs, run by us where the server does not."""

import pytest

from store.database import Database
from store.jobs import run_due_jobs
from tests.nokchart.test_db_commands import run_db
from tests.store.packed import BUCKETS, add_days, chats, chats_in, collect, packed_days


def _make_late(database: Database, where: str = "true") -> None:
    """As on a server that has had no background worker for a month."""
    with database.connect(autocommit=True) as connection:
        connection.execute(
            f"SELECT alter_job(job_id, next_start => now() - INTERVAL '30 days') FROM job WHERE {where}"  # noqa: S608
        )


def _never_well(database: Database) -> set[str]:
    """The jobs that TimescaleDB itself has not run meanwhile, as it would where it starts them."""
    with database.connect() as connection:
        rows = connection.execute("SELECT job || ' of ' || relation FROM job WHERE last_success_at IS NULL").fetchall()
    return {job for (job,) in rows}


async def test_what_is_late_is_run_in_its_order(timescale_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    number = add_days(timescale_database, 5)[5]
    await collect(timescale_database, 5, chats(5, range(100)))
    assert packed_days(timescale_database) == {5: False}
    monkeypatch.setenv("NOKCHART_DATABASE_URL", timescale_database.url)
    _make_late(timescale_database)
    code, said = run_db("jobs")
    assert code == 0
    done = [line.removesuffix(": done") for line in said.splitlines()]
    assert _never_well(timescale_database) <= set(done)
    kinds = [job.split()[0] for job in done]
    assert kinds == sorted(kinds, key=["refresh", "columnstore", "retention"].index)
    assert packed_days(timescale_database) == {5: True}
    assert [chats_in(timescale_database, relation, number) for relation in BUCKETS] == [100] * 3


async def test_what_fails_is_said_and_the_others_run(
    timescale_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_days(timescale_database, 5)
    await collect(timescale_database, 5, chats(5, range(100)))
    monkeypatch.setenv("NOKCHART_DATABASE_URL", timescale_database.url)
    _make_late(timescale_database, "job = 'columnstore'")
    with timescale_database.connect(autocommit=True) as connection:
        connection.execute(
            "UPDATE _timescaledb_config.bgw_job SET config = config || '{\"hypertable_id\": 999999}' "
            "WHERE id = (SELECT job_id FROM job WHERE job = 'columnstore' AND relation = 'viewer_sample')"
        )
    code, said = run_db("jobs")
    assert code == 1
    assert "columnstore of viewer_sample: FAILED\n" in said
    assert "nokchart: columnstore of viewer_sample: " in said
    late = {"columnstore of event", "columnstore of chat_1s"} & _never_well(timescale_database)
    assert {f"{job}: done" for job in late} <= set(said.splitlines())
    assert packed_days(timescale_database) == {5: True}


async def test_what_is_in_time_or_switched_off_is_left_alone(timescale_database: Database) -> None:
    add_days(timescale_database, 5)
    await collect(timescale_database, 5, chats(5, range(100)))
    with timescale_database.connect(autocommit=True) as connection:
        connection.execute("SELECT alter_job(job_id, scheduled => false) FROM job")
    _make_late(timescale_database)
    assert list(run_due_jobs(timescale_database)) == []
    assert packed_days(timescale_database) == {5: False}


def test_plain_postgresql_has_none(plain_database: Database) -> None:
    assert list(run_due_jobs(plain_database)) == []
