"""The whole way: a database, the loop, and a server that takes messages; restarts, and a database that goes away."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from analytics.live import LiveReader
from analytics.peaks import PeakSettings
from nokchart.cli import app
from nokchart.config import Config, load_config
from nokchart.notify.delivery import NotifyError, open_places
from nokchart.notify.outbox import Limits
from nokchart.notify.run import Notifier
from nokchart.notify.state import StateFile, claim
from store.database import Database, DatabaseUnavailable
from tests.analytics.airing import erupt, go_on_air
from tests.notify.hooks import Hooks


def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@contextmanager
def running(reach: Callable[[], Database], hook: Hooks, state: Path, **more: Any) -> Iterator[Notifier]:
    notifier = Notifier(
        reach,
        LiveReader(PeakSettings()),
        open_places([f"json://127.0.0.1:{hook.port}/hook"]),
        StateFile(state),
        **{
            "events": ["started", "ended", "peak", "stalled"],
            "min_score": 6.0,
            "limits": Limits(0, 100),
            "language": "en",
            "look_sec": 0.2,
            "away_sec": 1.0,
            "settle_sec": 0.0,
            **more,
        },
    )
    thread = threading.Thread(target=notifier.run)
    thread.start()
    try:
        yield notifier
    finally:
        notifier.stop.set()
        thread.join(15)
        assert not thread.is_alive()


def titles(hook: Hooks) -> list[str]:
    return [f"{post['title']}\n{post['message']}" for _, post in hook.posts]


def test_begin_peak_end_and_a_restart_in_between(plain_database: Database, hook: Hooks, tmp_path: Path) -> None:
    state = tmp_path / "notify" / "state.json"
    with plain_database.connect(autocommit=True) as connection:
        with running(lambda: plain_database, hook, state):
            number = go_on_air(connection, ago_sec=400)
            until(lambda: any("is on air" in said for said in titles(hook)))
        with running(lambda: plain_database, hook, state):
            erupt(connection, number, ago_sec=40)
            until(lambda: any("the chat erupts" in said for said in titles(hook)))
        connection.execute("UPDATE broadcast SET closed_at = now()")
        with running(lambda: plain_database, hook, state):
            until(lambda: any("has ended" in said for said in titles(hook)))
        with running(lambda: plain_database, hook, state):
            time.sleep(1)
    whole = "".join(titles(hook))
    assert [whole.count(said) for said in ("is on air", "the chat erupts", "has ended")] == [1, 1, 1]
    assert "고점" in whole


def test_what_could_not_be_sent_is_sent_by_the_next_run(
    plain_database: Database, hook: Hooks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nokchart.notify.outbox.FIRST_DELAY_SEC", 0.5)
    state = tmp_path / "state.json"
    hook.answer(*[500] * 2)
    with plain_database.connect(autocommit=True) as connection:
        go_on_air(connection, ago_sec=100)
        with running(lambda: plain_database, hook, state):
            until(lambda: len(hook.posts) == 1)
        hook.answers.clear()
        connection.execute("UPDATE broadcast SET title = 'another'")
        with running(lambda: plain_database, hook, state):
            until(lambda: len(hook.posts) == 2)
    assert ["is on air" in said for said in titles(hook)] == [True, True]
    assert json.loads(state.read_bytes())["outboxes"]
    assert "hook" not in state.read_text("utf-8").replace("outboxes", "")


def test_a_database_that_goes_away_and_comes_back(plain_database: Database, hook: Hooks, tmp_path: Path) -> None:
    away = threading.Event()

    def reach() -> Database:
        if away.is_set():
            raise DatabaseUnavailable
        return plain_database

    with running(reach, hook, tmp_path / "state.json"):
        time.sleep(0.5)
        away.set()
        with plain_database.connect(autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'nokchart live'"
            )
        until(lambda: any("database: no answer" in said for said in titles(hook)))
        away.clear()
        until(lambda: any("database: back" in said for said in titles(hook)))
    assert len(hook.posts) == 2


def test_a_database_that_hangs_is_told(hook: Hooks, tmp_path: Path) -> None:
    over = threading.Event()

    def reach() -> Database:
        over.wait(20)
        raise DatabaseUnavailable

    with running(reach, hook, tmp_path / "state.json"):
        until(lambda: any("no answer since" in said for said in titles(hook)))
        over.set()


def test_only_what_is_wanted_is_told(plain_database: Database, hook: Hooks, tmp_path: Path) -> None:
    with plain_database.connect(autocommit=True) as connection:
        number = go_on_air(connection, ago_sec=400)
        erupt(connection, number, ago_sec=40)
        with running(lambda: plain_database, hook, tmp_path / "state.json", events=["peak"]):
            until(lambda: hook.posts)
            time.sleep(0.5)
    assert len(hook.posts) == 1


def test_a_state_that_cannot_be_read_is_begun_anew(plain_database: Database, hook: Hooks, tmp_path: Path) -> None:
    for broken in (b"", b"{", b'{"lookout": 5}', b"\xff"):
        (tmp_path / "state.json").write_bytes(broken)
        assert StateFile(tmp_path / "state.json").read().lookout.looked_at is None


def test_one_run_for_a_folder(tmp_path: Path) -> None:
    with claim(tmp_path / "notify"), pytest.raises(NotifyError, match="Another `nokchart notify run`"):
        claim(tmp_path / "notify")


def test_the_test_command(hook: Hooks, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for key in Config.model_fields:
        monkeypatch.delenv(f"NOKCHART_{key.upper()}", raising=False)
    result = CliRunner().invoke(app, ["notify", "test"])
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    url = f"json://127.0.0.1:{hook.port}/secret"
    monkeypatch.setenv("NOKCHART_NOTIFY_URLS", url)
    result = CliRunner().invoke(app, ["notify", "test", "--language", "en"])
    assert (result.exit_code, result.stdout) == (0, "json (1): arrived\n")
    hook.answer(403)
    monkeypatch.setenv("NOKCHART_NOTIFY_URLS", f"{url}, {url}/2")
    result = CliRunner().invoke(app, ["notify", "test"])
    assert (result.exit_code, result.stdout) == (1, "json (2): arrived\n")
    assert result.stderr == "nokchart: json (1): not delivered (HTTP 403)\n"


def test_a_list_in_a_file_and_words_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "c.yaml").write_text('notify_urls:\n  - "json://a/1"\n  - "json://b/2"\nnotify_events: [peak, ended]\n')
    settings = load_config(tmp_path / "c.yaml")
    assert (settings.notify_to, settings.notify_events) == (["json://a/1", "json://b/2"], "peak ended")
    monkeypatch.setenv("NOKCHART_NOTIFY_URLS", "json://c/3\n json://d/4,")
    monkeypatch.setenv("NOKCHART_NOTIFY_EVENTS", "peaks")
    result = CliRunner().invoke(app, ["notify", "test", "--config", str(tmp_path / "c.yaml")])
    assert result.exit_code == 2
    assert "write some of started, ended, peak, stalled" in result.stderr
    monkeypatch.delenv("NOKCHART_NOTIFY_EVENTS")
    assert load_config(tmp_path / "c.yaml").notify_to == ["json://c/3", "json://d/4"]
