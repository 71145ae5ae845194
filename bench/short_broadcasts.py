"""How well the peak functions do on short broadcasts: the demo's, whose bursts are known, and calm ones without any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bench.peak_detectors import Connection, Counts, surges, volume
from bench.peak_scenes import TOLERANCE, crowd_of, drifting_base, matches
from simulator import Broadcast, demo_channels, generate

SHORT_RATES, SHORT_MINUTES = (1.0, 4.0, 15.0), (5, 10, 15, 30)


@dataclass
class ShortQuality:
    """Sums over the demo's broadcasts of one length, with what `find_peaks` would be given."""

    minutes: float
    bursts: int = 0  # 60 s from the start and 45 s from the one before, or more
    found: int = 0  # among the first N surges, N the number of all bursts
    listed: int = 0
    stray: int = 0  # surges with no burst within TOLERANCE
    loud: int = 0  # bursts in a volume peak: starts are VOLUME_GAP apart, so not all can be
    loud_listed: int = 0

    def __str__(self) -> str:
        return (
            f"{self.minutes:4.0f} min   surges: {self.found} of {self.bursts} bursts, {self.listed} listed, "
            f"{self.stray} stray   volume: {self.loud} of {self.bursts}, {self.loud_listed} listed"
        )


def chats_and_crowd(broadcast: Broadcast, seed: int) -> tuple[Counts, Counts]:
    """By the second, what `find_peaks` would be given of a simulated broadcast."""
    numbers: dict[str, int] = {}
    events = [
        (int(item.offset_ms // 1000), numbers.setdefault(str(item.user_id), len(numbers)))
        for item in generate(broadcast, seed)
        if item.kind == "chat"
    ]
    chats, _, crowd = crowd_of(int(broadcast.duration_sec), events)
    return chats, crowd


def short_quality(connection: Connection, minutes: float, seeds: Sequence[int]) -> ShortQuality:
    quality = ShortQuality(minutes)
    for seed in seeds:
        for channel in demo_channels(seed, minutes):
            broadcast = channel.broadcasts[0]
            chats, crowd = chats_and_crowd(broadcast, seed)
            onsets = [burst.onset_sec for burst in broadcast.bursts]
            wanted = [onset for before, onset in pairwise([-45.0, *onsets]) if onset >= 60 and onset - before >= 45]
            found = [peak.onset_sec for peak in surges(connection, chats, crowd=crowd)]
            loud = volume(connection, chats)
            quality.bursts += len(wanted)
            quality.found += len(matches(found[: len(onsets)], np.array(wanted)))
            quality.listed += len(found)
            quality.stray += sum(all(abs(onset - second) > TOLERANCE for onset in onsets) for second in found)
            quality.loud += sum(any(peak.start_sec - 5 <= onset < peak.end_sec for peak in loud) for onset in wanted)
            quality.loud_listed += len(loud)
    return quality


def calm_broadcast(rate: float, minutes: int, kind: str, seed: int) -> Counts:
    """No burst: `flat`, `gentle` (the demo's drift, by a third) or `drifting` (as the long ones, up to threefold)."""
    rng = np.random.default_rng(seed)
    seconds = 60 * minutes
    if kind == "drifting":
        return rng.poisson(drifting_base(rate, seconds, rng))
    gentle = np.interp(np.arange(seconds), [0, seconds / 2, seconds], [0.8, 1.1, 1.0])
    return rng.poisson(rate * (gentle if kind == "gentle" else np.ones(seconds)))


def calm_lists(connection: Connection, rate: float, minutes: int, kind: str, seeds: Sequence[int]) -> tuple[int, int]:
    """How many broadcasts without a burst have a surge, and how many a volume peak."""
    broadcasts = [calm_broadcast(rate, minutes, kind, seed) for seed in seeds]
    return (
        sum(bool(surges(connection, counts)) for counts in broadcasts),
        sum(bool(volume(connection, counts)) for counts in broadcasts),
    )
