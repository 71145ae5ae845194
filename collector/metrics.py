"""The collector's snapshot as Prometheus metrics, and the little HTTP server that tells them.

Labels are ids only: never a title, a name or a word of chat.
"""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.aiohttp import make_aiohttp_handler
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from collector.health import describe, problems
from collector.snapshot import Snapshot
from store.errors import NokchartError

# How long a scrape may take to end when the collector stops.
_GOODBYE_SEC = 1.0


class MetricsAddressError(NokchartError):
    """The metrics cannot be served where the configuration says."""


class Metric(NamedTuple):
    """One metric: its name, what it is, and the field of a snapshot that it tells."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    field: str


COLLECTOR_METRICS = (
    Metric("nokchart_start_time_seconds", "gauge", "When the collector started, since 1970.", "started_at"),
    Metric("nokchart_running_seconds", "gauge", "Since the start, whatever becomes of the clock.", "running_sec"),
    Metric("nokchart_snapshot_time_seconds", "gauge", "When these numbers were true, since 1970.", "at"),
    Metric("nokchart_poll_interval_seconds", "gauge", "How often each channel is asked.", "poll_interval_sec"),
    Metric("nokchart_channels", "gauge", "Channels that this collector watches.", "channels"),
    Metric(
        "nokchart_database_away_seconds",
        "gauge",
        "For how long nothing could be committed although something waits; 0 while the database answers.",
        "database_away_sec",
    ),
    Metric("nokchart_commit_age_seconds", "gauge", "Since the last commit; absent before the first.", "commit_age_sec"),
    Metric(
        "nokchart_commit_delay_seconds",
        "gauge",
        "From a message's time at Chzzk to its commit, the newest batch's median; absent before the first.",
        "delay_sec",
    ),
    Metric("nokchart_queue_rows", "gauge", "Rows in memory that are not committed.", "queued_rows"),
    Metric("nokchart_queue_limit_rows", "gauge", "Rows that fit in memory.", "queue_limit_rows"),
    Metric("nokchart_spool_bytes", "gauge", "Rows on disk that are not committed.", "spool_bytes"),
    Metric("nokchart_spool_limit_bytes", "gauge", "What the spool may grow to.", "spool_limit_bytes"),
    Metric("nokchart_spool_full", "gauge", "1 while the spool takes no more.", "spool_full"),
    Metric("nokchart_events_total", "counter", "New rows committed.", "events"),
    Metric("nokchart_repeated_events_total", "counter", "Second deliveries, which changed nothing.", "repeated"),
    Metric("nokchart_rejected_items_total", "counter", "Items that were kept, and not understood.", "rejected"),
    Metric("nokchart_dropped_messages_total", "counter", "Messages that could be kept nowhere.", "dropped"),
    Metric("nokchart_commit_errors_total", "counter", "Commits that failed.", "commit_errors"),
)
"""Without a label; the field is one of Snapshot."""

CHANNEL_METRICS = (
    Metric("nokchart_channel_live", "gauge", "1 while the channel is on air.", "live"),
    Metric("nokchart_channel_connected", "gauge", "1 while its chat is connected.", "connected"),
    Metric(
        "nokchart_channel_poll_age_seconds",
        "gauge",
        "Since the last poll that got an answer; absent before the first.",
        "poll_age_sec",
    ),
    Metric(
        "nokchart_channel_frame_age_seconds",
        "gauge",
        "Since the last frame of its chat, pongs included; absent while there is none.",
        "frame_age_sec",
    ),
    Metric("nokchart_channel_events_total", "counter", "Messages of the broadcast on air.", "events"),
    Metric("nokchart_channel_rejected_items_total", "counter", "Its items that were not understood.", "rejected"),
    Metric("nokchart_channel_connections_total", "counter", "Its connections to the chat.", "connections"),
    Metric("nokchart_channel_gaps_total", "counter", "Its gaps.", "gaps"),
)
"""A sample a channel, labelled `channel_id`; the field is one of ChannelSnapshot. Each broadcast counts from 0."""

INFO = Metric("nokchart_collector_info", "gauge", "Always 1; the labels say which collector this is.", "collector_id")
INFO_LABELS = ("collector_id", "pid")

PROBLEMS = Metric("nokchart_problems", "gauge", "How many problems `nokchart health` finds.", "")

METRICS = (INFO, PROBLEMS, *COLLECTOR_METRICS, *CHANNEL_METRICS)
"""All of them; docs/metrics.md has a row for each."""


class SnapshotCollector(Collector):
    """What prometheus_client asks at each scrape: the snapshot of that moment."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Family]:
        """Every metric once. What is not known yet has no sample: a 0 would be a lie."""
        snapshot = self._snapshot()
        info = _family(INFO, INFO_LABELS)
        info.add_metric([str(getattr(snapshot, label)) for label in INFO_LABELS], 1)
        yield info
        found = _family(PROBLEMS)
        found.add_metric([], len(problems(snapshot, datetime.now(UTC))))
        yield found
        for metric in COLLECTOR_METRICS:
            family = _family(metric)
            if (value := _number(getattr(snapshot, metric.field))) is not None:
                family.add_metric([], value)
            yield family
        for metric in CHANNEL_METRICS:
            family = _family(metric, ["channel_id"])
            for channel in snapshot.channels:
                if (value := _number(getattr(channel, metric.field))) is not None:
                    family.add_metric([channel.channel_id], value)
            yield family


@asynccontextmanager
async def serve_metrics(snapshot: Callable[[], Snapshot], address: str, port: int) -> AsyncIterator[int]:
    """Answers GET /metrics and GET /health on `address`:`port` until the block ends; yields the port (0 finds one).

    /metrics is for Prometheus. /health says in plain text what `nokchart health` says, with status 503 where there is a
    problem. Everything is answered from `snapshot()`, on the event loop. MetricsAddressError where it cannot listen.
    """
    registry = CollectorRegistry()
    registry.register(SnapshotCollector(snapshot))
    ProcessCollector(registry=registry)

    async def health(request: web.Request) -> web.Response:
        now, current = datetime.now(UTC), snapshot()
        text = "\n".join([*describe(current, now), ""])
        return web.Response(text=text, status=503 if problems(current, now) else 200)

    app = web.Application()
    app.router.add_get("/metrics", make_aiohttp_handler(registry))
    app.router.add_get("/health", health)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_GOODBYE_SEC)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, address, port).start()
        except OSError as error:
            # asyncio says it at length, the address included; the number of a name that nobody knows is below 0.
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
            raise MetricsAddressError(
                f"Metrics cannot be served on port {port} of {address} ({why}): "
                "write another metrics_port, or another metrics_address."
            ) from error
        bound: int = runner.addresses[0][1]
        yield bound
    finally:
        await runner.cleanup()


def _family(metric: Metric, labels: tuple[str, ...] | list[str] = ()) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    return kind(metric.name, metric.help, labels=labels)


def _number(value: object) -> float | None:
    """A field's value as Prometheus takes it: a time as seconds since 1970, a list as its length."""
    match value:
        case None:
            return None
        case datetime():
            return value.timestamp()
        case list():
            return len(value)
        case bool() | int() | float():
            return float(value)
    raise TypeError(f"{type(value).__name__} is no number")
