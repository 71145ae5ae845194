"""`nokchart db`: what a person types and reads."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nokchart.cli import app
from store.database import Database
from store.terminal import psql_environment
from tests.analytics.sample import OPENED, add_broadcast, add_event


@pytest.fixture
def configured(plain_database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Database:
    """A database with a broadcast, which the commands find in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NOKCHART_DATABASE_URL", plain_database.url)
    with plain_database.connect() as connection:
        add_event(connection, add_broadcast(connection), OPENED)
    return plain_database


def run_db(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["db", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


def test_status_for_people_and_programs(configured: Database) -> None:
    code, said = run_db("status")
    assert code == 0
    assert "postgresql" in said
    code, said = run_db("status", "--json")
    assert code == 0
    assert (json.loads(said)["events"], json.loads(said)["edition"]) == (1, "postgresql")


def test_backup_verify_and_restore(configured: Database) -> None:
    code, said = run_db("backup", "a.zip", "--verify")
    assert (code, "all rows are the same" in said) == (0, True)
    assert run_db("restore", "a.zip", "--verify")[0] == 0
    code, said = run_db("restore", "a.zip")
    assert (code, "not empty" in said) == (2, True)
    code, said = run_db("restore", "nowhere.zip")
    assert (code, "No such file" in said) == (2, True)
    assert run_db("backup", "one.zip", "--broadcast", "1")[0] == 0
    code, said = run_db("restore", "one.zip", "--broadcast")
    assert (code, "broadcast 1" in said) == (0, True)
    assert run_db("backup", "nowhere/a.zip")[0] == 2


def test_preflight_needs_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOKCHART_DATABASE_URL", "postgresql://nowhere.invalid/x")
    for number, name in enumerate(("POSTGRES", "NOKCHART_WRITER", "NOKCHART_READER", "GRAFANA_ADMIN")):
        monkeypatch.setenv(f"{name}_PASSWORD", f"{number}f9a61c07be2d85411aa90")
    assert run_db("preflight")[0] == 0
    monkeypatch.setenv("NOKCHART_READER_PASSWORD", "changeme-changeme")
    code, said = run_db("preflight")
    assert code == 2
    assert "NOKCHART_READER_PASSWORD" in said
    assert "changeme" not in said


def test_psql_reads_only_where_it_is_told_to(configured: Database) -> None:
    assert run_db("psql", "--", "-c", "UPDATE broadcast SET title = 'x'")[0] == 0
    assert run_db("psql", "--reader", "--", "-c", "UPDATE broadcast SET title = 'y'")[0] == 1
    with configured.connect() as connection:
        assert connection.execute("SELECT title FROM broadcast").fetchone() == ("x",)


def test_psql_gets_what_it_needs_by_its_environment() -> None:
    parameters = {"host": "db", "port": "5433", "user": "owner", "password": "s3cret", "sslrootcert": "/ca.pem"}
    database = Database({**parameters, "dbname": "chat"}, "postgresql")
    given = psql_environment(database, read_only=False, reader_password=None, inherited={"PGHOST": "else", "LANG": "C"})
    assert given == {
        "LANG": "C",
        "PGHOST": "db",
        "PGPORT": "5433",
        "PGUSER": "owner",
        "PGPASSWORD": "s3cret",
        "PGDATABASE": "chat",
        "PGSSLROOTCERT": "/ca.pem",
    }
    given = psql_environment(database, read_only=True, reader_password="other", inherited={})
    assert (given["PGUSER"], given["PGPASSWORD"]) == ("nokchart_reader", "other")
    assert given["PGOPTIONS"] == "-c default_transaction_read_only=on"
