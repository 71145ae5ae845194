"""A finished broadcast's events as a Parquet file, in folders by day and channel that DuckDB and others understand."""

from datetime import datetime
from pathlib import Path
from types import ModuleType

from analytics.folder import complete_file, safe_name
from analytics.session import Connection
from store.errors import NokchartError
from store.event import KST
from store.queries import query

# A reader skips whole groups by their times, and a writer holds one: some 10 MB.
ROW_GROUP = 65_536
_FETCH_ROWS = 8_192


class ParquetMissing(NokchartError):
    """Parquet files need the library pyarrow: run `pip install "nokchart[parquet]"`, or leave --parquet out."""


def parquet_path(outdir: Path, opened_at: datetime, channel_id: str, stream_id: str) -> Path:
    """`<outdir>/parquet/events/date=<day it opened in Korea>/channel=<channel id>/<stream_id>.parquet`."""
    day = opened_at.astimezone(KST).strftime("%Y-%m-%d")
    folder = outdir / "parquet" / "events" / f"date={day}" / f"channel={safe_name(channel_id)}"
    return folder / f"{safe_name(stream_id)}.parquet"


def require_parquet() -> None:
    """ParquetMissing where the library is not installed."""
    _library()


def write_parquet(connection: Connection, path: Path, broadcast_id: int, stream_id: str, opened_at: datetime) -> None:
    """Writes the broadcast's events in order of time. Streamed: memory does not grow with the broadcast."""
    arrow = _library()
    import pyarrow.parquet

    of_time = arrow.timestamp("ms", tz="UTC")
    schema = arrow.schema(
        [
            arrow.field("stream_id", arrow.string(), nullable=False),
            arrow.field("ts", of_time, nullable=False),
            arrow.field("t_ms", arrow.int64(), nullable=False),
            arrow.field("kind", arrow.string(), nullable=False),
            arrow.field("event_key", arrow.int64(), nullable=False),
            arrow.field("user_id", arrow.string()),
            arrow.field("nickname", arrow.string()),
            arrow.field("content", arrow.string()),
            arrow.field("amount", arrow.int64()),
            arrow.field("hidden", arrow.bool_(), nullable=False),
            arrow.field("source", arrow.string(), nullable=False),
            arrow.field("received_at", of_time),
            arrow.field("extra", arrow.string()),
        ]
    )
    of_broadcast = {"broadcast_id": broadcast_id, "stream_id": stream_id, "opened_at": opened_at}
    with (
        complete_file(path) as file,
        pyarrow.parquet.ParquetWriter(
            file,
            schema,
            compression="zstd",
            use_dictionary=["stream_id", "kind", "user_id", "nickname", "content", "source"],
        ) as writer,
        connection.cursor(name="parquet_events") as cursor,
    ):
        cursor.execute(query("parquet_events"), of_broadcast)
        group: list[object] = []
        while rows := cursor.fetchmany(_FETCH_ROWS):
            # A pass a column: lists of Python objects are short-lived, what waits for its group is packed.
            columns = [arrow.array([row[field.name] for row in rows], field.type) for field in schema]
            group.append(arrow.record_batch(columns, schema))
            if len(group) * _FETCH_ROWS >= ROW_GROUP:
                writer.write_table(arrow.Table.from_batches(group), ROW_GROUP)
                group.clear()
        if group:
            writer.write_table(arrow.Table.from_batches(group), ROW_GROUP)


def _library() -> ModuleType:
    try:
        import pyarrow
    except ImportError as error:
        raise ParquetMissing from error
    return pyarrow
