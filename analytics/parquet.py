"""A finished broadcast's events as a Parquet file, in folders by day and channel that DuckDB and others understand."""

from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from analytics.folder import complete_file, safe_name
from analytics.session import Connection
from store.errors import NokchartError
from store.event import KST
from store.queries import query

# A reader skips whole groups by their times, and a writer holds one: some 10 MB.
_ROW_GROUP = 16_384


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
    import pyarrow.csv
    import pyarrow.parquet

    text, number, moment = arrow.string(), arrow.int64(), arrow.timestamp("ms", tz="UTC")
    columns = {
        "stream_id": text,
        "ts": moment,
        "t_ms": number,
        "kind": text,
        "event_key": number,
        "user_id": text,
        "nickname": text,
        "content": text,
        "amount": number,
        "hidden": arrow.bool_(),
        "source": text,
        "received_at": moment,
        "extra": text,
    }
    schema = arrow.schema(list(columns.items()))
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
    convert = pyarrow.csv.ConvertOptions(
        column_types={name: number if kind == moment else kind for name, kind in columns.items()},
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,  # COPY quotes an empty text, and nothing where there is none
        true_values=["t"],
        false_values=["f"],
    )
    of_broadcast = {"broadcast_id": broadcast_id, "stream_id": stream_id, "opened_at": opened_at}
    repeated = ["stream_id", "kind", "user_id", "nickname", "content", "source"]
    with (
        complete_file(path) as file,
        pyarrow.parquet.ParquetWriter(file, schema, compression="zstd", use_dictionary=repeated) as writer,
        connection.cursor() as cursor,
        cursor.copy(query("copy_parquet_rows"), of_broadcast) as rows,
    ):
        # Rows go from COPY to Arrow's own reader of CSV: as Python objects they would take ten times as long.
        lines = iter(rows)  # a row each, says the protocol
        while group := b"".join(islice(lines, _ROW_GROUP)):
            read = pyarrow.csv.ReadOptions(column_names=list(columns), block_size=len(group) + 1, use_threads=False)
            table = pyarrow.csv.read_csv(arrow.BufferReader(group), read, parse, convert)
            writer.write_table(table.cast(schema))


def _library() -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise ParquetMissing from error
    return pyarrow
