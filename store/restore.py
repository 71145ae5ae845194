"""Restoring: all of a backup into an empty database, or one broadcast into any."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from store.aggregates import AGGREGATES, refresh_all, stored_in
from store.archive import Archive, BackupError
from store.backup import NOT_OF_A_BROADCAST, TABLES, Tell, columns_of, digest_of, snapshot
from store.database import Database
from store.migrate import HEAD, run_schema
from store.queries import query

Connection = psycopg.Connection[Any]


def restore_all(database: Database, path: Path, tell: Tell) -> None:
    """Brings a whole backup into an empty database, of either edition.

    The tables come in one transaction, the continuous aggregates after it. Who was interrupted between them repeats it,
    and it goes on. BackupError, with nothing changed, where the file or the database is not fit for it.
    """
    with Archive(path) as archive:
        _require(archive, whole=True)
        archive.check()
        _restore(database, archive, tell)


def try_restore(database: Database, path: Path) -> None:
    """Restores any backup into an empty database that is for nothing else, and compares all rows.

    BackupError where they are not those of the backup.
    """
    with Archive(path) as archive:
        _require(archive, whole=None)
        archive.check()
        _restore(database, archive, lambda relation, rows: None)
        with snapshot(database) as connection:
            for relation, member in archive.members.items():
                if relation in AGGREGATES and not _keeps_buckets(database, archive):
                    continue
                found = digest_of(connection, relation, member["columns"], _boundary(archive))
                if (found.rows, found.text()) != (member["rows"], member["digest"]):
                    raise BackupError(
                        f"Restored from {path}, the {found.rows} rows of {relation} are not the {member['rows']} of "
                        "the backup: make another one, and report this."
                    )


def merge_broadcast(database: Database, path: Path, tell: Tell) -> int:
    """Brings the backup of one broadcast into a database, in one transaction; what is there already stays.

    Returns the broadcast's number there. `tell` hears how many rows were new.
    """
    with Archive(path) as archive:
        _require(archive, whole=False)
        archive.check()
        with database.connect() as connection:
            connection.execute(query("begin_copying"))
            columns: dict[str, list[str]] = {}
            for relation, member in archive.members.items():
                _require_columns(connection, archive, relation)
                own = {name for name, identity in columns_of(connection, relation) if identity}
                columns[relation] = [name for name in member["columns"] if name not in own]
                incoming = sql.Identifier(f"incoming_{relation}")
                made = sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA")
                connection.execute(made.format(incoming, _listed(member["columns"]), sql.Identifier(relation)))
                _copy(connection, archive, relation, incoming)
            return _merge(database, connection, columns, tell)


def _restore(database: Database, archive: Archive, tell: Tell) -> None:
    marker = f"restoring the backup of {archive.about['made_at']}"
    with database.connect() as connection, _as_owner():
        connection.execute(query("begin_copying"))
        connection.execute(query("stop_writers"))
        row = connection.execute(query("restore_marker")).fetchone()
        if row is None or row[0] != marker:
            _restore_tables(connection, archive, tell)
            _mark(connection, marker)
    if database.edition == "timescaledb":
        with database.connect(autocommit=True) as connection:
            refresh_all(connection)
    with database.connect() as connection:
        connection.execute(query("begin_copying"))
        if database.edition == "timescaledb":
            run_schema(connection, "timescale_policies")  # they read `retention`, which has just come
        if _keeps_buckets(database, archive):
            _restore_buckets(connection, archive, tell)
        _mark(connection, None)


def _restore_tables(connection: Connection, archive: Archive, tell: Tell) -> None:
    for table in TABLES:
        found = connection.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(table))).fetchone()
        if found is not None and table != "retention":
            raise BackupError(
                f"The database is not empty ({table} has rows): restore into a new one, or one broadcast with "
                "--broadcast; and stop the collectors that use it."
            )
    connection.execute("DELETE FROM retention")
    for table in TABLES:
        if table in archive.members:
            _require_columns(connection, archive, table)
            _copy(connection, archive, table, sql.Identifier(table))
            tell(table, archive.members[table]["rows"])
    connection.execute(query("number_broadcasts"))
    connection.execute(query("number_rejected_items"))


def _restore_buckets(connection: Connection, archive: Archive, tell: Tell) -> None:
    """Puts the buckets that cannot be computed again in the place of what was computed there."""
    for aggregate in AGGREGATES:
        if aggregate in archive.members:
            stored = stored_in(connection, aggregate)
            early = sql.SQL("DELETE FROM {} WHERE bucket < {}").format(stored, sql.Literal(_boundary(archive)))
            connection.execute(early)
            _copy(connection, archive, aggregate, stored)
            tell(aggregate, archive.members[aggregate]["rows"])


def _merge(database: Database, connection: Connection, columns: dict[str, list[str]], tell: Tell) -> int:
    connection.execute(query("merge_channel"))
    known = connection.execute(query("merged_broadcast")).fetchone()
    if known is None:
        insert = sql.SQL("INSERT INTO broadcast ({0}) SELECT {0} FROM incoming_broadcast RETURNING broadcast_id")
        known = connection.execute(insert.format(_listed(columns["broadcast"]))).fetchone()
        tell("broadcast", 1)
        is_new = True
    else:
        is_new = False
    assert known is not None
    number = int(known[0])
    events = 0
    for relation in columns:
        if relation in ("channel", "broadcast"):
            continue
        if relation in AGGREGATES:
            if database.edition == "timescaledb":
                _merge_buckets(connection, relation, columns[relation], number)
            continue
        if relation == "peak" and not is_new and _has_rows(connection, "peak", number):
            continue  # a list of peaks is one whole
        new = connection.execute(_merging(sql.Identifier(relation), relation, columns[relation], number, "")).rowcount
        tell(relation, new)
        events += new if relation == "event" else 0
    if events and not is_new:
        connection.execute(query("touch_merged"), {"broadcast_id": number})
    return number


def _merge_buckets(connection: Connection, aggregate: str, columns: list[str], number: int) -> None:
    stored = stored_in(connection, aggregate)
    missing = sql.SQL("WHERE NOT EXISTS (SELECT FROM {} AS t WHERE t.broadcast_id = {} AND t.bucket = i.bucket)")
    condition = missing.format(stored, sql.Literal(number))
    connection.execute(_merging(stored, aggregate, columns, number, condition))


def _merging(
    target: sql.Composable, relation: str, columns: list[str], number: int, condition: sql.Composable | str
) -> sql.Composed:
    """The statement that brings the incoming rows of `relation` into `target`, as those of broadcast `number`."""
    values = [sql.Literal(number) if name == "broadcast_id" else sql.Identifier("i", name) for name in columns]
    return sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} AS i {} ON CONFLICT DO NOTHING").format(
        target,
        _listed(columns),
        sql.SQL(", ").join(values),
        sql.Identifier(f"incoming_{relation}"),
        sql.SQL("") if isinstance(condition, str) else condition,
    )


def _has_rows(connection: Connection, table: str, number: int) -> bool:
    found = sql.SQL("SELECT 1 FROM {} WHERE broadcast_id = {} LIMIT 1").format(sql.Identifier(table), number)
    return connection.execute(found).fetchone() is not None


def _copy(connection: Connection, archive: Archive, relation: str, target: sql.Composable) -> None:
    columns = _listed(archive.members[relation]["columns"])
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, HEADER)").format(target, columns)
    with connection.cursor() as cursor:
        try:
            with cursor.copy(statement) as copy:
                for block in archive.blocks(relation):
                    copy.write(block)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            raise BackupError(
                f"The database takes no {relation} from {archive.path} (SQLSTATE {error.sqlstate}): take another file."
            ) from error
        if cursor.rowcount != archive.members[relation]["rows"]:
            raise BackupError(f"{archive.path} is damaged ({relation}): take another file.")


def _require(archive: Archive, *, whole: bool | None) -> None:
    """BackupError where this NokChart cannot read it, or it is not of the kind that is meant; `whole` None: either."""
    path, about = archive.path, archive.about
    known = set(TABLES) | set(AGGREGATES)
    if str(about["schema"]) > HEAD or not set(archive.members) <= known:
        raise BackupError(f"{path} was made by a newer NokChart: update NokChart.")
    if whole and about["broadcast"] is not None:
        raise BackupError(f"{path} holds the broadcast {about['broadcast']} only: restore it with --broadcast.")
    if whole is False and about["broadcast"] is None:
        raise BackupError(f"{path} holds a whole database: restore it without --broadcast, into an empty one.")
    if whole is False and not set(archive.members) >= set(TABLES) - set(NOT_OF_A_BROADCAST):
        raise BackupError(f"{path} is not complete: take another file.")


def _require_columns(connection: Connection, archive: Archive, relation: str) -> None:
    here = {name for name, _ in columns_of(connection, relation)}
    if unknown := sorted(set(archive.members[relation]["columns"]) - here):
        raise BackupError(f"{archive.path} has {relation}.{unknown[0]}, which NokChart does not know: update NokChart.")


def _keeps_buckets(database: Database, archive: Archive) -> bool:
    """Whether the backup's buckets have a place of their own: plain PostgreSQL counts when it is asked."""
    return database.edition == "timescaledb" and archive.about["broadcast"] is None


@contextmanager
def _as_owner() -> Iterator[None]:
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise BackupError(
            "The database user may not restore a whole database: ask as the owner, whose tables they are."
        ) from error


def _boundary(archive: Archive) -> datetime | None:
    text = archive.about["computed_from"]
    return None if text is None else datetime.fromisoformat(text)


def _listed(columns: list[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _mark(connection: Connection, marker: str | None) -> None:
    connection.execute(sql.SQL("COMMENT ON TABLE event IS {}").format(sql.Literal(marker)))
