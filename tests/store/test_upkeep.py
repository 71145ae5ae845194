"""Looking after the database: what it says of itself, and what it forgets."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from store.database import Database
from store.status import _job, read_status, status_lines
from store.upkeep import prune_before
from tests.analytics.sample import OPENED, add_broadcast, add_event, table_counts


def _fill(database: Database) -> None:
    with database.connect() as connection:
        ends = [
            datetime(2026, 1, 6, 14, 59, 59, tzinfo=UTC),  # the last second of 6 January in Korea
            datetime(2026, 1, 6, 15, 0, tzinfo=UTC),
            None,
        ]
        for number, closed_at in enumerate(ends):
            opened_at = OPENED - timedelta(days=number)
            one = add_broadcast(connection, channel_id=f"{number:032x}", opened_at=opened_at, closed_at=closed_at)
            for second in range(5):
                add_event(connection, one, opened_at + timedelta(seconds=second))
            for statement in (
                "INSERT INTO viewer_sample VALUES (now(), %s, 5)",
                "INSERT INTO broadcast_change VALUES (now(), %s, 'a', 'b')",
                "INSERT INTO connection VALUES (gen_random_uuid(), %s, now())",
                "INSERT INTO gap VALUES (gen_random_uuid(), %s, now(), now(), 'x')",
                "INSERT INTO peak VALUES (%s, 'volume', 1, 0, 1, 0, 1, 1, false, '{}')",
                "INSERT INTO rejected_item (broadcast_id, received_at, source, reason, raw) "
                "VALUES (%s, now(), 'live', 'x', 'y')",
                "INSERT INTO broadcast_total VALUES (%s, 5, 0, 0, 1, now(), now())",
                "INSERT INTO video_part VALUES (%s, 7, 0, now(), now() + INTERVAL '1 hour')",
            ):
                connection.execute(statement, (one,))


def test_prune_forgets_whole_broadcasts_and_only_when_told(plain_database: Database) -> None:
    _fill(plain_database)
    with plain_database.connect(autocommit=True) as connection:
        before = table_counts(connection)
        assert prune_before(plain_database, date(2026, 1, 7), really=False) == (1, 5)
        assert table_counts(connection) == before
        assert prune_before(plain_database, date(2026, 1, 7), really=True) == (1, 5)
        per_broadcast = {"event": 5, "channel": 0, "installation": 0, "alembic_version": 0}
        per_broadcast |= {"collector_status": 0, "channel_lease": 0, "retention": 0}
        assert table_counts(connection) == {name: rows - per_broadcast.get(name, 1) for name, rows in before.items()}
        # What is on air is never old.
        assert prune_before(plain_database, date(2030, 1, 1), really=True) == (1, 5)
        assert connection.execute("SELECT count(*) FROM broadcast").fetchone() == (1,)
        assert prune_before(plain_database, date(2030, 1, 1), really=True) == (0, 0)


def test_prune_on_timescaledb(timescale_database: Database) -> None:
    _fill(timescale_database)
    assert prune_before(timescale_database, date(2026, 1, 7), really=True) == (1, 5)
    with timescale_database.connect() as connection:
        assert connection.execute("SELECT count(*) FROM event").fetchone() == (10,)


def test_prune_reaches_compressed_chunks_and_totals(timescale_database: Database) -> None:
    _fill(timescale_database)
    with timescale_database.connect() as connection:
        connection.execute("SELECT compress_chunk(c) FROM show_chunks('event') AS c")
    assert prune_before(timescale_database, date(2026, 1, 7), really=True) == (1, 5)
    with timescale_database.connect() as connection:
        assert connection.execute("SELECT count(*) FROM event").fetchone() == (10,)
        assert connection.execute("SELECT count(*) FROM broadcast_total").fetchone() == (2,)
        assert connection.execute("SELECT count(*) FROM broadcast").fetchone() == (2,)


def test_status_counts_and_keeps_the_password_to_itself(plain_database: Database) -> None:
    _fill(plain_database)
    told = read_status(plain_database)
    assert (told["edition"], told["broadcasts"], told["open_broadcasts"], told["events"]) == ("postgresql", 3, 1, 15)
    assert told["events_exact"]
    assert told["place"].endswith(plain_database.parameters["dbname"])
    assert {row["relation"]: row["keep_days"] for row in told["retention"]} == {"event": 180, "chat_1s": 400}
    secret = Database({**plain_database.parameters, "password": "s3cret"}, plain_database.edition)
    assert "s3cret" not in str(read_status(secret)) + "".join(status_lines(read_status(secret)))


def test_status_of_a_large_table_does_not_count(plain_database: Database) -> None:
    with plain_database.connect() as connection:
        one = add_broadcast(connection)
        connection.execute(
            "INSERT INTO event (ts, broadcast_id, kind, event_key, content, source) "
            "SELECT now(), %s, 'chat', g, repeat('x', 120), 'live' FROM generate_series(1, 120000) AS g",
            (one,),
        )
        connection.execute("ANALYZE event")
    told = read_status(plain_database)
    assert not told["events_exact"]
    assert 110_000 < told["events"] < 130_000
    assert any("about 1" in line for line in status_lines(told))


def test_status_of_an_empty_database(plain_database: Database) -> None:
    told = read_status(plain_database)
    assert (told["events"], told["newest_event"], told["collectors"]) == (0, None, [])
    assert any(line.startswith("collector ") and "none was here" in line for line in status_lines(told))


def test_status_of_chunks_compression_and_jobs(timescale_database: Database) -> None:
    _fill(timescale_database)
    with timescale_database.connect() as connection:
        connection.execute("SELECT compress_chunk(c) FROM show_chunks('event') AS c LIMIT 1")
    told = read_status(timescale_database)
    (chunks,) = (row for row in told["chunks"] if row["relation"] == "event")
    assert (chunks["chunks"], chunks["compressed"]) == (3, 1)
    (compression,) = told["compression"]
    assert compression["bytes_per_row"] > 0
    assert {"chat_1s", "chat_60s", "chat_300s"} <= {row["relation"] for row in told["jobs"]}
    assert {"event", "chat_60s"} <= {row["relation"] for row in told["sizes"]}
    lines = list(status_lines(told))
    assert any(line.startswith("chunks of event") and "3, 1 compressed" in line for line in lines)


def test_a_job_that_failed_or_is_late_says_so() -> None:
    job: dict[str, Any] = {
        "job": "refresh",
        "relation": "chat_1s",
        "every_sec": 60.0,
        "last_started_at": None,
        "last_success_at": None,
        "late_sec": 0.0,
        "failures": 2,
        "last_error": None,
        "scheduled": True,
    }
    assert " ".join(_job(job, OPENED)) == "every 0:01:00, last run never"
    assert "LATE" not in " ".join(_job(job | {"late_sec": 30.0}, OPENED))
    assert "LATE by 0:05:00" in " ".join(_job(job | {"late_sec": 300.0}, OPENED))
    failed = " ".join(_job(job | {"last_error": "no room"}, OPENED))
    assert "FAILED, last well never, 2 failures in all: no room" in failed
    assert "SWITCHED OFF" in " ".join(_job(job | {"scheduled": False}, OPENED))
