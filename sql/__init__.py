"""All SQL of NokChart, in files: `schema/` defines the relations, `queries/` holds every statement the code runs.

A query file holds one or more statements, each under a header that names and describes it::

    -- name: open_broadcast
    -- Creates the broadcast's row, or finds it: the same (channel, open date) is the same broadcast.
    INSERT INTO ...

Values are never formatted into a statement: the files carry the placeholders of the driver that runs them,
`%(name)s` for psycopg (queries/analytics, queries/store) and `$1` for asyncpg (queries/collector).
"""

import re
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

_HEADER = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


@cache
def _queries() -> dict[str, str]:
    found: dict[str, str] = {}
    for room in sorted((files("sql") / "queries").iterdir(), key=lambda entry: entry.name):
        if not room.is_dir():
            continue
        for file in sorted(room.iterdir(), key=lambda entry: entry.name):
            if file.name.endswith(".sql"):
                _, *parts = _HEADER.split(file.read_text(encoding="utf-8"))
                for name, statement in zip(parts[::2], parts[1::2], strict=True):
                    if name in found:
                        raise ValueError(f"two queries are named {name}")
                    found[name] = statement.strip()
    return found


def query(name: str) -> str:
    """The statement called `name` in one of the files under queries/. KeyError where there is none."""
    return _queries()[name]


def query_names() -> list[str]:
    """The names of all queries, in alphabetical order."""
    return sorted(_queries())


def schema_files(kind: str) -> list[tuple[str, str]]:
    """(file name, text) of the files under schema/<kind>, in order of their names."""
    folder: Traversable = files("sql") / "schema" / kind
    return sorted((file.name, file.read_text(encoding="utf-8")) for file in folder.iterdir() if file.is_file())
