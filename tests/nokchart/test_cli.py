"""The command line as a user meets it: what it prints, and one sentence and exit code 2 for what goes wrong."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from nokchart.cli import app
from nokchart.config import Config
from store.database import Database
from store.event import stream_id
from tests.analytics.sample import CHANNEL, OPENED, add_broadcast, add_event, files_of, line, minutes_of, write_events

COMMANDS = [
    *("watch", "health", "stats", "process", "build-ts", "peaks", "plot", "export", "import", "demo", "simulate"),
    *("db", "db migrate", "db status", "db jobs", "db prune"),
]
NOWHERE = "postgresql://user:s3cret@127.0.0.1:1/nokchart"

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's config.yaml and nobody's environment; a command that starts a server of its own is a mistake."""
    monkeypatch.chdir(tmp_path)
    for key in Config.model_fields:
        monkeypatch.delenv(f"NOKCHART_{key.upper()}", raising=False)
    monkeypatch.setenv("NOKCHART_DATABASE_URL", NOWHERE)


@pytest.fixture
def run() -> Run:
    """Runs a command inside this process."""
    return lambda *arguments: CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture
def database(plain_database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A database that the commands use."""
    monkeypatch.setenv("NOKCHART_DATABASE_URL", plain_database.url)
    return plain_database


@pytest.fixture
def quick_chart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chart that is drawn in no time."""

    def draw(series: Any, peaks: Any, surges: Any, *, out: Path, **more: Any) -> list[Path]:
        out.write_bytes(b"a chart")
        return [out]

    monkeypatch.setattr("analytics.chart.draw_chart", draw)


def _refused(result: Result) -> str:
    """The one sentence of a command that could not go on."""
    assert result.exit_code == 2, result.output
    (sentence,) = result.stderr.splitlines()
    assert sentence.startswith("nokchart: ")
    assert sentence.endswith(".")
    assert "Traceback" not in result.output
    return sentence


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(run: Run, command: str) -> None:
    result = run(*command.split(), "--help")
    assert result.exit_code == 0
    assert f"nokchart {command}" in result.output.replace("root ", "nokchart ")
    assert re.search(r"[a-z]\.", result.output)


def test_without_a_command_the_commands_are_listed(run: Run) -> None:
    result = run()
    assert all(command.split()[0] in result.output for command in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("stats", "cannot be reached"),
        ("db status", "cannot be reached"),
        ("export", "cannot be reached"),
        ("process --stream-dir nowhere", "cannot be reached"),
        ("stats --date nonsense", "--date 'nonsense' is no day: write it as 2026-01-08."),
        ("stats --date 2026-02-30", "--date '2026-02-30' is no day"),
        ("export --since tomorrow", "--since 'tomorrow' is no day"),
        ("export --daily 25:00", "--daily '25:00' is no time of day: write it as 04:00."),
        ("db prune --before x", "--before 'x' is no day"),
        ("stats --config no.yaml", "no.yaml does not exist: copy no.example.yaml to it"),
        ("stats --language fr", "--language cannot be used: input should be 'ko' or 'en'."),
        ("stats --output nowhere", "nowhere is no folder"),
        ("watch", "channels.yaml does not exist: copy channels.example.yaml to it"),
        ("import nowhere", "nowhere holds no events.jsonl"),
        ("plot --ts no.csv --peaks no.json --out x.png", "no.csv does not exist: `nokchart build-ts` makes it."),
        ("simulate --script no.json", "no.json"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(run: Run, arguments: str, sentence: str) -> None:
    told = _refused(run(*arguments.split()))
    assert sentence in told
    assert "s3cret" not in told


def test_a_port_in_use(run: Run) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        assert f"port {port}" in _refused(run("simulate", "--port", port))


def test_an_impolite_poll_is_refused_before_anything_starts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("channels.yaml").write_text('channels:\n  - "ab"\n')
    monkeypatch.setenv("NOKCHART_POLL_INTERVAL_SEC", "1")
    assert "must not be asked more often" in _refused(run("watch"))


def test_process_step_by_step_and_at_once(run: Run, database: Database, tmp_path: Path) -> None:
    folder = write_events(tmp_path / "out" / "stream_123", minutes_of(40, 60))
    result = run("process", "--stream-dir", "out/stream_123", "--stream-id", "stream_123")
    assert (result.exit_code, result.stderr) == (0, "")
    listed = {str(tmp_path / one) for one in result.stdout.split()}
    assert listed == {str(path) for path in folder.iterdir() if path.name != "events.jsonl"}
    before = files_of(folder)
    for command in (
        "build-ts --events out/stream_123/events.jsonl --out steps",
        "peaks --ts steps/chat_ts_1s.csv --stream-id stream_123 --out steps/peaks.json",
        "plot --ts steps/chat_ts_1s.csv --peaks steps/peaks.json --out steps/chart.png",
    ):
        result = run(*command.split())
        assert (result.exit_code, result.stderr) == (0, "")
    steps = files_of(tmp_path / "steps")
    assert steps["peaks.json"] == before["peaks.json"]
    assert steps["chat_ts_60s.csv"] == before["chat_ts_60s.csv"]
    assert steps["chart.png"].startswith(b"\x89PNG")


def test_what_was_wrong_with_a_file_is_said_and_only_strict_fails(
    run: Run, database: Database, tmp_path: Path, quick_chart: None
) -> None:
    write_events(tmp_path / "S", [line(5_000), line(1_000), line(1_000), *["x"] * 12, line(6_000, amount=-1)])
    result = run("process", "--stream-dir", "S")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        *(f"nokchart: line {number}: not JSON" for number in range(4, 14)),
        "nokchart: and 3 more",
        "nokchart: 3 events used; 12 broken lines left out, 1 unreadable fields left out, 1 repeated events used once, "
        "2 lines put in order.",
    ]
    assert run("process", "--stream-dir", "S", "--strict").exit_code == 1
    assert run("build-ts", "--events", "S/events.jsonl", "--out", "T", "--strict").exit_code == 1
    write_events(tmp_path / "sound", [line(1_000), line(1_000)])  # repeated is not unsound
    assert run("process", "--stream-dir", "sound", "--strict").exit_code == 0


def test_a_folder_without_events(run: Run, database: Database, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "has no events.jsonl" in _refused(run("process", "--stream-dir", "empty"))
    write_events(tmp_path / "broken", ["x"])
    assert "holds no event (line 1: not JSON)" in _refused(run("process", "--stream-dir", "broken"))
    assert [path.name for path in (tmp_path / "broken").iterdir()] == ["events.jsonl"]


def test_from_the_database_to_files_and_back(run: Run, database: Database, tmp_path: Path, quick_chart: None) -> None:
    result = run("export")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "nokchart: no broadcast to make files of: all whose messages are kept are up to date.\n"
    with database.connect() as connection:
        broadcast_id = add_broadcast(connection, closed_at=OPENED + timedelta(minutes=2))
        for second in range(100):
            add_event(connection, broadcast_id, OPENED + timedelta(seconds=second), str(second))
    folder = f"output/2026-01-06/미라이_{stream_id(CHANNEL, OPENED)}"
    assert run("export").stdout == f"{folder}\n"
    assert run("export").stdout == ""
    assert run("export", "--date", "2026-01-06", "--quiet").output == ""
    assert run("export", "--broadcast", broadcast_id, "--outdir", "elsewhere").stdout.startswith(
        "elsewhere/2026-01-06/"
    )
    assert run("export", "--date", "2026-01-07").stderr == "nokchart: no broadcast to make files of.\n"
    assert "There is no broadcast nope" in _refused(run("export", "--broadcast", "nope"))

    result = run("import", "output")
    assert (result.exit_code, result.stdout) == (0, f"{stream_id(CHANNEL, OPENED)}: 0 new of 100 events\n")
    write_events(tmp_path / "output" / "broken", ["x"])
    write_events(tmp_path / "output" / "미라이_S9", [line(1_000, stream_id="S9"), "x"])
    result = run("import", "output")
    assert result.exit_code == 1
    assert "S9: 1 new of 1 events" in result.stdout  # after the broken one
    assert "nokchart: output/미라이_S9, line 2: not JSON" in result.stderr.splitlines()
    assert "nokchart: output/broken: output/broken/events.jsonl holds no event (line 1: not JSON).\n" in result.stderr

    told = run("stats").stdout
    assert f"📁 미라이_{stream_id(CHANNEL, OPENED)}" in told
    assert "💬 채팅 수: 100개" in told
    assert "💬 Chats: 100" in run("stats", "--language", "en").stdout
    assert "💬 채팅 수: 100개" in run("stats", "--output", "output", "--date", "2026-01-06").stdout
    assert "수집된 방송이 없습니다" in run("stats", "--date", "2020-01-01").stdout

    told = run("db", "status").stdout
    assert re.search(r"^events +101$", told, re.MULTILINE)
    assert run("db", "prune", "--before", "2026-01-07").stdout == (
        "2 broadcasts with 101 events would be forgotten; repeat with --yes\n"
    )
    assert run("db", "prune", "--before", "2026-01-07", "--yes").stdout == "2 broadcasts with 101 events forgotten\n"
    assert run("db", "migrate").stdout == "ready: postgresql\neverything is kept until `nokchart db prune`\n"


def test_one_failure_is_said_and_is_the_exit_code(
    run: Run, database: Database, tmp_path: Path, quick_chart: None
) -> None:
    with database.connect() as connection:
        for day in (6, 7):
            add_broadcast(connection, opened_at=datetime(2026, 1, day, tzinfo=UTC), closed_at=OPENED)
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "2026-01-06").write_text("in the way")
    result = run("export")
    assert result.exit_code == 1
    assert result.stdout.startswith("output/2026-01-07/")
    (sentence,) = result.stderr.splitlines()
    assert sentence.startswith(f"nokchart: 20260106-090000_{CHANNEL}: output/2026-01-06/")
    assert run("export", "--since", "2026-01-07", "--until", "2026-01-07").exit_code == 0
    assert run("export", "--broadcast", 1, "--broadcast", 2, "--quiet").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--date 2026-01-07 --since 2026-01-06", "--date and --since exclude each other"),
        ("--daily 04:00 --broadcast 1", "--daily makes all that is missing: leave --broadcast out."),
        ("--every 10", "--every goes with --daily"),
    ],
)
def test_choices_that_exclude_each_other(run: Run, arguments: str, sentence: str) -> None:
    assert sentence in _refused(run("export", *arguments.split()))


def test_what_is_not_kept_any_more_is_never_overwritten(
    run: Run, timescale_database: Database, tmp_path: Path, quick_chart: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOKCHART_DATABASE_URL", timescale_database.url)
    with timescale_database.connect() as connection:
        connection.execute("UPDATE retention SET keep_days = 7 WHERE relation = 'event'")
        add_broadcast(connection, opened_at=datetime.now(UTC) - timedelta(days=8), closed_at=datetime.now(UTC))
    result = run("export", "--broadcast", 1)
    assert (result.exit_code, result.stdout) == (0, "")
    assert re.search(r": its messages are not all kept any more, so its files stay\.$", result.stderr)
    assert not (tmp_path / "output").exists()
    assert "all whose messages are kept are up to date" in run("export").stderr
    write_events(tmp_path / "in" / "old", [line(1_000)])
    assert "messages from before" in _refused(run("import", "in"))


def test_a_stop_leaves_nothing_half_written(database: Database, tmp_path: Path) -> None:
    with database.connect() as connection:
        broadcast_id = add_broadcast(connection, closed_at=OPENED)
        connection.execute(
            "INSERT INTO event (ts, broadcast_id, kind, event_key, source, content) "
            "SELECT %s, %s, 'chat', n, 'live', repeat('x', 500) FROM generate_series(1, 200000) AS n",
            (OPENED, broadcast_id),
        )
    with _start("export") as child:
        deadline = time.monotonic() + 20
        while not list(tmp_path.rglob(".events.jsonl.*")) and time.monotonic() < deadline:
            time.sleep(0.01)
        child.terminate()
        out, errors = child.communicate(timeout=10)
    assert (child.returncode, out) == (143, "")
    assert "Traceback" not in errors
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def _start(*arguments: str, **options: Any) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "nokchart", *arguments]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}, **pipes)


def test_a_terminal_sees_how_far_it_is(database: Database, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_events(tmp_path / "in" / name, [line(1_000)])
    terminal, stderr = pty.openpty()
    with _start("import", "in", stderr=stderr) as child:
        os.close(stderr)
        seen = b""
        with suppress(OSError):  # Linux: EIO when the last writer is gone
            while some := os.read(terminal, 4096):
                seen += some
        os.close(terminal)
        out = child.stdout.read() if child.stdout else ""
    assert child.returncode == 0
    assert [row.split(": ")[1] for row in out.splitlines()] == ["1 new of 1 events"] * 2
    assert b"2/2" in seen


def test_ctrl_c_ends_the_nightly_job_without_a_traceback(database: Database) -> None:
    with _start("export", "--daily", "04:00") as child:
        with database.connect(autocommit=True) as connection:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:  # until it has connected, and waits for the night
                row = connection.execute(
                    "SELECT count(*) FROM pg_stat_database WHERE datname = current_database() AND sessions > 1"
                ).fetchone()
                if row == (1,):
                    break
                time.sleep(0.1)
        time.sleep(1)
        child.send_signal(signal.SIGINT)
        out, errors = child.communicate(timeout=10)
    assert child.returncode in (1, 130)
    assert "Traceback" not in out + errors


def test_a_real_process_tells_its_trouble_and_hides_the_password() -> None:
    with _start("stats") as child:
        out, errors = child.communicate(timeout=20)
    assert (child.returncode, out) == (2, "")
    assert re.fullmatch(r"nokchart: The database at 127\.0\.0\.1 cannot be reached .*\.\n", errors)
    assert "s3cret" not in errors


def test_a_reader_that_has_seen_enough_is_no_trouble(tmp_path: Path) -> None:
    for number in range(30):
        folder = write_events(tmp_path / "out" / f"s{number}", [line(1_000)])
        (folder / "collection_report.json").write_text(
            json.dumps({"opened_at": "2026-01-06T12:00:00Z", "chat_count": 1, "duration_sec": 60})
        )
    with _start("stats", "--output", "out") as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        errors = child.stderr.read()
    assert errors == ""
