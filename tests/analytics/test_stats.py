"""`stats`: the block that people and scripts know, from the database and from folders, ours and the old tool's."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from analytics.job import JobSettings, process_folder
from analytics.stats import Collected, NoOutputFolder, as_lines, from_database, from_folders
from store.database import Database
from tests.analytics.sample import CHANNEL, OPENED, add_broadcast, add_event, line, minutes_of, write_events

SEED = """\
================================================================================
  📊 NokChart Collection Statistics
================================================================================

📅 2026-01-08
📁 스트리머_unknown_xxxxxx

  ⏱️  방송 시간: 13:00:00 ~ 15:30:00 (150.0분)
  💬 채팅 수: 10,000개
  💰 후원 수: 50개
  📈 분당 채팅: 66.7개/분
  ✅ 재연결: 0회
"""


def test_the_block_of_the_seed() -> None:
    opened_at = datetime(2026, 1, 8, 4, 0, tzinfo=UTC)
    one = Collected("스트리머_unknown_xxxxxx", opened_at, 9_000, False, 10_000, 50, 0, None)
    assert "\n".join(as_lines([one], "ko", "x")) == SEED


def test_the_database_tells_of_each_day_in_korea(plain_database: Database) -> None:
    with plain_database.connect() as connection:
        first = add_broadcast(connection, closed_at=OPENED + timedelta(minutes=10))
        second = add_broadcast(connection, channel_id="b" * 32, name="바레사", opened_at=OPENED + timedelta(hours=3))
        for seconds in range(100):
            add_event(connection, first, OPENED + timedelta(seconds=seconds), str(seconds))
        add_event(connection, first, OPENED, None, kind="donation", amount=1000)
        add_event(connection, second, OPENED + timedelta(hours=3, minutes=5))
        for number in range(3):
            connection.execute(
                "INSERT INTO connection VALUES (gen_random_uuid(), %s, %s)", (first, OPENED + timedelta(minutes=number))
            )
        # overlapping gaps are missing once, and what lies after the end is not missing
        for begin, end in ((60, 120), (90, 150), (580, 900)):
            connection.execute(
                "INSERT INTO gap VALUES (gen_random_uuid(), %s, %s, %s, 'x')",
                (first, OPENED + timedelta(seconds=begin), OPENED + timedelta(seconds=end)),
            )
    both = from_database(plain_database, None)
    assert [one.name for one in both] == [
        f"미라이_20260106-210000_{CHANNEL}",
        f"바레사_20260107-000000_{'b' * 32}",
    ]
    assert (both[0].chats, both[0].donations, both[0].reconnects) == (100, 1, 2)
    assert both[0].coverage == pytest.approx(1 - 110 / 600)
    assert (both[1].on_air, both[1].duration_sec) == (True, 300)
    assert from_database(plain_database, date(2026, 1, 7)) == both[1:]
    shown = "\n".join(as_lines(both, "ko", ""))
    assert shown.count("📅") == 2
    assert "방송 시간: 00:00:00 ~ 방송 중 (5.0분)" in shown
    assert "📡 수집률: 81.6%" in shown


def test_nothing_is_said_of_what_nobody_counted(plain_database: Database, tmp_path: Path, quick_chart: None) -> None:
    folder = write_events(
        tmp_path / "2026-01-06" / "스트리머_S123", [*minutes_of(30, 30), line(90_000, kind="donation")]
    )
    for _ in range(2):  # of the events alone, and of the report that `process` made of them
        (one,) = from_folders(tmp_path, None)
        assert (one.name, one.opened_at, one.chats, one.donations) == ("스트리머_S123", OPENED, 60, 1)
        assert (one.reconnects, one.coverage, one.on_air) == (None, None, False)
        assert one.duration_sec == pytest.approx(118, abs=1)
        assert "재연결" not in "\n".join(as_lines([one], "ko", ""))
        process_folder(plain_database, folder, None, JobSettings())
    assert from_folders(tmp_path, date(2026, 1, 7)) == []


@pytest.mark.parametrize(
    "report",
    [
        {"opened_at": "2026-01-06T12:00:00Z", "chat_count": 7, "donation_count": "many", "duration_sec": "long"},
        {"opened_at": "2026-01-06T12:00:00Z", "chat_count": 7, "reconnects": "none", "coverage_percent": "all"},
        {"opened_at": "2026-01-06T12:00:00Z", "chat_count": 7, "reconnects": True, "coverage_percent": [1]},
        {"opened_at": 7, "chat_count": 7},
        {"start_time": "2026-01-06 12:00", "chat_count": "7"},
    ],
)
def test_a_report_of_somebody_else_does_no_harm(tmp_path: Path, report: dict[str, object]) -> None:
    folder = write_events(tmp_path / "x", minutes_of(7))
    (folder / "collection_report.json").write_text(json.dumps(report))
    (one,) = from_folders(tmp_path, None)
    assert one.chats == 7
    assert list(as_lines([one], "ko", ""))


def test_folders_that_hold_nothing(tmp_path: Path) -> None:
    write_events(tmp_path / "broken", ["no", "json"])
    assert "수집된 방송이 없습니다: here" in list(as_lines(from_folders(tmp_path, None), "ko", "here"))
    for wrong in (tmp_path / "missing", tmp_path / "broken" / "events.jsonl"):
        with pytest.raises(NoOutputFolder, match="is no folder"):
            from_folders(wrong, None)
