"""Stock over time: what is there at the end of each step, what is ordered, and the levels of the rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from foreseal.figures.style import (
    BLUE,
    GREEN,
    INK,
    PURPLE,
    VERMILION,
    Say,
    add_legend,
    english,
    new_figure,
    time_label,
    wall_clock,
    with_unit,
)

if TYPE_CHECKING:
    from bokeh.models import LayoutDOM

SHOWN = 6
"""So many series are drawn, those with the highest order-up-to levels; the table has all."""


def ledger_figure(
    table: pl.DataFrame, *, unit: str = "1", timezone: str = "UTC", say: Say = english
) -> LayoutDOM:
    """Draw the frame of a `Ledger`, a figure per series."""
    from bokeh.layouts import column
    from bokeh.models import PlainText, Span

    names = (
        table.group_by("name")
        .agg(pl.col("upto").max())
        .sort("upto", "name", descending=[True, False])["name"]
    )
    figures: list[Any] = []
    for name in names.to_list()[:SHOWN]:
        own = table.filter(pl.col("name") == name).sort("ds")
        times = wall_clock(own["ds"], timezone).to_numpy()
        fig = new_figure(x_label="", y_label=with_unit(say("stock"), unit), time=True, height=240)
        fig.title.text = PlainText(text=name)
        fig.title.text_color = INK
        for level in ("reorder", "upto"):
            dash = "dashed" if level == "reorder" else "dotted"
            fig.line(times, own[level].to_numpy(), color=PURPLE, line_dash=dash, line_width=2)
        low, high, middle = (own[each].to_numpy() for each in ("low", "high", "middle"))
        span = fig.segment(times, low, times, high, color=INK, line_width=3)
        mid = fig.scatter(times, middle, color=INK, marker="dash", size=11, line_width=3)
        asked = own["asked"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        came = fig.scatter(times, asked, color=VERMILION, marker="diamond", size=9)
        stock = fig.line(times, own["stock"].to_numpy(), color=BLUE, line_width=2)
        ends = fig.scatter(times, own["stock"].to_numpy(), color=BLUE, size=6)
        orders = own.filter(pl.col("ordered") > 0)
        ordered = fig.scatter(
            wall_clock(orders["ds"], timezone).to_numpy(),
            orders["ordered"].to_numpy(),
            color=GREEN,
            marker="triangle",
            size=11,
        )
        fig.add_layout(Span(location=0, dimension="width", line_color=INK))
        if not figures:
            add_legend(
                fig,
                [
                    (say("stock"), [stock, ends]),
                    (say("ordered"), [ordered]),
                    (say("demand"), [came]),
                    (say("demand, as forecast"), [span, mid]),
                ],
            )
        figures.append(fig)
    figures[-1].xaxis[0].axis_label = PlainText(text=time_label(timezone, say))
    return column(*figures, sizing_mode="stretch_width") if len(figures) > 1 else figures[0]
