"""What is kept how long, totals of broadcasts, and the settings of their files."""

from typing import Any

from alembic import context, op

from store.migrate import run_schema

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    driver: Any = op.get_bind().connection.driver_connection
    run_schema(driver, "tables", "0003_production.sql")
    if context.config.attributes["edition"] == "timescaledb":
        run_schema(driver, "timescale", "0003_columnstore.sql")
