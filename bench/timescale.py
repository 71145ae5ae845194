"""The TimescaleDB that a benchmark runs on, and its jobs, which are called here rather than waited for."""

import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg import Connection

from store.database import Database, open_database
from tests.timescale.server import WasmTimescale

_JOBS = """
SELECT job_id, hypertable_name
FROM timescaledb_information.jobs
WHERE proc_name = %s
ORDER BY job_id
"""

_AGGREGATES = """
SELECT materialization_hypertable_name, view_name FROM timescaledb_information.continuous_aggregates
"""


@contextmanager
def opened(url: str | None, home: Path) -> Iterator[tuple[Database, str]]:
    """A migrated database and what it runs on: at `url`, else NOKCHART_TEST_TIMESCALE_DSN, else in WebAssembly."""
    url = url or os.environ.get("NOKCHART_TEST_TIMESCALE_DSN")
    if url:
        with open_database(url, home) as database:
            yield database, _named(database)
    else:
        with WasmTimescale() as server, open_database(server.dsn, home) as database:
            yield database, f"{_named(database)} in WebAssembly"


def _named(database: Database) -> str:
    with database.connect() as connection:
        (timescale,) = connection.execute(
            "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"
        ).fetchone() or ("none",)
        (postgres,) = connection.execute("SELECT split_part(version(), ' ', 2)").fetchone() or ("",)
    return f"TimescaleDB {timescale}, PostgreSQL {postgres}"


def schedule_jobs(connection: Connection[tuple[object, ...]], scheduled: bool) -> None:
    """Lets the server run its jobs when they are due, or keeps it from that."""
    connection.execute(
        "SELECT alter_job(job_id, scheduled => %s) FROM timescaledb_information.jobs WHERE job_id >= 1000", (scheduled,)
    )


def run_jobs(
    connection: Connection[tuple[object, ...]], kind: str, relations: Collection[str] | None = None
) -> dict[str, float]:
    """Runs the policies of a kind ('refresh_continuous_aggregate', 'compression', 'retention'), one after the other: of
    these relations, or of all.

    Returns the seconds that each relation's took. `connection` is in autocommit mode.
    """
    views = {str(table): str(view) for table, view in connection.execute(_AGGREGATES)}
    taken: dict[str, float] = {}
    for job_id, relation in connection.execute(_JOBS, (f"policy_{kind}",)).fetchall():
        name = views.get(str(relation), str(relation))
        if relations is None or name in relations:
            begun = time.monotonic()
            connection.execute(f"CALL run_job({job_id})")
            taken[name] = time.monotonic() - begun
    return taken
