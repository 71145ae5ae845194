"""The audience: a channel's chatters, of whom a few write much and most write little."""

from __future__ import annotations

import bisect
import hashlib
import itertools
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from simulator.vocabulary import TIERS, nickname

ZIPF_EXPONENT = 0.9
ZIPF_SHIFT = 8  # flattens the head: nobody writes a tenth of a big channel's chat
SUBSCRIBER_SHARE = 0.42  # of chats in the measurement of 2026-10-10

# Values nobody documents appear as well ("SMART_TV" stands for them): what is only stored must not be enumerated.
OS_TYPES: Sequence[tuple[str, float]] = (("PC", 0.71), ("AOS", 0.92), ("IOS", 1.0))
UNKNOWN_OS = "SMART_TV"


@dataclass(frozen=True, slots=True)
class Chatter:
    """One person, the same in every broadcast of the channel."""

    user_id: str  # 32 hex digits
    nickname: str
    os_type: str
    profile: str  # the JSON text that goes with each message


class Audience:
    """The people of one channel, drawn with weights that fall with their rank (Zipf-Mandelbrot).

    Raises ValueError for an audience of nobody.
    """

    def __init__(self, name: str, size: int) -> None:
        if size < 1:
            raise ValueError("an audience has at least one chatter")
        self._name = name
        weights = (1.0 / (rank + ZIPF_SHIFT) ** ZIPF_EXPONENT for rank in range(size))
        self._cumulative = list(itertools.accumulate(weights))
        self._people: dict[int, Chatter] = {}

    def draw(self, rng: random.Random) -> Chatter:
        """Pick who speaks next."""
        rank = bisect.bisect(self._cumulative, rng.random() * self._cumulative[-1])
        chatter = self._people.get(rank)
        if chatter is None:
            chatter = self._people[rank] = make_chatter(self._name, rank)
        return chatter


def make_chatter(audience: str, rank: int) -> Chatter:
    """Make the audience's chatter of a rank; the same each time, whatever the seed of the broadcast."""
    identity = f"{audience}/{rank}"
    rng = random.Random(identity)
    user_id = hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()
    name = nickname(rng)
    dice = rng.random()
    os_type = next(os for os, share in OS_TYPES if dice < share)
    profile = json.dumps(_profile(rng, user_id, name), ensure_ascii=False, separators=(",", ":"))
    return Chatter(user_id, name, os_type, profile)


def _profile(rng: random.Random, user_id: str, name: str) -> dict[str, Any]:
    """A chatter's profile with the fields that every measured one had, and some of the rarer ones."""
    streaming: dict[str, Any] = {"nicknameColor": {"colorCode": "CC000" if rng.random() < 0.87 else "SG001"}}
    if rng.random() < SUBSCRIBER_SHARE:
        tier = 1 if rng.random() < 0.74 else 2
        streaming["subscription"] = {
            "accumulativeMonth": rng.randrange(1, 30),
            "tier": tier,
            "tierName": TIERS[tier - 1],
            "badge": {"imageUrl": "https://ssl.pstatic.net/static/nng/glive/icon/구독_뱃지.png"},
        }
    role = "streaming_chat_manager" if rng.random() < 0.002 else "common_user"
    return {
        "userIdHash": user_id,
        "nickname": name,
        "profileImageUrl": "",
        "userRoleCode": role,
        "badge": None,
        "title": None,
        "verifiedMark": rng.random() < 0.001,
        "activityBadges": [],
        "streamingProperty": streaming,
        "viewerBadges": [],
    }
