"""The demo: three channels that show the product within a minute."""

from __future__ import annotations

import random

from simulator.intensity import random_bursts
from simulator.script import Broadcast, Channel, ScriptError

# Name, title, category, chats a second, viewers.
DEMO_SHOWS = (
    ("달빛너굴", "새벽감성 노래방송 | 신청곡 받아요", "talk", 4.0, 900),
    ("하늘고래", "소울라이크 노데스 도전 3일차", "종합 게임", 8.0, 3_200),
    ("불꽃참새", "합방! 5인 내전 끝장전", "리그 오브 레전드", 15.0, 7_500),
)
QUIET_START_SEC = 40.0  # about a chat a second: the recent chat covers a client that comes late
FIRST_BURST_SEC = QUIET_START_SEC + 60.0  # a minute of ordinary chat to compare with
MIN_GAP_SEC = 100.0


def demo_channels(seed: int = 0, minutes: float = 12.0, count: int = 3) -> list[Channel]:
    """Make the demo's channels: one broadcast of so many simulated minutes each, with 3 to 5 bursts.

    The same for the same arguments. Raises ScriptError for a count outside 1 to 3 or a broadcast too short for its
    bursts (under 10 minutes there may be fewer of them).
    """
    if not 1 <= count <= len(DEMO_SHOWS):
        raise ScriptError(f"the demo has 1 to {len(DEMO_SHOWS)} channels, not {count}")
    duration_sec = round(minutes * 60)
    rng = random.Random(f"demo/{seed}")
    room_for = int((duration_sec - FIRST_BURST_SEC) / MIN_GAP_SEC)
    channels = []
    for name, title, category, rate, viewers in DEMO_SHOWS[:count]:
        bursts = random_bursts(
            f"{seed}/{name}",
            duration_sec,
            min(rng.randint(3, 5), max(1, room_for)),
            first_after_sec=FIRST_BURST_SEC,
            min_gap_sec=MIN_GAP_SEC,
        )
        broadcast = Broadcast(
            duration_sec,
            rate,
            bursts,
            drift=((0, 0.8), (duration_sec / 2, 1.1), (duration_sec, 1.0)),
            quiet_start_sec=QUIET_START_SEC,
            title=title,
            category=category,
            viewers=viewers,
            donations_per_min=2.0,
            subscriptions_per_min=0.5,
            gifts_per_min=0.2,
        )
        channels.append(Channel(name, [broadcast]))
    return channels
