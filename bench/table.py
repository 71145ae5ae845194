"""The table that each benchmark prints: what was measured, what is wanted, and whether a wanted bound was missed."""

import os
import platform
from pathlib import Path

_DOCS = Path(__file__).parent.parent / "docs"


class Table:
    """Lines of `| what | measured | wanted |`, printed as they come."""

    def __init__(self) -> None:
        self.missed: list[str] = []
        """What did not keep its bound."""
        self._lines: list[str] = []
        self._print("| what | measured | wanted |")
        self._print("|---|---|---|")

    def add(self, what: str, measured: str, wanted: str = "", *, met: bool = True) -> None:
        """One figure; `met` says whether it is within the bound that `wanted` names."""
        self._print(f"| {what} | {measured} | {wanted}{'' if met else ': **missed**'} |")
        if not met:
            self.missed.append(what)

    def add_count(self, what: str, count: int) -> None:
        """Something that must not happen at all."""
        self.add(what, f"{count:,}", "0", met=count == 0)

    def keep(self, name: str, note: str, page: str = "benchmarks.md") -> None:
        """Puts the table in a page of docs, between the markers of `name`, below a line that says what ran."""
        document = _DOCS / page
        text = document.read_text(encoding="utf-8")
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, rest = text.split(begin)
        after = rest.split(end)[1]
        table = "\n".join(self._lines)
        document.write_text(f"{before}{begin}{note}\n\n{table}\n{end}{after}", encoding="utf-8")

    def finish(self) -> None:
        """Ends the program: with 1 where a bound was missed."""
        for what in self.missed:
            print(f"missed: {what}")
        raise SystemExit(1 if self.missed else 0)

    def _print(self, line: str) -> None:
        self._lines.append(line)
        print(line, flush=True)


def machine() -> str:
    """What the figures were measured on."""
    return f"{os.cpu_count()} processors, Python {platform.python_version()}, {platform.machine()}"
