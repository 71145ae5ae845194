"""The nightly job's clock: once a day whatever the clocks do, one run at a time, gone within seconds, and light."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from typing import Any

import pytest

from nokchart import daily
from nokchart.daily import Daily, slot

FOUR = clock_time(4, 0)
ROOT = Path(__file__).parents[2]


def _utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def test_the_hour_is_korean() -> None:
    assert slot(FOUR, _utc(2026, 1, 6, 18, 59)) == _utc(2026, 1, 5, 19)
    assert slot(FOUR, _utc(2026, 1, 6, 19)) == _utc(2026, 1, 6, 19)
    assert slot(FOUR, _utc(2026, 1, 7, 18, 59, 59)) == _utc(2026, 1, 6, 19)
    assert slot(clock_time(0, 0), _utc(2026, 1, 6, 14, 59, 59)) == _utc(2026, 1, 5, 15)
    assert slot(clock_time(23, 59), _utc(2026, 1, 6, 15, 0)) == _utc(2026, 1, 6, 14, 59)


class World:
    """A wall clock and a monotonic one that pass only while the job sleeps, and runs that take no time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, start: datetime) -> None:
        self.now, self.running_sec = start, 0.0
        self.runs: list[datetime] = []
        self.leaps: dict[datetime, timedelta] = {}
        world = self

        class Clock(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> "Clock":
                return cls.fromtimestamp(world.now.timestamp(), tz)

        class Time:
            monotonic = staticmethod(lambda: world.running_sec)
            sleep = staticmethod(world.sleep)

        monkeypatch.setattr(daily, "datetime", Clock)
        monkeypatch.setattr(daily, "time", Time)
        monkeypatch.setattr(daily, "_TICK_SEC", 30.0)
        monkeypatch.setattr("signal.signal", lambda *_: None)

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.running_sec += seconds
        for at, leap in list(self.leaps.items()):
            if self.now >= at:
                self.now += leap
                del self.leaps[at]

    def play(self, until_runs: int, *, hours: float = 200, every_sec: float | None = None) -> list[datetime]:
        job = Daily(FOUR, every_sec, [])

        def run_once() -> None:
            self.runs.append(self.now)
            if len(self.runs) == until_runs or self.running_sec > hours * 3600:
                job.stopped_by = signal.SIGTERM

        job._run_once = run_once  # type: ignore[method-assign]
        job.run()
        return self.runs


def test_at_the_start_and_then_once_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, _utc(2026, 1, 6, 18, 58))
    assert world.play(4) == [_utc(2026, 1, 6, 18, 58), *(_utc(2026, 1, day, 19) for day in (6, 7, 8))]


def test_every_few_minutes_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, _utc(2026, 1, 6, 18, 45))
    minutes = [(run - world.now).total_seconds() / 60 for run in world.play(4, every_sec=600)]
    assert [round(one - minutes[0], 1) for one in minutes] == [0, 10, 15, 25]  # the hour itself, in between


def test_a_clock_that_leaps_ahead_misses_no_day(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, _utc(2026, 1, 6, 10))
    world.leaps[_utc(2026, 1, 6, 12)] = timedelta(hours=50)  # a laptop that was asleep
    world.play(3)
    assert [run.day for run in world.runs[1:]] == [8, 8]
    assert (world.runs[1] - _utc(2026, 1, 8, 14)).total_seconds() <= 30
    assert world.runs[2] == _utc(2026, 1, 8, 19)


def test_a_clock_that_was_years_ahead_does_not_stop_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, _utc(2036, 1, 6, 10))
    world.leaps[_utc(2036, 1, 6, 12)] = _utc(2026, 1, 6, 12) - _utc(2036, 1, 6, 12)
    world.play(3)
    assert [run.year for run in world.runs] == [2036, 2026, 2026]
    assert world.runs[2] == _utc(2026, 1, 6, 19)


def _start(*command: str, every: str = "0") -> "subprocess.Popen[str]":
    far = (datetime.now(UTC) + timedelta(hours=9) - timedelta(hours=1)).strftime("%H:%M")
    return subprocess.Popen(
        [sys.executable, "-m", "nokchart.daily", far, every, *command],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


CHILD = """
import os, pathlib, signal, sys, time
if sys.argv[2] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_it_waits_in_little_memory_and_stops_at_once(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    with _start(sys.executable, "-c", f"open({str(ran)!r}, 'w')") as job:
        _wait_for(ran)
        time.sleep(2)
        assert _rss_mb(job.pid) < 25
        begun = time.monotonic()
        job.terminate()
        out, errors = job.communicate(timeout=10)
    assert time.monotonic() - begun < 3
    assert (job.returncode, out, errors) == (0, "", "")


@pytest.mark.parametrize(("manners", "within_sec"), [("polite", 3), ("deaf", 9)])
def test_a_stop_ends_the_run_as_well(tmp_path: Path, manners: str, within_sec: float) -> None:
    on = tmp_path / "on"
    with _start(sys.executable, "-c", CHILD, str(on), manners) as job:
        _wait_for(on)
        children = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
        begun = time.monotonic()
        job.terminate()
        job.communicate(timeout=20)
    assert time.monotonic() - begun < within_sec
    assert job.returncode == 0
    assert len(children) == 1
    assert not Path(f"/proc/{children[0]}").exists()


def test_a_run_that_fails_or_is_killed_is_said_and_not_the_end(tmp_path: Path) -> None:
    script = f"""
import os, pathlib, signal, sys
path = pathlib.Path({str(tmp_path / "runs")!r})
count = len(path.read_text()) if path.exists() else 0
path.write_text("x" * (count + 1))
if count == 0:
    sys.exit(1)
if count == 1:
    os.kill(os.getpid(), signal.SIGKILL)
pathlib.Path({str(tmp_path / "third")!r}).touch()
"""
    with _start(sys.executable, "-c", script, every="0.02") as job:
        _wait_for(tmp_path / "third")
        job.send_signal(signal.SIGINT)
        _, errors = job.communicate(timeout=10)
    assert job.returncode == 130
    assert "Traceback" not in errors
    failed, killed = errors.splitlines()[:2]
    assert failed == "nokchart: the run ended with exit code 1; what is left is made in 0.02 minutes."
    assert killed == "nokchart: the run was killed by signal 9; what is left is made in 0.02 minutes."


def test_a_command_that_cannot_begin_is_said(tmp_path: Path) -> None:
    with _start(str(tmp_path / "nothing")) as job:
        time.sleep(1.5)
        job.terminate()
        _, errors = job.communicate(timeout=10)
    assert errors == "nokchart: the run could not begin (No such file or directory); again tomorrow.\n"


@pytest.mark.parametrize("manners", ["polite", "deaf"])
def test_a_run_that_does_not_end_is_stopped_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], manners: str
) -> None:
    monkeypatch.setattr(daily, "_LIMIT_SEC", 2.0)
    monkeypatch.setattr(daily, "_PATIENCE_SEC", 1.0)
    on = tmp_path / "on"
    job = Daily(FOUR, 600, [sys.executable, "-c", CHILD, str(on), manners])
    begun = time.monotonic()
    job._run_once()
    assert time.monotonic() - begun < 10
    with pytest.raises(ProcessLookupError):
        os.kill(int(on.read_text()), 0)
    assert "stopped after 0.000555556 hours; what is left is made in 10 minutes." in capsys.readouterr().err
