"""The SQL files: every query has a name, a word on what it is for, and somebody who runs it."""

import re
from pathlib import Path

import pytest

import sql

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "sql" / "queries").rglob("*.sql"))
ROOMS = ("analytics", "bench", "collector", "grafana", "nokchart", "store")
HEADER = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_query_says_what_it_is_for(path: Path) -> None:
    before, *parts = HEADER.split(path.read_text())
    assert before.strip() == ""
    assert parts
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        first, *rest = body.strip().splitlines()
        assert re.match(r"-- [A-Z].*\w", first), f"{name} has no description"
        assert any(not one.startswith("--") for one in rest), f"{name} has no statement"
        assert sql.query(name) == body.strip()


def test_names_are_unique_and_every_query_is_used() -> None:
    names = [name for path in FILES for name in HEADER.findall(path.read_text())]
    assert sorted(names) == sql.query_names()
    code = "\n".join(path.read_text() for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    assert [name for name in names if f'"{name}"' not in code] == []


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(KeyError):
        sql.query("no_such_query")
