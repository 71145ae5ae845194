"""How a value looks: its text and its colour, by the options of its field."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

KOREA = ZoneInfo("Asia/Seoul")
GROUND, PANEL, EDGE, TEXT, FAINT, GRID = "#111217", "#181b1f", "#2c3235", "#ccccdc", "#8e9297", "#2a2e33"
LINK, TROUGH = "#6e9fff", "#22252b"
SERIES = ["#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#0072B2", "#D55E00", "#BBBBBB"]

_MOMENTS = {
    "time:HH:mm:ss": "%H:%M:%S",
    "time:MM-DD HH:mm": "%m-%d %H:%M",
    "time:MM-DD HH:mm:ss": "%m-%d %H:%M:%S",
    "dateTimeFromNow": "%m-%d %H:%M",
}


def text(value: Any, look: dict[str, Any], nothing: str = "–") -> str:
    """A value as Grafana shows it; `nothing` where there is none, unless its field has a word for that."""
    unit, decimals = look.get("unit", ""), look.get("decimals")
    if value is None:
        return str(look.get("noValue", nothing))
    if isinstance(value, datetime):
        return value.astimezone(KOREA).strftime(_MOMENTS.get(unit, "%Y-%m-%d %H:%M:%S"))
    if isinstance(value, str):
        return value
    number = float(value)
    match unit:
        case "dthms":
            return f"{int(number) // 3600:02d}:{int(number) // 60 % 60:02d}:{int(number) % 60:02d}"
        case "currencyKRW":
            return "₩" + _short(number, decimals)
        case "short":
            return _short(number, decimals)
        case "bytes":
            return _scaled(number, 1024, ["B", "KiB", "MiB", "GiB"], decimals)
        case "s":
            return _duration(number, decimals)
        case "h":
            return f"{number:.0f} h"
        case "locale":
            return f"{number:,.0f}"
        case "percent":
            return f"{number:.{decimals or 0}f}%"
    plain = f"{number:.0f}" if number == int(number) else f"{number:.3g}"
    if decimals is not None:
        plain = f"{number:.{decimals}f}"
    return plain + unit.removeprefix("suffix:") if unit.startswith("suffix:") else plain


def color(look: dict[str, Any], value: Any) -> str:
    """The fixed colour, or that of the highest threshold reached; plain text where that would only say good or bad."""
    option = look.get("color") or {}
    if option.get("mode") == "fixed":
        return str(option["fixedColor"])
    if value is None:
        return TEXT
    reached = TEXT
    for step in (look.get("thresholds") or {}).get("steps", []):
        if step["value"] is None or float(value) >= step["value"]:
            reached = step["color"]
    return TEXT if reached in ("green", "red") else reached


def shade(share: float) -> tuple[float, float, float]:
    """From the panel's ground to blue, as Grafana's continuous-blues."""
    return (0.09 + 0.08 * share, 0.11 + 0.33 * share, 0.13 + 0.74 * share)


def _short(number: float, decimals: int | None) -> str:
    return _scaled(number, 1000, ["", "K", "Mil", "Bil"], decimals)


def _scaled(number: float, base: int, names: list[str], decimals: int | None) -> str:
    power = 0
    while abs(number) >= base and power < len(names) - 1:
        number, power = number / base, power + 1
    shown = f"{number:.3g}" if abs(number) < 1000 else f"{number:.0f}"
    if decimals is not None:
        shown = f"{number:.{decimals}f}"
    return f"{shown} {names[power]}".strip()


def _duration(seconds: float, decimals: int | None) -> str:
    for size, name in ((86400, "days"), (3600, "hours"), (60, "mins")):
        if abs(seconds) >= size:
            return f"{seconds / size:.{1 if decimals is None else decimals}f} {name}"
    return f"{seconds:.{2 if decimals is None else decimals}f} s".replace(".00 s", " s")
