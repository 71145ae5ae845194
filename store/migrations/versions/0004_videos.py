"""Where the moments of a broadcast are in its video."""

from typing import Any

from alembic import op

from store.migrate import run_schema

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    driver: Any = op.get_bind().connection.driver_connection
    run_schema(driver, "tables", "0004_videos.sql")
