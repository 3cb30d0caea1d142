"""The backtest of limits: what came, the limits that were sealed, and when it fell below them."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from foreseal.pictures import Exceedances

if TYPE_CHECKING:
    from bokeh.models import LayoutDOM

SHOWN = 6
LOOKS = ((BLUE, "solid"), ("#56B4E9", "dashed"), ("#CC79A7", "dotted"))


def exceedance_table(picture: Exceedances) -> pl.DataFrame:
    """``name, level, ds, y, limit, exceeded``: what came, and whether it fell below its limit."""
    known = picture.frame.filter(pl.col("y").is_finite() & pl.col("limit").is_finite())
    return known.with_columns(exceeded=pl.col("y") < pl.col("limit"))


def exceedances_figure(
    table: pl.DataFrame, *, unit: str = "1", timezone: str = "UTC", whole: str = "", say: Say = english
) -> LayoutDOM:
    """Draw a table from `exceedance_table`, a figure per name; ``whole`` is what the empty name is called."""
    from bokeh.layouts import column
    from bokeh.models import PlainText

    figures = []
    for name in table["name"].unique(maintain_order=True).to_list()[:SHOWN]:
        own = table.filter(pl.col("name") == name)
        fig = new_figure(
            x_label="",
            y_label=with_unit(say("return"), unit),
            time=True,
            height=230,
        )
        fig.title.text = PlainText(text=name or whole)
        fig.title.text_color = INK
        days = own.unique("ds", maintain_order=True)
        dots = fig.scatter(
            wall_clock(days["ds"], timezone).to_numpy(), days["y"].to_numpy(), color=INK, size=4, alpha=0.7
        )
        items = [(say("outcome"), [dots])]
        for level, (colour, dash) in zip(own["level"].unique().sort(descending=True), LOOKS, strict=False):
            rows = own.filter(pl.col("level") == level)
            times = wall_clock(rows["ds"], timezone)
            line = fig.step(
                times.to_numpy(),
                rows["limit"].to_numpy(),
                mode="center",
                color=colour,
                line_dash=dash,
                line_width=2,
            )
            hit = rows["exceeded"].to_numpy()
            marks = fig.scatter(
                times.to_numpy()[hit],
                rows["y"].to_numpy()[hit],
                color=VERMILION,
                marker="square",
                size=8 + 5 * len(items),
                fill_alpha=0,
                line_width=2,
            )
            items.append((f"VaR {100 * (1 - level):g} %", [line, marks]))
        add_legend(fig, items)
        figures.append(fig)
    for each in figures[1:]:
        each.x_range = figures[0].x_range
    figures[-1].xaxis[0].axis_label = PlainText(text=time_label(timezone, say))
    return column(*figures, sizing_mode="stretch_width") if len(figures) > 1 else figures[0]
