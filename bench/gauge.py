"""What a running process takes: memory, processor time and open files, as the kernel counts them (Linux)."""

import math
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_TICKS = os.sysconf("SC_CLK_TCK")
_EVERY_SEC = 1.0

MORE_MEMORY = 0.25
"""The part by which a collector's memory may rise after its first minute: glibc's heap spreads for some minutes though
what is in use of it stays the same (17.1 MB with 200 channels). A leak of forty bytes a message is more than this."""


@dataclass(frozen=True)
class Reading:
    """One process at one moment."""

    at_sec: float
    """time.monotonic()"""
    memory_mb: float
    cpu_sec: float
    open_files: int


class Gauge:
    """Reads a process once a second for as long as the block runs. With `family`, its children's time counts too."""

    def __init__(self, pid: int, *, family: bool = False) -> None:
        self.readings: list[Reading] = []
        self._folder = Path(f"/proc/{pid}")
        self._pid = pid
        self._family = family
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"gauge of {pid}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def between(self, begin_sec: float, end_sec: float = math.inf) -> list[Reading]:
        """The readings from one moment to another (time.monotonic)."""
        return [reading for reading in self.readings if begin_sec <= reading.at_sec <= end_sec]

    def share(self, begin_sec: float, end_sec: float = math.inf) -> float:
        """Processor time by wall time between two moments: 1.0 is all of one processor."""
        readings = self.between(begin_sec, end_sec)
        if len(readings) < 2:
            return 0.0
        first, last = readings[0], readings[-1]
        return (last.cpu_sec - first.cpu_sec) / (last.at_sec - first.at_sec)

    def _run(self) -> None:
        while True:
            try:
                self.readings.append(self._read())
            except (OSError, StopIteration):
                return  # it has ended
            if self._done.wait(_EVERY_SEC):
                return

    def _read(self) -> Reading:
        status = (self._folder / "status").read_text()
        memory = next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))
        cpu = _cpu_sec(self._pid, waited_for=self._family)
        if self._family:
            for thread in (self._folder / "task").iterdir():
                cpu += sum(_cpu_sec(int(child)) for child in (thread / "children").read_text().split())
        return Reading(time.monotonic(), memory, cpu, len(list((self._folder / "fd").iterdir())))


def _cpu_sec(pid: int, *, waited_for: bool = False) -> float:
    """User and system time of a process; `waited_for`: with that of its children that have ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    # The name, in parentheses, may have spaces; utime, stime, cutime and cstime are the fields 14 to 17.
    fields = text.rpartition(")")[2].split()[11:15]
    return sum(int(field) for field in fields[: 4 if waited_for else 2]) / _TICKS


def server_pid(home: Path) -> int:
    """The embedded PostgreSQL's first process."""
    return int((home / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])
