"""The commands that a benchmark plays with: `nokchart simulate` and `nokchart watch`, each a process of its own."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from simulator import Channel

_ROOT = Path(__file__).parent.parent
_GOODBYE_SEC = 120.0  # the simulator writes a ledger of a million lines


@dataclass(frozen=True)
class Chzzk:
    """The simulator's process."""

    process: subprocess.Popen[str]
    environment: Mapping[str, str]
    """What points `nokchart watch` at it."""
    ledger: Path
    """Everything that was sent, once the block has ended."""


@dataclass(frozen=True)
class Collector:
    """A collector's process."""

    process: subprocess.Popen[bytes]
    home: Path
    log: Path
    """One JSON object a line."""

    def messages(self, event: str) -> list[dict[str, Any]]:
        """The lines of the log that say `event`."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        entries = [json.loads(line) for line in lines if line.startswith("{")]
        return [entry for entry in entries if entry.get("event") == event]

    def stop(self) -> int:
        """SIGTERM, as a container does it. Returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(_GOODBYE_SEC)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


@contextmanager
def new_folder(path: Path | None) -> Iterator[Path]:
    """`path`, made and left as it is; without one a temporary folder, which is gone with the block."""
    if path is None:
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)
    else:
        path.mkdir(parents=True)
        yield path


@contextmanager
def simulated(folder: Path, channels: Sequence[Channel], *, speed: float = 1.0, seed: int = 0) -> Iterator[Chzzk]:
    """A simulated Chzzk for as long as the block runs; its script and its ledger are in `folder`."""
    script, ledger = folder / "script.json", folder / "sent.jsonl"
    script.write_text(json.dumps({"channels": [_as_json(channel) for channel in channels]}), encoding="utf-8")
    command = [*_nokchart("simulate"), "--script", str(script), "--ledger", str(ledger), "--linger", "1e6"]
    process = subprocess.Popen(
        [*command, "--speed", str(speed), "--seed", str(seed)], cwd=_ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        yield Chzzk(process, _read_environment(process), ledger)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=_GOODBYE_SEC)
    if process.returncode != 0:
        raise RuntimeError(f"the simulator ended with {process.returncode}")


@contextmanager
def watching(
    folder: Path,
    channels: Sequence[Channel],
    environment: Mapping[str, str],
    database_url: str,
    *,
    poll_sec: float,
    command: Sequence[str] = (),
) -> Iterator[Collector]:
    """A collector of `channels`, with `folder` for its home, its output and its log, until the block ends."""
    folder.mkdir(exist_ok=True)
    listed = folder / "channels.yaml"
    listed.write_text("channels:\n" + "".join(f'  - "{channel.channel_id}"\n' for channel in channels))
    settings = {
        "NOKCHART_POLL_INTERVAL_SEC": str(poll_sec),
        "NOKCHART_DATABASE_URL": database_url,
        "NOKCHART_HOME": str(folder),
        "NOKCHART_OUTDIR": str(folder / "output"),
    }
    log = folder / "watch.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*(command or _nokchart("watch")), "--channels", str(listed)],
            env={**os.environ, **environment, **settings},
            cwd=_ROOT,
            stdout=file,
            stderr=file,
        )
    collector = Collector(process, folder, log)
    try:
        yield collector
    finally:
        collector.stop()


def _nokchart(command: str) -> list[str]:
    return [sys.executable, "-m", "nokchart", command]


def _as_json(channel: Channel) -> dict[str, Any]:
    """A channel as a script has it."""
    faults = [{"at_sec": fault.at_sec, "kind": fault.kind, **fault.params} for fault in channel.faults]
    return {"name": channel.name, "broadcasts": [asdict(part) for part in channel.broadcasts], "faults": faults}


def _read_environment(process: subprocess.Popen[str]) -> dict[str, str]:
    """What the simulator says on its first lines, in the words of a shell."""
    assert process.stdout is not None
    environment: dict[str, str] = {}
    for line in process.stdout:
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").strip().partition("=")
            environment[name] = value.strip("'")
            if name == "NOKCHART_POLL_INTERVAL_SEC":  # the last one
                return environment
    raise RuntimeError(f"the simulator ended with {process.wait()}")
