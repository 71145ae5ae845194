"""Broadcasts made from numpy alone: with bursts that are known, and scenes that are built to mislead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bench.peak_detectors import SURGE_GAP, Counts, Peak

TOLERANCE = 10  # seconds between a true onset and the one reported


def matches(found: Sequence[int], onsets: Counts) -> list[int]:
    """Signed errors, in seconds, of the reported onsets that meet a true one not met before."""
    left = [int(onset) for onset in onsets]
    errors = []
    for onset in found:
        nearest = min(left, key=lambda true: abs(true - onset), default=None)
        if nearest is not None and abs(nearest - onset) <= TOLERANCE:
            left.remove(nearest)
            errors.append(onset - nearest)
    return errors


# ---------------------------------------------------------------------------------------------------- quality


def drifting_base(rate: float, seconds: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Chats per second between rate / 3 and rate * 3: a slow wave, or a walk from knot to knot of ten minutes."""
    if rng.random() < 0.5:
        period = rng.uniform(2, 6) * 3600
        exponent = np.sin(2 * np.pi * (np.arange(seconds) / period + rng.random()))
    else:
        knots = np.cumsum(rng.normal(0, 0.3, seconds // 600 + 2)) + rng.uniform(-1, 1)
        folded = np.abs((knots + 1) % 4 - 2) - 1  # a walk that turns back at -1 and 1
        exponent = np.interp(np.arange(seconds), 600 * np.arange(len(folded)), folded)
    return np.asarray(rate * 3.0**exponent, dtype=np.float64)


def burst(seconds: int, onset: float, decay_sec: float, rise_sec: float = 3.0) -> npt.NDArray[np.float64]:
    """From 0 to 1 in `rise_sec` from the onset on, then an exponential decay."""
    age = np.arange(seconds) + 0.5 - onset
    return np.where(
        age < 0, 0, np.where(age < rise_sec, age / rise_sec, np.exp(-np.maximum(age - rise_sec, 0) / decay_sec))
    )


def make_broadcast(
    rate: float, hours: float, bursts: int, seed: int, *, added: bool = False, apart_sec: int = 90
) -> tuple[Counts, Counts]:
    """Counts per second, and the true onsets: at least `apart_sec` apart, none in the first 5 minutes."""
    rng = np.random.default_rng(seed)
    seconds = int(hours * 3600)
    pace = drifting_base(rate, seconds, rng)
    free = seconds - 300 - 120 - apart_sec * bursts
    onsets = (300 + np.sort(rng.uniform(0, free, bursts)) + apart_sec * np.arange(bursts)).astype(np.int64)
    gains = np.ones(seconds)
    for onset in onsets:
        gain = rng.uniform(2, 9)
        gains += (gain if added else gain - 1) * burst(seconds, float(onset), rng.uniform(6, 40))
    return rng.poisson(pace * gains), onsets


@dataclass
class Scene:
    """A broadcast of an hour or so made to mislead, and what an editor would want of it."""

    name: str
    counts: Counts
    wanted: list[int]  # onsets: each to be found once
    allowed: list[tuple[int, int]] = field(default_factory=list)  # where a surge is no mistake either
    in_gap: list[bool] | None = None
    crowd: Counts | None = None
    min_gap_sec: int = SURGE_GAP

    def judge(self, found: list[Peak]) -> bool:
        onsets = [peak.onset_sec for peak in found]
        met = len(matches(onsets, np.array(self.wanted, dtype=np.int64)))
        stray = sum(
            all(abs(onset - wanted) > TOLERANCE for wanted in self.wanted)
            and not any(low <= onset <= high for low, high in self.allowed)
            for onset in onsets
        )
        return met == len(self.wanted) and stray == 0 and len(onsets) <= len(self.wanted) + len(self.allowed)


def crowd_of(seconds: int, events: Sequence[tuple[int, int]]) -> tuple[Counts, Counts, Counts]:
    """Of (second, user) pairs: chats, distinct chatters, and chats with a half minute's loudest counted once."""
    chats, chatters, crowd = (np.zeros(seconds, dtype=np.int64) for _ in range(3))
    by_slot: dict[int, dict[int, int]] = {}
    for second, user in events:
        chats[second] += 1
        users = by_slot.setdefault(second // 30, {})
        users[user] = users.get(user, 0) + 1
    most = {slot: max(users.values()) for slot, users in by_slot.items()}
    counted = set()
    for second, user in sorted(events):
        slot = second // 30
        loud = by_slot[slot][user] == most[slot]
        crowd[second] += not (loud and (slot, user) in counted)
        counted.add((slot, user))
    for second, _ in set(events):
        chatters[second] += 1
    return chats, chatters, crowd


def scenes(rate: float, seed: int) -> list[Scene]:
    rng = np.random.default_rng(seed)
    hour = np.full(3600, rate)

    def chat(pace: npt.NDArray[np.float64]) -> Counts:
        return rng.poisson(pace)

    def bursts(*onsets: int, gain: float = 8, decay_sec: float = 12) -> npt.NDArray[np.float64]:
        return np.asarray(rate * (1 + sum((gain - 1) * burst(3600, onset, decay_sec) for onset in onsets)))

    second = np.arange(3600)
    gap = (second >= 1800) & (second < 2100)
    silent = np.where(second < 600, 0, hour)
    raid = np.where(second < 1800, hour, 4 * hour)
    plateau = np.where((second >= 1800) & (second < 2400), 5 * hour, hour)
    dip = np.where((second >= 1800) & (second < 1860), 0, hour)
    filling = np.where(second < 40, np.minimum(hour, 1), hour)
    ramp = rate * 5 ** np.clip((second - 900) / 1800, 0, 1)
    lifted = np.where(gap, 0, np.where(second >= 2100, 3 * hour, hour))

    events = [(int(s), int(u)) for s, n in enumerate(chat(hour)) for u in rng.integers(1, 300, n)]
    flood = [(s, 0) for s in range(1800, 1860) for _ in range(5)]
    chats, chatters, crowd = crowd_of(3600, events + flood)
    return [
        Scene("nothing but chat", chat(hour), []),
        Scene("one burst", chat(bursts(1800)), [1800]),
        Scene("raid that lifts the base x4 for good", chat(raid), [1800]),
        Scene("plateau x5 of 10 min", chat(plateau), [1800]),
        Scene("slow ramp x5 in 30 min", chat(ramp), []),
        Scene("double burst 40 s apart", chat(bursts(1800, 1840)), [1800], [(1830, 1850)]),
        Scene("the same, surges 30 s apart", chat(bursts(1800, 1840)), [1800, 1840], min_gap_sec=30),
        Scene("double burst 90 s apart", chat(bursts(1800, 1890)), [1800, 1890]),
        Scene("silence before the start", chat(silent), []),
        Scene("a start that fills up within a minute", chat(filling), []),
        Scene("burst 30 s after the start", chat(bursts(30)), [30]),
        Scene("minute of silence, then as before", chat(dip), []),
        Scene("gap of 5 min, then as before", chat(np.where(gap, 0, hour)), [], in_gap=list(gap)),
        Scene("gap of 5 min, then x3", chat(lifted), [], in_gap=list(gap)),
        Scene("copypasta of one, 5/s for 60 s: crowd", chats, [], crowd=crowd),
        Scene("copypasta of one: chatters a second", chats, [], crowd=chatters),
    ]
