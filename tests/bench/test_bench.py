"""The instruments of the benchmarks: they must see what they are there to see."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bench.table
from bench.gauge import Gauge
from bench.ledger import compare
from bench.load import recovery_sec
from bench.sightings import Sightings
from bench.table import Table
from store.database import Database

BROADCAST = """
INSERT INTO channel (channel_id) VALUES ('c');
INSERT INTO broadcast (stream_id, channel_id, opened_at) VALUES ('s', 'c', now());
"""
EVENT = """
INSERT INTO event (ts, broadcast_id, kind, event_key, user_id, content, source)
VALUES (to_timestamp(%s / 1000.0), 1, 'chat', %s, 'u', %s, 'live')
"""
GAP = """
INSERT INTO gap (gap_id, broadcast_id, from_ts, to_ts, cause)
VALUES (gen_random_uuid(), 1, to_timestamp(%s / 1000.0), to_timestamp(%s / 1000.0), 'collector away')
"""


def item(text: str, time_ms: int) -> dict[str, Any]:
    absent = dict.fromkeys(("nickname", "amount"))
    return {
        **absent,
        "channel_id": "c",
        "kind": "chat",
        "user_id": "u",
        "text": text,
        "time_ms": time_ms,
        "hidden": False,
        "delivered": 2,
    }


def test_a_comparison_tells_lost_from_twice_from_invented(plain_database: Database, tmp_path: Path) -> None:
    now_ms = 1_790_000_000_000
    with plain_database.connect() as connection:
        connection.execute(BROADCAST)
        for key, text in enumerate(["one", "two", "two", "nobody said"]):
            connection.execute(EVENT, (now_ms, key, text))
    ledger = tmp_path / "sent.jsonl"
    ledger.write_text("".join(json.dumps(item(text, now_ms)) + "\n" for text in ("one", "two", "three")))
    found = compare(plain_database, ledger)
    assert (found.sent, found.stored, found.delivered) == (3, 4, 6)
    assert (found.lost, found.twice, found.invented) == (1, 1, 1)
    assert found.first_lost is not None
    assert found.first_lost["content"] == "three"
    assert (found.lost_of, found.unexplained) == ({"c": 1}, 1)
    with plain_database.connect() as connection:
        connection.execute(GAP, (now_ms - 1, now_ms + 1))
    assert compare(plain_database, ledger).unexplained == 0


def test_a_row_is_seen_when_it_is_committed(plain_database: Database) -> None:
    with plain_database.connect() as connection:
        connection.execute(BROADCAST)
    with Sightings(plain_database) as seen:
        with plain_database.connect() as slow, plain_database.connect() as quick:
            sent_ms = time.time() * 1000
            slow.execute(EVENT, (sent_ms, 1, "waits"))
            quick.execute(EVENT, (sent_ms, 2, "at once"))
            quick.commit()
            time.sleep(0.5)
            slow.commit()
            committed_ms = time.time() * 1000
        time.sleep(0.1)
    seen_ms, delay_ms = seen.delays()
    first, last = sorted(delay_ms)
    assert 0 < first < last
    assert last >= 500
    assert seen_ms.max() >= committed_ms - 50


def test_recovery_ends_with_the_last_second_that_was_late() -> None:
    seen = np.arange(0, 20_000, 10)
    delays = np.where(seen < 3_000, 5_000.0, 100.0)
    assert recovery_sec(seen, np.full(len(seen), 100.0), 0.0) == 0.0
    assert 3.0 <= recovery_sec(seen, delays, 0.0) <= 4.0


def test_a_gauge_reads_a_process() -> None:
    with Gauge(os.getpid()) as gauge:
        begun = time.monotonic()
        while time.monotonic() - begun < 1.2:
            pass
    reading = gauge.readings[-1]
    assert reading.memory_mb > 10
    assert reading.open_files > 3
    assert gauge.share(0.0) > 0.1


def test_a_missed_bound_is_an_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text("before\n<!-- this -->\nold\n<!-- /this -->\nafter\n")
    monkeypatch.setattr(bench.table, "_DOCS", tmp_path)
    table = Table()
    table.add("speed", "5", "at least 4")
    with pytest.raises(SystemExit) as ended:
        table.finish()
    assert ended.value.code == 0
    table.add_count("lost", 3)
    table.keep("this", "note")
    with pytest.raises(SystemExit) as ended:
        table.finish()
    assert ended.value.code == 1
    written = page.read_text()
    assert written.startswith("before\n<!-- this -->\nnote\n\n| what")
    assert "old" not in written
    assert "| lost | 3 | 0: **missed** |" in written
    assert written.endswith("<!-- /this -->\nafter\n")
    assert capsys.readouterr().out.endswith("missed: lost\n")
