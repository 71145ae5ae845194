"""A database session in which one broadcast is analysed: its series lives there, and goes with the session."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Self

import psycopg
from psycopg.rows import dict_row

from store.database import Database
from store.queries import query

Connection = psycopg.Connection[dict[str, Any]]

# The broadcast_id of a folder's events in the scratch tables: no real broadcast has it.
SCRATCH_ID = 0

# A sort of a million chats stays in memory; one runs at a time.
_WORK_MEM = "64MB"


@contextmanager
def analysis_session(database: Database, *, scratch: bool = False) -> Iterator[Connection]:
    """A connection with an empty series; with `scratch`, empty temporary twins of the tables that are read.

    One transaction covers the whole analysis, so that everything in a folder is of the same moment; it is committed at
    the end of the block, and undone when the block raises.
    """
    connection: Connection = database.connect(row_factory=dict_row)  # type: ignore[assignment]
    with closing(connection), _analysis(connection, scratch=scratch):
        yield connection


class AloneSession:
    """A session that nobody shares a broadcast with: who wants to export the same one waits until the block ends."""

    def __init__(self, database: Database, broadcast_id: int) -> None:
        self._database = database
        self._broadcast_id = broadcast_id

    def __enter__(self) -> Self:
        self._connection: Connection = self._database.connect(row_factory=dict_row)  # type: ignore[assignment]
        # Before the analysis, which sees the rows as they are when it begins.
        with self._connection.transaction():
            self._connection.execute(query("lock_export"), {"broadcast_id": self._broadcast_id})
        return self

    def __exit__(self, *exc: object) -> None:
        self._connection.close()

    @contextmanager
    def analysis(self) -> Iterator[Connection]:
        """As analysis_session, without scratch tables."""
        with _analysis(self._connection, scratch=False):
            yield self._connection

    @contextmanager
    def result(self) -> Iterator[Connection]:
        """A transaction for what the analysis has found: a row that changed meanwhile does not undo it."""
        self._connection.isolation_level = None
        with self._connection.transaction():
            yield self._connection


@contextmanager
def _analysis(connection: Connection, *, scratch: bool) -> Iterator[None]:
    if not scratch:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with connection.transaction():
        connection.execute(f"SET LOCAL work_mem = '{_WORK_MEM}'")
        # Of a broadcast that has just ended the planner has no statistics yet: it would take a million chats for five,
        # and compare each with each.
        connection.execute("SET LOCAL enable_nestloop = off")
        if scratch:
            connection.execute(query("create_scratch").encode())
            connection.execute(query("default_scratch"))
        connection.execute(query("create_series"))
        yield
