"""The benchmarks of the database, on a history that a test can afford."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bench.compression import day_of
from bench.history import explain, load, measure, statements, tell
from bench.history_rows import History, add_messages, now
from bench.table import Table
from bench.timescale import run_jobs, schedule_jobs
from store.database import Database


@pytest.fixture
def history() -> History:
    return History(days=3, channels=2, mean_rate=1.0, now=now(), hours=0.2)


def test_every_statement_of_the_dashboards_is_run_over_a_history(
    timescale_database: Database, history: History
) -> None:
    with timescale_database.connect(autocommit=True) as connection:
        load(connection, history)
        (broadcasts, on_air) = connection.execute(
            "SELECT count(*), count(*) - count(closed_at) FROM broadcast"
        ).fetchone() or (0, 0)
        assert (broadcasts, on_air) == (6, 2)
        (packed,) = connection.execute(
            "SELECT count(*) FILTER (WHERE is_compressed) FROM timescaledb_information.chunks"
        ).fetchone() or (0,)
        assert int(str(packed)) > 0
        (said,) = connection.execute("SELECT count(*) FROM event WHERE kind = 'chat'").fetchone() or (0,)
        (counted,) = connection.execute("SELECT sum(chat_count) FROM chat_60s").fetchone() or (0,)
        assert said == counted
        timed = measure(connection, 6)
        assert set(timed) == set(statements())
        assert all(len(times.first) == len(times.again) == 6 for times in timed.values())
        table = Table()
        tell(table, connection, timed)


def test_what_is_too_slow_is_explained(timescale_database: Database, history: History, tmp_path: Path) -> None:
    with timescale_database.connect(autocommit=True) as connection:
        load(connection, history)
        timed = measure(connection, 1)
        name = statements()[0]
        timed[name].first = [1_000.0]
        explain(connection, timed, tmp_path / "plans.md")
    text = (tmp_path / "plans.md").read_text()
    assert f"## {name}" in text
    assert "Execution Time" in text


def test_jobs_take_in_what_is_added(timescale_database: Database, history: History) -> None:
    with timescale_database.connect(autocommit=True) as connection:
        load(connection, history)
        schedule_jobs(connection, False)
        add_messages(connection, history, history.now - timedelta(minutes=5), seconds=60)
        assert set(run_jobs(connection, "refresh_continuous_aggregate", ["chat_1s"])) == {"chat_1s"}
        (said,) = connection.execute("SELECT count(*) FROM event WHERE kind = 'chat'").fetchone() or (0,)
        (counted,) = connection.execute("SELECT sum(chat_count) FROM chat_1s").fetchone() or (0,)
        assert said == counted


def test_a_packed_day_weighs_less_and_varied_text_more(timescale_database: Database) -> None:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with timescale_database.connect(autocommit=True) as connection:
        plain = day_of(connection, midnight - timedelta(days=6), 0.01, varied=False)
        varied = day_of(connection, midnight - timedelta(days=4), 0.01, varied=True)
    assert plain.after < plain.before / 3
    assert varied.distinct > plain.distinct + 0.2
    assert varied.after / varied.events > plain.after / plain.events
