"""Three collectors share one list of channels, and one of them is killed.

    python -m bench.sharing [--channels 30] [--rate 30] [--minutes 4] [--write]

Each is `nokchart watch` in a process of its own, with its own home and the same database. In the middle the one that
watches most is ended by `kill -9`. Measured: how long its channels are without a collector, what is lost and what is
stored twice, and how much was delivered to more than one of them.
"""

import argparse
import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.children import Collector, new_folder, simulated, watching
from bench.ledger import Comparison, compare
from bench.table import Table, machine
from collector.snapshot import read_snapshot
from simulator import Broadcast, Channel
from store.database import Database, open_database

_COLLECTORS = 3
_POLL_SEC = 10.0
_ARRIVE_SEC = 60.0  # nobody speaks before all channels are connected
_LAST_BLIND_SEC = 22.0  # a message is blinded up to 20 s after it was sent
_TAKEN_OVER_SEC = 60.0

# The time without a row of a channel, from a moment on; NULL where nothing came any more.
_SILENCE = """
SELECT extract(epoch FROM min(e.received_at) - %(at)s)::float8
FROM broadcast AS b LEFT JOIN event AS e ON e.broadcast_id = b.broadcast_id AND e.received_at > %(at)s
WHERE b.channel_id = %(channel_id)s
"""


@dataclass(frozen=True)
class Shared:
    """What came of it."""

    watched: list[int]
    """Channels that each collector watched when one was killed."""
    orphans: dict[str, float | None]
    """Seconds until a message of each of its channels was received again; None: never."""
    gaps: int
    comparison: Comparison
    exit_codes: list[int]


def channels(count: int, rate: float, minutes: float) -> list[Channel]:
    """`count` channels that have `rate` events a second together, and are silent at the end."""
    last = _ARRIVE_SEC + minutes * 60
    broadcast = Broadcast(
        last + 300,
        rate / count,
        drift=((0, 1), (last, 1), (last + 0.25, 0)),
        quiet_start_sec=_ARRIVE_SEC,
        quiet_rate=0,
        blind_share=0,  # what is blinded while nobody listens, and is older than the recent chat, stays shown
    )
    return [Channel(f"채널 {number}", [broadcast]) for number in range(count)]


def play(shown: list[Channel], minutes: float, root: Path) -> Shared:
    """Kills one of the collectors in the middle of the talk."""
    with open_database(None, root / "home") as database:
        with ExitStack() as stack:
            chzzk = stack.enter_context(simulated(root, shown))
            began = time.monotonic()
            collectors = [
                stack.enter_context(
                    watching(root / f"collector {number}", shown, chzzk.environment, database.url, poll_sec=_POLL_SEC)
                )
                for number in range(_COLLECTORS)
            ]
            _sleep_until(began + _ARRIVE_SEC + minutes * 30)
            lists = [_connected(collector) for collector in collectors]
            victim = max(range(_COLLECTORS), key=lambda number: len(lists[number]))
            collectors[victim].process.send_signal(signal.SIGKILL)
            killed_at = time.time()
            _sleep_until(began + _ARRIVE_SEC + minutes * 60 + _LAST_BLIND_SEC)
            codes = [collector.stop() for number, collector in enumerate(collectors) if number != victim]
        return Shared(
            [len(watched) for watched in lists],
            {channel_id: _silence_sec(database, channel_id, killed_at) for channel_id in lists[victim]},
            _gaps(database),
            compare(database, chzzk.ledger),
            codes,
        )


def _connected(collector: Collector) -> list[str]:
    """The channels that it is connected to, as its own snapshot says, which is at most some seconds old."""
    (status,) = collector.home.glob("collector/*/status.json")
    snapshot = read_snapshot(status.parent)
    if snapshot is None:
        raise RuntimeError(f"{status} cannot be read")
    return [channel.channel_id for channel in snapshot.channels if channel.connected]


def _silence_sec(database: Database, channel_id: str, since: float) -> float | None:
    moment = datetime.fromtimestamp(since, UTC)
    with database.connect() as connection:
        row = connection.execute(_SILENCE, {"at": moment, "channel_id": channel_id}).fetchone()
    return None if row is None else row[0]


def _gaps(database: Database) -> int:
    with database.connect() as connection:
        row = connection.execute("SELECT count(*) FROM gap").fetchone()
    return int(row[0]) if row else 0


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def tell(table: Table, shared: Shared, count: int) -> None:
    """All figures."""
    comparison = shared.comparison
    table.add("channels", f"{count}")
    once = sum(shared.watched) == count
    table.add("watched by each collector", ", ".join(map(str, shared.watched)), f"{count} together", met=once)
    silences = list(shared.orphans.values())
    found = [silence for silence in silences if silence is not None]
    worst = max(found, default=0.0)
    table.add(
        f"until the {len(silences)} channels of the killed one are collected again, longest",
        f"{worst:.1f} s" if len(found) == len(silences) else "never",
        f"at most {_TAKEN_OVER_SEC:.0f} s",
        met=len(found) == len(silences) > 0 and worst <= _TAKEN_OVER_SEC,
    )
    table.add("messages", f"{comparison.sent:,}")
    table.add_count("lost", comparison.lost)
    table.add_count("stored twice, or not as it was sent", comparison.twice + comparison.invented)
    table.add_count("gaps", shared.gaps)
    table.add("times that a message was delivered", f"{comparison.delivered / max(1, comparison.sent):.2f}")
    table.add_count("exit codes of the other two", sum(map(abs, shared.exit_codes)))
    if comparison.first_lost is not None:
        print(f"first lost: {comparison.first_lost}")


def main() -> None:
    """The command line of `python -m bench.sharing`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=30)
    parser.add_argument("--rate", type=float, default=30.0, help="events a second, of all channels together")
    parser.add_argument("--minutes", type=float, default=4.0, help="of talk; the kill is in the middle")
    parser.add_argument(
        "--folder", type=Path, help="play in this new folder, and leave the logs and the database in it"
    )
    parser.add_argument("--write", action="store_true", help="keep the table in docs/benchmarks.md")
    options = parser.parse_args()
    shown = channels(options.channels, options.rate, options.minutes)
    with new_folder(options.folder) as root:
        shared = play(shown, options.minutes, root)
    table = Table()
    tell(table, shared, options.channels)
    if options.write:
        table.keep("sharing", f"`python -m bench.sharing --write`, on {machine()}, embedded PostgreSQL.")
    table.finish()


if __name__ == "__main__":
    main()
