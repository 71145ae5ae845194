"""A database session in which one broadcast is analysed: its series lives there, and goes with the session."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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
def analysis_session(
    database: Database, *, scratch: bool = False, alone_with: int | None = None
) -> Iterator[Connection]:
    """A connection with an empty series; with `scratch`, empty temporary twins of the tables that are read.

    `alone_with`: a broadcast_id; who wants to be alone with the same one waits until the block ends.

    One transaction covers the whole analysis, so that everything in a folder is of the same moment; it is committed at
    the end of the block, and undone when the block raises.
    """
    connection: Connection = database.connect(row_factory=dict_row)  # type: ignore[assignment]
    try:
        if alone_with is not None:  # before the transaction, which sees the rows as they are when it begins
            with connection.transaction():
                connection.execute(query("lock_export"), {"broadcast_id": alone_with})
        if not scratch:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with connection.transaction():
            connection.execute(f"SET LOCAL work_mem = '{_WORK_MEM}'")
            if scratch:
                connection.execute(query("create_scratch").encode())
                connection.execute(query("default_scratch"))
            connection.execute(query("create_series"))
            yield connection
    finally:
        connection.close()
