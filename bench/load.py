"""Two hundred channels live at once, in real time; with --burst, twenty thousand messages within one second.

    python -m bench.load [--minutes 10] [--channels 200] [--rate 1000] [--write]
    python -m bench.load --burst [--write]

The simulator, the collector (`nokchart watch` as a user starts it) and PostgreSQL (the embedded one, with its durable
settings) are processes of their own. A delay is from a message's own time, which the simulator lets pass by up to 30 ms
before it sends it, to the moment when a second connection sees its row (see bench/sightings.py).
"""

import argparse
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.children import new_folder, simulated, watching
from bench.gauge import MORE_MEMORY, Gauge, server_pid
from bench.ledger import Comparison, compare
from bench.sightings import Sightings
from bench.table import Table, machine
from simulator import Broadcast, Burst, Channel
from store.database import Database, open_database

_POLL_SEC = 10.0  # the least that Chzzk wants; the first polls of all channels are spread over it
_ARRIVE_SEC = 20.0  # nobody speaks before all channels are connected
_SETTLE_SEC = 60.0  # of the talk: after it the collector has all it needs
_LAST_BLIND_SEC = 22.0  # a message is blinded up to 20 s after it was sent
_WORST_DELAY_MS = 1_000.0

_FLOOD = 20_000
_FLOOD_AT_SEC = (30.0, 60.0, 90.0)  # of the talk
_FLOOD_CHANNELS, _FLOOD_RATE = 5, 100.0
_RECOVERY_SEC = 10.0


@dataclass(frozen=True)
class Scene:
    """What is played."""

    channels: list[Channel]
    talk_sec: float
    """From _ARRIVE_SEC on; then all is silent, and still on air."""


@dataclass(frozen=True)
class Played:
    """What came of it."""

    seen_ms: NDArray[np.int64]
    delay_ms: NDArray[np.float64]
    collector: Gauge
    simulator: Gauge
    server: Gauge
    talk_began: float
    """time.monotonic()"""
    talk_began_ms: float
    """The same by the clock on the wall, ms since 1970, as the broadcasts' own openDate has it."""
    comparison: Comparison
    reconnects: int
    exit_code: int


def steady(count: int, rate: float, minutes: float) -> Scene:
    """`count` channels that have `rate` events a second together."""
    talk_sec = minutes * 60
    return Scene([_channel(f"채널 {number}", rate / count, talk_sec) for number in range(count)], talk_sec)


def floods() -> Scene:
    """A few channels; the first one erupts now and then."""
    talk_sec = _FLOOD_AT_SEC[-1] + 30.0
    rate = _FLOOD_RATE / _FLOOD_CHANNELS
    # Rise and decay so short that all but two in a hundred fall into the first second; a script's steps are of 0.25 s.
    gain = 1.07 * _FLOOD / rate / 0.255
    bursts = tuple(Burst(_ARRIVE_SEC + second, gain, rise_sec=0.25, decay_sec=0.15) for second in _FLOOD_AT_SEC)
    quiet = [_channel(f"채널 {number}", rate, talk_sec) for number in range(1, _FLOOD_CHANNELS)]
    return Scene([_channel("폭주", rate, talk_sec, bursts), *quiet], talk_sec)


def _channel(name: str, rate: float, talk_sec: float, bursts: tuple[Burst, ...] = ()) -> Channel:
    last = _ARRIVE_SEC + talk_sec
    broadcast = Broadcast(
        last + 300,
        rate,
        bursts,
        drift=((0, 1), (last, 1), (last + 0.25, 0)),
        quiet_start_sec=_ARRIVE_SEC,
        quiet_rate=0,
        restore_share=0,  # a row that is shown again looks like one that came late
    )
    return Channel(name, [broadcast])


def play(scene: Scene, root: Path) -> Played:
    """Plays the scene to the end of its talk, and stops the collector while all channels are still on air."""
    home = root / "home"
    with open_database(None, home) as database:
        with ExitStack() as stack:
            server = stack.enter_context(Gauge(server_pid(home), family=True))
            seen = stack.enter_context(Sightings(database))
            chzzk = stack.enter_context(simulated(root, scene.channels))
            began = time.monotonic()
            simulator = stack.enter_context(Gauge(chzzk.process.pid))
            with watching(
                root / "collector", scene.channels, chzzk.environment, database.url, poll_sec=_POLL_SEC
            ) as collector:
                with Gauge(collector.process.pid) as gauge:
                    time.sleep(max(0.0, began + _ARRIVE_SEC + scene.talk_sec + _LAST_BLIND_SEC - time.monotonic()))
                exit_code = collector.stop()
                connected = len(collector.messages("connected"))
        seen_ms, delay_ms = seen.delays()
        return Played(
            seen_ms,
            delay_ms,
            gauge,
            simulator,
            server,
            began + _ARRIVE_SEC,
            (_opened_sec(database) + _ARRIVE_SEC) * 1000,
            compare(database, chzzk.ledger),
            connected - len(scene.channels),
            exit_code,
        )


def _opened_sec(database: Database) -> float:
    with database.connect() as connection:
        (opened,) = connection.execute(
            "SELECT extract(epoch FROM min(opened_at))::float8 FROM broadcast"
        ).fetchone() or (0,)
    return float(opened)


def tell_steady(table: Table, scene: Scene, played: Played) -> None:
    """The figures of the many channels."""
    p50, p99 = np.percentile(played.delay_ms, [50, 99])
    begin, end = played.talk_began, played.talk_began + scene.talk_sec
    memory = played.collector.between(begin, end)
    first = next(reading for reading in memory if reading.at_sec >= begin + min(_SETTLE_SEC, scene.talk_sec / 3))
    half, last = memory[len(memory) // 2], memory[-1]
    table.add("messages", f"{played.comparison.sent:,} in {scene.talk_sec / 60:g} min, {len(scene.channels)} channels")
    table.add("from sent to visible, median", f"{p50:.0f} ms")
    table.add("the same, 99 of 100", f"{p99:.0f} ms", "at most 1,000 ms", met=bool(p99 <= _WORST_DELAY_MS))
    table.add("the same, slowest", f"{played.delay_ms.max():.0f} ms")
    table.add("the collector's memory after its first minute", f"{first.memory_mb:.0f} MB")
    table.add("the same, half-way", f"{half.memory_mb:.0f} MB")
    table.add(
        "the same at the end",
        f"{last.memory_mb:.0f} MB",
        f"at most {MORE_MEMORY:.0%} more than after its first minute",
        met=last.memory_mb <= first.memory_mb * (1 + MORE_MEMORY),
    )
    table.add("the collector's share of a processor", f"{played.collector.share(begin, end):.0%}")
    table.add("the simulator's", f"{played.simulator.share(begin, end):.0%}")
    table.add("PostgreSQL's", f"{played.server.share(begin, end):.0%}")
    _tell_whole(table, played)


def tell_floods(table: Table, played: Played) -> None:
    """The figures of the bursts."""
    sent_ms = played.seen_ms - played.delay_ms
    worst = 0.0
    for onset in _FLOOD_AT_SEC:
        onset_ms = played.talk_began_ms + onset * 1000
        count = int(((sent_ms >= onset_ms) & (sent_ms < onset_ms + 1000)).sum())
        table.add(f"sent within one second, at {onset:.0f} s", f"{count:,}", f"{_FLOOD:,}", met=count >= _FLOOD)
        worst = max(worst, recovery_sec(played.seen_ms, played.delay_ms, onset_ms))
    table.add(
        "until 99 of 100 rows are visible within 1 s again, longest",
        f"{worst:.1f} s",
        f"at most {_RECOVERY_SEC:.0f} s",
        met=worst <= _RECOVERY_SEC,
    )
    table.add("from sent to visible, slowest", f"{played.delay_ms.max():.0f} ms")
    peak = max(reading.memory_mb for reading in played.collector.readings)
    table.add("the collector's memory, most", f"{peak:.0f} MB")
    _tell_whole(table, played)


def recovery_sec(seen_ms: NDArray[np.int64], delay_ms: NDArray[np.float64], onset_ms: float) -> float:
    """Seconds from `onset_ms` to the end of the last second whose rows, more than one in a hundred, came too late."""
    late = 0.0
    for tenth in range(300):
        begin = onset_ms + tenth * 100
        delays = delay_ms[(seen_ms >= begin) & (seen_ms < begin + 1000)]
        if len(delays) and np.percentile(delays, 99) > _WORST_DELAY_MS:
            late = (tenth + 10) / 10
    return late


def _tell_whole(table: Table, played: Played) -> None:
    table.add_count("lost", played.comparison.lost)
    table.add_count("stored twice, or not as it was sent", played.comparison.twice + played.comparison.invented)
    table.add_count("reconnects", played.reconnects)
    table.add_count("the collector's exit code", played.exit_code)
    if played.comparison.first_lost is not None:
        print(f"first lost: {played.comparison.first_lost}")


def main() -> None:
    """The command line of `python -m bench.load`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="of talk, after all channels are connected")
    parser.add_argument("--channels", type=int, default=200)
    parser.add_argument("--rate", type=float, default=1_000.0, help="events a second, of all channels together")
    parser.add_argument("--burst", action="store_true", help="play the floods instead")
    parser.add_argument(
        "--folder", type=Path, help="play in this new folder, and leave the logs and the database in it"
    )
    parser.add_argument("--write", action="store_true", help="keep the table in docs/benchmarks.md")
    options = parser.parse_args()
    scene = floods() if options.burst else steady(options.channels, options.rate, options.minutes)
    with new_folder(options.folder) as root:
        played = play(scene, root)
    table = Table()
    if options.burst:
        tell_floods(table, played)
    else:
        tell_steady(table, scene, played)
    if options.write:
        command = "python -m bench.load --burst" if options.burst else "python -m bench.load"
        table.keep("burst" if options.burst else "load", f"`{command} --write`, on {machine()}, embedded PostgreSQL.")
    table.finish()


if __name__ == "__main__":
    main()
