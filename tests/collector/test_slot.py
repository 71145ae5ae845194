"""A collector's folder: one each, the same name after a restart, and what the dead left is taken in."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from filelock import FileLock

from collector.slot import NoSlot, taken_slot
from collector.snapshot import FILE_NAME
from tests.collector.test_spool import drained
from tests.collector.test_writer import some


def test_collectors_beside_each_other_have_folders_of_their_own(tmp_path: Path) -> None:
    with taken_slot(tmp_path, "db") as one, taken_slot(tmp_path, "db") as two:
        assert (one.folder.name, two.folder.name) == ("1", "2")
        assert one.collector_id != two.collector_id
    with taken_slot(tmp_path, "db") as again:
        assert again.collector_id == one.collector_id


def test_collectors_that_start_together_skip_no_folder(tmp_path: Path) -> None:
    together, all_have_one = Barrier(8), Barrier(8)

    def folder_taken() -> int:
        together.wait(20)
        with taken_slot(tmp_path, "db") as slot:
            all_have_one.wait(20)
            return int(slot.folder.name)

    for _ in range(5):
        with ThreadPoolExecutor(8) as collectors:
            taken = [collectors.submit(folder_taken) for _ in range(8)]
        assert sorted(one.result() for one in taken) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_start_waits_for_another_but_not_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def folder_taken() -> str:
        with taken_slot(tmp_path, "db") as slot:
            return slot.folder.name

    (tmp_path / "collector").mkdir()
    other = FileLock(tmp_path / "collector" / "lock")
    with ThreadPoolExecutor(1) as collector:
        with other:
            waiting = collector.submit(folder_taken)
            with pytest.raises(TimeoutError):
                waiting.result(0.3)
        assert waiting.result(20) == "1"
    monkeypatch.setattr("collector.slot._PATIENCE_S", 0.1)
    with other, pytest.raises(NoSlot, match=r"starting.*lock"):
        folder_taken()


def test_too_many_are_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.slot._MOST", 1)
    with taken_slot(tmp_path, "db"), pytest.raises(NoSlot, match="1 collectors run here already"):
        taken_slot(tmp_path, "db").__enter__()
    with taken_slot(tmp_path, "db") as slot:
        assert slot.folder.name == "1"


def test_records_wait_for_the_database_that_they_were_meant_for(tmp_path: Path) -> None:
    with taken_slot(tmp_path, "here") as slot:
        slot.spool.append([some(1)], 1)
    with taken_slot(tmp_path, "elsewhere") as slot:
        assert slot.spool.empty
    with taken_slot(tmp_path, "here") as slot:
        assert drained(slot.spool) == [some(1)]


HOLDER = """
import sys, time
from pathlib import Path
from collector.slot import taken_slot
from tests.collector.test_writer import some
with taken_slot(Path(sys.argv[1]), "db") as slot:
    slot.spool.append([some(1, int(slot.folder.name))], 1)
    (slot.folder / "status.json").write_text("{}")
    print(slot.collector_id, flush=True)
    time.sleep(60)
"""


def test_what_killed_collectors_left_is_taken_in(tmp_path: Path) -> None:
    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLDER, str(tmp_path)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])

    with start() as first, start() as second, start() as third:
        running = [first, second, third]
        names = {process.stdout.readline() for process in running if process.stdout}
        assert len(names) == 3
        assert len(list(tmp_path.glob(f"collector/*/{FILE_NAME}"))) == 3
        first.send_signal(signal.SIGKILL)
        second.send_signal(signal.SIGKILL)
        first.wait()
        second.wait()
        with taken_slot(tmp_path, "db") as slot:
            assert f"{slot.collector_id}\n" in names
            taken = [row.event_key for record in drained(slot.spool) for row in record.events]  # type: ignore[union-attr]
        assert len(taken) == 2
        third.kill()
    with taken_slot(tmp_path, "db") as slot:
        rest = [row.event_key for record in drained(slot.spool) for row in record.events]  # type: ignore[union-attr]
    assert sorted(taken + rest) == [1, 2, 3]
    assert not list(tmp_path.glob(f"collector/*/{FILE_NAME}"))
