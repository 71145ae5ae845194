"""The words people read: both languages say the same, and numbers look the same everywhere."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from string import Formatter

import pytest

from analytics import language as words
from analytics.language import LANGUAGES, TEXTS, Language, text


def _placeholders(template: str) -> set[str]:
    return {field for _, field, _, _ in Formatter().parse(template) if field is not None}


@pytest.mark.parametrize("key", sorted(TEXTS))
def test_every_text_has_both_languages_with_the_same_placeholders(key: str) -> None:
    korean, english = TEXTS[key]
    assert korean.strip()
    assert english.strip()
    assert _placeholders(korean) == _placeholders(english)
    assert not any("가" <= char <= "힣" for char in english)


def test_the_lines_of_stats_are_those_of_the_old_tool() -> None:
    assert text("stats.title", "ko") == "📊 NokChart Collection Statistics"
    airtime = text("stats.airtime", "ko", start="13:00:00", end="15:30:00", minutes=150)
    assert airtime == "⏱️  방송 시간: 13:00:00 ~ 15:30:00 (150.0분)"
    assert text("stats.chats", "ko", count=10_000) == "💬 채팅 수: 10,000개"
    assert text("stats.donations", "ko", count=50) == "💰 후원 수: 50개"
    assert text("stats.per_minute", "ko", rate=10_000 / 150) == "📈 분당 채팅: 66.7개/분"
    assert text("stats.reconnects", "ko", count=0) == "✅ 재연결: 0회"


def test_values_are_never_read_as_templates() -> None:
    assert text("stats.folder", "en", folder="{0.__class__} {x}") == "📁 {0.__class__} {x}"


def test_what_is_not_there_is_an_error() -> None:
    unknown: Language = "fr"  # type: ignore[assignment]
    with pytest.raises(ValueError, match="ko, en"):
        text("chart.chats", unknown)
    with pytest.raises(KeyError):
        text("chart.no_such_text", "ko")
    with pytest.raises(KeyError):
        text("stats.chats", "ko")


@pytest.mark.parametrize(
    ("seconds", "korean", "english"),
    [
        (0, "0초", "0 s"),
        (59.9, "59초", "59 s"),
        (60, "1분", "1 min"),
        (80, "1분 20초", "1 min 20 s"),
        (9_000, "2시간 30분", "2 h 30 min"),
        (3_605, "1시간", "1 h"),
        (90_000, "25시간", "25 h"),
    ],
)
def test_duration(seconds: float, korean: str, english: str) -> None:
    assert words.duration(seconds, "ko") == korean
    assert words.duration(seconds, "en") == english


def test_numbers() -> None:
    assert words.count(10_000, "ko") == "10,000개"
    assert words.count(10_000, "en") == "10,000"
    assert [words.decimal(number) for number in (0, 66.66, 999.9, 999.96, 12_345.6)] == [
        "0.0",
        "66.7",
        "999.9",
        "1,000",
        "12,346",
    ]
    assert [words.elapsed(seconds) for seconds in (0, 59.9, 3_723, 90_000)] == [
        "0:00:00",
        "0:00:59",
        "1:02:03",
        "25:00:00",
    ]


def test_a_percentage_never_hides_what_is_missing() -> None:
    assert words.percent(1.0) == "100%"
    assert words.percent(0.9999999) == "99.9%"
    assert words.percent(0.29) == "29.0%"
    assert words.percent(0.0) == "0.0%"


@pytest.mark.parametrize("language", LANGUAGES)
def test_dates_name_every_month_and_day(language: Language) -> None:
    assert len({words.short_date(date(2026, month, 1), language) for month in range(1, 13)}) == 12
    assert (
        words.long_date(date(2026, 1, 8), language) == {"ko": "2026년 1월 8일 (목)", "en": "Thu 8 Jan 2026"}[language]
    )
    assert words.short_date(date(2026, 1, 9), language) == {"ko": "1월 9일 (금)", "en": "Fri 9 Jan"}[language]


def test_the_words_need_no_chart_library() -> None:
    code = "import analytics.language, sys; sys.exit(any(name in sys.modules for name in ('matplotlib', 'pandas')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
