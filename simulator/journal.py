"""The journal: who connected and who asked what, and when, so that a test can count attempts."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class ConnectionRecord:
    """One WebSocket connection, or an attempt at one."""

    opened_sec: float  # real seconds since the simulator's start
    server: str  # the {server} part of the chat URL
    channel_id: str | None = None  # known once the client has sent cmd 100
    chat_channel_id: str | None = None
    session_id: str | None = None  # the sid of 10100; None until the client is admitted
    recent_asked: list[int] = field(default_factory=list)  # the recentMessageCount of each 5101
    closed_sec: float | None = None  # real seconds since the start; None while open
    close_code: int | None = None  # None when the transport was cut without a close frame
    cause: str = (
        ""  # client, fault, cut, slammed, thrown out, silent, slow, refused, rejected 503, shutdown; empty: open
    )


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One HTTP request."""

    at_sec: float  # real seconds since the simulator's start
    simulated_sec: float
    endpoint: str  # live-status, live-detail, channel, token, videos, video, video-chats
    channel_id: str | None  # None when no channel of ours was meant
    status: int  # HTTP status of the answer


@dataclass(slots=True)
class Journal:
    """All connections and requests so far, in the order of their beginning."""

    connections: list[ConnectionRecord] = field(default_factory=list)
    requests: list[RequestRecord] = field(default_factory=list)
