"""cause_text: each cause that the collector gives has a Korean wording, and nothing else is changed."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import psycopg
import pytest

import sql
from collector import broadcast, losses

Connection = psycopg.Connection[Any]

ROOT = Path(broadcast.__file__).parent

# Where a cause has a value in it, the code has a {}.
_VALUES = {"close": "1006", "silent for": "55", "refused with code": "-1", "handshake": "403"}


def said(connection: Connection, cause: str | None, language: str | None) -> str | None:
    row = connection.execute("SELECT cause_text(%s, %s)", (cause, language)).fetchone()
    assert row is not None
    text: str | None = row[0]
    return text


def _template(node: ast.expr) -> str:
    """A literal, or an f-string with an example of each value."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    assert isinstance(node, ast.JoinedStr)
    before = str(node.values[0].value) if isinstance(node.values[0], ast.Constant) else ""
    value = _VALUES.get(before.strip(), "ClientError")
    return "".join(str(part.value) if isinstance(part, ast.Constant) else value for part in node.values)


def causes() -> set[str]:
    """Every cause in the collector's code and statements: who adds one finds it here."""
    found = {broadcast._MOVED, broadcast._STOPPED, broadcast._ENDED, losses.CAUSE}
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id in ("ChatClosed", "ChatUnreachable") and node.args:
                    found.add(_template(node.args[0]))
                if node.func.id == "GapOpened" and isinstance(node.args[1], ast.Constant):
                    found.add(str(node.args[1].value))
    for statement in ("open_gap", "close_abandoned", "close_broadcast", "end_connection", "insert_gap"):
        found |= {text for text in re.findall(r"'([a-z]+ [a-z]+)'", sql.query(statement)) if text != "1 hour"}
    return found


def test_these_are_the_causes() -> None:
    known = {"late start", "collector away", "collector killed", "stopped", "no room", "close 1006", "silent for 55 s"}
    assert known <= causes()
    assert len(causes()) >= 18


def test_every_cause_has_a_korean_wording(plain_connection: Connection) -> None:
    for cause in (*causes(), "unknown"):
        korean = said(plain_connection, cause, "ko")
        assert korean is not None
        assert re.search("[가-힣]", korean), cause
        assert not re.search("[A-Za-z]", korean.replace("ClientError", "").replace("HTTP", "")), cause
        assert re.findall(r"-?[0-9.]+", korean) == re.findall(r"-?[0-9.]+", cause)
        assert said(plain_connection, cause, "en") == cause


@pytest.mark.parametrize("cause", ["close 1006?", "late  start", "", "\\1", "close 1006\nstopped", None])
def test_what_is_not_known_passes_unchanged(plain_connection: Connection, cause: str | None) -> None:
    for language in ("ko", "en", "", None):
        assert said(plain_connection, cause, language) == cause
