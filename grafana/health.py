"""Collection health: can what was collected be trusted, and does the machine have room."""

from typing import Any

from grafana.parts import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PALETTE,
    VERMILION,
    Page,
    bars,
    broadcast_link,
    colour,
    field,
    gauges,
    hide,
    rows,
    series,
    stats,
    thresholds,
)
from grafana.words import Say

_BY_THRESHOLDS = {"mode": "thresholds"}
_COVERAGE = thresholds((None, VERMILION), (95, ORANGE), (99, GREEN))


def health(say: Say) -> Page:
    """The page's panels, in the language of `say`."""
    page = Page()
    page.place(_now(say), 0, 0, 24, 4)
    page.place(_coverage(say), 0, 4, 8, 9)
    page.place(_gaps(say), 8, 4, 16, 9)
    page.place(_missing(say), 0, 13, 12, 7)
    page.place(_reconnects(say), 12, 13, 12, 7)
    page.place(_stored(say), 0, 20, 12, 7)
    page.place(_delay(say), 12, 20, 12, 7)
    page.place(_collectors(say), 0, 27, 24, 6)
    page.place(_storage(say), 0, 33, 10, 8)
    page.place(_jobs(say), 10, 33, 14, 8)
    return page


def _now(say: Say) -> Any:
    panel = stats(
        "health_now", say("지금", "Now"), say("수집률은 보고 있는 범위의 값입니다.", "Coverage is of the range.")
    ).no_value("–")
    field(
        panel,
        "coverage",
        say("수집률", "Coverage"),
        unit="percent",
        decimals=2,
        thresholds=_COVERAGE,
        color=_BY_THRESHOLDS,
    )
    none = thresholds((None, GREEN), (1, VERMILION))
    field(panel, "open_gaps", say("열린 공백", "Open gaps"), thresholds=none, color=_BY_THRESHOLDS)
    some = thresholds((None, VERMILION), (1, GREEN))
    field(panel, "collectors", say("수집기", "Collectors"), thresholds=some, color=_BY_THRESHOLDS)
    late = thresholds((None, GREEN), (30, ORANGE), (120, VERMILION))
    seen = say("수집기 신호", "Collector seen")
    field(panel, "heartbeat_age_sec", seen, unit="s", decimals=0, thresholds=late, color=_BY_THRESHOLDS)
    slow = thresholds((None, GREEN), (2, ORANGE), (10, VERMILION))
    field(
        panel, "delay_sec", say("저장까지", "Until stored"), unit="s", decimals=2, thresholds=slow, color=_BY_THRESHOLDS
    )
    spool = thresholds((None, GREEN), (1, ORANGE), (500_000_000, VERMILION))
    field(panel, "spool_bytes", say("스풀", "Spool"), unit="bytes", thresholds=spool, color=_BY_THRESHOLDS)
    field(panel, "dropped", say("버린 메시지", "Dropped"), unit="locale", thresholds=none, color=_BY_THRESHOLDS)
    room = thresholds((None, GREEN), (15_000_000_000, ORANGE), (20_000_000_000, VERMILION))
    field(panel, "database_bytes", say("데이터베이스", "Database"), unit="bytes", thresholds=room, color=_BY_THRESHOLDS)
    return panel


def _coverage(say: Say) -> Any:
    about = say("방송 시간 가운데 수집한 몫입니다.", "The share of the time on air that was collected.")
    panel = gauges("health_coverage", say("채널별 수집률", "Coverage by channel"), about)
    panel.unit("percent").decimals(2).min(90).max(100)
    field(panel, "coverage", say("수집률", "Coverage"), thresholds=_COVERAGE, color=_BY_THRESHOLDS)
    return panel


def _gaps(say: Say) -> Any:
    panel = rows("health_gaps", say("공백", "Gaps"), say("새것부터.", "Newest first."))
    open_it = [broadcast_link(say)]
    field(panel, "time", say("부터", "From"), unit="time:MM-DD HH:mm:ss", links=open_it, custom__width=140)
    field(panel, "channel", say("채널", "Channel"), links=open_it, custom__width=150)
    field(panel, "missing_sec", say("길이", "Length"), unit="s", decimals=1, custom__width=110)
    field(panel, "cause", say("까닭", "Cause"))
    states = {
        "open": {"text": say("열림", "open"), "color": VERMILION, "index": 0},
        "missing": {"text": say("빠짐", "missing"), "color": ORANGE, "index": 1},
        "repaired": {"text": say("복구", "repaired"), "color": GREEN, "index": 2},
    }
    field(
        panel,
        "state",
        say("상태", "State"),
        mappings=[{"type": "value", "options": states}],
        custom__width=90,
        custom__cellOptions={"type": "color-text"},
    )
    hide(panel, "channel_id", "stream_id", "from_ms", "to_ms")
    return panel


def _missing(say: Say) -> Any:
    about = say("공백이 시작된 구간에 더합니다.", "Counted where the gap began.")
    panel = bars("health_missing", say("빠진 시간, 까닭별", "Time missing, by cause"), about, 100).unit("s")
    field(panel, "value", "${__field.labels.cause}", color=PALETTE)
    return panel


def _reconnects(say: Say) -> Any:
    about = say("방송 중에 끊긴 연결입니다.", "Connections that ended while the broadcast went on.")
    panel = bars("health_reconnects", say("끊긴 연결, 까닭별", "Lost connections, by cause"), about, 100).decimals(0)
    field(panel, "value", "${__field.labels.cause}", color=PALETTE)
    return panel


def _stored(say: Say) -> Any:
    about = say("모든 채널의 채팅과 후원입니다.", "Chats and donations of all channels.")
    panel = (
        series("health_rows", say("저장한 행/초", "Rows stored a second"), about, 400, "1m")
        .unit("suffix: /s")
        .decimals(1)
    )
    field(panel, "rows_per_sec", say("행/초", "rows/s"), color=colour(BLUE))
    return panel


def _delay(say: Say) -> Any:
    about = say(
        "치지직의 시각부터 받은 때까지, 표본으로. 범위의 마지막 하루만 보여 줍니다.",
        "From Chzzk's time to the receipt, sampled; the last day of the range only.",
    )
    panel = series("health_delay", say("지연", "Delay"), about, 150, "1m").unit("s")
    field(panel, "median", say("중앙값", "median"), color=colour(BLUE))
    field(panel, "slowest", say("느린 5%", "slowest 5 %"), color=colour(ORANGE), custom__fillOpacity=0)
    return panel


def _collectors(say: Say) -> Any:
    panel = rows(
        "health_collectors", say("수집기", "Collectors"), say("지난 하루의 수집기입니다.", "Those of the last day.")
    )
    states = {
        "running": {"text": say("동작", "running"), "color": GREEN, "index": 0},
        "silent": {"text": say("응답 없음", "silent"), "color": VERMILION, "index": 1},
        "stopped": {"text": say("멈춤", "stopped"), "color": GREY, "index": 2},
    }
    field(panel, "collector_id", say("수집기", "Collector"))
    field(
        panel,
        "state",
        say("상태", "State"),
        mappings=[{"type": "value", "options": states}],
        custom__cellOptions={"type": "color-text"},
    )
    field(panel, "heartbeat_age_sec", say("신호", "Seen"), unit="s", decimals=0)
    field(panel, "up_sec", say("켜진 동안", "Up"), unit="s", decimals=1)
    field(panel, "channels", say("채널", "Channels"))
    field(panel, "live", say("방송 중", "On air"))
    field(panel, "events", say("저장", "Stored"), unit="short")
    field(panel, "rejected", say("거부", "Rejected"), unit="short")
    field(panel, "dropped", say("버림", "Dropped"), unit="short")
    field(panel, "queued", say("대기", "Queued"), unit="short")
    field(panel, "spool_bytes", say("스풀", "Spool"), unit="bytes")
    field(panel, "delay_sec", say("저장까지", "Until stored"), unit="s", decimals=2, noValue="–")
    return panel


def _storage(say: Say) -> Any:
    about = say("압축은 줄어든 배수입니다.", "Compression: how many times smaller.")
    panel = rows("health_storage", say("저장 공간", "Storage"), about)
    cell = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
    field(panel, "relation", say("테이블", "Relation"), custom__width=130)
    field(panel, "bytes", say("크기", "Size"), unit="bytes", min=0, color=colour(BLUE), custom__cellOptions=cell)
    field(panel, "chunks", say("청크", "Chunks"), custom__width=80)
    field(panel, "compressed_chunks", say("압축됨", "Compressed"), custom__width=100)
    field(panel, "compression", say("압축", "Compression"), unit="suffix:×", decimals=1, custom__width=110, noValue="–")
    return panel


def _jobs(say: Say) -> Any:
    about = say("TimescaleDB가 스스로 하는 일입니다.", "What TimescaleDB does by itself.")
    panel = rows("health_jobs", say("데이터베이스 작업", "Jobs of the database"), about)
    late = thresholds((None, GREEN), (600, ORANGE), (7200, VERMILION))
    failed = thresholds((None, GREEN), (1, VERMILION))
    text = {"custom__cellOptions": {"type": "color-text"}, "color": _BY_THRESHOLDS}
    field(panel, "job", say("작업", "Job"), custom__width=110)
    field(panel, "relation", say("테이블", "Relation"), custom__width=120)
    field(panel, "last_success_at", say("마지막 성공", "Last success"), unit="dateTimeFromNow", custom__width=130)
    field(panel, "next_start_at", say("다음", "Next"), unit="dateTimeFromNow", custom__width=130)
    field(panel, "late_sec", say("늦음", "Late"), unit="s", decimals=0, thresholds=late, custom__width=90, **text)
    field(panel, "failures", say("실패", "Failures"), thresholds=failed, custom__width=80, **text)
    field(panel, "last_error", say("마지막 오류", "Last error"))
    return panel
