"""Where the moments of a broadcast went in its video: the stretches of it without a cut, by what was said in them.

A message has two times: when it was said, and how far into the video that is. Their difference, the shift, is the same
until something was cut out; from there on it is larger. So what was said at the beginning and at the end tells whether
anything was, and halving tells where.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import median_low

from collector.chzzk.videos import ChatPage, Said

# Said within so much of each other: together they tell the shift, whatever one of them says.
_TOGETHER_MS = 5_000

# Less is not a cut that anybody would notice.
_LEAST_CUT_MS = 2_000

# Once a cut is known to within this, each message is asked on which side of it it is.
_CLOSE_MS = 10_000

# Pages without a message, one after the other, until nothing more is expected: an hour.
_SILENT_PAGES = 80

Ask = Callable[[int], Awaitable[ChatPage]]
"""The page of chat that begins so many ms into the video."""


@dataclass(frozen=True)
class Part:
    """A stretch of a video without a cut, until the next one begins."""

    from_ms: int
    """Into the video."""
    shift_ms: int
    """From the place in the video to the time when it was on air, in ms since 1970."""


async def parts_of(ask: Ask, duration_ms: int) -> list[Part]:
    """The parts of a video of that length, in order; none where its chat does not tell. Raises what `ask` does."""
    end = await ask(duration_ms)
    last = _shift([*end.before, *end.said][::-1])
    if last is None:
        return []  # nobody ever said anything
    first = await _shift_from(ask, 0)
    if first is None:
        return []
    return [Part(0, first), *await _cuts(ask, Part(0, first), Part(duration_ms, last))]


async def _cuts(ask: Ask, low: Part, high: Part) -> list[Part]:
    """The parts that begin after `low`, up to `high`; of both the shift of what is said next is known."""
    if abs(high.shift_ms - low.shift_ms) < _LEAST_CUT_MS:
        return []
    if high.from_ms - low.from_ms <= _CLOSE_MS:
        beyond = (low.shift_ms + high.shift_ms) / 2
        page = await ask(low.from_ms)
        after = [
            said.video_ms
            for said in page.said
            if said.video_ms > low.from_ms and (said.at_ms - said.video_ms > beyond) == (high.shift_ms > beyond)
        ]
        return [Part(min(after, default=high.from_ms), high.shift_ms)]
    half = (low.from_ms + high.from_ms) // 2
    shift = await _shift_from(ask, half)
    middle = Part(half, high.shift_ms if shift is None else shift)
    return [*await _cuts(ask, low, middle), *await _cuts(ask, middle, high)]


async def _shift_from(ask: Ask, from_ms: int) -> int | None:
    """The shift of what is said next, or None where nothing is."""
    for _ in range(_SILENT_PAGES):
        page = await ask(from_ms)
        if (shift := _shift([said for said in page.said if said.video_ms >= from_ms])) is not None:
            return shift
        if page.next_ms is None:
            break
        from_ms = page.next_ms
    return None


def _shift(chat: Sequence[Said]) -> int | None:
    """The shift of the first message, as those around it see it too."""
    together = [said for said in chat if abs(said.video_ms - chat[0].video_ms) < _TOGETHER_MS]
    return median_low(said.at_ms - said.video_ms for said in together) if together else None
