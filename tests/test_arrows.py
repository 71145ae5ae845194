"""The arrows between the rooms: who may import whom, and nothing else."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

ARROWS: dict[str, set[str]] = {
    "nokchart": {"collector", "analytics", "simulator", "grafana", "store"},
    "collector": {"store"},
    "analytics": {"store"},
    "grafana": {"sql"},  # dashboards carry statements as text, and no database is asked
    "store": {"sql"},
    "sql": set(),
    "simulator": set(),
}


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide arrows"
            found.add(node.module or "")
    return found


def _modules() -> list[Path]:
    return [path for room in ARROWS for path in sorted((ROOT / room).rglob("*.py"))]


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_room_imports_only_along_its_arrows(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    rooms = {name.split(".")[0] for name in _imports(path)} & set(ARROWS)
    assert rooms <= ARROWS[room] | {room}


def test_only_chzzk_knows_chzzkpy() -> None:
    users = {
        path.relative_to(ROOT).parent
        for path in _modules()
        if any(name.split(".")[0] == "chzzkpy" for name in _imports(path))
    }
    assert users == {Path("collector/chzzk")}


def test_statements_longer_than_a_line_are_in_sql() -> None:
    statement = ("SELECT ", "INSERT ", "UPDATE ", "DELETE ", "CREATE ", "WITH ", "ALTER ", "DROP ")
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in _modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.lstrip().startswith(statement)
        and (len(node.value) > 120 or "\n" in node.value.strip())
    ]
    assert long == []
