"""Panels with rows and columns: tables, and the matrix of weekdays and hours."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from panels import look as looks
from panels.panel import Panel

_HEAD = 26  # pixels above the first row


@dataclass
class Column:
    """One column, and where it is, in pixels."""

    name: Any
    look: dict[str, Any]
    values: list[Any]
    most: float  # at which a gauge or a shade is full
    left: float = 0
    width: float = 0

    @property
    def kind(self) -> str | None:
        """Of its cells: gauge, color-text, color-background."""
        options = self.look.get("custom.cellOptions") or {}
        return str(options["type"]) if "type" in options else None

    @property
    def words(self) -> dict[str, dict[str, Any]]:
        """What is shown instead of a value."""
        return {str(key): one for mapping in self.look.get("mappings") or [] for key, one in mapping["options"].items()}


def draw_table(panel: Panel) -> None:
    matrix = bool(panel.model.get("transformations"))
    columns = _columns(panel, matrix)
    _place(columns, panel.width)
    axes = panel.axes
    axes.set_xlim(0, panel.width)
    axes.set_ylim(panel.height, 0)
    tall = 34 if matrix else 27
    fitting = int((panel.height - _HEAD) // tall)
    for column in columns:
        _draw_name(axes, column)
        for number, value in enumerate(column.values[:fitting]):
            _draw_cell(axes, column, value, _HEAD + number * tall, tall)
    for number in range(min(len(columns[0].values), fitting) + 1):
        axes.plot([0, panel.width], [_HEAD + number * tall] * 2, color=looks.GRID, linewidth=0.7)


def _columns(panel: Panel, matrix: bool) -> list[Column]:
    """Those that are not hidden. A column has a scale of its own, the matrix has one for all."""
    answer = panel.answer.matrix() if matrix else panel.answer
    columns = []
    for name in answer.columns:
        look, values = panel.look(name), answer.column(name)
        if not look.get("custom.hideFrom", {}).get("viz"):
            numbers = [float(one) for row in (answer.rows if matrix else [values]) for one in row if _is_number(one)]
            columns.append(Column(name, look, values, look.get("max") or max(numbers, default=1)))
    return columns


def _place(columns: list[Column], width: float) -> None:
    """Columns without a width of their own share what the others leave."""
    own = [column.look.get("custom.width") for column in columns]
    rest = (width - sum(value for value in own if value)) / max(own.count(None), 1)
    left = 0.0
    for column, value in zip(columns, own, strict=True):
        column.left, column.width = left, value or rest
        left += column.width


def _draw_name(axes: Axes, column: Column) -> None:
    """Above the numbers at the right, above anything else at the left."""
    plain = column.kind != "gauge" and not column.words
    right = plain and any(_is_number(value) for value in column.values)
    x, side = (column.left + column.width - 10, "right") if right else (column.left + 6, "left")
    name = column.look.get("displayName", column.name)
    axes.text(x, 12, name, size=9.5, color=looks.LINK, va="center", ha=side)


def _draw_cell(axes: Axes, column: Column, value: Any, y: float, h: float) -> None:
    look, x, w, most = column.look, column.left, column.width, column.most
    word = column.words.get(str(value))
    shown = word["text"] if word else looks.text(value, look, nothing="")
    color = looks.color(look, value)

    def write(text: str, at: float, side: str, color: str) -> None:
        axes.text(at, y + h / 2, text, size=9.5, ha=side, va="center", color=color)

    if column.kind == "color-background" and isinstance(value, int | float):
        axes.add_patch(Rectangle((x + 1, y + 1), w - 2, h - 2, color=looks.shade(float(value) / most)))
        write(shown, x + w / 2, "center", "white")
        return
    if column.kind == "gauge" and value is not None:
        share = min(max(float(value) / most if most else 0, 0), 1)
        axes.add_patch(Rectangle((x + 6, y + 5), w - 74, h - 10, color=looks.TROUGH))
        axes.add_patch(Rectangle((x + 6, y + 5), share * (w - 74), h - 10, color=color, alpha=0.85))
        write(shown, x + w - 8, "right", color)
        return
    if column.kind != "color-text":
        color = looks.TEXT
    elif word and word.get("color"):
        color = word["color"]
    if _is_number(value) and not word:
        write(shown, x + w - 10, "right", color)
    else:
        write(_cut(shown, w - 12), x + 6, "left", color)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal)


def _cut(text: str, width: float) -> str:
    """As much of a text as there is room for; Korean characters are twice as wide."""
    used, kept = 0.0, ""
    for character in text.replace("\n", " "):
        used += 12.2 if ord(character) > 0x1100 else 6.6
        if used > width - 8:
            return kept.rstrip() + "…"
        kept += character
    return kept
