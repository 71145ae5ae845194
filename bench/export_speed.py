"""`nokchart export` of long broadcasts, against a COPY of the same rows as JSON: `python -m bench.export_speed`."""

import argparse
import os
import tempfile
import time
from pathlib import Path
from statistics import median

import sql
from analytics.events_file import write_events
from analytics.importing import import_folder
from analytics.session import analysis_session
from bench.dataset import OPENED_AT, STREAM_ID, write_folder
from bench.process_speed import measure
from bench.table import Table, machine
from store.database import Database, open_database

_HOURS = 12.0


def json_copy_seconds(database: Database, path: Path) -> float:
    """COPY of a broadcast's rows as JSON of the server's own making, with the same keys, written to a file."""
    of_broadcast = {"broadcast_id": 1, "stream_id": STREAM_ID, "opened_at": OPENED_AT}
    with database.connect() as connection, path.open("wb") as file, connection.cursor() as cursor:
        begun = time.perf_counter()
        with cursor.copy(sql.query("bench_json_rows"), of_broadcast) as rows:
            for row in rows:
                file.write(row)
        file.flush()
        os.fsync(file.fileno())
        return time.perf_counter() - begun


def events_seconds(database: Database, path: Path) -> float:
    """The same rows as an events.jsonl."""
    with analysis_session(database) as connection:
        begun = time.perf_counter()
        write_events(connection, path, 1, STREAM_ID, OPENED_AT)
        return time.perf_counter() - begun


def rows(table: Table, runs: int, hours: float) -> None:
    """Fills the table."""
    with tempfile.TemporaryDirectory() as root, open_database(None, Path(root) / "home") as database:
        folder = Path(root) / "in"
        events = write_folder(folder, hours)
        begun = time.perf_counter()
        import_folder(database, folder)
        imported = time.perf_counter() - begun
        table.add("events of the broadcast", f"{events:,} in {hours:g} h")
        table.add("`nokchart import` of them", f"{imported:.1f} s, {events / imported:,.0f} a second")
        pairs = [
            (json_copy_seconds(database, Path(root) / "rows"), events_seconds(database, Path(root) / "events.jsonl"))
            for _ in range(runs)
        ]
        ratio = median(written / copied for copied, written in pairs)
        table.add("COPY (SELECT json) of its rows to a file", f"{median(copied for copied, _ in pairs):.2f} s")
        table.add("events.jsonl", f"{median(written for _, written in pairs):.2f} s")
        table.add("the same, against the COPY", f"{ratio:.2f}×", "at most 1.5×", met=ratio <= 1.5)
        command = ("export", "--outdir", f"{root}/out", "--broadcast", "1")
        whole = [measure(database, *command) for _ in range(runs)]
        memory = max(run.peak_mb for run in whole)
        table.add("`nokchart export`, all files, all of the command", f"{median(run.seconds for run in whole):.1f} s")
        table.add("peak memory of its Python process", f"{memory:.0f} MB", "at most 150 MB", met=memory <= 150)
        both = measure(database, *command, "--parquet")
        table.add("the same with `--parquet`", f"{both.seconds:.1f} s, {both.peak_mb:.0f} MB")
    with tempfile.TemporaryDirectory() as root, open_database(None, Path(root) / "home") as database:
        events = write_folder(Path(root) / "in", hours / 2)
        import_folder(database, Path(root) / "in")
        command = ("export", "--outdir", f"{root}/out", "--broadcast", "1")
        half = median(measure(database, *command).seconds for _ in range(runs))
        what = f"`nokchart export` of {hours / 2:g} h, {events:,} events"
        table.add(what, f"{half:.1f} s", "at most 6 s", met=half <= 6)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="runs of each; medians are printed")
    parser.add_argument("--hours", type=float, default=_HOURS, help="length of the broadcast")
    parser.add_argument("--write", action="store_true", help="keep the table in docs/benchmarks.md")
    options = parser.parse_args()
    table = Table()
    rows(table, options.runs, options.hours)
    if options.write:
        command = "`python -m bench.export_speed --write`"
        note = f"{command}: medians of {options.runs} runs on {machine()}, embedded PostgreSQL."
        table.keep("export", note)
    table.finish()


if __name__ == "__main__":
    main()
