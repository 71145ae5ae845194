"""`nokchart live` on a terminal of its own: one look, JSON, keys and signals, and a database that goes away."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from analytics.live_view import LiveView
from nokchart.cli import app
from nokchart.config import Config
from nokchart.live import Follower
from store.database import Database
from tests.analytics.airing import go_on_air

ROOT = Path(__file__).parents[2]


class Screen:
    """`nokchart live` on a pseudo terminal of 80 × 24; as "$@" of a shell's script, where there is one."""

    def __init__(self, environment: dict[str, str], script: str | None = None) -> None:
        self.master, self.slave = pty.openpty()
        termios.tcsetwinsize(self.slave, (24, 80))
        self.before = termios.tcgetattr(self.slave)
        self.text = ""
        self._decoder = getincrementaldecoder("utf-8")("replace")
        shell = [] if script is None else ["sh", "-c", script, "sh"]
        self.process = subprocess.Popen(
            [*shell, sys.executable, "-m", "nokchart", "live", "--interval", "0.5", "--language", "en"],
            env={**environment, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color"},
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
            preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),  # its controlling terminal
        )

    def until(self, words: str, seconds: float = 30) -> None:
        """Reads on until `words` were drawn."""
        end = time.monotonic() + seconds
        while words not in self.text:
            assert time.monotonic() < end, self.text[-2000:]
            self.read()
        assert "Traceback" not in self.text
        self.text = self.text[self.text.rindex(words) + len(words) :]

    def read(self) -> bool:
        """Takes in what was drawn, of which a part may come as any number of bytes. Returns whether there was any."""
        if not select.select([self.master], [], [], 0.2)[0]:
            return False
        with suppress(OSError):
            drawn = self._decoder.decode(os.read(self.master, 65_536))
            self.text = re.sub(r"\x1b\[[0-9;]*m", "", self.text + drawn)
            return True
        return False

    def ended(self) -> int:
        """Waits for the end. Returns the exit code; the terminal has to be as it was."""
        end = time.monotonic() + 15
        while self.process.poll() is None and time.monotonic() < end:
            self.read()
        while self.read():
            pass
        assert "\x1b[?1049l" in self.text  # the other screen is left
        assert "\x1b[?25h" in self.text  # the cursor is back
        assert termios.tcgetattr(self.slave) == self.before
        assert "Traceback" not in self.text
        code = self.process.returncode
        assert code is not None
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def environment(plain_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """One channel on air, in the database that the environment names."""
    monkeypatch.chdir(tmp_path)
    for key in Config.model_fields:
        monkeypatch.delenv(f"NOKCHART_{key.upper()}", raising=False)
    monkeypatch.setenv("NOKCHART_DATABASE_URL", plain_database.url)
    monkeypatch.setenv("NOKCHART_HOME", str(tmp_path / "home"))
    with plain_database.connect() as connection:
        go_on_air(connection, ago_sec=300)
    return dict(os.environ)


@pytest.fixture
def screen(environment: dict[str, str]) -> Iterator[Callable[..., Screen]]:
    """Starts the command; what is left at the end of the test is ended."""
    screens: list[Screen] = []

    def start(script: str | None = None) -> Screen:
        screens.append(Screen(environment, script))
        return screens[-1]

    yield start
    for one in screens:
        one.close()


@pytest.mark.parametrize("how", ["q", "ㅂ", "Ctrl-C", "SIGTERM", "SIGHUP"])
def test_it_ends_cleanly(how: str, screen: Callable[..., Screen]) -> None:
    shown = screen()
    shown.until("미라이")
    if how.startswith("SIG"):
        shown.process.send_signal(getattr(signal, how))
    else:
        os.write(shown.master, {"Ctrl-C": b"\x03"}.get(how, how.encode()))
    assert shown.ended() == 0


def test_it_follows_the_size_of_the_window(screen: Callable[..., Screen]) -> None:
    shown = screen()
    shown.until("─" * 80)
    termios.tcsetwinsize(shown.slave, (40, 120))
    shown.until("─" * 120)
    os.write(shown.master, b"q")
    assert shown.ended() == 0


_SUSPENDED = 'set -m; "$@"; echo suspended; read line; '


def _suspended(shown: Screen) -> None:
    """Ctrl-Z leaves the other screen, and the shell has the terminal as it was."""
    shown.until("미라이")
    os.write(shown.master, b"\x1a")
    for words in ("\x1b[?1049l", "\x1b[?25h", "suspended"):
        shown.until(words)
    assert termios.tcgetattr(shown.slave) == shown.before


def test_it_is_suspended_and_comes_back(screen: Callable[..., Screen]) -> None:
    shown = screen(_SUSPENDED + "fg; echo again; read line; fg; exit $?")
    _suspended(shown)
    os.write(shown.master, b"\n")
    shown.until("\x1b[?1049h")
    shown.until("미라이")
    os.write(shown.master, b"\x1a")  # once more
    shown.until("again")
    termios.tcsetwinsize(shown.slave, (40, 120))
    os.write(shown.master, b"\n")
    shown.until("─" * 120)
    os.write(shown.master, b"q")
    assert shown.ended() == 0


def test_in_the_background_it_leaves_the_terminal_alone(screen: Callable[..., Screen]) -> None:
    shown = screen(_SUSPENDED + "stty -echo; bg; sleep 1; echo still; stty echo; fg; exit $?")
    _suspended(shown)
    os.write(shown.master, b"\n")
    shown.until("still")
    assert "\x1b[?1049h" not in shown.text
    shown.until("미라이")
    os.write(shown.master, b"q")
    assert shown.ended() == 0


def test_it_can_be_ended_while_it_is_suspended(screen: Callable[..., Screen]) -> None:
    shown = screen(_SUSPENDED + 'kill -TERM %1; kill -HUP %1; fg; echo "ended: $?"')
    _suspended(shown)
    os.write(shown.master, b"\n")
    shown.until("ended: 0")
    assert termios.tcgetattr(shown.slave) == shown.before


def test_while_it_is_suspended_the_database_has_not_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 1000.0
    monkeypatch.setattr("nokchart.live.time.monotonic", lambda: clock)
    unused: Any = None
    follower = Follower(unused, unused, 2.0, LiveView(datetime.now(UTC), [], []))
    clock += 3600
    _, away = follower.latest()
    assert away == ("The database does not answer.", 3600)
    follower.resume()
    assert follower.latest()[1] is None
    clock += 15
    _, away = follower.latest()
    assert away == ("The database does not answer.", 3615)


def test_the_database_goes_away_and_comes_back(plain_database: Database, screen: Callable[..., Screen]) -> None:
    shown = screen()
    shown.until("미라이")
    name = plain_database.parameters["dbname"]
    admin = Database({**plain_database.parameters, "dbname": "postgres"}, plain_database.edition)
    with admin.connect(autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        shown.until("ago: The database")
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    shown.until("no collector is running")
    os.write(shown.master, b"q")
    assert shown.ended() == 0


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.usefixtures("environment")
def test_one_look() -> None:
    result = run("live", "--once", "--language", "en")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "미라이  제목" in result.stdout
    assert "\x1b" not in result.stdout


@pytest.mark.usefixtures("environment")
def test_one_look_for_scripts() -> None:
    result = run("live", "--once", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    told = json.loads(result.stdout)
    assert sorted(told) == ["at", "channels", "collectors"]
    assert told["at"].endswith("Z")
    (channel,) = told["channels"]
    assert channel["streamer"] == "미라이"
    assert channel["peak"] is None
    assert len(channel["chats_15min"]) == 90
    # what docs/live.md names, and nothing else
    page = (ROOT / "docs/live.md").read_text("utf-8")
    assert [key for key in channel if f"`{key}`" not in page] == []


@pytest.mark.usefixtures("environment")
def test_what_cannot_be_shown_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("live")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "nokchart: `nokchart live` draws on a terminal: add --once for a picture, or --once --json for a script.\n"
    )
    assert "--once --json" in run("live", "--json").stderr
    monkeypatch.setenv("NOKCHART_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    result = run("live", "--once")
    assert result.exit_code == 2
    assert "cannot be reached" in result.stderr


@pytest.mark.usefixtures("environment")
def test_a_database_without_tables_is_not_touched(plain_database: Database) -> None:
    with plain_database.connect() as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    result = run("live", "--once")
    assert result.exit_code == 2
    assert "older schema (0001): run `nokchart db migrate` as its owner" in result.stderr
    with plain_database.connect() as connection:
        connection.execute("DROP TABLE alembic_version")
    assert "no tables of NokChart" in run("live", "--once").stderr


@pytest.mark.usefixtures("environment")
def test_views_of_another_version_are_told_as_such(plain_database: Database) -> None:
    """Who only reads does not renew them: the program may be newer than the last `nokchart db migrate`."""
    with plain_database.connect() as connection:
        connection.execute("ALTER FUNCTION surge_peaks RENAME TO surges")
    result = run("live", "--once")
    assert result.exit_code == 2
    assert result.stderr == (
        "nokchart: The database's tables and views are not those of this NokChart: run `nokchart db migrate`.\n"
    )
