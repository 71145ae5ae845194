"""scripts/sync-nokchart.sh, with rsync for real; in the place of ssh stands a script that runs the command here."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.deploy.compose import ROOT

pytestmark = pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")

_DAY = "2026-01-08"
_FINISHED = f"{_DAY}/달빛 너굴_20260108-130000_abc"


@pytest.fixture
def over_there(tmp_path: Path) -> Path:
    """The home folder of the other machine; the output folder in it has a quote and a space in its name."""
    folder = tmp_path / "there"
    (folder / "it's mine").mkdir(parents=True)
    return folder


@pytest.fixture
def sync(tmp_path: Path, over_there: Path) -> "Sync":
    return Sync(tmp_path, over_there)


class Sync:
    """The script, with commands of ours in front of PATH."""

    def __init__(self, tmp_path: Path, there: Path) -> None:
        self.here = tmp_path / "here"
        self.fakes = tmp_path / "fakes"
        self.fakes.mkdir()
        self.output = there / "it's mine"
        self._there = there
        # ssh joins what it is given with spaces, and a shell over there takes it apart; rsync says the user with -l.
        self.fake(
            "ssh",
            'while [ "$1" = -o ]; do shift 2; done\n'
            'if [ "$1" = -l ]; then set -- "$2@$3" "${@:4}"; fi\n'
            f'[ "$1" = me@vm ] || exit 255\nshift\n{self._run()}',
        )

    def _run(self) -> str:
        return f'cd "{self._there}" && exec sh -c "$*"'

    def fake(self, name: str, script: str) -> None:
        path = self.fakes / name
        path.write_text(f'#!/bin/bash\necho "{name} $*" >>"{self.fakes}/calls"\n{script}\n')
        path.chmod(0o755)

    def calls(self, name: str) -> list[str]:
        lines = (self.fakes / "calls").read_text().splitlines()
        return [line for line in lines if line.startswith(f"{name} ")]

    def environment(self, **changes: str) -> dict[str, str]:
        return {
            "PATH": f"{self.fakes}:{os.environ['PATH']}",
            "LANG": "C.UTF-8",
            "NOKCHART_SYNC_FROM": "me@vm:~/it's mine",
            "NOKCHART_SYNC_TO": str(self.here),
            **changes,
        }

    def __call__(self, **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(ROOT / "scripts/sync-nokchart.sh")],
            env=self.environment(**changes),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    def folder(self, name: str, *files: str, hours_old: float = 0) -> Path:
        """A folder over there, with files of a few bytes."""
        folder = self.output / name
        folder.mkdir(parents=True)
        for file in files:
            (folder / file).write_text("{}\n")
            moment = time.time() - hours_old * 3600
            os.utime(folder / file, (moment, moment))
        return folder

    def arrived(self) -> list[str]:
        return sorted(str(path.relative_to(self.here)) for path in self.here.rglob("*") if path.is_file())


def test_only_what_is_finished_arrives(sync: Sync) -> None:
    sync.folder(_FINISHED, "events.jsonl", "report.json", ".peaks.json.x1.part")
    sync.folder(f"{_DAY}/being_written", "events.jsonl", "collection_report.json")
    sync.folder(f"{_DAY}/silent_for_hours", "events.jsonl", hours_old=2)
    (sync.output / "notes.txt").write_text("not a broadcast")
    done = sync()
    assert (done.returncode, done.stderr) == (0, "")
    assert sync.arrived() == sorted(
        [f"{_FINISHED}/events.jsonl", f"{_FINISHED}/report.json", f"{_DAY}/silent_for_hours/events.jsonl"]
    )
    assert not (sync.here / ".sync-lock").exists()


def test_what_changed_arrives_again_and_nothing_here_is_deleted(sync: Sync) -> None:
    folder = sync.folder(_FINISHED, "events.jsonl", "report.json", hours_old=1)
    assert sync().returncode == 0
    (sync.here / _FINISHED / "my notes.txt").write_text("mine")
    (folder / "report.json").write_text('{"made": "again"}')
    assert sync().returncode == 0
    assert (sync.here / _FINISHED / "report.json").read_text() == '{"made": "again"}'
    assert (sync.here / _FINISHED / "my notes.txt").read_text() == "mine"


def test_folders_of_the_old_tool_are_renamed_once_and_processed(sync: Sync) -> None:
    folder = sync.folder(f"{_DAY}/unknown_37716", "events.jsonl", "collection_report.json", hours_old=3)
    (folder / "collection_report.json").write_text(json.dumps({"channel_name": "미라이/../x"}))
    sync.folder(f"{_DAY}/unknown_nobody", "events.jsonl", hours_old=3)
    sync.fake("nokchart", 'echo "{}" >"$3/report.json"')
    done = sync()
    assert (done.returncode, done.stderr) == (0, "")
    renamed = f"{_DAY}/미라이_x_unknown_37716"
    assert sorted(path.name for path in (sync.here / _DAY).iterdir()) == sorted([Path(renamed).name, "unknown_nobody"])
    assert len(sync.calls("nokchart")) == 2
    assert f"nokchart process --stream-dir {sync.here}/{renamed}" in sync.calls("nokchart")
    assert sync().returncode == 0  # it is neither fetched a second time, nor processed
    assert len(list((sync.here / _DAY).iterdir())) == 2
    assert len(sync.calls("nokchart")) == 2


def test_a_transfer_that_broke_off_goes_on(sync: Sync) -> None:
    folder = sync.folder(_FINISHED, "report.json")
    (folder / "events.jsonl").write_bytes(os.urandom(3_000_000))
    sync.fake("nokchart", "exit 1")
    # Killed after two seconds; its other half needs a moment to put aside what has arrived.
    sync.fake("rsync", f'timeout 2 {shutil.which("rsync")} --bwlimit=500 "$@"\nsleep 1\nexit 20')
    done = sync()
    assert done.returncode == 1
    assert "the next run goes on" in done.stderr
    assert sync.calls("rsync") != []
    assert sync.calls("nokchart") == []  # of half a folder nothing is made
    (half,) = sync.here.rglob(".rsync-partial/events.jsonl")
    assert 0 < half.stat().st_size < 3_000_000
    (sync.fakes / "rsync").unlink()
    assert sync().returncode == 0
    assert (sync.here / _FINISHED / "events.jsonl").read_bytes() == (folder / "events.jsonl").read_bytes()
    assert list(sync.here.rglob(".rsync-partial")) == []


def test_two_do_not_overlap(sync: Sync) -> None:
    sync.folder(_FINISHED, "report.json")
    lock = sync.here / ".sync-lock"
    lock.mkdir(parents=True)
    (lock / "pid").write_text(str(os.getpid()))
    done = sync()
    assert done.returncode == 0
    assert "another one is running" in done.stdout
    assert sync.arrived() == [".sync-lock/pid"]
    ended = subprocess.Popen(["true"])
    ended.wait()
    (lock / "pid").write_text(str(ended.pid))  # of one that was killed
    assert sync().returncode == 0
    assert sync.arrived() == [f"{_FINISHED}/report.json"]


def test_through_gcloud(sync: Sync) -> None:
    sync.folder(_FINISHED, "events.jsonl", "report.json")
    sync.fake("gcloud", f'for last; do :; done\nset -- "${{last#--command=}}"\n{sync._run()}')
    done = sync(NOKCHART_SYNC_FROM="", PROJECT="p", INSTANCE="vm", ZONE="z", NOKCHART_SYNC_PATH="it's mine")
    assert (done.returncode, done.stderr) == (0, "")
    assert sync.arrived() == [f"{_FINISHED}/events.jsonl", f"{_FINISHED}/report.json"]
    assert all(
        call.startswith("gcloud compute ssh vm --project=p --zone=z --quiet --command=")
        for call in sync.calls("gcloud")
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"NOKCHART_SYNC_FROM": ""}, "where from?"),
        ({"NOKCHART_SYNC_FROM": "output"}, "write it as user@host:folder"),
        ({"NOKCHART_SYNC_FROM": "", "INSTANCE": "vm"}, "INSTANCE needs PROJECT and ZONE"),
        ({"NOKCHART_SYNC_FROM": "me@vm:nowhere"}, "the folder nowhere of me@vm cannot be read"),
        ({"NOKCHART_SYNC_FROM": "me@elsewhere:output"}, "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said(sync: Sync, changes: dict[str, str], said: str) -> None:
    done = sync(**changes)
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]
    assert not (sync.here / ".sync-lock").exists()
