"""The first tables; on TimescaleDB hypertables and continuous aggregates as well."""

from typing import Any

from alembic import context, op

from store.migrate import run_schema

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    edition = context.config.attributes["edition"]
    driver: Any = op.get_bind().connection.driver_connection
    run_schema(driver, "tables", "0001_initial.sql")
    # Without definitions yet: those come after this revision is committed.
    driver.execute("INSERT INTO installation (edition, definitions) VALUES (%s, '')", (edition,))
    if edition == "timescaledb":
        run_schema(driver, "timescale", "0001_hypertables.sql")
