"""The words people read: the texts of charts, statistics and reports in Korean and English, and how numbers look."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Final, Literal, get_args

Language = Literal["ko", "en"]

LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

# key → (Korean, English). Both sides must use the same placeholders; a test holds them to it.
TEXTS: Final[dict[str, tuple[str, str]]] = {
    # The chart.
    "chart.unnamed": ("이름 없는 방송인", "Unnamed streamer"),
    "chart.when": ("{date}  {start} – {end} KST", "{date}  {start} – {end} KST"),
    "chart.part": ("{part} / {parts}", "Part {part} of {parts}"),
    "chart.chats": ("채팅", "Chats"),
    "chart.per_minute": ("평균", "Average"),
    "chart.busiest": ("최고", "Busiest minute"),
    "chart.busiest_value": ("{count} ({clock})", "{count} at {clock}"),
    "chart.rate_value": ("{rate}/분", "{rate}/min"),
    "chart.donations": ("후원", "Donations"),
    "chart.viewers": ("최고 시청자", "Peak viewers"),
    "chart.coverage": ("수집률", "Coverage"),
    "chart.axis": ("분당 채팅 수", "Chats per minute"),
    "chart.axis_bin": ("{bin} 단위", "in steps of {bin}"),
    "chart.rate": ("채팅 추이", "Chat rate"),
    "chart.rolling": ("{window} 이동 평균", "{window} rolling mean"),
    "chart.peak": ("피크 (순위)", "Peak (rank)"),
    "chart.surges": ("급상승", "Surges"),
    "chart.gap": ("수집 공백", "Not collected"),
    "chart.empty": ("수집된 채팅이 없습니다", "No chat was collected"),
    "chart.best": ("피크", "Peaks"),
    "chart.best_hint": ("시각 · 방송 경과 · 채팅 수", "clock · into the broadcast · chats"),
    # `nokchart stats`. The Korean lines are an interface: people and scripts read them as they are.
    "stats.title": ("📊 NokChart Collection Statistics", "📊 NokChart Collection Statistics"),
    "stats.date": ("📅 {date}", "📅 {date}"),
    "stats.folder": ("📁 {folder}", "📁 {folder}"),
    "stats.airtime": (
        "⏱️  방송 시간: {start} ~ {end} ({minutes:.1f}분)",
        "⏱️  On air: {start} ~ {end} ({minutes:.1f} min)",
    ),
    "stats.chats": ("💬 채팅 수: {count:,}개", "💬 Chats: {count:,}"),
    "stats.donations": ("💰 후원 수: {count:,}개", "💰 Donations: {count:,}"),
    "stats.per_minute": ("📈 분당 채팅: {rate:,.1f}개/분", "📈 Chats per minute: {rate:,.1f}"),
    "stats.reconnects": ("✅ 재연결: {count:,}회", "✅ Reconnects: {count:,}"),
    "stats.coverage": ("📡 수집률: {coverage}", "📡 Coverage: {coverage}"),
    "stats.on_air": ("방송 중", "on air"),
    "stats.nothing": ("수집된 방송이 없습니다: {where}", "Nothing was collected: {where}"),
    # `nokchart live`.
    "live.on_air": ("방송 {count}", "{count} on air"),
    "live.nobody": ("방송 중인 채널이 없습니다", "Nobody is on air"),
    "live.collecting": ("수집 중", "collecting"),
    "live.no_collector": ("수집기가 꺼져 있습니다", "no collector is running"),
    "live.stalled": ("수집기 {name}: {ago} 동안 응답 없음", "collector {name}: silent for {ago}"),
    "live.away": ("{ago} 전 화면: {problem}", "As of {ago} ago: {problem}"),
    "live.rate": ("{rate}/초", "{rate}/s"),
    "live.viewers": ("시청 {count}", "{count} viewers"),
    "live.donations": ("후원 {count} · {amount}원", "{count} donations · {amount} KRW"),
    "live.peak": ("피크 {at} · {ago} 전 · {times}배", "peak {at} · {ago} ago · {times}x"),
    "live.not_collected": ("지금 수집되지 않습니다", "not being collected"),
    "live.missing": ("15분 중 {missing} 공백", "{missing} of 15 min missing"),
    "live.keys": ("q 종료 · {interval}초마다 · 그래프는 15분", "q quits · every {interval} s · graphs of 15 min"),
    "live.more": ("외 {count}개 채널", "{count} more channels"),
    # What `nokchart notify` sends.
    "notify.started": ("🔴 {streamer} 방송 시작", "🔴 {streamer} is on air"),
    "notify.ended": ("⚫ {streamer} 방송 종료", "⚫ {streamer} has ended"),
    "notify.peak": ("🔥 {streamer} {at} 채팅 급상승", "🔥 {streamer} at {at}: the chat erupts"),
    "notify.stalled": ("⚠️ 채팅 수집이 멈췄습니다", "⚠️ The collection has stalled"),
    "notify.recovered": ("✅ 채팅 수집이 다시 시작되었습니다", "✅ The collection goes on"),
    "notify.opened": ("{clock} 시작", "since {clock}"),
    "notify.lasted": ("방송 시간 {length}", "it lasted {length}"),
    "notify.reason": ("평소의 {times}배 ({score}σ)", "{times}x usual ({score} sigma)"),
    "notify.words": ("많이 나온 말: {words}", "they write: {words}"),
    "notify.late": ("{ago} 전", "{ago} ago"),
    "notify.silent": ("수집기 {name}: {clock}부터 응답 없음", "collector {name}: silent since {clock}"),
    "notify.back": ("수집기 {name}: {length} 만에 응답", "collector {name}: back after {length}"),
    "notify.database_silent": (
        "데이터베이스: {clock}부터 응답 없음. 수집기는 그동안 디스크에 저장합니다.",
        "database: no answer since {clock}; the collectors keep chat on disk meanwhile",
    ),
    "notify.database_back": ("데이터베이스: {length} 만에 응답", "database: back after {length}"),
    "notify.digest": ("NokChart 알림 {count}건", "NokChart: {count} messages"),
    "notify.more": ("외 {count}건은 생략되었습니다", "and {count} more that were left out"),
    "notify.test": ("NokChart 알림 시험", "A test of NokChart"),
    "notify.test_body": ("이 메시지가 보이면 알림이 설정된 것입니다.", "If you can read this, messages arrive here."),
    # Units and names of days.
    "unit.count": ("{number}개", "{number}"),
    "unit.hours": ("{number}시간", "{number} h"),
    "unit.minutes": ("{number}분", "{number} min"),
    "unit.seconds": ("{number}초", "{number} s"),
    "date.long": ("{year}년 {month}월 {day}일 ({weekday})", "{weekday} {day} {month} {year}"),
    "date.short": ("{month}월 {day}일 ({weekday})", "{weekday} {day} {month}"),
    "date.weekdays": ("월 화 수 목 금 토 일", "Mon Tue Wed Thu Fri Sat Sun"),
    "date.months": ("1 2 3 4 5 6 7 8 9 10 11 12", "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"),
}


def text(key: str, language: Language, **values: object) -> str:
    """The text of `key` in `language` with `values` put in; values are inserted as they are, never read as a template.

    Raises KeyError for a key that is not in the table or a placeholder without a value; ValueError for a language
    that is not in LANGUAGES.
    """
    if language not in LANGUAGES:
        raise ValueError(f"language is one of {', '.join(LANGUAGES)}, not {language!r}")
    return TEXTS[key][LANGUAGES.index(language)].format(**values)


def count(number: int, language: Language) -> str:
    """A number of things: 10,000개, 10,000."""
    return text("unit.count", language, number=f"{number:,}")


def decimal(number: float) -> str:
    """A rate with one decimal, none from a thousand on: 66.7, 1,234."""
    return f"{number:,.1f}" if abs(number) < 999.95 else f"{number:,.0f}"


def percent(share: float) -> str:
    """A share of 0 to 1 as a percentage, rounded down: 100% says that nothing at all is missing."""
    if share >= 1:
        return "100%"
    # The small addition undoes the binary fraction of products such as 0.29 * 1000.
    return f"{math.floor(share * 1000 + 1e-9) / 10:.1f}%"


def clock(moment: datetime) -> str:
    """The time of day, 13:00:00, in whatever zone `moment` is."""
    return f"{moment:%H:%M:%S}"


def elapsed(seconds: float) -> str:
    """A position in the broadcast as players write it, 1:02:03; fractions of a second are cut off."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def duration(seconds: float, language: Language) -> str:
    """A length of time in its two largest units: 2시간 30분, 1 min 20 s; nothing below a second."""
    whole = int(seconds)
    units = (("unit.hours", whole // 3600), ("unit.minutes", whole // 60 % 60), ("unit.seconds", whole % 60))
    first = next((index for index, (_, number) in enumerate(units) if number), len(units) - 1)
    shown = [(key, number) for index, (key, number) in enumerate(units) if first <= index < first + 2]
    return " ".join(text(key, language, number=number) for key, number in shown if number or len(units) - 1 == first)


def long_date(day: date, language: Language) -> str:
    """A date with its year and day of the week: 2026년 1월 8일 (목), Thu 8 Jan 2026."""
    return text("date.long", language, year=day.year, **_names(day, language))


def short_date(day: date, language: Language) -> str:
    """A date without its year: 1월 8일 (목), Thu 8 Jan."""
    return text("date.short", language, **_names(day, language))


def _names(day: date, language: Language) -> dict[str, object]:
    months, weekdays = (text(key, language).split() for key in ("date.months", "date.weekdays"))
    return {"month": months[day.month - 1], "day": day.day, "weekday": weekdays[day.weekday()]}
