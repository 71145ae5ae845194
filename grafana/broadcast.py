"""Broadcast: one broadcast over its own seconds and over the clock, its peaks, and what was said then."""

from typing import Any

from grafana.parts import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    VERMILION,
    Page,
    bars,
    broadcast_link,
    colour,
    elapsed,
    field,
    hide,
    link,
    moment_link,
    outside,
    rows,
    series,
    stats,
    thresholds,
)
from grafana.words import Say

_VIDEO = "https://chzzk.naver.com/video/${__data.fields.video_no}?currentTime=${__data.fields.video_from}"
_HERE = "/d/nokchart-broadcast?${channel:queryparam}&${broadcast:queryparam}&${__url_time_range}"


def broadcast(say: Say) -> Page:
    """The page's panels, in the language of `say`."""
    page = Page()
    page.place(_header(say), 0, 0, 24, 3)
    page.place(_summary(say), 0, 3, 24, 4)
    page.place(_chat_rate(say), 0, 7, 24, 10)
    page.place(_peaks(say), 0, 17, 12, 10)
    page.place(_messages(say), 12, 17, 12, 10)
    page.place(_elapsed(say), 0, 27, 24, 7)
    page.place(_viewers(say), 0, 34, 8, 7)
    page.place(_chatters(say), 8, 34, 8, 7)
    page.place(_donations(say), 16, 34, 8, 7)
    page.place(_changes(say), 0, 41, 24, 6)
    return page


def _header(say: Say) -> Any:
    about = say(
        "제목을 누르면 방송 전체로 시간 범위를 맞춥니다.", "A click on the title sets the range to the whole broadcast."
    )
    panel = rows("broadcast_header", say("방송", "Broadcast"), about)
    whole = broadcast_link(say) | {"title": say("방송 전체 보기", "Show the whole broadcast")}
    field(panel, "channel", say("채널", "Channel"), custom__width=160)
    field(panel, "title", say("제목", "Title"), links=[whole])
    field(panel, "category", say("카테고리", "Category"), custom__width=180)
    field(panel, "opened_at", say("시작", "Began"), unit="dateTimeAsIso", custom__width=180)
    field(
        panel,
        "closed_at",
        say("끝", "Ended"),
        unit="dateTimeAsIso",
        custom__width=180,
        noValue=say("방송 중", "on air"),
    )
    hide(panel, "channel_id", "stream_id", "from_ms", "to_ms")
    return panel


def _summary(say: Say) -> Any:
    about = say(
        "채팅한 사람의 수는 방송이 끝난 뒤에 나옵니다.", "Distinct chatters are known once the broadcast has ended."
    )
    panel = stats("broadcast_summary", say("숫자로", "In numbers"), about).no_value("–")
    field(panel, "duration_sec", say("길이", "Length"), unit="dthms", color=colour(GREY))
    field(panel, "chats", say("채팅", "Chats"), unit="locale", color=colour(BLUE))
    field(panel, "chatters", say("채팅한 사람", "Chatters"), unit="locale", color=colour(BLUE))
    field(panel, "donations", say("후원 횟수", "Donations"), unit="locale", color=colour(ORANGE))
    field(panel, "donation_amount", say("후원 금액", "Donated"), unit="currencyKRW", color=colour(ORANGE))
    field(panel, "most_viewers", say("최고 시청자", "Most viewers"), unit="locale", color=colour(GREEN))
    steps = thresholds((None, VERMILION), (95, ORANGE), (99, GREEN))
    name = say("수집률", "Coverage")
    field(panel, "coverage", name, unit="percent", decimals=2, thresholds=steps, color={"mode": "thresholds"})
    return panel


def _chat_rate(say: Say) -> Any:
    about = say(
        "확대하면 1초까지 촘촘해집니다. 누르면 그 순간의 채팅이 나옵니다. 공백은 0이 아니라 빈칸입니다.",
        "Zoom in for up to one second; click for what was said then. Gaps are empty, not zero.",
    )
    panel = series("broadcast_chat_rate", say("채팅 속도", "Chat rate"), about, 1000, "$bucket").unit("suffix: /s")
    here = link(say("이 순간의 채팅", "What was said then"), _HERE + "&var-moment=${__value.time}")
    field(panel, "rate", say("채팅/초", "Chats a second"), color=colour(BLUE), links=[here], custom__fillOpacity=15)
    minute = say("1분 평균", "Mean of 1 min")
    field(panel, "minute_mean", minute, color=colour(ORANGE), links=[here], custom__lineWidth=2, custom__fillOpacity=0)
    ten = say("10분 평균", "Mean of 10 min")
    field(
        panel, "ten_minute_mean", ten, color=colour(VERMILION), links=[here], custom__lineWidth=2, custom__fillOpacity=0
    )
    return panel.decimals(1)


def _peaks(say: Say) -> Any:
    about = say(
        "방송이 끝난 뒤의 분석입니다. 시각을 누르면 그 순간으로, 다시보기를 누르면 20초 전부터 영상으로 갑니다.",
        "Of the analysis after the broadcast. A click on the time leads to the moment, one on the video to 20 s before "
        "it there.",
    )
    panel = rows("broadcast_peaks", say("피크", "Peaks"), about)
    to_moment = [moment_link(say)]
    field(panel, "time", say("시각", "Time"), unit="time:HH:mm:ss", links=to_moment, custom__width=90)
    field(panel, "onset_sec", say("방송 시간", "In the broadcast"), unit="dthms", links=to_moment, custom__width=100)
    names = {"volume": {"text": say("양", "volume"), "index": 0}, "surge": {"text": say("급증", "surge"), "index": 1}}
    field(panel, "method", say("종류", "Kind"), mappings=[{"type": "value", "options": names}], custom__width=70)
    field(panel, "rank", say("순위", "Rank"), custom__width=60)
    cell = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
    field(panel, "value", say("채팅", "Chats"), min=0, color=colour(BLUE), custom__width=130, custom__cellOptions=cell)
    field(panel, "score", say("점수", "Score"), decimals=1, custom__width=70)
    field(panel, "reasons", say("까닭", "Reasons"))
    video = [outside(say("다시보기에서 보기", "Open the video"), _VIDEO)]
    field(panel, "video_sec", say("다시보기", "In the video"), unit="dthms", links=video, noValue="", custom__width=90)
    hide(panel, "video_no", "video_from", "channel_id", "stream_id", "from_ms", "to_ms", "moment_ms")
    return panel


def _messages(say: Say) -> Any:
    about = say(
        "누른 순간(없으면 범위 안의 가장 큰 피크)의 앞뒤 15초입니다. 가려진 채팅은 나오지 않습니다.",
        "Within 15 s of the clicked moment, else of the best peak in the range. Hidden messages are not shown.",
    )
    panel = rows("broadcast_messages", say("그 순간의 채팅", "What was said then"), about)
    field(panel, "time", say("시각", "Time"), unit="time:HH:mm:ss", custom__width=90)
    field(panel, "elapsed_sec", say("방송 시간", "In the broadcast"), unit="dthms", custom__width=100)
    field(panel, "nickname", say("누가", "Who"), custom__width=150)
    field(panel, "content", say("채팅", "Message"))
    field(panel, "amount", say("금액", "Amount"), unit="currencyKRW", custom__width=100, noValue="")
    hide(panel, "kind")
    return panel


def _elapsed(say: Say) -> Any:
    about = say("시간 범위와 상관없이 방송 전체입니다.", "The whole broadcast, whatever the range.")
    panel = elapsed(
        "broadcast_elapsed", say("방송 시간으로 본 채팅 속도", "Chat rate over the broadcast"), about, "sec"
    )
    field(panel, "sec", say("방송 시간", "In the broadcast"), unit="dthms")
    field(panel, "rate", say("채팅/초", "Chats a second"), unit="suffix: /s", decimals=1, color=colour(BLUE))
    ten = say("10분 평균", "Mean of 10 min")
    field(panel, "ten_minute_mean", ten, unit="suffix: /s", decimals=1, color=colour(VERMILION), custom__lineWidth=2)
    return panel


def _viewers(say: Say) -> Any:
    about = say("표본의 평균입니다.", "The mean of the samples.")
    panel = series("broadcast_viewers", say("시청자", "Viewers"), about, 400, "1m").unit("short")
    field(panel, "viewers", say("시청자", "Viewers"), color=colour(GREEN))
    return panel


def _chatters(say: Say) -> Any:
    about = say("1분 안에 채팅한 서로 다른 사람의 수입니다.", "Distinct people who wrote within a minute.")
    title = say("1분에 채팅한 사람", "Chatters within a minute")
    panel = series("broadcast_chatters", title, about, 400, "1m").decimals(0)
    field(panel, "chatters", say("평균", "mean"), color=colour(BLUE))
    field(panel, "most", say("최고", "most"), color=colour(GREY), custom__fillOpacity=0)
    return panel


def _donations(say: Say) -> Any:
    about = say("막대는 구간의 합, 선은 쌓인 합입니다.", "Bars by bucket, and their sum as a line.")
    panel = bars("broadcast_donations", say("후원", "Donations"), about, 100).unit("currencyKRW")
    field(panel, "amount", say("구간", "bucket"), color=colour(ORANGE))
    line = {"custom__drawStyle": "line", "custom__lineWidth": 2, "custom__fillOpacity": 0}
    apart = {"custom__axisPlacement": "right", "custom__stacking": {"mode": "none", "group": "B"}}
    field(panel, "total", say("합계", "sum"), color=colour(GREY), **line, **apart)
    return panel


def _changes(say: Say) -> Any:
    about = say("새 값을 처음 본 때입니다.", "When the new value was first seen.")
    panel = rows("broadcast_changes", say("제목과 카테고리", "Title and category"), about)
    field(panel, "time", say("시각", "Time"), unit="dateTimeAsIso", custom__width=180)
    field(panel, "elapsed_sec", say("방송 시간", "In the broadcast"), unit="dthms", custom__width=120)
    field(panel, "title", say("제목", "Title"))
    field(panel, "category", say("카테고리", "Category"), custom__width=240)
    return panel
