"""A TimescaleDB with days in it: what the collector writes, and the jobs that run there by themselves."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from collector.committer import Committer
from collector.records import Events, Record
from store.database import Database
from store.event import Event, event_key, stream_id
from tests.analytics.sample import CHANNEL, add_broadcast

BUCKETS = ("chat_1s", "chat_60s", "chat_300s")


def days_ago(days: int) -> datetime:
    """Noon in UTC, so many days ago: in the middle of a chunk."""
    return datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=days)


def add_days(database: Database, *days: int) -> dict[int, int]:
    """A broadcast of two hours on each of these days. Returns their numbers by day."""
    with database.connect() as connection:
        return {
            day: add_broadcast(
                connection, opened_at=days_ago(day), closed_at=None if day < 1 else days_ago(day) + timedelta(hours=2)
            )
            for day in days
        }


def chats(day: int, numbers: Iterable[int], *, source: str = "live", user: str | None = "u{}") -> list[Event]:
    """A chat every other second from the opening on; None for `user`: written by nobody."""
    opened_ms = int(days_ago(day).timestamp() * 1000)
    found = []
    for number in numbers:
        author = user.format(number % 7) if user else None
        ts_ms = opened_ms + 2_000 * number
        found.append(
            Event(
                ts_ms,
                "chat" if user else "system",
                event_key(1 if user else 30, author, ts_ms, f"말 {number}", None),
                author,
                "시청자",
                f"말 {number}",
                None,
                False,
                source,  # type: ignore[arg-type]
                ts_ms + 40,
                None,
            )
        )
    return found


async def collect(database: Database, day: int, events: list[Event], *more: Record) -> int:
    """Writes events of the broadcast of `day` as the collector does. Returns how many rows are new."""
    async with database.pool(1) as pool:

        async def there() -> object:
            return pool

        committer = Committer(there)  # type: ignore[arg-type]
        done = await committer.commit([Events(stream_id(CHANNEL, days_ago(day)), events), *more])
        assert done.rejected == 0
        return done.events


def run_jobs(database: Database, kind: str) -> None:
    """Runs TimescaleDB's jobs of a kind now: 'refresh', 'columnstore', 'retention'."""
    with database.connect(autocommit=True) as connection:
        for (number,) in connection.execute(
            "SELECT job_id FROM timescaledb_information.jobs WHERE job_id >= 1000 AND proc_name = %s ORDER BY job_id",
            (
                {
                    "refresh": "policy_refresh_continuous_aggregate",
                    "columnstore": "policy_compression",
                    "retention": "policy_retention",
                }[kind],
            ),
        ).fetchall():
            connection.execute(f"CALL run_job({number})")


def packed_days(database: Database) -> dict[int, bool]:
    """The days of which there are messages in chunks, each with whether its chunk is packed."""
    with database.connect() as connection:
        rows = connection.execute(
            "SELECT range_start, is_compressed FROM timescaledb_information.chunks WHERE hypertable_name = 'event'"
        ).fetchall()
    return {(days_ago(0).date() - start.astimezone(UTC).date()).days: packed for start, packed in rows}


def chats_in(database: Database, relation: str, broadcast_id: int) -> int:
    """The chats of a broadcast by one of BUCKETS, or by 'event'."""
    counted = "count(*) FILTER (WHERE kind = 'chat')" if relation == "event" else "coalesce(sum(chat_count), 0)"
    with database.connect() as connection:
        row = connection.execute(
            f"SELECT {counted} FROM {relation} WHERE broadcast_id = %s",  # noqa: S608 - our own relations
            (broadcast_id,),
        ).fetchone()
    assert row is not None
    return int(row[0])
