"""Live: what the chat does now, where it erupts, and whether anything is missing."""

from typing import Any

from grafana_foundation_sdk.builders import common, stat
from grafana_foundation_sdk.models import common as commons

from grafana.parts import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    SOURCE,
    VERMILION,
    Page,
    Statement,
    bars,
    broadcast_link,
    by_channel,
    colour,
    field,
    hide,
    moment_link,
    moment_of_series,
    rows,
    series,
    stats,
    thresholds,
)
from grafana.words import Say


def live(say: Say) -> Page:
    """The page's panels, in the language of `say`."""
    page = Page()
    page.place(_now(say), 0, 0, 24, 4)
    page.place(_broadcasts(say), 0, 4, 16, 8)
    page.place(_sparks(say), 16, 4, 8, 8)
    page.place(_chat_rate(say), 0, 12, 24, 10)
    page.place(_viewers(say), 0, 22, 8, 8)
    page.place(_engagement(say), 8, 22, 8, 8)
    page.place(_donations(say), 16, 22, 8, 8)
    page.place(_latest_donations(say), 0, 30, 16, 9)
    page.place(_top_chatters(say), 16, 30, 8, 9)
    return page


def _now(say: Say) -> Any:
    panel = stats(
        "live_now", say("지금", "Now"), say("방송 중인 채널을 모두 더한 값입니다.", "All channels on air together.")
    )
    field(panel, "on_air", say("방송 중", "On air"), color=colour(BLUE))
    field(panel, "chats_per_sec", say("채팅/초", "Chats a second"), decimals=1, color=colour(BLUE))
    field(panel, "viewers", say("시청자", "Viewers"), unit="short", color=colour(BLUE))
    field(panel, "donation_amount", say("후원 (1시간)", "Donations (1 h)"), unit="currencyKRW", color=colour(ORANGE))
    missing = thresholds((None, GREEN), (1, VERMILION))
    field(panel, "open_gaps", say("수집 공백", "Open gaps"), thresholds=missing, color={"mode": "thresholds"})
    late = thresholds((None, GREEN), (30, ORANGE), (120, VERMILION))
    name = say("수집기 신호", "Collector seen")
    field(panel, "heartbeat_age_sec", name, unit="s", decimals=0, thresholds=late, color={"mode": "thresholds"})
    return panel.no_value("–")


def _broadcasts(say: Say) -> Any:
    about = say(
        "뜨거운 순서입니다. ‘평소 대비’는 최근 1분의 채팅을 그 전 한 시간의 평균과 견준 값입니다.",
        "The most excited first. “Usual” compares the last minute with the mean of the hour before.",
    )
    panel = rows("live_broadcasts", say("방송 중인 채널", "Channels on air"), about)
    open_it = [broadcast_link(say)]
    field(panel, "channel", say("채널", "Channel"), links=open_it, custom__width=130)
    field(panel, "title", say("제목", "Title"), links=open_it)
    field(panel, "category", say("카테고리", "Category"), custom__width=130)
    field(panel, "viewers", say("시청자", "Viewers"), unit="short", custom__width=80)
    field(panel, "chats_per_sec", say("채팅/초", "Chats/s"), decimals=1, custom__width=80)
    field(
        panel,
        "times_usual",
        say("평소 대비", "Usual"),
        unit="suffix:×",
        decimals=1,
        min=0,
        max=4,
        custom__width=150,
        custom__cellOptions={"type": "gauge", "mode": "basic", "valueDisplayMode": "text"},
        thresholds=thresholds((None, BLUE), (1.5, ORANGE), (2.5, VERMILION)),
        color={"mode": "thresholds"},
    )
    field(panel, "opened_at", say("시작", "Since"), unit="dateTimeFromNow", custom__width=110)
    hide(panel, "channel_id", "stream_id", "from_ms", "to_ms")
    return panel


def _sparks(say: Say) -> Any:
    panel = (
        stat.Panel()
        .title(say("채팅/초, 채널별", "Chats a second, by channel"))
        .description(say("선은 지금 보고 있는 시간 범위입니다.", "The lines are over the range that you look at."))
        .datasource(SOURCE)
        .with_target(Statement("live_chat_rate", time_series=True))
        .max_data_points(60)
        .reduce_options(common.ReduceDataOptions().calcs(["last"]).fields("").values(False))
        .graph_mode(commons.BigValueGraphMode.AREA)
        .color_mode(commons.BigValueColorMode.VALUE)
        .text_mode(commons.BigValueTextMode.VALUE_AND_NAME)
        .decimals(1)
        .no_value(say("방송 끝", "off air"))
    )
    by_channel(panel)
    return panel


def _chat_rate(say: Say) -> Any:
    about = say(
        "확대하면 1초까지 촘촘해집니다. 공백과 방송이 없는 시간은 0이 아니라 빈칸입니다.",
        "Zoom in for up to one second. Gaps and time off air are empty, not zero.",
    )
    panel = (
        series("live_chat_rate", say("채팅 속도", "Chat rate"), about, 400, "$bucket").unit("suffix: /s").decimals(1)
    )
    by_channel(panel, moment_of_series(say))
    return panel


def _viewers(say: Say) -> Any:
    about = say("표본의 평균입니다.", "The mean of the samples.")
    panel = series("live_viewers", say("시청자", "Viewers"), about, 150, "1m").unit("short")
    by_channel(panel, moment_of_series(say))
    return panel


def _engagement(say: Say) -> Any:
    about = say(
        "시청자 100명이 1분에 쓰는 채팅입니다. 방송의 크기와 상관없이 견줄 수 있습니다.",
        "Chats a minute of 100 viewers: comparable whatever the size of the broadcast.",
    )
    title = say("시청자 100명당 채팅/분", "Chats a minute of 100 viewers")
    panel = series("live_engagement", title, about, 150, "5m").decimals(1)
    by_channel(panel, moment_of_series(say))
    return panel


def _donations(say: Say) -> Any:
    about = say("원. 구간마다 더한 값입니다.", "KRW, summed by bucket.")
    panel = bars("live_donations", say("후원", "Donations"), about, 100).unit("currencyKRW")
    by_channel(panel, moment_of_series(say))
    return panel


def _latest_donations(say: Say) -> Any:
    title = say("최근 후원", "Latest donations")
    panel = rows(
        "live_latest_donations", title, say("가려진 후원은 빼고, 새것부터.", "Newest first; hidden ones left out.")
    )
    field(panel, "time", say("시각", "Time"), unit="time:HH:mm:ss", links=[moment_link(say)], custom__width=90)
    field(panel, "channel", say("채널", "Channel"), custom__width=130)
    cell = {"type": "color-text"}
    steps = thresholds((None, GREY), (10_000, ORANGE), (100_000, VERMILION))
    name = say("금액", "Amount")
    field(panel, "amount", name, unit="currencyKRW", custom__width=110, custom__cellOptions=cell, thresholds=steps)
    field(panel, "nickname", say("누가", "Who"), custom__width=150)
    field(panel, "content", say("메시지", "Message"))
    hide(panel, "channel_id", "stream_id", "from_ms", "to_ms", "moment_ms")
    return panel


def _top_chatters(say: Say) -> Any:
    title = say("많이 쓰는 사람 (5분)", "Top chatters (5 min)")
    panel = rows("live_top_chatters", title, say("범위의 마지막 5분입니다.", "The last five minutes of the range."))
    field(panel, "nickname", say("누가", "Who"))
    field(panel, "channel", say("채널", "Channel"), custom__width=130)
    cell = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
    field(panel, "chats", say("채팅", "Chats"), min=0, color=colour(BLUE), custom__width=140, custom__cellOptions=cell)
    return panel
