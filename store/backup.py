"""Backups: all rows of a database, or of one broadcast, of one moment, in one file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from store.aggregates import AGGREGATES, computed_from
from store.archive import BackupError, RowDigest, writing_archive
from store.database import Database
from store.migrate import HEAD
from store.queries import query

# What others refer to first. Not `installation` and `alembic_version`: each database has its own.
TABLES = (
    "channel",
    "broadcast",
    "event",
    "rejected_item",
    "viewer_sample",
    "broadcast_change",
    "connection",
    "gap",
    "peak",
    "broadcast_total",
    "video_part",
    "retention",
    "collector_status",
    "channel_lease",
)
NOT_OF_A_BROADCAST = ("retention", "collector_status", "channel_lease")

Connection = psycopg.Connection[Any]
Tell = Callable[[str, int], None]
"""Is told of each relation that is done, and how many rows it had."""


def back_up(database: Database, path: Path, *, broadcast: str | None = None, tell: Tell) -> None:
    """Writes all rows, or those of one broadcast (its number or stream_id), to `path`. A file there is replaced.

    Of continuous aggregates the file holds what cannot be computed again. BackupError where there is no such broadcast.
    """
    with snapshot(database) as connection, writing_archive(path) as archive:
        timescale = database.edition == "timescaledb"
        boundary = computed_from(connection) if timescale else None
        about = {
            "schema": HEAD,
            "edition": database.edition,
            "made_at": datetime.now(UTC).isoformat(),
            "broadcast": None,
            "computed_from": boundary and boundary.isoformat(),
        }
        wanted: dict[str, sql.Composable] = {table: sql.SQL("true") for table in TABLES}
        if broadcast is not None:
            found = connection.execute(query("find_broadcast"), {"broadcast": broadcast}).fetchone()
            if found is None:
                raise BackupError(f"There is no broadcast {broadcast}: give its number or its stream_id.")
            number, about["broadcast"], channel = found
            one = sql.SQL("broadcast_id = {}").format(sql.Literal(number))
            wanted = {table: one for table in TABLES if table not in NOT_OF_A_BROADCAST}
            wanted["channel"] = sql.SQL("channel_id = {}").format(sql.Literal(channel))
            if timescale:
                wanted |= dict.fromkeys(AGGREGATES, one)
        elif boundary is not None:
            wanted |= dict.fromkeys(AGGREGATES, sql.SQL("bucket < {}").format(sql.Literal(boundary)))
        for relation, condition in wanted.items():
            columns = [name for name, _ in columns_of(connection, relation)]
            tell(relation, archive.add(relation, columns, _lines(connection, relation, columns, condition)))
        archive.finish(about)


@contextmanager
def snapshot(database: Database) -> Iterator[Connection]:
    """A connection that sees one moment only, and writes values as they are in backups."""
    with database.connect() as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        connection.execute(query("begin_copying"))
        yield connection


def columns_of(connection: Connection, relation: str) -> list[tuple[str, bool]]:
    """The columns of a relation, in order, and whether the database gives them their numbers."""
    return [(name, identity) for name, identity in connection.execute(query("columns_of"), {"relation": relation})]


def digest_of(connection: Connection, relation: str, columns: list[str], boundary: datetime | None) -> RowDigest:
    """The digest of a relation's rows as a backup has it; of buckets, those before `boundary`."""
    early = boundary is not None and relation in AGGREGATES
    condition = sql.SQL("bucket < {}").format(sql.Literal(boundary)) if early else sql.SQL("true")
    digest = RowDigest()
    lines = _lines(connection, relation, columns, condition)
    next(lines)
    for line in lines:
        digest.add(line)
    return digest


def _lines(connection: Connection, relation: str, columns: list[str], condition: sql.Composable) -> Iterator[bytes]:
    statement = sql.SQL("COPY (SELECT {} FROM {} WHERE {}) TO STDOUT (FORMAT csv, HEADER)").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(relation), condition
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for line in copy:  # PostgreSQL sends a message for each row
            yield bytes(line)
