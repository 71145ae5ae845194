"""`nokchart grafana annotate`: broadcasts and peaks as annotations, once, however often it runs."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

import grafana.annotations
from grafana.annotations import Mark, annotate
from grafana.server import open_grafana
from nokchart.cli import app
from store.database import Database
from tests.analytics.sample import OPENED, add_broadcast
from tests.grafana.someones_grafana import TOKEN, SomeonesGrafana, someones_grafana

ENDED = OPENED + timedelta(hours=2)
Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, plain_database: Database) -> Iterator[SomeonesGrafana]:
    """A Grafana with an annotation of somebody else's, and a database, both named by the environment."""
    with someones_grafana() as running:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("NOKCHART_GRAFANA_URL", running.url)
        monkeypatch.setenv("NOKCHART_GRAFANA_TOKEN", TOKEN)
        monkeypatch.setenv("NOKCHART_DATABASE_URL", plain_database.url)
        running.annotations[1] = {"id": 1, "time": _ms(OPENED), "text": "deployed", "tags": ["deploy", "nokchart"]}
        yield running


@pytest.fixture
def broadcast(plain_connection: Connection) -> str:
    """An ended broadcast with two surges and a volume peak; its stream_id."""
    number = add_broadcast(plain_connection, closed_at=ENDED)
    plain_connection.execute("UPDATE broadcast SET title = %s", ("<b>New</b> game\x1b[2J",))
    for method, rank, second in (("surge", 1, 600), ("surge", 2, 1200), ("volume", 1, 590)):
        plain_connection.execute(
            "INSERT INTO peak VALUES (%s, %s, %s, %s, %s, %s, 120, 7.5, FALSE, %s)",
            (number, method, rank, second, second + 60, second, ["3.1x usual", "chat"]),
        )
    plain_connection.commit()
    row = plain_connection.execute("SELECT stream_id FROM broadcast WHERE broadcast_id = %s", (number,)).fetchone()
    assert row is not None
    return str(row[0])


def run(*options: str) -> Result:
    result = CliRunner().invoke(app, ["grafana", "annotate", *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert TOKEN not in result.output
    return result


def test_a_broadcast_is_a_region_and_its_peaks_are_moments(there: SomeonesGrafana, broadcast: str) -> None:
    result = run()
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{broadcast}: 4 new, 0 changed, 0 deleted, 0 unchanged\n"
    whole, *peaks = list(there.annotations.values())[1:]
    assert (whole["time"], whole["timeEnd"]) == (_ms(OPENED), _ms(ENDED))
    assert whole["tags"][:3] == ["nokchart", "broadcast", broadcast]
    assert "&lt;b&gt;New&lt;/b&gt; game" in whole["text"]
    assert "\x1b" not in whole["text"]
    assert [one["time"] - _ms(OPENED) for one in peaks] == [590_000, 600_000, 1_200_000]
    assert all(one["time"] == one["timeEnd"] for one in peaks)
    assert all(one["text"].endswith("120 · 평소의 3.1배, chat") for one in peaks)
    assert [one["tags"][-1] for one in peaks] == ["volume", "surge", "surge"]


def test_the_second_time_nothing_is_written(there: SomeonesGrafana, broadcast: str) -> None:
    run()
    there.requests.clear()
    assert run().stdout == f"{broadcast}: 0 new, 0 changed, 0 deleted, 4 unchanged\n"
    assert there.writes == []


def test_what_changed_is_updated_and_what_is_gone_is_deleted(
    there: SomeonesGrafana, broadcast: str, plain_connection: Connection
) -> None:
    run()
    plain_connection.execute("UPDATE peak SET value = 121 WHERE method = 'volume'")
    plain_connection.execute("DELETE FROM peak WHERE method = 'surge' AND rank = 2")
    plain_connection.execute("UPDATE broadcast SET title = 'Another'")
    plain_connection.commit()
    assert run().stdout == f"{broadcast}: 0 new, 2 changed, 1 deleted, 1 unchanged\n"
    assert len(there.annotations) == 4
    assert there.annotations[1]["text"] == "deployed"
    assert {one["time"] - _ms(OPENED) for one in there.annotations.values()} == {0, 590_000, 600_000}
    assert run().stdout == f"{broadcast}: 0 new, 0 changed, 0 deleted, 3 unchanged\n"


def test_reasons_are_in_the_language_that_is_asked_for(there: SomeonesGrafana, broadcast: str) -> None:
    run()
    assert run("--language", "en").stdout == f"{broadcast}: 0 new, 3 changed, 0 deleted, 1 unchanged\n"
    assert sum(one["text"].endswith("120 · 3.1x usual, chat") for one in there.annotations.values()) == 3


def test_the_reader_may_run_it(there: SomeonesGrafana, broadcast: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c default_transaction_read_only=on")
    assert "4 new" in run().stdout


def test_a_dry_run_counts_only(there: SomeonesGrafana, broadcast: str) -> None:
    result = run("--dry-run")
    assert result.stdout == f"{broadcast}: 4 new, 0 changed, 0 deleted, 0 unchanged\n"
    assert there.writes == []


def test_fewer_peaks_when_asked(there: SomeonesGrafana, broadcast: str) -> None:
    run()
    assert run("--top", "1").stdout == f"{broadcast}: 0 new, 0 changed, 1 deleted, 3 unchanged\n"


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        (["--date", "2026-01-06"], True),
        (["--date", "2026-01-07"], False),
        (["--since", "2026-01-06"], True),
        (["--since", "2026-01-07"], False),
        (["--until", "2026-01-05"], False),
    ],
)
def test_choices_are_those_of_export(there: SomeonesGrafana, broadcast: str, options: list[str], chosen: bool) -> None:
    assert (broadcast in run(*options).stdout) is chosen


def test_others_are_left_alone(there: SomeonesGrafana, broadcast: str, plain_connection: Connection) -> None:
    run()
    add_broadcast(plain_connection, channel_id="f" * 32, opened_at=OPENED + timedelta(days=1), closed_at=None)
    plain_connection.commit()
    before = dict(there.annotations)
    assert " 1 new" in run("--since", "2026-01-07").stdout
    assert before.items() <= there.annotations.items()
    on_air = there.annotations[max(there.annotations)]
    assert abs(on_air["timeEnd"] - _ms(datetime.now(UTC))) < 120_000


@pytest.mark.parametrize("options", [["--date", "6.1."], ["--date", "2026-01-06", "--since", "2026-01-06"]])
def test_choices_that_are_none(there: SomeonesGrafana, broadcast: str, options: list[str]) -> None:
    assert run(*options).exit_code == 2
    assert there.requests == []


def test_no_such_broadcast(there: SomeonesGrafana, broadcast: str) -> None:
    result = run("--broadcast", "nobody")
    assert result.exit_code == 2
    assert "There is no broadcast nobody" in result.stderr


def test_a_token_that_may_not_write(there: SomeonesGrafana, broadcast: str) -> None:
    there.otherwise["POST", "/annotations"] = (403, b'{"message": "Forbidden"}', {"Content-Type": "application/json"})
    result = run()
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "Editor" in result.stderr


@pytest.mark.parametrize("body", [b'{"a": 1}', b'[{"id": "x"}]', b"[1]", b"<html>"])
def test_a_list_that_is_none(there: SomeonesGrafana, broadcast: str, body: bytes) -> None:
    there.otherwise["GET", "/annotations"] = (200, body, {"Content-Type": "application/json"})
    assert run().exit_code == 2
    assert there.writes == []


@pytest.mark.parametrize("order", [lambda one: -one["timeEnd"], lambda one: -one["time"]], ids=["ends", "beginnings"])
def test_many_are_found_page_by_page(
    there: SomeonesGrafana, monkeypatch: pytest.MonkeyPatch, order: Callable[[dict[str, Any]], int]
) -> None:
    monkeypatch.setattr(grafana.annotations, "_PAGE", 10)
    there.order = order
    name = "20260106-210000_an odd&name/#1"
    tags = ("nokchart", "peak", name)
    marks = [Mark(second * 1000, second * 1000, f"peak {second}", tags) for second in range(1000, 1095)]
    marks.append(Mark(1, 2_000_000, "whole", ("nokchart", "broadcast", name)))
    with open_grafana(there.url, TOKEN) as api:
        assert annotate(api, name, marks).new == 96
        looks = there.requests.count(("GET", "/annotations"))
        assert annotate(api, name, marks).unchanged == 96
        assert there.requests.count(("GET", "/annotations")) - looks >= 10
        assert annotate(api, name, marks[:50]).deleted == 46
    assert len(there.annotations) == 51


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
