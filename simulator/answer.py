"""An answer: what the next HTTP requests to an endpoint get instead of the truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Answer:
    """A fault that waits for requests."""

    endpoint: str  # live-status, live-detail, channel, token, videos, video, video-chats; "live" is the first two
    left: int  # requests still to be answered so
    status: int | None = None
    retry_after: str | None = None  # the Retry-After header
    html: bool = False
    hang_sec: float = 0.0  # real seconds before the answer
    trickle_sec: float = 0.0  # real seconds that the answer's bytes take
    null: bool = False  # HTTP 200 with a content of null
    fields: dict[str, Any] = field(default_factory=dict)  # replace those of the content
    omit: tuple[str, ...] = ()  # fields that the content lacks

    def fits(self, endpoint: str) -> bool:
        """Whether this is meant for a request to ``endpoint``."""
        return self.endpoint == endpoint or (self.endpoint == "live" and endpoint.startswith("live-"))
