"""The picture: it fits any terminal, whatever people call themselves, and shows what is there and what is not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from analytics.harmless import one_line
from analytics.language import LANGUAGES, Language
from analytics.live_view import LiveChannel, LiveCollector, LivePeak, LiveView
from nokchart.live_view import Picture

NOW = datetime(2026, 1, 6, 12, 0, tzinfo=UTC)
PEAK = LivePeak(3500, 3515, 3500, 300, 8.1, 3.2, ["surge z=8.1"], ["고점", "ㄷㄷ"], True)


def channel(name: str = "달빛너굴", **more: Any) -> LiveChannel:
    values: dict[str, Any] = {
        "channel_id": "c" * 32,
        "stream_id": name,
        "streamer": name,
        "title": "새벽감성 노래방송 🎤 신청곡 받아요",
        "category": "talk",
        "opened_at": NOW - timedelta(seconds=3600),
        "closed_at": None,
        "elapsed_sec": 3600,
        "viewers": 12_345,
        "viewers_at": NOW,
        "chats_per_sec": 12.3,
        "excitement": 1.0,
        "chats_15min": [1.0] * 80 + [8.0] * 10,
        "donations_15min": 3,
        "donated_15min": 12_000,
        "missing_15min": 0,
        "gap_open": False,
        "peaks": [],
    }
    return LiveChannel(**{**values, **more})


def view(*channels: LiveChannel, collectors: list[LiveCollector] | None = None) -> LiveView:
    alive = [LiveCollector("host:1", NOW, 1.0, False, False, 3, 1, 0, 0, 0.5)]
    return LiveView(NOW, list(channels), alive if collectors is None else collectors)


def drawn(
    seen: LiveView, width: int = 80, height: int | None = 24, language: Language = "ko", away: Any = None
) -> list[str]:
    lines = [line.plain for line in Picture(language, 2).draw(seen, width, height, away)]
    assert all(cell_len(line) <= width for line in lines), lines
    assert height is None or len(lines) <= height
    return lines


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (40, 10), (20, 5), (10, 3), (3, 2), (1, 1)])
@pytest.mark.parametrize("channels", [0, 1, 4, 30])
def test_it_fits(language: Language, width: int, height: int, channels: int) -> None:
    several = [channel(f"방송인 {number}", peaks=[PEAK] * (number % 2)) for number in range(channels)]
    drawn(view(*several), width, height, language)
    drawn(view(*several), width, height, language, ("The database does not answer.", 75.0))


@settings(max_examples=50)
@given(st.text(max_size=60), st.text(max_size=200), st.integers(10, 130))
def test_it_fits_whatever_they_are_called(name: str, title: str, width: int) -> None:
    seen = view(channel(one_line(name), title=one_line(title)), channel(one_line(title)))
    drawn(seen, width, 24)
    drawn(seen, width, 5)


def test_a_channel_in_three_lines() -> None:
    lines = drawn(view(channel(peaks=[PEAK])))
    assert lines[0].split() == ["NokChart", "방송", "1", "●", "수집", "중", "21:00:00"]
    assert lines[2].startswith("▌ 달빛너굴  새벽감성 노래방송 🎤 신청곡 받아요")
    assert lines[2].endswith("1:00:00 ")
    assert "12.3/초" in lines[3]
    assert "시청 12,345" in lines[3]
    assert lines[3].rstrip()[-1] == "█"
    assert lines[4].startswith("▌ ▲ 피크 0:58:20 · 1분 40초 전 · 3.2배  고점 · ㄷㄷ")
    assert lines[-1].strip() == "q 종료 · 2초마다 · 그래프는 15분"
    assert len(lines) == 24


def test_a_gap_is_a_hole_and_no_zero() -> None:
    steps: list[float | None] = [*[2.0] * 30, *[None] * 30, *[0.0] * 30]
    graph = drawn(view(channel(chats_15min=steps, missing_15min=300)), width=130)[3].rstrip()[-90:]
    assert graph == "█" * 30 + "░" * 30 + "▁" * 30
    assert "15분 중 5분 공백" in drawn(view(channel(missing_15min=300)))[4]
    assert "지금 수집되지 않습니다" in drawn(view(channel(gap_open=True)))[4]


def test_before_the_broadcast_there_is_nothing() -> None:
    steps: list[float | None] = [*[None] * 84, *[1.0] * 6]
    line = drawn(view(channel(elapsed_sec=62, chats_15min=steps)), width=130)[3]
    assert "░" not in line
    assert line.endswith("█" * 6)


def test_silence_and_what_is_not_known() -> None:
    line = drawn(view(channel(chats_15min=[0.0] * 90, chats_per_sec=None, viewers=None)))[3]
    assert "–/초" in line
    assert "▁" in line


def test_many_channels_are_rows_and_those_that_do_not_fit_are_counted() -> None:
    lines = drawn(view(*(channel(f"방송인{number}", peaks=[PEAK]) for number in range(30))))
    assert "방송인0 " in lines[2]
    assert "▲ 고점" in lines[2]
    assert "방송인20" in lines[22]
    assert lines[23].endswith("외 9개 채널 ")


def test_all_of_them_without_a_height() -> None:
    lines = drawn(view(*(channel(f"방송인{number}") for number in range(30))), height=None)
    assert sum("방송인" in line for line in lines) == 30


def test_the_state_of_the_collection() -> None:
    (one,) = view().collectors
    assert "수집기가 꺼져 있습니다" in drawn(view(collectors=[]))[0]
    assert "수집기가 꺼져 있습니다" in drawn(view(collectors=[replace(one, stopped=True)]))[0]
    stalled = replace(one, stalled=True, silent_sec=190.0)
    assert "수집기 host:1: 3분 10초 동안 응답 없음" in drawn(view(collectors=[one, stalled]))[0]
    away = drawn(view(channel()), away=("The database went away (x): start it.", 12.4))
    assert away[0].startswith(" NokChart  방송 1  12초 전 화면: The database went away")
    assert "방송 중인 채널이 없습니다" in "".join(drawn(view()))
