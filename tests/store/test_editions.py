"""Two editions, one surface: the same events give the same rows, whichever server keeps them."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from analytics.job import JobSettings
from analytics.nightly import export_all, find_broadcasts
from store.database import Database
from tests.analytics.sample import add_broadcast, add_event, files_of
from tests.store.packed import packed_days, run_jobs

WIDTHS = ("chat_1s", "chat_60s", "chat_300s")
BEGIN = datetime(2026, 1, 6, 14, 50, tzinfo=UTC)


def _events(seed: int, count: int) -> list[dict[str, Any]]:
    luck = random.Random(seed)
    found = []
    for number in range(count):
        kind = luck.choices(["chat", "donation", "subscription", "system", "other"], [80, 10, 4, 3, 3])[0]
        found.append(
            {
                "broadcast": luck.randrange(3),
                # across midnight of both clocks, so across chunks
                "ts": BEGIN + timedelta(milliseconds=luck.randrange(12 * 3_600_000) if number % 3 else number * 40),
                "text": f"{seed} {number}",
                "kind": kind,
                "user_id": None if luck.random() < 0.1 else f"u{luck.randrange(20)}",
                "amount": luck.choice([None, 0, 1000, 2**31 - 1]) if kind == "donation" else None,
                "hidden": luck.random() < 0.1,
            }
        )
    return found


def _load(connection: psycopg.Connection[Any], ids: list[int], events: list[dict[str, Any]]) -> None:
    for event in events:
        add_event(connection, ids[event["broadcast"]], **{key: event[key] for key in event if key != "broadcast"})


def _broadcasts(connection: psycopg.Connection[Any]) -> list[int]:
    return [
        add_broadcast(connection, channel_id=f"{number:032x}", opened_at=BEGIN, closed_at=BEGIN + timedelta(hours=12))
        for number in range(3)
    ]


def _rows(connection: psycopg.Connection[Any], relation: str) -> list[tuple[Any, ...]]:
    statement = sql.SQL("SELECT * FROM {} ORDER BY broadcast_id, bucket").format(sql.Identifier(relation))
    return connection.execute(statement).fetchall()


def test_every_row_of_the_three_relations_is_the_same(
    plain_database: Database, timescale_database: Database, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    early, late = _events(1, 900), _events(2, 300)
    with plain_database.connect() as connection:
        ids = _broadcasts(connection)
        _load(connection, ids, early + late)
        expected = {relation: _rows(connection, relation) for relation in WIDTHS}
        overview = connection.execute("SELECT * FROM broadcast_overview ORDER BY broadcast_id").fetchall()
    assert {relation: sum(row[2] for row in rows) for relation, rows in expected.items()} == {
        relation: sum(event["kind"] == "chat" for event in early + late) for relation in WIDTHS
    }
    with timescale_database.connect(autocommit=True) as connection:
        assert _broadcasts(connection) == ids
        with connection.transaction():
            _load(connection, ids, early)
        for relation in WIDTHS:
            connection.execute(f"CALL refresh_continuous_aggregate('{relation}', NULL, NULL)")
        with connection.transaction():
            _load(connection, ids, late)  # into what is already materialised, as after a refill
        for _ in range(2):
            after = {relation: _rows(connection, relation) for relation in WIDTHS}
            if after == expected:
                break
            # Late rows show after the policy's next run.
            for relation in WIDTHS:
                connection.execute(f"CALL refresh_continuous_aggregate('{relation}', NULL, NULL)")
        assert after == expected
        assert connection.execute("SELECT * FROM broadcast_overview ORDER BY broadcast_id").fetchall() == overview
        # and once the days are packed
        run_jobs(timescale_database, "columnstore")
        assert all(packed_days(timescale_database).values())
        with connection.transaction():
            _load(connection, ids, early + late)  # a second delivery
        assert {relation: _rows(connection, relation) for relation in WIDTHS} == expected
        assert connection.execute("SELECT * FROM broadcast_overview ORDER BY broadcast_id").fetchall() == overview

    # And so are the files.
    monkeypatch.setattr("analytics.chart.draw_chart", lambda *_, **__: [])
    folders = []
    for database, name in ((plain_database, "plain"), (timescale_database, "timescale")):
        (made,) = export_all(database, find_broadcasts(database, broadcast=str(ids[0])), tmp_path / name, JobSettings())
        folders.append(files_of(made.folder))
    assert folders[0] == folders[1]
