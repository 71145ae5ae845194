"""Intensity: how fast the chat runs at each moment, and random arrivals that follow it."""

from __future__ import annotations

import bisect
import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from simulator.script import Broadcast, Burst, ScriptError
from simulator.vocabulary import THEMES

STEP_SEC = 0.25  # the rate is taken as constant for so long: fine beside a rise of seconds
NEGLIGIBLE_DECAYS = 12  # e**-12: past so many time constants a burst adds nothing


@dataclass(frozen=True, slots=True)
class Step:
    """The rate during one step of STEP_SEC."""

    level: float  # 1.0 is the base rate: drift * (1 + bursts), less during the quiet start
    chat_rate: float  # chats a second
    burst_share: float  # the part of the rate that bursts make, 0 to 1
    theme: str | None  # the strongest burst's subject


def burst_height(burst: Burst, second: float) -> float:
    """How much a burst adds at ``second`` (since openDate), in multiples of the base rate."""
    since = second - burst.onset_sec
    if since < 0:
        return 0.0
    if since < burst.rise_sec:
        return burst.gain * since / burst.rise_sec
    decays = (since - burst.rise_sec) / burst.decay_sec
    return burst.gain * math.exp(-decays) if decays < NEGLIGIBLE_DECAYS else 0.0


def drift_factor(drift: Sequence[tuple[float, float]], second: float) -> float:
    """The drift at ``second``: linear between the points, flat beyond them, 1.0 without any."""
    if not drift:
        return 1.0
    place = bisect.bisect_right(drift, second, key=lambda point: point[0])
    if place == 0:
        return drift[0][1]
    if place == len(drift):
        return drift[-1][1]
    (left, low), (right, high) = drift[place - 1], drift[place]
    return low + (high - low) * (second - left) / (right - left)


def intensity_steps(broadcast: Broadcast) -> Iterator[Step]:
    """The broadcast's rate, one Step for each STEP_SEC (the last may be shorter).

    They are made as they are asked for: those of a long broadcast, all at once, would hold up every other channel.
    """
    coming = sorted(broadcast.bursts, key=lambda burst: burst.onset_sec, reverse=True)
    going: list[Burst] = []
    for number in range(math.ceil(broadcast.duration_sec / STEP_SEC)):
        second = (number + 0.5) * STEP_SEC
        while coming and coming[-1].onset_sec < second:
            going.append(coming.pop())
        heights = [(burst_height(burst, second), burst.theme) for burst in going]
        going = [burst for burst, (height, _) in zip(going, heights, strict=True) if height > 0]
        total = sum(height for height, _ in heights)
        level = drift_factor(broadcast.drift, second) * (1.0 + total)
        if second < broadcast.quiet_start_sec and broadcast.base_rate > 0:
            level = min(level, broadcast.quiet_rate / broadcast.base_rate)
        theme = max(heights)[1] if total > 0 else None
        yield Step(level, broadcast.base_rate * level, total / (1.0 + total), theme)


def arrivals(
    rng: random.Random, steps: Iterable[Step], rate_of: Callable[[Step], float], duration_sec: float
) -> Iterator[tuple[float, Step]]:
    """Yield (second, step) of the events of a Poisson process with ``rate_of(step)`` a second during each step.

    Exact for a rate that is constant within a step: unit exponentials are spent on the integrated rate (Devroye,
    Non-Uniform Random Variate Generation, VI.1.4).
    """
    draw = rng.expovariate
    need = draw(1.0)
    for number, step in enumerate(steps):
        start = number * STEP_SEC
        rate = rate_of(step)
        supply = rate * min(STEP_SEC, duration_sec - start)
        spent = 0.0
        while need <= supply - spent:
            spent += need
            yield start + spent / rate, step
            need = draw(1.0)
        need -= supply - spent


def random_bursts(
    seed: int | str,
    duration_sec: float,
    count: int,
    *,
    first_after_sec: float = 30.0,
    min_gap_sec: float = 60.0,
    gains: tuple[float, float] = (4.0, 9.0),
    decays_sec: tuple[float, float] = (8.0, 15.0),
) -> tuple[Burst, ...]:
    """Make ``count`` bursts at random seconds, no two onsets closer than ``min_gap_sec``; the same for the same seed.

    The last onset leaves ``min_gap_sec / 2`` before the end, so that each burst can be seen whole. Raises ScriptError
    when they do not fit.
    """
    slack = duration_sec - first_after_sec - min_gap_sec * (count - 1) - min_gap_sec / 2
    if slack < 0:
        raise ScriptError(f"{count} bursts at least {min_gap_sec} s apart do not fit into {duration_sec} s")
    rng = random.Random(f"bursts/{seed}")
    themes = rng.sample(sorted(THEMES), len(THEMES))
    offsets = sorted(rng.uniform(0, slack) for _ in range(count))
    return tuple(
        Burst(
            onset_sec=round(first_after_sec + offset + min_gap_sec * number, 1),
            gain=round(rng.uniform(*gains), 2),
            decay_sec=round(rng.uniform(*decays_sec), 1),
            theme=themes[number % len(themes)],
        )
        for number, offset in enumerate(offsets)
    )
