"""Several collectors, open gaps, and broadcasts that are begun anew."""

from typing import Any

from alembic import op

from store.migrate import run_schema

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    driver: Any = op.get_bind().connection.driver_connection
    run_schema(driver, "tables", "0002_collectors.sql")
