"""A day of eight channels, played fast, in which something goes wrong every minute; all of it can be made good.

    python -m bench.endurance [--hours 24] [--speed 100] [--every 60] [--write]

Each channel has a mishap every minute of its broadcast: all kinds in turn, each channel a few seconds after the other.
No outage is longer than the recent chat (100 items) reaches back, so nothing may be lost. The collector is
`nokchart watch` with shorter pauses (see bench/quick_watch.py).
"""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any

from psycopg.rows import dict_row

from bench.children import new_folder, simulated, watching
from bench.gauge import MORE_MEMORY, Gauge, Reading
from bench.ledger import Comparison, compare
from bench.quick_watch import POLL_SEC
from bench.table import Table, machine
from simulator import Broadcast, Channel, Fault
from store.database import Database, open_database

_CHANNELS = 8
# Items a second of each channel: a hundred are one and a half real seconds at the default speed and the broadcast's
# busiest. A machine that does something else for longer loses something here, and says so as a gap.
_RATE = 0.5
_SHOW_HOURS = 8.0  # a broadcast and the pause before it
_PAUSE_SEC = 900.0
_QUIET_SEC = 120.0  # nobody speaks before the collector has come
_FINISH_SEC = 180.0  # real ones, for the last files

_BROKEN_ITEMS = '{"cmd":93101,"bdy":[{"msgTime":"now"},7]}'
_NO_DATES = {"openDate": None, "closeDate": None, "chatChannelId": None}

# Kinds of fault with their parameters; those of one line happen together.
_MISHAPS: tuple[tuple[tuple[str, dict[str, Any]], ...], ...] = (
    (("close", {"code": 1000}),),
    (("drop", {}),),
    (("http_status", {"code": 503, "polls": 2}),),
    (("half_open", {}),),
    (("false_close", {}),),
    (("chat_channel_change", {}),),
    (("raw_frame", {"text": _BROKEN_ITEMS}),),
    (("close", {"code": 1011, "reason": "try again"}),),
    (("token_refusal", {}), ("drop", {})),
    (("block", {}),),
    (("chat_channel_change", {"code": 1000}),),
    (("html", {}),),
    (("ret_code", {}), ("close", {"code": 1001})),
    (("duplicate", {"last": 30}),),
    (("http_status", {"code": 429, "retry_after": 0}),),
    (("handshake_reject", {"code": 503}), ("drop", {})),
    (("patch", {"fields": _NO_DATES}),),
    (("blind", {"back": 5}),),
    (("close", {"code": 4000}),),
    (("raw_frame", {"text": "<html>", "bytes_base64": "AAEC/w=="}),),
    (("http_status", {"code": 500, "endpoint": "token"}), ("drop", {})),
    (("half_open", {"seconds": 20}),),
    (("html", {"code": 502, "polls": 2}),),
    (("channel_event", {}),),
    (("hang", {"real_seconds": 0.1}),),
    (("drop_on_accept", {}), ("drop", {})),
    (("gone", {}),),
    (("fragment", {"messages": 3}),),
    (("drop_on_join", {}), ("drop", {})),
    (("trickle", {"real_seconds": 0.1}),),
    (("dribble", {}),),
    (("nested", {"depth": 1_000}),),
    (("stale_token", {}), ("drop", {})),
    (("retitle", {"title": "이어서"}),),
)


_FIGURES = """
SELECT
    (SELECT count(*) FROM broadcast WHERE close_cause = 'closed' AND exported_at IS NOT NULL) AS files,
    (SELECT count(*) FROM connection) AS connections,
    (SELECT count(*) FROM gap) AS gaps,
    (SELECT count(*) FROM rejected_item) AS rejected
"""


@dataclass(frozen=True)
class Day:
    """What came of it."""

    readings: list[Reading]
    speed: float
    took_sec: float
    comparison: Comparison
    figures: dict[str, int]
    exit_code: int


def channels(hours: float, every_sec: float) -> list[Channel]:
    """Each with a broadcast after the other, and its mishaps."""
    shows = max(1, round(hours / _SHOW_HOURS))
    show_sec = hours * 3600 / shows
    duration = show_sec - _PAUSE_SEC
    made = []
    for number in range(_CHANNELS):
        broadcast = Broadcast(
            duration,
            _RATE,
            drift=((0, 0.7), (duration / 2, 1.3), (duration, 0.7)),
            quiet_start_sec=_QUIET_SEC,
            quiet_rate=0,
            offline_before_sec=_PAUSE_SEC,
            blind_share=0,  # what is blinded while nobody listens, and is older than the recent chat, stays shown
            title=f"{number}번째 방송",
        )
        faults = [fault for show in range(shows) for fault in _faults(show * show_sec, show_sec, every_sec, number)]
        made.append(Channel(f"채널 {number}", [broadcast] * shows, faults))
    return made


def _faults(begin_sec: float, show_sec: float, every_sec: float, number: int) -> Iterator[Fault]:
    """Of one show: from when it talks, so that none is about a message of the one before, until just before its end."""
    mishaps = cycle(_MISHAPS[number * 4 :] + _MISHAPS[: number * 4])
    at_sec = _PAUSE_SEC + _QUIET_SEC + (1 + number / _CHANNELS) * every_sec
    while at_sec < show_sec - every_sec:
        yield from (Fault(begin_sec + at_sec, kind, **parameters) for kind, parameters in next(mishaps))
        at_sec += every_sec


def play(hours: float, speed: float, every_sec: float, root: Path) -> Day:
    """Plays the day, and waits for the files of its last broadcasts."""
    shown = channels(hours, every_sec)
    broadcasts = sum(len(channel.broadcasts) for channel in shown)
    with open_database(None, root / "home") as database:
        with ExitStack() as stack:
            chzzk = stack.enter_context(simulated(root, shown, speed=speed))
            began = time.monotonic()
            collector = stack.enter_context(
                watching(
                    root / "collector",
                    shown,
                    chzzk.environment,
                    database.url,
                    poll_sec=POLL_SEC,
                    command=[sys.executable, "-m", "bench.quick_watch"],
                )
            )
            gauge = stack.enter_context(Gauge(collector.process.pid))
            time.sleep(hours * 3600 / speed)
            took_sec = time.monotonic() - began
            give_up = time.monotonic() + _FINISH_SEC
            while _figures(database)["files"] < broadcasts:
                if time.monotonic() > give_up or collector.process.poll() is not None:
                    break
                time.sleep(0.5)
            readings = gauge.between(began, began + took_sec)
            exit_code = collector.stop()
        figures = {
            **_figures(database),
            "broadcasts": broadcasts,
            "faults": sum(len(channel.faults) for channel in shown),
        }
        return Day(readings, speed, took_sec, compare(database, chzzk.ledger), figures, exit_code)


def _figures(database: Database) -> dict[str, int]:
    with database.connect(row_factory=dict_row) as connection:
        return dict(connection.execute(_FIGURES).fetchone() or {})


def tell(table: Table, day: Day, hours: float) -> None:
    """All figures."""
    begun = day.readings[0].at_sec
    hour_sec = 3600 / day.speed
    first = [reading for reading in day.readings if reading.at_sec < begun + hour_sec]
    last = [reading for reading in day.readings if reading.at_sec >= day.readings[-1].at_sec - hour_sec]
    memory = [median(reading.memory_mb for reading in hour) for hour in (first, last)]
    files = [max(reading.open_files for reading in hour) for hour in (first, last)]
    table.add("played", f"{_CHANNELS} channels, {hours:g} h in {day.took_sec / 60:.1f} min")
    table.add("messages", f"{day.comparison.sent:,}")
    table.add("faults", f"{day.figures['faults']:,}")
    table.add("connections", f"{day.figures['connections']:,}")
    table.add_count("lost", day.comparison.lost)
    table.add_count("stored twice, or not as it was sent", day.comparison.twice + day.comparison.invented)
    table.add_count("gaps", day.figures["gaps"])
    table.add("frames and items that nobody can read, kept", f"{day.figures['rejected']:,}")
    ended = day.figures["files"] == day.figures["broadcasts"]
    table.add("broadcasts ended, with files", f"{day.figures['files']}", f"{day.figures['broadcasts']}", met=ended)
    table.add("the collector's memory in the first hour", f"{memory[0]:.0f} MB")
    table.add(
        "the same in the last hour",
        f"{memory[1]:.0f} MB",
        f"at most {MORE_MEMORY:.0%} more",
        met=memory[1] <= memory[0] * (1 + MORE_MEMORY),
    )
    # Two sessions keep idle connections, one a channel at most; a file that is left open at each reconnect is far more.
    same = files[1] <= files[0] + 2 * _CHANNELS
    table.add(
        "open files, at most in the first hour and the last",
        f"{files[0]} and {files[1]}",
        f"at most {2 * _CHANNELS} more",
        met=same,
    )
    table.add_count("the collector's exit code", day.exit_code)
    if day.comparison.first_lost is not None:
        print(f"first lost: {day.comparison.first_lost}")


def main() -> None:
    """The command line of `python -m bench.endurance`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=24.0, help="of the broadcasts' time")
    parser.add_argument("--speed", type=float, default=100.0, help="simulated seconds a second")
    parser.add_argument("--every", type=float, default=60.0, help="seconds of a broadcast from mishap to mishap")
    parser.add_argument(
        "--folder", type=Path, help="play in this new folder, and leave the logs and the database in it"
    )
    parser.add_argument("--write", action="store_true", help="keep the table in docs/benchmarks.md")
    options = parser.parse_args()
    with new_folder(options.folder) as root:
        day = play(options.hours, options.speed, options.every, root)
    table = Table()
    tell(table, day, options.hours)
    if options.write:
        table.keep("endurance", f"`python -m bench.endurance --write`, on {machine()}, embedded PostgreSQL.")
    table.finish()


if __name__ == "__main__":
    main()
