"""`nokchart health`: what it reads, what it prints, and its exit codes; and that it is quick enough to run all day."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import Result
from typer.testing import CliRunner

from collector.snapshot import Snapshot, write_snapshot
from nokchart.cli import app
from nokchart.config import Config
from tests.collector.wellbeing import channel, snapshot

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder; no database, and nobody's config.yaml and environment."""
    monkeypatch.chdir(tmp_path)
    for key in Config.model_fields:
        monkeypatch.delenv(f"NOKCHART_{key.upper()}", raising=False)
    monkeypatch.setenv("NOKCHART_DATABASE_URL", "postgresql://user:s3cret@127.0.0.1:1/nokchart")
    monkeypatch.setenv("NOKCHART_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def run() -> Run:
    """Runs a command inside this process."""
    return lambda *arguments: CliRunner().invoke(app, [str(one) for one in arguments])


def running(home: Path, number: int = 1, **changes: Any) -> Snapshot:
    """What a collector writes that is well but for `changes`."""
    folder = home / "collector" / str(number)
    folder.mkdir(parents=True, exist_ok=True)
    state = snapshot(**{"at": datetime.now(UTC), "collector_id": f"host:{number}", **changes})
    write_snapshot(folder, state)
    return state


def test_a_healthy_collector(run: Run, home: Path) -> None:
    running(home)
    result = run("health")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "collector host:1: 2 channels, 1 on air",
        "  status       0 s old",
        "  last poll    12 s ago, 12 s for the channel that waits longest",
        f"  on air       {'a' * 32}: connected, last frame 3 s ago",
        "  last commit  0 s ago",
        "  queue        17 of 200,000 rows",
        "  spool        0.0 of 1,024.0 MB",
    ]


def test_one_of_several_is_ill(run: Run, home: Path) -> None:
    for number in (10, 2, 1):
        running(home, number, spool_full=number == 2)
    result = run("health")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert [line.split(":")[1] for line in lines if line.startswith("collector")] == ["1", "2", "10"]
    (problem,) = [line for line in lines if "problem" in line]
    assert (
        lines.index("collector host:2: 2 channels, 1 on air")
        < lines.index(problem)
        < lines.index("collector host:10: 2 channels, 1 on air")
    )
    assert "The spool is full" in problem


def test_a_collector_that_was_killed(run: Run, home: Path) -> None:
    running(home, at=datetime.now(UTC) - timedelta(hours=3))
    result = run("health")
    assert result.exit_code == 1
    assert "  problem      The status is 3.0 h old: the collector (process 4711) hangs or is gone." in result.stdout


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_no_collector(run: Run, home: Path, arguments: tuple[str, ...]) -> None:
    (home / "collector" / "1").mkdir(parents=True)  # one that has not written yet
    result = run("health", *arguments)
    assert result.exit_code == 1
    assert result.stderr == f"nokchart: no collector is running here: there is no status in {home / 'collector'}.\n"
    assert result.stdout == "" or json.loads(result.stdout) == {"healthy": False, "collectors": []}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"collector_id": "an older version"}', b"\xff"])
def test_a_status_that_cannot_be_read_is_a_problem(run: Run, home: Path, content: bytes) -> None:
    running(home, 1)
    running(home, 2)
    path = home / "collector" / "2" / "status.json"
    path.write_bytes(content)
    result = run("health")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-2:] == [
        f"collector in {path.parent}",
        f"  problem      {path} cannot be read: another version or another user wrote it.",
    ]


def test_json_has_the_whole_state(run: Run, home: Path) -> None:
    state = running(home, 1, channels=[channel("하나", frame_age_sec=120.0)])
    (home / "collector" / "3").mkdir()
    (home / "collector" / "3" / "status.json").write_bytes(b"")
    result = run("health", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["healthy"] is False
    first, second = told["collectors"]
    assert msgspec.convert(first["snapshot"], Snapshot) == state
    assert first["folder"] == str(home / "collector" / "1")
    assert first["problems"] == ["Channel 하나: on air and connected, and nothing was heard for 2 min."]
    assert second["snapshot"] is None
    assert len(second["problems"]) == 1
    running(home, 1)
    running(home, 3)
    result = run("health", "--json")
    assert (result.exit_code, json.loads(result.stdout)["healthy"]) == (0, True)


def test_what_cannot_be_configured_is_exit_code_2(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("health", "--config", "no.yaml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "nokchart: no.yaml does not exist: copy no.example.yaml to it, and edit it.\n"
    monkeypatch.setenv("NOKCHART_METRICS_PORT", "70000")
    assert run("health").exit_code == 2


def test_the_home_of_the_configuration_is_looked_into(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOKCHART_HOME")
    running(tmp_path / "elsewhere")
    Path("mine.yaml").write_text(f"home: {tmp_path / 'elsewhere'}\n")
    assert run("health", "--config", "mine.yaml").exit_code == 0


def test_it_is_quick_and_light(home: Path) -> None:
    running(home, 1, channels=[channel(str(number)) for number in range(200)])
    code = """
import sys
from nokchart.cli import app
try:
    app(["health"])
finally:
    heavy = "aiohttp asyncpg numpy pandas psycopg sqlalchemy structlog prometheus_client chzzkpy".split()
    print("imported:", *[name for name in heavy if name in sys.modules], file=sys.stderr)
"""
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "NOKCHART_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    took = time.monotonic() - begun
    assert done.returncode == 0, done.stderr
    assert done.stderr == "imported:\n"
    assert done.stdout.count("on air       ") == 200
    assert took < 5  # about 0.2 s; the rest is for a machine that is busy
