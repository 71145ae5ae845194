"""The script: what a channel does and when, in plain values that can come from Python or from a JSON file."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from simulator.fault import Fault
from simulator.vocabulary import THEMES

Part = TypeVar("Part")


class ScriptError(ValueError):
    """A script asks for something that the simulator cannot play."""


@dataclass(frozen=True, slots=True)
class Burst:
    """One eruption of the chat: a linear rise from ``onset_sec``, then an exponential decay."""

    onset_sec: float  # seconds since openDate
    gain: float  # at its height the burst adds gain * base rate
    rise_sec: float = 3.0
    decay_sec: float = 12.0  # time constant: after it, 1/e of the height is left
    theme: str = "play"  # a key of vocabulary.THEMES: what the chat talks about meanwhile

    def __post_init__(self) -> None:
        if self.onset_sec < 0 or self.gain <= 0 or self.rise_sec <= 0 or self.decay_sec <= 0:
            raise ScriptError(f"a burst starts at 0 s or later and its gain, rise and decay are positive: {self}")
        if self.theme not in THEMES:
            raise ScriptError(f"unknown theme {self.theme!r}; there are {', '.join(sorted(THEMES))}")


@dataclass(frozen=True, slots=True)
class Broadcast:
    """One broadcast. Rates are per simulated second or minute, shares are of all chats (0 to 1).

    The shares' defaults follow what 14 live channels showed on 2026-10-10 (31,709 items): 0.8 % of chats hidden by
    the clean bot on arrival, 405 blinds (1.3 %), 85 % of donations anonymous, PC 71 %, AOS 21 %, IOS 8 %.
    """

    duration_sec: float
    base_rate: float = 5.0  # chats a second outside bursts
    bursts: Sequence[Burst] = ()
    drift: Sequence[tuple[float, float]] = ()  # (second, factor) points, joined linearly, flat beyond the ends
    quiet_start_sec: float = 0.0  # so long the chat runs at most at quiet_rate, the rest in proportion
    quiet_rate: float = 1.0
    offline_before_sec: float = 0.0  # offline time between the previous broadcast's end (or the start) and this one
    title: str = "오늘도 달려봅시다"
    category: str = "종합 게임"
    viewers: int = 1500
    adult: bool = False
    tags: Sequence[str] = ("게임", "소통")
    chatters: int = 2000  # people in the audience; a few write much, most write little
    donations_per_min: float = 0.6
    anonymous_share: float = 0.85
    twin_share: float = 0.08  # donations that are followed by another in the same millisecond
    subscriptions_per_min: float = 0.1
    gifts_per_min: float = 0.03
    parties_per_min: float = 0.02
    shops_per_min: float = 0.02
    systems_per_min: float = 0.08
    channel_events_per_min: float = 0.4
    clean_bot_share: float = 0.008
    blind_share: float = 0.012
    restore_share: float = 0.05  # of the blinded
    odd_share: float = 0.004  # chats with a null or empty profile, null extras, null text or an unknown osType
    video_delay_ms: int = 2_340  # a replay's video starts so long after openDate
    video_cuts: Sequence[tuple[float, float]] = ()  # (second, lost seconds): a video re-published in the middle
    replay_own_ids: bool = False  # the replay's userIdHash differs from the live uid (nobody knows which is true)

    def __post_init__(self) -> None:
        if self.duration_sec <= 0 or self.base_rate < 0:
            raise ScriptError(f"a broadcast lasts longer than 0 s and its rate is not negative: {self}")
        late = [burst for burst in self.bursts if burst.onset_sec >= self.duration_sec]
        if late:
            raise ScriptError(f"a burst starts after the broadcast's end ({self.duration_sec} s): {late[0]}")


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel: its name, its broadcasts one after the other, and what goes wrong meanwhile.

    A fault's ``at_sec`` counts simulated seconds from the simulation's start, which is the first openDate unless
    that broadcast has ``offline_before_sec``. ``channel_id`` (32 hex digits) follows from the name when not given.
    """

    name: str
    broadcasts: Sequence[Broadcast]
    faults: Sequence[Fault] = ()
    channel_id: str = field(default="")

    def __post_init__(self) -> None:
        if not self.channel_id:
            digest = hashlib.blake2b(self.name.encode(), digest_size=16).hexdigest()
            object.__setattr__(self, "channel_id", digest)

    def openings(self) -> list[int]:
        """Simulated seconds at which each broadcast opens: whole ones, as openDate has no fraction."""
        seconds: list[int] = []
        free_from = 0.0
        for broadcast in self.broadcasts:
            seconds.append(math.ceil(free_from + broadcast.offline_before_sec))
            free_from = seconds[-1] + broadcast.duration_sec
        return seconds

    def span_sec(self) -> float:
        """Simulated seconds from the start to the last thing that is scripted."""
        ends = [opening + part.duration_sec for opening, part in zip(self.openings(), self.broadcasts, strict=True)]
        return max([*ends, *(fault.at_sec for fault in self.faults)], default=0.0)


def _part(kind: type[Part], values: Mapping[str, Any]) -> Part:
    """Build a dataclass from a JSON object; raise ScriptError for names that it does not have."""
    known = {entry.name for entry in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - known)
    if unknown:
        raise ScriptError(f"{kind.__name__} has no {', '.join(unknown)}; it has {', '.join(sorted(known))}")
    try:
        return kind(**values)
    except TypeError as error:
        raise ScriptError(f"{kind.__name__}: {error}") from error


def channels_from_json(text: str) -> list[Channel]:
    """Read channels from JSON.

    ``{"channels": [{"name": .., "broadcasts": [{..}], "faults": [{"at_sec": .., "kind": .., ..}]}]}``: the objects
    have the fields of Channel, Broadcast, Burst and Fault. Raises ScriptError for anything else.
    """
    try:
        document = json.loads(text)
        entries = document["channels"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ScriptError('a script is a JSON object with a list "channels"') from error
    channels = []
    for entry in entries:
        broadcasts = []
        for values in entry.get("broadcasts", []):
            bursts = tuple(_part(Burst, burst) for burst in values.get("bursts", []))
            broadcasts.append(_part(Broadcast, {**values, "bursts": bursts}))
        faults = [Fault.from_json(fault) for fault in entry.get("faults", [])]
        channels.append(_part(Channel, {**entry, "broadcasts": broadcasts, "faults": faults}))
    return channels
