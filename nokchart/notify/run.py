"""`nokchart notify run`: looks at the database every few seconds, and tells people what is new.

A process of its own: nothing that it does or waits for can hold up the collection.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import wait
from datetime import UTC, datetime, timedelta

import psycopg
import structlog

from analytics.alerts import Alert
from analytics.language import Language
from analytics.live import LiveReader
from nokchart.notify.delivery import Place
from nokchart.notify.message import write_message
from nokchart.notify.outbox import Limits, Outbox
from nokchart.notify.state import StateFile
from nokchart.threads import DaemonThreads
from store.database import Database, explaining_failures
from store.errors import NokchartError, cause_of

log = structlog.get_logger(__name__)

LOOK_SEC = 5.0
AWAY_SEC = 120.0
"""A database that is restarted is back within two minutes."""
SETTLE_SEC = 90.0
"""After that collectors first bring in what they kept, and then report again."""


_LAST_SEC = 3.0  # for what is being sent when the stop comes


class Notifier:
    """The loop, and a thread for each place: one that hangs holds up no other."""

    def __init__(
        self,
        reach: Callable[[], Database],
        reader: LiveReader,
        places: Collection[Place],
        state: StateFile,
        *,
        events: Collection[str],
        min_score: float,
        limits: Limits,
        language: Language,
        look_sec: float = LOOK_SEC,
        away_sec: float = AWAY_SEC,
        settle_sec: float = SETTLE_SEC,
    ) -> None:
        """`events`: the kinds that are told, of started, ended, peak and stalled (which is recovered, too)."""
        self._reach = reach
        self._reader = reader
        self._places = places
        self._state = state
        self._events = {*events, "recovered"} if "stalled" in events else set(events)
        self._min_score = min_score
        self._limits = limits
        self._language: Language = language
        self._look_sec = look_sec
        self._away_sec = away_sec
        self._settle_sec = settle_sec
        self._answered_at = time.monotonic()
        self._memory = state.read()
        self._changed = threading.Condition()
        """Held while the memory is read or changed."""
        self.stop = threading.Event()

    def run(self) -> None:
        """Until `stop`. What is not sent by then is sent after the next start."""
        self._memory.outboxes = {place.key: self._memory.outboxes.get(place.key) or Outbox() for place in self._places}
        log.info("watching", places=[place.name for place in self._places], events=sorted(self._events))
        threads = DaemonThreads()
        tasks = [threads.submit(self._look_on), *(threads.submit(self._send, place) for place in self._places)]
        while not self.stop.wait(self._look_sec / 10) and not any(task.done() for task in tasks):
            with self._changed:
                if time.monotonic() - self._answered_at > self._away_sec:
                    self._tell(self._memory.lookout.database_away(self._ago(self._away_sec)))
        self.stop.set()
        wait(tasks, timeout=_LAST_SEC)
        with self._changed:
            self._state.write(self._memory)
        for task in tasks:
            if task.done():
                task.result()  # a mistake of ours is not to be lived with

    def _look_on(self) -> None:
        """Looks again and again, in a thread of its own: a database that hangs is told, too."""
        database: Database | None = None
        back_at: float | None = -math.inf
        lookout = self._memory.lookout
        while not self.stop.is_set():
            try:
                with explaining_failures():
                    database = database or self._reach()
                    view = self._reader.look(database, lookout.looked_at, lookout.on_air)
            except (NokchartError, psycopg.Error, OSError) as error:
                if back_at is not None:
                    log.warning("database away", error=cause_of(error))
                database = back_at = None
            else:
                self._answered_at = time.monotonic()
                if back_at is None:
                    log.info("database is back")
                    back_at = self._answered_at
                with self._changed:
                    told = lookout.database_back(self._ago(0))
                    settled = self._answered_at - back_at >= self._settle_sec
                    self._tell(told + lookout.see(view, self._min_score, settled=settled))
            self.stop.wait(self._look_sec)
        self._reader.close()

    def _tell(self, alerts: list[Alert]) -> None:
        wanted = [alert for alert in alerts if alert.kind in self._events]
        for alert in wanted:
            log.info("alert", kind=alert.kind, channel_id=alert.channel_id, name=alert.name)
        if alerts:
            for outbox in self._memory.outboxes.values():
                outbox.add(wanted)
            self._state.write(self._memory)
            self._changed.notify_all()

    def _send(self, place: Place) -> None:
        """Of one place: sends what is due, and tries again what did not arrive."""
        outbox = self._memory.outboxes[place.key]
        while not self.stop.is_set():
            with self._changed:
                batch = outbox.due(time.time(), self._limits)
                if batch is None:
                    self._changed.wait(timeout=1)
                    continue
            problem = place.send(write_message(batch.alerts, batch.left_out, self._language))
            with self._changed:
                if problem is None:
                    outbox.sent(batch, time.time())
                else:
                    outbox.failed(time.time())
                    log.warning("not delivered", to=place.name, problem=problem, again_in_sec=outbox.delay_sec())
                self._state.write(self._memory)

    @staticmethod
    def _ago(seconds: float) -> datetime:
        return datetime.now(UTC) - timedelta(seconds=seconds)
