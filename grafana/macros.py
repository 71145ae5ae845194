"""What Grafana does to a statement before PostgreSQL sees it: macros and variables are replaced by text.

Tests, benchmarks and the documentation's pictures run the dashboards' statements without a Grafana; this does for them what
Grafana does, in its order, for the macros and the one format of variables that the dashboards use.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

_MACRO = re.compile(r"\$__(?P<name>timeFilter|timeFrom|timeTo)\((?P<column>[^)]*)\)")
_VARIABLE = re.compile(r"\$\{(?P<name>\w+):sqlstring\}")
_LEFT_OVER = re.compile(r"\$(?:__\w+|\{\w+|(?=[a-z])\w+)")

# The widths Grafana rounds an interval to, in ms: each up to the value half way to the next.
_ROUND_MS = [
    *(1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 20_000, 30_000),
    *(minutes * 60_000 for minutes in (1, 2, 5, 10, 15, 20, 30)),
    *(hours * 3_600_000 for hours in (1, 2, 3, 6, 12, 24, 168, 720, 8760)),
]


@dataclass(frozen=True)
class View:
    """What somebody looks at: a range of time, how many points wide a panel is, and the values of the variables."""

    since: datetime
    until: datetime
    points: int = 1000
    min_interval_ms: int = 1000
    variables: Mapping[str, str | Sequence[str]] = field(default_factory=dict)

    @property
    def interval_ms(self) -> int:
        """Grafana's $__interval_ms: the range over the points, rounded to a usual width, at least min_interval_ms."""
        exact = (self.until - self.since) / timedelta(milliseconds=1) / self.points
        return max(_rounded(exact), self.min_interval_ms)


def expand(statement: str, view: View) -> str:
    """The statement as PostgreSQL gets it. ValueError where something that only Grafana understands is left."""

    def macro(match: re.Match[str]) -> str:
        since, until = _moment(view.since), _moment(view.until)
        if match["name"] == "timeFilter":
            return f"{match['column']} BETWEEN {since} AND {until}"
        return since if match["name"] == "timeFrom" else until

    def variable(match: re.Match[str]) -> str:
        value = view.variables[match["name"]]
        return ",".join(_quoted(one) for one in ([value] if isinstance(value, str) else value))

    if left := _LEFT_OVER.search(_MACRO.sub("", _VARIABLE.sub("", statement)).replace("$__interval_ms", "")):
        raise ValueError(f"{left[0]} is not replaced")
    return _MACRO.sub(macro, _VARIABLE.sub(variable, statement)).replace("$__interval_ms", str(view.interval_ms))


def _rounded(milliseconds: float) -> int:
    for narrow, wide in pairwise(_ROUND_MS):
        if milliseconds < (narrow + wide) / 2:
            return narrow
    return _ROUND_MS[-1]


def _moment(moment: datetime) -> str:
    return f"'{moment.astimezone(UTC).isoformat(timespec='milliseconds').removesuffix('+00:00')}Z'"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
