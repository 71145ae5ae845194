"""Files from the database, the way back into one, and the same files from the folder: nothing is lost on the way."""

import json
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest

from analytics.exporting import Choice, NoSuchBroadcast, Outcome, export_all, find_broadcasts
from analytics.importing import find_folders, import_folder
from analytics.job import JobSettings, Made, process_folder
from store.database import Database
from store.event import stream_id
from tests.analytics.sample import CHANNEL, OPENED, add_broadcast, add_event, files_of, table_counts

ALL, DUE = Choice(), Choice(only_due=True)
SERIES = ("chat_ts_1s.csv", "chat_ts_60s.csv", "chat_ts_300s.csv")


def _fill(database: Database, *, closed: bool = True) -> int:
    """A broadcast with everything that a broadcast can have."""
    with database.connect() as connection:
        broadcast_id = add_broadcast(connection, closed_at=OPENED + timedelta(minutes=12) if closed else None)

        def at(seconds: float) -> datetime:
            return OPENED + timedelta(seconds=seconds)

        for number in range(240):
            add_event(connection, broadcast_id, at(2.5 * number + 0.123), f"채팅 {number}", user_id=f"u{number % 40}")
        for number in range(90):
            add_event(connection, broadcast_id, at(310 + number / 10), f"와 {number}", user_id=f"b{number}")
        # the same author, time and text, told apart by their own ids and by amount
        for donation in ("d1", "d2"):
            extra = {"id": donation, "payType": "CURRENCY"}
            add_event(
                connection, broadcast_id, at(30), None, kind="donation", user_id="anonymous", amount=1000, extra=extra
            )
        for amount in (1000, 2000):
            add_event(connection, broadcast_id, at(31), "", kind="donation", user_id="anonymous", amount=amount)
        add_event(connection, broadcast_id, at(40), "구독", kind="subscription", extra={"month": 3})
        add_event(
            connection, broadcast_id, at(41), None, kind="other", user_id=None, nickname=None, extra={"type": 93_006}
        )
        add_event(connection, broadcast_id, at(42), "지운 말\t\\N\n", hidden=True, source="recent")
        add_event(connection, broadcast_id, at(-3), "시작 전")
        for seconds in range(-30, 700, 40):
            connection.execute(
                "INSERT INTO viewer_sample VALUES (%s, %s, %s)", (at(seconds), broadcast_id, 100 + seconds)
            )
        for begin, end, repaired in ((100.5, 130, False), (200, 210, True)):
            connection.execute(
                "INSERT INTO gap VALUES (gen_random_uuid(), %s, %s, %s, 'close 1006', %s)",
                (broadcast_id, at(begin), at(end), at(end) if repaired else None),
            )
        connection.execute(
            "INSERT INTO connection VALUES (gen_random_uuid(), %s, %s, %s, 'closed', 0)", (broadcast_id, at(1), at(700))
        )
    return broadcast_id


def _outcomes(
    database: Database, outdir: Path, choice: Choice = ALL, settings: JobSettings | None = None
) -> list[Outcome]:
    settings = settings or JobSettings()
    return list(export_all(database, find_broadcasts(database, choice, outdir, settings), choice, outdir, settings))


def _export(database: Database, outdir: Path, choice: Choice = ALL, settings: JobSettings | None = None) -> list[Made]:
    outcomes = _outcomes(database, outdir, choice, settings)
    assert [outcome for outcome in outcomes if outcome.made is None] == []
    return [outcome.made for outcome in outcomes if outcome.made is not None]


def _due(database: Database, outdir: Path, settings: JobSettings | None = None) -> list[dict[str, Any]]:
    return find_broadcasts(database, DUE, outdir, settings or JobSettings())


def _without_source(events: bytes) -> list[dict[str, Any]]:
    return [{**json.loads(one), "source": None} for one in events.splitlines()]


def test_names_and_keys_are_those_of_the_seed(plain_database: Database, tmp_path: Path, quick_chart: None) -> None:
    _fill(plain_database)
    (made,) = _export(plain_database, tmp_path)
    assert made.folder == tmp_path / "2026-01-06" / f"미라이_20260106-210000_{CHANNEL}"
    lines = [json.loads(one) for one in (made.folder / "events.jsonl").read_bytes().splitlines()]
    assert [one["t_ms"] for one in lines] == sorted(one["t_ms"] for one in lines)
    chat = next(one for one in lines if one["text"] == "채팅 1")
    assert list(chat) == [
        *("stream_id", "type", "t_ms", "user", "text", "received_at", "user_id", "sent_at", "hidden", "source"),
    ]
    assert (chat["stream_id"], chat["t_ms"]) == (stream_id(CHANNEL, OPENED), 2_623)
    assert chat["received_at"] == "2026-01-06T12:00:02.663Z"
    donations = [one for one in lines if one["type"] == "donation"]
    assert list(donations[0])[:7] == ["stream_id", "type", "t_ms", "user", "text", "received_at", "amount"]
    assert sorted(one["amount"] for one in donations) == [1000, 1000, 1000, 2000]
    report = json.loads((made.folder / "collection_report.json").read_bytes())
    assert (report["chat_count"], report["donation_count"], report["donation_amount"]) == (332, 4, 5000)
    assert (report["reconnects"], report["hidden"], report["coverage_percent"]) == (0, 1, 95.9)
    with plain_database.connect() as connection:
        stored = connection.execute("SELECT method, rank, start_sec FROM peak ORDER BY 1, 2").fetchall()
    assert stored == [
        *(("surge", peak["rank"], peak["start_sec"]) for peak in made.peaks.surge),
        *(("volume", peak["rank"], peak["start_sec"]) for peak in made.peaks.volume),
    ]
    assert stored


def test_round_trip_through_another_database(
    plain_database: Database, other_database: Database, tmp_path: Path, quick_chart: None
) -> None:
    _fill(plain_database)
    (first,) = _export(plain_database, tmp_path / "first")
    before = files_of(first.folder)

    processed = process_folder(other_database, first.folder, None, JobSettings())
    after = files_of(first.folder)
    assert {name for name in before if before[name] != after[name]} == {"report.json"}  # it says what it was made from
    assert processed.peaks == first.peaks

    for new in (338, 0):  # importing it again changes nothing
        imported = import_folder(other_database, first.folder)
        assert (imported.new, imported.stream_id) == (new, stream_id(CHANNEL, OPENED))
    assert imported.notes.broken == imported.notes.ignored_fields == imported.notes.repeated == 0
    (second,) = _export(other_database, tmp_path / "second")
    again = files_of(second.folder)
    assert second.folder.relative_to(tmp_path / "second") == first.folder.relative_to(tmp_path / "first")
    assert _without_source(again["events.jsonl"]) == _without_source(before["events.jsonl"])
    for name in (*SERIES, "peaks.json", "topics.json"):
        assert again[name] == before[name]

    # Where it was collected, an import of the same folder finds every event, whatever the way it came.
    with plain_database.connect() as connection:
        tables = table_counts(connection)
        connection.rollback()
        assert import_folder(plain_database, first.folder).new == 0
        assert table_counts(connection) == tables
    assert _due(plain_database, tmp_path / "first") == []


def test_of_two_exports_at_once_both_are_complete(plain_database: Database, tmp_path: Path, quick_chart: None) -> None:
    _fill(plain_database)
    with ThreadPoolExecutor(4) as threads:
        futures = [threads.submit(_export, plain_database, tmp_path) for _ in range(4)]
        made = [future.result() for future in futures]
    (alone,) = _export(plain_database, tmp_path / "alone")
    assert all(one[0].peaks == alone.peaks for one in made)
    together = files_of(made[0][0].folder)
    assert together == files_of(alone.folder)
    with plain_database.connect() as connection:
        row = connection.execute("SELECT count(*) FROM peak").fetchone()
    assert row == (len(alone.peaks.volume) + len(alone.peaks.surge),)


def test_a_broadcast_on_air_is_exported_as_far_as_it_went(
    plain_database: Database, tmp_path: Path, quick_chart: None
) -> None:
    broadcast_id = _fill(plain_database, closed=False)
    (made,) = _export(plain_database, tmp_path)
    report = json.loads((made.folder / "collection_report.json").read_bytes())
    assert (report["closed_at"], report["duration_sec"]) == (None, 598)
    assert _due(plain_database, tmp_path) == []
    with plain_database.connect() as connection:
        connection.execute("UPDATE broadcast SET closed_at = %s, updated_at = now()", (OPENED + timedelta(hours=1),))
    (row,) = _due(plain_database, tmp_path)
    assert row["broadcast_id"] == broadcast_id
    (again,) = _export(plain_database, tmp_path, DUE)
    assert again.folder == made.folder
    assert len((made.folder / "chat_ts_1s.csv").read_text().splitlines()) == 3_601


def test_peaks_lead_to_the_video_once_there_is_one(plain_database: Database, tmp_path: Path, quick_chart: None) -> None:
    """It begins 3 s late, and 20 s are missing before the peaks."""
    broadcast_id = _fill(plain_database)
    (made,) = _export(plain_database, tmp_path)
    before = json.loads((made.folder / "peaks.json").read_bytes())
    entries = [*before["peaks"], *before["surges"]]
    assert entries
    assert {entry["video_url"] for entry in entries} == {None}
    first = min(entry["clip_start_sec"] for entry in entries)
    with plain_database.connect() as connection:
        for from_ms, begin, end in ((0, 3, first - 20), (1000 * (first - 23), first, 900)):
            connection.execute(
                "INSERT INTO video_part VALUES (%s, 77, %s, %s, %s)",
                (broadcast_id, from_ms, OPENED + timedelta(seconds=begin), OPENED + timedelta(seconds=end)),
            )
        connection.execute("UPDATE broadcast SET updated_at = now()")
    (again,) = _export(plain_database, tmp_path, DUE)
    after = json.loads((again.folder / "peaks.json").read_bytes())
    for entry in (*after["peaks"], *after["surges"]):
        assert entry["video_url"] == f"https://chzzk.naver.com/video/77?currentTime={entry['clip_start_sec'] - 23}"
        entry["video_url"] = None
    assert after == before


def test_a_broadcast_without_a_single_event(plain_database: Database, tmp_path: Path) -> None:
    with plain_database.connect() as connection:
        add_broadcast(connection, name=None, closed_at=OPENED)
    (made,) = _export(plain_database, tmp_path)
    assert made.folder.name.startswith("unknown_2026")
    assert (made.folder / "events.jsonl").read_bytes() == b""
    assert (made.folder / "chart_chat_rate.png").read_bytes().startswith(b"\x89PNG")


def test_unsafe_names_stay_inside_the_output_folder(
    plain_database: Database, tmp_path: Path, quick_chart: None
) -> None:
    names = ["../../x", "/etc/passwd", "a\nb", "CON", "", "가" * 100, "%s %(x)s {0}"]
    with plain_database.connect() as connection:
        for number, name in enumerate(names):
            add_broadcast(connection, channel_id=f"{number:032x}", name=name, closed_at=OPENED)
    made = _export(plain_database, tmp_path / "out")
    assert len({one.folder for one in made}) == len(names)
    assert all(one.folder.parent == tmp_path / "out" / "2026-01-06" for one in made)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_choices(plain_database: Database, tmp_path: Path) -> None:
    with plain_database.connect() as connection:
        ids = [
            add_broadcast(connection, opened_at=datetime(2026, 1, day, hour, 59, tzinfo=UTC), closed_at=OPENED)
            for day, hour in ((6, 14), (6, 15), (7, 14), (7, 15))  # midnight in Korea is 15:00 UTC
        ]
        connection.execute("UPDATE broadcast SET closed_at = NULL WHERE broadcast_id = %s", (ids[3],))

    def found(*broadcasts: str, **choice: Any) -> list[int]:
        meant = Choice(broadcasts or None, **choice)
        return [
            ids.index(row["broadcast_id"]) for row in find_broadcasts(plain_database, meant, tmp_path, JobSettings())
        ]

    seventh = date(2026, 1, 7)
    assert found() == [0, 1, 2, 3]
    assert found(since=seventh, until=seventh) == [1, 2]
    assert found(since=seventh) == [1, 2, 3]
    assert found(until=seventh) == [0, 1, 2]
    assert found(str(ids[2])) == [2]
    assert found(str(ids[2]), stream_id(CHANNEL, datetime(2026, 1, 6, 14, 59, tzinfo=UTC))) == [0, 2]
    assert found(only_ended=True, since=seventh) == [1, 2]
    assert found(until=date(2025, 1, 7)) == []
    for nobody in ("nope", "²", "99999999999", "-1", "' OR true --"):
        with pytest.raises(NoSuchBroadcast, match="There is no broadcast"):
            found(str(ids[0]), nobody)


def test_one_that_fails_does_not_keep_the_others_from_theirs(
    plain_database: Database, tmp_path: Path, quick_chart: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with plain_database.connect() as connection:
        for day in (6, 7, 8, 9):
            add_broadcast(connection, opened_at=datetime(2026, 1, day, tzinfo=UTC), closed_at=OPENED)
    (tmp_path / "2026-01-06").write_text("in the way")

    def mistake(connection: Any, stream_id: str, *rest: Any) -> dict[str, Any]:
        if stream_id.startswith("20260107"):
            raise KeyError("somebody's secret words")
        if stream_id.startswith("20260108"):
            raise psycopg.errors.NumericValueOutOfRange("somebody's secret words")
        return {}

    monkeypatch.setattr("analytics.job.find_topics", mistake)
    outcomes = _outcomes(plain_database, tmp_path)
    assert [outcome.made is not None for outcome in outcomes] == [False, False, False, True]
    disk, bug, data = (outcome.failed or "" for outcome in outcomes[:3])
    assert "cannot be written" in disk
    assert re.search(r"20260107-\S+: failed \(KeyError, at test_export.py:\d+\)\.$", bug)
    assert "(NumericValueOutOfRange, SQLSTATE 22003, at" in data
    assert "secret" not in disk + bug + data
    monkeypatch.undo()
    assert len(_due(plain_database, tmp_path)) == 3


def test_a_database_that_goes_away_is_no_fault_of_a_broadcast(
    plain_database: Database, tmp_path: Path, quick_chart: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with plain_database.connect() as connection:
        for day in (6, 7):
            add_broadcast(connection, opened_at=datetime(2026, 1, day, tzinfo=UTC), closed_at=OPENED)

    def cut(connection: psycopg.Connection[Any], *rest: Any) -> None:
        with plain_database.connect(autocommit=True) as killer:
            killer.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
        connection.execute("SELECT 1")

    with monkeypatch.context() as patched:
        patched.setattr("analytics.job.find_topics", cut)
        with pytest.raises(psycopg.OperationalError):
            _export(plain_database, tmp_path)
    assert len(_export(plain_database, tmp_path, DUE)) == 2  # the next run goes on


def test_only_what_is_missing_or_changed_is_made(plain_database: Database, tmp_path: Path, quick_chart: None) -> None:
    with plain_database.connect() as connection:
        for day in (6, 7, 8):
            add_broadcast(connection, opened_at=datetime(2026, 1, day, tzinfo=UTC), closed_at=OPENED)
    made = _export(plain_database, tmp_path, DUE)
    assert len(made) == 3
    assert _due(plain_database, tmp_path) == []
    assert len(_due(plain_database, tmp_path / "elsewhere")) == 3

    (made[1].folder / "report.json").unlink()
    assert [one.folder for one in _export(plain_database, tmp_path, DUE)] == [made[1].folder]

    english = JobSettings(language="en")
    assert len(_export(plain_database, tmp_path, DUE, english)) == 3
    assert _due(plain_database, tmp_path, english) == []
    assert len(_due(plain_database, tmp_path)) == 3


def test_a_streamer_with_a_new_name_keeps_the_folders_of_before(
    plain_database: Database, tmp_path: Path, quick_chart: None
) -> None:
    _fill(plain_database)
    (before,) = _export(plain_database, tmp_path)
    with plain_database.connect() as connection:
        connection.execute("UPDATE channel SET name = 'another'")
    assert _due(plain_database, tmp_path) == []
    (after,) = _export(plain_database, tmp_path)
    assert after.folder == before.folder


def test_what_changes_while_it_is_exported_stays_due(
    plain_database: Database, tmp_path: Path, quick_chart: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    broadcast_id = _fill(plain_database)
    with plain_database.connect() as early:
        early.execute("SELECT now()")  # its clock stands still, and is behind the export's

        def late(*arguments: Any) -> dict[str, Any]:
            add_event(early, broadcast_id, OPENED + timedelta(seconds=50), "late")
            early.execute("UPDATE broadcast SET updated_at = now()")
            early.commit()
            return {}

        with monkeypatch.context() as patched:
            patched.setattr("analytics.job.find_topics", late)
            (made,) = _export(plain_database, tmp_path)
    assert "late" not in (made.folder / "events.jsonl").read_text()
    (again,) = _export(plain_database, tmp_path, DUE)
    assert '"late"' in (again.folder / "events.jsonl").read_text()
    assert _due(plain_database, tmp_path) == []


def test_totals_are_those_of_the_overview(plain_database: Database, tmp_path: Path, quick_chart: None) -> None:
    broadcast_id = _fill(plain_database)
    with plain_database.connect() as connection:
        for user in ("early bird", "u1"):
            add_event(connection, broadcast_id, OPENED - timedelta(seconds=9), user, user_id=user)
        columns = "chats, donations, donation_amount, chatters, last_event_at"
        live = connection.execute(f"SELECT {columns} FROM broadcast_overview").fetchone()  # noqa: S608
    _export(plain_database, tmp_path)
    _export(plain_database, tmp_path)
    with plain_database.connect() as connection:
        assert connection.execute(f"SELECT {columns} FROM broadcast_total").fetchall() == [live]  # noqa: S608
        row = connection.execute(
            "SELECT counted_at >= updated_at FROM broadcast_total JOIN broadcast USING (broadcast_id)"
        ).fetchone()
        assert row == (True,)


def test_rows_that_the_planner_knows_nothing_of_take_no_longer(
    plain_database: Database, tmp_path: Path, quick_chart: None
) -> None:
    with plain_database.connect() as connection:
        connection.execute("ALTER TABLE event SET (autovacuum_enabled = false)")
        broadcast_id = add_broadcast(connection, closed_at=OPENED)
        connection.execute(
            "INSERT INTO event (ts, broadcast_id, kind, event_key, user_id, source, content) "
            "SELECT %s + n * interval '50 ms', %s, 'chat', n, 'u' || n %% 40, 'live', 'x' "
            "FROM generate_series(1, 60000) AS n",
            (OPENED, broadcast_id),
        )
    begun = time.monotonic()
    _export(plain_database, tmp_path)
    assert time.monotonic() - begun < 10  # each compared with each, it is minutes


def test_what_a_killed_export_left_is_swept(plain_database: Database, tmp_path: Path, quick_chart: None) -> None:
    _fill(plain_database)
    (made,) = _export(plain_database, tmp_path)
    names = [".events.jsonl.x1y2.part", f".chart_chat_rate.png.{'a' * 32}", ".mine"]
    for name in names:
        (made.folder / name).write_text("half")
    _export(plain_database, tmp_path)
    assert all((made.folder / name).exists() for name in names)  # somebody may be writing it now
    for name in names:
        os.utime(made.folder / name, (0, 0))
    _export(plain_database, tmp_path)
    assert [name for name in names if (made.folder / name).exists()] == [".mine"]


def test_hostile_text_is_a_line_of_valid_json_each(plain_database: Database, tmp_path: Path, quick_chart: None) -> None:
    texts = [
        "",
        '"',
        "\\",
        "\\N",
        "\\.",
        "a\tb\r\nc",
        "".join(map(chr, range(1, 32))),
        "\x7f\x85\u2028\ufffd",
        "🔥,;",
        "가" * 9_999,
    ]
    with plain_database.connect() as connection:
        broadcast_id = add_broadcast(connection, closed_at=OPENED)
        for number, text in enumerate(texts):
            at = OPENED + timedelta(milliseconds=1_001 * number - 500)
            add_event(connection, broadcast_id, at, text, nickname=text, user_id=text, extra={text or "k": [text, 1.5]})
    (made,) = _export(plain_database, tmp_path)
    lines = (made.folder / "events.jsonl").read_bytes().split(b"\n")
    assert lines.pop() == b""
    for number, (text, line) in enumerate(zip(texts, lines, strict=True)):
        assert orjson.loads(line) == {
            "stream_id": stream_id(CHANNEL, OPENED),
            "type": "chat",
            "t_ms": 1_001 * number - 500,
            "user": text,
            "text": text,
            "received_at": _iso(OPENED + timedelta(milliseconds=1_001 * number - 460)),
            "user_id": text,
            "sent_at": _iso(OPENED + timedelta(milliseconds=1_001 * number - 500)),
            "hidden": False,
            "source": "live",
            "extra": {text or "k": [text, 1.5]},
        }
        assert b": " not in line.split(b',"extra"')[0]


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_folders_of_the_old_tool_are_told_apart(plain_database: Database, tmp_path: Path) -> None:
    line = '{"stream_id":"unknown_%s","type":"chat","t_ms":1000,"user":"a","text":"x"}\n'
    for name, number in (("미라이_unknown_1", 1), ("미라이_unknown_2", 2), ("old/미라이_unknown_1", 1), ("noname", 3)):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "events.jsonl").write_text(line % number)
    imported = [import_folder(plain_database, folder) for folder in find_folders(tmp_path)]
    assert sorted((one.stream_id, one.new) for one in imported) == [
        *(("noname", 1), ("unknown_1", 0), ("unknown_1", 1), ("unknown_2", 1)),
    ]
    rows = find_broadcasts(plain_database, ALL, tmp_path, JobSettings())
    assert sorted((row["stream_id"], row["streamer"]) for row in rows if row["streamer"]) == [
        *(("unknown_1", "미라이"), ("unknown_2", "미라이")),
    ]
