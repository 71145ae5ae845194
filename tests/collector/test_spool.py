"""The spool: what is on disk comes back, in order, whatever has happened to the files."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from collector import spool as spool_module
from collector.records import Events, Record, Statement
from collector.spool import Spool, SpoolFull
from tests.collector.test_writer import event, some

NOW = datetime(2026, 1, 6, 11, 0, 0, 123456, tzinfo=UTC)


def drained(spool: Spool) -> list[Record]:
    """Everything, oldest first; the spool is empty afterwards."""
    found: list[Record] = []
    while not spool.empty:
        found.extend(spool.oldest())
        spool.forget_oldest()
    return found


def test_records_come_back_as_they_were_and_in_order(tmp_path: Path) -> None:
    odd = event(1, content="\u202e늑대\U0001f43a", extra='{"a":1}', amount=1000, kind="donation", user_id=None)
    identity = uuid4()
    records: list[Record] = [
        Events("s", [odd, event(2, event_key=-(2**63), hidden=True, received_ms=None)]),
        Statement("insert_gap", ("s", identity, 1, 2, "close 1006")),
        Statement("change_broadcast", ("s", NOW, None, "종합 게임")),
        Events("t", [event(3)]),
    ]
    spool = Spool(tmp_path)
    spool.append(records[:2], 3)
    spool.append(records[2:], 2)
    back = drained(Spool(tmp_path))
    # An id comes back as its text, which the database takes as well.
    records[1] = Statement("insert_gap", ("s", str(identity), 1, 2, "close 1006"))
    assert back == records
    assert all(type(row) is type(odd) for record in back if isinstance(record, Events) for row in record.events)


def test_segments_are_forgotten_one_by_one_and_count_their_own_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "SEGMENT_BYTES", 100)
    spool = Spool(tmp_path)
    for number in range(10):
        spool.append([some(10, number * 10)], 10)
    assert len(list(tmp_path.iterdir())) == 10
    assert spool.size_bytes == sum(path.stat().st_size for path in tmp_path.iterdir())
    assert spool.forget_oldest() == 10
    # What an earlier process has put in is none of ours to wait for.
    again = Spool(tmp_path)
    assert again.forget_oldest() == 0
    again.append([some(1, 1000)], 1)
    keys = [row.event_key for record in drained(again) for row in record.events]  # type: ignore[union-attr]
    assert keys == [*range(20, 100), 1000]
    assert list(tmp_path.iterdir()) == []
    assert again.size_bytes == 0


def test_reading_and_appending_at_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([some(1)], 1)
    first = spool.oldest()
    spool.append([some(1, 1)], 1)  # the segment that is being replayed is not appended to
    assert first == [some(1)]
    assert spool.forget_oldest() == 1
    assert drained(spool) == [some(1, 1)]


def test_a_record_that_was_torn_by_a_kill_takes_no_other_with_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "whole")
    spool.append([some(2), Statement("upsert_channel", ("c", "녹두")), some(2, 2)], 5)
    (file,) = (tmp_path / "whole").iterdir()
    whole = file.read_bytes()
    third = whole.rindex(b"\x8aNC\x01")
    for length in range(len(whole)):
        folder = tmp_path / str(length)
        folder.mkdir()
        (folder / file.name).write_bytes(whole[:length])
        records = drained(Spool(folder))
        assert records == [some(2), Statement("upsert_channel", ("c", "녹두"))][: len(records)]
        assert len(records) == 2 or length < third
        assert list(folder.iterdir()) == []


@pytest.mark.parametrize("at", [0, 5, 9, 30, 150])
def test_a_rotten_byte_costs_one_record(tmp_path: Path, at: int) -> None:
    spool = Spool(tmp_path)
    for number in range(3):
        spool.append([some(3, number * 3)], 3)
    (file,) = tmp_path.iterdir()
    data = bytearray(file.read_bytes())
    data[at] ^= 0x40
    file.write_bytes(data)
    assert drained(Spool(tmp_path)) == [some(3, 3), some(3, 6)]


@pytest.mark.parametrize("content", [b"", b"\x8aNC\x01", b"\x00" * 4096, os.urandom(4096), b"\x8aNC\x01" * 500])
def test_a_file_with_anything_in_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "000000000001.spool").write_bytes(content)
    spool = Spool(tmp_path)
    spool.append([some(1)], 1)
    assert drained(spool) == [some(1)]


def test_a_record_of_another_version_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as older:
        older.setattr(spool_module, "_packed", lambda record: _framed(spool_module.msgspec.msgpack.encode(record)))
        Spool(tmp_path).append([["s", [[1, 2]]], {"v": 2}, 7], 3)  # type: ignore[list-item]
    spool = Spool(tmp_path)
    spool.append([some(1)], 1)
    assert drained(spool) == [some(1)]


def _framed(payload: bytes) -> bytes:
    return spool_module._HEAD.pack(b"\x8aNC\x01", spool_module.zlib.crc32(payload), len(payload)) + payload


def test_it_is_bounded(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit_bytes=10_000)
    kept = 0
    with suppress(SpoolFull):
        while kept < 10_000:
            spool.append([some(5, kept * 5)], 5)
            kept += 1
    assert 9_000 < spool.size_bytes <= 10_000
    assert len(drained(spool)) == kept
    spool.append([some(5)], 5)  # there is room again


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path)
    spool.append([some(1)], 1)
    real = os.write

    def half_then_full(descriptor: int, data: Any) -> int:
        if len(data) > 50:
            return real(descriptor, data[:50])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "write", half_then_full)
        for _ in range(3):
            with pytest.raises(OSError, match="No space"):
                spool.append([some(5, 1)], 5)
    spool.append([some(1, 1)], 1)
    assert drained(Spool(tmp_path)) == [some(1), some(1, 1)]


def test_the_spool_of_a_dead_collector_is_adopted(tmp_path: Path) -> None:
    theirs = Spool(tmp_path / "2")
    theirs.append([some(1)], 1)
    theirs.close()
    spool = Spool(tmp_path / "1")
    spool.append([some(1, 1)], 1)
    spool.adopt(tmp_path / "2")
    spool.adopt(tmp_path / "none")
    spool.append([some(1, 2)], 1)
    assert sorted(drained(spool), key=repr) == [some(1), some(1, 1), some(1, 2)]
    assert list((tmp_path / "2").iterdir()) == []


APPENDER = """
import sys
from pathlib import Path
from collector.spool import Spool
from tests.collector.test_writer import some
spool = Spool(Path(sys.argv[1]))
for number in range(1_000_000):
    spool.append([some(50, number * 50)], 50)
    print(number, flush=True)
"""


def test_kill_9_while_appending(tmp_path: Path) -> None:
    """Whatever was said to be kept is there after a kill, and at most one record more."""
    for turn in range(5):
        folder = tmp_path / str(turn)
        with subprocess.Popen(
            [sys.executable, "-c", APPENDER, str(folder)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        ) as process:
            assert process.stdout is not None
            said = [process.stdout.readline() for _ in range(20 + 7 * turn)]
            process.send_signal(signal.SIGKILL)
            said += process.stdout.readlines()
        last = int(said[-1])
        keys = [row.event_key for record in drained(Spool(folder)) for row in record.events]  # type: ignore[union-attr]
        assert keys in (list(range((last + 1) * 50)), list(range((last + 2) * 50)))
