"""Alerts in words, for a service that reads mentions and links out of them: those of strangers are made harmless."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from analytics.alerts import DATABASE, Alert
from analytics.harmless import without_markup
from analytics.language import Language, clock, duration, elapsed, text
from store.event import KST

_CHANNEL_URL = "https://chzzk.naver.com/live/"
_LATE_SEC = 120  # a peak that is told later than this says so
_LONGEST = 120  # characters of a title


class Message(NamedTuple):
    """What a service is given: a line, and some lines of plain text."""

    title: str
    body: str


def write_message(alerts: Sequence[Alert], left_out: int, language: Language) -> Message:
    """One alert, or several in one; `left_out`: how many more there were."""
    if len(alerts) == 1 and not left_out:
        return Message(_headline(alerts[0], language), "\n".join(_lines(alerts[0], language)))
    blocks = ["\n".join([_headline(one, language), *_lines(one, language)]) for one in alerts]
    if left_out:
        blocks.append(text("notify.more", language, count=left_out))
    return Message(text("notify.digest", language, count=len(alerts) + left_out), "\n\n".join(blocks))


def write_test(language: Language) -> Message:
    """What `nokchart notify test` sends."""
    return Message(text("notify.test", language), text("notify.test_body", language))


def _headline(alert: Alert, language: Language) -> str:
    streamer, at = without_markup(alert.streamer)[:_LONGEST], elapsed(alert.elapsed_sec)
    return text(f"notify.{alert.kind}", language, streamer=streamer, at=at)


def _lines(alert: Alert, language: Language) -> list[str]:
    match alert.kind:
        case "stalled" | "recovered":
            return [_collection(alert, language)]
        case "started":
            said = [text("notify.opened", language, clock=_clock(alert.at))]
        case "ended":
            said = [text("notify.lasted", language, length=duration(alert.elapsed_sec, language))]
        case "peak":
            said = [
                text("notify.reason", language, times=f"{alert.times_usual:g}", score=f"{alert.score:.1f}"),
                *_ago(alert.at, language),
            ]
    lines = [" · ".join(said)]
    if alert.words:
        lines.append(text("notify.words", language, words=", ".join(without_markup(word) for word in alert.words)))
    about = " · ".join(
        part for part in (without_markup(alert.title)[:_LONGEST], without_markup(alert.category)) if part
    )
    return [*lines, *([about] if about else []), _CHANNEL_URL + alert.channel_id]


def _collection(alert: Alert, language: Language) -> str:
    kind = "back" if alert.kind == "recovered" else "silent"
    key = f"notify.database_{kind}" if alert.name == DATABASE else f"notify.{kind}"
    length = duration(alert.elapsed_sec, language)
    return text(key, language, name=without_markup(alert.name), clock=_clock(alert.at), length=length)


def _ago(at: datetime, language: Language) -> list[str]:
    seconds = (datetime.now(UTC) - at).total_seconds()
    return [text("notify.late", language, ago=duration(seconds, language))] if seconds > _LATE_SEC else []


def _clock(at: datetime) -> str:
    return clock(at.astimezone(KST))
