"""Databases with the dashboards' small world in them, filled once for all tests here."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from store.database import Database, open_database
from store.embedded import EmbeddedServer
from tests.grafana.stage import fill
from tests.timescale.server import reset


@pytest.fixture(scope="module", params=["postgresql", "timescaledb"])
def staged(request: pytest.FixtureRequest, server: EmbeddedServer, home: Path) -> Iterator[Database]:
    """Either edition, filled."""
    if request.param == "timescaledb":
        dsn = request.getfixturevalue("timescale_dsn")
        reset(dsn)
        with open_database(dsn, home) as database:
            fill(database)
            yield database
        return
    with closing(psycopg.connect(server.dsn(), autocommit=True)) as admin:
        admin.execute("CREATE DATABASE dashboards TEMPLATE template_nokchart")
        try:
            with open_database(server.dsn("dashboards"), home) as database:
                fill(database)
                yield database
        finally:
            admin.execute("DROP DATABASE dashboards WITH (FORCE)")
