"""What the tests of the batch side share."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from store.database import Database, open_database
from store.embedded import EmbeddedServer


@pytest.fixture
def quick_chart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chart that is drawn in no time, for tests that are about something else."""

    def draw(series: Any, peaks: Any, surges: Any, *, out: Path, **more: Any) -> list[Path]:
        out.write_bytes(b"a chart")
        return [out]

    monkeypatch.setattr("analytics.chart.draw_chart", draw)


@pytest.fixture
def other_database(server: EmbeddedServer, home: Path) -> Iterator[Database]:
    """A second migrated, empty database beside plain_database."""
    with closing(psycopg.connect(server.dsn(), autocommit=True)) as admin:
        admin.execute("CREATE DATABASE other TEMPLATE template_nokchart")
        try:
            with open_database(server.dsn("other"), home) as database:
                yield database
        finally:
            admin.execute("DROP DATABASE other WITH (FORCE)")
