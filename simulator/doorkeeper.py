"""The doorkeeper: access tokens, and who may join which room."""

from __future__ import annotations

import math
import secrets
import time

from simulator.room import Room
from simulator.stage import Stage

# The answer to a chatChannelId that does not exist, followed by a close with 1000 "Bye" (seen 2026-09-28).
WRONG_PARAMETER = (105, "Incorrect parameter")


class Doorkeeper:
    """Hands out tokens, each for one chatChannelId, and checks them when a client joins."""

    def __init__(self, token_life_sec: float | None) -> None:
        """``token_life_sec``: real seconds; None: tokens do not expire."""
        self._token_life_sec = token_life_sec
        self._rooms: dict[str, Room] = {}
        self._stages: dict[str, Stage] = {}
        self._tokens: dict[str, tuple[str, float]] = {}  # token: chatChannelId, monotonic time of its end

    def watch(self, stage: Stage) -> None:
        """Learn of a channel."""
        self._stages[stage.channel.channel_id] = stage

    def open_room(self, room: Room) -> None:
        """Learn of a room; rooms stay joinable after their broadcast."""
        self._rooms[room.chat_channel_id] = room

    def rooms(self) -> list[Room]:
        """All rooms so far."""
        return list(self._rooms.values())

    def stage_of(self, chat_channel_id: str) -> Stage | None:
        """The channel that a chatChannelId belongs to, None for an unknown one."""
        room = self._rooms.get(chat_channel_id)
        return None if room is None else self._stages[room.channel_id]

    def issue(self, chat_channel_id: str) -> str:
        """A new token for one chatChannelId."""
        token = secrets.token_urlsafe(48)
        expires_at = time.monotonic() + (math.inf if self._token_life_sec is None else self._token_life_sec)
        stage = self.stage_of(chat_channel_id)
        if stage is not None and stage.stale_tokens > 0:
            stage.stale_tokens -= 1
            expires_at = -math.inf
        self._tokens[token] = (chat_channel_id, expires_at)
        return token

    def rejection(self) -> int | None:
        """The HTTP status that the next handshake is rejected with, if any; it is used up."""
        for stage in self._stages.values():
            if stage.rejections:
                return stage.rejections.pop(0)
        return None

    def slams(self) -> bool:
        """Whether the door is slammed in the face of whoever has just come in, before a word was said."""
        return any(stage.strikes(stage.slams) for stage in self._stages.values())

    def admit(self, chat_channel_id: str, token: str) -> Room | tuple[int, str]:
        """Return the room to join, or (retCode, retMsg) of a refusal."""
        room = self._rooms.get(chat_channel_id)
        if room is None:
            return WRONG_PARAMETER
        stage = self._stages[room.channel_id]
        if stage.refusals:
            return stage.refusals.pop(0), "Refused by the script"
        issued_for, expires_at = self._tokens.get(token, ("", 0.0))
        if issued_for != chat_channel_id:
            return 401, "Invalid access token"
        if time.monotonic() > expires_at:
            return 401, "Expired access token"
        return room

    def throws_out(self, room: Room) -> bool:
        """Whether a client that has just been welcomed to the room is cut off again."""
        stage = self._stages[room.channel_id]
        return stage.strikes(stage.evictions)
