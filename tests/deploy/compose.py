"""docker-compose.yml as the tests read it: merged, and with its variables filled in."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
PASSWORDS = ("POSTGRES_PASSWORD", "NOKCHART_WRITER_PASSWORD", "NOKCHART_READER_PASSWORD", "GRAFANA_ADMIN_PASSWORD")

VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")


def services(**environment: str) -> dict[str, dict[str, Any]]:
    """Every service, with `environment` in the place of .env; a required variable that is missing is its own name."""

    def fill(match: re.Match[str]) -> str:
        default = match["rest"] if match["kind"] == "-" else match["name"]
        return environment.get(match["name"]) or default

    def filled(value: Any) -> Any:
        match value:
            case str():
                return VARIABLE.sub(fill, value)
            case list():
                return [filled(one) for one in value]
            case dict():
                return {key: filled(one) for key, one in value.items()}
        return value

    found: dict[str, dict[str, Any]] = filled(yaml.safe_load(FILE.read_text(encoding="utf-8")))["services"]
    return found


def ours() -> dict[str, dict[str, Any]]:
    """The services that run a `nokchart` command, of our image."""
    return {
        name: service
        for name, service in services().items()
        if service["image"].startswith("nokchart:") and "entrypoint" not in service
    }


def megabytes(value: str) -> int:
    """A limit such as 128m."""
    assert value.endswith("m")
    return int(value[:-1])


def official_parser() -> list[str] | None:
    """The command of Compose itself: Docker's plugin, or the one that is installed for development; None without."""
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "compose", "version"], capture_output=True).returncode == 0:
        return [docker, "compose"]
    beside = Path(sys.executable).with_name("docker-compose")
    return [str(beside)] if beside.exists() else None
