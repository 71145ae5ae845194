"""Channels: what was on air over weeks, who had the most, and when."""

from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import common as commons
from grafana_foundation_sdk.models import dashboard as models

from grafana.parts import (
    BLUE,
    GREY,
    ORANGE,
    PALETTE,
    Page,
    bars,
    broadcast_link,
    colour,
    field,
    hide,
    link,
    moment_link,
    rows,
    stats,
)
from grafana.words import Say


def channels(say: Say) -> Page:
    """The page's panels, in the language of `say`."""
    page = Page()
    page.place(_totals(say), 0, 0, 24, 4)
    page.place(_ranking(say), 0, 4, 24, 9)
    page.place(_by_day(say, "channels_hours_by_day", say("방송 시간, 하루", "Hours on air, by day"), "h"), 0, 13, 12, 8)
    page.place(_by_day(say, "channels_chats_by_day", say("채팅, 하루", "Chats, by day"), "short"), 12, 13, 12, 8)
    page.place(
        _by_day(say, "channels_chatters_by_day", say("채팅한 사람, 하루", "Chatters, by day"), "short"), 0, 21, 12, 8
    )
    donations = say("후원, 하루", "Donations, by day")
    page.place(_by_day(say, "channels_donations_by_day", donations, "currencyKRW"), 12, 21, 12, 8)
    page.place(_week(say), 0, 29, 24, 9)
    page.place(_best_peaks(say), 0, 38, 12, 11)
    page.place(_broadcasts(say), 12, 38, 12, 11)
    return page


def _totals(say: Say) -> Any:
    about = say("범위 안에서 시작한 방송입니다.", "Broadcasts that opened in the range.")
    panel = stats("channels_totals", say("모두", "All together"), about).no_value("–")
    field(panel, "broadcasts", say("방송", "Broadcasts"), unit="locale", color=colour(GREY))
    field(panel, "aired_sec", say("방송 시간", "On air"), unit="s", decimals=1, color=colour(GREY))
    field(panel, "chats", say("채팅", "Chats"), unit="short", color=colour(BLUE))
    field(panel, "chatters", say("채팅한 사람", "Chatters"), unit="short", color=colour(BLUE))
    field(panel, "donations", say("후원 횟수", "Donations"), unit="short", color=colour(ORANGE))
    field(panel, "donation_amount", say("후원 금액", "Donated"), unit="currencyKRW", color=colour(ORANGE))
    return panel


def _ranking(say: Say) -> Any:
    about = say("머리글을 누르면 그 순서로 늘어섭니다.", "A click on a heading sorts by it.")
    panel = rows("channels_ranking", say("채널 순위", "Channels"), about)
    only = link(
        say("이 채널만", "This channel only"),
        "/d/nokchart-channels?var-channel=${__data.fields.channel_id}&${__url_time_range}",
    )
    cell = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
    field(panel, "channel", say("채널", "Channel"), links=[only])
    field(panel, "broadcasts", say("방송", "Broadcasts"), custom__width=90)
    field(panel, "aired_sec", say("방송 시간", "On air"), unit="s", decimals=1, custom__width=110)
    field(panel, "chats", say("채팅", "Chats"), unit="short", min=0, color=colour(BLUE), custom__cellOptions=cell)
    field(
        panel,
        "chats_per_minute",
        say("채팅/분", "Chats/min"),
        decimals=1,
        min=0,
        color=colour(BLUE),
        custom__cellOptions=cell,
    )
    field(panel, "chatters", say("방송당 채팅한 사람", "Chatters a broadcast"), unit="short", custom__width=150)
    field(panel, "donations", say("후원", "Donations"), unit="short", custom__width=100)
    field(
        panel,
        "donation_amount",
        say("후원 금액", "Donated"),
        unit="currencyKRW",
        min=0,
        color=colour(ORANGE),
        custom__cellOptions=cell,
    )
    field(panel, "best_score", say("최고 피크", "Best peak"), decimals=1, custom__width=110)
    hide(panel, "channel_id")
    return panel


def _by_day(say: Say, name: str, title: str, unit: str) -> Any:
    about = say("한국 시각의 하루입니다.", "Days in Korea.")
    panel = bars(name, title, about, 200, "1d").unit(unit)
    field(panel, "value", "${__field.labels.channel}", color=PALETTE)
    return panel


def _week(say: Say) -> Any:
    about = say(
        "방송 중일 때의 분당 채팅입니다. 빈칸은 방송이 없던 시간입니다. 한국 시각.",
        "Chats a minute while on air; empty where nobody was. Time in Korea.",
    )
    panel = rows("channels_week", say("요일과 시각", "Weekday and hour"), about)
    panel.with_transformation(
        models.DataTransformerConfig(
            id_val="groupingToMatrix",
            options={
                "columnField": "hour",
                "rowField": "weekday",
                "valueField": "chats_per_minute",
                "emptyValue": "null",
            },
        )
    )
    days = say("월화수목금토일", "Mon Tue Wed Thu Fri Sat Sun")
    names = days.split() if " " in days else list(days)
    mapping = {str(number): {"text": name, "index": number} for number, name in enumerate(names, 1)}
    panel.color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.CONTINUOUS_BLUES)).unit("none").decimals(0)
    panel.align(commons.FieldTextAlignment.CENTER)
    panel.cell_options(commons.TableColoredBackgroundCellOptions(mode=commons.TableCellBackgroundDisplayMode.BASIC))
    field(
        panel,
        "weekday\\hour",
        say("요일", "Day"),
        mappings=[{"type": "value", "options": mapping}],
        custom__width=60,
        custom__cellOptions={"type": "auto"},
    )
    return panel


def _best_peaks(say: Say) -> Any:
    about = say("방송마다 가장 큰 피크 하나입니다.", "The best of each broadcast.")
    panel = rows("channels_best_peaks", say("가장 뜨거웠던 순간", "Best moments"), about)
    to_moment = [moment_link(say)]
    field(panel, "time", say("시각", "Time"), unit="time:MM-DD HH:mm", links=to_moment, custom__width=110)
    field(panel, "channel", say("채널", "Channel"), custom__width=120)
    field(panel, "title", say("제목", "Title"), links=to_moment)
    field(panel, "onset_sec", say("방송 시간", "In the broadcast"), unit="dthms", custom__width=90)
    field(panel, "value", say("채팅", "Chats"), custom__width=70)
    field(panel, "score", say("점수", "Score"), decimals=1, custom__width=70)
    field(panel, "reasons", say("까닭", "Reasons"))
    hide(panel, "channel_id", "stream_id", "from_ms", "to_ms", "moment_ms")
    return panel


def _broadcasts(say: Say) -> Any:
    panel = rows("channels_broadcasts", say("방송", "Broadcasts"), say("새것부터.", "Newest first."))
    open_it = [broadcast_link(say)]
    field(panel, "time", say("시작", "Began"), unit="time:MM-DD HH:mm", links=open_it, custom__width=110)
    field(panel, "channel", say("채널", "Channel"), custom__width=120)
    field(panel, "title", say("제목", "Title"), links=open_it)
    field(panel, "category", say("카테고리", "Category"), custom__width=120)
    field(panel, "duration_sec", say("길이", "Length"), unit="dthms", custom__width=90)
    field(panel, "chats", say("채팅", "Chats"), unit="short", custom__width=80)
    field(panel, "chatters", say("채팅한 사람", "Chatters"), unit="short", custom__width=90)
    field(panel, "donation_amount", say("후원", "Donated"), unit="currencyKRW", custom__width=100)
    hide(panel, "channel_id", "stream_id", "from_ms", "to_ms")
    return panel
