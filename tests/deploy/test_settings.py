"""deploy/postgresql/nokchart.conf, read by a real PostgreSQL."""

import re
from contextlib import closing
from pathlib import Path

import psycopg

from bench.configured import SETTINGS, configured_server
from tests.deploy.compose import megabytes, services

_LINE = re.compile(r"^(?P<name>[\w.]+) = (?P<value>'[^']*'|\S+) +# (?P<why>.+)$")
_OVERRIDDEN = {"listen_addresses", "shared_preload_libraries"}  # by bench.configured, which says why


def test_every_setting_counts(tmp_path: Path) -> None:
    with configured_server(tmp_path / "postgres") as dsn, closing(psycopg.connect(dsn)) as connection:
        rows = connection.execute("SELECT name, setting, error, applied FROM pg_file_settings").fetchall()
        unsound = {name: error for name, _, error, applied in rows if error is not None or not applied}
        loaded = {name for name, *_ in rows}
        memory = connection.execute(
            "SELECT sum(pg_size_bytes(current_setting(name)))::bigint / 1024 ^ 2 FROM unnest(%s::text[]) AS name",
            (["shared_buffers", "wal_buffers", "maintenance_work_mem", "autovacuum_work_mem"],),
        ).fetchone()
        parallel = connection.execute("SHOW max_parallel_workers_per_gather").fetchone()
    assert set(unsound) <= _OVERRIDDEN
    assert all("could not be applied" in error for error in unsound.values())  # only at a start, where ours counted
    assert loaded == {match["name"] for match in map(_LINE.match, _lines()) if match}
    assert memory is not None
    assert memory[0] < megabytes(services()["db"]["mem_limit"]) / 1.5
    assert parallel == ("0",)


def test_every_value_has_its_reason() -> None:
    for line in _lines():
        assert _LINE.match(line), line


def test_what_people_wrote_stays_out_of_the_log(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    with configured_server(folder) as dsn, closing(psycopg.connect(dsn, autocommit=True)) as connection:
        for statement in ("SELECT '비밀' ~ '('", "SELECT 1 / 0 AS 비밀", "SELECT '비밀'::int"):
            try:
                connection.execute(statement.encode())
            except psycopg.Error:
                continue
            raise AssertionError("it was to fail")
    log = (folder / "server.log").read_text(encoding="utf-8")
    assert "division by zero" in log
    assert "STATEMENT" not in log
    assert "1 / 0" not in log


def _lines() -> list[str]:
    lines = SETTINGS.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]
