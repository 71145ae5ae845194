"""The real thing: the image is built and everything comes up. Needs an engine that can pull: `pytest -m docker`.

BASE names another base image (Debian with python3 and venv) where none can be pulled; then only the image is tested.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from testcontainers.compose import DockerCompose

from tests.deploy.compose import ROOT, megabytes, services

pytestmark = pytest.mark.docker

_IMAGE = services()["collector"]["image"]
_CONFINED = ("--init", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges:true")


@pytest.fixture(scope="module")
def image() -> str:
    base = os.environ.get("BASE")
    arguments = [] if base is None else ["--build-arg", f"BASE={base}"]
    subprocess.run(["docker", "build", "--network=host", *arguments, "-t", _IMAGE, str(ROOT)], check=True)
    return _IMAGE


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A clone with settings of its own, that watches a channel which is never on air."""
    if os.environ.get("BASE"):
        pytest.skip("with BASE set nothing is pulled")
    for name in ("Dockerfile", ".dockerignore", "docker-compose.yml", ".env.example", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("deploy", "grafana"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "config.example.yaml", tmp_path / "config.yaml")
    (tmp_path / "channels.yaml").write_text(f'channels:\n  - "{"0" * 32}"\n')
    subprocess.run(["sh", "deploy/new-env.sh"], cwd=tmp_path, check=True)
    return tmp_path


@pytest.fixture
def up(image: str, project: Path) -> Iterator[DockerCompose]:
    compose = DockerCompose(project, wait=False)
    try:
        compose.start()
        yield compose
    finally:
        compose.stop(down=True)


def _run(image: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", "run", "--rm", *_CONFINED, image, *arguments], capture_output=True, text=True)


def test_the_image_runs_confined(image: str) -> None:
    memory = megabytes(services()["collector"]["mem_limit"])
    ran = subprocess.run(
        ["docker", "run", "--rm", *_CONFINED, f"--memory={memory}m", f"--memory-swap={memory}m", image, "--help"],
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert "watch" in ran.stdout


def test_without_channels_it_says_what_to_do(image: str) -> None:
    ran = _run(image)
    assert ran.returncode == 2
    assert ran.stderr == "nokchart: channels.yaml does not exist: copy channels.example.yaml to it, and edit it.\n"


def test_no_secret_and_no_test_is_in_the_image(image: str) -> None:
    command = ["docker", "run", "--rm", "--entrypoint=find", image, "/opt/nokchart", "/etc/nokchart", "/src"]
    listed = subprocess.run(command, capture_output=True, text=True).stdout
    assert "/nokchart/cli.py" in listed
    assert re.findall(r".*(?:/\.env|/\.git/|/site-packages/tests/).*|^/src.*", listed, re.MULTILINE) == []


def test_everything_comes_up_and_stops(up: DockerCompose) -> None:
    deadline = time.monotonic() + 600
    wanted = {"db": "healthy", "collector": "healthy", "grafana": "healthy", "nightly": ""}
    while True:
        states = {one.Service: one.Health for one in up.get_containers(include_all=True)}
        if all(states.get(name) == health for name, health in wanted.items()):
            break
        assert time.monotonic() < deadline, states
        time.sleep(3)
    ended = {one.Service: one.ExitCode for one in up.get_containers(include_all=True) if one.State == "exited"}
    assert ended == {"preflight": 0, "folders": 0, "migrate": 0}
    answer, _, code = up.exec_in_container(["nokchart", "db", "status"], "collector")
    assert code == 0
    assert "timescaledb" in answer
    _, complaint, code = up.exec_in_container(["sh", "-c", "touch /opt/nokchart/x"], "nightly")
    assert code != 0
    assert "Read-only file system" in complaint
    _, _, code = up.exec_in_container(["touch", "/output/x"], "nightly")
    assert code == 0
