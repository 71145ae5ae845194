"""Whether a collector is well: a pure verdict over its snapshot, for `nokchart health` and for GET /health."""

from collections.abc import Iterator
from datetime import datetime

from collector.snapshot import ChannelSnapshot, Snapshot

# Written every ten seconds: one that is this old has been left out six times.
STATUS_OLD_SEC = 60.0

# Two polls in a row fail on any bad evening; the minute on top is for short intervals and for a slow answer.
POLLS_MISSED = 3
POLL_GRACE_SEC = 60.0

# A connection that is silent for 55 s, pongs included, is replaced. Later than that, nobody is reading.
FRAME_OLD_SEC = 90.0

# A database that is restarted is back within the minute, and what comes meanwhile waits.
DATABASE_AWAY_SEC = 60.0

# The queue is emptied four times a second: half of it is no burst of chat but a writer that does not keep up.
QUEUE_SHARE = 0.5

# On air there is something to commit at every poll, chat or not.
COMMIT_OLD_SEC = 900.0


def problems(snapshot: Snapshot, now: datetime) -> list[str]:
    """What is wrong, one English sentence each; empty where the collector is well. `now`: aware, of this machine."""
    return [*_of_the_collector(snapshot, now), *(said for one in snapshot.channels for said in _of(one, snapshot))]


def describe(snapshot: Snapshot, now: datetime) -> list[str]:
    """The collector in a few lines of plain text, the problems last. `now` as above."""
    on_air = [channel for channel in snapshot.channels if channel.live]
    commit = "none yet" if snapshot.commit_age_sec is None else f"{_span(snapshot.commit_age_sec)} ago"
    return [
        f"collector {snapshot.collector_id}: {len(snapshot.channels)} channels, {len(on_air)} on air",
        f"  status       {_span(max(0.0, _age(snapshot, now)))} old",
        f"  last poll    {_polled(snapshot.channels)}",
        *(f"  on air       {channel.channel_id}: {_heard(channel)}" for channel in on_air),
        f"  last commit  {commit}",
        f"  queue        {snapshot.queued_rows:,} of {snapshot.queue_limit_rows:,} rows",
        f"  spool        {_megabytes(snapshot.spool_bytes)} of {_megabytes(snapshot.spool_limit_bytes)} MB",
        *(f"  problem      {said}" for said in problems(snapshot, now)),
    ]


def _of_the_collector(snapshot: Snapshot, now: datetime) -> Iterator[str]:
    age = _age(snapshot, now)
    if age > STATUS_OLD_SEC:
        yield f"The status is {_span(age)} old: the collector (process {snapshot.pid}) hangs or is gone."
    elif age < -STATUS_OLD_SEC:
        yield f"The status is {_span(-age)} ahead of the clock: the clock was set back, or the collector is gone."
    if snapshot.database_away_sec > DATABASE_AWAY_SEC:
        yield (
            f"The database has taken nothing for {_span(snapshot.database_away_sec)}: {snapshot.queued_rows:,} rows "
            f"wait in memory and {_megabytes(snapshot.spool_bytes)} MB on disk."
        )
    if snapshot.spool_full:
        yield (
            f"The spool is full at {_megabytes(snapshot.spool_bytes)} of {_megabytes(snapshot.spool_limit_bytes)} MB: "
            f"{snapshot.dropped:,} messages were dropped so far."
        )
    if snapshot.queued_rows > snapshot.queue_limit_rows * QUEUE_SHARE:
        yield f"The queue holds {snapshot.queued_rows:,} rows of {snapshot.queue_limit_rows:,}."
    on_air, watched = sum(channel.live for channel in snapshot.channels), len(snapshot.channels)
    unwritten = _or_since_start(snapshot.commit_age_sec, snapshot)
    if on_air and unwritten > COMMIT_OLD_SEC:
        yield f"Nothing was committed for {_span(unwritten)}, with {on_air} of {watched} channels on air."


def _of(channel: ChannelSnapshot, snapshot: Snapshot) -> Iterator[str]:
    unpolled = _or_since_start(channel.poll_age_sec, snapshot)
    if unpolled > POLLS_MISSED * snapshot.poll_interval_sec + POLL_GRACE_SEC:
        yield (
            f"Channel {channel.channel_id}: no poll was answered for {_span(unpolled)}, "
            f"and one is due every {_span(snapshot.poll_interval_sec)}."
        )
    # Without a connection and without a time there is no telling a reconnect from a night: that is no problem yet.
    if channel.live and channel.frame_age_sec is not None and channel.frame_age_sec > FRAME_OLD_SEC:
        state = "connected, and nothing was heard" if channel.connected else "not connected"
        yield f"Channel {channel.channel_id}: on air and {state} for {_span(channel.frame_age_sec)}."


def _polled(channels: list[ChannelSnapshot]) -> str:
    ages = [channel.poll_age_sec for channel in channels if channel.poll_age_sec is not None]
    if not ages:
        return "none yet"
    waiting = f", {len(channels) - len(ages)} not answered yet" if len(ages) < len(channels) else ""
    return f"{_span(min(ages))} ago, {_span(max(ages))} for the channel that waits longest{waiting}"


def _heard(channel: ChannelSnapshot) -> str:
    connected = "connected" if channel.connected else "not connected"
    return connected if channel.frame_age_sec is None else f"{connected}, last frame {_span(channel.frame_age_sec)} ago"


def _age(snapshot: Snapshot, now: datetime) -> float:
    return (now - snapshot.at).total_seconds()


def _or_since_start(age_sec: float | None, snapshot: Snapshot) -> float:
    """The age of what has happened; of what never did, the collector's own."""
    return snapshot.running_sec if age_sec is None else age_sec


def _span(seconds: float) -> str:
    """Seconds as a person says them: 75 s, 20 min, 3.5 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _megabytes(size: int) -> str:
    """MB of 2**20 bytes, as the setting counts them."""
    return f"{size / 2**20:,.1f}"
