"""Marks of broadcasts as annotations of somebody's Grafana: found again by tags, so writing twice changes nothing."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from grafana.server import Api, GrafanaRefused

TAG = "nokchart"

_PAGE = 1000
# Grafana heeds a time range only where both of its ends are given.
_FIRST_MS, _LAST_MS = 1, 4_102_444_800_000  # to the year 2100


@dataclass(frozen=True)
class Mark:
    """A moment, or a region where it has an end. `tags` begin with TAG, what it is, and the broadcast's stream_id."""

    from_ms: int
    to_ms: int
    """The same as from_ms: a moment."""
    text: str
    tags: tuple[str, ...]

    @property
    def kind(self) -> str:
        return self.tags[1] if len(self.tags) > 1 else ""


@dataclass
class Written:
    """What became of a broadcast's annotations, in numbers."""

    new: int = 0
    changed: int = 0
    deleted: int = 0
    unchanged: int = 0

    def __str__(self) -> str:
        return f"{self.new} new, {self.changed} changed, {self.deleted} deleted, {self.unchanged} unchanged"


@dataclass
class _Plan:
    new: list[Mark] = field(default_factory=list)
    changed: list[tuple[int, Mark]] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    unchanged: int = 0


def annotate(api: Api, stream_id: str, marks: Iterable[Mark], *, write: bool = True) -> Written:
    """Makes a broadcast's annotations be `marks`: adds, updates and deletes, ours only; without `write`, counts."""
    plan = _plan(_find(api, stream_id), list(marks))
    if write:
        for number, mark in plan.changed:
            api.annotations.update_annotation(number, **_body(mark))
        for number in plan.gone:
            api.annotations.delete_annotations_by_id(number)
        for mark in plan.new:
            api.annotations.add_annotation(**_body(mark))
    return Written(len(plan.new), len(plan.changed), len(plan.gone), plan.unchanged)


def _plan(there: dict[int, Mark], wanted: list[Mark]) -> _Plan:
    plan = _Plan()
    left = dict(there)
    for mark in wanted:
        same = next((number for number, one in left.items() if _same(one, mark)), None)
        if same is None:
            plan.new.append(mark)
        else:
            del left[same]
            plan.unchanged += 1
    for number, one in left.items():
        # what is no longer so becomes another of its kind, before anything is deleted and added
        successor = next((mark for mark in plan.new if mark.kind == one.kind), None)
        if successor is None:
            plan.gone.append(number)
        else:
            plan.new.remove(successor)
            plan.changed.append((number, successor))
    return plan


def _same(one: Mark, other: Mark) -> bool:
    times = (one.from_ms, one.to_ms) == (other.from_ms, other.to_ms)
    return times and one.text == other.text and set(one.tags) == set(other.tags)


def _find(api: Api, stream_id: str) -> dict[int, Mark]:
    """Our annotations of a broadcast by their ids, page by page, from the newest backwards."""
    marks: dict[int, Mark] = {}
    until = _LAST_MS
    while True:
        tags = [TAG, quote(stream_id, safe="")]
        page = api.annotations.find_annotations(
            time_from=_FIRST_MS, time_to=until, ann_type="annotation", tags=tags, limit=_PAGE
        )
        try:
            fresh = {int(one["id"]): _mark(one) for one in page if int(one["id"]) not in marks}
        except (TypeError, KeyError, ValueError) as error:
            raise GrafanaRefused(
                "Grafana's list of annotations is none of its API's: look whether a proxy or a login stands before it."
            ) from error
        marks |= {number: mark for number, mark in fresh.items() if {TAG, stream_id} <= set(mark.tags)}
        if len(page) < _PAGE or not fresh:
            return marks
        # whether pages are sorted by beginnings or by ends, what is left begins no later than this
        until = min(mark.to_ms for mark in fresh.values())


def _mark(one: dict[str, Any]) -> Mark:
    tags = one.get("tags") or []
    # in the order of ours, whatever order Grafana keeps them in
    ordered = sorted((str(tag) for tag in tags), key=lambda tag: (tag != TAG, tag not in ("broadcast", "peak")))
    from_ms = int(one["time"])
    return Mark(from_ms, int(one.get("timeEnd") or from_ms), str(one.get("text", "")), tuple(ordered))


def _body(mark: Mark) -> dict[str, Any]:
    return {"time_from": mark.from_ms, "time_to": mark.to_ms, "tags": list(mark.tags), "text": mark.text}
