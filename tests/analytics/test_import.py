"""`import`: folders of the old tool in all its generations. What it wrote about time is checked against the arrival."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from analytics.event_lines import EventsFileError
from analytics.importing import ImportRefused, find_folders, import_folder
from store.database import Database
from tests.analytics.sample import OPENED, line, table_counts, write_events


def _at(seconds: float) -> str:
    return (OPENED + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _said(seconds: float, t_ms: int, **more: Any) -> dict[str, Any]:
    return line(t_ms, f"at {seconds:g}", user=f"u{seconds:g}", received_at=_at(seconds), **more)


def _seconds(database: Database) -> dict[str, float]:
    """When each message was said, in seconds since OPENED."""
    with database.connect() as connection:
        rows = connection.execute("SELECT content, ts FROM event").fetchall()
    return {content: (ts - OPENED).total_seconds() for content, ts in rows}


@pytest.mark.parametrize(
    ("name", "streamer", "stream_id"),
    [
        ("2026-01-06/미라이_unknown_37716abc", "미라이", "unknown_37716abc"),
        ("2026-01-06/unknown_37716abc", None, "unknown_37716abc"),
        ("미라이_unknown_37716abc", "미라이", "unknown_37716abc"),
        ("S123", None, "S123"),
    ],
)
def test_names_of_every_generation(
    plain_database: Database, tmp_path: Path, name: str, streamer: str | None, stream_id: str
) -> None:
    write_events(tmp_path / name, [line(1_000 * second, stream_id=stream_id) for second in range(5)])
    # a report of the old tool, which knows other things than ours
    (tmp_path / name / "report.json").write_text('{"peaks_by_volume": [{"start_sec": 1, "end_sec": 61, "value": 5}]}')
    (tmp_path / name / "collection_report.json").write_text('{"stream_id": 5, "started_at": "then"}')
    (folder,) = find_folders(tmp_path)
    imported = import_folder(plain_database, folder)
    assert (imported.stream_id, imported.new, imported.mended_times) == (stream_id, 5, 0)
    with plain_database.connect() as connection:
        row = connection.execute("SELECT stream_id, opened_at, name FROM broadcast JOIN channel USING (channel_id)")
        assert row.fetchall() == [(stream_id, OPENED, streamer)]
        before = table_counts(connection)
    assert import_folder(plain_database, folder).new == 0
    with plain_database.connect() as connection:
        assert table_counts(connection) == before


FIRST, LATER = [_said(sec, 1000 * sec) for sec in range(0, 600, 10)], range(600, 900, 10)


@pytest.mark.parametrize(
    ("lines", "mended"),
    [
        pytest.param([_said(sec, 1000 * sec) for sec in range(0, 900, 10)], 0, id="right"),
        pytest.param(
            [_said(sec, 1000 * (sec - 600)) for sec in range(600, 900, 10)], 0, id="from the collector's start"
        ),
        pytest.param([_said(sec, sec) for sec in range(0, 900, 10)], 89, id="seconds"),
        pytest.param([_said(sec, sec + 7) for sec in range(3_000, 4_000, 10)], 100, id="seconds, from the middle on"),
        pytest.param(
            [
                *(_said(sec, 1000 * sec) for sec in range(0, 600, 10)),
                *(_said(s, 1000 * (s - 600)) for s in range(600, 900, 10)),
            ],
            30,
            id="anew with a restart",
        ),
        pytest.param(
            [
                *(_said(sec, 1000 * sec) for sec in range(0, 600, 10)),
                *(_said(s, -1000 * s) for s in range(600, 900, 10)),
            ],
            30,
            id="negative",
        ),
    ],
)
def test_wrong_times_are_mended_by_the_arrival(
    plain_database: Database, tmp_path: Path, lines: list[dict[str, Any]], mended: int
) -> None:
    imported = import_folder(plain_database, write_events(tmp_path / "unknown_1", lines))
    assert (imported.new, imported.mended_times) == (len(lines), mended)
    found = _seconds(plain_database)
    assert {text: round(sec, 3) for text, sec in found.items()} == {text: float(text[3:]) for text in found}
    assert import_folder(plain_database, tmp_path / "unknown_1").new == 0


def test_a_clock_that_was_never_set_mends_nothing(plain_database: Database, tmp_path: Path) -> None:
    lines = [_said(sec, 1000 * sec) for sec in range(20)]
    lines += [line(1000 * sec, f"at {sec}", user=f"u{sec}", received_at="1970-01-01T00:00:05Z") for sec in (20, 21)]
    lines += [line(1000 * sec, f"at {sec}", user=f"u{sec}", received_at=None) for sec in (22, 23)]
    assert import_folder(plain_database, write_events(tmp_path / "unknown_1", lines)).mended_times == 0
    assert all(sec == float(text[3:]) for text, sec in _seconds(plain_database).items())


def test_the_recent_chat_of_our_own_files_arrives_late_and_is_right(plain_database: Database, tmp_path: Path) -> None:
    lines = [
        line(1000 * sec, f"at {sec}", received_at=_at(3_600), sent_at=_at(sec), user=f"u{sec}") for sec in range(9)
    ]
    assert import_folder(plain_database, write_events(tmp_path / "S1", lines)).mended_times == 0
    assert all(sec == float(text[3:]) for text, sec in _seconds(plain_database).items())


def test_without_any_time_of_day_it_begins_in_1970(plain_database: Database, tmp_path: Path) -> None:
    write_events(tmp_path / "unknown_1", [line(1_000, received_at=None)])
    import_folder(plain_database, tmp_path / "unknown_1")
    with plain_database.connect() as connection:
        row = connection.execute("SELECT opened_at FROM broadcast").fetchone()
    assert row == (datetime(1970, 1, 1, tzinfo=UTC),)


def test_one_id_of_several_days_is_several_broadcasts(plain_database: Database, tmp_path: Path) -> None:
    for day in (6, 7):
        at = f"2026-01-{day:02d}T12:00:01Z"
        write_events(
            tmp_path / f"2026-01-{day:02d}" / "미라이_unknown_ab", [line(1_000, stream_id="unknown_ab", received_at=at)]
        )
    for new in (1, 0):
        imported = [import_folder(plain_database, folder) for folder in find_folders(tmp_path)]
        assert [(one.stream_id, one.new) for one in imported] == [("unknown_ab", new), ("unknown_ab_20260107", new)]


def test_a_file_without_an_event_is_refused(plain_database: Database, tmp_path: Path) -> None:
    with pytest.raises(EventsFileError, match="holds no event"):
        import_folder(plain_database, write_events(tmp_path / "x", ["{}"]))


def test_what_would_soon_be_forgotten_is_refused_unless_it_is_wanted(
    plain_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analytics.importing.kept_since", lambda _: OPENED + timedelta(days=1))
    folder = write_events(tmp_path / "S1", [line(1_000)])
    with pytest.raises(ImportRefused, match="it is of 2026-01-06, and messages from before 2026-01-07 are not kept"):
        import_folder(plain_database, folder)
    assert import_folder(plain_database, folder, force=True).new == 1


def test_an_old_peaks_file_can_be_drawn(tmp_path: Path) -> None:
    from analytics.steps import plot_series

    (tmp_path / "ts.csv").write_text("sec,chat_count\n" + "".join(f"{sec},3\n" for sec in range(200)))
    peaks = [{"start_sec": 60, "end_sec": 120, "value": 180, "rank": 1}]
    (tmp_path / "peaks.json").write_text(json.dumps({"stream_id": "S", "window_sec": 60, "peaks_by_volume": peaks}))
    (made,) = plot_series(tmp_path / "ts.csv", tmp_path / "peaks.json", tmp_path / "x.png", 600, "en")
    assert made.read_bytes().startswith(b"\x89PNG")
