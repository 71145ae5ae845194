"""Metrics: what a scrape says is the snapshot, whole, and what the documentation says they are."""

from __future__ import annotations

import re
import socket
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

import aiohttp
import msgspec
import pytest
from prometheus_client import parser
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.openmetrics import parser as openmetrics

from collector.metrics import (
    CHANNEL_METRICS,
    COLLECTOR_METRICS,
    INFO_LABELS,
    METRICS,
    MetricsAddressError,
    serve_metrics,
)
from collector.snapshot import ChannelSnapshot, Snapshot
from tests.collector.wellbeing import channel, silent, snapshot

PAGE = (Path(__file__).parents[2] / "docs/metrics.md").read_text(encoding="utf-8")
DOCUMENTED = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+) \|$", PAGE, re.MULTILINE)
HOSTILE = ['a"} 1\nnokchart_channels 9', "\\", "\\n", "한글 🎉", "{}", "", 'x{a="b"}', "#", " "]


async def get(port: int, path: str, **headers: str) -> tuple[int, str, str]:
    """Status, content type and text of an answer."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}{path}", headers=headers) as got,
    ):
        return got.status, got.headers["Content-Type"], await got.text()


async def scrape(state: Snapshot) -> list[Family]:
    """The families of one scrape, read back by Prometheus' own parser."""
    async with serve_metrics(lambda: state, "127.0.0.1", 0) as port:
        status, kind, text = await get(port, "/metrics")
    assert (status, kind.split(";")[0]) == (200, "text/plain")
    return list(parser.text_string_to_metric_families(text))


def values(families: list[Family]) -> dict[tuple[str, str | None], float]:
    """Every sample by its name and its channel."""
    samples = [sample for family in families for sample in family.samples]
    found = {(sample.name, sample.labels.get("channel_id")): sample.value for sample in samples}
    assert len(found) == len(samples)
    return found


async def test_a_scrape_is_the_snapshot() -> None:
    one, other = channel("one"), silent("other", events=7)
    state = snapshot(one, other, spool_full=True, dropped=4, spool_bytes=2**40)
    found = values(await scrape(state))
    assert found["nokchart_start_time_seconds", None] == state.started_at.timestamp()
    assert found["nokchart_snapshot_time_seconds", None] == state.at.timestamp()
    assert found["nokchart_channels", None] == 2
    assert found["nokchart_spool_full", None] == 1
    assert found["nokchart_spool_bytes", None] == 2**40
    assert found["nokchart_events_total", None] == 123_456
    assert found["nokchart_dropped_messages_total", None] == 4
    assert found["nokchart_commit_delay_seconds", None] == 0.41
    assert found["nokchart_channel_live", "one"] == 1
    assert found["nokchart_channel_live", "other"] == 0
    assert found["nokchart_channel_events_total", "other"] == 7
    assert found["nokchart_channel_frame_age_seconds", "one"] == 3.0
    for metric in CHANNEL_METRICS[2:]:
        assert found.get((metric.name, "one")) == getattr(one, metric.field)


async def test_each_scrape_is_of_its_own_moment() -> None:
    states = iter([snapshot(events=1), snapshot(events=2)])
    async with serve_metrics(lambda: next(states), "127.0.0.1", 0) as port:
        for events in (1.0, 2.0):
            _, _, text = await get(port, "/metrics")
            assert f"nokchart_events_total {events}\n" in text


async def test_what_is_not_known_has_no_sample() -> None:
    families = await scrape(snapshot(silent(poll_age_sec=None), commit_age_sec=None, delay_sec=None))
    found = {name for name, _ in values(families)}
    absent = {metric.name for metric in METRICS} - found
    assert absent == {
        "nokchart_commit_age_seconds",
        "nokchart_commit_delay_seconds",
        "nokchart_channel_poll_age_seconds",
        "nokchart_channel_frame_age_seconds",
    }


async def test_problems_are_counted() -> None:
    assert values(await scrape(snapshot(at=datetime.now(UTC))))["nokchart_problems", None] == 0
    ill = snapshot(at=datetime.now(UTC), spool_full=True, database_away_sec=99.0)
    assert values(await scrape(ill))["nokchart_problems", None] == 2


async def test_hostile_channel_ids_stay_labels() -> None:
    state = snapshot(*(channel(one, events=number) for number, one in enumerate(HOSTILE)))
    families = await scrape(state)
    found = values(families)
    assert [found["nokchart_channel_events_total", one] for one in HOSTILE] == list(range(len(HOSTILE)))
    assert found["nokchart_channels", None] == len(HOSTILE)
    labels = {name for family in families for sample in family.samples for name in sample.labels}
    assert labels == {"channel_id", *INFO_LABELS}


def test_every_field_of_a_snapshot_is_a_metric() -> None:
    fields = {field.name for field in msgspec.structs.fields(Snapshot)}
    assert {metric.field for metric in COLLECTOR_METRICS} | set(INFO_LABELS) == fields
    fields = {field.name for field in msgspec.structs.fields(ChannelSnapshot)}
    assert {metric.field for metric in CHANNEL_METRICS} | {"channel_id"} == fields


def test_names_follow_the_conventions() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert re.fullmatch(r"nokchart_[a-z]+(_[a-z]+)*", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        for unit, suffix in (("_sec", "_seconds"), ("_at", "_time_seconds"), ("_bytes", "_bytes"), ("_rows", "_rows")):
            assert metric.name.endswith(suffix) or not metric.field.endswith(unit)


async def test_code_and_documentation_name_the_same_metrics() -> None:
    ours = [row for row in DOCUMENTED if row[0].startswith("nokchart_")]
    assert ours == [metric[:3] for metric in METRICS]
    if sys.platform != "linux":
        pytest.skip("the process's own metrics are of Linux")
    families = await scrape(snapshot())
    scraped = {
        (family.name + ("_total" if family.type == "counter" else ""), family.type, family.documentation)
        for family in families
    }
    assert scraped == set(DOCUMENTED)


async def test_openmetrics_is_spoken_too() -> None:
    async with serve_metrics(lambda: snapshot(), "127.0.0.1", 0) as port:
        status, kind, text = await get(port, "/metrics", Accept="application/openmetrics-text;version=1.0.0")
    assert (status, kind.split(";")[0]) == (200, "application/openmetrics-text")
    assert text.endswith("# EOF\n")
    assert len(list(openmetrics.text_string_to_metric_families(text))) == len(DOCUMENTED)


async def test_health_over_http() -> None:
    well = snapshot(at=datetime.now(UTC))
    ill = snapshot(at=datetime.now(UTC) - timedelta(seconds=100))
    states = iter([well, ill])
    async with serve_metrics(lambda: next(states), "127.0.0.1", 0) as port:
        status, kind, text = await get(port, "/health")
        assert (status, kind) == (200, "text/plain; charset=utf-8")
        assert text.startswith("collector host:4711: 2 channels, 1 on air\n")
        assert "problem" not in text
        status, _, text = await get(port, "/health")
        assert status == 503
        assert "\n  problem      The status is 100 s old: " in text


async def test_nothing_else_is_served() -> None:
    async with serve_metrics(lambda: snapshot(), "127.0.0.1", 0) as port:
        for path in ("/", "/metrics/", "/status.json", "/../health2"):
            assert (await get(port, path))[0] == 404
        async with aiohttp.ClientSession() as session, session.post(f"http://127.0.0.1:{port}/metrics") as got:
            assert got.status == 405


async def test_the_server_is_gone_with_its_block() -> None:
    async with serve_metrics(lambda: snapshot(), "127.0.0.1", 0) as port:
        pass
    with pytest.raises(aiohttp.ClientConnectorError):
        await get(port, "/metrics")
    async with serve_metrics(lambda: snapshot(), "127.0.0.1", port) as again:  # and its port is free
        assert again == port


async def test_an_address_that_cannot_be_had_is_one_sentence() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(MetricsAddressError) as caught:
            async with serve_metrics(lambda: snapshot(), "127.0.0.1", port):
                raise AssertionError("it listens on a port that is taken")
    assert str(caught.value) == (
        f"Metrics cannot be served on port {port} of 127.0.0.1 (Address already in use): "
        "write another metrics_port, or another metrics_address."
    )
    for address in ("no.such.host.invalid", "203.0.113.1"):  # the second is nobody's
        with pytest.raises(MetricsAddressError, match=f"of {address} \\(.+\\): write") as caught:
            async with serve_metrics(lambda: snapshot(), address, 0):
                raise AssertionError("it listens where it is not")
        assert "\n" not in str(caught.value)


async def test_two_hundred_channels_hold_the_event_loop_up_for_little() -> None:
    state = snapshot(*(channel(f"{number:032x}") for number in range(200)))
    async with serve_metrics(lambda: state, "127.0.0.1", 0) as port:
        await get(port, "/metrics")
        begun = perf_counter()
        _, _, text = await get(port, "/metrics")
        assert perf_counter() - begun < 1.0  # about 0.02 s, on a machine that is not busy
    assert text.count("\nnokchart_channel_") == 200 * len(CHANNEL_METRICS)
