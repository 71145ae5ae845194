"""Continuous aggregates in backups: what can be computed again is, and what outlived its messages is brought back."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from store.queries import query

AGGREGATES = ("chat_1s", "chat_60s", "chat_300s")

# A refresh of more in one piece would need more memory and temporary files than a small server has.
_WINDOW = timedelta(days=7)

Connection = psycopg.Connection[Any]


def computed_from(connection: Connection) -> datetime | None:
    """The moment from which on all buckets follow from events that are still there; None: all of them do."""
    row = connection.execute(query("buckets_outlive_events_until")).fetchone()
    moment: datetime | None = None if row is None else row[0]
    return moment


def refresh_all(connection: Connection) -> None:
    """Computes all buckets from the events. `connection` is in autocommit: a refresh is its own transaction."""
    for aggregate in AGGREGATES:
        for since, until in _windows(connection):
            connection.execute(query("refresh_buckets"), {"aggregate": aggregate, "since": since, "until": until})
        # What is left is empty, and is marked as done by this: no later refresh looks there again.
        connection.execute(query("refresh_buckets"), {"aggregate": aggregate, "since": None, "until": None})


def stored_in(connection: Connection, aggregate: str) -> sql.Identifier:
    """The hypertable behind a continuous aggregate: the aggregate itself takes no rows."""
    row = connection.execute(query("stored_buckets"), {"aggregate": aggregate}).fetchone()
    if row is None:
        raise LookupError(f"{aggregate} is no continuous aggregate here")
    return sql.Identifier(*row)


def _windows(connection: Connection) -> Iterator[tuple[datetime, datetime]]:
    row = connection.execute(query("span_of_events")).fetchone()
    since, until = (None, None) if row is None else row
    while since is not None and since < until:
        yield since, min(since + _WINDOW, until)
        since += _WINDOW
