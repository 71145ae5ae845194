"""Looking after the database: what it says of itself, and what it forgets."""

from datetime import UTC, date, datetime, timedelta

from store.database import Database
from store.upkeep import describe, prune_before
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
                "INSERT INTO broadcast_total VALUES (%s, 5, 0, 0, 1, now(), now())",
                "INSERT INTO rejected_item (broadcast_id, received_at, source, reason, raw) "
                "VALUES (%s, now(), 'live', 'x', 'y')",
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


def test_status_counts_and_keeps_the_password_to_itself(plain_database: Database) -> None:
    _fill(plain_database)
    told = dict(describe(plain_database))
    assert (told["edition"], told["broadcasts"], told["open broadcasts"], told["events"]) == (
        "postgresql",
        "3",
        "1",
        "15",
    )
    assert told["place"].endswith(plain_database.parameters["dbname"])
    secret = Database({**plain_database.parameters, "password": "s3cret"}, plain_database.edition)
    assert "s3cret" not in " ".join(" ".join(pair) for pair in describe(secret))


def test_status_of_an_empty_database(plain_database: Database) -> None:
    told = dict(describe(plain_database))
    assert (told["events"], told["newest event"], told["collector heartbeat"]) == ("0", "-", "-")
