"""What `nokchart health` tells: how the collectors of this machine are doing, by the files that they leave for it.

It runs every half minute, on a small machine too: no database, and no import that is not needed.
"""

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from collector.health import describe, problems
from collector.snapshot import FILE_NAME, Snapshot, read_snapshot

FOLDER = "collector"
"""In the data folder; in it a folder for each running collector, named 1, 2, and so on."""


class Health(NamedTuple):
    """One collector: its folder, its last snapshot (None: not readable), and what is wrong."""

    folder: Path
    snapshot: Snapshot | None
    problems: list[str]


def find_health(data_folder: Path, now: datetime) -> list[Health]:
    """Every collector that has a status under `data_folder`, in the order of their numbers. `now`: aware."""
    files = (data_folder / FOLDER).glob(f"*/{FILE_NAME}")
    folders = sorted((path.parent for path in files), key=lambda folder: (len(folder.name), folder.name))
    return [_of(folder, now) for folder in folders]


def as_lines(health: Health, now: datetime) -> list[str]:
    """A short block of text, the problems last."""
    if health.snapshot is not None:
        return describe(health.snapshot, now)
    return [f"collector in {health.folder}", *(f"  problem      {said}" for said in health.problems)]


def as_json(healths: list[Health]) -> str:
    """The snapshots and the problems, as `{"healthy": .., "collectors": [{"folder", "problems", "snapshot"}, ..]}`."""
    collectors = [{**one._asdict(), "folder": str(one.folder)} for one in healths]
    document = {"healthy": is_healthy(healths), "collectors": collectors}
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def is_healthy(healths: list[Health]) -> bool:
    """Whether at least one collector is there, and nothing is wrong with any."""
    return bool(healths) and not any(one.problems for one in healths)


def _of(folder: Path, now: datetime) -> Health:
    snapshot = read_snapshot(folder)
    if snapshot is None:
        return Health(folder, None, [f"{folder / FILE_NAME} cannot be read: another version or another user wrote it."])
    return Health(folder, snapshot, problems(snapshot, now))
