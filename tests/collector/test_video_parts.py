"""The parts of a video, found from pages of its chat: against a video that is cut at will."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from hypothesis import given
from hypothesis import strategies as st

from collector.chzzk.videos import ChatPage, Said
from collector.video_parts import Part, parts_of

OPENED_MS = 1_767_697_200_000
PAGE_MS = 45_000


@dataclass
class Cut:
    """A video of a broadcast: it begins so late, and stretches of the broadcast are not in it."""

    length_ms: int
    said_every_ms: int
    late_ms: int = 0
    cuts: Sequence[tuple[int, int]] = ()
    """From where in the broadcast, how long; both in ms."""
    noise_ms: int = 0
    asked: int = 0

    def parts(self) -> list[Part]:
        """What is to be found."""
        lost = self.late_ms
        found = [Part(0, OPENED_MS + lost)]
        for at_ms, cut_ms in self.cuts:
            begin = at_ms - lost
            lost += cut_ms
            found.append(Part(begin, OPENED_MS + lost))
        return found

    @property
    def duration_ms(self) -> int:
        """Of the video."""
        return self.length_ms - self.late_ms - sum(cut_ms for _, cut_ms in self.cuts)

    @cached_property
    def chat(self) -> list[Said]:
        """All that was said and is in the video."""
        found = []
        parts = self.parts()
        ends_ms = [*(part.from_ms for part in parts[1:]), self.duration_ms]
        for part, end_ms in zip(parts, ends_ms, strict=True):
            first = part.shift_ms + part.from_ms - OPENED_MS
            for at in range(-(-first // self.said_every_ms) * self.said_every_ms, self.length_ms, self.said_every_ms):
                place = OPENED_MS + at - part.shift_ms
                if place >= end_ms:
                    break
                noise = self.noise_ms * (at // self.said_every_ms % 3 - 1)
                found.append(Said(OPENED_MS + at + noise, place))
        return found

    async def page(self, from_ms: int) -> ChatPage:
        """As the server answers."""
        self.asked += 1
        begin, end = (bisect_left(self.chat, ms, key=lambda said: said.video_ms) for ms in (from_ms, from_ms + PAGE_MS))
        more = from_ms + PAGE_MS < self.duration_ms
        return ChatPage(
            self.chat[max(0, begin - 50) : begin], self.chat[begin:end], from_ms + PAGE_MS if more else None
        )


def found_in(video: Cut) -> list[Part]:
    return asyncio.run(parts_of(video.page, video.duration_ms))


@st.composite
def videos(draw: st.DrawFn) -> Cut:
    length_ms = draw(st.integers(20 * 60_000, 8 * 3_600_000))
    late_ms = draw(st.integers(0, 60_000))
    cuts: list[tuple[int, int]] = []
    at_ms = late_ms + 60_000
    for _ in range(draw(st.integers(0, 3))):
        at_ms += draw(st.integers(60_000, 3_600_000))
        cut_ms = draw(st.integers(5_000, 1_800_000))
        if at_ms + cut_ms + 120_000 > length_ms:
            break
        cuts.append((at_ms, cut_ms))
        at_ms += cut_ms
    return Cut(length_ms, draw(st.integers(700, 9_000)), late_ms, cuts, draw(st.integers(0, 300)))


@given(videos())
def test_every_cut_is_found_where_it_is(video: Cut) -> None:
    wanted, found = video.parts(), found_in(video)
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        # as exactly as somebody wrote there
        assert 0 <= one.from_ms - other.from_ms <= video.said_every_ms
        assert abs(one.shift_ms - other.shift_ms) <= video.noise_ms
    assert video.asked <= 2 + 20 * (len(wanted) - 1)


def test_a_whole_video_takes_two_questions() -> None:
    video = Cut(12 * 3_600_000, 2_000, late_ms=2_340)
    assert found_in(video) == [Part(0, OPENED_MS + 2_340)]
    assert video.asked == 2


def test_long_silence_at_the_beginning_is_waited_out() -> None:
    video = Cut(3_600_000, 1_000, late_ms=2_000, cuts=[(5_000, 3_000)])
    video.chat = [one for one in video.chat if one.video_ms > 1_500_000]
    assert found_in(video) == [Part(0, OPENED_MS + 5_000)]  # the cut before anybody spoke: nobody can know


def test_a_video_without_chat_tells_nothing() -> None:
    video = Cut(3_600_000, 1_000)
    video.chat = []
    assert found_in(video) == []
    assert video.asked == 1


def test_one_wrong_clock_is_outvoted() -> None:
    video = Cut(3_600_000, 1_000, late_ms=2_000)
    for liar in (0, 1, -1):
        video.chat[liar] = Said(video.chat[liar].at_ms + 3_600_000, video.chat[liar].video_ms)
    assert found_in(video) == [Part(0, OPENED_MS + 2_000)]
