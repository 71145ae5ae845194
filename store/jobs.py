"""TimescaleDB's jobs, run by us: for a server that does not start them by itself, or on which they fail."""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

import sql
from store.database import Database
from store.errors import NokchartError


class NotTheOwner(NokchartError):
    """TimescaleDB's jobs are run by who owns them: set database_url to that of `nokchart db migrate`."""


@dataclass(frozen=True)
class JobRun:
    """A job that was run."""

    job: str
    """'refresh', 'columnstore' or 'retention'."""
    relation: str
    failed: str | None
    """What the server said, or None."""


def run_due_jobs(database: Database) -> Iterator[JobRun]:
    """Runs the jobs whose last run failed, or that have missed a whole turn, one by one; not those switched off.

    TimescaleDB counts only its own runs: what failed there is due again until one of those is well. On plain PostgreSQL
    there is none. Raises NotTheOwner.
    """
    with database.connect(autocommit=True) as connection:
        # What was refreshed can be packed, and what is packed be dropped.
        for job_id, job, relation in connection.execute(sql.query("due_jobs")).fetchall():
            try:
                connection.execute(sql.query("run_job"), {"job_id": job_id})
            except psycopg.errors.InsufficientPrivilege as error:
                raise NotTheOwner() from error
            except psycopg.Error as error:
                if connection.broken:
                    raise
                yield JobRun(job, relation, error.diag.message_primary or type(error).__name__)
            else:
                yield JobRun(job, relation, None)
