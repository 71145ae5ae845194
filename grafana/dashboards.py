"""The four dashboards, whole: their pages with variables, annotations and links between them."""

from collections.abc import Callable
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog import builder as cogbuilder
from grafana_foundation_sdk.models import dashboard as models

from grafana.broadcast import broadcast
from grafana.channels import channels
from grafana.health import health
from grafana.live import live
from grafana.parts import (
    BLUE,
    ORANGE,
    VERMILION,
    Page,
    annotation,
    broadcast_variable,
    bucket_variable,
    channel_variable,
    language_variable,
    plain,
)
from grafana.words import Language, Say, speaker

_TAG = "nokchart"


def dashboards(language: Language) -> dict[str, dict[str, Any]]:
    """The JSON model of each dashboard by its file's name, without `.json`."""
    say = speaker(language)
    return {name: _finished(make(say)) for name, make in _MAKERS.items()}


def _live(say: Say) -> dashboard.Dashboard:
    made = _dashboard("live", say("녹차트 · 라이브", "NokChart · Live"), live(say), say)
    made.description(say("지금 채팅이 무엇을 하고 있는지.", "What the chat does now."))
    made.time("now-30m", "now").refresh("5s")
    made.with_variable(channel_variable(say, several=True)).with_variable(bucket_variable(say))
    made.with_variable(language_variable(say))
    return _marked(made, say)


def _broadcast(say: Say) -> dashboard.Dashboard:
    made = _dashboard("broadcast", say("녹차트 · 방송", "NokChart · Broadcast"), broadcast(say), say)
    made.description(say("방송 하나를 처음부터 끝까지.", "One broadcast from beginning to end."))
    made.time("now-12h", "now").refresh("")
    made.with_variable(channel_variable(say, several=False)).with_variable(broadcast_variable(say))
    made.with_variable(bucket_variable(say)).with_variable(language_variable(say))
    # set by a click on a chart; nothing to be chosen by hand
    made.with_variable(dashboard.TextBoxVariable("moment").default_value("").hide(models.VariableHide.HIDE_VARIABLE))
    made.annotation(annotation(say("피크", "Peaks"), "annotate_broadcast_peaks", ORANGE))
    made.annotation(annotation(say("공백", "Gaps"), "annotate_broadcast_gaps", VERMILION))
    return made.annotation(annotation(say("제목 바뀜", "Title changed"), "annotate_broadcast_changes", BLUE))


def _channels(say: Say) -> dashboard.Dashboard:
    made = _dashboard("channels", say("녹차트 · 채널", "NokChart · Channels"), channels(say), say)
    made.description(say("몇 주 동안의 방송과 순위.", "Broadcasts over weeks, and their ranking."))
    made.time("now-30d", "now").refresh("")
    return made.with_variable(channel_variable(say, several=True)).with_variable(language_variable(say))


def _health(say: Say) -> dashboard.Dashboard:
    made = _dashboard("health", say("녹차트 · 수집 상태", "NokChart · Collection health"), health(say), say)
    made.description(say("수집한 것을 믿어도 되는지.", "Whether what was collected can be trusted."))
    made.time("now-24h", "now").refresh("30s")
    made.with_variable(channel_variable(say, several=True)).with_variable(language_variable(say))
    return made.annotation(annotation(say("공백", "Gaps"), "annotate_gaps", VERMILION))


_MAKERS: dict[str, Callable[[Say], dashboard.Dashboard]] = {
    "live": _live,
    "broadcast": _broadcast,
    "channels": _channels,
    "health": _health,
}


def _dashboard(name: str, title: str, page: Page, say: Say) -> dashboard.Dashboard:
    made = (
        dashboard.Dashboard(title)
        .uid(f"nokchart-{name}")
        .tags([_TAG])
        .timezone("Asia/Seoul")
        .editable()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink(say("다른 대시보드", "Other dashboards"))
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([_TAG])
            .as_dropdown(True)
            .include_vars(False)
            .keep_time(False)
            .icon("external link")
            .tooltip("")
            .url("")
        )
    )
    for panel in page.panels:
        made.with_panel(_Placed(panel))
    return made


class _Placed(cogbuilder.Builder[models.Panel]):
    """A panel that is built already: the SDK asks for builders."""

    def __init__(self, panel: models.Panel) -> None:
        self._panel = panel

    def build(self) -> models.Panel:
        return self._panel


def _marked(made: dashboard.Dashboard, say: Say) -> dashboard.Dashboard:
    made.annotation(annotation(say("피크", "Peaks"), "annotate_peaks", ORANGE))
    return made.annotation(annotation(say("공백", "Gaps"), "annotate_gaps", VERMILION))


def _finished(made: dashboard.Dashboard) -> dict[str, Any]:
    model: dict[str, Any] = plain(made.build())
    for variable in model["templating"]["list"]:
        # the SDK gives these, of interval variables, to all
        for key in ("auto", "auto_min", "auto_count"):
            variable.pop(key, None)
    for panel in model["panels"]:
        # of tables before Grafana 13
        panel["options"].pop("footer", None)
    return model
