"""The documentation says what the code does: links lead somewhere, names are complete, and SQL runs."""

import re
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer.main

import sql
from nokchart.cli import app
from nokchart.config import Config
from simulator.mischief import KINDS

ROOT = Path(__file__).parent.parent
READMES = [ROOT / "README.md", ROOT / "README.ko.md"]
PAGES = [*READMES, *sorted((ROOT / "docs").glob("*.md"))]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
_RELATION = re.compile(r"^CREATE (?:OR REPLACE )?(?:TABLE|(?:MATERIALIZED )?VIEW) (\w+)", re.MULTILINE)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _prose(path: Path) -> str:
    return _FENCE.sub("", _text(path))


def _anchors(path: Path) -> set[str]:
    """What GitHub makes of the headings: lower case, no punctuation, hyphens for spaces."""
    titles = (re.sub(r"[^\w\s-]", "", title.lower()) for _, title in _HEADING.findall(_prose(path)))
    return {title.strip().replace(" ", "-") for title in titles}


def _links() -> list[tuple[Path, str]]:
    return [(page, link) for page in PAGES for link in _LINK.findall(_prose(page)) if "://" not in link]


def _sql_blocks() -> list[str]:
    return [body for language, body in _FENCE.findall(_text(ROOT / "docs/sql.md")) if language == "sql"]


@pytest.mark.parametrize(("page", "link"), _links(), ids=lambda value: value if isinstance(value, str) else value.name)
def test_relative_links_lead_somewhere(page: Path, link: str) -> None:
    place, _, anchor = link.partition("#")
    target = (page.parent / place) if place else page
    assert target.exists()
    if anchor:
        assert anchor in _anchors(target)


@pytest.mark.parametrize("key", Config.model_fields)
def test_every_setting_is_documented(key: str) -> None:
    assert f"`{key}`" in _text(ROOT / "docs/configuration.md")


@pytest.mark.parametrize("key", re.findall(r"^#?(\w+): ", _text(ROOT / "config.example.yaml"), re.MULTILINE))
def test_example_names_settings_only(key: str) -> None:
    assert key in Config.model_fields


def test_every_relation_is_documented() -> None:
    files = [text for kind in ("tables", "plain", "timescale", "views") for _, text in sql.schema_files(kind)]
    relations = {name for text in files for name in _RELATION.findall(text)}
    assert {"event", "chat_1s", "broadcast_overview"} <= relations
    page = _text(ROOT / "docs/sql.md")
    assert sorted(name for name in relations if f"`{name}`" not in page) == []


@pytest.mark.parametrize("statement", _sql_blocks(), ids=lambda statement: " ".join(statement.split())[:50])
def test_ready_made_query_runs(statement: str, plain_connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    plain_connection.execute(statement.encode())


@pytest.mark.parametrize(("kind", "parameters"), KINDS.parameters().items())
def test_every_kind_of_fault_is_documented_with_its_parameters(kind: str, parameters: list[str]) -> None:
    (line,) = re.findall(rf"^\| `{kind}` \| (.*?) \|", _text(ROOT / "docs/development.md"), re.MULTILINE)
    assert re.findall(r"`(\w+)`", line) == parameters


def test_readmes_have_the_same_shape() -> None:
    english, korean = (
        ([level for level, _ in _HEADING.findall(_prose(page))], [name for name, _ in _FENCE.findall(_text(page))])
        for page in READMES
    )
    assert english == korean


def test_every_command_is_in_the_readme() -> None:
    group: Any = typer.main.get_command(app)
    names = {
        f"{name} {inner}" if inner else name
        for name, command in group.commands.items()
        for inner in getattr(command, "commands", {"": None})
    }
    assert {"watch", "db status"} <= names
    page = _text(ROOT / "README.md")
    assert sorted(name for name in names if f"nokchart {name}" not in page) == []
