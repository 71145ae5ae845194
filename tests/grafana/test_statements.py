"""Every statement of every dashboard and alert, as Grafana would run it, on both editions and real rows."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

import sql
from grafana.macros import View, expand
from grafana.parts import statement
from grafana.walk import Found, constants, statements
from store.database import Database
from tests.grafana.stage import CHANNELS, ENDED, ENDED_LENGTH, NOW

ROOM = Path(__file__).parents[2] / "grafana"
MODELS = {path.stem: json.loads(path.read_text()) for path in sorted((ROOM / "dashboards/en").glob("*.json"))}
RULES = yaml.safe_load((ROOM / "provisioning/alerting/rules.yaml").read_text())
FOUND = [
    pytest.param(found, id=f"{name}: {found.where}")
    for name, model in [*MODELS.items(), ("rules", RULES)]
    for found in statements(model)
]

# A full-width panel has about 1,800 pixels, a column of 24 so many:
COLUMN_PIXELS = 75

RANGES = {
    "shortest": (NOW - timedelta(minutes=5), NOW),
    "of a broadcast": (ENDED, ENDED + ENDED_LENGTH),
    "longest": (NOW - timedelta(days=90), NOW),
}


def _view(found: Found, since: Any, until: Any, stream_id: str, **variables: Any) -> View:
    several = "ARRAY[${channel:sqlstring}]" in found.statement
    least = {"$bucket": 1_000, "1s": 1_000, "1m": 60_000, "5m": 300_000, "1d": 86_400_000}
    return View(
        since,
        until,
        points=int(found.owner.get("maxDataPoints", 1000)),
        min_interval_ms=least[found.owner.get("interval", "1s")],
        variables={
            "channel": CHANNELS if several else CHANNELS[0],
            "broadcast": stream_id,
            "moment": "",
            "language": "en",
        }
        | variables,
    )


def _streams(connection: psycopg.Connection[Any]) -> list[str]:
    """Of the first channel: the broadcast that has ended, and the one on air."""
    found = connection.execute(
        "SELECT stream_id FROM broadcast WHERE channel_id = %s ORDER BY opened_at", (CHANNELS[0],)
    ).fetchall()
    return [row[0] for row in found]


def _run(connection: psycopg.Connection[Any], found: Found, view: View) -> tuple[list[str], list[tuple[Any, ...]]]:
    cursor = connection.execute(expand(found.statement, view).encode())
    assert cursor.description
    return [column.name for column in cursor.description], cursor.fetchall()


def test_the_walker_finds_a_planted_statement_wherever_it_is() -> None:
    model = json.loads(json.dumps(MODELS["live"]))
    before = len(statements(model))
    model["panels"][0]["panels"] = [{"title": "inside a row", "targets": [{"rawSql": "SELECT 1"}]}]
    model["templating"]["list"].append({"type": "query", "name": "planted", "query": "SELECT 2"})
    model["annotations"]["list"].append({"name": "planted", "target": {"rawSql": "SELECT 3"}})
    model["anything"] = {"deep": [[{"rawSql": "SELECT 4", "format": "time_series"}]]}
    found = statements(model)
    assert len(found) == before + 4
    planted = {one.statement: one for one in found if one.statement in ("SELECT 1", "SELECT 2", "SELECT 3", "SELECT 4")}
    assert planted["SELECT 1"].where.endswith("panels[0] inside a row")
    assert planted["SELECT 2"].owner["name"] == "planted"
    assert planted["SELECT 4"].time_series


def test_every_statement_of_the_folder_is_asked_somewhere() -> None:
    asked = {found.values[0].statement for found in FOUND}  # type: ignore[union-attr]
    folder = Path(sql.__file__).parent / "queries" / "grafana"
    names = [
        line.removeprefix("-- name: ")
        for path in sorted(folder.glob("*.sql"))
        for line in path.read_text().splitlines()
        if line.startswith("-- name: ")
    ]
    assert len(names) > 40
    assert [name for name in names if statement(name) not in asked] == []


@pytest.mark.parametrize("found", FOUND)
def test_it_returns_what_its_panel_needs(staged: Database, found: Found) -> None:
    with staged.connect(autocommit=True) as connection:
        for stream_id in _streams(connection):
            for label, (since, until) in RANGES.items():
                columns, rows = _run(connection, found, _view(found, since, until, stream_id))
                assert len(columns) == len(set(columns)), label
                _check(found, columns, rows)


def _check(found: Found, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
    owner = found.owner
    if found.kind == "rules":
        assert len(rows) == 1
        assert columns == ["value"]
        assert isinstance(rows[0][0], float)
    elif owner.get("type") == "query" and found.kind == "list":
        assert columns == ["__text", "__value"]
        assert rows
    elif found.kind == "list":
        assert {"time", "text", "tags"} <= set(columns) <= {"time", "timeend", "text", "tags"}
        assert all(row[columns.index("time")] is not None for row in rows)
    else:
        _check_panel(found, columns, rows)


def _check_panel(found: Found, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
    owner = found.owner
    named = {one["matcher"]["options"] for one in owner["fieldConfig"]["overrides"]}
    assert named - {"weekday\\hour"} <= set(columns), "an override is about a column that is not there"
    if owner["type"] in ("table", "bargauge"):
        shown = set(columns) - named
        assert shown <= {"hour", "weekday", "chats_per_minute", "channel"}, "a column has no title"
        assert len(rows) <= 720
    elif owner["type"] == "stat" and not found.time_series:
        assert len(rows) == 1
        assert all(value is None or isinstance(value, int | float) or hasattr(value, "as_tuple") for value in rows[0])
    elif owner["type"] == "trend":
        x = [row[columns.index(owner["options"]["xField"])] for row in rows]
        assert x == sorted(set(x))
        assert len(x) <= 2 * 24 * COLUMN_PIXELS
    else:
        assert found.time_series
        assert columns[0] == "time"
        moments = [row[0] for row in rows]
        assert moments == sorted(moments)
        labels = [index for index, name in enumerate(columns) if name in ("channel", "channel_id", "cause")]
        keys = [(row[0], *(row[index] for index in labels)) for row in rows]
        assert len(keys) == len(set(keys)), "two values at one time"
        most_series = 8 if labels else 1
        pixels = owner["gridPos"]["w"] * COLUMN_PIXELS
        assert len(set(moments)) <= owner["maxDataPoints"] * 1.5 + 2
        assert most_series * owner["maxDataPoints"] <= 2 * pixels * (1 if owner["type"] == "timeseries" else 2)


HOSTILE = ["'; DROP TABLE peak; --", "\\'", "$1 %s {}", "' OR ''='", "", "뷁\n--"]


@pytest.mark.parametrize("found", FOUND)
def test_hostile_values_of_variables_change_nothing(staged: Database, found: Found) -> None:
    if staged.edition != "postgresql":
        pytest.skip("quoting is the same on both")
    with staged.connect(autocommit=True) as connection:
        for value in HOSTILE:
            hostile = {"channel": value, "broadcast": value, "moment": value, "language": value}
            _, rows = _run(connection, found, _view(found, *RANGES["longest"], value, **hostile))
            if found.kind == "panels" and found.owner["type"] == "timeseries" and "$__timeFrom" in found.statement:
                assert [row for row in rows if None not in row] == [] or "${channel" not in found.statement
        nobody = {"channel": []} if "ARRAY[${channel" in found.statement else {}
        _run(connection, found, _view(found, *RANGES["longest"], "", **nobody))
        assert connection.execute("SELECT count(*) FROM peak").fetchone() == (18,)


def test_a_broadcast_looks_the_same_on_both_editions(staged: Database, request: pytest.FixtureRequest) -> None:
    """Numbers of the time that is over; what is about this very moment cannot be compared."""
    moving = ("live_now", "live_broadcasts", "health_now", "health_collectors", "health_storage", "health_jobs")
    skipped = {statement(name) for name in moving}
    numbers: dict[str, Any] = {}
    with staged.connect(autocommit=True) as connection:
        ended, _ = _streams(connection)
        for parameter in FOUND:
            found = parameter.values[0]
            assert isinstance(found, Found)
            if found.kind != "rules" and found.statement not in skipped:
                view = _view(found, *RANGES["of a broadcast"], ended)
                numbers[str(parameter.id)] = _run(connection, found, view)
    known = request.config.stash.setdefault(_NUMBERS, numbers)
    assert numbers == known
    assert sum(len(rows) for _, rows in numbers.values()) > 1000


_NUMBERS = pytest.StashKey[dict[str, Any]]()


def test_what_was_not_collected_is_null_and_silence_is_zero(staged: Database) -> None:
    (rate,) = (found for found in statements(MODELS["broadcast"]) if found.owner.get("title") == "Chat rate")
    with staged.connect(autocommit=True) as connection:
        ended, _ = _streams(connection)
        view = _view(rate, ENDED + timedelta(minutes=8), ENDED + timedelta(minutes=14), ended)
        _columns, rows = _run(connection, rate, view)
        assert view.interval_ms == 1000
        at = {int((row[0] - ENDED).total_seconds()): row for row in rows}
        assert [row[1] for second, row in at.items() if 600 < second < 719] == [None] * 118
        assert [row[2] for second, row in at.items() if 600 < second < 719] == [None] * 118
        said = {
            int((ts - ENDED).total_seconds()): count
            for ts, count in connection.execute(
                "SELECT bucket, chat_count FROM chat_1s AS r JOIN broadcast USING (broadcast_id) WHERE stream_id = %s",
                (ended,),
            )
        }
        for second in [*range(481, 599), *range(721, 839)]:
            assert at[second][1] == said.get(second, 0)
        assert 0 in [at[second][1] for second in range(481, 599)]


@pytest.mark.parametrize(("language", "said"), [("ko", "평소의 3.1배"), ("en", "3.1x usual")])
def test_the_reasons_of_peaks_are_in_the_language_of_the_dashboard(staged: Database, language: str, said: str) -> None:
    shown: list[tuple[str, set[str]]] = []
    with staged.connect(autocommit=True) as connection:
        ended, _ = _streams(connection)
        for path in sorted((ROOM / "dashboards" / language).glob("*.json")):
            model = json.loads(path.read_text())
            for found in statements(model):
                if "reasons" in found.statement:
                    view = _view(found, *RANGES["of a broadcast"], ended, **constants(model))
                    columns, rows = _run(connection, found, view)
                    column = columns.index("reasons" if found.kind == "panels" else "text")
                    shown.append((found.where, {row[column].split(" · ")[-1] for row in rows}))
    assert len(shown) == 4
    assert [(where, reasons) for where, reasons in shown if reasons != {said}] == []


def test_peaks_lead_to_their_moment_in_the_video(staged: Database) -> None:
    """Half a minute was cut out ten minutes after the opening; the video begins 3 s late, and is shown 20 s early."""
    (peaks,) = (found for found in statements(MODELS["broadcast"]) if found.owner.get("title") == "Peaks")
    with staged.connect(autocommit=True) as connection:
        ended, on_air = _streams(connection)
        columns, rows = _run(connection, peaks, _view(peaks, *RANGES["of a broadcast"], ended))
        shown = [dict(zip(columns, row, strict=True)) for row in rows]
        assert {row["onset_sec"]: row["video_sec"] for row in shown} == {895: 842, 1795: 1742, 2695: 2642}
        assert all(row["video_from"] == str(row["video_sec"]) and row["video_no"].startswith("100") for row in shown)
        assert _run(connection, peaks, _view(peaks, *RANGES["of a broadcast"], on_air))[1] == []


@pytest.mark.parametrize(("minutes", "relation"), [(30, "chat_1s"), (12 * 60, "chat_60s"), (90 * 24 * 60, "chat_300s")])
def test_the_range_chooses_the_relation(staged: Database, minutes: int, relation: str) -> None:
    if staged.edition != "timescaledb":
        pytest.skip("plain PostgreSQL has no buckets but the messages")
    (rate,) = (found for found in statements(MODELS["live"]) if found.owner.get("title") == "Chat rate")
    with staged.connect(autocommit=True) as connection:
        tables = dict(
            connection.execute(
                "SELECT user_view_name, mat_hypertable_id FROM _timescaledb_catalog.continuous_agg"
            ).fetchall()
        )
        plan = _plan(connection, rate, _view(rate, NOW - timedelta(minutes=minutes), NOW, ""))
        assert [name for name, number in tables.items() if f"_hyper_{number}_" in plan] == [relation]


@pytest.mark.parametrize("found", FOUND)
def test_no_chunk_of_messages_is_read_whole(staged: Database, found: Found) -> None:
    """Over 90 days each look at messages is by an index, whatever the planner thinks of small tables."""
    if staged.edition != "timescaledb":
        pytest.skip("plain PostgreSQL has no buckets but the messages")
    with staged.connect(autocommit=True) as connection:
        connection.execute("SET enable_seqscan = off")
        (stream_id, _) = _streams(connection)
        plan = _plan(connection, found, _view(found, *RANGES["longest"], stream_id))
        chunks = connection.execute(
            "SELECT chunk_name FROM timescaledb_information.chunks WHERE hypertable_name = 'event'"
        ).fetchall()
        assert chunks
        assert [name for (name,) in chunks if f"Seq Scan on {name}" in plan] == []


def _plan(connection: psycopg.Connection[Any], found: Found, view: View) -> str:
    lines = connection.execute(("EXPLAIN " + expand(found.statement, view)).encode()).fetchall()
    return "\n".join(line for (line,) in lines)
