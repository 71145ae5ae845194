"""Broken sockets: faults of chat connections, from the handshake to the close.

Each is a function registered with its parameters and their defaults; so are those of wrong_answers and odd_frames.
All times are simulated seconds unless their name says otherwise.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from simulator.fault import KINDS, Spell

if TYPE_CHECKING:
    from simulator.stage import Stage
    from simulator.visitor import Visitor


def visitors(stage: Stage) -> list[Visitor]:
    """The clients that listen to the channel now."""
    return list(stage.room.visitors) if stage.room is not None else []


def _spell(stage: Stage, attempts: int, seconds: float | None) -> Spell:
    return Spell(attempts, None if seconds is None else stage.clock.now_sec() + seconds)


@KINDS.kind("close", code=1000, reason="")
def close(stage: Stage, code: int, reason: str) -> None:
    """Close every socket of the channel with a code."""
    for visitor in visitors(stage):
        visitor.close(code, reason)


@KINDS.kind("drop")
def drop(stage: Stage) -> None:
    """Cut every connection of the channel without a close frame."""
    for visitor in visitors(stage):
        visitor.cut()


@KINDS.kind("half_open", seconds=None)
def half_open(stage: Stage, seconds: float | None) -> None:
    """Leave the channel's sockets open and silent for so long, then cut them, or for good; new ones are unaffected."""
    for visitor in visitors(stage):
        visitor.go_deaf(math.inf if seconds is None else seconds / stage.clock.speed)


@KINDS.kind("dribble", bytes_per_real_sec=1.0)
def dribble(stage: Stage, bytes_per_real_sec: float) -> None:
    """Go on byte by byte on the channel's sockets, so that no frame comes to its end; new ones are unaffected."""
    for visitor in visitors(stage):
        visitor.dribble(bytes_per_real_sec)


@KINDS.kind("chat_channel_change", code=None)
def chat_channel_change(stage: Stage, code: int | None) -> None:
    """Move the chat to a new chatChannelId; the old sockets are closed with ``code``, or stay open and silent."""
    old_visitors = visitors(stage)
    stage.enter_new_room()
    if code is not None:
        for visitor in old_visitors:
            visitor.close(code)


@KINDS.kind("handshake_reject", code=403, attempts=1)
def handshake_reject(stage: Stage, code: int, attempts: int) -> None:
    """Reject the next WebSocket handshakes with an HTTP status, of whichever channel: none is named in them."""
    stage.rejections.extend([code] * attempts)


@KINDS.kind("drop_on_accept", attempts=1, seconds=None)
def drop_on_accept(stage: Stage, attempts: int, seconds: float | None) -> None:
    """Cut the next clients, or all for so long, right after the handshake; of whichever channel, as above."""
    stage.slams.append(_spell(stage, attempts, seconds))


@KINDS.kind("drop_on_join", attempts=1, seconds=None)
def drop_on_join(stage: Stage, attempts: int, seconds: float | None) -> None:
    """Cut the next clients, or all for so long, as soon as they are welcomed (10100)."""
    stage.evictions.append(_spell(stage, attempts, seconds))


@KINDS.kind("ret_code", code=105, attempts=1)
def ret_code(stage: Stage, code: int, attempts: int) -> None:
    """Answer the next cmd 100 with a retCode other than 0."""
    stage.refusals.extend([code] * attempts)


@KINDS.kind("stale_token", attempts=1)
def stale_token(stage: Stage, attempts: int) -> None:
    """Hand out access tokens that have expired already."""
    stage.stale_tokens += attempts
