"""A running collector's own folder: its name, its status file, and its spools, kept apart from other collectors'.

<home>/collector/1 belongs to the first collector that runs here, 2 to a second beside it. A collector that was killed
leaves its folder; the next one takes it, and its name with it, so that the channels it held are its own at once.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from filelock import FileLock, Timeout

from collector.snapshot import FILE_NAME
from collector.spool import DEFAULT_LIMIT_BYTES, Spool
from store.errors import NokchartError

_MOST = 64  # collectors on one machine
_PATIENCE_S = 10.0  # for another that starts at the same moment; it holds the lock for some renames


class NoSlot(NokchartError):
    """No folder of its own can be had for the collector."""


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
    where the folder cannot be made or written; NoSlot where too many run here, or another one's start does not end.
    """
    home = home / "collector"
    home.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        # One at a time looks through the folders, so that none skips what another only looks into.
        with _turn(home / "lock"):
            folder = _free_folder(home, held)
            spool = Spool(folder / "spool" / database, spool_limit_bytes)
            held.callback(spool.close)
            _take_in_the_dead(spool, home, int(folder.name) + 1, database)
        held.callback((folder / FILE_NAME).unlink, missing_ok=True)
        yield Slot(folder, _collector_id(folder), spool)


def _free_folder(home: Path, held: ExitStack) -> Path:
    """The first that nobody holds; it is ours until `held` is closed."""
    for number in range(1, _MOST + 1):
        folder = home / str(number)
        folder.mkdir(exist_ok=True)
        with suppress(Timeout):
            held.enter_context(FileLock(folder / "lock", timeout=0))
            return folder
    raise NoSlot(f"{_MOST} collectors run here already: give this one another `home`.")


@contextmanager
def _turn(path: Path) -> Iterator[None]:
    try:
        with FileLock(path, timeout=_PATIENCE_S):
            yield
    except Timeout as error:
        raise NoSlot(f"Another collector is starting and does not get done: end it; it holds {path}.") from error


def _take_in_the_dead(spool: Spool, home: Path, first: int, database: str) -> None:
    """What dead collectors left in the folders from `first` on. The folders before it are held: by living ones."""
    for number in range(first, _MOST + 1):
        folder = home / str(number)
        if not folder.is_dir():
            break
        with suppress(Timeout), FileLock(folder / "lock", timeout=0):
            spool.adopt(folder / "spool" / database)
            (folder / FILE_NAME).unlink(missing_ok=True)


def _collector_id(folder: Path) -> str:
    kept = folder / "collector_id"
    if kept.is_file() and (name := kept.read_text(encoding="utf-8").strip()):
        return name
    name = f"{socket.gethostname()}-{token_hex(3)}"
    beside = kept.with_suffix(".new")
    beside.write_text(name + "\n", encoding="utf-8")
    beside.replace(kept)
    return name
