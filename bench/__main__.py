"""Runs the benchmarks of speed and memory, prints their table, and with --write keeps it in docs/benchmarks.md."""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.ingest_speed import ingest
from bench.peaks_speed import peaks_ms
from bench.process_speed import copy_seconds, make_folder, process
from bench.table import Table, machine
from collector.spool import Spool
from store.database import Database, open_database, scratch_database

_HOURS = 12.0
_FRAMES = 40_000

Row = tuple[str, str, str]


def rows(database: Database, home: Path, folders: Path, runs: int, hours: float) -> Iterator[Row]:
    """(what, measured, wanted) for each figure."""
    folder, events = make_folder(folders, hours)
    pairs = [(copy_seconds(database, folder, scratch=False), process(database, folder)) for _ in range(runs)]
    twin = median(copy_seconds(database, folder, scratch=True) for _ in range(runs))
    copied = median(copy for copy, _ in pairs)
    taken = median(run.seconds for _, run in pairs)
    ratio = median(run.seconds / copy for copy, run in pairs)
    yield "events of the broadcast", f"{events:,} in {hours:g} h", ""
    yield "COPY of its rows into `event`", f"{copied:.2f} s", ""
    yield "COPY of its rows into the temporary twin of `event`", f"{twin:.2f} s", ""
    yield "`nokchart process`, all of the command", f"{taken:.2f} s", ""
    yield "the same, against the COPY into `event`", f"{ratio:.2f}×", "at most 2.5×"
    yield "the same, against the COPY into the twin", f"{taken / twin:.2f}×", ""
    yield "the same, events a second", f"{events / taken:,.0f}", "at least 110,000"
    yield "peak memory of its Python process", f"{max(run.peak_mb for _, run in pairs):.0f} MB", "at most 200 MB"
    quarter, fewer = make_folder(folders, hours / 4)
    yield (
        f"the same for {fewer:,} events in {hours / 4:g} h",
        f"{max(process(database, quarter).peak_mb for _ in range(runs)):.0f} MB",
        "flat",
    )
    times, peaks = peaks_ms(database, folder, hours)
    yield (
        f"peaks in SQL ({len(peaks.volume)} by volume, {len(peaks.surge)} surges)",
        f"{median(times):.0f} ms (max {times[-1]:.0f})",
        "at most 250 ms",
    )
    with scratch_database(home, f"bench_{os.getpid()}") as empty:
        taken_in = asyncio.run(ingest(empty, _FRAMES, Spool(home / "bench_spool")))
    yield (
        "ingest, frame to committed row, one process",
        f"{taken_in.events / taken_in.seconds:,.0f} events/s",
        "at least 15,000",
    )
    yield (
        "COPY of the same rows into the same table",
        f"{taken_in.events / taken_in.copy_seconds:,.0f} rows/s",
        "",
    )


def main() -> None:
    """The command line of `python -m bench`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs of each; medians are printed")
    parser.add_argument("--hours", type=float, default=_HOURS, help="length of the broadcast")
    parser.add_argument("--write", action="store_true", help="keep the table in docs/benchmarks.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        home = Path(root) / "home"
        with open_database(None, home) as database:
            table = Table()
            for row in rows(database, home, Path(root), options.runs, options.hours):
                table.add(*row)
    if options.write:
        note = f"`python -m bench --write`: medians of {options.runs} runs on {machine()}, embedded PostgreSQL."
        table.keep("speed", note)


if __name__ == "__main__":
    main()
