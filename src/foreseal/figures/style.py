"""One look for all figures: legible on light and dark pages, and without telling red from green.

Hues are Okabe and Ito's; lines differ in dash and points in shape as well. Figures bring no background.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl

from foreseal.errors import MissingExtra

if TYPE_CHECKING:
    import bokeh.plotting

Say: TypeAlias = Callable[[str], str]
"""Translates a label; the English text is the key."""

BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
SERIES = (
    (VERMILION, "dashed", "square"),
    (GREEN, "dotdash", "triangle"),
    (PURPLE, "dotted", "diamond"),
    (ORANGE, "dashdot", "inverted_triangle"),
    (SKY, "solid", "circle"),
)
"""Colour, dash and marker of the first, second, ... thing that is compared with the blue one."""

INK = "#76797f"
GRID = "#8a8d93"
HEIGHT = 340
SQUARE = 460
FONT = "system-ui, sans-serif"
TELEPHONE = 280
"""Pixels that a figure has beside its axis on a narrow page."""

_ITEM, _NARROW, _WIDE, _ROW = 40, 7, 13, 32


def english(text: str) -> str:
    """The default translation."""
    return text


def unit_label(unit: str) -> str:
    """A UCUM code for readers: ``{vehicle}.h`` -> ``vehicle·h``; the unit 1 -> nothing."""
    return "" if unit == "1" else unit.replace("{", "").replace("}", "").replace(".", "·")


def with_unit(label: str, unit: str) -> str:
    """``label (unit)``, or the label alone if there is no unit."""
    text = unit_label(unit)
    return f"{label} ({text})" if text else label


def wall_clock(instants: pl.Series, timezone: str) -> pl.Series:
    """Aware instants as naive local times, which is what an axis shows; naive ones are left alone."""
    if getattr(instants.dtype, "time_zone", None) is None:
        return instants
    return instants.dt.convert_time_zone(timezone or "UTC").dt.replace_time_zone(None)


def time_label(timezone: str, say: Say) -> str:
    """Label of a time axis; an empty ``timezone`` means that the times have none."""
    return f"{say('time')} ({timezone})" if timezone else say("time")


def new_figure(
    *,
    x_label: str,
    y_label: str,
    time: bool = False,
    height: int = HEIGHT,
    max_width: int | None = None,
    tools: str = "",
) -> bokeh.plotting.figure:
    """An empty Bokeh figure in the house style. Raises `MissingExtra` without Bokeh."""
    try:
        from bokeh.models import DatetimeTickFormatter, NumeralTickFormatter, PlainText
        from bokeh.plotting import figure
    except ModuleNotFoundError:
        raise MissingExtra("plots", "Drawing figures") from None

    fig = figure(
        height=height,
        max_width=max_width,
        sizing_mode="stretch_width",
        x_axis_type="datetime" if time else "linear",
        tools=tools or "pan,xwheel_zoom,box_zoom,reset,save",
        active_scroll=None,
        background_fill_alpha=0,
        border_fill_alpha=0,
        outline_line_color=None,
        toolbar_location="right",
    )
    fig.toolbar.logo = None
    fig.toolbar.autohide = True
    for axis, label in ((fig.xaxis[0], x_label), (fig.yaxis[0], y_label)):
        axis.axis_label = PlainText(text=label)
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_color = axis.major_label_text_color = INK
        axis.axis_label_text_font = axis.major_label_text_font = FONT
        axis.axis_line_color = axis.major_tick_line_color = GRID
        axis.minor_tick_line_color = None
    fig.grid.grid_line_color = GRID
    fig.grid.grid_line_alpha = 0.25
    fig.yaxis[0].formatter = NumeralTickFormatter(format="0,0.[000000]")
    if time:
        fig.xaxis[0].formatter = DatetimeTickFormatter(
            hours="%m-%d %H:%M", days="%m-%d", months="%Y-%m", years="%Y"
        )
    return fig


def add_legend(
    fig: bokeh.plotting.figure, items: Sequence[tuple[str, Sequence[Any]]], room: int = TELEPHONE
) -> None:
    """A legend above the figure, in several rows if it is wider than a telephone's ``room`` in pixels, for
    which the figure grows; a click hides what it names."""
    from bokeh.models import Legend, LegendItem

    widths = [_ITEM + sum(_WIDE if ord(each) > 0x2E7F else _NARROW for each in label) for label, _ in items]
    columns = len(items)
    while columns > 1 and sum(max(widths[k::columns]) for k in range(columns)) > room:
        columns -= 1
    rows = -(-len(items) // max(columns, 1))
    columns = -(-len(items) // max(rows, 1))
    fig.height = (fig.height or HEIGHT) + _ROW * (rows - 1)

    legend = Legend(
        items=[LegendItem(label=label, renderers=list(glyphs)) for label, glyphs in items],
        orientation="horizontal",
        ncols=max(columns, 1),
        location="top_left",
        click_policy="hide",
        background_fill_alpha=0,
        border_line_alpha=0,
        label_text_color=INK,
        label_text_font=FONT,
        spacing=12,
        padding=2,
    )
    fig.add_layout(legend, "above")
