"""Looking after the database: how much is in it, and forgetting what is old."""

from collections.abc import Iterator
from datetime import date, datetime, time

from psycopg.rows import dict_row

import sql
from store.database import Database
from store.event import KST
from store.migrate import HEAD, licence

_APACHE = " (TimescaleDB is here under the Apache licence, without continuous aggregates: used as plain PostgreSQL)"


def describe(database: Database) -> Iterator[tuple[str, str]]:
    """(name, value) pairs for a person: where it is, what it is, how much is in it. Never the password."""
    with database.connect(row_factory=dict_row) as connection:
        row = connection.execute(sql.query("describe_database")).fetchone()
    yield "place", f"{database.parameters.get('host', '')} {database.parameters.get('dbname', '')}".strip()
    yield "edition", edition_text(database)
    yield "schema", HEAD
    for name, value in dict(row or {}).items():
        yield name.replace("_", " "), "-" if value is None else str(value)


def edition_text(database: Database) -> str:
    """The edition, and why it is not the other one where a person would expect that."""
    with database.connect() as connection:
        apache = database.edition == "postgresql" and licence(connection) == "apache"
    return f"{database.edition}{_APACHE}" if apache else database.edition


def prune_before(database: Database, day: date, *, really: bool) -> tuple[int, int]:
    """Forgets the broadcasts that ended before `day` began in Korea, with all their rows.

    Returns how many broadcasts and events those are; without `really` nothing is forgotten.
    """
    before = {"before": datetime.combine(day, time(), KST)}
    with database.connect(row_factory=dict_row) as connection:
        row = connection.execute(sql.query("count_before"), before).fetchone()
        if really:
            connection.execute(sql.query("prune_before"), before)
    counts = dict(row or {})
    return counts["broadcasts"], counts["events"]
