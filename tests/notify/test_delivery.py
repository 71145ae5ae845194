"""Messages on the wire, as apprise sends them to Discord, Slack and a webhook; what goes wrong; and secrets."""

import logging
import sys
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from analytics.alerts import Alert
from analytics.harmless import one_line
from analytics.language import LANGUAGES, Language
from nokchart.notify.delivery import NotifyError, open_places
from nokchart.notify.message import write_message
from tests.notify.hooks import Hooks

SECRET = "JHMHI8qBe7bk2ZwO5U711o3dV_js"
HOSTILE = one_line("@everyone <!channel> <@1234> [free](https://evil.example) ||x|| `y` \x1b[31m")


def peak(**more: Any) -> Alert:
    return Alert(
        "peak",
        datetime.now(UTC),
        channel_id="c" * 32,
        streamer="달빛너굴",
        elapsed_sec=3725,
        score=6.4,
        times_usual=3.1,
        **{"title": "제목", "words": ("고점", "ㄷㄷ"), **more},
    )


def place_at(hook: Hooks, service: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A place whose messages come to the server of the test."""
    url = f"http://127.0.0.1:{hook.port}/hook"
    if service == "discord":
        from apprise.plugins.discord import NotifyDiscord

        monkeypatch.setattr(NotifyDiscord, "notify_url", url)
        (place,) = open_places([f"discord://417429632418316298/{SECRET}"])
    elif service == "slack":
        from apprise.plugins.slack import NotifySlack

        monkeypatch.setattr(NotifySlack, "webhook_url", url)
        (place,) = open_places(["slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#live"])
    else:
        (place,) = open_places([f"json://127.0.0.1:{hook.port}/{SECRET}"])
    return place


@pytest.mark.parametrize("service", ["discord", "slack", "json"])
def test_what_arrives_pings_nobody(service: str, hook: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    place = place_at(hook, service, monkeypatch)
    alert = peak(title=HOSTILE, words=("@here", "<!everyone>"))
    assert place.send(write_message([alert], 0, "ko")) is None
    ((_, payload),) = hook.posts
    whole = str(payload)
    for mark in ("@everyone", "@here", "<!", "&lt;!", "<@", "](http", "https://evil", "||x"):
        assert mark not in whole
    assert "https://chzzk.naver.com/live/" + "c" * 32 in whole
    assert "1:02:05" in whole
    assert not payload.get("allow_mentions")


def test_shapes_of_the_three(hook: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    message = write_message([peak()], 0, "ko")
    for service in ("discord", "slack", "json"):
        assert place_at(hook, service, monkeypatch).send(message) is None
    (_, discord), (_, slack), (_, plain) = hook.posts
    assert message.title in str(discord.get("content") or discord["embeds"])
    assert slack["channel"] == "#live"
    assert slack["attachments"][0]["title"] == message.title
    assert plain["title"] == message.title
    assert plain["message"] == message.body
    assert message.body == (
        "평소의 3.1배 (6.4σ)\n많이 나온 말: 고점, ㄷㄷ\n제목\nhttps://chzzk.naver.com/live/" + "c" * 32
    )


@pytest.mark.parametrize(
    ("status", "said"), [(401, "HTTP 401"), (404, "HTTP 404"), (429, "HTTP 429"), (500, "HTTP 500")]
)
def test_a_refusal_is_said_without_the_secret(
    status: int, said: str, hook: Hooks, capfd: pytest.CaptureFixture[str]
) -> None:
    hook.answer(status, Retry_After="2")
    (place,) = open_places([f"json://127.0.0.1:{hook.port}/{SECRET}"])
    assert place.send(write_message([peak()], 0, "en")) == said
    assert place.send(write_message([peak()], 0, "en")) is None
    assert SECRET not in place.name + place.key + "".join(capfd.readouterr())


def test_discord_says_later(hook: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    place = place_at(hook, "discord", monkeypatch)
    hook.answer(429, Retry_After="1")
    message = write_message([peak()], 0, "ko")
    if place.send(message) is not None:  # apprise may try again by itself
        assert place.send(message) is None
    assert len(hook.posts) == 2


def test_nobody_there_and_nobody_answers(hook: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    (nobody,) = open_places([f"json://127.0.0.1:1/{SECRET}"])
    assert nobody.send(write_message([peak()], 0, "ko")) == "no answer"
    monkeypatch.setattr("nokchart.notify.delivery._TIMEOUT_SEC", 0.3)
    (silent,) = open_places([f"json://127.0.0.1:{hook.port}/{SECRET}"])
    hook.answer(None)
    begun = time.monotonic()
    assert silent.send(write_message([peak()], 0, "ko")) == "no answer"
    assert time.monotonic() - begun < 5


def test_apprise_is_heard_by_us_alone(hook: Hooks) -> None:
    open_places([f"json://127.0.0.1:{hook.port}/{SECRET}"])
    assert not logging.getLogger("apprise").propagate


def test_addresses_that_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for urls in ([], [f"discord://{SECRET}"], [SECRET], [f"nothing://{SECRET}"]):
        with pytest.raises(NotifyError) as caught:
            open_places(urls)
        assert SECRET not in str(caught.value)
        assert "docs/notify.md" in str(caught.value)
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(NotifyError, match=r"pip install 'nokchart\[notify\]'"):
        open_places(["json://localhost"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_has_its_words(language: Language) -> None:
    at = datetime(2026, 1, 6, 3, 4, 5, tzinfo=UTC)
    alerts = [
        Alert("started", at, channel_id="c", streamer="s", title="t"),
        Alert("ended", at, channel_id="c", streamer="s", elapsed_sec=3700),
        peak(),
        Alert("stalled", at, name="host:1"),
        Alert("recovered", at, name="host:1", elapsed_sec=90),
        Alert("stalled", at, name="database"),
    ]
    title, body = write_message(alerts, 3, language)
    assert "9" in title
    assert body.count("\n\n") == len(alerts)
    assert "12:04:05" in body  # in Korea
    assert "{" not in title + body
    assert len(body) < 2000
