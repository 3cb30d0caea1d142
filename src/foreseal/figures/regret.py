"""Decisions in hindsight: what the alternatives would have cost, and the regret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from foreseal.figures.style import (
    BLUE,
    INK,
    SERIES,
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

BAR = 0.8
MILLISECONDS_A_DAY = 86_400_000


def regret_table(costs: pl.DataFrame) -> pl.DataFrame:
    """``cutoff, chosen, cost, regret`` and, per other option, ``saved NAME``, the running sum of what the
    choice saved against it (negative where the other option would have been cheaper).

    ``costs`` has ``cutoff, option, chosen, cost``; cutoffs with an unknown cost are left out. Regret is the
    cost of the choice above that of the cheapest option listed.
    """
    known = costs.filter(pl.col("cost").is_not_null().all().over("cutoff")).sort("cutoff")
    chosen = known.filter("chosen").select("cutoff", pl.col("option").alias("chosen"), "cost")
    best = known.group_by("cutoff").agg(pl.col("cost").min().alias("_best"))
    table = chosen.join(best, on="cutoff", maintain_order="left").with_columns(
        regret=pl.col("cost") - pl.col("_best")
    )
    for name in known["option"].unique(maintain_order=True):
        if (chosen["chosen"] == name).all():
            continue
        other = known.filter(pl.col("option") == name).select("cutoff", pl.col("cost").alias("_other"))
        table = (
            table.join(other, on="cutoff", how="left", maintain_order="left")
            .with_columns((pl.col("_other") - pl.col("cost")).fill_null(0).cum_sum().alias(f"saved {name}"))
            .drop("_other")
        )
    return table.drop("_best")


def regret_figure(table: pl.DataFrame, *, unit: str, timezone: str = "UTC", say: Say = english) -> LayoutDOM:
    """Draw a table from `regret_table`: savings that add up, over the regret of each cutoff."""
    from bokeh.layouts import column
    from bokeh.models import Span

    times = wall_clock(table["cutoff"], timezone)
    top = new_figure(x_label="", y_label=with_unit(say("saved against, running sum"), unit), time=True)
    items = []
    others = [name for name in table.columns if name.startswith("saved ")]
    for name, (colour, dash, marker) in zip(others, SERIES, strict=False):
        values = table[name].to_numpy()
        line = top.line(times.to_numpy(), values, color=colour, line_width=2, line_dash=dash)
        dots = top.scatter(times.to_numpy(), values, color=colour, marker=marker, size=5)
        items.append((name.removeprefix("saved "), [line, dots]))
    top.add_layout(Span(location=0, dimension="width", line_color=INK))
    add_legend(top, items)
    low = new_figure(
        x_label=time_label(timezone, say), y_label=with_unit(say("regret"), unit), time=True, height=180
    )
    low.x_range = top.x_range
    gaps = times.diff().dt.total_milliseconds().drop_nulls().to_list()
    low.vbar(
        times.to_numpy(),
        top=table["regret"].to_numpy(),
        width=BAR * min(gaps, default=MILLISECONDS_A_DAY),
        color=BLUE,
    )
    low.y_range.start = 0
    return column(top, low, sizing_mode="stretch_width")
