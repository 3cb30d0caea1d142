"""The fan chart: central intervals around a median, with the outcomes that arrived later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from foreseal.figures.style import (
    BLUE,
    INK,
    VERMILION,
    Say,
    add_legend,
    english,
    new_figure,
    time_label,
    wall_clock,
    with_unit,
)
from foreseal.records import quantile_column

if TYPE_CHECKING:
    from bokeh.models import LayoutDOM

OVERVIEW_AFTER = 240
WINDOW = 168
LISTED = 5
STRIP = 120


def central_pairs(quantiles: Sequence[float]) -> list[tuple[float, float]]:
    """Levels that bound a central interval, the widest first."""
    known = {round(level, 10) for level in quantiles}
    return sorted((p, round(1 - p, 10)) for p in known if p < 0.5 and round(1 - p, 10) in known)


def shades(quantiles: Sequence[float]) -> str:
    """The probabilities of the central intervals, narrow to wide: ``50, 80, 95 %``; empty without any."""
    held = [f"{100 * (high - low):g}" for low, high in reversed(central_pairs(quantiles))]
    if not held:
        return ""
    return ", ".join(held if len(held) <= LISTED else [*held[:2], "…", held[-1]]) + " %"


def fan_table(forecasts: pl.DataFrame, outcomes: pl.DataFrame, unique_id: str) -> pl.DataFrame:
    """``ds, cutoff, q…, y`` of one series; where horizons overlap, the forecast with the latest cutoff.

    ``outcomes`` has ``unique_id, ds, y``; ``y`` is null where there is no outcome (yet).
    """
    mine = forecasts.filter(pl.col("unique_id") == unique_id).drop("unique_id")
    latest = mine.sort("ds", "cutoff").unique("ds", keep="last", maintain_order=True)
    seen = outcomes.filter(pl.col("unique_id") == unique_id).select("ds", "y").unique("ds", keep="last")
    return latest.join(seen, on="ds", how="left", maintain_order="left")


def fan_figure(
    table: pl.DataFrame,
    quantiles: Sequence[float],
    *,
    unit: str = "1",
    timezone: str = "UTC",
    history: pl.DataFrame | None = None,
    say: Say = english,
) -> LayoutDOM:
    """Draw a table from `fan_table`; ``history`` (``ds, y``) is shown before it.

    A record of many cutoffs and more than 240 steps opens on its last 168, with the whole of it below to
    choose from. An empty ``timezone`` means that the times have none.
    """
    times = wall_clock(table["ds"], timezone)
    fig = new_figure(
        x_label=time_label(timezone, say),
        y_label=with_unit(say("value"), unit),
        time=True,
    )
    source = {"ds": times.to_numpy(), "y": _floats(table["y"])}
    source |= {quantile_column(p): _floats(table[quantile_column(p)]) for p in quantiles}
    legend = _draw(fig, source, quantiles, say)
    if history is not None:
        line = fig.line(
            wall_clock(history["ds"], timezone).to_numpy(), _floats(history["y"]), color=INK, line_width=1.2
        )
        legend.insert(0, (say("history"), [line]))
    add_legend(fig, legend)
    if len(times) > OVERVIEW_AFTER and table["cutoff"].n_unique() > 1:
        return _with_overview(fig, source, quantiles, say, start=times[-WINDOW], end=times[-1])
    return fig


def _draw(
    fig: Any, source: dict[str, Any], quantiles: Sequence[float], say: Say
) -> list[tuple[str, list[Any]]]:
    """Bands, median and outcomes; returns the legend's items."""
    from bokeh.models import ColumnDataSource, HoverTool

    data, items = ColumnDataSource(source), []
    pairs, bands = central_pairs(quantiles), []
    for depth, (low, high) in enumerate(pairs):
        band = fig.varea(
            x="ds",
            y1=quantile_column(low),
            y2=quantile_column(high),
            source=data,
            fill_color=BLUE,
            fill_alpha=min(0.12 + 0.1 * depth, 0.5),
        )
        bands.append(band)
    # A swatch shows all its bands on top of each other, as dark as the narrowest of them is drawn.
    if pairs:
        items.append((shades(pairs[0]), bands[:1]))
    if len(pairs) > 1:
        items.append((shades(pairs[-1]), bands[1:]))
    anchor = None
    if 0.5 in quantiles:
        anchor = fig.line("ds", "q0.5", source=data, color=BLUE, line_width=2)
        items.append((say("median"), [anchor]))
    line = fig.line("ds", "y", source=data, color=VERMILION, line_width=1)
    dots = fig.scatter("ds", "y", source=data, color=VERMILION, size=4)
    items.append((say("outcome"), [line, dots]))
    tips = [(say("time"), "@ds{%F %H:%M}"), (say("outcome"), "@y{0,0.[0]}")]
    tips += [(quantile_column(p), f"@{{{quantile_column(p)}}}{{0,0.[0]}}") for p in quantiles]
    fig.add_tools(
        HoverTool(
            renderers=[anchor or dots],
            tooltips=tips,
            formatters={"@ds": "datetime"},
            mode="vline",
            point_policy="snap_to_data",
        )
    )
    return items


def _with_overview(
    fig: Any, source: dict[str, Any], quantiles: Sequence[float], say: Say, start: datetime, end: datetime
) -> LayoutDOM:
    """The figure over a strip that shows the whole record and moves the figure's window."""
    from bokeh.layouts import column
    from bokeh.models import RangeTool

    fig.x_range.start, fig.x_range.end = start, end
    middle = 0.5 in quantiles
    label = (
        say("median, whole record; drag the window")
        if middle
        else say("outcome, whole record; drag the window")
    )
    strip = new_figure(x_label=label, y_label="", time=True, height=STRIP, tools="pan")
    strip.toolbar_location = None
    strip.yaxis[0].ticker.desired_num_ticks = 2
    strip.line(source["ds"], source["q0.5"] if middle else source["y"], color=BLUE if middle else VERMILION)
    tool = RangeTool(x_range=fig.x_range)
    tool.overlay.fill_color, tool.overlay.fill_alpha = BLUE, 0.2
    strip.add_tools(tool)
    return column(fig, strip, sizing_mode="stretch_width")


def _floats(values: pl.Series) -> Any:
    """NumPy floats with NaN for null, which Bokeh draws as a gap."""
    return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
