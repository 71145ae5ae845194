"""A panel as the dashboard's file has it: what its statement answered, how its fields look, and the room it has."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg
from matplotlib.axes import Axes

from grafana.macros import View, expand

_MIN_INTERVAL_MS = {"1s": 1_000, "$bucket": 1_000, "1m": 60_000, "5m": 300_000, "1d": 86_400_000}


class Series(NamedTuple):
    """A line or a row of bars."""

    name: str
    x: list[Any]
    y: list[Any]


@dataclass
class Answer:
    """What a statement returned."""

    columns: list[Any]
    rows: list[tuple[Any, ...]]

    def column(self, name: Any) -> list[Any]:
        return [row[self.columns.index(name)] for row in self.rows]

    def series(self) -> list[Series]:
        """Over time, by their label, or by their column where there is no label."""
        label = next((name for name in ("channel", "cause") if name in self.columns), None)
        times = self.column("time")
        if label is None:
            return [Series(name, times, self.column(name)) for name in self.columns if name != "time"]
        found: dict[str, Series] = {}
        for moment, name, value in zip(times, self.column(label), self.column("value"), strict=True):
            one = found.setdefault(name, Series(name, [], []))
            one.x.append(moment)
            one.y.append(value)
        return sorted(found.values(), key=lambda one: one.name)

    def matrix(self) -> "Answer":
        """What Grafana's transformation groupingToMatrix makes: weekdays down, hours across."""
        hours = sorted(set(self.column("hour")))
        known = {(day, hour): value for day, hour, value in self.rows}
        days = sorted({row[0] for row in self.rows})
        return Answer(["weekday\\hour", *hours], [(day, *(known.get((day, hour)) for hour in hours)) for day in days])


def ask(connection: psycopg.Connection[Any], target: dict[str, Any], view: View) -> Answer:
    cursor = connection.execute(expand(target["rawSql"], view).encode())
    return Answer([column.name for column in cursor.description or []], cursor.fetchall())


def view_of(model: dict[str, Any], view: View) -> View:
    """The dashboard's view, as many points wide as the panel."""
    least = _MIN_INTERVAL_MS[model.get("interval", "1s")]
    return View(view.since, view.until, int(model.get("maxDataPoints", 1000)), least, view.variables)


@dataclass
class Annotation:
    """Marks of one kind, and their colour."""

    color: str
    answer: Answer


@dataclass
class Panel:
    model: dict[str, Any]
    view: View
    answer: Answer
    annotations: list[Annotation]
    axes: Axes
    width: float  # of the axes, in pixels
    height: float

    @property
    def defaults(self) -> dict[str, Any]:
        """The options of any field; those of its kind of panel are named `custom.…`, as in overrides."""
        options = dict(self.model["fieldConfig"]["defaults"])
        return options | {f"custom.{name}": value for name, value in options.pop("custom", {}).items()}

    @property
    def overridden(self) -> set[str]:
        """The fields with options of their own."""
        return {one["matcher"]["options"] for one in self.model["fieldConfig"]["overrides"]}

    def look(self, field: Any) -> dict[str, Any]:
        """The options of a field."""
        return self.defaults | {
            one["id"]: one.get("value")
            for override in self.model["fieldConfig"]["overrides"]
            if override["matcher"]["options"] == field
            for one in override["properties"]
        }
