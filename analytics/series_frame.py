"""chat_ts files that are read back, as data frames and as the session's series."""

import csv
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from analytics.event_lines import MAX_T_MS
from analytics.session import Connection
from store.errors import NokchartError
from store.queries import query


class SeriesError(NokchartError):
    """A chat_ts file cannot be used."""


def load_series(connection: Connection, path: Path) -> tuple[pd.DataFrame, datetime | None]:
    """Reads a chat_ts file back into the session's series, as rows of one second.

    Returns the rows, and the clock time of second 0 where the file tells it. SeriesError, in one sentence, where the
    file is missing, is empty, or lacks a column.
    """
    frame, opened_at = read_series_file(path)
    if len(frame) > 1 and frame["sec"].diff().min() > 1:
        raise SeriesError(f"{path} has no row for each second: peaks are found in chat_ts_1s.csv.")
    # A second that is left out had no chat.
    whole = frame.set_index("sec").reindex(range(int(frame["sec"].iloc[-1]) + 1))
    in_gap = whole["in_gap"].eq(True)
    counts = whole["chat_count"].where(in_gap, whole["chat_count"].fillna(0))
    start = opened_at or datetime(1970, 1, 1, tzinfo=UTC)
    connection.execute(
        query("insert_series"),
        {
            "opened_at": start,
            "sec": whole.index.tolist(),
            "chat_count": _optional_ints(counts),
            "crowd": _optional_ints(whole["crowd"]),
            "in_gap": in_gap.tolist(),
        },
    )
    return frame, opened_at


def read_series_file(path: Path) -> tuple[pd.DataFrame, datetime | None]:
    """The rows of a chat_ts file, and the clock time of second 0 where it tells it. SeriesError as above."""
    try:
        frame = pd.read_csv(path, encoding="utf-8-sig", on_bad_lines="error")
    except FileNotFoundError as error:
        raise SeriesError(f"{path} does not exist: `nokchart build-ts` makes it.") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, csv.Error) as error:
        raise SeriesError(f"{path} is not a chat_ts file ({' '.join(str(error).split())}).") from error
    except OSError as error:
        raise SeriesError(f"{path} cannot be read: {error.strerror}.") from error
    missing = [name for name in ("sec", "chat_count") if name not in frame.columns]
    if missing:
        raise SeriesError(f"{path} has no column {' and '.join(missing)}: it is not a chat_ts file.")
    if frame.empty:
        raise SeriesError(f"{path} has no rows.")
    for name in ("sec", "chat_count", "donation_count", "viewers", "crowd"):
        if name not in frame.columns:
            frame[name] = float("nan")
        numbers = pd.to_numeric(frame[name], errors="coerce")
        # beyond a month of seconds, or what a column of the database holds, it is no count of anything
        limit = MAX_T_MS // 1000 if name == "sec" else 2**31 - 1
        wrong = frame[name].notna() & ~numbers.between(0, limit)
        if wrong.any():
            raise SeriesError(f"{path}, line {int(wrong.to_numpy().argmax()) + 2}: {name} is not a number.")
        frame[name] = numbers
    if frame["sec"].isna().any() or (frame["sec"].astype("int64").diff().dropna() <= 0).any():
        raise SeriesError(f"{path}: sec must be there in each line, and rise.")
    frame["sec"] = frame["sec"].astype("int64")
    gaps = frame["in_gap"] if "in_gap" in frame.columns else pd.Series(False, index=frame.index)
    frame["in_gap"] = gaps.astype(str).str.lower().isin(["true", "t", "1"])
    return frame, _second_zero(frame)


def _second_zero(frame: pd.DataFrame) -> datetime | None:
    if "timestamp" not in frame.columns:
        return None
    first = pd.to_datetime(frame["timestamp"].iloc[0], utc=True, errors="coerce")
    if pd.isna(first):
        return None
    zero: datetime = (first - pd.Timedelta(seconds=int(frame["sec"].iloc[0]))).to_pydatetime()
    return zero


def _optional_ints(values: "pd.Series[float]") -> list[int | None]:
    return [None if pd.isna(value) else int(value) for value in values]
