"""`nokchart process` on a broadcast of twelve hours, against a raw COPY of the same rows into the same table."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sql
from analytics.copy_rows import WholeRows
from analytics.event_lines import Notes, read_lines
from analytics.session import analysis_session
from bench.dataset import OPENED_AT, STREAM_ID, write_folder
from store.database import Database

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Run:
    """One run of the command."""

    seconds: float
    """Wall clock, the start of the interpreter included."""
    peak_mb: float
    """Of the Python process."""


def copy_seconds(database: Database, folder: Path, *, scratch: bool) -> float:
    """COPY of all of the folder's events into `event`, or into its temporary twin; then it is undone."""
    rows = WholeRows((OPENED_AT - _EPOCH) // timedelta(milliseconds=1))
    blocks = [rows.rows(block) for block in read_lines(folder / "events.jsonl", Notes())]
    with analysis_session(database, scratch=scratch) as connection:
        if not scratch:
            connection.execute(sql.query("default_scratch"))
        begun = time.perf_counter()
        with connection.cursor() as cursor, cursor.copy(sql.query(rows.copy)) as copy:
            for block in blocks:
                copy.write(block)
        seconds = time.perf_counter() - begun
        connection.execute("TRUNCATE event")
        connection.execute("ALTER TABLE event ALTER COLUMN broadcast_id DROP DEFAULT, ALTER COLUMN source DROP DEFAULT")
    return seconds


def process(database: Database, folder: Path) -> Run:
    """One run of `nokchart process`, as a user starts it."""
    return measure(database, "process", "--stream-dir", str(folder), "--stream-id", STREAM_ID)


def measure(database: Database, *arguments: str) -> Run:
    """One run of a command of `nokchart`."""
    command = [sys.executable, "-m", "nokchart", *arguments]
    begun = time.perf_counter()
    child = subprocess.Popen(
        command, env={**os.environ, "NOKCHART_DATABASE_URL": database.url}, stdout=subprocess.DEVNULL
    )
    peak_mb = 0.0
    while child.poll() is None:
        peak_mb = max(peak_mb, _peak_mb(child.pid))
        time.sleep(0.02)
    seconds = time.perf_counter() - begun
    if child.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} exited with {child.returncode}")
    return Run(seconds, peak_mb)


def _peak_mb(pid: int) -> float:
    """The high-water mark of a process's memory. That of getrusage would count this one's too, before the exec."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)


def make_folder(root: Path, hours: float) -> tuple[Path, int]:
    """A folder with so many hours of a broadcast, and how many events they have."""
    folder = root / f"{hours:g} h"
    return folder, write_folder(folder, hours)
