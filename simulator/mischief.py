"""Mischief: the kinds of fault, each a function registered with its parameters and their defaults.

All times are simulated seconds unless their name says otherwise. A new kind is a new function here, nothing else.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simulator.answer import Answer
from simulator.dialect import CANCEL, Blinding, ChannelEvent, Frame
from simulator.fault import FaultKinds

if TYPE_CHECKING:
    from simulator.stage import Stage
    from simulator.visitor import Visitor

KINDS = FaultKinds()


def _visitors(stage: Stage) -> list[Visitor]:
    return list(stage.room.visitors) if stage.room is not None else []


@KINDS.kind("close", code=1000, reason="")
def close(stage: Stage, code: int, reason: str) -> None:
    """Close every socket of the channel with a code."""
    for visitor in _visitors(stage):
        visitor.close(code, reason)


@KINDS.kind("drop")
def drop(stage: Stage) -> None:
    """Cut every connection of the channel without a close frame."""
    for visitor in _visitors(stage):
        visitor.cut()


@KINDS.kind("half_open", seconds=None)
def half_open(stage: Stage, seconds: float | None) -> None:
    """Leave the channel's sockets open and silent for so long, then cut them, or for good; new ones are unaffected."""
    for visitor in _visitors(stage):
        visitor.go_deaf(math.inf if seconds is None else seconds / stage.clock.speed)


@KINDS.kind("chat_channel_change", code=None)
def chat_channel_change(stage: Stage, code: int | None) -> None:
    """Move the chat to a new chatChannelId; the old sockets are closed with ``code``, or stay open and silent."""
    old_visitors = _visitors(stage)
    stage.enter_new_room()
    if code is not None:
        for visitor in old_visitors:
            visitor.close(code)


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


@KINDS.kind("patch", fields={}, omit=(), polls=1, endpoint="live")
def patch(stage: Stage, fields: Mapping[str, Any], omit: Sequence[str], polls: int, endpoint: str) -> None:
    """Answer with some fields of the content changed or missing."""
    _answer(stage, endpoint, polls, fields=dict(fields), omit=tuple(omit))


@KINDS.kind("token_refusal", code=500, attempts=1)
def token_refusal(stage: Stage, code: int, attempts: int) -> None:
    """Refuse an access token for the current chatChannelId with an HTTP status."""
    _answer(stage, "token", attempts, status=code)


@KINDS.kind("ret_code", code=105, attempts=1)
def ret_code(stage: Stage, code: int, attempts: int) -> None:
    """Answer the next cmd 100 with a retCode other than 0."""
    stage.refusals.extend([code] * attempts)


@KINDS.kind("handshake_reject", code=403, attempts=1)
def handshake_reject(stage: Stage, code: int, attempts: int) -> None:
    """Reject the next WebSocket handshakes with an HTTP status, of whichever channel: none is named in them."""
    stage.rejections.extend([code] * attempts)


@KINDS.kind("raw_frame", text=None, bytes_base64=None)
def raw_frame(stage: Stage, text: str | None, bytes_base64: str | None) -> None:
    """Send any text, or any bytes as a binary frame."""
    for visitor in _visitors(stage):
        if text is not None:
            visitor.offer(Frame(text))
        if bytes_base64 is not None:
            visitor.offer(base64.b64decode(bytes_base64))


@KINDS.kind("duplicate", last=1)
def duplicate(stage: Stage, last: int) -> None:
    """Send the last items again, unchanged."""
    stage.tell(list(stage.newest(last)))


@KINDS.kind("blind", back=1, blind_type="HIDDEN")
def blind(stage: Stage, back: int, blind_type: str) -> None:
    """Blind the item that was sent ``back`` items ago (1: the newest)."""
    items = stage.newest(back)
    if items:
        _blind(stage, Blinding(items[0].time_ms, items[0], blind_type))
        stage.last_blinded = items[0]


@KINDS.kind("restore")
def restore(stage: Stage) -> None:
    """Take back the last blind."""
    if stage.last_blinded is not None:
        _blind(stage, Blinding(stage.last_blinded.time_ms, stage.last_blinded, CANCEL))


def _blind(stage: Stage, blinding: Blinding) -> None:
    stage.tell([blinding])


@KINDS.kind("channel_event", type="LIVE_MID_ROLL_AD", body={})
def channel_event(stage: Stage, type: str, body: Mapping[str, Any]) -> None:
    """Send a 93006."""
    stage.tell([ChannelEvent(0, {"type": type, **body})])


@KINDS.kind("retitle", title=None, category=None)
def retitle(stage: Stage, title: str | None, category: str | None) -> None:
    """Change the broadcast's title or category."""
    if stage.airing is not None:
        stage.airing.title = title or stage.airing.title
        stage.airing.category = category or stage.airing.category
