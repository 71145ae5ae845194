"""A collector that is told to stop, by one signal or two, and one that has no file descriptor left."""

from __future__ import annotations

import resource
import signal
from pathlib import Path
from signal import SIGINT, SIGTERM

import pytest

from collector.snapshot import read_snapshot
from simulator import SentItem, Simulator
from store.database import Database
from tests.collector.studio import causes, gaps, stored_items, until
from tests.faults.command import assert_ended, place, running
from tests.faults.play import assert_lost_so_far_is_in_gaps, assert_stored, busy, further, show
from tests.faults.proxy import DatabaseProxy

SPEED = 20
STOP_SEC = 10  # a container is killed after so long
AT_ONCE_SEC = 3  # less than the stop would take


def handed(items: list[SentItem]) -> list[SentItem]:
    """What the one connection so far was handed, in order: the recent chat, and then what was said."""
    return [item for item in items if item.recalled] + [item for item in items if item.delivered]


@pytest.mark.parametrize(
    ("number", "state"),
    [
        (SIGTERM, "answers"),
        (SIGINT, "slow"),
        (SIGTERM, "down"),
        (SIGINT, "hangs"),
        (SIGTERM, "has never answered"),
    ],
)
async def test_a_signal_stops_it_within_ten_seconds_and_nothing_is_left_unflushed(
    plain_database: Database, tmp_path: Path, number: signal.Signals, state: str
) -> None:
    channel = busy(SPEED)
    async with DatabaseProxy(plain_database.parameters) as proxy, Simulator([channel], speed=SPEED) as chzzk:
        where = place(chzzk, [channel], proxy.url, tmp_path)
        proxy.hang(state == "has never answered")
        async with running(where) as run:
            received = await run.received(200)
            match state:
                case "slow":
                    proxy.delay = 0.05
                case "down":
                    proxy.down()
                case "hangs":
                    proxy.hang(True)
            received = await run.received(received + 400)
            run.signal(number)
            await assert_ended(run, 0, STOP_SEC)
        kept = handed(chzzk.sent(channel.channel_id))[:received]
        assert state in ("answers", "slow") or where.spool_bytes() > 0
        # Longer than the recent chat reaches back: what is there of the first run has been kept by itself.
        await further(chzzk, channel, 150)
        proxy.delay = 0
        proxy.hang(False)
        await proxy.up()
        async with running(where) as run:
            await run.received(200)
            run.signal(SIGTERM)
            await assert_ended(run, 0, STOP_SEC)
        sent = chzzk.sent(channel.channel_id)
    assert where.spool_bytes() == 0
    assert "Traceback" not in where.log.read_text()
    assert_stored(plain_database, channel, kept)
    assert len(assert_lost_so_far_is_in_gaps(plain_database, channel, sent)) >= 50
    assert causes(plain_database) == ["stopped", "stopped"]


@pytest.mark.parametrize(("first", "second"), [(SIGINT, SIGINT), (SIGTERM, SIGINT)])
async def test_a_second_signal_ends_it_at_once(
    plain_database: Database, tmp_path: Path, first: signal.Signals, second: signal.Signals
) -> None:
    channel = busy(SPEED)
    async with DatabaseProxy(plain_database.parameters) as proxy, Simulator([channel], speed=SPEED) as chzzk:
        where = place(chzzk, [channel], proxy.url, tmp_path)
        async with running(where) as run:
            await run.received(200)
            proxy.hang(True)
            await until(where.spool_bytes, "a spool")
            run.signal(first)
            await until(lambda: '"stopping"' in where.log.read_text(), "the stop")
            run.signal(second)
            await assert_ended(run, -second, AT_ONCE_SEC)
        assert "stopped" not in where.log.read_text()
        proxy.hang(False)
        async with running(where) as run:
            await run.received(200)
            run.signal(SIGTERM)
            await assert_ended(run, 0, STOP_SEC)
        sent = chzzk.sent(channel.channel_id)
    assert assert_lost_so_far_is_in_gaps(plain_database, channel, sent)


NAMES_HANG = """
import socket, threading
socket.getaddrinfo = lambda *given, **options: threading.Event().wait(60)
from nokchart.cli import main
main()
"""


async def test_a_name_server_that_hangs_does_not_hold_up_a_stop(plain_database: Database, tmp_path: Path) -> None:
    channel = busy(SPEED)
    async with Simulator([channel], speed=SPEED) as chzzk:
        nowhere = f"ws://localhost:{chzzk.port}/chat/{{server}}"
        where = place(chzzk, [channel], plain_database.url, tmp_path, chzzk_chat_url=nowhere)
        async with running(where, ("-c", NAMES_HANG)) as run:
            await until(lambda: any(request.endpoint == "token" for request in chzzk.requests), "a token")
            run.signal(SIGTERM)
            await assert_ended(run, 0, STOP_SEC)


# Of the command, so that all is tried while there is no descriptor.
SHORT_PAUSES = """
import nokchart.collecting
from collector import watcher
from collector.backoff import Backoff
from nokchart.cli import main
nokchart.collecting.Backoff = lambda factor: Backoff(first=0.05, cap=0.2)
watcher.BEAT_SEC = 0.2
main()
"""


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="no limits of another process on this system")
async def test_without_file_descriptors_it_lives_on_and_catches_up(plain_database: Database, tmp_path: Path) -> None:
    """No connection, no status file and no spool can be opened, and both the chat's and the database's are cut then."""
    channel = show(name="마른", duration_sec=4000, base_rate=8 / SPEED, quiet_start_sec=0)
    status = tmp_path / "collector" / "1" / "status.json"

    def seen() -> float:
        snapshot = read_snapshot(status.parent)
        return 0.0 if snapshot is None else snapshot.running_sec

    async with DatabaseProxy(plain_database.parameters) as proxy, Simulator([channel], speed=SPEED) as chzzk:
        where = place(chzzk, [channel], proxy.url, tmp_path)
        async with running(where, ("-c", SHORT_PAUSES)) as run:
            await until(lambda: len(stored_items(plain_database)) > 20, "twenty rows")
            usual = resource.prlimit(run.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(run.pid, resource.RLIMIT_NOFILE, (3, usual[1]))  # stdin, stdout, stderr: not one more
            proxy.cut()
            for visitor in chzzk._visitors:
                visitor.cut()
            for trouble in ("status not written", "not committed", "connect failed", "the spool takes no more"):
                await until(lambda trouble=trouble: trouble in where.log.read_text(), trouble)
            rows, last = len(stored_items(plain_database)), seen()
            resource.prlimit(run.pid, resource.RLIMIT_NOFILE, usual)
            await until(lambda: seen() > last, "a status that is written again")
            await until(lambda: len(stored_items(plain_database)) > rows + 50, "fifty more rows")
            sent = chzzk.sent(channel.channel_id)
            await until(lambda: stored_items(plain_database)[-1][1] >= sent[-1].time_ms, "what was said meanwhile")
            run.signal(SIGTERM)
            await assert_ended(run, 0, STOP_SEC)
    assert "Traceback" not in where.log.read_text()
    # The outage lasts some seconds, and the recent chat reaches back over more than ten.
    assert_stored(plain_database, channel, sent)
    assert gaps(plain_database) == []
    assert causes(plain_database) == ["close 1006", "stopped"]
