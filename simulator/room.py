"""A room: one chatChannelId, its recent chat and the clients that listen to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from simulator.dialect import Frame, OddItem, recent_item
from simulator.ledger import SentItem

if TYPE_CHECKING:
    from simulator.visitor import Visitor

HISTORY_ITEMS = 100  # how far 15101 reaches back: beyond about 100 is unknown, so the simulator keeps no more


class Room:
    """What clients reach through one chatChannelId. It stays joinable, and silent, when the chat has moved on."""

    def __init__(self, chat_channel_id: str, channel_id: str) -> None:
        self.chat_channel_id = chat_channel_id
        self.channel_id = channel_id
        self.viewers = 0
        self.visitors: set[Visitor] = set()
        self._history: deque[SentItem | OddItem] = deque(maxlen=HISTORY_ITEMS)

    def remember(self, item: SentItem | OddItem) -> None:
        """Add an item to the recent chat."""
        self._history.append(item)

    def recent(self, count: int) -> list[SentItem | OddItem]:
        """The newest ``count`` items (at most HISTORY_ITEMS), oldest first."""
        return list(self._history)[-count:] if count > 0 else []

    def recent_body(self, count: int) -> dict[str, Any]:
        """The body of 15101; its items count as recalled."""
        messages = []
        for item in self.recent(count):
            if isinstance(item, SentItem):
                item.recalled += 1
                messages.append(recent_item(item, self.chat_channel_id, self.viewers))
            else:
                messages.append(item.recent)
        return {"messageList": messages, "userCount": self.viewers, "notice": None}

    def tell(self, frames: Iterable[Frame]) -> None:
        """Hand frames to every client; none of them can hold up the others."""
        for frame in frames:
            for visitor in list(self.visitors):
                visitor.offer(frame)
