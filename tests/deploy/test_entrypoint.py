"""The containers' commands without containers: as another user, from a read-only copy of what the image has.

What an engine would do besides (a read-only root, capabilities, the limit of memory as a wall) is tested with
`pytest -m docker`. Here the limit of each service is compared with the most that its process took.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.children import simulated
from simulator import Broadcast, Channel
from store.database import Database
from tests.deploy.compose import ROOT, megabytes, ours, services

_UID = 10001
_IMAGE = dict(re.findall(r"(\w+)=(\S+)", (ROOT / "Dockerfile").read_text(encoding="utf-8").partition("\nENV ")[2]))
_ROOMS = ("analytics", "collector", "nokchart", "simulator", "sql", "store")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The wheel's folders, which nobody may write; readable for everybody."""
    folder = tmp_path_factory.mktemp("source")
    for room in _ROOMS:
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    _open_up(folder)
    for path in folder.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield folder
    for path in folder.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)  # or it cannot be deleted


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """What the containers may write: home, output and /tmp, and the folder with their settings."""
    for name in ("home", "output", "tmp", "settings"):
        (tmp_path / name).mkdir()
    _open_up(tmp_path)
    if _other_user():
        for name in ("home", "output", "tmp"):
            os.chown(tmp_path / name, _UID, _UID)
    return tmp_path


@contextmanager
def _started(
    service: str, source: Path, box: Path, database: Database, extra: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """The service's command, with the image's environment and nothing of ours."""
    environment = {
        **{key: value for key, value in _IMAGE.items() if key not in ("PATH",)},
        "PATH": os.environ["PATH"],
        "HOME": str(box / "home"),
        "NOKCHART_HOME": str(box / "home"),
        "NOKCHART_OUTDIR": str(box / "output"),
        "MPLCONFIGDIR": str(box / "tmp" / "matplotlib"),
        "TMPDIR": str(box / "tmp"),
        "PYTHONPATH": str(source),
        "NOKCHART_DATABASE_URL": database.url,
        **extra,
    }
    command = [*_other_user(), sys.executable, "-m", "nokchart", *services()[service]["command"]]
    process = subprocess.Popen(
        command,
        env=environment,
        cwd=box / "settings",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_the_collector_collects_becomes_healthy_and_stops(
    source: Path, box: Path, plain_database: Database, tmp_path: Path
) -> None:
    channel = Channel("달빛너굴", [Broadcast(600, 20.0)])
    (box / "settings" / "channels.yaml").write_text(f'channels:\n  - "{channel.channel_id}"\n')
    with simulated(tmp_path, [channel]) as chzzk:
        urls = {key: value for key, value in chzzk.environment.items() if key.startswith("NOKCHART_")}
        _let_in(plain_database)
        with _started("collector", source, box, plain_database, urls) as process:
            _wait(lambda: _health(source, box) == 0, 60)
            _wait(lambda: _events(plain_database) > 100, 60)
            peak = _peak_mb(process.pid)
            begun = time.monotonic()
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=30)
            took = time.monotonic() - begun
    assert process.returncode == 0, output
    assert took < 10
    assert '"event": "stopped"' in output
    assert _health(source, box) == 1
    assert peak < megabytes(services()["collector"]["mem_limit"])
    assert [path for path in source.rglob("*") if path.name == "__pycache__"] == []


def test_the_nightly_job_waits_and_stops(source: Path, box: Path, plain_database: Database) -> None:
    _let_in(plain_database)
    with _started("nightly", source, box, plain_database, {}) as process:
        time.sleep(5)
        assert process.poll() is None, process.communicate()[0]
        assert _peak_mb(process.pid) < megabytes(services()["nightly"]["mem_limit"]) / 2
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)  # with whatever code: nothing of it was under way


def test_the_migration_ends_well(source: Path, box: Path, plain_database: Database) -> None:
    _let_in(plain_database)
    with _started("migrate", source, box, plain_database, {}) as process:
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert output.startswith("ready: ")


@pytest.mark.parametrize("name", ["POSTGRES_PASSWORD", "GRAFANA_ADMIN_PASSWORD"])
def test_a_default_password_is_refused_in_one_sentence(
    name: str, source: Path, box: Path, plain_database: Database
) -> None:
    passwords = {key: f"{number}c0ffee{number}{key[:3].lower()}f00d" for number, key in enumerate(_passwords())}
    with _started("preflight", source, box, plain_database, passwords) as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    with _started("preflight", source, box, plain_database, {**passwords, name: "changeme"}) as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    (sentence,) = output.splitlines()
    assert name in sentence
    assert "changeme" not in sentence


def test_the_image_and_the_compose_file_agree() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert f"USER {_UID}:{_UID}" in dockerfile
    assert {service["user"] for service in ours().values()} == {f"{_UID}:{_UID}"}
    assert services()["folders"]["command"][0] == f"{_UID}:{_UID}"
    assert 'ENTRYPOINT ["nokchart"]' in dockerfile  # no shell, which would keep the signal for itself
    targets = {
        volume.split(":")[1]
        for service in ours().values()
        for volume in service.get("volumes", [])
        if isinstance(volume, str)
    }
    assert {_IMAGE["NOKCHART_HOME"], _IMAGE["NOKCHART_OUTDIR"]} <= targets


def _other_user() -> list[str]:
    """What runs a command as the image's user: possible for root, where that user can reach this Python."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return []
    command = ["setpriv", f"--reuid={_UID}", f"--regid={_UID}", "--clear-groups", "--no-new-privs"]
    # By a child of its own, as the nightly job has one: the first step still has root's powers.
    again = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import psycopg'], check=True)"
    tried = subprocess.run([*command, sys.executable, "-c", again], capture_output=True)
    return command if tried.returncode == 0 else []


def _open_up(folder: Path) -> None:
    """Lets other users into `folder`: pytest makes its own for one user only."""
    for parent in (folder, *folder.parents):
        if "pytest" in parent.name and parent.stat().st_uid == os.geteuid():
            parent.chmod(parent.stat().st_mode | 0o055)
    folder.chmod(0o755)


def _let_in(database: Database) -> None:
    """The embedded server's socket is for its owner; for the other user its folder is opened, as TCP is in compose."""
    if not _other_user():
        return
    socket = Path(database.parameters["host"])
    for parent in (socket, *socket.parents):
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    for file in socket.glob(".s.PGSQL.*"):
        file.chmod(0o777)


def _health(source: Path, box: Path) -> int:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(source), "NOKCHART_HOME": str(box / "home")}
    command = [*_other_user(), sys.executable, "-m", "nokchart", "health"]
    return subprocess.run(command, env=environment, cwd=box / "settings", capture_output=True).returncode


def _events(database: Database) -> int:
    with database.connect() as connection:
        (count,) = connection.execute("SELECT count(*) FROM event").fetchone() or (0,)
    return int(count)


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def _wait(met: object, seconds: float) -> None:
    assert callable(met)
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.3)


def _passwords() -> list[str]:
    return list(services()["preflight"]["environment"])
