"""What NokChart takes of a small machine while eight channels are live: memory, processor, disk, network.

    python -m bench.budget [--minutes 10] [--channels 8] [--rate 20] [--write]
    python -m bench.budget --database-url postgresql://.. --server-pid PID    (another server, on this machine)

The collector and the nightly job are the commands of docker-compose.yml. PostgreSQL runs with
deploy/postgresql/nokchart.conf. Memory is the kernel's PSS: what several processes share is counted once in all. The
network is counted where nobody else uses it: `unshare --net sh -c 'ip link set lo up; python -m bench.budget'`.
"""

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from bench.children import new_folder, simulated, watching
from bench.configured import configured_server
from bench.gauge import Gauge
from bench.load import steady
from bench.table import Table, machine
from store.database import Database, open_database

_ARRIVE_SEC = 20.0  # as bench.load has it: nobody speaks before all channels are connected
_SETTLE_SEC = 60.0
_EVERY_SEC = 5.0
_POLL_SEC = 60.0  # as a user has it
_DAY_SEC = 86_400
_GB = 1024**3
_NIGHTLY = ("export", "--daily", "04:30", "--quiet")


@dataclass
class Family:
    """The memory of a process and all its descendants, in MB: of each reading the sum of their PSS."""

    pid: int
    readings: list[float] = field(default_factory=list)
    most_processes: int = 0
    _done: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name=f"memory of {self.pid}", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        assert self._thread is not None
        self._thread.join()

    def _run(self) -> None:
        while not self._done.wait(_EVERY_SEC):
            members = list(_family(self.pid))
            self.most_processes = max(self.most_processes, len(members))
            self.readings.append(sum(map(_pss_mb, members)))


@dataclass(frozen=True)
class Measured:
    """What came of it."""

    seconds: float
    events: int
    memory: dict[str, Family]
    processor: dict[str, float]
    """1.0: one processor."""
    database_bytes: int
    """By which the database grew."""
    wal_bytes: int
    network_bytes: int | None
    """From and to Chzzk; None where others use the network too."""
    export: tuple[float, float]
    """Seconds, and MB at most, of making the files of one of the broadcasts."""


def measure(database: Database, server_pid: int, root: Path, *, channels: int, rate: float, minutes: float) -> Measured:
    """Plays `channels` with `rate` events a second each, for `minutes` after the first one."""
    scene = steady(channels, channels * rate, minutes + _SETTLE_SEC / 60)
    with ExitStack() as stack:
        chzzk = stack.enter_context(simulated(root, scene.channels))
        environment = {**chzzk.environment, "NOKCHART_EXPORT_AT_END": "false"}
        collector = stack.enter_context(
            watching(root / "collector", scene.channels, environment, database.url, poll_sec=_POLL_SEC)
        )
        nightly = stack.enter_context(_nightly(root, database.url))
        time.sleep(_ARRIVE_SEC + _SETTLE_SEC)
        pids = {"collector": collector.process.pid, "nightly job, idle": nightly, "PostgreSQL": server_pid}
        families = {name: stack.enter_context(Family(pid)) for name, pid in pids.items()}
        gauges = {name: stack.enter_context(Gauge(pid, family=True)) for name, pid in pids.items()}
        before, network, began = _sizes(database), _network_bytes(), time.monotonic()
        time.sleep(minutes * 60)
        after, seconds = _sizes(database), time.monotonic() - began
        sent = None if network is None else (_network_bytes() or 0) - network
        processor = {name: gauge.share(began) for name, gauge in gauges.items()}
        exported = _export(root, database)
    grown = [now - then for then, now in zip(before, after, strict=True)]
    return Measured(seconds, grown[0], families, processor, grown[1], grown[2], sent, exported)


def tell(table: Table, measured: Measured) -> None:
    """The figures."""
    day = _DAY_SEC / measured.seconds
    table.add("events in the time measured", f"{measured.events:,} in {measured.seconds / 60:.1f} min")
    for name, family in measured.memory.items():
        many = f", {family.most_processes} processes at most" if family.most_processes > 1 else ""
        table.add(f"memory of the {name}, at most", f"{max(family.readings):.0f} MB{many}")
    seconds, memory = measured.export
    table.add("making the files of one broadcast: a child of the nightly job", f"{memory:.0f} MB, {seconds:.1f} s")
    for name, share in measured.processor.items():
        table.add(f"processor of the {name}", f"{share:.1%} of one")
    table.add("processor, all of them", f"{sum(measured.processor.values()):.1%} of one", "25 % sustained on e2-micro")
    each = measured.database_bytes / measured.events
    table.add("the database grows, before compression", f"{each:.0f} bytes an event")
    table.add("events in a day of this, with nobody ever off air", f"{measured.events * day / 1e6:.1f} million")
    table.add("the database grows in such a day, before compression", f"{measured.database_bytes * day / _GB:.1f} GB")
    table.add("written to the log (WAL)", f"{measured.wal_bytes * day / _GB:.1f} GB")
    if measured.network_bytes is not None:
        table.add("network to and from Chzzk", f"{measured.network_bytes * day / _GB:.1f} GB")


@contextmanager
def _nightly(root: Path, database_url: str) -> Iterator[int]:
    environment = {
        **os.environ,
        "NOKCHART_DATABASE_URL": database_url,
        "NOKCHART_HOME": str(root / "nightly"),
        "NOKCHART_OUTDIR": str(root / "output"),
    }
    process = subprocess.Popen([sys.executable, "-m", "nokchart", *_NIGHTLY], env=environment)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(60)


def _export(root: Path, database: Database) -> tuple[float, float]:
    """Seconds, and MB at most, of `nokchart export` of the first broadcast."""
    environment = {**os.environ, "NOKCHART_DATABASE_URL": database.url, "NOKCHART_HOME": str(root / "nightly")}
    command = [
        sys.executable,
        "-m",
        "nokchart",
        "export",
        "--broadcast",
        "1",
        "--outdir",
        str(root / "files"),
        "--quiet",
    ]
    began = time.monotonic()
    pid = os.posix_spawn(sys.executable, command, environment)
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise RuntimeError(f"the export ended with {os.waitstatus_to_exitcode(status)}")
    return time.monotonic() - began, usage.ru_maxrss / 1024


def _sizes(database: Database) -> tuple[int, int, int]:
    """Events, bytes of the database, and bytes of log ever written."""
    with database.connect() as connection:
        (events,) = connection.execute("SELECT count(*) FROM event").fetchone() or (0,)
        (size,) = connection.execute("SELECT pg_database_size(current_database())").fetchone() or (0,)
        (log,) = connection.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn").fetchone() or (0,)
    return int(events), int(size), int(log)


def _network_bytes() -> int | None:
    """Bytes through loopback, each counted once; None where there is another interface: others use this one too."""
    interfaces = dict(line.split(":") for line in Path("/proc/net/dev").read_text().splitlines()[2:])
    if {name.strip() for name in interfaces} != {"lo"}:
        return None
    return int(interfaces[next(iter(interfaces))].split()[0])


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return  # it has ended
    for child in children:
        yield from _family(child)


def _pss_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def main() -> None:
    """The command line of `python -m bench.budget`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="measured, after a minute of settling")
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--rate", type=float, default=20.0, help="events a second, of each channel")
    parser.add_argument("--database-url", help="an empty database of another server on this machine")
    parser.add_argument("--server-pid", type=int, help="that server's first process")
    parser.add_argument("--folder", type=Path, help="play in this new folder, and leave everything in it")
    parser.add_argument("--write", action="store_true", help="keep the table in docs/operations.md")
    options = parser.parse_args()
    with ExitStack() as stack:
        root = stack.enter_context(new_folder(options.folder))
        if options.database_url:
            url, pid = options.database_url, options.server_pid
        else:
            url = stack.enter_context(configured_server(root / "postgres"))
            pid = int((root / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])
        database = stack.enter_context(open_database(url, root))
        measured = measure(database, pid, root, channels=options.channels, rate=options.rate, minutes=options.minutes)
    table = Table()
    tell(table, measured)
    if options.write:
        scene = f"{options.channels} channels at {options.rate:g} events a second each, {options.minutes:g} minutes"
        note = f"`python -m bench.budget --write`: {scene}, on {machine()}, embedded PostgreSQL."
        table.keep("budget", note, "operations.md")
    table.finish()


if __name__ == "__main__":
    main()
