"""`process`: files of the old tool with everything wrong that files can have, and nothing destroyed by any of it."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from analytics.event_lines import EventsFileError
from analytics.folder import OutputError
from analytics.job import JobSettings, Made, process_folder
from store.database import Database
from tests.analytics.sample import OPENED, files_of, line, minutes_of, table_counts, write_events

ALL_FILES = {
    *("events.jsonl", "chat_ts_1s.csv", "chat_ts_60s.csv", "chat_ts_300s.csv"),
    *("peaks.json", "topics.json", "collection_report.json", "chart_chat_rate.png", "report.json"),
}


def _process(database: Database, folder: Path, stream_id: str | None = "S123") -> Made:
    return process_folder(database, folder, stream_id, JobSettings())


def _report(folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((folder / "report.json").read_bytes())
    return report


def _chats(folder: Path) -> int:
    with (folder / "chat_ts_1s.csv").open() as file:
        return sum(int(row["chat_count"] or 0) for row in csv.DictReader(file))


def test_seeds_own_example_of_a_series(plain_database: Database, tmp_path: Path, quick_chart: None) -> None:
    folder = write_events(tmp_path / "stream_123", minutes_of(150, 180, 200))
    _process(plain_database, folder)
    rows = [row.split(",")[:4] for row in (folder / "chat_ts_60s.csv").read_text().splitlines()]
    assert rows == [
        ["sec", "chat_count", "timestamp", "chat_count_rolling_600s"],
        ["0", "150", "2026-01-06T12:00:00+00:00", "150.0"],
        ["60", "180", "2026-01-06T12:01:00+00:00", "165.0"],
        ["120", "200", "2026-01-06T12:02:00+00:00", "176.7"],
    ]
    assert {path.name for path in folder.iterdir()} == ALL_FILES


def test_peaks_file_has_the_old_keys_first_and_the_new_ones_after(
    plain_database: Database, tmp_path: Path, quick_chart: None
) -> None:
    burst = [line(1_000_000 + 150 * number, text=f"와 {number}", user=f"u{number}") for number in range(200)]
    calm = [line(5_000 * number, text=str(number), user=f"u{number % 50}") for number in range(400)]
    folder = write_events(tmp_path / "S123", calm + burst)
    _process(plain_database, folder)
    found = json.loads((folder / "peaks.json").read_bytes())
    assert list(found)[:4] == ["stream_id", "window_sec", "peaks", "surges"]
    assert (found["stream_id"], found["window_sec"]) == ("S123", 60)
    best = found["peaks"][0]
    assert list(best)[:4] == ["start_sec", "end_sec", "value", "rank"]
    assert {"start_time", "end_time", "onset_sec", "clip_start_sec", "score", "reasons"} <= set(best)
    assert best["start_sec"] <= 1_000 < 1_030 <= best["end_sec"]
    assert best["rank"] == 1
    assert best["clip_start_sec"] == best["onset_sec"] - 20
    assert abs(found["surges"][0]["onset_sec"] - 1_000) <= 10
    assert _report(folder)["peaks"]["top"][0]["value"] == best["value"]


def test_every_kind_of_bad_line_is_named_and_the_rest_is_used(
    plain_database: Database, tmp_path: Path, quick_chart: None
) -> None:
    folder = write_events(
        tmp_path / "old",
        [
            line(1_000, "정시", received_at="2026-01-06T12:00:01Z"),
            line(2_500, "밀리초", received_at="2026-01-06T12:00:02.500Z"),
            line(3_000, "더하기", received_at="2026-01-06T12:00:03+00:00", emoji={"a": [1]}, unknown=None),
            {"stream_id": "S123", "type": "donation", "t_ms": 4_000, "amount": 10_000},
            line(5_000, "도둑", user="../../x"),
            '{"stream_id": "S123", "type": "chat", "t_ms": 6',
            "",
            line(2_000, "늦게 온 줄"),
            line(1_000, "정시", received_at="2026-01-06T12:00:01Z"),
            "[1, 2]",
            {"type": "chat", "user": "a", "text": "no time"},
            {"t_ms": 5},
            line(0) | {"t_ms": "7000"},
            line(0) | {"t_ms": 7000.5},
            line(0) | {"t_ms": 10**15},
            line(0) | {"t_ms": 10**30},
            line(0) | {"type": 5},
            line(8_000, "받은 때", received_at="yesterday"),
            line(9_000, "큰손", kind="donation", amount=2**31),
            line(9_500, "빚", kind="donation", amount=-1),
            line(9_700, "글자", kind="donation", amount="1000"),
            line(-500, "방송 전"),
            line(10_000, None, user=None, kind="mission", extra={"type": 77}),
            b"\xff\xfe",
        ],
    )
    before = files_of(folder)
    made = _process(plain_database, folder)
    notes = made.notes
    assert notes is not None
    assert (notes.lines, notes.blank, notes.broken) == (24, 1, 10)
    assert (notes.used, notes.repeated, notes.out_of_order, notes.ignored_fields) == (13, 1, 3, 4)
    assert notes.named == [
        "line 6: not JSON",
        "line 10: not a JSON object",
        "line 11: t_ms is missing",
        "line 12: type is missing",
        "line 13: t_ms is not a number of milliseconds",
        "line 14: t_ms is not a number of milliseconds",
        "line 15: t_ms is 1000000000000000, which is no time of a broadcast in milliseconds",
        f"line 16: t_ms is {10**30}, which is no time of a broadcast in milliseconds",
        "line 17: type is not a text",
        "line 18: received_at is not what it should be, and is left out",
    ]
    assert _report(folder)["input"]["broken"] == 10
    assert _report(folder)["input"]["named"] == notes.named
    assert files_of(folder)["events.jsonl"] == before["events.jsonl"]
    assert _chats(folder) == 6
    counts = json.loads((folder / "collection_report.json").read_bytes())["counts"]
    assert counts == {"chat": 7, "donation": 4, "other": 1}  # what was said before the start is counted, not drawn
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old"]  # nobody's name led anywhere


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xef\xbb\xbf{a}\n{b}\n", id="byte order mark"),
        pytest.param(b"{a}\r\n{b}\r\n", id="CRLF"),
        pytest.param(b"{a}\n{b}", id="no final newline"),
        pytest.param(b"\n\n{a}\n \n{b}\n\n", id="blank lines"),
        pytest.param(b'{a}\n{b}\n{"stream_id":"S1', id="torn last line"),
    ],
)
def test_ends_of_lines_and_files(plain_database: Database, tmp_path: Path, quick_chart: None, data: bytes) -> None:
    for name, value in (("a", line(1_000, "하나")), ("b", line(2_000, "둘"))):
        data = data.replace(b"{%s}" % name.encode(), json.dumps(value).encode())
    folder = tmp_path / "S123"
    folder.mkdir()
    (folder / "events.jsonl").write_bytes(data)
    made = _process(plain_database, folder)
    assert made.notes is not None
    assert made.notes.used == 2
    assert made.notes.broken == (1 if b'"S1\x00' in data + b"\x00" else 0)


def test_text_that_databases_and_copy_stumble_over(plain_database: Database, tmp_path: Path, quick_chart: None) -> None:
    texts = [
        "\x00",
        "a\x00b",
        "\ud800",
        "\udc00\ud800",
        "\\",
        "\\N",
        "\\.",
        "a\tb",
        "a\nb",
        "a\rb",
        "\x1f",
        "'; --",
        "🔥" * 3,
    ]
    lines = [json.dumps(line(1_000 * number, text, user=f"u{text}")) for number, text in enumerate(texts)]
    huge = "ㅋ" * 2_000_000
    folder = write_events(tmp_path / "S123", [*lines, line(60_000, huge)])
    made = _process(plain_database, folder)
    assert made.notes is not None
    assert (made.notes.used, made.notes.broken, made.notes.ignored_fields) == (14, 0, 0)
    assert _chats(folder) == 14
    samples = json.loads((folder / "topics.json").read_bytes())["segments"][0]["sample_chats"]
    assert all(len(sample["text"]) <= 200 for sample in samples)


def test_a_second_run_changes_nothing(plain_database: Database, tmp_path: Path) -> None:
    folder = write_events(tmp_path / "스트리머_S123", [*minutes_of(20, 40), line(5_000, "거꾸로"), "broken"])
    with plain_database.connect() as connection:
        tables = table_counts(connection)
        connection.rollback()
        _process(plain_database, folder, None)
        first = files_of(folder)
        _process(plain_database, folder, None)
        assert files_of(folder) == first
        assert set(first) == ALL_FILES
        assert table_counts(connection) == tables
    report = json.loads(first["report.json"])
    assert report["opened_at_from"] == "received_at"
    assert report["stream_id"] == "S123"
    assert all(len(first[name]) == size for name, size in report["files"].items())


def test_a_file_that_has_grown_is_read_anew(plain_database: Database, tmp_path: Path, quick_chart: None) -> None:
    folder = write_events(tmp_path / "S123", [line(60_000, received_at="2026-01-06T12:01:00Z")])
    _process(plain_database, folder)
    later = [line(60_000 + number, str(number), received_at="2026-01-06T12:01:30Z") for number in range(5)]
    write_events(folder, later)
    _process(plain_database, folder)
    second = (folder / "chat_ts_60s.csv").read_text().splitlines()[1]
    assert "2026-01-06T12:00:29" in second  # the start follows from what is in the file now


@pytest.mark.parametrize(
    ("name", "lines", "expected", "how"),
    [
        ("미라이_20260106-210000_ab12", [line(1_000, received_at=None)], OPENED, "stream_id"),
        ("x", [line(1_000, sent_at="2026-01-06T21:00:01.000+09:00", received_at=None)], OPENED, "sent_at"),
        ("x", [line(1_000, received_at="2026-01-06T12:00:01")], OPENED, "received_at"),
        ("x", [line(1_000), line(2_000), line(3_000, received_at="0001-01-01T00:00:00Z")], OPENED, "received_at"),
        ("x", [line(1_000, received_at="9999-12-31T23:59:59Z")], datetime(1970, 1, 1, tzinfo=UTC), "unknown"),
        ("00010101-000000_x", [line(1_000, received_at=None)], datetime(1970, 1, 1, tzinfo=UTC), "unknown"),
    ],
)
def test_second_zero_comes_from_the_exactest_source(
    plain_database: Database,
    tmp_path: Path,
    quick_chart: None,
    name: str,
    lines: list[dict[str, Any]],
    expected: datetime,
    how: str,
) -> None:
    folder = write_events(tmp_path / name, lines)
    _process(plain_database, folder, None)
    report = _report(folder)
    assert (datetime.fromisoformat(report["opened_at"]), report["opened_at_from"]) == (expected, how)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["broken", ""], "holds no event (line 1: not JSON)"),
        ([], "holds no event."),
        (None, "has no events.jsonl: give a folder that holds one."),
    ],
)
def test_without_an_event_there_is_one_sentence_and_the_old_files_stay(
    plain_database: Database, tmp_path: Path, quick_chart: None, lines: list[str] | None, message: str
) -> None:
    folder = tmp_path / "S123"
    write_events(folder, minutes_of(3))
    _process(plain_database, folder)
    if lines is None:
        (folder / "events.jsonl").unlink()
    else:
        write_events(folder, lines)
    before = files_of(folder)
    with pytest.raises(EventsFileError) as caught:
        _process(plain_database, folder)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert files_of(folder) == before


def test_a_report_of_the_old_tool_stays_as_it_is(plain_database: Database, tmp_path: Path, quick_chart: None) -> None:
    folder = write_events(tmp_path / "미라이_unknown_37716", minutes_of(3))
    for report in (b'{"channel": "x", "opened_at": 5, "gaps": "none", "closed_at": "never"}', b"not json", b"[1]"):
        (folder / "collection_report.json").write_bytes(report)
        _process(plain_database, folder)
        if report.startswith(b"{"):
            assert (folder / "collection_report.json").read_bytes() == report


def test_a_full_disk_destroys_nothing(
    plain_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_chart: None
) -> None:
    folder = write_events(tmp_path / "S123", minutes_of(3))
    _process(plain_database, folder)
    before = files_of(folder)
    write_events(folder, minutes_of(9))
    before["events.jsonl"] = (folder / "events.jsonl").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match=r"No space left on device.*what was there before is unchanged\.$"):
        _process(plain_database, folder)
    after = files_of(folder)
    after["chart_chat_rate.png"] = before["chart_chat_rate.png"]
    assert after == before  # nor is there a leftover
