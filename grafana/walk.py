"""Finds every statement in a dashboard's JSON, or in any other JSON of Grafana's, wherever it hides; and constants."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Found:
    """A statement, and the panel, variable, annotation or rule that asks it."""

    where: str
    """As a path: `panels[3] Chat rate`."""
    statement: str
    owner: dict[str, Any]
    """The panel, variable, annotation or rule."""
    kind: str
    """panels, list (of variables or annotations) or rules: the key that the owner stands under."""
    time_series: bool


def statements(model: Any) -> list[Found]:
    """All of them, in the order of the JSON."""
    return list(_walk(model, "", {}, ""))


def constants(dashboard: Any) -> dict[str, str]:
    """The values of the variables that a dashboard sets by itself, by their names."""
    return {one["name"]: one["query"] for one in dashboard["templating"]["list"] if one["type"] == "constant"}


def _walk(node: Any, where: str, owner: dict[str, Any], kind: str) -> Iterator[Found]:
    if isinstance(node, list):
        for child in node:
            yield from _walk(child, where, owner, kind)
        return
    if not isinstance(node, dict):
        return
    if isinstance(node.get("rawSql"), str):
        yield Found(where, node["rawSql"], owner, kind, node.get("format") == "time_series")
    elif node.get("type") == "query" and isinstance(node.get("query"), str):
        yield Found(where, node["query"], owner, kind, False)
    for key, child in node.items():
        if isinstance(child, list) and key in ("panels", "list", "rules"):
            for index, one in enumerate(child):
                name = one.get("title") or one.get("name", "") if isinstance(one, dict) else ""
                inner = one if isinstance(one, dict) else {}
                yield from _walk(one, f"{where}/{key}[{index}] {name}".strip("/"), inner, key)
        else:
            yield from _walk(child, where, owner, kind)
