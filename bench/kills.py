"""A collector that is killed again and again during a busy broadcast, and started again at once.

    python -m bench.kills [--kills 50] [--longest 3] [--seed 0] [--write]

Each is `nokchart watch`, ended by `kill -9` at a random moment after its start; the last one lives until the broadcasts
are over. What the recent chat gives back must be back, nothing may be stored twice, and gaps must say what is missing.
"""

import argparse
import random
import tempfile
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from psycopg.rows import dict_row

from bench.children import Collector, simulated, watching
from bench.ledger import Comparison, compare
from bench.table import Table, machine
from simulator import Broadcast, Channel
from store.database import Database, open_database

_SPEED = 10.0
_SHORTEST_SEC = 0.05
_OVERHEAD_SEC = 0.3  # of a start and a kill
_FINISH_SEC = 30.0  # of the last collector
_POLL_SEC = 0.5

# Messages a real second. The recent chat (100) reaches back over any outage, over most, over none.
_RATES = {"조용한 방송": 2.0, "활발한 방송": 20.0, "바쁜 방송": 400.0}

_FIGURES = """
SELECT
    (SELECT count(*) FROM broadcast) AS broadcasts,
    (SELECT count(*) FROM broadcast WHERE close_cause = 'closed') AS closed,
    (SELECT count(*) FROM connection WHERE cause = 'collector killed') AS killed,
    (SELECT count(*) FROM connection WHERE disconnected_at IS NULL) AS open,
    (SELECT count(*) FROM gap) AS gaps,
    (SELECT count(*) FROM gap WHERE to_ts IS NULL) AS open_gaps
"""


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    took_sec: float
    figures: dict[str, int]
    comparison: Comparison
    exit_code: int


def channels(kills: int, longest_sec: float) -> list[Channel]:
    """Three channels on air for as long as it takes."""
    real_sec = kills * ((_SHORTEST_SEC + longest_sec) / 2 + _OVERHEAD_SEC) + _FINISH_SEC
    # What is blinded while nobody listens, and is older than the recent chat, stays shown.
    return [
        Channel(name, [Broadcast(real_sec * _SPEED, rate / _SPEED, blind_share=0)]) for name, rate in _RATES.items()
    ]


def play(shown: list[Channel], kills: int, longest_sec: float, seed: int, root: Path) -> Outcome:
    """Kills one collector after the other."""
    dice = random.Random(seed)
    with open_database(None, root / "home") as database:
        with simulated(root, shown, speed=_SPEED, seed=seed) as chzzk:
            began = time.monotonic()

            def collector() -> AbstractContextManager[Collector]:
                return watching(root / "collector", shown, chzzk.environment, database.url, poll_sec=_POLL_SEC)

            for _ in range(kills):
                with collector() as doomed:
                    time.sleep(dice.uniform(_SHORTEST_SEC, longest_sec))
                    doomed.process.kill()
                    doomed.process.wait()
            took_sec = time.monotonic() - began
            with collector() as last:
                give_up = time.monotonic() + kills * longest_sec + 2 * _FINISH_SEC
                while _figures(database)["closed"] < len(shown) and time.monotonic() < give_up:
                    time.sleep(0.2)
                exit_code = last.stop()
        return Outcome(took_sec, _figures(database), compare(database, chzzk.ledger), exit_code)


def _figures(database: Database) -> dict[str, int]:
    with database.connect(row_factory=dict_row) as connection:
        return dict(connection.execute(_FIGURES).fetchone() or {})


def tell(table: Table, outcome: Outcome, shown: list[Channel], kills: int) -> None:
    """All figures."""
    comparison, figures = outcome.comparison, outcome.figures
    table.add("kills, one after the other", f"{kills} in {outcome.took_sec:.0f} s")
    table.add("of three channels' connections, ended by them", f"{figures['killed']}")
    table.add("messages", f"{comparison.sent:,}")
    table.add_count("stored twice", comparison.twice + comparison.invented)
    table.add_count("lost outside of every gap", comparison.unexplained)
    quiet, *others = shown
    table.add_count(f"lost at {_RATES[quiet.name]:g} messages a second", comparison.lost_of[quiet.channel_id])
    for channel in others:
        lost = comparison.lost_of[channel.channel_id]
        table.add(f"lost at {_RATES[channel.name]:g} messages a second, within gaps", f"{lost:,}")
    table.add("gaps", f"{figures['gaps']}")
    table.add_count("gaps and connections that nobody closed", figures["open_gaps"] + figures["open"])
    once = figures["broadcasts"] == figures["closed"] == len(shown)
    table.add("broadcasts", f"{figures['broadcasts']}, {figures['closed']} closed", f"{len(shown)}", met=once)
    table.add_count("the last collector's exit code", abs(outcome.exit_code))


def main() -> None:
    """The command line of `python -m bench.kills`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--longest", type=float, default=3.0, help="seconds that a collector lives, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="keep the table in docs/benchmarks.md")
    options = parser.parse_args()
    shown = channels(options.kills, options.longest)
    with tempfile.TemporaryDirectory() as root:
        outcome = play(shown, options.kills, options.longest, options.seed, Path(root))
    table = Table()
    tell(table, outcome, shown, options.kills)
    if options.write:
        table.keep("kills", f"`python -m bench.kills --write`, on {machine()}, embedded PostgreSQL.")
    table.finish()


if __name__ == "__main__":
    main()
