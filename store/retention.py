"""What is kept how long. TimescaleDB drops what is older by itself; elsewhere only `nokchart db prune` forgets."""

import sql
from store.database import Database
from store.migrate import beside_jobs, run_schema


def set_retention(database: Database, events_days: int | None, seconds_days: int | None) -> None:
    """Keeps messages and the 1 s buckets for so many days (at least 7); None: as long as before, 0: for ever.

    TimescaleDB's policies are made anew, as this version of NokChart and the table `retention` say, also where nothing
    changes: what somebody altered or a restore left out is right again. The 60 s and 300 s buckets are kept for ever.
    """

    def apply() -> None:
        with database.connect() as connection:
            for relation, days in (("event", events_days), ("chat_1s", seconds_days)):
                if days is not None:
                    connection.execute(sql.query("set_keep_days"), {"relation": relation, "days": days})
            if database.edition == "timescaledb":
                run_schema(connection, "timescale_policies")

    beside_jobs(apply)


def describe_retention(database: Database) -> str:
    """One sentence for a person: what is kept how long."""
    if database.edition != "timescaledb":
        return "everything is kept until `nokchart db prune`"
    with database.connect() as connection:
        days = dict(connection.execute("SELECT relation, keep_days FROM retention").fetchall())
    return f"messages are kept {_span(days['event'])}, seconds {_span(days['chat_1s'])}, minutes for ever"


def _span(days: int) -> str:
    return f"{days} days" if days else "for ever"
