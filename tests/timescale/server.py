"""A TimescaleDB for tests: the one you name, a container, or the WebAssembly build that needs nothing but Node.

`timescale()` picks. `reset()` makes the database of any of them as good as new.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import gc
import hashlib
import os
import select
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

import psycopg
import pytest

if TYPE_CHECKING:
    from testcontainers.postgres import PostgresContainer

IMAGE = "timescale/timescaledb:2.23.1-pg17"
NODE_MAJOR = 20
INSTALL_SECONDS = 300.0  # 11 MB to download
START_SECONDS = 120.0  # 2 to 6 when nothing else runs
STOP_SECONDS = 5.0
DOCKER_SECONDS = 3.0

_HERE = Path(__file__).parent
_RESET = (_HERE / "reset.sql").read_bytes()
_DROP_ROLES = b"""
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT rolname FROM pg_roles WHERE oid >= 16384 LOOP
        EXECUTE format('DROP OWNED BY %I CASCADE; DROP ROLE %I', name, name);
    END LOOP;
END $$
"""


@contextlib.contextmanager
def timescale() -> Iterator[str]:
    """The DSN of a TimescaleDB: NOKCHART_TEST_TIMESCALE_DSN, else a container, else WebAssembly; or else a skip."""
    if dsn := os.environ.get("NOKCHART_TEST_TIMESCALE_DSN"):
        yield dsn
        return
    with contextlib.ExitStack() as stack:
        found = _container(stack)
        if found is None:
            if reason := unavailable_reason():
                pytest.skip(reason)
            found = stack.enter_context(WasmTimescale()).dsn
        yield found


def reset(dsn: str) -> None:
    """Drop everything in a test database, whatever the schema, but for the TimescaleDB extension."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(_RESET)


def unavailable_reason() -> str | None:
    """Why the WebAssembly server cannot run here; None when it can. It is installed on the way.

    Raises:
        RuntimeError: instead of giving a reason in CI, where a skipped test would pass for a good one.
    """
    reason = _installation_problem()
    if reason and os.environ.get("CI") == "true":
        raise RuntimeError(f"The tests on TimescaleDB must not be skipped in CI: {reason}")
    return reason


class WasmTimescale:
    """TimescaleDB in a Node process, behind a port of this machine; it ends when this process does.

    One backend only: an open transaction makes other connections wait, and jobs run only when called. See README.md.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._port = 0

    @property
    def dsn(self) -> str:
        """A libpq URI for psycopg and asyncpg. This build has only the one database."""
        return f"postgresql://postgres@127.0.0.1:{self._port}/template1?sslmode=disable"

    def start(self) -> None:
        """Start the server, on the same port when it ran before.

        Raises:
            RuntimeError: it cannot be installed, or does not come up; with what it printed.
        """
        if problem := _installation_problem():
            raise RuntimeError(problem)
        self.stop()
        installed = _installation()
        receiving, sending = os.pipe()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        command = ["node", str(_HERE / "server.mjs"), "--modules", str(installed), "--port", str(self._port)]
        command += ["--snapshot", str(installed / "snapshot.tar"), "--report-fd", str(sending)]
        with os.fdopen(receiving, "rb") as report:
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,  # the server ends with it
                    stdout=self._log,
                    stderr=self._log,
                    pass_fds=[sending],
                    env={name: value for name, value in os.environ.items() if name != "NODE_OPTIONS"},
                )
            finally:
                os.close(sending)
            ready, _, _ = select.select([report], [], [], START_SECONDS)
            port = report.readline().strip() if ready else b""
        if not port:
            printed = self._printed()
            self.stop()
            raise RuntimeError(f"The WebAssembly TimescaleDB did not start:\n{printed}")
        self._port = int(port)

    def stop(self) -> None:
        """Stop the server; its data are gone."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:  # a statement that runs for ever keeps Node from noticing
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def reset(self) -> None:
        """Make the database as good as new, roles included; start the server again if a test brought it down."""
        if self._process is None or self._process.poll() is not None:
            self.start()
            return
        reset(self.dsn)
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(_DROP_ROLES)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _printed(self) -> str:
        assert self._log is not None
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-2000:]


# -- installation ----------------------------------------------------------------------------------------------------


def _installation() -> Path:
    """The folder with node_modules: outside of the source tree, one for each state of the lock file."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    state = hashlib.sha256((_HERE / "package-lock.json").read_bytes()).hexdigest()[:16]
    return cache / "nokchart-tests" / f"timescale-{state}"


@functools.cache
def _installation_problem() -> str | None:
    """Install what is missing, once for all processes; why that failed, or None."""
    if (node := shutil.which("node")) is None:
        return "Node is not installed, which the WebAssembly TimescaleDB needs"
    version = subprocess.run([node, "--version"], capture_output=True, text=True).stdout.strip()
    if not version[1:].partition(".")[0].isdigit() or int(version[1:].partition(".")[0]) < NODE_MAJOR:
        return f"Node {version} is too old for the WebAssembly TimescaleDB, which needs {NODE_MAJOR}"
    target = _installation()
    if target.exists():
        return None
    if (npm := shutil.which("npm")) is None:
        return "npm is not installed, which fetches the WebAssembly TimescaleDB"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with (target.parent / "install.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # workers of pytest-xdist
            return None if target.exists() else _install(npm, target)
    except OSError as error:
        return f"The WebAssembly TimescaleDB cannot be kept in {target.parent}: {error}"


def _install(npm: str, target: Path) -> str | None:
    with tempfile.TemporaryDirectory(dir=target.parent) as made:
        folder = Path(made) / "folder"
        folder.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(_HERE / name, folder)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS)
        except subprocess.TimeoutExpired:
            return f"npm ci took more than {INSTALL_SECONDS:.0f} s for the WebAssembly TimescaleDB"
        if done.returncode:
            return f"npm ci failed for the WebAssembly TimescaleDB: {done.stderr.strip()[-500:]}"
        folder.rename(target)
    return None


# -- container -------------------------------------------------------------------------------------------------------


def _container(stack: contextlib.ExitStack) -> str | None:
    """The DSN of a container that `stack` will stop; None where there is no Docker, no image or any other trouble."""
    try:
        info = ["docker", "info", "--format", "{{.ServerVersion}}"]
        if subprocess.run(info, capture_output=True, timeout=DOCKER_SECONDS).returncode:
            return None
    except (OSError, subprocess.TimeoutExpired):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs are not ours to fail for
        with contextlib.suppress(Exception):
            return _started(stack)
        gc.collect()  # connections to Docker that were left open: found later, they would fail some test
    return None


def _started(stack: contextlib.ExitStack) -> str:
    from testcontainers.postgres import PostgresContainer

    container = PostgresContainer(IMAGE, driver=None)
    try:
        container.start()
    except BaseException:
        _remove(container)
        raise
    stack.callback(_remove, container)
    return str(container.get_connection_url())


def _remove(container: PostgresContainer) -> None:
    """Stops the container, if it ever ran, and closes the connections to Docker that testcontainers leaves open."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(Exception):
            container.stop()
        with contextlib.suppress(Exception):
            container.get_docker_client().client.close()
        gc.collect()
