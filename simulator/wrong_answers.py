"""Wrong answers: faults of the HTTP side. ``endpoint`` is one of those in simulator/answer.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simulator.answer import Answer
from simulator.fault import KINDS

if TYPE_CHECKING:
    from simulator.stage import Stage


def _answer(stage: Stage, endpoint: str, polls: int, **rest: Any) -> None:
    stage.answers.append(Answer(endpoint, polls, **rest))


@KINDS.kind("false_close", polls=1)
def false_close(stage: Stage, polls: int) -> None:
    """Answer CLOSE though the broadcast goes on."""
    _answer(stage, "live", polls, fields={"status": "CLOSE"})


@KINDS.kind("block", polls=1)
def block(stage: Stage, polls: int) -> None:
    """Answer the status BLOCK, which says nothing about the broadcast."""
    _answer(stage, "live", polls, fields={"status": "BLOCK"})


@KINDS.kind("gone", code=404, polls=1, endpoint="live")
def gone(stage: Stage, code: int, polls: int, endpoint: str) -> None:
    """Answer as if there were no such channel: 404, or with ``code`` 200 a content of null."""
    _answer(stage, endpoint, polls, status=None if code == 200 else code, null=True)


@KINDS.kind("http_status", code=500, polls=1, endpoint="live", retry_after=None)
def http_status(stage: Stage, code: int, polls: int, endpoint: str, retry_after: str | int | None) -> None:
    """Answer with an HTTP status (429 with ``retry_after``, 5xx, ...) and Chzzk's error body."""
    _answer(stage, endpoint, polls, status=code, retry_after=None if retry_after is None else str(retry_after))


@KINDS.kind("html", code=200, polls=1, endpoint="live")
def html(stage: Stage, code: int, polls: int, endpoint: str) -> None:
    """Answer with a page of HTML, as a gateway in front of the API does."""
    _answer(stage, endpoint, polls, status=code, html=True)


@KINDS.kind("hang", real_seconds=5.0, polls=1, endpoint="live")
def hang(stage: Stage, real_seconds: float, polls: int, endpoint: str) -> None:
    """Answer right, but late."""
    _answer(stage, endpoint, polls, hang_sec=real_seconds)


@KINDS.kind("trickle", real_seconds=30.0, polls=1, endpoint="live")
def trickle(stage: Stage, real_seconds: float, polls: int, endpoint: str) -> None:
    """Answer right, but byte by byte."""
    _answer(stage, endpoint, polls, trickle_sec=real_seconds)


@KINDS.kind("patch", fields={}, omit=(), polls=1, endpoint="live")
def patch(stage: Stage, fields: Mapping[str, Any], omit: Sequence[str], polls: int, endpoint: str) -> None:
    """Answer with some fields of the content changed or missing."""
    _answer(stage, endpoint, polls, fields=dict(fields), omit=tuple(omit))


@KINDS.kind("token_refusal", code=500, attempts=1)
def token_refusal(stage: Stage, code: int, attempts: int) -> None:
    """Refuse an access token for the current chatChannelId with an HTTP status."""
    _answer(stage, "token", attempts, status=code)


@KINDS.kind("retitle", title=None, category=None)
def retitle(stage: Stage, title: str | None, category: str | None) -> None:
    """Change the broadcast's title or category."""
    if stage.airing is not None:
        stage.airing.title = title or stage.airing.title
        stage.airing.category = category or stage.airing.category
