"""deploy/*.sh: with fakes of docker, gcloud and the system's tools in PATH, which write down how they were called."""

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from tests.deploy.compose import PASSWORDS, ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A clone with the files that the scripts touch."""
    folder = tmp_path / "a clone"
    (folder / "deploy").mkdir(parents=True)
    for name in ("deploy/new-env.sh", "deploy/backup.sh", ".env.example"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


@pytest.fixture
def fakes(tmp_path: Path) -> Path:
    """An empty folder for commands that stand before the real ones."""
    folder = tmp_path / "fakes"
    folder.mkdir()
    return folder


def fake(folder: Path, name: str, script: str = "") -> None:
    path = folder / name
    path.write_text(f'#!/bin/sh\necho "{name} $*" >>"{folder}/calls"\n{script}\n')
    path.chmod(0o755)


def calls(folder: Path) -> list[str]:
    path = folder / "calls"
    return path.read_text().splitlines() if path.exists() else []


def run(script: Path, fakes: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(script)],
        env={"PATH": f"{fakes}:{os.environ['PATH']}", "HOME": str(fakes), **environment},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def test_new_env_has_random_passwords_for_its_owner_only(project: Path, fakes: Path) -> None:
    done = run(project / "deploy/new-env.sh", fakes)
    assert done.returncode == 0, done.stderr
    settings = project / ".env"
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    written = dict(re.findall(r"^(\w+)=(.*)$", settings.read_text(), re.MULTILINE))
    assert set(written) == set(PASSWORDS)
    assert all(re.fullmatch(r"[0-9a-f]{48}", password) for password in written.values())
    assert len(set(written.values())) == len(PASSWORDS)
    assert re.sub(r"(?<=PASSWORD=).+", "", settings.read_text()) == (ROOT / ".env.example").read_text()
    assert not any(password in done.stdout for password in written.values())


def test_new_env_never_replaces_one(project: Path, fakes: Path) -> None:
    (project / ".env").write_text("POSTGRES_PASSWORD=kept\n")
    done = run(project / "deploy/new-env.sh", fakes)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert (project / ".env").read_text() == "POSTGRES_PASSWORD=kept\n"


# The path in the container is /backup; the last argument is the file.
_DOCKER = 'for last; do :; done; echo rows >"backup/${last##*/}"'


def test_a_backup_is_made_uploaded_and_old_ones_go(project: Path, fakes: Path) -> None:
    (project / ".env").write_text("BACKUP_BUCKET=gs://mine/nokchart/\nBACKUP_KEEP=2\n")
    (project / "backup").mkdir()
    for day in (1, 2, 3):
        (project / f"backup/nokchart-2026010{day}T000000Z.backup").write_text("old")
    (project / "backup/mine.txt").write_text("not ours")
    fake(fakes, "docker", _DOCKER)
    listed = "\n".join(f"gs://mine/nokchart/nokchart-2026010{day}T000000Z.backup" for day in (2, 1, 3))
    fake(fakes, "gcloud", f'[ "$2" = ls ] && echo "{listed}"; true')
    done = run(project / "deploy/backup.sh", fakes)
    assert done.returncode == 0, done.stderr
    left = sorted(path.name for path in (project / "backup").iterdir())
    assert left[0] == "mine.txt"
    assert left[1] == "nokchart-20260103T000000Z.backup"
    assert (project / "backup" / left[2]).read_text() == "rows\n"
    assert len(left) == 3
    assert calls(fakes) == [
        f"docker compose --profile backup run --rm -T backup db backup /backup/{left[2]}.part",
        f"gcloud storage cp backup/{left[2]} gs://mine/nokchart/{left[2]}",
        "gcloud storage ls gs://mine/nokchart/nokchart-*.backup",
        "gcloud storage rm gs://mine/nokchart/nokchart-20260101T000000Z.backup",
    ]


@pytest.mark.parametrize("docker", ["exit 1", 'for last; do :; done; : >"backup/${last##*/}"'])
def test_a_backup_that_failed_replaces_nothing(docker: str, project: Path, fakes: Path) -> None:
    (project / ".env").write_text("BACKUP_BUCKET=gs://mine\nBACKUP_KEEP=1\n")
    (project / "backup").mkdir()
    old = project / "backup/nokchart-20260101T000000Z.backup"
    old.write_text("old")
    fake(fakes, "docker", docker)
    fake(fakes, "gcloud")
    done = run(project / "deploy/backup.sh", fakes)
    assert done.returncode != 0
    assert [path.name for path in (project / "backup").iterdir()] == [old.name]
    assert [call for call in calls(fakes) if call.startswith("gcloud")] == []


def test_a_failed_upload_is_an_error_and_keeps_what_is_there(project: Path, fakes: Path) -> None:
    (project / ".env").write_text("BACKUP_BUCKET=gs://mine\nBACKUP_KEEP=1\n")
    (project / "backup").mkdir()
    (project / "backup/nokchart-20260101T000000Z.backup").write_text("old")
    fake(fakes, "docker", _DOCKER)
    fake(fakes, "gcloud", "exit 1")
    assert run(project / "deploy/backup.sh", fakes).returncode != 0
    assert len(list((project / "backup").iterdir())) == 2


def test_a_number_of_backups_that_is_none_is_refused(project: Path, fakes: Path) -> None:
    (project / ".env").write_text("BACKUP_KEEP=0\n")
    fake(fakes, "docker")
    done = run(project / "deploy/backup.sh", fakes)
    assert done.returncode == 1
    assert 'BACKUP_KEEP is "0"' in done.stderr
    assert calls(fakes) == []


def test_a_machine_is_set_up_once_however_often_it_is_done(fakes: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        fake(fakes, "id", "echo 0")
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/os-release").write_text("ID=debian\nVERSION_CODENAME=bookworm\n")
    fake(fakes, "docker", f'[ -e "{tmp_path}/installed" ]')
    fake(fakes, "apt-get", f'case "$*" in *docker-ce*) : >"{tmp_path}/installed" ;; esac')
    fake(fakes, "dd", 'for word; do case $word in of=*) : >"${word#of=}" ;; esac; done')
    fake(fakes, "curl", 'for last; do :; done; : >"$last"')
    fake(fakes, "dpkg", "echo arm64")
    for name in ("mkswap", "swapon", "sysctl", "systemctl", "usermod"):
        fake(fakes, name)
    script = ROOT / "deploy/setup-vm.sh"
    first = run(script, fakes, ROOT=str(root), SUDO_USER="me")
    assert first.returncode == 0, first.stderr
    again = run(script, fakes, ROOT=str(root), SUDO_USER="me")
    assert again.returncode == 0, again.stderr
    assert (root / "etc/fstab").read_text() == f"{root}/swapfile none swap sw 0 0\n"
    assert (root / "etc/apt/sources.list.d/docker.list").read_text() == (
        "deb [arch=arm64 signed-by=/etc/apt/keyrings/docker.asc] "
        "https://download.docker.com/linux/debian bookworm stable\n"
    )
    made = calls(fakes)
    assert len([call for call in made if call.startswith("mkswap")]) == 1
    assert len([call for call in made if "docker-ce" in call]) == 1
    assert "usermod -aG docker me" in made


def test_another_system_is_left_alone(fakes: Path, tmp_path: Path) -> None:
    fake(fakes, "id", "echo 0")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text("ID=ubuntu\n")
    done = run(ROOT / "deploy/setup-vm.sh", fakes, ROOT=str(tmp_path))
    assert done.returncode == 2
    assert calls(fakes) == ["id -u"]
