"""A private PostgreSQL for machines without a database server: `EmbeddedServer`.

Each user of the server, one per process as a rule, holds a shared flock on `users.lock`. Who can make it exclusive on
the way out was the last one and stops the server. The kernel drops the lock of a killed process, so nothing can go
stale. `gate.lock` lets one process at a time start or stop. Clients come in through a Unix socket in a folder that only
its owner may enter: no port is open and no password is needed.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import quote

from store.cluster import PORT, Cluster, EmbeddedServerError

if sys.platform != "win32":  # there, start() says so in a sentence
    import fcntl

__all__ = ["EmbeddedServer", "EmbeddedServerError"]

GATE_SECONDS = 120.0  # another process may be making the cluster, or recovering a large one
RECOVERY_SECONDS = 600.0  # replaying or flushing max_wal_size of log on a slow disk
UNREACHABLE_SECONDS = 10.0  # a live server whose socket stays away for so long has lost it
ORPHAN_SECONDS = 15.0  # backends of a killed server need a moment to notice

# A process id above every kernel's pid_max: PostgreSQL finds it dead, whoever has the old number now.
_NOBODY_PID = 2**31 - 1

_CREATE_DATABASE = (
    "SELECT 'CREATE DATABASE nokchart' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'nokchart') \\gexec\n"
)


class _PidFile(NamedTuple):
    pid: int
    sockets: Path | None  # None while the server has not got that far


class EmbeddedServer:
    """The PostgreSQL in `folder`, shared by all processes that name the same folder.

    Args:
        folder: holds the cluster (`data`), the log, the locks and, where its path allows, the socket.
        durable: False gives up crash safety for speed; for tests. The process that starts the server decides.

    Raises:
        EmbeddedServerError: from `start`, `stop` and `dsn`, with one sentence that says what to do.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self._cluster = Cluster(Path(folder).expanduser().absolute(), durable=durable)
        self._users: int | None = None  # descriptor of our shared lock, while we are a user
        self._sockets: Path | None = None

    def start(self) -> None:
        """Become a user of the server; make, start or recover it where needed. Calling it again revives a dead one."""
        with self._cluster.explaining_os_errors():
            self._cluster.prepare()
            with self._gate():
                try:
                    if self._users is None:
                        # Before the server runs, or a kill in between would leave one that its next user finds unused.
                        self._users = self._open_lock("users.lock")
                        fcntl.flock(self._users, fcntl.LOCK_SH)
                    if not self._serving():
                        self._launch()
                    self._create_database()
                except BaseException:  # Ctrl-C as well
                    self._leave()
                    raise

    def stop(self) -> bool:
        """Stop being a user. True when nobody else was one and the server is down; False also when not started."""
        if self._users is None:
            return False
        try:
            with self._cluster.explaining_os_errors(), self._gate():
                return self._leave()
        finally:
            if self._users is not None:  # the gate did not open; that must not count as use for ever
                os.close(self._users)
                self._users = self._sockets = None

    def dsn(self, database: str = "nokchart") -> str:
        """The address of a database as a libpq URI that psycopg, asyncpg and (with its driver named) SQLAlchemy accept.

        `nokchart` exists after `start`; any other is the caller's to create.
        """
        if self._sockets is None:
            raise EmbeddedServerError("The embedded PostgreSQL has no address before start().")
        # The port is named because a PGPORT in the environment would count otherwise.
        host = quote(str(self._sockets), safe="")
        return f"postgresql://postgres@/{quote(database, safe='')}?host={host}&port={PORT}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- sharing -------------------------------------------------------------------------------------------------

    def _open_lock(self, name: str) -> int:
        path = self._cluster.folder / name
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.fchmod(descriptor, 0o600)  # whatever the umask is
        return descriptor

    @contextlib.contextmanager
    def _gate(self) -> Iterator[None]:
        descriptor = self._open_lock("gate.lock")
        deadline = time.monotonic() + GATE_SECONDS
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise EmbeddedServerError(
                            f"Another process has been starting or stopping the embedded PostgreSQL in "
                            f"{self._cluster.folder} for {GATE_SECONDS:.0f} s: end it and try again."
                        ) from None
                    time.sleep(0.02)
            yield
        finally:
            os.close(descriptor)

    def _leave(self) -> bool:
        """Give the shared lock back, inside the gate; stop the server when we were the last."""
        if self._users is None:
            return False
        try:
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            self._shut_down()
            if self._sockets is not None:
                with contextlib.suppress(OSError):  # files of a server that was killed stay in it
                    self._sockets.rmdir()
            return True
        finally:
            os.close(self._users)
            self._users = self._sockets = None

    # -- the running server --------------------------------------------------------------------------------------

    def _pid_file(self) -> _PidFile | None:
        try:
            lines = os.fsdecode((self._cluster.data / "postmaster.pid").read_bytes()).splitlines()
            return _PidFile(int(lines[0]), Path(lines[4]) if len(lines) > 4 and lines[4] else None)
        except (FileNotFoundError, ValueError, IndexError):
            return None

    def _alive(self, pid: int) -> bool:
        """Whether `pid` is our server: the number in a left-over file may be anybody's by now."""
        try:
            if sys.platform == "linux":
                process = Path(f"/proc/{pid}")
                named = (process / "comm").read_text().strip() == "postgres"
                return named and (process / "cwd").samefile(self._cluster.data)
            command = ["ps", "-o", "comm=", "-p", str(pid)]
            return Path(subprocess.run(command, capture_output=True, text=True).stdout.strip()).name == "postgres"
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return False  # gone, or another user's

    def _serving(self) -> bool:
        """Whether the server takes connections, waiting for one that is just coming up, recovering or going down."""
        began = time.monotonic()
        while (found := self._pid_file()) is not None:
            answer = 2
            if found.sockets is not None:
                # Not our own choice of a folder: who started the server may have had another TMPDIR.
                answer = self._cluster.run("pg_isready", "-q", "-h", str(found.sockets), "-p", PORT).returncode
                if answer == 0:
                    self._sockets = found.sockets
                    return True
            if not self._alive(found.pid):
                return False
            waited = time.monotonic() - began
            if answer != 1 and waited > UNREACHABLE_SECONDS:
                self._shut_down()  # its socket was deleted: no command can ever reach it again
                return False
            if waited > RECOVERY_SECONDS:
                raise self._cluster.failed("has been starting or stopping for too long")
            time.sleep(0.03)
        return False

    def _launch(self) -> None:
        self._cluster.require_data()
        self._sockets = self._cluster.make_socket_folder()
        self._cluster.write_settings(self._sockets)
        self._disown_locks(self._sockets)
        deadline = time.monotonic() + ORPHAN_SECONDS
        while not self._cluster.pg_ctl("start", "-l", self._cluster.new_log(), seconds=RECOVERY_SECONDS):
            why = self._cluster.log_tail()
            if self._serving():  # its starter was killed, and it was faster than ours
                return
            if ("still in use" not in why and "already exists" not in why) or time.monotonic() > deadline:
                raise self._cluster.failed("did not start")
            time.sleep(0.1)

    def _shut_down(self) -> None:
        found = self._pid_file()
        # pg_ctl would signal whatever process has the number in the file.
        if found is None or not self._alive(found.pid):
            return
        stopped = self._cluster.pg_ctl("stop", "-m", "fast", seconds=RECOVERY_SECONDS)
        if not stopped and self._alive(found.pid):  # it may have died under pg_ctl's hands
            raise self._cluster.failed("did not stop")

    def _disown_locks(self, sockets: Path) -> None:
        """Make PostgreSQL see that the owner of left-over lock files is dead, where its process id was given away.

        The pid file is kept but for its number: by the rest of it PostgreSQL finds out whether a backend of the dead
        server still writes to the data. A file that it understands itself is left alone, as a server may be starting
        this very moment: the tools of a process that was killed run on.
        """
        left = self._cluster.data / "postmaster.pid"
        for path in (left, sockets / f".s.PGSQL.{PORT}.lock"):
            try:
                first, _, rest = path.read_bytes().partition(b"\n")
            except FileNotFoundError:
                continue
            if first.isdigit() and (not _exists(int(first)) or self._alive(int(first))):
                continue
            if path == left and rest:
                path.write_bytes(b"%d\n" % _NOBODY_PID + rest)
            else:
                path.unlink()

    def _create_database(self) -> None:
        # At every start, not only after initdb: the process that made the cluster may have been killed before this.
        target = ("-h", str(self._sockets), "-p", PORT, "-U", "postgres", "-d", "postgres")
        done = self._cluster.run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *target, text=_CREATE_DATABASE)
        if done.returncode and "already exists" not in done.stdout:  # or the psql of a killed process has just made it
            raise EmbeddedServerError(f"The database nokchart could not be created: {done.stdout.strip()}")


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
