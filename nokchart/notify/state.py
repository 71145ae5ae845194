"""What `nokchart notify run` remembers between two starts, in a file of the data folder."""

from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog
from filelock import FileLock, Timeout

from analytics.alerts import Lookout
from analytics.folder import OutputError, complete_file
from nokchart.notify.delivery import NotifyError
from nokchart.notify.outbox import Outbox
from store.errors import cause_of

log = structlog.get_logger(__name__)


class Memory(msgspec.Struct):
    """What was told, and what waits to be sent, by the key of a place."""

    lookout: Lookout = msgspec.field(default_factory=Lookout)
    outboxes: dict[str, Outbox] = {}


class StateFile(NamedTuple):
    """Read once, replaced as a whole at every change."""

    path: Path

    def read(self) -> Memory:
        """What the last run left; empty after the first start, and where the file cannot be understood."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Memory)
        except FileNotFoundError:
            return Memory()
        except (msgspec.MsgspecError, UnicodeDecodeError, OSError) as error:
            log.warning("state not readable, begun anew", path=str(self.path), error=type(error).__name__)
            return Memory()

    def write(self, memory: Memory) -> None:
        """Keeps it. A disk that is full is said, and stops nothing."""
        try:
            with complete_file(self.path) as file:
                file.write(msgspec.json.encode(memory))
        except OutputError as error:
            log.error("state not kept", error=cause_of(error))


def claim(folder: Path) -> FileLock:
    """The right to send for this folder, until the lock is released. NotifyError where another process has it."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise NotifyError(
            f"Another `nokchart notify run` uses {folder}: stop it, or give this one another home."
        ) from error
    return lock
