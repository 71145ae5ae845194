"""The log: what it must never hold (words, names, tokens, cookies), and what every line of it has."""

from __future__ import annotations

import errno
import functools
import io
import json
import logging
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import structlog

from collector.chzzk.api import ChzzkApi
from nokchart.collecting import _sentence
from nokchart.log import LibraryHandler, set_up_log
from simulator import Broadcast, Channel, Fault, SentItem, Simulator
from store.database import Database
from store.errors import NokchartError, cause_of
from tests.collector import studio
from tests.collector.studio import collecting, fetch, until

Line = tuple[str, dict[str, Any]]
"""A line of the log: the module that wrote it, and what it says."""

COOKIES = {"NID_AUT": "cookie-aut-91c2", "NID_SES": "cookie-ses-77e0"}

# What the simulator does not say by itself: words where nobody expects any.
PLANTED = "planted-f00d"
FRAMES = [
    PLANTED,
    f"<html>{PLANTED}</html>",
    json.dumps({"cmd": 93101, "bdy": PLANTED}),
    json.dumps({"cmd": 93101, "bdy": [PLANTED, {"msgTime": PLANTED, "msg": PLANTED, "uid": PLANTED}]}),
    json.dumps({"cmd": 93101, "bdy": [{"msgTime": 1_767_697_200_000, "msg": [PLANTED], "msgTypeCode": 1}]}),
    json.dumps({"cmd": 94008, "bdy": {"userId": PLANTED, "messageTime": PLANTED}}),
    json.dumps({"cmd": 4321, "bdy": PLANTED, PLANTED: PLANTED}),
    json.dumps({"cmd": 93006, "bdy": {"type": PLANTED, "nickname": PLANTED}}),
]
FAULTS = [
    *(Fault(24 + number / 10, "raw_frame", text=text) for number, text in enumerate(FRAMES)),
    Fault(26, "token_refusal", attempts=2),
    Fault(27, "close", code=4000, reason=PLANTED),
    Fault(30, "html"),
    Fault(31, "http_status", code=503, polls=2),
    Fault(32, "patch", fields={"status": PLANTED}),
    Fault(34, "ret_code"),
    Fault(35, "drop"),
    Fault(38, "handshake_reject"),
    Fault(39, "close"),
    Fault(42, "html", endpoint="token"),
    Fault(43, "drop"),
    Fault(46, "duplicate", last=20),
    Fault(47, "blind", back=2),
    Fault(48, "raw_frame", bytes_base64="AAEC/w=="),
    Fault(50, "chat_channel_change", code=1000),
]
# The streamer's name may be in the log; in ASCII, so that whatever is not ASCII was said by somebody.
SHOW = Channel("studio", [Broadcast(70, 6, title="a title", odd_share=0.05, donations_per_min=30)], FAULTS)

# A database with rules of its own, whose refusals quote what they refuse: for good, and until somebody helps.
PICKY = """
    CREATE FUNCTION picky() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION USING ERRCODE = TG_ARGV[0], MESSAGE = 'not ' || NEW.content, DETAIL = NEW.nickname;
    END $$;
    CREATE TRIGGER for_good BEFORE INSERT ON event FOR EACH ROW WHEN (length(NEW.content) = 4) EXECUTE FUNCTION
        picky('23514');
    CREATE TRIGGER until_helped BEFORE INSERT ON event FOR EACH ROW WHEN (length(NEW.content) = 5) EXECUTE FUNCTION
        picky('55000')
"""


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mapping[str, io.StringIO]]:
    """The log of this process, libraries included, at its most talkative: a page for each module."""
    written: defaultdict[str, io.StringIO] = defaultdict(io.StringIO)
    monkeypatch.setattr(sys, "stderr", io.StringIO())  # no terminal, wherever the tests run
    set_up_log()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=lambda *names: structlog.PrintLogger(written[names[0]]),
    )
    handler, root = LibraryHandler(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.setLevel(level)
    root.removeHandler(handler)
    structlog.reset_defaults()


def lines_of(pages: Mapping[str, io.StringIO]) -> list[Line]:
    """Every line, each of which is one JSON object."""
    return [(module, json.loads(line)) for module, page in pages.items() for line in page.getvalue().splitlines()]


def secrets_of(items: list[SentItem], tokens: list[str]) -> set[str]:
    """Whatever was said, by whom, and what opens a door."""
    said = {word for item in items for word in (item.text, item.nickname, item.user_id, item.donation_id) if word}
    words = {word for word in said if len(word) > 2 and word not in ("anonymous", "SYSTEM_MESSAGE")}
    return {PLANTED, *COOKIES.values(), *tokens, *words, *(json.dumps(word)[1:-1] for word in words)}


async def test_no_word_no_name_and_no_secret_is_in_the_log(
    pages: Mapping[str, io.StringIO], plain_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studio, "ChzzkApi", functools.partial(ChzzkApi, cookies=COOKIES))
    with plain_database.connect(autocommit=True) as connection:
        connection.execute(PICKY.encode())

    def said(event: str) -> bool:
        return any(line["event"] == event for _, line in lines_of(pages))

    async with (
        Simulator([SHOW], speed=15) as chzzk,
        collecting(chzzk, plain_database, [SHOW.channel_id]) as work,
    ):
        await until(lambda: work.watcher.writer.counts.retries, "a row that the database does not take now")
        with plain_database.connect(autocommit=True) as connection:
            connection.execute("DROP TRIGGER until_helped ON event")
        await until(lambda: work.ended, "the end")
        await until(lambda: said("event refused"), "a row that the database never takes")
        items, tokens = chzzk.sent(SHOW.channel_id), list(chzzk._doorkeeper._tokens)
        (stream_id,) = work.ended

    # It was all there to be told.
    assert len(items) > 200
    assert len(tokens) > 5
    planted = "SELECT count(*) > 5 FROM rejected_item WHERE strpos(raw, %s) > 0"
    assert fetch(plain_database, planted, PLANTED) == [(True,)]
    lines = lines_of(pages)
    for event in ("on air", "connected", "reconnecting", "items not understood", "poll failed", "broadcast ended"):
        assert said(event), f"no line says {event}"
    assert "chzzkpy.unofficial.chat.gateway" in pages, "the libraries are not heard"

    secrets = secrets_of(items, tokens)
    assert len(secrets) > 300
    leaks = [
        (module, line, secret)
        for module, line in lines
        for text in (json.dumps(line, ensure_ascii=False), repr(line))
        for secret in secrets
        if secret in text
    ]
    assert leaks == []
    assert [line for _, line in lines if not json.dumps(line, ensure_ascii=False).isascii()] == []

    for module, line in lines:
        assert line["event"], line
        assert {"level", "timestamp"} <= line.keys(), line
        if module == "collector.broadcast":
            assert line.get("stream_id") == stream_id, line
        if module == "collector.channel":
            assert line.get("stream_id", stream_id) == stream_id, line
            assert {"stream_id", "channel_id"} & line.keys(), line


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (NokchartError("The database\nis away."), "The database is away."),
        (
            ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
            "ConnectionRefusedError: Connection refused",
        ),
        (OSError(PLANTED), "OSError"),
        (asyncpg.DataError(PLANTED), "DataError, SQLSTATE 22000"),
        (ValueError(PLANTED), "ValueError"),
    ],
)
def test_the_cause_of_an_error(error: Exception, told: str) -> None:
    assert cause_of(error) == told


def test_of_a_child_only_our_own_sentence_is_told() -> None:
    crash = f'Traceback (most recent call last):\n  File "x.py", line 1\nValueError: {PLANTED}\n{PLANTED} \xff\n'
    assert _sentence(crash.encode("latin-1")) is None
    assert _sentence(f"{PLANTED}\nnokchart: one\nnokchart: two.\n{PLANTED}".encode()) == "nokchart: two."


def test_an_error_is_told_without_its_words(pages: Mapping[str, io.StringIO]) -> None:
    def fail(words: str) -> None:
        raise ValueError(words)

    log = structlog.get_logger("ours")
    try:
        fail(PLANTED)
    except ValueError as error:
        log.exception("went wrong")
        log.error("went wrong", exc_info=error)
        logging.getLogger("theirs").error("of %s\nand more of %s", PLANTED, PLANTED, exc_info=True)
    logging.getLogger("theirs").warning("")
    log.info("nothing wrong", exc_info=True)
    lines = [line for _, line in lines_of(pages)]
    assert [line["event"] for line in lines] == ["went wrong"] * 2 + ["nothing wrong", "of %s", "?"]
    for line in (*lines[:2], lines[3]):
        assert line["error"] == "ValueError"
        assert [call.split(" ")[1] for call in line["calls"]][-1] == "fail"
    assert lines[3]["logger"] == "theirs"
    assert "error" not in lines[2]
    assert PLANTED not in str(lines)


def test_a_process_logs_json_lines_that_of_libraries_too() -> None:
    code = f"""
import asyncio, logging, structlog
from nokchart.log import set_up_log
set_up_log()
structlog.get_logger("ours").info("한글", stream_id="s")
structlog.get_logger("ours").debug("not told")
logging.getLogger("aiohttp.client").info("not told")
async def fail():
    raise ValueError("{PLANTED}")
async def main():
    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
asyncio.run(main())
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    ours, theirs = (json.loads(line) for line in done.stderr.splitlines())
    assert (ours["event"], ours["level"], ours["stream_id"]) == ("한글", "info", "s")
    assert (theirs["event"], theirs["level"]) == ("Task exception was never retrieved", "error")
    assert (theirs["logger"], theirs["error"]) == ("asyncio", "ValueError")
    assert PLANTED not in done.stderr
