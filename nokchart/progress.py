"""How a collection is going: a table that redraws itself in a terminal, plain lines anywhere else."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

_REDRAW_SEC = 0.25
_PLAIN_SEC = 5.0


@dataclass(frozen=True)
class Row:
    """One channel as it is now."""

    name: str
    state: str
    share: float
    """Of the broadcast that has been played, 0 to 1."""
    broadcast_sec: float
    sent: int
    received: int | None
    """None while nothing is being collected."""


class Progress:
    """Shows `rows()` until the block ends; `run` keeps it fresh."""

    def __init__(self, console: Console, rows: Callable[[], list[Row]]) -> None:
        self._console = console
        self._rows = rows
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.update(self._table(), refresh=True)
            self._live.stop()

    async def run(self) -> None:
        """Redraws until cancelled."""
        while True:
            if self._live is not None:
                self._live.update(self._table(), refresh=True)
                await asyncio.sleep(_REDRAW_SEC)
            else:
                for row in self._rows():
                    self._console.print(_plain(row), soft_wrap=True, highlight=False)
                await asyncio.sleep(_PLAIN_SEC)

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0))
        for heading in ("channel", "state", "", "time", "sent", "received"):
            table.add_column(heading, justify="right" if heading in ("time", "sent", "received") else "left")
        for row in self._rows():
            table.add_row(
                row.name,
                row.state,
                ProgressBar(total=1.0, completed=row.share, width=24),
                _clock(row.broadcast_sec),
                f"{row.sent:,}",
                "" if row.received is None else f"{row.received:,}",
            )
        return table


def _plain(row: Row) -> str:
    received = "-" if row.received is None else f"{row.received:,}"
    return f"{row.name}  {row.state}  {_clock(row.broadcast_sec)}  sent {row.sent:,}  received {received}"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"
