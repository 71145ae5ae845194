"""A running collector's own folder: its name, its status file, and its spools, kept apart from other collectors'.

<home>/collector/1 belongs to the first collector that runs here, 2 to a second beside it. A collector that was killed
leaves its folder; the next one takes it, and its name with it, so that the channels it held are its own at once.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from filelock import FileLock, Timeout

from collector.snapshot import FILE_NAME
from collector.spool import DEFAULT_LIMIT_BYTES, Spool

_MOST = 64  # collectors on one machine


@dataclass(frozen=True)
class Slot:
    """The folder that this collector holds."""

    folder: Path
    collector_id: str
    """The same for whoever holds this folder, one after the other."""
    spool: Spool


@contextmanager
def taken_slot(home: Path, database: str, spool_limit_bytes: int = DEFAULT_LIMIT_BYTES) -> Iterator[Slot]:
    """Holds a folder for as long as the block runs, and takes in what dead collectors' spools hold for this database.

    `database`: a name for it that can be a folder's: records wait for the database that they were meant for. OSError
    where the folder cannot be made or written.
    """
    held: list[FileLock] = []
    try:
        own: Path | None = None
        spool: Spool | None = None
        for number in range(1, _MOST + 1):
            folder = home / "collector" / str(number)
            if own is not None and not folder.is_dir():
                break
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / "lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            if own is None or spool is None:
                held.append(lock)
                own, spool = folder, Spool(folder / "spool" / database, spool_limit_bytes)
            else:
                spool.adopt(folder / "spool" / database)
                (folder / FILE_NAME).unlink(missing_ok=True)
                lock.release()
        if own is None or spool is None:
            raise OSError(f"{_MOST} collectors run here already")
        try:
            yield Slot(own, _collector_id(own), spool)
        finally:
            spool.close()
            (own / FILE_NAME).unlink(missing_ok=True)
    finally:
        for lock in held:
            lock.release()


def _collector_id(folder: Path) -> str:
    kept = folder / "collector_id"
    if kept.is_file() and (name := kept.read_text(encoding="utf-8").strip()):
        return name
    name = f"{socket.gethostname()}-{token_hex(3)}"
    beside = kept.with_suffix(".new")
    beside.write_text(name + "\n", encoding="utf-8")
    beside.replace(kept)
    return name
